"""Kernels that a bare state-space layer reaches with a given number of states, fitted by least squares."""

import numpy as np
import torch
from torch import Tensor

from lyra_hf.ssm import Modes, mode_powers, s4d_kernel


def spread_modes(count: int) -> Modes:
    """So many modes a little inside the circle of radius one: they and their conjugates are all distinct."""
    phase = torch.pi * (torch.arange(count, dtype=torch.float64) + 0.5) / count
    nothing = torch.zeros(1, count, dtype=torch.float64)
    return Modes(torch.full((1, count), -0.02, dtype=torch.float64), phase[None], nothing, nothing)


def nearest_kernel(modes: Modes, kernel: Tensor) -> Tensor:
    """The kernel (L,) nearest to a given one (L,) that these modes of one channel reach, whatever their gains."""
    real, imag = mode_powers(modes, torch.arange(len(kernel)))  # (1, N/2, L)
    table = torch.cat([real[0], -imag[0]]).T  # Re(gain z^l) = a Re z^l - b Im z^l
    gains = torch.from_numpy(np.linalg.lstsq(table.numpy(), kernel.numpy(), rcond=None)[0])
    count = real.shape[1]
    return s4d_kernel(modes._replace(gain_real=gains[None, :count], gain_imag=gains[None, count:]), len(kernel))[0]
