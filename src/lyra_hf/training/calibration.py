"""What a model says of its own certainty, made true on rows that it has not learned from.

Of a regression: prediction intervals (`intervals.py`). Of classes: the logits are divided by a temperature, which
changes no class (Guo et al. 2017, "On Calibration of Modern Neural Networks"). Of several labels at once: each logit is
put on a line of its own, which changes no ranking (Platt 1999). Both are folded into the weights of the head, so that
every way to use the model gives calibrated probabilities.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax

from ..inference.predictor import Predictor
from ..inference.results import FloatArray, problem_type
from ..intervals import MIN_ROWS, LyraIntervals
from ..modeling_lyra import LyraPreTrainedModel
from .data import Rows
from .evaluation import flatten

_TEMPERATURES = (0.05, 20.0)
_SLOPES = (0.05, 20.0)

Floats = npt.NDArray[np.float64]


class Calibration(NamedTuple):
    """What makes a model's certainty true.

    Attributes:
        slope: (O,), what the logits of each output are multiplied by; ones of a regression.
        offset: (O,), what is then added.
        intervals: the tensors of `LyraIntervals`, of a regression with enough rows.
    """

    slope: list[float]
    offset: list[float]
    intervals: dict[str, list[list[float]] | list[float]] | None = None


def calibration_of(
    model: LyraPreTrainedModel, rows: Rows, seen: Rows, of_seen: FloatArray | None = None
) -> Calibration:
    """What makes a model's certainty true on some rows.

    Args:
        model: the model, which has no intervals.
        rows: labelled rows that it has not learned from.
        seen: those that it has.
        of_seen: (n, O), of a regression: what models alike that have not seen them predict for `seen`
            (`cross_fitting.py`); its intervals then rest on these rows, too.
    """
    config = model.config
    predictions = Predictor(model).predict_encoded(rows.encoded).logits
    logits, labels = flatten(config, [predictions], rows.labels)
    outputs = config.num_labels
    plain = Calibration([1.0] * outputs, [0.0] * outputs)
    kind = problem_type(config)
    if kind == "single_label_classification":
        return plain._replace(slope=[1 / best_temperature(logits.astype(np.float64), labels)] * outputs)
    columns, logits = labels.reshape(-1, outputs).astype(np.float64), logits.reshape(-1, outputs)
    if kind == "multi_label_classification":
        columns = np.where(columns < 0, np.nan, columns)  # -100 where one is missing
        lines = [best_line(logits[:, output].astype(np.float64), columns[:, output]) for output in range(outputs)]
        return plain._replace(slope=[slope for slope, _ in lines], offset=[offset for _, offset in lines])
    _, others = flatten(config, [np.zeros((len(columns), outputs), np.float32)], [*rows.labels, *seen.labels])
    everything = others.reshape(-1, outputs)
    bounds = np.stack([np.nanmin(everything, 0), np.nanmax(everything, 0)]).astype(np.float32)
    if of_seen is not None:
        logits, columns = np.concatenate([logits, of_seen]), everything.astype(np.float64)
    if np.isfinite(columns).sum(0).min() < MIN_ROWS:
        return plain
    intervals, scale = LyraIntervals(config), model.classifier.label_scale.cpu()
    intervals.fit(
        torch.from_numpy(logits),
        torch.from_numpy(columns.astype(np.float32)),
        scale,
        torch.from_numpy(bounds),
    )
    return plain._replace(intervals={name: buffer.tolist() for name, buffer in intervals.named_buffers()})


def calibration_of_members(members: Sequence[LyraPreTrainedModel]) -> Calibration:
    """What makes an ensemble's certainty true by the means of its members' intervals.

    For members that have learned from all rows by now, or whose intervals rest on rows that the others have learned
    from, so that none are left that the ensemble has not seen. The ensemble's errors are no larger than the
    members' in the mean, so that its intervals rather hold too many labels than too few.
    """
    outputs = members[0].config.num_labels
    plain = Calibration([1.0] * outputs, [0.0] * outputs)  # the members' logits are calibrated by themselves
    if not all(member.config.intervals for member in members):
        return plain
    buffers = [dict(member.classifier.intervals.named_buffers()) for member in members]
    means = {name: torch.stack([its[name].cpu() for its in buffers]).mean(0).tolist() for name in buffers[0]}
    return plain._replace(intervals=means)


def apply(calibration: Calibration, model: LyraPreTrainedModel) -> None:
    """Make a model's certainty true."""
    model.classifier.rescale(torch.tensor(calibration.slope), torch.tensor(calibration.offset))
    if calibration.intervals is not None:
        model.classifier.set_intervals({name: torch.tensor(values) for name, values in calibration.intervals.items()})


def best_temperature(logits: Floats, labels: npt.NDArray[np.int64]) -> float:
    """The temperature at which the labels (n,) are likeliest, given logits (n, classes); below 0 one is missing."""
    known = labels >= 0
    if not known.any():
        return 1.0
    kept, right = logits[known], labels[known]
    rows = np.arange(len(right))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(kept / np.exp(log_temperature), axis=1)[rows, right].mean())

    low, high = np.log(_TEMPERATURES)
    return float(np.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x))


def best_line(logits: Floats, labels: Floats) -> tuple[float, float]:
    """The rising line a x + b on which a label's logits (n,) make its labels likeliest: a and b.

    Labels are 0, 1, or NaN where missing. They are taken a little towards each other, as Platt has it, so that a few
    rows do not make certain what is not.
    """
    known = np.isfinite(labels)
    kept, truth = logits[known], labels[known] > 0.5
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return 1.0, 0.0
    targets = np.where(truth, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, offset = np.exp(parameters[0]), parameters[1]
        scores = slope * kept + offset
        errors = expit(scores) - targets
        value = float((np.logaddexp(0, scores) - targets * scores).mean())
        return value, np.array([(errors * kept).mean() * slope, errors.mean()])

    bounds = [tuple(np.log(_SLOPES)), (None, None)]
    found = minimize(loss, np.zeros(2), jac=True, bounds=bounds, method="L-BFGS-B")
    return float(np.exp(found.x[0])), float(found.x[1])
