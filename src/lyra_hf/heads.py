# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""What stands on the encoder: a linear map to the outputs, their units, their spread and intervals, and the loss.

Letters in shapes: B batch, L length, H hidden_size, O outputs, M members.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import SequenceClassifierOutput, TokenClassifierOutput

from .configuration_lyra import LyraConfig
from .intervals import LyraIntervals
from .labels import IGNORE_INDEX, LyraLabelScale, classification_loss, decide_problem_type, regression_loss
from .members import linear, member_shape, split_members
from .precision import at_least_float32


@dataclass
class LyraSequenceOutput(SequenceClassifierOutput):
    """The outputs per sequence, and beside them what `HeadOutput` says, each (B, O) or None."""

    spread: Tensor | None = None
    lower: Tensor | None = None
    upper: Tensor | None = None


@dataclass
class LyraTokenOutput(TokenClassifierOutput):
    """The outputs per residue, and beside them what `HeadOutput` says, each (B, L, O) or None."""

    spread: Tensor | None = None
    lower: Tensor | None = None
    upper: Tensor | None = None


class HeadOutput(NamedTuple):
    """What a head gives.

    Attributes:
        logits: (..., O), of an ensemble the members' mean.
        spread: (..., O), how far apart the members of an ensemble are, a standard deviation; of a single model None.
        lower: (..., O), of a regression with intervals the lower ends of those of 90 %; else None.
        upper: (..., O), the upper ends.
        loss: if there are labels.
    """

    logits: Tensor
    spread: Tensor | None
    lower: Tensor | None
    upper: Tensor | None
    loss: Tensor | None


class LyraHead(nn.Module):
    """A linear map to the outputs; for regression, on the labels' own scale, which all members of an ensemble share."""

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.config = config
        self.linear = linear(config.ensemble_size, config.hidden_size, config.num_labels)
        self.label_scale = LyraLabelScale(config)
        self.intervals = LyraIntervals(config) if config.intervals else None

    def forward(
        self,
        hidden_states: Tensor,
        labels: Tensor | None = None,
        mask: Tensor | None = None,
        class_weights: Tensor | None = None,
        site_scores: Tensor | None = None,
    ) -> HeadOutput:
        """Predictions, and what is told of them.

        Args:
            hidden_states: (..., M * H).
            labels: (...) or (..., O).
            mask: (...), true where a label can count.
            class_weights: (O,), for classification.
            site_scores: (B, O), what all members' scores of B sequences have added.
        """
        scores = self.linear(split_members(hidden_states, self.config.ensemble_size))  # (M, ..., O)
        if site_scores is not None:
            scores = scores + site_scores
        loss = None if labels is None else self.loss(scores, labels, mask, class_weights)
        # A problem that is undecided yet is a regression if there is one output.
        decided = self.config.problem_type
        is_regression = decided == "regression" or (decided is None and self.config.num_labels == 1)
        predictions = self.label_scale(scores) if is_regression else scores
        spread = None
        if self.config.ensemble_size > 1:
            wide, narrow = at_least_float32(predictions), predictions.dtype  # (M, ..., O)
            predictions, spread = wide.mean(0).to(narrow), wide.std(0, correction=0).to(narrow)
        if self.intervals is None:
            return HeadOutput(predictions, spread, None, None, loss)
        lower, upper = self.intervals(predictions, self.label_scale)
        return HeadOutput(predictions, spread, lower, upper, loss)

    @torch.no_grad()
    def rescale(self, slope: Tensor, offset: Tensor) -> None:
        """Put each output's logits on a line, slope (O,) times the logit plus offset (O,), by way of the weights."""
        slope, offset = slope.to(self.linear.weight), offset.to(self.linear.weight)
        self.linear.weight.mul_(slope.unsqueeze(-1))  # (O, H), or (M, O, H)
        assert self.linear.bias is not None
        self.linear.bias.mul_(slope).add_(offset)

    def set_intervals(self, tensors: Mapping[str, Tensor]) -> None:
        """Give the model intervals: the tensors of `LyraIntervals` by their names."""
        intervals = LyraIntervals(self.config).to(self.linear.weight.device)
        intervals.load_state_dict(dict(tensors))
        self.config.intervals, self.intervals = True, intervals

    def loss(self, scores: Tensor, labels: Tensor, mask: Tensor | None, class_weights: Tensor | None) -> Tensor:
        """The loss of scores (M, ..., O).

        Of an ensemble in training it is the sum of the members' own, so that each learns as it would alone; in
        evaluation their mean, which can be held against a single model's.
        """
        problem_type = self.config.problem_type = decide_problem_type(self.config, labels)
        members, outputs = self.config.ensemble_size, self.config.num_labels
        rows = scores.reshape(member_shape(members, -1, outputs))  # (M, ..., O) -> (M, rows, O)
        labels = labels.to(scores.device)
        if problem_type == "single_label_classification":
            if mask is not None:
                labels = labels.masked_fill(~mask, IGNORE_INDEX)
            total = classification_loss(rows, labels.reshape(-1), problem_type, class_weights)
            return total if self.training else total / members
        labels = at_least_float32(labels.to(torch.get_default_dtype()) if not labels.is_floating_point() else labels)
        if mask is not None:
            labels = labels.reshape(*mask.shape, -1).masked_fill(~mask.unsqueeze(-1), torch.nan)
        labels = labels.reshape(-1, outputs)
        if problem_type == "multi_label_classification":
            total = classification_loss(rows, labels, problem_type, class_weights)
        else:
            total = regression_loss(rows, labels, self.label_scale)
        return total if self.training else total / members
