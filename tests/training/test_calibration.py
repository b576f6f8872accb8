"""Calibration: temperatures and lines against brute force, and what a calibrated model keeps."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, log_softmax
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, Predictor
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.training.calibration import apply, best_line, best_temperature, calibration_of, calibration_of_members
from lyra_hf.training.data import Rows

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def sequences(count, seed=0):
    generator = np.random.default_rng(seed)
    return EncodedSequences.from_list([generator.integers(2, 6, size=12).astype(np.uint8) for _ in range(count)])


def rows_of(model, count=80, seed=0, noise=1.0):
    """Random sequences, whose labels are what the model gives and noise."""
    encoded = sequences(count, seed)
    logits = Predictor(model).predict_encoded(encoded).logits
    labels = logits + np.random.default_rng(seed).normal(scale=noise, size=logits.shape).astype(np.float32)
    return Rows(encoded, list(labels[:, 0] if labels.shape[1] == 1 else labels))


class TestTemperature:
    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 1000), scale=st.floats(0.3, 5))
    def test_is_the_likeliest_of_all(self, seed, scale):
        generator = np.random.default_rng(seed)
        logits = generator.normal(size=(300, 4))
        labels = np.array([generator.choice(4, p=np.exp(row)) for row in log_softmax(logits, axis=1)])
        found = best_temperature(logits * scale, labels)

        def loss(temperature):
            return -log_softmax(logits * scale / temperature, axis=1)[np.arange(300), labels].mean()

        grid = np.geomspace(0.05, 20, 400)
        assert loss(found) <= min(map(loss, grid)) + 1e-6

    def test_missing_labels_do_not_count(self):
        logits, labels = np.random.default_rng(0).normal(size=(50, 3)), np.arange(50) % 3
        more = np.concatenate([logits, 9 * logits]), np.concatenate([labels, np.full(50, -100)])
        assert best_temperature(*more) == best_temperature(logits, labels)
        assert best_temperature(logits, np.full(50, -100)) == 1


class TestLine:
    @settings(max_examples=20, deadline=None)
    @given(seed=st.integers(0, 1000), slope=st.floats(0.3, 4), offset=st.floats(-2, 2))
    def test_finds_the_one_that_labels_were_drawn_from(self, seed, slope, offset):
        generator = np.random.default_rng(seed)
        logits = generator.normal(size=20_000)
        labels = (generator.random(20_000) < expit(slope * logits + offset)).astype(float)
        found = best_line(logits, labels)
        assert found == pytest.approx((slope, offset), abs=0.25)

    def test_never_turns_a_ranking_round(self):
        logits = np.linspace(-1, 1, 100)
        slope, _ = best_line(logits, (logits < 0).astype(float))
        assert slope > 0

    def test_one_class_alone_says_nothing(self):
        assert best_line(np.arange(5.0), np.ones(5)) == (1.0, 0.0)
        assert best_line(np.arange(5.0), np.full(5, np.nan)) == (1.0, 0.0)


class TestModels:
    def test_classes_keep_their_order(self):
        model = build(LyraForSequenceClassification, num_labels=3, problem_type=SINGLE)
        encoded = sequences(60)
        before = Predictor(model).predict_encoded(encoded).logits
        rows = Rows(encoded, [np.asarray(index % 3) for index in range(60)])
        calibration = calibration_of(model, rows, rows)
        apply(calibration, model)
        after = Predictor(model).predict_encoded(encoded).logits
        np.testing.assert_allclose(after, before * calibration.slope, rtol=1e-4, atol=1e-5)
        assert calibration.slope[0] == calibration.slope[1] > 0

    @pytest.mark.parametrize("outputs", [1, 2])
    def test_labels_each_have_a_line(self, outputs):
        model = build(LyraForTokenClassification, num_labels=outputs, problem_type=MULTI)
        encoded = sequences(20)
        before = Predictor(model).predict_encoded(encoded).logits
        truth = (np.random.default_rng(0).random(before.shape) < expit(3 * before + 1)).astype(np.float32)
        rows = Rows(encoded, [truth[12 * row : 12 * row + 12].squeeze(-1 if outputs == 1 else ()) for row in range(20)])
        calibration = calibration_of(model, rows, rows)
        apply(calibration, model)
        after = Predictor(model).predict_encoded(encoded).logits
        np.testing.assert_allclose(after, before * calibration.slope + calibration.offset, rtol=1e-4, atol=1e-4)
        # In the mean, probabilities are now what happens.
        np.testing.assert_allclose(expit(after).mean(0), truth.mean(0), atol=0.01)

    def test_numbers_keep_their_values_and_have_intervals(self):
        model = build(LyraForRegression)
        rows = rows_of(model)
        before = Predictor(model).predict_encoded(rows.encoded)
        apply(calibration_of(model, rows, rows_of(model, seed=1)), model)
        after = Predictor(model).predict_encoded(rows.encoded)
        assert before.lower is None
        np.testing.assert_array_equal(after.logits, before.logits)
        labels = np.array(rows.labels)[:, None]
        assert 0.9 <= np.mean((after.lower <= labels) & (labels <= after.upper)) < 1

    def test_intervals_end_at_the_labels_that_were_seen_anywhere(self):
        model = build(LyraForRegression)
        rows, seen = rows_of(model), rows_of(model, seed=1, noise=30.0)
        apply(calibration_of(model, rows, seen), model)
        intervals = model.classifier.intervals
        assert float(intervals.low) == pytest.approx(min(map(float, [*rows.labels, *seen.labels])))
        assert float(intervals.high) == pytest.approx(max(map(float, [*rows.labels, *seen.labels])))

    def test_few_rows_make_no_intervals(self):
        model = build(LyraForRegression)
        assert calibration_of(model, rows_of(model, count=28), rows_of(model)).intervals is None

    def test_members_without_intervals_hand_on_none(self):
        models = [build(LyraForRegression, seed=seed) for seed in (0, 1)]
        apply(calibration_of(models[0], rows_of(models[0]), rows_of(models[0])), models[0])
        assert calibration_of_members(models).intervals is None
        assert calibration_of_members(models).slope == [1.0]

    def test_a_calibrated_model_comes_back_as_it_was(self, tmp_path):
        model = build(LyraForRegression)
        rows = rows_of(model)
        apply(calibration_of(model, rows, rows), model)
        model.save_pretrained(tmp_path)
        again = Predictor(str(tmp_path)).predict_encoded(rows.encoded)
        expected = Predictor(model).predict_encoded(rows.encoded)
        for name in ("logits", "lower", "upper"):
            assert np.array_equal(getattr(again, name), getattr(expected, name))
        assert torch.isfinite(torch.from_numpy(again.lower)).all()
