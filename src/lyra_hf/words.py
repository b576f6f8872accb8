# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Distinct words: what depends on a few neighbouring letters only is computed once for each different word of them.

What a PGC gives at a position depends on the `conv_kernel` inputs around it, and those on the letters around them. In a
batch of 256 guides there are 7,680 positions, but at most 100 words of three nucleotides (those that begin or end at
an end of a guide among them) and a few thousand of five. So the PGCs run on a table with one row per distinct word, and
only what they give is laid out by position. Nothing is approximated, in training as little as in evaluation: the
gradient of a row is the sum over the places where its word stands. This is for CPUs; all tensors here are on one.

Word 0 of every table is padding.

The members of an ensemble read the same words. What is done to rows alone takes their vectors side by side, as rows of
M * H channels.

Letters in shapes: B batch, L length, H hidden_size, E width of a PGC, W words, R words one level below, k places of a
word, M members (a single model has no such dimension).
"""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from .fused import differentiable, serves
from .members import MemberConv1d, join_members, split_members

# Positions in a batch from which on it pays to look for repeated words.
MIN_POSITIONS = 1024


def serve(encoder: nn.Module, pgcs: nn.ModuleList, input_ids: Tensor) -> bool:
    """Whether `read` is the way to read such a batch.

    The batch must be large enough to pay, on a CPU and outside of captured graphs; and nobody may watch the PGCs'
    inputs and outputs by position, or have put something else in the place of their convolutions.
    """
    return (
        input_ids.numel() >= MIN_POSITIONS
        and serves(next(encoder.parameters()))
        and all(type(pgc.conv) in (nn.Conv1d, MemberConv1d) for pgc in pgcs)
        and not any(
            module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
            for module in (*encoder.modules(), *pgcs.modules())
        )
    )


def read(encoder: Any, pgcs: Any, input_ids: Tensor, pair_ids: Tensor | None, mask: Tensor) -> Tensor:
    """What the PGCs give for token ids (B, L), of a pair both sequences', and a mask (B, L): (M, B, L, H)."""
    letters, others, index = distinct_letters(input_ids, pair_ids, mask, len(encoder.membership))
    members = 1 if encoder.bias.dim() == 1 else len(encoder.bias)
    rows = split_members(encoder(letters, others), members)  # (R, M * H) -> (M, R, H)
    for pgc in pgcs:
        words, index = widen(index, rows.shape[-2], pgc.conv.kernel_size[0])
        rows = run(pgc, rows, words)
    return spread(rows, index)


def run(pgc: Any, rows: Tensor, words: Tensor) -> Tensor:
    """A PGC on words: from a table (M, R, H), row 0 padding, and the rows at each word's places (W, k) to (M, W, H)."""
    x, v = pgc.in_norm(pgc.in_proj(rows)).chunk(2, dim=-1)  # each (M, R, E)
    is_letter = torch.arange(rows.shape[-2]).clamp(max=1).unsqueeze(-1).to(x.dtype)  # (R, 1)
    x, v = join_members(x * is_letter, pgc.members), join_members(v, pgc.members)  # (M, R, E) -> (R, M * E)
    weight = pgc.conv.weight.flatten(0, -3).squeeze(1).t().contiguous()  # (M, E, 1, k) -> (M * E, k) -> (k, M * E)
    gated = split_members(gate(x, v, weight, pgc.conv.bias.flatten(), words), pgc.members)  # (W, M * E) -> (M, W, E)
    result: Tensor = pgc.out_norm(pgc.out_proj(gated))
    return result


def distinct(codes: Tensor, limit: int) -> tuple[Tensor, Tensor]:
    """The different values of some whole numbers.

    Args:
        codes: any shape, from 0 to below `limit`.
        limit: how many values there may be.

    Returns:
        The values (W,) in rising order, the first of them 0 whether it occurs or not; and for each code which of the
        values it is, in the shape of `codes`.
    """
    flat = codes.flatten()
    if limit > 4 * flat.numel():
        values, which = torch.unique(F.pad(flat, (1, 0)), return_inverse=True)  # with a zero in front
        return values, which[1:].view(codes.shape)
    occurs = torch.zeros(limit, dtype=torch.bool)
    occurs[0] = True
    occurs[flat] = True
    rank = occurs.cumsum(0) - 1
    return occurs.nonzero().squeeze(1), rank.index_select(0, flat).view(codes.shape)


def distinct_letters(
    input_ids: Tensor, pair_ids: Tensor | None, mask: Tensor, vocab_size: int
) -> tuple[Tensor, Tensor | None, Tensor]:
    """The different letters, or pairs of letters, of a batch: words of one place.

    Args:
        input_ids: (B, L).
        pair_ids: (B, L), the other member's in a batch of pairs.
        mask: (B, L), true at real positions.
        vocab_size: how many token ids there are.

    Returns:
        The letters (W,), of pairs both members', and which of them stands at each position (B, L).

    Raises:
        IndexError: an id is none of the vocabulary.
    """
    letters, index = distinct(input_ids.long() * mask, vocab_size)
    if pair_ids is None:
        return letters, None, index
    others, other_index = distinct(pair_ids.long() * mask, vocab_size)
    pairs, index = distinct(index * len(others) + other_index, len(letters) * len(others))
    return letters[pairs // len(others)], others[pairs % len(others)], index


def widen(index: Tensor, rows: int, size: int) -> tuple[Tensor, Tensor]:
    """The next level's words, each of `size` neighbouring words of this level.

    Args:
        index: (B, L), which of this level's words stands at each position.
        rows: R, how many words this level has.
        size: k, an odd number; a word belongs to the position in its middle, and is padding where that is.

    Returns:
        The words (W, k), each as this level's words at its places; and which of them stands at each position (B, L).
    """
    length = index.shape[1]
    around = F.pad(index, (size // 2, size // 2))  # (B, L + k - 1)
    places = [around[:, place : place + length].masked_fill(index == 0, 0) for place in range(size)]
    words = torch.arange(rows).unsqueeze(1)  # (R, 1)
    wider = places[0]
    for place in places[1:]:  # a place more at a time, so that no code is beyond 64 bits
        pairs, wider = distinct(wider * rows + place, len(words) * rows)
        words = torch.cat([words[pairs // rows], (pairs % rows).unsqueeze(1)], dim=1)
    return words, wider


def spread(rows: Tensor, index: Tensor) -> Tensor:
    """The rows (M, R, H) that an index of any shape names: (M, ..., H)."""
    spread_out: Tensor = _Spread.apply(rows, index.flatten())
    return spread_out.unflatten(-2, index.shape)


def gate(x: Tensor, v: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
    """The gate of a PGC on words: v in the middle, times the sum of `weight` x over the places, plus `bias`.

    Args:
        x: (R, E), zero in the row of padding.
        v: (R, E).
        weight: (k, E).
        bias: (E,).
        words: (W, k), which rows stand at the places of each word.

    Returns:
        One row per word: (W, E).
    """
    gated: Tensor = _Gate.apply(x, v, weight, bias, words)
    return gated


class _Occurrences:
    """For columns of row numbers (W, k): where each row occurs in each column, to add up what came from there.

    An embedding bag does that; PyTorch's own gradients of lookups add row by row, several times slower.
    """

    def __init__(self, columns: Tensor, rows: int) -> None:
        count, places = columns.shape
        offsets = torch.arange(places).unsqueeze(1)  # (k, 1)
        flat = (columns.t() + rows * offsets).flatten()  # (k * W,): sorted, each column keeps to its part
        self.order = torch.argsort(flat, stable=True).view(places, count) - count * offsets  # (k, W)
        occurrences = torch.bincount(flat, minlength=places * rows).view(places, rows)
        self.starts = occurrences.cumsum(1) - occurrences  # (k, R)

    def sums(self, values: Tensor, place: int) -> Tensor:
        """For each row the sum of `values` (M, W, E) over where it occurs in that column: (M, R, E)."""
        order, starts = self.order[place], self.starts[place]
        if values.dim() == 3:  # all members' values as rows one behind the other
            before = values.shape[1] * torch.arange(len(values)).unsqueeze(1)  # (M, 1)
            order, starts = (order + before).flatten(), (starts + before).flatten()
        sums = F.embedding_bag(order, values.flatten(0, -2), starts, mode="sum")  # (M * R, E)
        return sums.view(*values.shape[:-2], -1, sums.shape[-1])


class _Spread(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, index: Tensor) -> Tensor:
        ctx.save_for_backward(rows, index)
        return rows.index_select(-2, index)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, index = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *differentiable(lambda rows: rows[..., index, :], (rows,), gradient), None
        return _Occurrences(index.unsqueeze(1), rows.shape[-2]).sums(gradient.contiguous(), 0), None


def _gate_formula(x: Tensor, v: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
    return v[words[:, len(weight) // 2]] * ((x[words] * weight).sum(1) + bias)  # (W, k, E) * (k, E) -> (W, E)


class _Gate(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, v: Tensor, weight: Tensor, bias: Tensor, words: Tensor) -> Tensor:
        places = words.unbind(1)
        sums = torch.addcmul(bias, x.index_select(0, places[0]), weight[0])
        for place in range(1, len(places)):
            sums.addcmul_(x.index_select(0, places[place]), weight[place])
        middle = v.index_select(0, places[len(places) // 2])
        ctx.save_for_backward(x, v, weight, bias, words, sums, middle)
        return middle * sums

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, v, weight, bias, words, sums, middle = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *differentiable(partial(_gate_formula, words=words), (x, v, weight, bias), gradient), None
        occurrences = _Occurrences(words, len(x))
        to_v = occurrences.sums(gradient * sums, len(weight) // 2)
        to_sums, to_x, to_weight = gradient * middle, torch.zeros_like(x), torch.empty_like(weight)
        for place in range(len(weight)):
            part = occurrences.sums(to_sums, place)
            to_x.addcmul_(part, weight[place])
            to_weight[place] = part.mul_(x).sum(0)
        return to_x, to_v, to_weight, to_sums.sum(0), None
