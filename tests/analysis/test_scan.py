import numpy as np
import pytest
from brute_force import changed, example, scores_in_float64, tolerance
from hypothesis import given
from hypothesis import strategies as st
from small_models import build

from lyra_hf import LyraForRegression, LyraForTokenClassification, Predictor, UserError
from lyra_hf.analysis import scan as scan_module
from lyra_hf.analysis.scan import effect_matrix, mutation_scan, scan_columns, substitution_effects
from lyra_hf.analysis.scores import SequenceScore
from lyra_hf.analysis.variants import apply_variant
from lyra_hf.checkpoints import checkpoint_names

DNA_MODEL = Predictor(build(LyraForRegression))


@pytest.mark.parametrize("checkpoint", checkpoint_names())
def test_every_shipped_checkpoint_is_scanned_as_by_brute_force(checkpoint, repository):
    sequence, output = example(repository, checkpoint)
    scan = mutation_scan(checkpoint, sequence, output)
    mutants = [
        sequence if letter == found else changed(sequence, {position: letter})
        for position, found in enumerate(sequence)
        for letter in scan.letters
    ]
    expected = scores_in_float64(checkpoint, mutants, output).reshape(scan.effects.shape)
    wild_type = scores_in_float64(checkpoint, [sequence], output)[0]
    assert abs(scan.wild_type - wild_type) < tolerance(expected)
    np.testing.assert_allclose(scan.effects, expected - wild_type, rtol=0, atol=2 * tolerance(expected))


@given(st.text("ACGTacgtU", min_size=1, max_size=12))
def test_the_list_says_what_the_matrix_says(sequence):
    scan = mutation_scan(DNA_MODEL, sequence)
    effects = substitution_effects(scan)
    assert len(effects) == 3 * len(sequence)
    np.testing.assert_array_equal(effect_matrix(effects, scan.sequence, scan.letters), scan.effects)
    assert (scan.effects[~scan.is_mutant()] == 0).all()
    mutants = [apply_variant([effect.substitution], sequence, SequenceScore(DNA_MODEL).alphabet) for effect in effects]
    np.testing.assert_allclose([effect.score for effect in effects], DNA_MODEL(mutants), atol=1e-6)


def test_the_table_has_a_row_for_each_substitution():
    scan = mutation_scan("lyra-sirna", "UUAGCUAGCUAGGAUCGAUCU")
    columns = scan_columns(scan)
    assert list(columns)[:6] == ["mutation", "position", "wild_type", "mutant", "effect", "prediction"]
    assert columns["mutation"][:4].to_pylist() == ["U1A", "U1C", "U1G", "U2A"]
    effects = substitution_effects(scan)
    for name in ("effect", "lower", "upper"):
        found = [getattr(effect, name) for effect in effects]
        np.testing.assert_allclose(columns[name].to_numpy(), found, rtol=1e-6, atol=1e-7)
    prediction, lower, upper = (columns[name].to_numpy() for name in ("prediction", "lower", "upper"))
    assert ((lower < prediction) & (prediction < upper)).all()
    assert [str(effect.substitution) for effect in effects] == columns["mutation"].to_pylist()


def test_of_a_pair_the_table_tells_the_part():
    scan = mutation_scan(build(LyraForRegression, pair_input=True, pair_context=1, ensemble_size=2), "ACGTACGT")
    columns = scan_columns(scan)
    rows = set(zip(*(columns[name].to_pylist() for name in ("position", "part", "position_in_part")), strict=True))
    expected = {(place, "first", place) for place in range(1, 6)} | {
        (place, "second", place - 5) for place in (6, 7, 8)
    }
    assert rows == expected
    assert "sd" in columns


def test_an_ambiguity_code_has_every_letter_as_a_mutant():
    scan = mutation_scan(DNA_MODEL, "ANT")
    assert scan.is_mutant().sum(1).tolist() == [3, 4, 3]
    assert len(substitution_effects(scan)) == 10
    assert np.isnan(effect_matrix([], "ANT", "ACGT")).sum(1).tolist() == [3, 4, 3]


@pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
def test_parts_give_what_the_whole_gives_and_progress_adds_up(cls, monkeypatch):
    predictor = Predictor(build(cls))
    whole = mutation_scan(predictor, "ACGTACG")
    monkeypatch.setattr(scan_module.SequenceScore, "at_once", lambda self, length: 4)
    done = []
    parts = mutation_scan(predictor, "ACGTACG", on_progress=done.append)
    np.testing.assert_allclose(parts.effects, whole.effects, atol=1e-6)
    assert sum(done) == 21
    assert max(done) == 4


def test_what_does_not_fit_is_named():
    effects = substitution_effects(mutation_scan(DNA_MODEL, "ACG"))
    with pytest.raises(UserError, match="A1C does not fit"):
        effect_matrix(effects, "CCG", "ACGT")
    with pytest.raises(UserError, match="'L' at position 1 is not in the dna alphabet"):
        mutation_scan(DNA_MODEL, "LKV")
    with pytest.raises(UserError, match="empty"):
        mutation_scan(DNA_MODEL, "")
