from itertools import combinations, product

import numpy as np
import pytest
import torch
from brute_force import changed, example, scores_in_float64, tolerance
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import build

from lyra_hf import LyraForRegression, LyraForTokenClassification, Predictor, UserError
from lyra_hf.analysis import interactions as interactions_module
from lyra_hf.analysis.interactions import (
    epistasis,
    epistasis_map,
    interactions_of,
    number_of_mutants,
    root_mean_square,
    strongest,
)
from lyra_hf.analysis.scan import mutation_scan
from lyra_hf.analysis.scores import SequenceScore
from lyra_hf.checkpoints import checkpoint_names

DNA_MODEL = Predictor(build(LyraForRegression))
SEQUENCE = "ACGTACG"


class Planted(SequenceScore):
    """A weight for each letter at each position, and a bonus where two letters meet."""

    def __init__(self, bonus=0.0, places=(2, 5), letters="TA"):
        super().__init__(DNA_MODEL)
        self.weights = np.random.default_rng(0).normal(size=(50, 16))
        self.bonus, self.places = bonus, list(places)
        self.tokens = [2 + "ACGT".index(letter) for letter in letters]

    def values(self, ids):
        additive = self.weights[np.arange(ids.shape[1]), ids].sum(1)
        return additive + self.bonus * (ids[:, self.places] == self.tokens).all(1)


@pytest.mark.parametrize("checkpoint", checkpoint_names())
def test_every_shipped_checkpoint_equals_brute_force(checkpoint, repository):
    sequence, output = example(repository, checkpoint)
    positions = (1, 5, 6)
    found = epistasis(checkpoint, sequence, positions, output=output)
    size = len(found.letters)
    for one, other in combinations(positions, 2):
        mutants = [
            changed(sequence, {one - 1: first, other - 1: second}) for first, second in product(found.letters, repeat=2)
        ]
        scores = scores_in_float64(checkpoint, mutants, output).reshape(size, size)
        a, b = (found.letters.index(sequence[position - 1]) for position in (one, other))
        cycles = scores - scores[:, [b]] - scores[[a]] + scores[a, b]
        np.testing.assert_allclose(found.interactions[one, other], cycles, rtol=0, atol=4 * tolerance(scores))
        np.testing.assert_allclose(found.effects((one, other)), scores - scores[a, b], atol=2 * tolerance(scores))


@pytest.mark.parametrize("order", [2, 3])
@given(sequence=st.text("ACGTN", min_size=3, max_size=5))
@settings(max_examples=8)
def test_any_order_is_inclusion_and_exclusion_over_subsets(order, sequence):
    mutants = ["".join(letters) for letters in product("ACGTN", repeat=len(sequence))]
    scores = dict(zip(mutants, DNA_MODEL(mutants).astype(float), strict=True))
    found = epistasis(DNA_MODEL, sequence, order=order)
    for positions in found.sets():
        for places in product(range(4), repeat=order):
            total = 0.0
            for size in range(order + 1):
                for subset in combinations(range(order), size):
                    changes = {positions[axis] - 1: "ACGT"[places[axis]] for axis in subset}
                    total += (-1) ** (order - size) * scores[changed(sequence, changes)]
            assert found.interactions[positions][places] == pytest.approx(total, abs=1e-5)


@given(st.text("ACGT", min_size=2, max_size=6))
def test_the_map_is_symmetric_and_the_wild_type_interacts_with_nothing(sequence):
    found = epistasis(DNA_MODEL, sequence)
    strengths = epistasis_map(found)
    np.testing.assert_array_equal(strengths, strengths.T)
    assert np.isnan(strengths.diagonal()).all()
    for positions in found.sets():
        cube = found.interactions[positions]
        assert (cube[~found.is_mutant(positions)] == 0).all()
        one, other = (position - 1 for position in positions)
        assert strengths[one, other] == pytest.approx(np.sqrt(np.square(cube).sum() / 9))


def test_single_substitutions_are_those_of_a_scan():
    found, scan = epistasis(DNA_MODEL, SEQUENCE, order=3), mutation_scan(DNA_MODEL, SEQUENCE)
    singles = np.stack([found.effects((position,)) for position in found.positions])
    np.testing.assert_allclose(singles, scan.effects, atol=1e-6)
    assert found.wild_type == pytest.approx(scan.wild_type)


@pytest.mark.parametrize("order", [2, 3])
def test_an_additive_score_has_no_epistasis(order):
    found = epistasis(Planted(), SEQUENCE, order=order)
    assert root_mean_square(found).max() < 1e-12


def test_an_additive_model_has_no_epistasis():
    model = build(LyraForRegression, site_weights=True)
    with torch.no_grad():
        model.classifier.linear.weight.zero_()  # what is left is a weight for each letter at each site
    found = epistasis(model, SEQUENCE)
    assert np.abs(mutation_scan(model, SEQUENCE).effects).max() > 0.1
    assert root_mean_square(found).max() < 1e-6


def test_a_planted_pair_is_found():
    found = epistasis(Planted(1.5), SEQUENCE)
    assert [str(substitution) for substitution in strongest(found, 1)[0].variant] == ["G3T", "C6A"]
    assert strongest(found, 1)[0].interaction == pytest.approx(1.5)
    strengths = epistasis_map(found)
    assert np.argwhere(strengths > 1e-9).tolist() == [[2, 5], [5, 2]]
    assert strengths[2, 5] == pytest.approx(1.5 / 3)


def test_a_planted_triple_is_of_third_order_alone():
    found = epistasis(Planted(2.0, (1, 3, 4), "GAC"), SEQUENCE, (1, 2, 4, 5), 3)
    assert found.sets() == [(1, 2, 4), (1, 2, 5), (1, 4, 5), (2, 4, 5)]
    np.testing.assert_allclose(root_mean_square(found), [0, 0, 0, 2 / np.sqrt(27)], atol=1e-9)
    assert max(np.abs(found.interactions[pair]).max() for pair in combinations((1, 2, 4, 5), 2)) < 1e-9
    with pytest.raises(ValueError, match="a map is of pairs"):
        epistasis_map(found)


def test_what_is_unknown_stays_unknown():
    effects = {(1,): np.array([0.0, 1.0]), (2,): np.array([0.0, np.nan]), (1, 2): np.full((2, 2), 3.0)}
    apart = interactions_of(effects, "AA", "AC")
    np.testing.assert_array_equal(apart[1, 2], [[0, 0], [0, np.nan]])
    effects[2,][1] = 0.5
    np.testing.assert_array_equal(interactions_of(effects, "AA", "AC")[1, 2], [[0, 0], [0, 1.5]])


@pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
def test_parts_give_what_the_whole_gives_and_progress_adds_up(cls, monkeypatch):
    predictor = Predictor(build(cls))
    whole = epistasis(predictor, SEQUENCE)
    monkeypatch.setattr(SequenceScore, "at_once", lambda self, length: 7)
    done = []
    parts = epistasis(predictor, SEQUENCE, on_progress=done.append)
    for positions in whole.sets():
        np.testing.assert_allclose(parts.interactions[positions], whole.interactions[positions], atol=2e-6)
    assert sum(done) == number_of_mutants(SEQUENCE, "ACGT", whole.positions, 2) == 7 * 3 + 21 * 9
    assert set(done[:-1]) == {7}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"positions": [1, 8]}, "position 8 is none of the sequence's: it has 7 letters"),
        ({"positions": [1]}, "order 2 take at least 2 positions, not 1"),
        ({"order": 1}, "at least 2, for pairs, not 1"),
        ({"positions": [1, 2], "order": 3}, "order 3 take at least 3 positions, not 2"),
    ],
)
def test_what_cannot_be_asked_for(options, message):
    with pytest.raises(UserError, match=message):
        epistasis(DNA_MODEL, SEQUENCE, **options)


def test_absurd_sizes_are_refused_with_their_number(monkeypatch):
    monkeypatch.setattr(interactions_module, "MOST_MUTANTS", 200)
    with pytest.raises(UserError, match=r"7 positions have 210 mutants .* more than 200; choose fewer positions"):
        epistasis(DNA_MODEL, SEQUENCE)
    assert len(epistasis(DNA_MODEL, SEQUENCE, range(1, 7)).sets()) == 15


@given(st.text("ACGTN", min_size=2, max_size=5))
def test_the_number_of_mutants_is_counted(sequence):
    positions = range(1, len(sequence) + 1)
    mutants = list(product("ACGT-", repeat=len(sequence)))
    kept = [
        len(sequence) - letters.count("-")
        for letters in mutants
        if all(letter != own for letter, own in zip(letters, sequence, strict=True))
    ]
    assert number_of_mutants(sequence, "ACGT", positions, 2) == sum(1 <= number <= 2 for number in kept)
