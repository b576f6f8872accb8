import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.design import best as module
from lyra_hf.design.best import BestGuides
from lyra_hf.design.guides import Guides

SCORES = st.integers(0, 9)  # few, so that some are equal
PLACES = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 60), SCORES), max_size=60)


def guides_of(rows):
    contigs, starts, scores = zip(*rows, strict=True) if rows else ((), (), ())
    count = len(rows)
    scores = np.array(scores, np.float32)
    windows = np.zeros((count, 3), np.uint8)
    return Guides(
        np.array(contigs, object), np.array(starts, np.int64), np.zeros(count, bool), windows, scores, scores, scores
    )


def brute_force(rows, number, spacing, sign):
    chosen = []
    for place in sorted(range(len(rows)), key=lambda place: -sign * rows[place][2]):
        contig, start, _ = rows[place]
        near = [rows[other] for other in chosen if rows[other][0] == contig and abs(rows[other][1] - start) < spacing]
        if not near and len(chosen) < number:
            chosen.append(place)
    return [rows[place] for place in sorted(chosen)]


@settings(deadline=None, max_examples=200)
@given(PLACES, st.integers(1, 8), st.sampled_from([0, 1, 5, 20]), st.booleans(), st.integers(1, 7))
def test_the_best_of_all_however_they_come(rows, number, spacing, lower_is_better, size):
    rows = sorted(rows)
    best = BestGuides(number, spacing, lower_is_better=lower_is_better)
    kept = module._FEWEST_KEPT
    module._FEWEST_KEPT = 0  # weed out as soon as eight times as many are there
    try:
        for start in range(0, len(rows), size):
            best.add(guides_of(rows[start : start + size]))
    finally:
        module._FEWEST_KEPT = kept
    found = best.best()
    expected = brute_force(rows, number, spacing, -1 if lower_is_better else 1)
    got = [] if found is None else list(zip(found.contigs, found.starts.tolist(), found.scores.tolist(), strict=True))
    assert got == expected


@pytest.mark.parametrize("numbers", [(0, 0), (1, -1)])
def test_numbers_that_make_no_sense(numbers):
    with pytest.raises(UserError, match="--top must be at least 1, and --spacing at least 0"):
        BestGuides(*numbers)
