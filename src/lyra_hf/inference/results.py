"""A model's outputs as the columns of a table."""

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..configuration_lyra import LyraConfig
from ..errors import UserError

ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
FloatArray = npt.NDArray[np.float32]


class Predictions(NamedTuple):
    """A model's outputs for many sequences.

    Attributes:
        logits: float32 (rows, outputs). Of a head per sequence a row is a sequence; of a head per residue it is a
            residue, those of all sequences one behind the other.
        offsets: int64 (N + 1,), of a head per residue: where each sequence's residues begin, and the last one's end,
            from 0 to rows. None of a head per sequence.
        spread: float32 (rows, outputs), of an ensemble, whose mean the logits are: the standard deviation over its
            members. None of a single model.
        lower: float32 (rows, outputs), of a regression with intervals their lower ends. None of others.
        upper: the upper ends.
    """

    logits: FloatArray
    offsets: npt.NDArray[np.int64] | None = None
    spread: FloatArray | None = None
    lower: FloatArray | None = None
    upper: FloatArray | None = None

    def per_sequence(self) -> list[FloatArray]:
        """Each sequence's outputs, views: (outputs,), or per residue (L, outputs); without `outputs` where it is 1."""
        rows = self.logits[:, 0] if self.logits.shape[1] == 1 else self.logits
        if self.offsets is None:
            return [np.asarray(row) for row in rows]
        bounds = self.offsets.tolist()
        return [rows[start:stop] for start, stop in pairwise(bounds)]


def result_columns(config: LyraConfig, predictions: Predictions) -> dict[str, pa.Array]:
    """Columns by name for the outputs of one model.

    Regression: `prediction`; of a model with intervals `lower` and `upper`, their ends; of an ensemble `sd`, the
    standard deviation over its members; of several outputs `prediction_NAME` and the like for each. Classes: `label`
    and `score`, the class's probability. Several labels at once: `label`, those above one half with semicolons between,
    and `score_NAME` for each. Of a model with a head per residue the columns hold lists.

    Args:
        config: the model's configuration.
        predictions: its outputs.
    """
    columns = _flat_columns(config, predictions)
    if predictions.offsets is None:
        return columns
    offsets = pa.array(predictions.offsets, pa.int64()).cast(pa.int32())
    return {name: pa.ListArray.from_arrays(offsets, column) for name, column in columns.items()}


def _flat_columns(config: LyraConfig, predictions: Predictions) -> dict[str, pa.Array]:
    """The columns with a value for each row of outputs (rows, outputs)."""
    names = output_names(config)
    kind = problem_type(config)
    logits = predictions.logits
    if kind == "regression":
        numbers = {
            "prediction": logits,
            "lower": predictions.lower,
            "upper": predictions.upper,
            "sd": predictions.spread,
        }
        return {
            title if len(names) == 1 else f"{title}_{name}": _numbers(values[:, index])
            for title, values in numbers.items()
            if values is not None
            for index, name in enumerate(names)
        }
    if kind == "single_label_classification":
        probabilities = softmax(logits)
        places = pa.array(probabilities.argmax(1))
        return {"label": pa.array(names, pa.string()).take(places), "score": _numbers(probabilities.max(1))}
    probabilities = sigmoid(logits)
    return {
        "label": _joined_names(probabilities > 0.5, names),
        **{f"score_{name}": _numbers(probabilities[:, index]) for index, name in enumerate(names)},
    }


def _numbers(values: FloatArray) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), pa.float32())


def _joined_names(chosen: npt.NDArray[np.bool_], names: list[str]) -> pa.Array:
    """The names chosen in each row (rows, names), with semicolons between."""
    parts = [
        pc.if_else(pa.array(np.ascontiguousarray(chosen[:, index])), f"{name};", "") for index, name in enumerate(names)
    ]
    return pc.utf8_slice_codeunits(pc.binary_join_element_wise(*parts, ""), 0, -1)  # without the last semicolon


def problem_type(config: LyraConfig) -> ProblemType:
    """The kind of problem, as `LyraConfig.effective_problem_type` tells it."""
    return config.effective_problem_type


def output_names(config: LyraConfig) -> list[str]:
    """The outputs' names in order."""
    id2label = config.id2label or {}
    return [str(id2label[index]) for index in range(config.num_labels)]


def output_index(config: LyraConfig, name: str) -> int:
    """The place of the output called `name`.

    Raises:
        UserError: there is none; the message names those there are.
    """
    names = output_names(config)
    if name not in names:
        raise UserError(f"the model has no output {name!r}; its outputs are: {', '.join(names)}")
    return names.index(name)


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities over the last dimension."""
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), dtype=np.float32)


def sigmoid(logits: FloatArray) -> FloatArray:
    """Probabilities one by one."""
    return np.asarray(0.5 * (1 + np.tanh(logits / 2)), dtype=np.float32)
