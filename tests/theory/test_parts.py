"""Proposition 5: what S4D alone, the PGCs alone and the whole model can fit."""

import numpy as np
import pytest
import torch
from theory.parts import (
    PARTS,
    additive_landscape,
    every_sequence,
    explained,
    model_of,
    pair_landscape,
    product_landscape,
)

LENGTH = 8
SEQUENCES = every_sequence(LENGTH)
LANDSCAPES = {
    "additive": additive_landscape(SEQUENCES),
    "near pairs": pair_landscape(SEQUENCES, 1),
    "far pairs": pair_landscape(SEQUENCES, 5),  # out of sight of two PGCs, which see two letters on either side
}
ABLE = {
    "additive": set(PARTS),
    "near pairs": {"PGCs alone", "the whole model"},
    "far pairs": {"the whole model"},
}


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", LANDSCAPES)
def test_what_a_part_can_fit(part, name):
    share = explained(model_of(part), SEQUENCES, LANDSCAPES[name])
    if part in ABLE[name]:
        assert share > 0.9
    else:
        assert share < 0.02


def test_what_s4d_alone_gives_is_a_sum_over_letters():
    model = model_of("S4D alone", seed=3).double()
    with torch.no_grad():
        heights = model(input_ids=torch.from_numpy(SEQUENCES + 2)).logits[:, 0].numpy()
    design = np.column_stack([np.ones(len(SEQUENCES)), SEQUENCES])
    rest = heights - design @ np.linalg.lstsq(design, heights, rcond=None)[0]
    assert np.abs(rest).max() < 1e-9 * max(1.0, np.abs(heights).max())
    assert heights.std() > 1e-4


def test_pgcs_alone_give_a_sum_over_windows_of_five_letters():
    model = model_of("PGCs alone", seed=3).double()
    with torch.no_grad():
        heights = model(input_ids=torch.from_numpy(SEQUENCES + 2)).logits[:, 0].numpy()
    for first in range(LENGTH):
        for second in range(first + 1, LENGTH):
            covariance = (heights * product_landscape(SEQUENCES, (first, second))).mean()
            assert (abs(covariance) < 1e-9) == (second - first > 4)
