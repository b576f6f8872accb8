"""What several runs of one task gave together, from their reports."""

from collections.abc import Callable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

Report = Mapping[str, Any]
_LOWER_IS_BETTER = {"rmse"}
PREDICTION_INTERVALS = "prediction_intervals"  # what a report calls how well they hold the labels
_NO_METRICS = ("n", "outputs", "interval", PREDICTION_INTERVALS, "subsets")


def metric_names(measured: Report) -> list[str]:
    """The metrics among what a report tells of some rows."""
    return [name for name in measured if name not in _NO_METRICS]


def greater_is_better(metric: str) -> bool:
    """Whether a higher value of the metric is better."""
    return metric not in _LOWER_IS_BETTER


def best_run(reports: Mapping[str, Report]) -> str:
    """The name of the run that is best on validation, by the metric that its epochs were picked by."""

    def merit(name: str) -> float:
        metric = reports[name]["metric"]
        value = reports[name]["validation"][metric]
        if value is None:  # undefined
            return float("-inf")
        return float(value) if greater_is_better(metric) else -float(value)

    return max(reports, key=merit)


def summarize(reports: Mapping[str, Report]) -> dict[str, Any]:
    """Mean and standard deviation over the runs of each metric, the best run, and the reports themselves.

    Args:
        reports: the training reports of one task's runs, by the runs' names.
    """
    best = best_run(reports)
    summary: dict[str, Any] = {"metric": reports[best]["metric"], "best": best}
    for split in ("validation", "test"):
        metrics = [report[split] for report in reports.values()]
        summary[split] = None if None in metrics else combined(metrics, _spread)
    return {**summary, "runs": dict(reports)}


def combined(metrics: Sequence[Mapping[str, Any]], combine: Callable[[list[float]], Any]) -> dict[str, Any]:
    """What the values of several runs come to, in the place of each metric; None where the data leave one undefined.

    Args:
        metrics: of each run, all of the same rows.
        combine: makes one thing of a metric's values.
    """
    together: dict[str, Any] = {}
    for name, first in metrics[0].items():
        values: list[Any] = [entry.get(name) for entry in metrics]
        if name == "interval":  # of one run; the spread over runs is another thing
            continue
        if None in values:
            together[name] = None
        elif isinstance(first, Mapping):
            together[name] = combined(values, combine)
        elif name == "n":
            together[name] = first
        else:
            together[name] = combine(values)
    return together


def _spread(values: list[float]) -> dict[str, float]:
    return {"mean": mean(values), "std": stdev(values) if len(values) > 1 else 0.0}
