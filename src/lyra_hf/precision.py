# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""What never falls below float32, whatever the precision of the model around it."""

from collections.abc import Callable

from torch import Tensor, equal, float32, nn


class Float32Floor(nn.Module):
    """A module whose own floating-point tensors are never cast below float32.

    The state-space parameters lose their meaning in half precision (a decay of 0.999 becomes 1), and labels lose
    digits. So `model.half()` and `model.to(torch.bfloat16)` move these tensors without narrowing them; float64 passes.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Float32Floor":
        def no_narrower(tensor: Tensor) -> Tensor:
            out = fn(tensor)
            if out.is_floating_point() and out.element_size() < 4 <= tensor.element_size():
                return tensor.to(out.device, float32)
            return out

        return super()._apply(no_narrower, recurse)


def at_least_float32(tensor: Tensor) -> Tensor:
    """The tensor itself where it has float32 precision or better, else a float32 copy."""
    return tensor if tensor.element_size() >= 4 else tensor.float()


def identical(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are of one type, on one device, and of the same values."""
    return one.dtype == other.dtype and one.device == other.device and equal(one, other)
