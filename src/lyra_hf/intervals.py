# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Prediction intervals of a regression: locally weighted split conformal prediction.

Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), "Distribution-Free Predictive Inference for Regression", sections
2.2 and 5.2. On rows that the model has not learned from, errors are measured on the scale on which its head works, and
divided by how large errors typically are at such a prediction. A quantile of these ratios then says how far around a
prediction a new label lies in, say, 90 % of cases, if it comes from where those rows come from.

Few rows can flatter a model, the more so as they have picked its epoch. So the quantile is the one that holds its share
of all labels with a confidence of 95 %, and not only in the mean over such sets of rows (Vovk 2012, "Conditional
Validity of Inductive Conformal Predictors", section 4): with 500 rows it is nearer to 92 % than to 90 %.

Letters in shapes: O outputs, K knots, Q levels, n rows.
"""

import math

import torch
from torch import Tensor
from transformers import initialization as init

from .configuration_lyra import LyraConfig
from .labels import LyraLabelScale, piecewise_linear
from .precision import Float32Floor, at_least_float32

LEVEL = 0.9  # of the intervals unless told
STEP = 0.005  # between the levels that are kept
KNOTS = 16  # predictions at which the typical error is kept
CONFIDENCE = 0.95  # that intervals hold at least the share of the labels that their level says
MIN_ROWS = 29  # fewer say nothing of a level of 90 % with that confidence
_WINDOW = 8  # a typical error is the mean over the n / 8 rows of nearest prediction, or over these:
_MIN_WINDOW = 40
_SMALLEST = 1e-3  # of the mean typical error: none is taken to be nothing


class LyraIntervals(Float32Floor):
    """How far from a prediction labels lie; buffers, one column per output, fitted to rows that were not learned from.

    Attributes:
        centre: (K, O), rising predictions on the scale of the head.
        width: (K, O), the typical size of the error at each; between them it changes linearly, beyond it stays.
        quantile: (Q, O), of |error| / width at the levels STEP, 2 STEP, ... below 1; infinite where the rows were too
            few.
        low: (O,), the lowest label that was seen, in its own units; intervals hold it where the quantile is infinite
        high: (O,), and the highest.
    """

    centre: Tensor
    width: Tensor
    quantile: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        outputs = config.num_labels
        self.register_buffer("centre", torch.empty(KNOTS, outputs))
        self.register_buffer("width", torch.empty(KNOTS, outputs))
        self.register_buffer("quantile", torch.empty(levels(), outputs))
        self.register_buffer("low", torch.empty(outputs))
        self.register_buffer("high", torch.empty(outputs))
        self.reset()

    def reset(self) -> None:
        """Intervals that hold everything, as long as nothing is known."""
        for buffer, value in (
            (self.centre, 0.0),
            (self.width, 1.0),
            (self.quantile, torch.inf),
            (self.low, -torch.inf),
            (self.high, torch.inf),
        ):
            init.constant_(buffer, value)

    def forward(self, predictions: Tensor, scale: LyraLabelScale, level: float = LEVEL) -> tuple[Tensor, Tensor]:
        """The ends of the intervals around predictions (..., O), all in the labels' own units.

        Args:
            predictions: (..., O).
            scale: of the model's head.
            level: the share of labels that the intervals shall hold; of those that are kept the next one up is used.

        Raises:
            ValueError: the level is not above 0 and below 1.
        """
        predictions = at_least_float32(predictions)
        scores = scale.standardize(predictions)
        quantile = self.quantile[level_index(level)]
        is_known = quantile.isfinite()
        # Where rows were too few for a level: what was seen of errors and of labels.
        most = self.quantile.masked_fill(~self.quantile.isfinite(), 0.0).amax(0)
        reach = torch.where(is_known, quantile, most) * self.typical_error(scores)
        lower, upper = scale(scores - reach), scale(scores + reach)
        lower = torch.where(is_known, lower, torch.minimum(lower, self.low))
        upper = torch.where(is_known, upper, torch.maximum(upper, self.high))
        lower, upper = torch.minimum(lower, predictions), torch.maximum(upper, predictions)  # but for rounding
        return lower.to(predictions.dtype), upper.to(predictions.dtype)

    def typical_error(self, scores: Tensor) -> Tensor:
        """The typical size of the error at predictions (..., O), both on the scale of the head."""
        return piecewise_linear(scores, self.centre.to(scores.dtype), self.width.to(scores.dtype))

    @torch.no_grad()
    def fit(self, predictions: Tensor, labels: Tensor, scale: LyraLabelScale, bounds: Tensor) -> None:
        """Set the intervals from rows that the model has not learned from.

        Args:
            predictions: (n, O), in the labels' own units.
            labels: (n, O), NaN where one is missing.
            scale: of the model's head.
            bounds: (2, O), the lowest and the highest label of all that were seen.

        Raises:
            ValueError: an output has fewer than `MIN_ROWS` labels.
        """
        scores, targets = scale.standardize(at_least_float32(predictions)), scale.standardize(at_least_float32(labels))
        for output in range(scores.shape[1]):
            known = ~targets[:, output].isnan()
            if int(known.sum()) < MIN_ROWS:
                raise ValueError(f"intervals need {MIN_ROWS} labels of each output, not {int(known.sum())}")
            at, errors = scores[known, output], (targets - scores)[known, output].abs()
            self.centre[:, output], self.width[:, output] = typical_errors(at, errors)
            ratios = errors / self.typical_error(scores)[known, output]
            self.quantile[:, output] = conformal_quantiles(ratios)
        self.low.copy_(bounds[0])
        self.high.copy_(bounds[1])


def levels() -> int:
    """How many levels are kept: all multiples of STEP above 0 and below 1."""
    return round(1 / STEP) - 1


def level_index(level: float) -> int:
    """The place of a level among those that are kept, of another that of the next one up.

    Raises:
        ValueError: it is not above 0 and below 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level is above 0 and below 1, such as 0.9; this one is {level}")
    return min(math.ceil(round(level / STEP, 6)), levels()) - 1


def conformal_quantiles(ratios: Tensor) -> Tensor:
    """Of n numbers, the smallest at each level that is kept which is large enough; or infinity: (n,) -> (Q,).

    The k-th smallest of n exceeds a share a of all numbers, where they are drawn independently, with the probability
    that fewer than k of n draws fall into that share: of Binomial(n, a) < k. That shall be `CONFIDENCE` at least.
    """
    count = len(ratios)
    ordered = torch.cat([ratios.sort().values, ratios.new_tensor([torch.inf])])
    numbers = torch.arange(count + 1, dtype=torch.float64)
    log_choices = math.lgamma(count + 1) - torch.lgamma(numbers + 1) - torch.lgamma(count - numbers + 1)
    places = []
    for step in range(1, levels() + 1):
        level = STEP * step
        chances = (log_choices + numbers * math.log(level) + (count - numbers) * math.log1p(-level)).exp()
        fewer = chances.cumsum(0)  # [k - 1] is the probability of fewer than k
        places.append(int((fewer < CONFIDENCE).sum()) + 1)  # the first k of those that are enough
    return ordered[torch.tensor(places, device=ratios.device).clamp(max=count + 1) - 1]


def typical_errors(scores: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
    """The mean error among the rows of nearest prediction, at predictions spread evenly over the rows.

    Args:
        scores: (n,), the predictions.
        errors: (n,), the sizes of their errors.

    Returns:
        Rising predictions (K,) and the mean errors there (K,).
    """
    scores, order = scores.sort()
    errors = errors[order]
    count, window = len(scores), min(len(scores), max(_MIN_WINDOW, len(scores) // _WINDOW))
    starts = torch.linspace(0, count - window, KNOTS, device=scores.device).round().long()
    rows = starts.unsqueeze(-1) + torch.arange(window, device=scores.device)  # (K, window)
    widths = errors[rows].mean(-1)
    return scores[rows].mean(-1), widths.clamp(min=max(_SMALLEST * float(errors.mean()), 1e-12))
