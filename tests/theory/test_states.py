"""Propositions 1 and 2: the bare state-space convolution is linear, and reaches every kernel."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from theory.states import nearest_kernel, spread_modes

from lyra_hf.ssm import (
    Modes,
    chunked_scan,
    discretize,
    fft_convolution,
    s4d_kernel,
    toeplitz_convolution,
    toeplitz_matrix,
)

CHANNELS, STATES = 2, 6


def random_modes(seed):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    shape = (CHANNELS, STATES // 2)
    return discretize(normal(CHANNELS) - 2, 0.3 * normal(*shape), 3 * normal(*shape), normal(*shape, 2))


def recurrence(u, modes):
    """Step by step, in complex numbers: the state turns and decays, takes the letter in, and gives its real part."""
    turn = np.exp(modes.decay.numpy() + 1j * modes.phase.numpy())
    gain = modes.gain_real.numpy() + 1j * modes.gain_imag.numpy()
    u = u.numpy()
    state = np.zeros((*u.shape[:2], turn.shape[1]), complex)
    outputs = []
    for place in range(u.shape[2]):
        state = turn[:, None] * state + u[:, :, place, None]
        outputs.append((gain[:, None] * state).real.sum(-1))
    return torch.from_numpy(np.stack(outputs, -1))


WAYS = {
    "Toeplitz": lambda u, modes: toeplitz_convolution(u, toeplitz_matrix(s4d_kernel(modes, u.shape[-1]))),
    "FFT": lambda u, modes: fft_convolution(u, s4d_kernel(modes, u.shape[-1])),
    "scan": lambda u, modes: chunked_scan(u, modes, chunk_length=7)[0],
}


def inputs(seed, count=1, length=23):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((CHANNELS, count, length), generator=generator, dtype=torch.float64)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from(sorted(WAYS)))
def test_every_way_is_the_recurrence(seed, way):
    modes, u = random_modes(seed), inputs(seed, 3)
    torch.testing.assert_close(WAYS[way](u, modes), recurrence(u, modes), rtol=1e-9, atol=1e-10)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 1000), st.sampled_from(sorted(WAYS)))
def test_it_is_linear_and_its_mixed_second_differences_vanish(seed, way):
    modes = random_modes(seed)
    base, one, other = (inputs(seed + shift) for shift in range(3))

    def output(u):
        return WAYS[way](u, modes)

    torch.testing.assert_close(output(2 * one - 3 * other), 2 * output(one) - 3 * output(other), rtol=0, atol=1e-10)
    cycle = output(base + one + other) - output(base + one) - output(base + other) + output(base)
    assert cycle.abs().max() < 1e-10


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 20), st.integers(0, 1000))
def test_as_many_states_as_letters_reach_every_kernel(half, seed):
    length = 2 * half
    kernel = torch.randn(length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    torch.testing.assert_close(nearest_kernel(spread_modes(half), kernel), kernel, rtol=0, atol=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_with_fewer_states_the_rest_falls_as_they_grow(seed):
    length = 64
    kernel = torch.randn(length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    everything = spread_modes(length // 2)
    order = np.random.default_rng(seed).permutation(length // 2)
    rests = []
    for count in range(1, length // 2 + 1):
        some = Modes(*(part[:, np.sort(order[:count])] for part in everything))
        rests.append(float((nearest_kernel(some, kernel) - kernel).square().sum()))
    assert all(after <= before + 1e-9 for before, after in pairwise(rests))
    assert rests[0] > 0.5 * float(kernel.square().sum())
    assert rests[-1] < 1e-12
