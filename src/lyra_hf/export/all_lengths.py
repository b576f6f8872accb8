"""A model as one graph for every batch and every length.

The model itself chooses by length how it applies S4D. A graph that is captured once cannot choose, so in it S4D is
always applied in chunks, with the state carried from each to the next by a loop of the graph's own (`scan`).

Letters in shapes: M members, B batch, L length, H hidden_size, N state_size, C channels of all members (M * H), Q chunk
length, n chunks.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan

from ..convolution import LyraS4DConvolution
from ..modeling_lyra import LyraPreTrainedModel
from ..ssm import mode_powers, toeplitz_matrix

_DOUBLINGS = 5
CHUNK_LENGTH = 2**_DOUBLINGS  # Q: short enough that a guide is one chunk, long enough that the loop is short


class AllLengthsConvolution(nn.Module):
    """What an S4D convolution does, whatever the length.

    It keeps what a mode loses and turns at one position and over a chunk, and makes the powers between by
    multiplication: no sines of large angles, in which runtimes differ.
    """

    power: Tensor  # (2, C, N/2), real and imaginary part of exp(dt A)
    whole: Tensor  # (2, C, N/2), of exp(dt A Q)
    gain: Tensor  # (2, C, N/2), of 2 C (exp(dt A) - 1) / A
    skip: Tensor  # (C,), D

    def __init__(self, convolution: LyraS4DConvolution) -> None:
        super().__init__()
        self.channels = convolution.D.shape
        modes = copy.deepcopy(convolution).double().modes()
        powers = torch.stack(mode_powers(modes, torch.tensor([1, CHUNK_LENGTH])))  # (2, C, N/2, 2)
        self.register_buffer("power", powers[..., 0].float())
        self.register_buffer("whole", powers[..., 1].float())
        self.register_buffer("gain", torch.stack([modes.gain_real, modes.gain_imag]).float())
        self.register_buffer("skip", convolution.D.detach().flatten().float())

    def forward(self, u: Tensor, *, reverse: bool = False) -> Tensor:
        """As `LyraS4DConvolution.forward`: (M, B, L, H) -> (M, B, L, H)."""
        x = u.flip(-2) if reverse else u
        x = x.movedim(-1, -3).flatten(0, -3)  # (M, B, L, H) -> (M, H, B, L) -> (C, B, L)
        y = self.convolve(x).unflatten(0, self.channels).movedim(-3, -1)  # (C, B, L) -> (M, B, L, H)
        return y.flip(-2) if reverse else y

    def convolve(self, u: Tensor) -> Tensor:
        """K * u + D u of u (C, B, L)."""
        channels, batch, length = u.shape
        chunks = (length + CHUNK_LENGTH - 1) // CHUNK_LENGTH
        rows = F.pad(u, (0, chunks * CHUNK_LENGTH - length)).reshape(channels, batch * chunks, CHUNK_LENGTH)

        powers = self.powers()
        weighed = _times(self.gain.unsqueeze(-1), powers)
        kernel = weighed[0].sum(1) + F.pad(self.skip.unsqueeze(-1), (0, CHUNK_LENGTH - 1))  # (C, Q)
        inside = torch.bmm(rows, toeplitz_matrix(kernel))  # (C, B * n, Q)

        added = torch.bmm(rows, _side_by_side(powers.flip(-1)).mT)  # (C, B * n, Q) @ (C, Q, N)
        before = self.carry(added.reshape(channels, batch, chunks, added.shape[-1]))  # (C, B, n, N)
        # Re((a + i b) (s + i t)) = a s - b t, one position after the state.
        outputs = _times(weighed, self.power.unsqueeze(-1)) * torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
        carried = torch.bmm(before.flatten(1, 2), _side_by_side(outputs))  # (C, B * n, N) @ (C, N, Q)
        return (inside + carried).reshape(channels, batch, chunks * CHUNK_LENGTH)[..., :length]

    def powers(self) -> Tensor:
        """exp(dt A l) for l = 0 ... Q - 1: (2, C, N/2, Q)."""
        step = self.power.unsqueeze(-1)
        powers = torch.stack([torch.ones_like(step[0]), torch.zeros_like(step[1])])
        for _ in range(_DOUBLINGS):
            powers = torch.cat([powers, _times(powers, step)], dim=-1)
            step = _times(step, step)
        return powers

    def carry(self, added: Tensor) -> Tensor:
        """The states before each chunk: (C, B, n, N).

        Args:
            added: (C, B, n, N), what each chunk adds to the state at its end.
        """
        real, imag = self.whole.unsqueeze(-2)  # (C, 1, N/2) each
        same, cross = torch.cat([real, real], dim=-1), torch.cat([-imag, imag], dim=-1)
        half = real.shape[-1]

        def step(state: Tensor, chunk: Tensor) -> tuple[Tensor, Tensor]:
            swapped = torch.cat([state[..., half:], state[..., :half]], dim=-1)
            return same * state + cross * swapped + chunk, state.clone()

        start = torch.zeros_like(added[:, :, 0])
        _, before = scan(step, start, added.movedim(2, 0).contiguous())
        return before.movedim(0, 2)


def for_all_lengths(model: LyraPreTrainedModel) -> LyraPreTrainedModel:
    """A copy of a model in float32, in evaluation mode and on the CPU, whose graph serves every batch and length."""
    copied = copy.deepcopy(model).to(device="cpu", dtype=torch.float32).eval()
    for module in list(copied.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, LyraS4DConvolution):
                setattr(module, name, AllLengthsConvolution(child))
    return copied


def _times(one: Tensor, other: Tensor) -> Tensor:
    """The product of complex numbers whose parts are the first dimension."""
    (a, b), (c, d) = one, other
    return torch.stack([a * c - b * d, a * d + b * c])


def _side_by_side(parts: Tensor) -> Tensor:
    """Real parts, then imaginary parts: (2, C, N/2, Q) -> (C, N, Q)."""
    return torch.cat([parts[0], parts[1]], dim=1)
