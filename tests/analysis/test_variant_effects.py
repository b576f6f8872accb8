import numpy as np
import pytest
from small_models import build

from lyra_hf import LyraForRegression, Predictor, UserError
from lyra_hf.analysis.scores import SequenceScore
from lyra_hf.analysis.variant_effects import variant_columns, variant_effects
from lyra_hf.analysis.variants import parse_variant

MODEL = Predictor(build(LyraForRegression, ensemble_size=2))
VARIANTS = [parse_variant(text) for text in ("A1G", "c2t:u4a", "A1G")]


def test_effects_are_differences_of_predictions():
    found = variant_effects(MODEL, "ACGTA", VARIANTS)
    wild_type, *mutants = MODEL(["ACGTA", "GCGTA", "ATGAA", "GCGTA"]).astype(float)
    np.testing.assert_allclose(found.effects, mutants - wild_type, atol=1e-6)
    np.testing.assert_allclose(found.scores.value, mutants, atol=1e-6)
    columns = variant_columns(found)
    assert list(columns) == ["variant", "effect", "prediction", "sd"]
    assert columns["variant"].to_pylist() == ["A1G", "C2T:T4A", "A1G"]


def test_parts_give_what_the_whole_gives(monkeypatch):
    whole = variant_effects(MODEL, "ACGTA", VARIANTS)
    monkeypatch.setattr(SequenceScore, "at_once", lambda self, length: 2)
    done = []
    parts = variant_effects(MODEL, "ACGTA", VARIANTS, on_progress=done.append)
    np.testing.assert_allclose(parts.effects, whole.effects, atol=1e-6)
    assert done == [2, 1]


def test_none_at_all():
    assert variant_effects(MODEL, "ACGTA", []).effects.shape == (0,)


def test_the_substitution_that_does_not_fit_is_named():
    with pytest.raises(UserError, match="C1G: position 1 of the sequence is A, not C"):
        variant_effects(MODEL, "ACGTA", [parse_variant("A1G:C2T"), parse_variant("C1G")])
