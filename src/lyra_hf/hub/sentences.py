"""What the cards of the catalogue's checkpoints and of one's own models say alike of what was measured."""

from collections.abc import Mapping, Sequence
from typing import Any


def on_bootstrap(metric: str, interval: Sequence[float] | None) -> str:
    """How far the figure of the test rows may be off; nothing where that is not known.

    Args:
        metric: its name.
        interval: the lower and the upper end of 95 %.
    """
    if interval is None:
        return ""
    low, high = interval
    return f" The 95 % interval of the test {metric} is {low:.4f} to {high:.4f} (bootstrap over the test sequences)."


def on_coverage(measured: Mapping[str, Any] | None, remark: str = "") -> str:
    """How well prediction intervals hold the labels of the test rows; nothing where there are none.

    Args:
        measured: "level" and "coverage", as reports have them.
        remark: put behind.
    """
    if measured is None or measured["coverage"] is None:
        return ""
    return (
        f" The {measured['level']:.0%} prediction intervals, fitted to the validation rows, hold "
        f"{measured['coverage']:.1%} of the test labels{remark}."
    )
