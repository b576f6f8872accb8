from itertools import combinations, pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import build

from lyra_hf import LyraForRegression, Predictor, UserError
from lyra_hf.analysis.optimization import optimize, path_columns
from lyra_hf.analysis.optimization_picture import plot_path
from lyra_hf.analysis.plotting import save
from lyra_hf.analysis.scan import FIRST_LETTER
from lyra_hf.analysis.scores import Scores, SequenceScore
from lyra_hf.analysis.variants import apply_variant

SEEDS = st.integers(0, 2**32 - 1)
MODEL = build(LyraForRegression)


class Landscape(SequenceScore):
    """Scores drawn at random for every sequence of a length, and deviations if asked for."""

    def __init__(self, seed, length, with_sd=False):
        super().__init__(MODEL)
        generator = np.random.default_rng(seed)
        self.heights = generator.normal(size=(4,) * length)
        self.deviations = generator.uniform(0, 3, size=self.heights.shape) if with_sd else None
        self.asked = []

    def at_once(self, length):
        return 7

    def __call__(self, ids):
        assert len(ids) <= 7
        self.asked += map(bytes, ids)
        places = tuple(ids.T - FIRST_LETTER)
        return Scores(self.heights[places], sd=None if self.deviations is None else self.deviations[places])

    def merit(self, sequence):
        place = tuple(map("ACGT".index, sequence))
        return self.heights[place] - (0 if self.deviations is None else self.deviations[place])


def variants(wild_type, mutations, keep=()):
    """Every sequence with at most so many substitutions."""
    free = [place for place in range(len(wild_type)) if place + 1 not in keep]
    for count in range(mutations + 1):
        for places in combinations(free, count):
            for letters in product("ACGT", repeat=count):
                sequence = list(wild_type)
                for place, letter in zip(places, letters, strict=True):
                    sequence[place] = letter
                yield "".join(sequence)


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, mutations=st.integers(1, 5), keep=st.sets(st.integers(1, 4), max_size=3), with_sd=st.booleans())
def test_a_wide_beam_finds_the_best_of_all(seed, mutations, keep, with_sd):
    landscape = Landscape(seed, 4, with_sd)
    found = optimize(landscape, "GATC", mutations, beam_size=1000, keep=keep, cautious=with_sd)
    best = max(variants("GATC", mutations, keep), key=landscape.merit)
    assert found.best.sequence == best
    assert found.best.score == landscape.heights[tuple(map("ACGT".index, best))]
    assert len(set(landscape.asked)) == len(landscape.asked)  # nothing is scored twice


@settings(deadline=None, max_examples=25)
@given(seed=SEEDS, beam_size=st.integers(1, 4), minimize=st.booleans())
def test_a_path_goes_by_single_substitutions_and_ends_at_the_best(seed, beam_size, minimize):
    landscape = Landscape(seed, 5)
    found = optimize(landscape, "GATCA", 4, beam_size=beam_size, keep=[2], minimize=minimize)
    sign = -1 if minimize else 1
    assert found.path[0].sequence == "GATCA"
    assert found.path[0].variant == ()
    for before, after in pairwise(found.path):
        assert after.variant[:-1] == before.variant
        assert after.sequence == apply_variant(after.variant, "GATCA", landscape.alphabet)
        assert sum(a != b for a, b in zip(before.sequence, after.sequence, strict=True)) == 1
        assert after.sequence[1] == "A"
    assert all(len(beam) <= beam_size for beam in found.beams)
    merits = [[sign * candidate.score for candidate in beam] for beam in found.beams]
    assert all(beam == sorted(beam, reverse=True) for beam in merits)
    assert sign * found.best.score == max(merit for beam in merits for merit in beam)
    for beam in found.beams:
        for candidate in beam:
            assert candidate.score == landscape.merit(candidate.sequence)


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_a_beam_of_one_is_greedy(seed):
    landscape = Landscape(seed, 5)
    found = optimize(landscape, "GATCA", 3, beam_size=1)
    current, changed = "GATCA", set()
    for beam in found.beams[1:]:
        nearby = [s for s in variants(current, 1) if s != current]
        nearby = [s for s in nearby if all(s[place] == current[place] for place in changed)]
        current = max(nearby, key=landscape.merit)
        changed = {place for place in range(5) if current[place] != "GATCA"[place]}
        assert beam[0].sequence == current


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_low_scores_are_found_as_the_high_ones_of_the_mirrored_landscape(seed):
    landscape, mirrored = Landscape(seed, 4), Landscape(seed, 4)
    mirrored.heights = -mirrored.heights
    low = optimize(landscape, "GATC", 3, beam_size=2, minimize=True)
    high = optimize(mirrored, "GATC", 3, beam_size=2)
    assert [step.variant for step in low.path] == [step.variant for step in high.path]


def test_nothing_better_leaves_the_wild_type():
    landscape = Landscape(0, 3)
    landscape.heights[2, 0, 3] = 100  # GAT
    found = optimize(landscape, "GAT", 2)
    assert [step.sequence for step in found.path] == ["GAT"]
    assert path_columns(found)["variant"].to_pylist() == [""]


def test_an_unknown_letter_of_the_wild_type_may_become_any():
    found = optimize(MODEL, "GANC", 2)
    assert found.path[0].sequence == "GANC"
    assert {"N3A", "N3C", "N3G", "N3T"} >= {str(step) for step in found.best.variant if step.position == 3}


def test_on_a_shipped_model_scores_and_ends_are_the_predictors(tmp_path):
    predictor = Predictor("lyra-gb1")
    wild_type = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVVDGWTYDDATKTFTVVE"
    done = []
    keep = [place for place in range(1, 57) if place not in (40, 41, 42, 55)]
    found = optimize(predictor, wild_type, 3, beam_size=4, keep=keep, cautious=True, on_progress=done.append)
    columns = path_columns(found)
    assert list(columns) == ["mutations", "mutation", "variant", "sequence", "prediction", "lower", "upper", "sd"]
    assert np.allclose(columns["prediction"].to_pylist(), predictor(columns["sequence"].to_pylist()), rtol=1e-5)
    assert sum(done) == 1 + 4 * 19 + sum(len(set(_neighbours(beam, wild_type, keep))) for beam in found.beams[1:3])
    merits = [step.lower - step.sd for step in found.path]
    assert merits[-1] == max(merits)
    save(plot_path(found, "lyra-gb1"), tmp_path / "path.svg")
    assert all(str(step.variant[-1]) in (tmp_path / "path.svg").read_text() for step in found.path[1:])


def _neighbours(beam, wild_type, keep):
    for candidate in beam:
        for place, letter in enumerate(candidate.sequence):
            if place + 1 not in keep and letter == wild_type[place]:
                for other in set("ACDEFGHIKLMNPQRSTVWY") - {letter}:
                    yield candidate.sequence[:place] + other + candidate.sequence[place + 1 :]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mutations": 0}, "mutations must be at least 1, not 0"),
        ({"beam_size": 0}, "the beam must be at least 1, not 0"),
        ({"keep": [5]}, "position 5, to be kept, is none of the sequence's: it has 4 letters"),
        ({"keep": [0]}, "position 0, to be kept"),
        ({"keep": [1, 2, 3, 4]}, "every position is kept"),
        ({"cautious": True}, "cannot say how certain it is"),
        ({"sequence": "GATQ"}, "the letter 'Q' at position 4"),
        ({"output": "none"}, "no output 'none'"),
    ],
)
def test_what_cannot_be_done_is_told(options, message):
    with pytest.raises(UserError, match=message):
        optimize(MODEL, **{"sequence": "GATC", "mutations": 2, **options})
