# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Dropout: of whole channels, and of what a gate lets through, with a gradient written by hand.

Processes that train together each hold some rows of a batch. So that they learn what one process with the whole batch
would, all of them draw the masks of the whole batch, and each takes those of its own rows (`rows_of_batch`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

from .fused import MIN_SIZE, differentiable, serves


class RowsOfBatch(NamedTuple):
    """Which rows of a batch a process holds.

    Attributes:
        whole: how many rows the batch has.
        held: which of them the process has.
    """

    whole: int
    held: slice


_rows: RowsOfBatch | None = None


@contextmanager
def rows_of_batch(rows: RowsOfBatch) -> Iterator[None]:
    """For a while, what is drawn at random for rows is what it would be if the whole batch were here."""
    global _rows
    before, _rows = _rows, rows
    try:
        yield
    finally:
        _rows = before


def of_whole_batch(shape: torch.Size, dim: int) -> torch.Size:
    """A shape with as many rows along a dimension (counted from the end) as the whole batch has."""
    return shape if _rows is None else torch.Size([*shape[:dim], _rows.whole, *shape[dim + 1 :]])


def of_held_rows(drawn: Tensor, dim: int) -> Tensor:
    """Of what was drawn for the whole batch, with rows along a dimension, that of the rows held here."""
    return drawn if _rows is None else drawn.movedim(dim, 0)[_rows.held].movedim(0, dim)


def drop_channels(x: Tensor, p: float, *, training: bool) -> Tensor:
    """Dropout of whole channels: x (M, B, L, H), the same channels at all positions of a row."""
    if not (training and p > 0):
        return x
    shape = of_whole_batch(torch.Size([*x.shape[:-2], 1, x.shape[-1]]), -3)  # (M, B, 1, H)
    return x * of_held_rows(F.dropout(x.new_ones(shape), p), -3)


def gated_dropout(x: Tensor, p: float, *, training: bool) -> Tensor:
    """`F.dropout(F.glu(x))`: the first half of x (M, B, L, 2H) gated by the second, with dropout: (M, B, L, H)."""
    if not (training and p > 0):
        return F.glu(x, dim=-1)
    shape = of_whole_batch(torch.Size([*x.shape[:-1], x.shape[-1] // 2]), -3)
    if not (serves(x) and 2 * shape.numel() >= MIN_SIZE):
        if _rows is None:
            return F.dropout(F.glu(x, dim=-1), p)
        return F.glu(x, dim=-1) * of_held_rows(F.dropout(x.new_ones(shape), p), -3)
    mask, keep = keep_mask(shape, p, x.dtype)
    y: Tensor = _GatedDropout.apply(x, of_held_rows(mask, -3), keep)
    return y


def keep_mask(shape: torch.Size, p: float, dtype: torch.dtype) -> tuple[Tensor, float]:
    """Draw what dropout keeps: a mask that is 1 with probability 1 - p, else 0; and that probability.

    Each random number of 64 bits makes four values, many times faster than PyTorch's dropout draws them on a CPU. With
    16 bits for each, p is rounded to a multiple of 1/65,536, and the probability is that of the rounded p.
    """
    dropped = min(round(p * 2**16), 2**16 - 1)
    count = shape.numel()
    bits = torch.randint(-(2**63), 2**63 - 1, ((count + 3) // 4,)).view(torch.int16)
    return bits[:count].to(dtype).ge_(dropped - 2**15).view(shape), 1 - dropped / 2**16


class _GatedDropout(Function):
    """With s = sigmoid(b) m / q, m the mask, q = 1 - p: y = a s, da = g s, db = g a s (1 - sigmoid(b)).

    Where m is 1, sigmoid(b) = q s; where it is 0, so is db. Hence the gradient needs s alone.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mask: Tensor, keep: float) -> Tensor:
        value, gate = x.chunk(2, dim=-1)
        scale = gate.sigmoid().mul_(mask).div_(keep)
        ctx.keep = keep
        ctx.save_for_backward(x, scale)
        return value * scale

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            factor = (scale != 0).to(x.dtype) / ctx.keep
            return *differentiable(lambda x: F.glu(x, dim=-1) * factor, (x,), gradient), None, None
        to_x = torch.empty_like(x, memory_format=torch.contiguous_format)
        to_value, to_gate = to_x.chunk(2, dim=-1)
        torch.mul(gradient, scale, out=to_value)
        torch.mul(to_value, x.chunk(2, dim=-1)[0], out=to_gate)
        to_gate.addcmul_(to_gate, scale, value=-ctx.keep)
        return to_x, None, None
