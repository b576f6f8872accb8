"""Order of interleaved runs, and their summaries; the clock is a counter, nothing is timed."""

from collections.abc import Callable
from itertools import count

import pytest

from benchmarks.timing import Effort, Summary, compare, fastest, interleave, quantile


class Bench:
    """Runs that note their turn, and a clock that only they move on."""

    def __init__(self, **seconds: float) -> None:
        self.turns: list[str] = []
        self.now = 0.0
        self.runs = {name: self.make(name, taken) for name, taken in seconds.items()}

    def make(self, name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            self.turns.append(name)
            self.now += seconds

        return run

    def clock(self) -> float:
        return self.now


def test_runs_take_turns() -> None:
    bench = Bench(a=1, b=2, c=3)
    assert interleave(bench.runs, 2, bench.clock) == {"a": [1, 1], "b": [2, 2], "c": [3, 3]}
    assert bench.turns == ["a", "b", "c", "a", "b", "c"]


def test_no_rounds_no_runs() -> None:
    bench = Bench(a=1)
    assert interleave(bench.runs, 0, bench.clock) == {"a": []}
    assert bench.turns == []


def test_the_first_round_warms_up_and_does_not_count() -> None:
    ticks = count()
    calls: list[int] = []
    summary = compare({"a": lambda: calls.append(next(ticks))}, Effort(1e9, least=1, most=3), Bench().clock)
    assert len(calls) == 4
    assert summary == {"a": Summary(0, 0, 0)}


@pytest.mark.parametrize(("taken", "rounds"), [(1.0, 10), (4.0, 3), (0.01, 20), (100.0, 3)])
def test_rounds_fit_the_time_within_bounds(taken: float, rounds: int) -> None:
    assert Effort(seconds=10, least=3, most=20).rounds(taken) == rounds
    bench = Bench(a=taken)
    compare(bench.runs, Effort(seconds=10, least=3, most=20), bench.clock)
    assert len(bench.turns) == 1 + rounds


def test_fastest() -> None:
    bench = Bench(slow=3, fast=1, middle=2)
    assert fastest(bench.runs, bench.clock) == "fast"
    assert bench.turns == 2 * ["slow", "fast", "middle"]


def test_one_alone_is_fastest_without_a_run() -> None:
    bench = Bench(alone=1)
    assert fastest(bench.runs, bench.clock) == "alone"
    assert bench.turns == []


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], (3, 3, 3)),
        ([4.0, 2.0], (2.5, 3, 3.5)),
        ([5.0, 1.0, 3.0], (2, 3, 4)),
        ([1.0, 2.0, 3.0, 4.0], (1.75, 2.5, 3.25)),
        ([9.0, 1.0, 2.0, 3.0, 4.0], (2, 3, 4)),
    ],
)
def test_summary(values: list[float], expected: tuple[float, float, float]) -> None:
    assert Summary.of(values) == Summary(*expected)


def test_quantiles_at_the_ends() -> None:
    assert quantile([3, 1, 2], 0) == 1
    assert quantile([3, 1, 2], 1) == 3


def test_rate_of_seconds() -> None:
    assert Summary(1, 2, 4).rate(8) == Summary(2, 4, 8)
