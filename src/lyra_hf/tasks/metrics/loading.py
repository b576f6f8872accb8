"""The metrics as modules of Hugging Face `evaluate`, found on disk."""

from pathlib import Path
from typing import Any

from ...errors import UserError
from ...extras import needs
from . import classification, regression

METRIC_NAMES = (*regression.METRICS, *classification.SCORE_METRICS, *classification.CLASS_METRICS)


def metric_path(name: str) -> str:
    """Path of a metric's script, for `evaluate.load` and `evaluate.combine`; needs no network.

    Args:
        name: one of `METRIC_NAMES`.
    """
    if name not in METRIC_NAMES:
        raise UserError(f"there is no metric {name!r}: it may be {', '.join(METRIC_NAMES)}")
    return str(Path(__file__).with_name("modules") / f"{name}.py")


def load_metric(name: str, **options: Any) -> Any:
    """The metric as an `evaluate.EvaluationModule`; options as for `evaluate.load`, such as `keep_in_memory`."""
    with needs("train", "loading a metric"):
        import evaluate
    return evaluate.load(metric_path(name), **options)
