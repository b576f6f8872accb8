# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The model's small operations with gradients written by hand, for training on a CPU.

On a CPU a step is bound by passes over memory, and automatic differentiation makes a pass, and keeps a tensor, for each
operation of a formula. The functions here make as few as they can. Each stands beside the formula it computes, which is
what serves everywhere else: on accelerators, in half precision, and while a graph is captured.

A gradient that is to be differentiated again (`create_graph`) is that of the formula.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from .precision import at_least_float32

# Numbers in a tensor from which on fewer passes over it outweigh the calls to Python that they take.
MIN_SIZE = 2**16


def serves(tensor: Tensor) -> bool:
    """Whether what is written by hand serves: on a CPU, in float32 or better, outside of captured graphs."""
    return (
        tensor.device.type == "cpu"
        and tensor.element_size() >= 4
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._are_functorch_transforms_active()  # torch.func differentiates the formulas
    )


def differentiable(
    formula: Callable[..., Tensor], inputs: Sequence[Tensor], gradient: Tensor
) -> tuple[Tensor | None, ...]:
    """The gradients of a formula in its inputs, as functions that can be differentiated; None for what needs none."""
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    found = iter(torch.autograd.grad(formula(*inputs), wanted, gradient, create_graph=True))
    return tuple(next(found) if tensor.requires_grad else None for tensor in inputs)


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """The norm x / sqrt(mean(x^2) + eps) * weight along the last dimension, in float32 or better.

    Args:
        x: (..., size); of an ensemble (M, ..., size).
        weight: (size,); of an ensemble (M, size).
        eps: what is added to the mean square.
    """
    if serves(x) and x.numel() >= MIN_SIZE and x.dtype == weight.dtype:
        y: Tensor = _RMSNorm.apply(x, weight, eps)
        return y
    return _norm_formula(x, weight, eps)


def _norm_formula(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    wide = at_least_float32(x)
    return (wide * _inverse_size(wide, eps)).to(x.dtype) * _beside(weight, x)


def _beside(weight: Tensor, x: Tensor) -> Tensor:
    """A weight (M, size), in the shape (M, 1, ..., size) in which it meets x (M, ..., size); (size,) stays."""
    return weight if weight.dim() == 1 else weight.view(len(weight), *(x.dim() - 2) * (1,), -1)


def _inverse_size(x: Tensor, eps: float) -> Tensor:
    """1 / sqrt(mean(x^2) + eps): (..., size) -> (..., 1)."""
    return torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


class _RMSNorm(Function):
    """With r = 1 / sqrt(mean(x^2) + eps): y = r x w, dw = sum g r x, dx = r (g w - r x mean(g w r x))."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = _inverse_size(x, eps)
        ctx.eps = eps
        ctx.save_for_backward(x, scale, weight)
        return (x * scale).mul_(_beside(weight, x))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            return *differentiable(lambda x, weight: _norm_formula(x, weight, ctx.eps), (x, weight), gradient), None
        # A gradient that comes channel by channel is turned once, in two dimensions, and not in every pass.
        gradient = _rows(gradient, weight).contiguous()
        normed = _rows(x * scale, weight)
        product = gradient * normed
        to_weight = product.sum(-2)
        if weight.dim() == 1:
            along = (product @ weight).unsqueeze(-1)
        else:  # a batched product with a single column is slow
            along = (product * _beside(weight, product)).sum(-1, keepdim=True)
        to_x = torch.mul(gradient, _beside(weight, product), out=product).sub_(normed.mul_(along / x.shape[-1]))
        return to_x.view(x.shape).mul_(scale), to_weight, None


def _rows(x: Tensor, weight: Tensor) -> Tensor:
    """The rows of x that a weight meets: (M, n, size) of (M, ..., size) for (M, size), else (n, size) for (size,)."""
    return x.reshape(*weight.shape[:-1], -1, x.shape[-1])


def member_linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear map for each member: x (M, n, in), weight (M, out, in), bias (M, out) -> (M, n, out)."""
    if not serves(x):
        return _member_linear_formula(x, weight, bias)
    y: Tensor = _MemberLinear.apply(x, weight, bias)
    return y


def _member_linear_formula(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


class _MemberLinear(Function):
    """With a gradient that is laid out in memory as x is, as that of PyTorch's single product is.

    That of its batched product is not: behind a convolution, which gives channels first, each pass that follows would
    read one tensor along its rows and the other across them.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        return _member_linear_formula(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(_member_linear_formula, (x, weight, bias), gradient)
        is_channels_first = x.stride(1) == 1
        to_x = torch.bmm(weight.mT, gradient.mT).mT if is_channels_first else torch.bmm(gradient, weight)
        return to_x, torch.bmm(gradient.mT, x), gradient.sum(1)
