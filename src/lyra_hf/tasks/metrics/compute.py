"""From a model's raw outputs to its metrics."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats, columns, finite, is_missing_class, paired_classes, paired_numbers
from .classification import classification_metrics, log_odds
from .regression import regression_metrics


def compute_metrics(
    predictions: NDArray[Any],
    references: NDArray[Any],
    problem_type: str,
    output_names: Sequence[str] | None = None,
    *,
    only: str | None = None,
) -> dict[str, Any]:
    """Compare a model's raw outputs with the truth.

    Args:
        predictions: "regression": (N,) or (N, O) numbers. "single_label_classification": (N, C) logits.
            "multi_label_classification": (N, O) logits, or (N,) if there is one label. All finite.
        references: regression: shaped like predictions, NaN where missing (-100 is a number like others). Single label:
            (N,) class numbers. Multi-label: shaped like predictions, 0 or 1. For both, -100 or NaN where missing.
        problem_type: as in the model's configuration.
        output_names: names of the O outputs, by default "LABEL_0" and so on; not used with one output or classes.
        only: the one metric to compute, besides `n`; all of them unless told.

    Returns:
        Values are floats, or None where the data leave a metric undefined; `n` counts the references. Regression:
        spearman, pearson, rmse, r2, n. Classification: auroc, ap, mcc, accuracy, f1, n; of class 1 where there are two
        classes, else means over classes. Several outputs: the mean of each metric over the outputs that define it, `n`,
        the rows with any reference, and `outputs`, the metrics of each output by its name.

    Raises:
        ValueError: shapes do not fit, predictions are not finite, or references are not of the kind described.
    """
    if problem_type == "single_label_classification":
        return _class_metrics(predictions, references, only)
    if problem_type not in OUTPUT_METRICS:
        known = ", ".join(["single_label_classification", *OUTPUT_METRICS])
        raise ValueError(f"unknown problem type {problem_type!r}: it may be {known}")
    predicted, true = columns(finite(predictions), "predictions"), columns(references, "references")
    if predicted.shape != true.shape:
        raise ValueError(f"references of shape {true.shape} do not fit predictions of shape {predicted.shape}")
    measure = OUTPUT_METRICS[problem_type]
    outputs = [measure(*pair, only) for pair in zip(predicted.T, true.T, strict=True)]
    if len(outputs) == 1:
        return outputs[0]
    names = [f"LABEL_{index}" for index in range(len(outputs))] if output_names is None else list(output_names)
    if len(set(names)) != len(outputs):
        raise ValueError(f"{len(outputs)} outputs need as many different names, not {names}")
    means = {metric: _mean([output[metric] for output in outputs]) for metric in outputs[0] if metric != "n"}
    missing = np.isnan(true) if problem_type == "regression" else is_missing_class(true)
    rows = len(true) - int(missing.all(axis=1).sum())
    return {**means, "n": rows, "outputs": dict(zip(names, outputs, strict=True))}


def _number_metrics(predictions: Floats, references: Floats, only: str | None = None) -> dict[str, Any]:
    """One output of a regression: (N,) and (N,)."""
    return regression_metrics(*paired_numbers(predictions, references), only)


def _label_metrics(logits: Floats, references: Floats, only: str | None = None) -> dict[str, Any]:
    """One label of several: logits (N,), references 0, 1 or missing (N,)."""
    scores, true = paired_classes(logits, references)
    # A logit above 0 is a probability above 0.5, and logits order rows as probabilities do, without their rounding.
    return classification_metrics(scores, (scores > 0).astype(np.int64), true, 2, only)


def _class_metrics(predictions: NDArray[Any], references: NDArray[Any], only: str | None) -> dict[str, Any]:
    """One class of several: logits (N, C), class numbers (N,) or (N, 1)."""
    true_column = columns(references, "references")
    if np.ndim(predictions) != 2 or np.shape(predictions)[1] < 2 or true_column.shape[1] != 1:
        shapes = f"{np.shape(predictions)} and {np.shape(references)}"
        raise ValueError(f"logits and references must have the shapes (rows, classes) and (rows,), not {shapes}")
    logits, true = paired_classes(predictions, true_column[:, 0])
    return classification_metrics(log_odds(logits), logits.argmax(axis=1), true, logits.shape[1], only)


def _mean(values: list[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


OUTPUT_METRICS: dict[str, Callable[..., dict[str, Any]]] = {
    "regression": _number_metrics,
    "multi_label_classification": _label_metrics,
}
