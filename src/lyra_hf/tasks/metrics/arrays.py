"""From what models and tables give to the clean pairs of predictions and references that metrics compare."""

from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...labels import IGNORE_INDEX

Floats: TypeAlias = NDArray[np.float64]
Classes: TypeAlias = NDArray[np.int64]

LARGEST = 1e150  # squares stay finite; a prediction beyond it is as broken as an infinite one


def finite(predictions: ArrayLike) -> Floats:
    """Predictions in float64; ValueError where one is infinite or NaN, because a model that fails must not score."""
    values = np.asarray(predictions, dtype=np.float64)
    bad = values.size - np.count_nonzero(np.abs(values) < LARGEST)
    if bad:
        raise ValueError(f"{bad} of {values.size} predictions are not finite")
    return values


def is_missing_class(references: Floats) -> NDArray[np.bool_]:
    """Where a class number, or the 0 or 1 of a label, is not known: -100 or NaN."""
    missing: NDArray[np.bool_] = np.isnan(references) | (references == IGNORE_INDEX)
    return missing


def paired_numbers(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Floats]:
    """Predicted and true numbers of the rows whose reference is known.

    Args:
        predictions: (N,).
        references: (N,); NaN where missing.

    Returns:
        Two arrays (K,), K <= N.
    """
    predicted, true = finite(predictions), np.asarray(references, dtype=np.float64)
    if predicted.ndim != 1:
        raise ValueError(f"predictions must have the shape (rows,), not {predicted.shape}")
    _check_lengths(predicted, true)
    if (np.abs(true) >= LARGEST).any():
        raise ValueError("references must be finite numbers, or NaN where missing")
    known = ~np.isnan(true)
    return predicted[known], true[known]


def paired_classes(predictions: ArrayLike, references: ArrayLike) -> tuple[Floats, Classes]:
    """Predictions and true classes of the rows whose reference is known.

    Args:
        predictions: (N,) or (N, C): predicted classes or scores.
        references: (N,) class numbers; -100 or NaN where missing.

    Returns:
        Arrays (K,) or (K, C), and (K,); K <= N.
    """
    predicted, true = finite(predictions), np.asarray(references, dtype=np.float64)
    _check_lengths(predicted, true)
    known = ~is_missing_class(true)
    return predicted[known], class_numbers(true[known], "references")


def class_numbers(values: Floats, what: str) -> Classes:
    """Whole numbers from 0, as integers; anything else, such as a probability, is a ValueError."""
    if not ((values >= 0) & (values < np.iinfo(np.int32).max) & (values == np.floor(values))).all():
        raise ValueError(f"{what} must be class numbers 0, 1, ...")
    return values.astype(np.int64)


def columns(values: ArrayLike, what: str) -> Floats:
    """(N,) or (N, O) -> (N, O)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim not in (1, 2):
        raise ValueError(f"{what} must have the shape (rows,) or (rows, outputs), not {array.shape}")
    return array[:, None] if array.ndim == 1 else array


def _check_lengths(predictions: Floats, references: Floats) -> None:
    if predictions.ndim not in (1, 2) or references.shape != predictions.shape[:1]:
        raise ValueError(f"references of shape {references.shape} do not fit predictions of shape {predictions.shape}")
