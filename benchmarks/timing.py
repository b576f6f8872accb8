"""Interleaved timing: A, B, C, A, B, C, ..., so that what else the machine does falls on all of them alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Run = Callable[[], object]
Clock = Callable[[], float]  # seconds


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of some measurements."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise at least one value."""
        return cls(quantile(values, 0.25), quantile(values, 0.5), quantile(values, 0.75))

    def rate(self, amount: float) -> "Summary":
        """Of seconds for an `amount`: amounts per second."""
        return Summary(amount / self.upper, amount / self.median, amount / self.lower)


@dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes:
        seconds: for all rounds of a case together.
        least: rounds in any case, however long they take.
        most: rounds at most.
    """

    seconds: float
    least: int
    most: int

    def rounds(self, round_seconds: float) -> int:
        """How many rounds of `round_seconds` each to measure."""
        return max(self.least, min(self.most, int(self.seconds / max(round_seconds, 1e-9))))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of the values lies, between two of them on the straight line."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def interleave(runs: Mapping[str, Run], rounds: int, clock: Clock = time.perf_counter) -> dict[str, list[float]]:
    """Seconds of each run in each round; a round runs each once, in the order given.

    A run must have done its work when it returns (on a GPU: wait for it).
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = clock()
            run()
            seconds[name].append(clock() - start)
    return seconds


def compare(runs: Mapping[str, Run], effort: Effort, clock: Clock = time.perf_counter) -> dict[str, Summary]:
    """Seconds of each run, after a round to warm up, which also tells how many rounds there is time for."""
    warm_up = interleave(runs, 1, clock)
    # The second round is the first that is warm, and counts.
    seconds = interleave(runs, 1, clock)
    round_seconds = min(sum(map(sum, warm_up.values())), sum(map(sum, seconds.values())))
    more = interleave(runs, effort.rounds(round_seconds) - 1, clock)
    return {name: Summary.of(seconds[name] + more[name]) for name in runs}


def fastest(runs: Mapping[str, Run], clock: Clock = time.perf_counter) -> str:
    """The name of the run with the least seconds in the better of two rounds."""
    if len(runs) == 1:
        return next(iter(runs))
    seconds = interleave(runs, 2, clock)
    return min(runs, key=lambda name: min(seconds[name]))
