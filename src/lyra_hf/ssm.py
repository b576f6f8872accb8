# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""S4D, the diagonal state-space layer: its kernel in real arithmetic and three exact ways to apply it.

One channel of S4D (Gu et al. 2022, "On the Parameterization and Initialization of Diagonal State Space Models") maps an
input u_0, u_1, ... to an output through N/2 complex modes, each standing for itself and its conjugate:

    x_l = exp(dt A) x_{l-1} + B u_l            B = (exp(dt A) - 1) / A        (zero-order hold)
    y_l = 2 Re sum_n C_n x_{l,n}

which is the causal convolution y = K * u with the kernel

    K_l = 2 Re sum_n C_n (exp(dt A_n) - 1) / A_n exp(dt A_n l).

There are three ways to the same y, and `convolution_path` picks one by length:

- `toeplitz_convolution`: one matrix product per channel; best for short sequences;
- `fft_convolution`: through the frequency domain; for lengths in between;
- `chunked_scan`: Toeplitz products inside chunks, the state carried from one to the next; for long sequences, in
  memory linear in the length, and the only one that can start from a state and hand one on.

Complex numbers are kept as two real tensors throughout, because complex tensors break code generation, ONNX and some
accelerators. Only the FFT's own spectrum is complex, and it is never chosen while a graph is captured.

Letters in shapes: H channels, N real states per channel (N/2 complex modes), B batch, L length, Q chunk length.
"""

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from .fused import differentiable, serves

# Below this the real part of A could reach zero, where the zero-order hold divides by A and a mode never decays.
MIN_DECAY = 1e-4

# Positions whose powers are laid out explicitly; longer ranges are products of two such tables.
_BLOCK = 16

CHUNK_LENGTH = 128

# Longest sequences for which the Toeplitz product is chosen, without and with gradients to come (its matrix has a
# gradient of its own), and for which the FFT is.
TOEPLITZ_MAX_LENGTH = 256
TOEPLITZ_MAX_LENGTH_WITH_GRADIENTS = 128
FFT_MAX_LENGTH = 8192

ConvolutionPath = Literal["toeplitz", "fft", "scan"]


class Modes(NamedTuple):
    """The discretised modes of each channel, all of shape (H, N/2) and real.

    Attributes:
        decay: Re(dt A), negative: what a mode loses per position, as a logarithm.
        phase: Im(dt A): what it turns per position, in radians.
        gain_real: Re(2 C (exp(dt A) - 1) / A): the weight with which a mode enters the output.
        gain_imag: the imaginary part of the same.
    """

    decay: Tensor
    phase: Tensor
    gain_real: Tensor
    gain_imag: Tensor


def discretize(log_dt: Tensor, log_a_real: Tensor, a_imag: Tensor, c: Tensor) -> Modes:
    """Zero-order hold of the continuous parameters.

    Args:
        log_dt: (H,), logarithm of the step size.
        log_a_real: (H, N/2), logarithm of -Re(A).
        a_imag: (H, N/2), Im(A).
        c: (H, N/2, 2), real and imaginary part of C (B is 1).

    Returns:
        The modes, with the factor 2 of the conjugate pairs in the gain.
    """
    dt = log_dt.exp().unsqueeze(-1)
    a_real = -log_a_real.exp().clamp(min=MIN_DECAY)
    decay, phase = dt * a_real, dt * a_imag
    # exp(x + iy) - 1 without cancellation for small x and y.
    growth = decay.exp()
    hold_real = torch.expm1(decay) * phase.cos() - 2 * (phase / 2).sin().square()
    hold_imag = growth * phase.sin()
    # Divide by A, multiply by 2 C.
    norm = a_real.square() + a_imag.square()
    ratio_real = (hold_real * a_real + hold_imag * a_imag) / norm
    ratio_imag = (hold_imag * a_real - hold_real * a_imag) / norm
    c_real, c_imag = c.unbind(-1)
    return Modes(
        decay=decay,
        phase=phase,
        gain_real=2 * (c_real * ratio_real - c_imag * ratio_imag),
        gain_imag=2 * (c_real * ratio_imag + c_imag * ratio_real),
    )


def mode_powers(modes: Modes, exponents: Tensor) -> tuple[Tensor, Tensor]:
    """exp(dt A l) for every l of `exponents` (E,): real and imaginary part, each of shape (H, N/2, E)."""
    exponents = exponents.to(modes.decay.dtype)
    size = (modes.decay.unsqueeze(-1) * exponents).exp()  # (H, N/2, 1) * (E,) -> (H, N/2, E)
    angle = modes.phase.unsqueeze(-1) * exponents
    return size * angle.cos(), size * angle.sin()


def _output_rows(modes: Modes, exponents: Tensor) -> Tensor:
    """What each real state adds to the output `exponents` positions later: (H, E, N).

    The states are kept as N/2 real parts followed by N/2 imaginary parts.
    """
    power_real, power_imag = mode_powers(modes, exponents)
    gain_real, gain_imag = modes.gain_real.unsqueeze(-1), modes.gain_imag.unsqueeze(-1)
    real = gain_real * power_real - gain_imag * power_imag
    imag = gain_real * power_imag + gain_imag * power_real
    # Re((real + i imag) (s + i t)) = real s - imag t
    return torch.cat([real, -imag], dim=1).transpose(1, 2)  # (H, N, E) -> (H, E, N)


def _state_rows(modes: Modes, exponents: Tensor) -> Tensor:
    """What an input of 1 leaves in each real state `exponents` positions later: (H, N, E)."""
    return torch.cat(mode_powers(modes, exponents), dim=1)


def s4d_kernel(modes: Modes, length: int) -> Tensor:
    """The convolution kernel K_0 ... K_{length-1}: (H, length).

    Written as a product of two small factors, exp(dt A (16 a + b)) = exp(dt A 16 a) exp(dt A b), so that no tensor of
    channels x modes x length is ever made. Blocks are whole, at least two, and the kernel is picked out of them, so
    that nothing here asks how long the length is and a graph can be captured for all lengths.
    """
    device = modes.decay.device
    coarse = _BLOCK * torch.arange(length // _BLOCK + 2, device=device)
    fine = torch.arange(_BLOCK, device=device)
    product = _output_rows(modes, coarse) @ _state_rows(modes, fine)  # (H, A, N) @ (H, N, 16) -> (H, A, 16)
    return product.flatten(1).index_select(1, torch.arange(length, device=device))  # (H, A * 16) -> (H, length)


def toeplitz_matrix(kernel: Tensor) -> Tensor:
    """The matrix T of a causal convolution, for products from the right: (H, L) -> (H, L, L), T[h, j, i] = K[h, i-j].

    The top left corner of a larger matrix is the matrix of a shorter sequence.
    """
    length = kernel.shape[-1]
    # Rows of period 2L cut into rows of 2L - 1: each row starts one further back than the one above it.
    ring = torch.cat([kernel, torch.zeros_like(kernel)], dim=-1)  # (H, 2L)
    rows = ring.unsqueeze(1).expand(-1, length, -1).reshape(kernel.shape[0], -1)  # (H, L * 2L)
    rows = rows[:, : length * (2 * length - 1)].reshape(-1, length, 2 * length - 1)  # (H, L, 2L - 1)
    return rows[:, :, :length]


def toeplitz_convolution(u: Tensor, matrix: Tensor) -> Tensor:
    """Causal convolution as one matrix product per channel: u (H, B, L), matrix (H, L, L) -> (H, B, L)."""
    return torch.bmm(u, matrix)


def fft_length(length: int) -> int:
    """The smallest number with no prime factor above 5 that holds a linear convolution of two sequences of `length`."""
    target = 2 * length - 1
    best = 1 << (target - 1).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            rest = -(-target // three)
            best = min(best, three << (rest - 1).bit_length())
            three *= 3
        five *= 5
    return best


def fft_convolution(u: Tensor, kernel: Tensor) -> Tensor:
    """Causal convolution through the frequency domain: u (H, B, L), kernel (H, L) -> (H, B, L)."""
    if not serves(u):
        return _fft_formula(u, kernel)
    y: Tensor = _FFTConvolution.apply(u, kernel)
    return y


def _fft_formula(u: Tensor, kernel: Tensor) -> Tensor:
    length = u.shape[-1]
    size = fft_length(length)
    spectrum = torch.fft.rfft(u, n=size) * torch.fft.rfft(kernel, n=size).unsqueeze(1)
    return torch.fft.irfft(spectrum, n=size)[..., :length]


class _FFTConvolution(Function):
    """Its gradients are correlations, and so need transforms of real numbers only; PyTorch's are of complex ones."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, kernel: Tensor) -> Tensor:
        length = u.shape[-1]
        ctx.size = fft_length(length)
        u_spectrum, kernel_spectrum = torch.fft.rfft(u, n=ctx.size), torch.fft.rfft(kernel, n=ctx.size).unsqueeze(1)
        ctx.save_for_backward(u, kernel, u_spectrum, kernel_spectrum)
        return torch.fft.irfft(u_spectrum * kernel_spectrum, n=ctx.size)[..., :length].contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        u, kernel, u_spectrum, kernel_spectrum = ctx.saved_tensors
        if torch.is_grad_enabled():
            return differentiable(_fft_formula, (u, kernel), gradient)
        length = u.shape[-1]
        spectrum = torch.fft.rfft(gradient, n=ctx.size)
        to_kernel = torch.fft.irfft((spectrum * u_spectrum.conj()).sum(1), n=ctx.size)[..., :length]
        to_u = torch.fft.irfft(spectrum.mul_(kernel_spectrum.conj()), n=ctx.size)[..., :length]
        return to_u, to_kernel


def chunked_scan(
    u: Tensor, modes: Modes, state: Tensor | None = None, chunk_length: int = CHUNK_LENGTH
) -> tuple[Tensor, Tensor]:
    """Causal convolution by Toeplitz products inside chunks and a state carried between them.

    Args:
        u: (H, B, L), the input.
        modes: the discretised modes.
        state: (H, B, N), the state left by what came before; zero where nothing did.
        chunk_length: Q, positions per chunk.

    Returns:
        The output (H, B, L), and the state (H, B, N) after the last position.
    """
    channels, batch, length = u.shape
    chunk = min(chunk_length, length)
    remainder = length % chunk
    if remainder:  # whole chunks first, then the rest with the state they leave
        head, state = chunked_scan(u[..., : length - remainder], modes, state, chunk)
        tail, state = chunked_scan(u[..., length - remainder :], modes, state, chunk)
        return torch.cat([head, tail], dim=-1), state

    num_chunks = length // chunk
    positions = torch.arange(chunk, device=u.device)
    rows = u.reshape(channels, batch * num_chunks, chunk)  # (H, B, L) -> (H, B * L/Q, Q)
    inside = toeplitz_convolution(rows, toeplitz_matrix(s4d_kernel(modes, chunk)))

    # What each chunk adds to the state at its end, and how a state turns and decays over a chunk.
    added = torch.bmm(rows, _state_rows(modes, chunk - 1 - positions).transpose(1, 2))  # (H, B * L/Q, N)
    added = added.reshape(channels, batch, num_chunks, -1)  # (H, B, L/Q, N)
    turn_real, turn_imag = mode_powers(modes, positions.new_tensor([chunk]))  # (H, N/2, 1)
    turn_real, turn_imag = turn_real.transpose(1, 2), turn_imag.transpose(1, 2)  # (H, 1, N/2)
    turn_same = torch.cat([turn_real, turn_real], dim=-1)  # (H, 1, N)
    turn_cross = torch.cat([-turn_imag, turn_imag], dim=-1)

    if state is None:
        state = u.new_zeros(channels, batch, 2 * turn_real.shape[-1])
    before = []
    for index in range(num_chunks):
        before.append(state)
        swapped = state.roll(turn_real.shape[-1], dims=-1)  # real parts to the place of the imaginary ones
        state = turn_same * state + turn_cross * swapped + added[:, :, index]
    carried = torch.stack(before, dim=2).flatten(1, 2)  # (H, B, L/Q, N) -> (H, B * L/Q, N)
    carried = torch.bmm(carried, _output_rows(modes, positions + 1).transpose(1, 2))  # (H, B * L/Q, Q)
    return (inside + carried).reshape(channels, batch, length), state


def convolution_path(length: int, *, gradients: bool) -> ConvolutionPath:
    """The way to apply the kernel to sequences of `length`, with or without gradients to come.

    While a graph is captured there is no FFT: its spectrum is complex.
    """
    if length <= (TOEPLITZ_MAX_LENGTH_WITH_GRADIENTS if gradients else TOEPLITZ_MAX_LENGTH):
        return "toeplitz"
    if torch.compiler.is_compiling():
        return "toeplitz" if length <= TOEPLITZ_MAX_LENGTH else "scan"
    return "fft" if length <= FFT_MAX_LENGTH else "scan"
