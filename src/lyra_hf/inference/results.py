"""A model's outputs as the columns of a table."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..configuration_lyra import LyraConfig
from ..errors import UserError

ProblemType = Literal["regression", "single_label_classification", "multi_label_classification"]
FloatArray = npt.NDArray[np.float32]


def result_columns(config: LyraConfig, results: list[FloatArray]) -> dict[str, pa.Array]:
    """Columns by name for the outputs of one model.

    Regression: `prediction`, or `prediction_NAME` for each of several outputs. Classes: `label` and `score`, the
    class's probability. Several labels at once: `label`, those above one half with semicolons between, and `score_NAME`
    for each. Of a model with a head per residue the columns hold lists.

    Args:
        config: the model's configuration.
        results: for each sequence its logits () or (outputs,), or per residue (L,) or (L, outputs).
    """
    names = output_names(config)
    logits = [result.reshape(*result.shape[: result.ndim - (len(names) > 1)], len(names)) for result in results]
    kind = problem_type(config)
    if kind == "regression":
        titles = ["prediction"] if len(names) == 1 else [f"prediction_{name}" for name in names]
        return {title: _numbers([rows[..., index] for rows in logits]) for index, title in enumerate(titles)}
    if kind == "single_label_classification":
        probabilities = [softmax(rows) for rows in logits]
        labels = [_names_of(rows.argmax(-1), names) for rows in probabilities]
        return {"label": _texts(labels), "score": _numbers([rows.max(-1) for rows in probabilities])}
    probabilities = [sigmoid(rows) for rows in logits]
    return {
        "label": _texts([_joined(rows > 0.5, names) for rows in probabilities]),
        **{f"score_{name}": _numbers([rows[..., index] for rows in probabilities]) for index, name in enumerate(names)},
    }


def problem_type(config: LyraConfig) -> ProblemType:
    """The kind of problem; where the configuration leaves it open, as transformers' pipelines read the outputs."""
    if config.problem_type is not None:
        return config.problem_type
    return "regression" if config.num_labels == 1 else "single_label_classification"


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


def _numbers(values: list[FloatArray]) -> pa.Array:
    if values and values[0].ndim:
        return pa.array(values, type=pa.list_(pa.float32()))
    return pa.array(np.array(values, dtype=np.float32))


def _texts(values: list[str | list[str]]) -> pa.Array:
    return pa.array(values, type=pa.list_(pa.string()) if values and isinstance(values[0], list) else pa.string())


def _names_of(index: npt.NDArray[np.intp], names: list[str]) -> str | list[str]:
    return names[int(index)] if index.ndim == 0 else [names[i] for i in index.tolist()]


def _joined(chosen: npt.NDArray[np.bool_], names: list[str]) -> str | list[str]:
    if chosen.ndim > 1:
        return [str(_joined(row, names)) for row in chosen]
    return ";".join(name for name, is_chosen in zip(names, chosen.tolist(), strict=True) if is_chosen)
