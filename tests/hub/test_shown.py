"""What a checkpoint shows on its card."""

import numpy as np
import pytest
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, Predictor
from lyra_hf.hub.shown import Shown, example_outputs, read_shown, show, write_shown


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


class TestOutputs:
    def test_a_number(self):
        predictor = Predictor(build(LyraForRegression, id2label={0: "kcal/mol"}))
        (output,) = example_outputs(predictor, "ACGTN")
        assert output["label"] == "kcal/mol"
        assert output["score"] == pytest.approx(float(predictor(["ACGTN"])[0]), rel=1e-3)

    def test_a_pair(self):
        predictor = Predictor(build(LyraForRegression, pair_input=True, pair_context=1))
        (output,) = example_outputs(predictor, "AACGTT ACGT")
        assert output["score"] == pytest.approx(float(predictor(["AACGTTACGT"])[0]), rel=1e-3)

    def test_classes_with_the_likeliest_first(self):
        model = build(LyraForSequenceClassification, num_labels=3, problem_type="single_label_classification")
        predictor = Predictor(model)
        outputs = example_outputs(predictor, "ACGT")
        expected = softmax(predictor(["ACGT"])[0])
        assert [output["label"] for output in outputs] == [f"LABEL_{index}" for index in (-expected).argsort()]
        assert [output["score"] for output in outputs] == pytest.approx(sorted(expected, reverse=True), rel=1e-3)

    def test_residues_in_the_mean(self):
        predictor = Predictor(build(LyraForTokenClassification, num_labels=2, problem_type="regression"))
        outputs = example_outputs(predictor, "ACGT")
        assert [output["label"] for output in outputs] == [f"LABEL_{index}, mean of 4 residues" for index in (0, 1)]
        expected = predictor(["ACGT"])[0].mean(0)
        assert [output["score"] for output in outputs] == pytest.approx(expected, rel=1e-3, abs=1e-5)


class TestShown:
    def test_round_trip(self, tmp_path):
        shown = show(Predictor(build(LyraForRegression)), "ACGT" * 100, "a thread")
        assert (shown.letters, shown.thread) == (400, "a thread")
        assert shown.rate > 0
        assert float(f"{shown.rate:.2g}") == shown.rate
        write_shown(shown, tmp_path / "further" / "one.json")
        assert read_shown(tmp_path / "further" / "one.json") == shown == Shown(**vars(shown))
