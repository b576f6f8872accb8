"""Metrics of predictions: as functions, and as modules of Hugging Face `evaluate` that need no network.

`compute_metrics` is the entry for training and the command line. `regression` and `classification` hold the
mathematics; `evaluate.load(metric_path("spearman"))` and `load_metric("spearman")` give the same as `evaluate` modules.
A metric that the data leave undefined is None, never NaN, so that results are valid JSON.
"""

from .compute import compute_metrics
from .loading import METRIC_NAMES, load_metric, metric_path

__all__ = ["METRIC_NAMES", "compute_metrics", "load_metric", "metric_path"]
