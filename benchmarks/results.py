"""What a measurement says, and what it should say."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from .timing import Summary

# Share of the processors that other programs may use before a figure counts as disturbed.
QUIET = 0.03


@dataclass(frozen=True)
class Goal:
    """A bound on a result's value or on its ratio to the first contestant of its case.

    Attributes:
        of: which of the two.
        at_least: its lower bound, if that is the goal.
        at_most: its upper bound, if that is the goal.
    """

    of: Literal["value", "ratio"]
    at_least: float | None = None
    at_most: float | None = None

    def is_met(self, figure: float) -> bool:
        """Whether a value or ratio is within the bounds."""
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)


@dataclass(frozen=True, kw_only=True)
class Result:
    """One line of a table.

    Attributes:
        case: what is done ("DNA guides, 30 letters").
        contestant: who does it ("definition").
        value: the figure, None where it was not measured.
        unit: what it counts ("sequences/s").
        quartiles: the lower and upper one, where there are repeats.
        letters_per_second: the figure as a rate of letters, where it is a rate of sequences.
        ratio: the figure divided by that of the case's first contestant.
        goal: what the value or the ratio should be.
        note: anything else ("batch 256").
        neighbours: share of the processors that other programs used meanwhile; None if it is not known.
    """

    case: str
    contestant: str
    value: float | None
    unit: str
    quartiles: tuple[float, float] | None = None
    letters_per_second: float | None = None
    ratio: float | None = None
    goal: Goal | None = None
    note: str = ""
    neighbours: float | None = None

    @property
    def is_disturbed(self) -> bool:
        """Whether it is a matter of time, and other programs took too much of it."""
        is_timed = self.unit == "s" or self.unit.endswith("/s")
        return is_timed and self.neighbours is not None and self.neighbours > QUIET

    @property
    def goal_is_met(self) -> bool | None:
        """Whether the goal is met; None without a goal or without the figure it is about."""
        figure = None if self.goal is None else (self.value if self.goal.of == "value" else self.ratio)
        return None if self.goal is None or figure is None else self.goal.is_met(figure)

    def as_json(self) -> dict[str, Any]:
        """All of it as plain objects."""
        return {**asdict(self), "goal_is_met": self.goal_is_met}


def rate_result(
    case: str,
    contestant: str,
    rate: Summary,
    length: int,
    *,
    first: Summary,
    goal: Goal | None = None,
    note: str = "",
) -> Result:
    """The result of a rate in sequences of `length` letters per second, beside the case's first contestant's."""
    return Result(
        case=case,
        contestant=contestant,
        value=rate.median,
        unit="sequences/s",
        quartiles=(rate.lower, rate.upper),
        letters_per_second=rate.median * length,
        ratio=rate.median / first.median,
        goal=goal,
        note=note,
    )
