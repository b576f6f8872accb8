"""Proposition 4: a function of sequences is its multilinear expansion; epistasis of order k is a mixed difference."""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import hadamard
from theory.parts import every_sequence, mixed_difference, product_landscape

LENGTH = 6
SEQUENCES = every_sequence(LENGTH)


def numbers_of(sequence):
    return int((sequence << np.arange(LENGTH)).sum())


def terms(max_order):
    return [places for order in range(max_order + 1) for places in combinations(range(LENGTH), order)]


def landscape(seed, order):
    """Random weights on the products of signs at up to `order` places."""
    weights = np.random.default_rng(seed).normal(size=len(terms(order)))
    return sum(
        weight * product_landscape(SEQUENCES, places) for weight, places in zip(weights, terms(order), strict=True)
    )


@given(st.integers(0, 10_000))
def test_any_function_is_its_walsh_hadamard_expansion(seed):
    heights = np.random.default_rng(seed).normal(size=2**LENGTH)
    coefficients = hadamard(2**LENGTH) @ heights / 2**LENGTH
    rebuilt = np.zeros(2**LENGTH)
    for places in terms(LENGTH):
        number = sum(1 << place for place in places)
        rebuilt += coefficients[number] * product_landscape(SEQUENCES, places)
    np.testing.assert_allclose(rebuilt, heights, atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(0, LENGTH - 1), st.integers(0, 2**LENGTH - 1))
def test_of_order_k_all_differences_beyond_k_vanish_and_some_of_k_do_not(seed, order, background):
    heights = landscape(seed, order)

    def function(sequence):
        return heights[numbers_of(sequence)]

    beyond = [mixed_difference(function, SEQUENCES[background], p) for p in combinations(range(LENGTH), order + 1)]
    assert np.abs(beyond).max() < 1e-10
    at = [mixed_difference(function, SEQUENCES[background], p) for p in combinations(range(LENGTH), order)]
    assert np.abs(at).max() > 1e-3


@given(st.integers(0, 10_000))
def test_a_mixed_difference_of_all_places_is_the_highest_coefficient(seed):
    heights = np.random.default_rng(seed).normal(size=2**LENGTH)
    highest = (hadamard(2**LENGTH) @ heights)[-1]
    found = mixed_difference(lambda sequence: heights[numbers_of(sequence)], SEQUENCES[0], range(LENGTH))
    np.testing.assert_allclose(found, highest, atol=1e-10)
