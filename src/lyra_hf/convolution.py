# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The convolution of an S4D layer, and what evaluation keeps of it from one call to the next.

Letters in shapes: M members of an ensemble (a single model has no such dimension), B batch, L length, H hidden_size, N
state_size, C channels of all members (M * H).
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .configuration_lyra import LyraConfig
from .members import member_shape
from .precision import Float32Floor, identical
from .ssm import (
    Modes,
    chunked_scan,
    convolution_path,
    discretize,
    fft_convolution,
    s4d_kernel,
    toeplitz_convolution,
    toeplitz_matrix,
)


class _KernelCache(NamedTuple):
    """What was made of some values of the parameters: modes, the longest kernel and the largest Toeplitz matrix."""

    parameters: tuple[Tensor, ...]
    modes: Modes
    kernel: Tensor | None = None
    matrix: Tensor | None = None


class LyraS4DConvolution(Float32Floor):
    """The linear, causal part of S4D: u -> K * u + D u, in float32 or better.

    The kernel depends on the parameters alone. In evaluation it is kept from one call to the next, and made anew as
    soon as a parameter has another value. Each channel has a kernel of its own, so that the members of an ensemble are
    no more than more channels.
    """

    def __init__(self, config: LyraConfig) -> None:
        super().__init__()
        channels, num_modes = member_shape(config.ensemble_size, config.hidden_size), config.state_size // 2
        self.time_step_range = (config.time_step_min, config.time_step_max)
        self.log_dt = nn.Parameter(torch.empty(channels))
        self.log_A_real = nn.Parameter(torch.empty(*channels, num_modes))
        self.A_imag = nn.Parameter(torch.empty(*channels, num_modes))
        self.C = nn.Parameter(torch.empty(*channels, num_modes, 2))
        self.D = nn.Parameter(torch.empty(channels))
        self._cache: _KernelCache | None = None

    def forward(self, u: Tensor, *, reverse: bool = False) -> Tensor:
        """Convolve (M, B, L, H) along L, from the end towards the start if `reverse`; padding must already be zero."""
        with torch.autocast(device_type=u.device.type, enabled=False):
            x = u.to(self.D.dtype)
            x = x.flip(-2) if reverse else x
            # (M, B, L, H) -> (M, B * L, H) -> (M, H, B * L), in matrices for their faster copy, -> (C, B, L)
            x = x.flatten(-3, -2).mT.contiguous().unflatten(-1, u.shape[-3:-1]).flatten(0, -3)
            y = self.convolve(x).unflatten(0, self.D.shape).movedim(-3, -1)  # (C, B, L) -> (M, H, B, L) -> (M, B, L, H)
            return y.flip(-2) if reverse else y

    def _of_channels(self, parameter: Tensor) -> Tensor:
        """A parameter with the channels of all members in one dimension: (M, H, ...) -> (C, ...)."""
        return parameter.flatten(0, self.D.dim() - 1)

    def modes(self) -> Modes:
        """The discretised modes that the parameters describe, of all members' channels."""
        return discretize(*map(self._of_channels, (self.log_dt, self.log_A_real, self.A_imag, self.C)))

    def convolve(self, u: Tensor) -> Tensor:
        """K * u + D u of u (C, B, L), by the way that suits the length; a kernel has D in its first value."""
        length = u.shape[-1]
        path = convolution_path(length, gradients=torch.is_grad_enabled())
        anew = torch.is_grad_enabled() or self.training or torch.compiler.is_compiling()
        if path == "scan":
            y, _ = chunked_scan(u, self.modes() if anew else self.cache().modes)
            return torch.addcmul(y, self._of_channels(self.D)[:, None, None], u)
        if path == "fft":
            return fft_convolution(u, self.kernel(self.modes(), length) if anew else self.cached_kernel(length))
        matrix = toeplitz_matrix(self.kernel(self.modes(), length)) if anew else self.cached_matrix(length)
        return toeplitz_convolution(u, matrix)

    def kernel(self, modes: Modes, length: int) -> Tensor:
        """What an input of 1 adds to the output 0 ... length-1 positions later: (C, length)."""
        return s4d_kernel(modes, length) + F.pad(self._of_channels(self.D).unsqueeze(-1), (0, length - 1))

    def cache(self) -> _KernelCache:
        """What is kept, if the parameters have the values it was made from; else begun anew.

        Values are compared rather than version counters, which do not see a change made through `parameter.data`.
        """
        parameters = (self.log_dt, self.log_A_real, self.A_imag, self.C, self.D)
        if self._cache is None or not all(map(identical, parameters, self._cache.parameters)):
            copies = tuple(parameter.detach().clone() for parameter in parameters)
            self._cache = _KernelCache(copies, self.modes())
        return self._cache

    def cached_kernel(self, length: int) -> Tensor:
        """The kernel (C, length), cut from the longest one kept."""
        cache = self.cache()
        kernel = cache.kernel
        if kernel is None or kernel.shape[-1] < length:
            kernel = self.kernel(cache.modes, length)
            self._cache = cache._replace(kernel=kernel)
        return kernel[:, :length]

    def cached_matrix(self, length: int) -> Tensor:
        """The Toeplitz matrix (C, length, length), a corner of the largest one kept."""
        matrix = self.cache().matrix
        if matrix is None or matrix.shape[-1] < length:
            matrix = toeplitz_matrix(self.cached_kernel(length))
            self._cache = self.cache()._replace(matrix=matrix)
        return matrix[:, :length, :length]

    def __getstate__(self) -> dict[str, Any]:
        """What is copied or serialised: everything but the kernel, which is made again."""
        return {**self.__dict__, "_cache": None}
