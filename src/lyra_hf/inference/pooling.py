"""The pools of the model as sums that can be taken piece by piece: over segments, and over blocks of a long sequence.

Each pool turns the vectors of a piece into a partial result, joins the partial results of neighbouring pieces, and
makes of the last one the pooled vectors.

Letters in shapes: M members, H hidden_size, Q positions of a segment, G segments, B sequences.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Partial(NamedTuple):
    """What a pool has seen so far.

    Attributes:
        vectors: (M, H, B): sums, largest values, or the vector of the last position.
        weight: (M, 1, B), of pools with weights, the sum of these.
        scale: (M, 1, B), the logarithm of the scale of both.
    """

    vectors: Tensor
    weight: Tensor | None = None
    scale: Tensor | None = None


def concatenated(partials: Sequence[Partial]) -> Partial:
    """The partial results of several lots of sequences as one."""
    if len(partials) == 1:
        return partials[0]
    vectors, *others = [None if field[0] is None else torch.cat(field, dim=-1) for field in zip(*partials, strict=True)]
    assert vectors is not None
    return Partial(vectors, *others)


class Pool(Protocol):
    """A pool over positions."""

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """Of a piece.

        Args:
            hidden: its vectors (M, H, Q, G, B).
            mask: (Q, G, B), or None where all is real.
            lengths: letters in the piece (B,).
            start: letters of the sequences before the piece.
        """

    def join(self, first: Partial, second: Partial) -> Partial:
        """Of two pieces, one behind the other."""

    def finish(self, partial: Partial, lengths: Tensor) -> Tensor:
        """The pooled vectors (M, H, B) of sequences of some lengths (B,)."""


class MeanPool:
    """The mean over all positions."""

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """The sums of a piece."""
        return Partial((hidden if mask is None else hidden * mask).sum((2, 3)))

    def join(self, first: Partial, second: Partial) -> Partial:
        """The sums of both, in float64: a chromosome is some ten thousand pieces."""
        return Partial(first.vectors.double() + second.vectors)

    def finish(self, partial: Partial, lengths: Tensor) -> Tensor:
        """Sums over lengths."""
        return partial.vectors / lengths.clamp(min=1)


class PositionPool(MeanPool):
    """The mean in which each of the first positions has a weight for every channel.

    Args:
        weight: (M, P, H), what is added to the weight 1 at the first P positions.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight.transpose(1, 2).contiguous()  # (M, H, P)

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """The weighted sums of a piece."""
        members, channels, positions, segments = hidden.shape[:4]
        size = positions * segments
        weight = self.weight[..., start : start + size]
        weight = 1 + F.pad(weight, (0, size - weight.shape[-1]))  # (M, H, G * Q)
        weight = weight.view(members, channels, segments, positions).transpose(2, 3)  # (M, H, Q, G)
        rows = hidden if mask is None else hidden * mask
        sums = torch.bmm(weight.reshape(members * channels, 1, size), rows.reshape(members * channels, size, -1))
        return Partial(sums.view(members, channels, -1))


class MaxPool:
    """The largest value of each channel."""

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """The largest values of a piece."""
        return Partial((hidden if mask is None else hidden.masked_fill(mask == 0, -torch.inf)).amax((2, 3)))

    def join(self, first: Partial, second: Partial) -> Partial:
        """The larger values."""
        return Partial(torch.maximum(first.vectors, second.vectors))

    def finish(self, partial: Partial, lengths: Tensor) -> Tensor:
        """The largest values; zero where there was no position."""
        return partial.vectors.masked_fill(lengths == 0, 0)


class LastPool:
    """The vector of the last position."""

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """The vector of a piece's last letter."""
        members, channels = hidden.shape[:2]
        last = (lengths - 1).clamp(min=0)  # (B,)
        rows = hidden.permute(0, 1, 4, 3, 2).flatten(3)  # (M, H, B, G * Q)
        index = last.view(1, 1, -1, 1).expand(members, channels, -1, 1)
        return Partial(rows.gather(3, index).squeeze(3))

    def join(self, first: Partial, second: Partial) -> Partial:
        """That of the later piece."""
        return second

    def finish(self, partial: Partial, lengths: Tensor) -> Tensor:
        """The vector; zero where there was no position."""
        return partial.vectors.masked_fill(lengths == 0, 0)


class AttentionPool:
    """The mean with learned weights, a softmax over the positions.

    Args:
        weight: (M, 1, H), the members' maps from a vector to the logarithm of its weight.
    """

    def __init__(self, weight: Tensor) -> None:
        self.weight = weight

    def partial(self, hidden: Tensor, mask: Tensor | None, lengths: Tensor, start: int = 0) -> Partial:
        """Weighted sums of a piece, relative to its largest weight."""
        scores = torch.bmm(self.weight, hidden.flatten(2)).unflatten(2, hidden.shape[2:])  # (M, 1, Q, G, B)
        if mask is not None:
            scores = scores.masked_fill(mask == 0, torch.finfo(scores.dtype).min)
        scale = scores.amax((2, 3))  # (M, 1, B)
        weights = (scores - scale[:, :, None, None]).exp()
        if mask is not None:
            weights = weights * mask
        return Partial((hidden * weights).sum((2, 3)), weights.sum((2, 3)), scale)

    def join(self, first: Partial, second: Partial) -> Partial:
        """Both on the scale of the larger."""
        assert first.weight is not None
        assert second.weight is not None
        assert first.scale is not None
        assert second.scale is not None
        scale = torch.maximum(first.scale, second.scale)
        one, other = (first.scale - scale).exp(), (second.scale - scale).exp()
        return Partial(first.vectors * one + second.vectors * other, first.weight * one + second.weight * other, scale)

    def finish(self, partial: Partial, lengths: Tensor) -> Tensor:
        """Weighted sums over sums of weights."""
        assert partial.weight is not None
        return partial.vectors / partial.weight.clamp(min=torch.finfo(partial.weight.dtype).tiny)
