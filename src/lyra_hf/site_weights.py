# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The site-independent part of a regression: a weight for each letter at each position, their sum a sequence's score.

Sequences that are aligned, the variants of a protein or guides, owe much of what is measured to their letters one by
one. That part (a position weight matrix) follows from the training rows in closed form. The network has to learn only
what goes beyond it.

Letters in shapes: B batch, L length, P num_positions, V vocabulary, F letters of the alphabet proper, twice as many for
pairs, O outputs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from .composition import composition_of, membership_of
from .configuration_lyra import LyraConfig
from .precision import Float32Floor


class LyraSiteWeights(Float32Floor):
    """A weight for each letter at each of the first positions and each output, on the scale of the regression head.

    A buffer, not a parameter: it is fitted to the training labels, and not trained. All members of an ensemble share
    it. At first it is zero, and so are the scores.

    Attributes:
        weight: (P, F, O); of pairs the letters of the first sequence, and then those of the second.
    """

    weight: Tensor
    membership: Tensor

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        self.alphabet = config.alphabet
        letters = config.num_letters * (2 if config.pair_input else 1)
        self.register_buffer("weight", torch.zeros(config.num_positions, letters, config.num_labels))
        self.register_buffer("membership", self.make_membership(), persistent=False)

    def make_membership(self) -> Tensor:
        """Which letters each token id may stand for: (V, letters) of 0 and 1."""
        return membership_of(self.alphabet)

    def forward(self, input_ids: Tensor, pair_ids: Tensor | None, mask: Tensor) -> Tensor:
        """The sums of the letters' weights: (B, O), in float32 or better.

        Args:
            input_ids: (B, L) token ids. An ambiguity code has the mean weight of what it stands for.
            pair_ids: (B, L), of pairs the second sequences'.
            mask: (B, L), true at real positions. They are counted from the first; those after P have no weight.
        """
        positions, vocabulary = len(self.weight), len(self.membership)
        position = (mask.long().cumsum(1) - 1).clamp(max=positions).masked_fill(~mask, positions)  # (B, L)
        with torch.autocast(device_type=self.weight.device.type, enabled=False):
            tables = self._tables()
            ids = [input_ids] if pair_ids is None else [input_ids, pair_ids]
            sums = [
                F.embedding(position * vocabulary + of_sequence, table).sum(1)
                for of_sequence, table in zip(ids, tables, strict=True)
            ]
        return sums[0] if pair_ids is None else sums[0] + sums[1]

    def _tables(self) -> list[Tensor]:
        """The weight of each token id at each position and after them, a row each: (P * V + V, O), of pairs two."""
        composition = composition_of(self.membership, self.weight.dtype)  # (V, letters)
        of_sequences = self.weight.split(composition.shape[1], dim=1)
        # A last position of zeros stands for all others, and for padding.
        return [F.pad(composition @ weight, (0, 0, 0, 0, 0, 1)).flatten(0, 1) for weight in of_sequences]
