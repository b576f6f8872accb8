"""S4D as the prediction engine applies it: operators made once, products with all columns at once, states carried.

A sequence is cut into segments of Q positions. Inside a segment the convolution is one product with a Toeplitz matrix;
between segments N real states per channel and direction are carried. Everything that does not depend on the input is
made once per segment length, in float64, with the weights of the norm before and the D behind folded in.

Letters in shapes: C channels of all members (M * H), N states of all directions, Q positions of a segment, G segments
of a sequence, B sequences, S = G * B columns, segments before sequences.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

from ..convolution import LyraS4DConvolution
from ..ssm import Modes, discretize, mode_powers, s4d_kernel, toeplitz_matrix

# Longest sequence that is one segment: beyond it, states cost less than the longer product.
WHOLE_LENGTH = 160
SEGMENT_LENGTH = 64


class Operators(NamedTuple):
    """What maps a segment of Q positions, and what it receives and leaves.

    The states are those of the direction that reads forward, then, if there is one, of the other. Each is a real and
    an imaginary part side by side.
    """

    inside: Tensor  # (C, Q, Q), [c, i, j] is what an input at j adds to the output at i
    absorb: Tensor  # (C, Q, N), what an input leaves in the states at the segment's far end
    emit: Tensor  # (C, Q, N), what the states at the near end add to the output
    turn: Tensor  # (directions, C, N / 2 / directions), complex: what a mode does over Q positions


class StateSpace:
    """One S4D layer's linear part, of all members.

    Args:
        convolutions: the members' convolutions, a list for each direction: forward, and backward if there is one.
        scale: (C,), float64, the weight of the norm before, which is folded into what enters.
        device: where to compute.
        dtype: float32 or float64, of the operators.
    """

    def __init__(
        self,
        convolutions: Sequence[Sequence[LyraS4DConvolution]],
        scale: Tensor,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.modes = [_stacked_modes(members) for members in convolutions]
        skips = [torch.cat([member.D.detach().double() for member in members]) for members in convolutions]
        self.skip = torch.stack(skips).sum(0)  # (C,)
        self.scale = scale.double()
        self.device, self.dtype = device, dtype
        self._making = Lock()
        self._whole: Tensor | None = None
        self._operators: dict[int, Operators] = {}

    def _inside(self, length: int) -> Tensor:
        """The convolution's matrix (C, length, length), in float64."""
        forward, *backward = [s4d_kernel(modes, length) for modes in self.modes]
        matrix = toeplitz_matrix(forward).transpose(1, 2)  # [c, i, j] = K[c, i - j]
        for kernel in backward:
            matrix = matrix + toeplitz_matrix(kernel)
        diagonal = torch.diag_embed(self.skip.unsqueeze(-1).expand(-1, length))
        return (matrix + diagonal) * self.scale[:, None, None]

    def whole(self, length: int) -> Tensor:
        """The matrix (C, length, length) for sequences of one segment; shorter ones are corners of longer ones."""
        with self._making:
            if self._whole is None:
                self._whole = self._inside(WHOLE_LENGTH).to(self.device, self.dtype)
        return self._whole[:, :length, :length]

    def turn(self, length: int) -> Tensor:
        """What each mode does over `length` positions: (directions, C, N / 2 / directions), complex."""
        turn = [torch.complex(*mode_powers(modes, torch.tensor([length]))).squeeze(-1) for modes in self.modes]
        return torch.stack(turn).to(self.device, self.dtype.to_complex())

    def operators(self, length: int) -> Operators:
        """The operators for segments of `length` positions."""
        with self._making:
            if length not in self._operators:
                self._operators[length] = self._make_operators(length)
            return self._operators[length]

    def _make_operators(self, length: int) -> Operators:
        steps = torch.arange(length)
        absorb = [_entering(modes, length - 1 - steps) for modes in self.modes]
        emit = [_leaving(modes, steps + 1) for modes in self.modes]
        # Backward, the near end is the last position.
        absorb[1:] = [part.flip(1) for part in absorb[1:]]
        emit[1:] = [part.flip(1) for part in emit[1:]]
        return Operators(
            inside=self._inside(length).to(self.device, self.dtype),
            absorb=(torch.cat(absorb, dim=-1) * self.scale[:, None, None]).to(self.device, self.dtype),
            emit=torch.cat(emit, dim=-1).to(self.device, self.dtype),
            turn=self.turn(length),
        )


def segment_length(length: int) -> int:
    """Positions per segment for sequences of `length`: all of them if it is short, else near 64 with little waste."""
    if length <= WHOLE_LENGTH:
        return length
    return math.ceil(length / math.ceil(length / SEGMENT_LENGTH))


def _stacked_modes(members: Sequence[LyraS4DConvolution]) -> Modes:
    each = [
        discretize(*(p.detach().double().cpu() for p in (member.log_dt, member.log_A_real, member.A_imag, member.C)))
        for member in members
    ]
    return Modes(*(torch.cat(parts) for parts in zip(*each, strict=True)))


def _entering(modes: Modes, exponents: Tensor) -> Tensor:
    """What an input of 1 leaves in each state `exponents` positions later: (C, E, N)."""
    return _pairs(*mode_powers(modes, exponents))


def _leaving(modes: Modes, exponents: Tensor) -> Tensor:
    """What each state adds to the output `exponents` positions later: (C, E, N)."""
    real, imag = mode_powers(modes, exponents)
    gain_real, gain_imag = modes.gain_real.unsqueeze(-1), modes.gain_imag.unsqueeze(-1)
    # Re(gain * power * (s + i t)) = Re(gain * power) s - Im(gain * power) t
    return _pairs(gain_real * real - gain_imag * imag, -(gain_real * imag + gain_imag * real))


def _pairs(real: Tensor, imag: Tensor) -> Tensor:
    """(C, N/2, E) twice -> (C, E, N), real and imaginary parts side by side."""
    return torch.stack([real, imag], dim=-1).transpose(1, 2).flatten(2)


class Carry:
    """The states of one direction, carried over the segments of some sequences.

    In two levels, so that few steps are taken one after the other: first inside groups of segments, all groups at once,
    then from group to group.

    Args:
        added: (C, G, B, N/2), complex, what each segment adds to the state at its far end; in the order in which the
            direction reads. It may be overwritten.
        turn: (C, N/2), complex, what a mode does over a segment.
    """

    def __init__(self, added: Tensor, turn: Tensor) -> None:
        self.count = added.shape[1]
        root = math.isqrt(self.count)
        # A size that leaves no rest saves a copy.
        size = next((size for size in range(root, root // 2, -1) if self.count % size == 0), root + 1)
        groups = -(-self.count // size)
        if groups * size > self.count:
            whole = added.new_zeros(added.shape[0], groups * size, *added.shape[2:])
            whole[:, : self.count] = added
            added = whole
        self._size = size
        # States at far ends, as if nothing had come before the group: (C, groups, size, B, N/2).
        self._inside = added.unflatten(1, (groups, size))
        turn = turn[:, None, None]  # (C, 1, 1, N/2)
        for before, state in pairwise(self._inside.unbind(2)):
            state.addcmul_(turn, before)
        powers = [torch.ones_like(turn)]
        for _ in range(size):
            powers.append(powers[-1] * turn)
        self._powers = torch.stack(powers, dim=2)  # (C, 1, size + 1, 1, N/2)
        self._known: tuple[Tensor | None, Tensor] | None = None

    def _before_groups(self, initial: Tensor | None) -> Tensor:
        """States before each group: (C, groups, B, N/2)."""
        if self._known is None or self._known[0] is not initial:
            ends = self._inside[:, :, -1]
            turn = self._powers[:, 0, -1]  # (C, 1, N/2)
            before = [torch.zeros_like(ends[:, 0]) if initial is None else initial]
            for end in ends.unbind(1)[:-1]:
                before.append(torch.addcmul(end, turn, before[-1]))
            self._known = initial, torch.stack(before, dim=1)
        return self._known[1]

    def end(self, initial: Tensor | None = None) -> Tensor:
        """The state (C, B, N/2) after the last segment, from the one before the first (zero if None)."""
        group, index = divmod(self.count - 1, self._size)
        before = self._before_groups(initial)[:, group]
        return torch.addcmul(self._inside[:, group, index], self._powers[:, 0, index + 1], before)

    def before(self, initial: Tensor | None = None) -> Tensor:
        """The states (C, G, B, N/2) before each segment, from the one before the first (zero if None)."""
        before = self._before_groups(initial).unsqueeze(2)  # (C, groups, 1, B, N/2)
        states = torch.empty(self._inside.shape, dtype=before.dtype, device=before.device)
        states[:, :, :1] = before
        torch.addcmul(self._inside[:, :, :-1], self._powers[:, :, 1:-1], before, out=states[:, :, 1:])
        return states.flatten(1, 2)[:, : self.count]  # (C, groups, size, B, N/2) -> (C, G, B, N/2)


def absorb(u: Tensor, operators: Operators, sequences: int) -> list[Carry]:
    """The states that inputs u (C, Q, G * B) leave, for each direction."""
    added = torch.bmm(u.transpose(1, 2), operators.absorb)  # (C, G * B, N)
    directions = operators.turn.shape[0]
    # (C, G, B, directions, N / 2 / directions), complex
    added = torch.view_as_complex(added.view(u.shape[0], -1, sequences, directions, operators.turn.shape[2], 2))
    carries = [Carry(added[:, :, :, 0], operators.turn[0])]
    carries += [Carry(added[:, :, :, 1].flip(1), operators.turn[1])] if directions == 2 else []
    return carries


def emit(y: Tensor, operators: Operators, carries: Sequence[Carry], initial: Sequence[Tensor | None]) -> Tensor:
    """Add to y (C, Q, G * B), in place, what the carried states give; `initial` is what came before each direction."""
    states, *others = [carry.before(first) for carry, first in zip(carries, initial, strict=True)]
    if others:
        states = torch.stack([states, others[0].flip(1)], dim=3).flatten(3)
    # (C, G, B, N / 2), the directions side by side -> (C, G * B, N)
    rows = torch.view_as_real(states).flatten(3).flatten(1, 2)
    return y.baddbmm_(operators.emit, rows.transpose(1, 2))
