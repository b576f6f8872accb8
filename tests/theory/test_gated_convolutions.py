"""Proposition 3: without its norms a PGC is a polynomial of degree 2 that sees one neighbour on either side."""

from math import comb

import pytest
import torch
from small_models import small_config
from theory.parts import without_norms

from lyra_hf.modeling_lyra import LyraPGC

LENGTH, SIZE = 15, 8


def gates(count, *, norms=False):
    torch.manual_seed(count)
    pgcs = [LyraPGC(small_config(), 5) for _ in range(count)]
    if not norms:
        pgcs = [without_norms(pgc) for pgc in pgcs]
    for pgc in pgcs:
        pgc.double()

    def output(hidden_states):
        mask = torch.ones(1, LENGTH, 1, dtype=torch.float64)
        for pgc in pgcs:
            hidden_states = pgc(hidden_states, mask)
        return hidden_states

    return output


def state(seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((1, LENGTH, SIZE), generator=generator, dtype=torch.float64)


def difference(function, order):
    """The finite difference of so high an order of a function along a line."""
    base, step = state(1), state(2)
    parts = [(-1) ** (order - k) * comb(order, k) * function(base + k * step) for k in range(order + 1)]
    return torch.stack(parts).sum(0)


@pytest.mark.parametrize("count", [1, 2])
@torch.no_grad()
def test_its_degree_is_two_to_the_number_of_pgcs(count):
    function, degree = gates(count), 2**count
    highest, beyond = difference(function, degree), difference(function, degree + 1)
    assert highest.abs().max() > 1e-3
    assert beyond.abs().max() < 1e-9 * max(1.0, float(highest.abs().max()))


@torch.no_grad()
def test_with_norms_it_is_no_polynomial():
    assert difference(gates(1, norms=True), 3).abs().max() > 1e-2


@pytest.mark.parametrize("norms", [False, True])
@pytest.mark.parametrize("count", [1, 2])
@torch.no_grad()
def test_it_sees_one_neighbour_on_either_side_for_each_pgc(count, norms):
    function = gates(count, norms=norms)
    before = function(state(1))
    for place in range(LENGTH):
        changed = state(1)
        changed[:, place] += 1
        is_changed = (function(changed) != before).any(-1)[0]
        assert is_changed.tolist() == [abs(other - place) <= count for other in range(LENGTH)]
