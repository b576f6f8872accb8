"""Measures a model on labelled rows."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..configuration_lyra import LyraConfig
from ..errors import as_user_error
from ..inference.predictor import Predictor
from ..inference.results import output_index, output_names, problem_type
from ..intervals import LEVEL
from ..tasks.metrics import compute_metrics
from .data import Rows
from .summary import PREDICTION_INTERVALS

_FEWEST_DRAWS, _MOST_DRAWS = 100, 400
_BOOTSTRAP_LABELS = 10_000_000  # labels drawn in all, about, where that leaves as many draws as are needed


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


class Scored(NamedTuple):
    """A model's outputs for labelled rows, and the truth.

    Attributes:
        kind: the problem type.
        names: of the outputs.
        outputs: (n, O), of a regression with one output (n,); n counts the rows, or their residues.
        labels: (n,) or (n, O).
        rows: (n,), the row that each belongs to.
        ends: (2, n) or (2, n, O), the lower and the upper ends of the prediction intervals, of a model that has them.
    """

    kind: str
    names: list[str]
    outputs: npt.NDArray[np.float32]
    labels: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    ends: npt.NDArray[np.float32] | None = None

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Scored":
        """The part that belongs to some of the rows: (rows,)."""
        flags = chosen[self.rows]
        return self._replace(
            outputs=self.outputs[flags],
            labels=self.labels[flags],
            rows=self.rows[flags],
            ends=None if self.ends is None else self.ends[:, flags],
        )

    def metrics(self, only: str | None = None) -> dict[str, Any]:
        """All metrics, or only the one of a name.

        Raises:
            UserError: outputs are not finite.
        """
        with as_user_error():
            return compute_metrics(self.outputs, self.labels, self.kind, self.names, only=only)

    def coverage(self) -> list[dict[str, float | None]]:
        """How well the prediction intervals hold the labels that are known; empty for a model without intervals.

        Returns:
            Of all outputs together, then, if there are several, of each: `level`, the share of labels that intervals
            shall hold; `coverage`, the share that they do; and `width`, how wide they are in the mean, in standard
            deviations of the labels. None where it is undefined.
        """
        if self.ends is None:
            return []
        labels = self.labels.reshape(len(self.labels), -1)  # (n, O)
        lower, upper = self.ends.reshape(2, *labels.shape)
        columns = []
        for output, truth in enumerate(labels.T):
            known = np.isfinite(truth)
            low, high = lower[known, output], upper[known, output]
            inside = (low <= truth[known]) & (truth[known] <= high)
            deviation = truth[known].std() if known.any() else 0.0
            columns.append((inside, (high - low) / deviation if deviation else np.full(len(low), np.nan)))
        together = tuple(np.concatenate(parts) for parts in zip(*columns, strict=True))
        parts = [together, *columns] if len(columns) > 1 else columns
        return [{"level": LEVEL, "coverage": _mean(inside), "width": _mean(widths)} for inside, widths in parts]


def score_rows(predictor: Predictor, rows: Rows, output: str | None = None) -> Scored:
    """A model's outputs for labelled rows.

    Args:
        predictor: the model.
        rows: token ids and labels.
        output: of a model with several outputs, the one to hold against labels of a single column.

    Raises:
        UserError: the model has no output of that name.
    """
    config = predictor.config
    kind = problem_type(config)
    predictions = predictor.predict_encoded(rows.encoded)
    logits, offsets = predictions.logits, predictions.offsets
    row_of = np.arange(len(rows.labels))
    if offsets is not None:
        row_of = np.repeat(row_of, np.diff(offsets))
    if output is None:
        ends = None
        if predictions.lower is not None and predictions.upper is not None:
            ends = np.stack([flatten(config, [end], rows.labels)[0] for end in (predictions.lower, predictions.upper)])
        return Scored(kind, output_names(config), *flatten(config, [logits], rows.labels), row_of, ends)
    outputs = logits[:, output_index(config, output)]
    labels = np.concatenate([np.ravel(array) for array in rows.labels])
    if kind == "multi_label_classification":
        outputs, labels = outputs[:, None], labels[:, None]
    return Scored(kind, [output], outputs, labels, row_of)


def evaluate_rows(predictor: Predictor, rows: Rows, output: str | None = None) -> dict[str, Any]:
    """Metrics of a model on labelled rows; arguments and errors as of `score_rows`, predictions must be finite."""
    return score_rows(predictor, rows, output).metrics()


def evaluate_test(predictor: Predictor, rows: Rows, metric: str) -> dict[str, Any]:
    """All that is reported of test rows.

    Args:
        predictor: the model.
        rows: the test rows.
        metric: what the task is judged by.

    Returns:
        The metrics of all rows; `interval`, the 95 % bootstrap interval of `metric` over sequences, or None where it is
        undefined; `prediction_intervals`, what `Scored.coverage` says of them, if the model has any; of several
        outputs the same of each; and `subsets`, the same of each part that the rows name.
    """
    scored = score_rows(predictor, rows)
    report = _with_intervals(scored, metric)
    if rows.subsets:
        report["subsets"] = {name: _with_intervals(scored.where(flags), metric) for name, flags in rows.subsets.items()}
    return report


def _with_intervals(scored: Scored, metric: str) -> dict[str, Any]:
    """All metrics, with the interval of one of them, of several outputs also in what is reported of each."""
    report = scored.metrics()
    whole, *of_outputs = [{"interval": interval} for interval in bootstrap_intervals(scored, metric)]
    outputs = report.get("outputs", {}).values()
    for output, more in zip(outputs, of_outputs, strict=True):
        output |= more
    if coverage := scored.coverage():
        report[PREDICTION_INTERVALS] = coverage[0]
        for output, its in zip(outputs, coverage[1:], strict=True):
            output[PREDICTION_INTERVALS] = its
    return {**report, **whole}


def bootstrap_intervals(scored: Scored, metric: str) -> list[list[float] | None]:
    """The 95 % percentile interval of a metric under resampling of sequences (Efron 1979), or None if undefined.

    Residues of a sequence stay together: they are no independent measurements. The draws are the same in every run.

    Returns:
        The interval of the metric as a whole; if it is a mean over outputs, then those of each output.
    """
    generator = np.random.default_rng(0)
    order = np.argsort(scored.rows, kind="stable")
    _, starts, counts = np.unique(scored.rows[order], return_index=True, return_counts=True)
    draws = int(np.clip(_BOOTSTRAP_LABELS // max(1, scored.labels.size), _FEWEST_DRAWS, _MOST_DRAWS))
    values = []
    for _ in range(draws):
        drawn = generator.integers(len(starts), size=len(starts))
        # The places of all residues of the drawn sequences: each sequence's start, and steps from it.
        lengths = counts[drawn]
        steps = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        places = order[np.repeat(starts[drawn], lengths) + steps]
        sample = scored._replace(outputs=scored.outputs[places], labels=scored.labels[places])
        found = sample.metrics(only=metric)
        values.append([found[metric], *(output[metric] for output in found.get("outputs", {}).values())])
    return [_interval(column) for column in zip(*values, strict=True)]


def _mean(values: npt.NDArray[Any]) -> float | None:
    """The mean of some numbers, None of none or of what is not finite."""
    found = values.mean() if len(values) else np.nan
    return float(found) if np.isfinite(found) else None


def _interval(values: Sequence[float | None]) -> list[float] | None:
    """The middle 95 % of some draws; None if less than half of them are defined."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values) / 2:
        return None
    low, high = np.quantile(defined, [0.025, 0.975])
    return [float(low), float(high)]
