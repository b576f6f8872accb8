"""Measures a model on labelled rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..configuration_lyra import LyraConfig
from ..errors import as_user_error
from ..inference.predictor import Predictor
from ..inference.results import output_index, output_names, problem_type
from ..tasks.metrics import compute_metrics
from .data import Rows


def flatten(
    config: LyraConfig, logits: Sequence[npt.NDArray[Any]], labels: Sequence[npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[Any]]:
    """Outputs and labels as one row per sequence, or per residue of a head per residue.

    Args:
        config: the model's configuration.
        logits: arrays whose last dimension, if they have any, is the outputs, or missing where there is one: single
            rows or whole batches.
        labels: arrays of the same rows; class numbers, or numbers with the outputs last.

    Returns:
        Outputs (rows, O), of a regression with one output (rows,); labels (rows,) or (rows, O).
    """
    outputs = config.num_labels
    columns = 1 if problem_type(config) == "single_label_classification" else outputs
    flat_logits = np.concatenate([np.reshape(array, (-1, outputs)) for array in logits])
    flat_labels = np.concatenate([np.reshape(array, (-1, columns)) for array in labels])
    if columns == 1:
        flat_labels = flat_labels[:, 0]
    return flat_logits[:, 0] if outputs == 1 else flat_logits, flat_labels


def evaluate_rows(predictor: Predictor, rows: Rows, output: str | None = None) -> dict[str, Any]:
    """Metrics of a model on labelled rows.

    Args:
        predictor: the model.
        rows: token ids and labels.
        output: of a model with several outputs, the one to hold against labels of a single column.

    Raises:
        UserError: the model has no output of that name, or predictions that are not finite.
    """
    config = predictor.config
    kind = problem_type(config)
    logits = predictor.predict_encoded(rows.encoded).logits
    if output is not None:
        flat_logits = logits[:, output_index(config, output)]
        flat_labels = np.concatenate([np.ravel(array) for array in rows.labels])
        if kind == "multi_label_classification":
            flat_logits, flat_labels = flat_logits[:, None], flat_labels[:, None]
        names = [output]
    else:
        flat_logits, flat_labels = flatten(config, [logits], rows.labels)
        names = output_names(config)
    with as_user_error():  # predictions that are not finite
        return compute_metrics(flat_logits, flat_labels, kind, names)
