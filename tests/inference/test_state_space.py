"""The operators of the engine against the step recurrence in complex double precision."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reference import continuous_parameters, recurrence
from small_models import small_config

from lyra_hf.convolution import LyraS4DConvolution
from lyra_hf.inference.state_space import (
    SEGMENT_LENGTH,
    WHOLE_LENGTH,
    Carry,
    StateSpace,
    absorb,
    emit,
    segment_length,
)

CHANNELS, MODES = 3, 4
both_directions = pytest.mark.parametrize("directions", [1, 2], ids=["forward", "both"])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_convolution(seed):
    """A convolution scattered about its initial values."""
    torch.manual_seed(seed)
    convolution = LyraS4DConvolution(small_config(hidden_size=CHANNELS, state_size=2 * MODES)).double()
    values = {
        "log_dt": torch.linspace(math.log(0.001), math.log(0.1), CHANNELS) + 0.1 * torch.randn(CHANNELS),
        "log_A_real": math.log(0.5) + 0.3 * torch.randn(CHANNELS, MODES),
        "A_imag": math.pi * torch.arange(MODES) + 0.3 * torch.randn(CHANNELS, MODES),
        "C": torch.randn(CHANNELS, MODES, 2),
        "D": torch.randn(CHANNELS),
    }
    convolution.load_state_dict(values)
    return convolution


def parameters_of(convolutions):
    """log_dt, log_A_real, A_imag and C of several members, side by side."""
    names = ("log_dt", "log_A_real", "A_imag", "C")
    return [torch.cat([getattr(convolution, name).detach() for convolution in convolutions]) for name in names]


class Layer:
    """A state space of some members, and what it should do."""

    def __init__(self, directions=1, members=1, dtype=torch.float64):
        each = [[make_convolution(10 * direction + seed) for seed in range(members)] for direction in range(directions)]
        self.directions = directions
        self.scale = 1 + 0.3 * normal(members * CHANNELS, seed=99)
        self.space = StateSpace(each, self.scale, torch.device("cpu"), dtype)
        self.parameters = [parameters_of(convolutions) for convolutions in each]
        self.skip = sum(torch.cat([convolution.D.detach() for convolution in members]) for members in each)

    def enter(self, direction):
        """What the reference multiplies inputs with where they enter its states; the engine does so at the end."""
        dt, a, _ = continuous_parameters(*self.parameters[direction])
        return ((torch.exp(dt * a) - 1) / a).unsqueeze(1)  # (C, 1, M)

    def expected(self, u, initial=None):
        """Outputs (C, B, L) of inputs of that shape, and each direction's states at its far end."""
        u = u.double() * self.scale[:, None, None]
        y, ends = self.skip[:, None, None] * u, []
        for direction, parameters in enumerate(self.parameters):
            state = None if initial is None else initial[direction] * self.enter(direction)
            added, end = recurrence(u.flip(-1) if direction else u, *parameters, state=state)
            y = y + (added.flip(-1) if direction else added)
            ends.append(end / self.enter(direction))
        return y, ends

    def in_segments(self, u, size, initial=None):
        """The same of the engine, in segments of some size, with zeros at the end where they do not fit."""
        sequences, length = u.shape[1:]
        segments = -(-length // size)
        columns = torch.nn.functional.pad(u, (0, segments * size - length)).unflatten(2, (segments, size))
        columns = columns.permute(0, 3, 2, 1).flatten(2)  # (C, Q, G * B)
        operators = self.space.operators(size)
        carries = absorb(columns, operators, sequences)
        assert len(carries) == self.directions
        before = [None] * self.directions if initial is None else initial
        y = emit(torch.bmm(operators.inside, columns), operators, carries, before)
        y = y.unflatten(2, (segments, sequences)).permute(0, 3, 2, 1).flatten(2)[..., :length]
        return y, [carry.end(state) for carry, state in zip(carries, before, strict=True)]


def assert_close(got, expected, tolerance=1e-10):
    assert got.shape == expected.shape
    scale = max(1.0, expected.abs().max().item())
    torch.testing.assert_close(got.to(expected.dtype), expected, rtol=0, atol=tolerance * scale)


class TestConvolution:
    @both_directions
    @pytest.mark.parametrize("length", [1, 2, 63, 64, WHOLE_LENGTH - 1, WHOLE_LENGTH])
    def test_whole_sequences_equal_the_recurrence(self, length, directions):
        layer, u = Layer(directions), normal(CHANNELS, 2, length)
        got = torch.bmm(layer.space.whole(length), u.transpose(1, 2)).transpose(1, 2)
        assert_close(got, layer.expected(u)[0])

    @both_directions
    def test_whole_sequences_of_many_lengths_in_any_order(self, directions):
        layer = Layer(directions)
        for length in [3, 5, 2, 40, 7, WHOLE_LENGTH, 1, 100]:
            u = normal(CHANNELS, 2, length, seed=length)
            got = torch.bmm(layer.space.whole(length), u.transpose(1, 2)).transpose(1, 2)
            assert_close(got, layer.expected(u)[0])

    @given(
        size=st.integers(1, 80),
        segments=st.integers(1, 12),
        rest=st.integers(0, 79),
        directions=st.integers(1, 2),
        sequences=st.integers(1, 3),
        carried=st.booleans(),
    )
    def test_segments_of_any_size_equal_the_recurrence(self, size, segments, rest, directions, sequences, carried):
        layer = Layer(directions)
        # Backward, the states enter behind the last segment, so only whole segments can take them.
        length = size * segments if carried else max(1, size * segments - rest % size)
        u = normal(CHANNELS, sequences, length)
        initial = None
        if carried:
            initial = [normal(CHANNELS, sequences, MODES, seed=d, dtype=torch.complex128) for d in range(directions)]
        got, got_ends = layer.in_segments(u, size, initial)
        expected, ends = layer.expected(u, initial)
        assert_close(got, expected)
        if length == size * segments:
            assert_close(got_ends[0], ends[0])
        if directions == 2:
            assert_close(got_ends[1], ends[1])

    @both_directions
    def test_one_direction_may_have_no_states_before_it(self, directions):
        layer, u = Layer(directions), normal(CHANNELS, 2, 128)
        some = normal(CHANNELS, 2, MODES, dtype=torch.complex128)
        for index in range(directions):
            given_states = [some if index == direction else None for direction in range(directions)]
            as_zeros = [some if index == direction else 0 * some for direction in range(directions)]
            assert_close(layer.in_segments(u, 64, given_states)[0], layer.expected(u, as_zeros)[0])

    @both_directions
    def test_a_sequence_in_two_parts_with_its_states_handed_on(self, directions):
        layer, u = Layer(directions), normal(CHANNELS, 2, 6 * 64)
        parts = u[..., : 4 * 64], u[..., 4 * 64 :]
        none = torch.zeros(CHANNELS, 2, MODES, dtype=torch.complex128)
        forward = layer.in_segments(parts[0], 64)[1][0]
        backward = layer.in_segments(parts[1], 64)[1][-1]
        before = [[none, backward], [forward, none]]
        got = [layer.in_segments(part, 64, states[:directions])[0] for part, states in zip(parts, before, strict=True)]
        assert_close(torch.cat(got, dim=-1), layer.expected(u)[0])

    @both_directions
    @pytest.mark.parametrize("length", [1, 64, WHOLE_LENGTH, 500, 3000])
    def test_float32(self, length, directions):
        layer, u = Layer(directions, dtype=torch.float32), normal(CHANNELS, 2, length)
        expected = layer.expected(u)[0]
        assert_close(layer.in_segments(u.float(), 64)[0].double(), expected, 1e-5)
        if length <= WHOLE_LENGTH:
            got = torch.bmm(layer.space.whole(length), u.float().transpose(1, 2)).transpose(1, 2)
            assert_close(got.double(), expected, 1e-5)

    @both_directions
    def test_members_do_not_mix(self, directions):
        layer = Layer(directions, members=3)
        u = normal(3 * CHANNELS, 2, 150)
        expected, ends = layer.expected(u)
        assert_close(torch.bmm(layer.space.whole(150), u.transpose(1, 2)).transpose(1, 2), expected)
        got, got_ends = layer.in_segments(u, 50)
        assert_close(got, expected)
        for got_end, end in zip(got_ends, ends, strict=True):
            assert_close(got_end, end)

    @both_directions
    @pytest.mark.parametrize("length", [1, 2, 64, 1000, 65_536])
    def test_turn_is_what_a_mode_does_by_itself(self, length, directions):
        layer = Layer(directions)
        got = layer.space.turn(length)
        for direction, parameters in enumerate(layer.parameters):
            dt, a, _ = continuous_parameters(*parameters)
            assert_close(got[direction], torch.exp(dt * a * length))
        assert got.shape == (directions, CHANNELS, MODES)


class TestSegmentLength:
    @given(length=st.integers(1, 5000))
    def test_segments_are_as_long_as_told_and_little_is_wasted(self, length):
        size = segment_length(length)
        segments = -(-length // size)
        assert 1 <= size <= max(WHOLE_LENGTH, SEGMENT_LENGTH)
        assert segments * size - length < segments or segments == 1
        if length <= WHOLE_LENGTH:
            assert size == length
        else:
            assert size <= SEGMENT_LENGTH

    def test_the_threshold(self):
        assert segment_length(WHOLE_LENGTH) == WHOLE_LENGTH
        assert segment_length(WHOLE_LENGTH + 1) <= SEGMENT_LENGTH
        assert segment_length(10 * SEGMENT_LENGTH) == SEGMENT_LENGTH


class TestCarry:
    @pytest.mark.parametrize("with_initial", [False, True])
    @pytest.mark.parametrize("count", range(1, 41))
    def test_equals_a_plain_loop(self, count, with_initial):
        added = normal(CHANNELS, count, 2, MODES, dtype=torch.complex128)
        turn = 0.9 * torch.exp(1j * normal(CHANNELS, MODES, seed=1))
        initial = normal(CHANNELS, 2, MODES, seed=2, dtype=torch.complex128) if with_initial else None
        state = torch.zeros(CHANNELS, 2, MODES, dtype=torch.complex128) if initial is None else initial
        before = []
        for segment in added.unbind(1):
            before.append(state)
            state = turn.unsqueeze(1) * state + segment
        carry = Carry(added.clone(), turn)
        for _ in range(2):  # asked again, it says the same
            assert_close(carry.before(initial), torch.stack(before, dim=1))
            assert_close(carry.end(initial), state)

    def test_the_states_before_may_differ_from_call_to_call(self):
        added = normal(CHANNELS, 7, 2, MODES, dtype=torch.complex128)
        turn = 0.9 * torch.exp(1j * normal(CHANNELS, MODES, seed=1))
        one, other = (normal(CHANNELS, 2, MODES, seed=seed, dtype=torch.complex128) for seed in (2, 3))
        carry = Carry(added.clone(), turn)
        expected = [Carry(added.clone(), turn).end(state) for state in (one, None, other)]
        for state, wanted in zip((one, None, other), expected, strict=True):
            assert_close(carry.end(state), wanted)
