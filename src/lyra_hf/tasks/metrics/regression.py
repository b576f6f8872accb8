"""Metrics of predicted numbers. Arrays are float64 (N,), finite; None where the data leave a metric undefined."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...extras import needs
from .arrays import Floats

ROUNDING = 1e-12  # relative differences below which a correlation is one of rounding errors


def spearman(predictions: Floats, references: Floats) -> float | None:
    """Rank correlation, ties at their mean rank; None where either side is constant."""
    if _is_constant(predictions) or _is_constant(references):
        return None
    stats = _scipy_stats()
    return float(stats.spearmanr(predictions, references).statistic)


def pearson(predictions: Floats, references: Floats) -> float | None:
    """Linear correlation; None where either side is constant, or as good as constant at float64's precision."""
    if _is_constant(predictions, ROUNDING) or _is_constant(references, ROUNDING):
        return None
    stats = _scipy_stats()
    return float(stats.pearsonr(predictions, references).statistic)


def rmse(predictions: Floats, references: Floats) -> float | None:
    """Root mean squared error, in the units of the references."""
    if not len(references):
        return None
    return float(np.sqrt(np.mean(np.square(predictions - references))))


def r2(predictions: Floats, references: Floats) -> float | None:
    """Coefficient of determination: the part of the variance that is explained, negative if worse than the mean.

    It is no squared correlation: a shift or a wrong scale costs. None where the references are constant.
    """
    if _is_constant(references):
        return None
    unexplained = float(np.sum(np.square(references - predictions)))
    total = float(np.sum(np.square(references - references.mean())))
    value = 1 - unexplained / total if total else -math.inf  # squares of tiny differences may be 0
    return value if math.isfinite(value) else None


METRICS: dict[str, Callable[[Floats, Floats], float | None]] = {
    "spearman": spearman,
    "pearson": pearson,
    "rmse": rmse,
    "r2": r2,
}


def regression_metrics(predictions: Floats, references: Floats, only: str | None = None) -> dict[str, Any]:
    """All metrics of one output, or only the one of a name, and `n`."""
    chosen = METRICS if only is None else {only: METRICS[only]}
    return {**{name: metric(predictions, references) for name, metric in chosen.items()}, "n": len(references)}


def _is_constant(values: Floats, tolerance: float = 0.0) -> bool:
    """All values the same, or within the tolerance relative to their size."""
    return bool(len(values) < 2 or np.ptp(values) <= tolerance * np.abs(values).max())


def _scipy_stats() -> Any:
    with needs("train", "computing metrics"):
        import scipy.stats
    return scipy.stats
