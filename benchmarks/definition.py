"""The published Lyra in plain PyTorch: what every speed here is a ratio to.

Written from the paper's description (Ramesh et al. 2025, arXiv 2503.16351) as one writes a model with PyTorch's own
modules: neither slowed down nor tuned. It reads one-hot letters, knows no padding, and builds S4D's kernel as S4D's
paper states it (Gu et al. 2022): one complex number per channel, mode and position. Parameters carry the names of the
published checkpoints.

Letters in shapes: B batch, L length, C letters, H channels, M complex modes per channel, E width of a PGC, O outputs.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lyra_hf import LyraForSequenceClassification
from lyra_hf.alphabets import UNK_ID

# Our token ids begin with [PAD] and [UNK]; the letters follow.
FIRST_LETTER_ID = UNK_ID + 1

EPS = 1e-8  # of the RMS norms
DROPOUT = 0.2
DT_RANGE = (0.001, 0.1)  # S4D's step sizes at the start, drawn evenly on a logarithmic scale


def one_hot(ids: Tensor, num_letters: int) -> Tensor:
    """Token ids of letters (B, L) as one-hot rows (B, L, C) of float32; the definition knows no other symbols."""
    return F.one_hot(ids.long() - FIRST_LETTER_ID, num_letters).float()


class PGC(nn.Module):
    """Projected gated convolution of width E: a linear map, a norm, a gate by a short convolution, and back."""

    def __init__(self, d_model: int, width: int) -> None:
        super().__init__()
        self.in_proj = nn.Linear(d_model, 2 * width)
        self.in_norm = nn.RMSNorm(2 * width, eps=EPS)
        self.conv = nn.Conv1d(width, width, kernel_size=3, padding=1, groups=width)
        self.out_proj = nn.Linear(width, d_model)
        self.out_norm = nn.RMSNorm(d_model, eps=EPS)

    def forward(self, u: Tensor) -> Tensor:
        """Map (B, L, H) to (B, L, H)."""
        x, v = self.in_norm(self.in_proj(u)).chunk(2, dim=-1)  # each (B, L, E)
        x = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.out_norm(self.out_proj(v * x))


class S4DKernel(nn.Module):
    """K_l = 2 Re sum_n C_n (exp(dt A_n) - 1) / A_n exp(dt A_n l), all positions written out."""

    def __init__(self, d_model: int, num_modes: int) -> None:
        super().__init__()
        low, high = map(math.log, DT_RANGE)
        self.log_dt = nn.Parameter(torch.rand(d_model) * (high - low) + low)
        self.C = nn.Parameter(torch.view_as_real(torch.randn(d_model, num_modes, dtype=torch.cfloat)).clone())
        self.log_A_real = nn.Parameter(torch.full((d_model, num_modes), math.log(0.5)))
        self.A_imag = nn.Parameter(math.pi * torch.arange(num_modes).float().repeat(d_model, 1))

    def forward(self, length: int) -> Tensor:
        """The kernel (H, L)."""
        dt = self.log_dt.exp().unsqueeze(-1)  # (H, 1)
        a = torch.complex(-self.log_A_real.exp(), self.A_imag)  # (H, M)
        dt_a = dt * a
        c = torch.view_as_complex(self.C) * (dt_a.exp() - 1) / a
        powers = torch.exp(dt_a.unsqueeze(-1) * torch.arange(length, device=dt.device))  # (H, M, L)
        return 2 * torch.einsum("hm,hml->hl", c, powers).real


class S4D(nn.Module):
    """S4D on (B, H, L): a long convolution through the frequency domain, a skip, GELU, and a gated mix of channels."""

    def __init__(self, d_model: int, num_modes: int) -> None:
        super().__init__()
        self.D = nn.Parameter(torch.randn(d_model))
        self.kernel = S4DKernel(d_model, num_modes)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout1d(DROPOUT)  # the same channels at every position
        self.output_linear = nn.Sequential(nn.Conv1d(d_model, 2 * d_model, kernel_size=1), nn.GLU(dim=-2))

    def forward(self, u: Tensor) -> Tensor:
        """Map (B, H, L) to (B, H, L)."""
        length = u.shape[-1]
        kernel_spectrum = torch.fft.rfft(self.kernel(length), n=2 * length)  # (H, L + 1)
        input_spectrum = torch.fft.rfft(u, n=2 * length)  # (B, H, L + 1)
        y = torch.fft.irfft(input_spectrum * kernel_spectrum, n=2 * length)[..., :length]
        y = y + u * self.D.unsqueeze(-1)
        return self.output_linear(self.dropout(self.activation(y)))


class PublishedLyra(nn.Module):
    """The released configuration, from one-hot letters (B, L, C) to outputs (B, O)."""

    def __init__(self, num_letters: int, num_outputs: int = 1, d_model: int = 64, num_modes: int = 32) -> None:
        super().__init__()
        self.encoder = nn.Linear(num_letters, d_model)
        self.pgc1 = PGC(d_model, 16)
        self.pgc2 = PGC(d_model, 128)
        self.norm = nn.RMSNorm(d_model, eps=EPS)
        self.s4d = S4D(d_model, num_modes)
        self.dropout = nn.Dropout(DROPOUT)
        self.decoder = nn.Linear(d_model, num_outputs)

    def forward(self, letters: Tensor) -> Tensor:
        """Map one-hot letters (B, L, C) to outputs (B, O)."""
        x = self.pgc2(self.pgc1(self.encoder(letters)))  # (B, L, H)
        y = self.s4d(self.norm(x).transpose(1, 2)).transpose(1, 2)
        return self.decoder((x + self.dropout(y)).mean(dim=1))

    @classmethod
    def from_model(cls, model: LyraForSequenceClassification) -> "PublishedLyra":
        """The definition with the weights of a model of ours that has the released configuration."""
        ours = model.state_dict()
        num_outputs, d_model = ours["classifier.linear.weight"].shape
        definition = cls(ours["lyra.encoder.weight"].shape[1], num_outputs, d_model)
        state_dict = {name: ours[our_name(name)] for name in definition.state_dict()}
        # A linear map per position is a convolution of kernel 1: (2H, H) -> (2H, H, 1).
        state_dict["s4d.output_linear.0.weight"] = state_dict["s4d.output_linear.0.weight"].unsqueeze(-1)
        definition.load_state_dict(state_dict)
        return definition.train(model.training)


# Where our model has what the definition has, by the beginning of a parameter's name; the first that fits counts.
_PREFIXES = {
    "encoder.": "lyra.encoder.",
    "pgc1.": "lyra.pgc.0.",
    "pgc2.": "lyra.pgc.1.",
    "norm.": "lyra.layers.0.norm.",
    "s4d.kernel.": "lyra.layers.0.convolution.",
    "s4d.output_linear.0.": "lyra.layers.0.output_linear.",
    "s4d.": "lyra.layers.0.convolution.",
    "decoder.": "classifier.linear.",
}


def our_name(name: str) -> str:
    """What our model calls a parameter of the definition."""
    prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
    return _PREFIXES[prefix] + name.removeprefix(prefix)
