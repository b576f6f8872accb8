"""The published model and S4D's definition, written a second time: slowly, in complex double precision.

Nothing here uses the package, so that agreement with it means something. The names of the parameters are those of the
published checkpoints. Letters in shapes: B batch, L length, C letters, H channels, M complex modes per channel.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# The letters behind the columns of the published encoders, in their order.
COLUMNS = {"protein": "ILVFMCAGPTSYWQNHEDKR", "dna": "ACGT", "rna": "AUCG"}
UNKNOWN = {"protein": "X", "dna": "N", "rna": "N"}


def compositions(sequence: str, alphabet: str) -> Tensor:
    """One-hot rows over the published columns (1, L, C); X and N are the even mixture of all letters."""
    columns = COLUMNS[alphabet]
    rows = torch.zeros(1, len(sequence), len(columns), dtype=torch.float64)
    for position, letter in enumerate(sequence):
        if letter == UNKNOWN[alphabet]:
            rows[0, position] = 1 / len(columns)
        else:
            rows[0, position, columns.index(letter)] = 1
    return rows


def continuous_parameters(
    log_dt: Tensor, log_a_real: Tensor, a_imag: Tensor, c: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """dt (H, 1), A (H, M) and C (H, M) as complex128, with their gradients."""
    dt = log_dt.double().exp().unsqueeze(-1)
    a = torch.complex(-log_a_real.double().exp(), a_imag.double())
    return dt, a, torch.complex(c[..., 0].double(), c[..., 1].double())


def formula_kernel(log_dt: Tensor, log_a_real: Tensor, a_imag: Tensor, c: Tensor, length: int) -> Tensor:
    """K_l = 2 Re sum_n C_n (exp(dt A_n) - 1) / A_n exp(dt A_n l): (H, length), float64."""
    dt, a, c = continuous_parameters(log_dt, log_a_real, a_imag, c)
    gain = c * (torch.exp(dt * a) - 1) / a
    positions = torch.arange(length, dtype=torch.float64)
    powers = torch.exp((dt * a).unsqueeze(-1) * positions)  # (H, M, L)
    return 2 * torch.einsum("hm,hml->hl", gain, powers).real


def recurrence(
    u: Tensor, log_dt: Tensor, log_a_real: Tensor, a_imag: Tensor, c: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """S4D step by step: u (H, B, L) -> y (H, B, L) in float64, and the states (H, B, M) after the last step."""
    dt, a, c = continuous_parameters(log_dt, log_a_real, a_imag, c)
    turn = torch.exp(dt * a).unsqueeze(1)  # (H, 1, M)
    enter = ((torch.exp(dt * a) - 1) / a).unsqueeze(1)
    if state is None:
        state = torch.zeros(u.shape[0], u.shape[1], a.shape[1], dtype=torch.complex128)
    outputs = []
    for value in u.double().unbind(-1):  # (H, B)
        state = turn * state + enter * value.unsqueeze(-1)
        outputs.append(2 * (state * c.unsqueeze(1)).sum(-1).real)
    return torch.stack(outputs, dim=-1), state


class RMSNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(1 + 0.2 * torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        return x / torch.sqrt(torch.mean(x**2, dim=-1, keepdim=True) + 1e-8) * self.weight


class PGC(nn.Module):
    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, 2 * width)
        self.in_norm = RMSNorm(2 * width)
        self.conv = nn.Conv1d(width, width, 3, padding=1, groups=width)
        self.out_proj = nn.Linear(width, d_model)
        self.out_norm = RMSNorm(d_model)

    def forward(self, u: Tensor) -> Tensor:
        xv = self.in_norm(self.in_proj(u))
        width = xv.shape[-1] // 2
        x, v = xv[..., :width], xv[..., width:]
        # The depthwise convolution, spelled out: neighbour, self, neighbour.
        weight = self.conv.weight[:, 0]  # (E, 3)
        around = F.pad(x, (0, 0, 1, 1))
        x = around[:, :-2] * weight[:, 0] + around[:, 1:-1] * weight[:, 1] + around[:, 2:] * weight[:, 2]
        return self.out_norm(self.out_proj(v * (x + self.conv.bias)))


class S4DKernel(nn.Module):
    def __init__(self, d_model: int, num_modes: int) -> None:
        super().__init__()
        span = math.log(0.1) - math.log(0.001)
        self.log_dt = nn.Parameter(torch.rand(d_model) * span + math.log(0.001))
        self.C = nn.Parameter(torch.view_as_real(torch.randn(d_model, num_modes, dtype=torch.complex64)).contiguous())
        # Scattered a little about the initial values, so that no two channels agree.
        self.log_A_real = nn.Parameter(math.log(0.5) + 0.1 * torch.randn(d_model, num_modes))
        self.A_imag = nn.Parameter(math.pi * torch.arange(num_modes) + 0.1 * torch.randn(d_model, num_modes))


class S4D(nn.Module):
    def __init__(self, d_model: int, num_modes: int) -> None:
        super().__init__()
        self.D = nn.Parameter(torch.randn(d_model))
        self.kernel = S4DKernel(d_model, num_modes)
        self.output_linear = nn.Sequential(nn.Conv1d(d_model, 2 * d_model, 1), nn.GLU(dim=-2))

    def forward(self, u: Tensor) -> Tensor:
        u = u.transpose(1, 2)  # (B, L, H) -> (B, H, L)
        length = u.shape[-1]
        parameters = self.kernel
        kernel = formula_kernel(parameters.log_dt, parameters.log_A_real, parameters.A_imag, parameters.C, length)
        spectrum = torch.fft.fft(u, n=2 * length) * torch.fft.fft(kernel, n=2 * length)
        y = torch.fft.ifft(spectrum)[..., :length].real + self.D.unsqueeze(-1) * u
        y = y * (1 + torch.erf(y / math.sqrt(2))) / 2  # GELU
        return self.output_linear(y).transpose(1, 2)


class PublishedLyra(nn.Module):
    """The released model in float64, from compositions (B, L, C) to outputs (B, O), without dropout and padding."""

    def __init__(
        self,
        letters: int,
        outputs: int = 1,
        d_model: int = 64,
        state_size: int = 64,
        pgc_widths: tuple[int, int] = (16, 128),
    ) -> None:
        super().__init__()
        self.encoder = nn.Linear(letters, d_model)
        self.pgc1 = PGC(d_model, pgc_widths[0])
        self.pgc2 = PGC(d_model, pgc_widths[1])
        self.norm = RMSNorm(d_model)
        self.s4d = S4D(d_model, state_size // 2)
        self.decoder = nn.Linear(d_model, outputs)
        self.double()

    def features(self, x: Tensor) -> Tensor:
        """What is pooled: (B, L, C) -> (B, L, H)."""
        x = self.pgc2(self.pgc1(self.encoder(x)))
        return x + self.s4d(self.norm(x))

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.features(x).mean(dim=1))
