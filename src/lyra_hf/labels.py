# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Labels and what is learnt from them: the scale of regression heads, and the losses.

Letters in shapes: O outputs, K knots, M members.
"""

from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .configuration_lyra import LyraConfig
from .precision import Float32Floor, at_least_float32

IGNORE_INDEX = -100  # class labels that do not count; a real-valued label that does not count is NaN
RANK_KNOTS = 129  # points of the piecewise linear curve between normal scores and labels
RANK_RANGE = 3.0  # the curve spans normal scores from -3 to 3


class LyraLabelScale(Float32Floor):
    """Between the scale on which a regression head works and the labels' own units; buffers, one column per output.

    The head works on standardised labels: z = (t - mean) / std, with t the label itself, its logarithm above a floor,
    or the normal score of its rank. Predictions are brought back into the labels' own units.
    """

    mean: Tensor
    std: Tensor
    floor: Tensor
    knots: Tensor

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.label_transform = config.label_transform
        self.register_buffer("mean", torch.zeros(config.num_labels))
        self.register_buffer("std", torch.ones(config.num_labels))
        self.register_buffer("floor", torch.zeros(config.num_labels), persistent=self.label_transform == "log")
        knots = self.rank_scores().unsqueeze(-1).repeat(1, config.num_labels)
        self.register_buffer("knots", knots, persistent=self.label_transform == "rank")

    @staticmethod
    def rank_scores() -> Tensor:
        """The normal scores at which the curve of the transform "rank" is kept: (K,)."""
        return torch.linspace(-RANK_RANGE, RANK_RANGE, RANK_KNOTS)

    @torch.no_grad()
    def fit(self, labels: Tensor) -> None:
        """Set the scale from training labels (rows, O); NaN where a label is missing.

        Raises:
            ValueError: an output has no label at all.
        """
        labels = labels.to(self.mean.dtype).double()  # as training will see them: a tie must stay a tie
        if labels.isnan().all(0).any():
            raise ValueError("an output has no label in the training rows")
        if self.label_transform == "log":
            # The floor lies a hundredth of the range below the lowest label, and further than rounding reaches.
            low, high = _quantiles(labels, [0.0, 0.99])
            self.floor.copy_(low - torch.maximum(0.01 * (high - low), 1e-3 * low.abs()).clamp(min=1e-12))
        if self.label_transform == "rank":
            self.knots.copy_(_quantiles(labels, [NormalDist().cdf(score) for score in self.rank_scores().tolist()]))
        transformed = self.transform(labels)
        mean = transformed.nanmean(0)
        std = (transformed - mean).square().nanmean(0).sqrt()
        self.mean.copy_(mean)
        # Labels that are all the same have no scale of their own, only what rounding leaves.
        self.std.copy_(torch.where(std > 1e-6 * mean.abs(), std, 1.0))

    def transform(self, labels: Tensor) -> Tensor:
        """Labels (..., O) on the scale that is standardised."""
        if self.label_transform == "log":
            return (labels - self.floor).clamp(min=1e-12).log()
        if self.label_transform == "rank":
            return piecewise_linear(labels, self.knots, self.rank_scores().to(labels).unsqueeze(-1))
        return labels

    def standardize(self, labels: Tensor) -> Tensor:
        """Labels (..., O) in their own units -> the scale of the head."""
        return (self.transform(labels) - self.mean) / self.std

    def forward(self, scores: Tensor) -> Tensor:
        """Scores of the head (..., O) -> predictions in the labels' own units."""
        transformed = at_least_float32(scores) * self.std + self.mean
        if self.label_transform == "log":
            return transformed.exp() + self.floor
        if self.label_transform == "rank":
            return piecewise_linear(transformed, self.rank_scores().to(transformed).unsqueeze(-1), self.knots)
        return transformed


def _quantiles(labels: Tensor, shares: list[float]) -> Tensor:
    """Quantiles of each column of (rows, O), NaN left out: (shares, O).

    By numpy, because torch's own take no more than 16 million rows.
    """
    return torch.from_numpy(np.nanquantile(labels.cpu().numpy(), shares, axis=0)).to(labels.device)


def piecewise_linear(x: Tensor, knots_x: Tensor, knots_y: Tensor) -> Tensor:
    """The curve through (knots_x, knots_y), constant beyond its ends: x (..., O), knots (K, O) or (K, 1), rising.

    A sum of clamped ramps, so that it exports and has gradients; where two knots coincide the curve steps.
    """
    width = knots_x.diff(dim=0)
    slope = torch.where(width > 0, knots_y.diff(dim=0) / width.clamp(min=torch.finfo(width.dtype).tiny), 0.0)
    step = torch.where(width > 0, 0.0, knots_y.diff(dim=0))
    ramp = torch.minimum((x.unsqueeze(-2) - knots_x[:-1]).clamp(min=0), width)  # (..., K - 1, O)
    jump = (x.unsqueeze(-2) > knots_x[:-1]).to(x.dtype)
    return knots_y[0] + (ramp * slope + jump * step).sum(-2)


def decide_problem_type(config: LyraConfig, labels: Tensor) -> str:
    """The kind of problem: as configured, or what the number of outputs and the labels say."""
    if config.problem_type is not None:
        return config.problem_type
    if config.num_labels == 1:
        return "regression"
    return "multi_label_classification" if labels.is_floating_point() else "single_label_classification"


def labels_that_count(labels: Tensor, problem_type: str) -> Tensor:
    """True where there is a label, as of `classification_loss` and `regression_loss`; the same shape."""
    if problem_type == "regression":
        return ~labels.isnan()
    there = labels != IGNORE_INDEX
    return there if problem_type == "single_label_classification" else there & ~labels.isnan()


def weight_of_labels(labels: Tensor, problem_type: str, class_weights: Tensor | None = None) -> Tensor:
    """What the mean in a loss is divided by, a scalar: how many labels count, or the weights of their classes.

    Args:
        labels: as of `classification_loss` and `regression_loss`.
        problem_type: as of `LyraConfig`.
        class_weights: (O,); those of several labels at once weigh positives, and change no mean.
    """
    counts = labels_that_count(labels, problem_type)
    if class_weights is None or problem_type != "single_label_classification":
        return counts.sum()
    return class_weights[labels.clamp(min=0)].masked_fill(~counts, 0).sum()


def classification_loss(
    logits: Tensor, labels: Tensor, problem_type: str, class_weights: Tensor | None = None
) -> Tensor:
    """Mean loss over the labels that count; zero, with gradients, where none does. Of an ensemble, the members' sum.

    Args:
        logits: (rows, O), of an ensemble (M, rows, O).
        labels: (rows,) class numbers, -100 where missing; or for several labels at once (rows, O) of 0, 1 and, where
            missing, NaN or -100.
        problem_type: "single_label_classification" or "multi_label_classification".
        class_weights: (O,), the weight of each class, or of the positives of each label.
    """
    logits = at_least_float32(logits)
    class_weights = None if class_weights is None else class_weights.to(logits)
    if problem_type == "single_label_classification":
        labels = labels.long()
        of_all = labels.expand(logits.shape[:-1]).reshape(-1)  # (rows,) -> (M * rows,)
        total = F.cross_entropy(
            logits.flatten(0, -2), of_all, weight=class_weights, ignore_index=IGNORE_INDEX, reduction="sum"
        )
        count = weight_of_labels(labels, problem_type, class_weights).to(logits.dtype)
        return total / count.clamp(min=torch.finfo(logits.dtype).tiny)
    labels = labels.to(logits.dtype).view(logits.shape[-2:])  # must not be broadcast along the rows
    counts = labels_that_count(labels, problem_type)
    losses = F.binary_cross_entropy_with_logits(
        logits, labels.where(counts, 0).expand_as(logits), pos_weight=class_weights, reduction="none"
    )
    return losses.where(counts, 0).sum() / counts.sum().clamp(min=1)


def regression_loss(scores: Tensor, labels: Tensor, scale: LyraLabelScale) -> Tensor:
    """Mean squared error on the scale of the head over the labels (rows, O) that are not NaN.

    Scores are (rows, O), of an ensemble (M, rows, O), whose loss is the members' sum.
    """
    scores = at_least_float32(scores)
    labels = labels.to(scores.dtype).view(scores.shape[-2:])  # must not be broadcast along the rows
    counts = labels_that_count(labels, "regression")
    errors = scores - scale.standardize(labels.where(counts, scale.mean.to(labels.dtype)))
    return errors.square().where(counts, 0).sum() / counts.sum().clamp(min=1)
