"""Golden predictions: every shipped checkpoint gives today what it gave when it was shipped."""

import json

import numpy as np
import pytest
from golden import golden_predictions, made_up_sequences, read_golden, write_golden
from reproduce import GOLDEN, check_size
from small_models import build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    Predictor,
    checkpoint_names,
)
from lyra_hf.inference.loading import load_model


@pytest.mark.parametrize("name", checkpoint_names())
def test_a_shipped_checkpoint_gives_its_golden_predictions(name):
    sequences, expected = read_golden(GOLDEN / f"{name}.json")
    assert len(sequences) >= 3
    found = golden_predictions(Predictor(name), sequences)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", checkpoint_names())
def test_a_shipped_checkpoint_is_small(name):
    check_size(load_model(name), name)


def test_every_file_is_of_a_checkpoint():
    assert sorted(path.stem for path in GOLDEN.iterdir()) == checkpoint_names()


class TestMadeUpSequences:
    def test_are_as_long_as_the_example_or_longer(self):
        sequences = made_up_sequences("dna", "ACGTACGTAC")
        assert [len(sequence) for sequence in sequences] == [10, 10, 10, 20, 40]
        assert sequences[1][5] == "N"
        assert set("".join(sequences)) == set("ACGTN")
        assert sequences == made_up_sequences("dna", "TTTTTTTTTT")

    def test_of_proteins(self):
        sequences = made_up_sequences("protein", "M" * 500)
        assert [len(sequence) for sequence in sequences] == [64, 64, 64, 74, 94]
        assert sequences[1][32] == "X"

    def test_of_pairs(self):
        model = build(LyraForRegression, pair_input=True, pair_context=2)
        sequences = made_up_sequences("dna", "ACGTACGTA ACGTA")
        assert len(golden_predictions(Predictor(model), sequences)) == 5


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (build(LyraForRegression), ()),
        (build(LyraForRegression, num_labels=2, ensemble_size=3), (2,)),
        (build(LyraForSequenceClassification, num_labels=3, problem_type="single_label_classification"), (3,)),
        (build(LyraForTokenClassification, problem_type="regression"), (12,)),
        (build(LyraForTokenClassification, num_labels=2, problem_type="regression"), (12, 2)),
    ],
)
def test_what_is_written_is_read_again(tmp_path, model, shape):
    path = tmp_path / "golden" / "made-up.json"
    predictor, sequences = Predictor(model), ["ACGTACGTACGT", "TTTTNTTTTTTT"]
    write_golden(path, predictor, sequences)
    again, predictions = read_golden(path)
    assert again == sequences
    assert json.loads(path.read_text())[1]["sequence"] == sequences[1]
    assert np.shape(predictions) == (2, *shape)
    np.testing.assert_allclose(predictions, np.stack(predictor(sequences)), rtol=1e-7)
