"""Prediction intervals: the conformal quantile against brute force, coverage, and what the ends can never do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta
from small_models import small_config

from lyra_hf.intervals import CONFIDENCE, KNOTS, LEVEL, STEP, LyraIntervals, conformal_quantiles, level_index, levels
from lyra_hf.labels import LyraLabelScale


def fitted(predictions, labels, transform=None):
    """Intervals of predictions (n, O), and the scale they work on."""
    config = small_config(num_labels=labels.shape[1], label_transform=transform)
    scale, intervals = LyraLabelScale(config), LyraIntervals(config)
    scale.fit(labels)
    intervals.fit(predictions, labels, scale, torch.stack([labels.nan_to_num(torch.inf).amin(0), labels.amax(0)]))
    return intervals, scale


def rows(count, seed=0, outputs=1):
    """Predictions, and labels whose noise grows with them."""
    generator = torch.Generator().manual_seed(seed)
    predictions = torch.rand(count, outputs, generator=generator) * 10
    noise = torch.randn(count, outputs, generator=generator) * (0.1 + 0.3 * predictions)
    return predictions, predictions + noise


class TestQuantiles:
    @given(count=st.integers(1, 300), level=st.floats(0.001, 0.994))
    def test_are_those_of_the_definition(self, count, level):
        ratios = torch.rand(count, generator=torch.Generator().manual_seed(count))
        kept = math.ceil(round(level / STEP, 6)) * STEP
        enough = [k for k in range(1, count + 1) if beta.sf(kept, k, count + 1 - k) >= CONFIDENCE]
        expected = sorted(ratios.tolist())[enough[0] - 1] if enough else math.inf
        assert float(conformal_quantiles(ratios)[level_index(level)]) == expected

    def test_the_levels_that_are_kept(self):
        assert level_index(STEP) == 0
        assert level_index(0.9) == round(0.9 / STEP) - 1
        assert level_index(0.901) == level_index(0.905)
        assert level_index(0.9999) == levels() - 1

    @pytest.mark.parametrize("level", [0, 1, -0.1, 90])
    def test_no_level(self, level):
        with pytest.raises(ValueError, match="above 0 and below 1"):
            level_index(level)


class TestCoverage:
    @pytest.mark.parametrize("level", [0.5, 0.8, LEVEL, 0.95])
    @pytest.mark.parametrize("transform", [None, "rank"])
    def test_of_rows_from_the_same_source(self, level, transform):
        predictions, labels = rows(2000)
        intervals, scale = fitted(predictions, labels, transform)
        predictions, labels = rows(20000, seed=1)
        lower, upper = intervals(predictions, scale, level)
        assert float(((labels >= lower) & (labels <= upper)).float().mean()) == pytest.approx(level, abs=0.03)

    def test_is_kept_where_errors_are_small_and_where_they_are_large(self):
        predictions, labels = rows(4000)
        intervals, scale = fitted(predictions, labels)
        predictions, labels = rows(20000, seed=1)
        lower, upper = intervals(predictions, scale)
        covered = (labels >= lower) & (labels <= upper)
        for part in (predictions < 3, (predictions >= 3) & (predictions < 7), predictions >= 7):
            assert float(covered[part].float().mean()) == pytest.approx(LEVEL, abs=0.04)
        assert float((upper - lower)[predictions > 9].mean()) > 3 * float((upper - lower)[predictions < 1].mean())

    def test_however_few_the_rows(self):
        """In 95 of 100 sets of rows the intervals hold at least the share that they promise."""
        found = []
        for seed in range(150):
            predictions, labels = rows(100, seed=seed)
            intervals, scale = fitted(predictions, labels)
            predictions, labels = rows(5000, seed=1000 + seed)
            lower, upper = intervals(predictions, scale)
            found.append(float(((labels >= lower) & (labels <= upper)).float().mean()))
        assert np.mean(np.array(found) >= LEVEL) == pytest.approx(CONFIDENCE, abs=0.08)


class TestEnds:
    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 1000), level=st.floats(0.01, 0.99), transform=st.sampled_from([None, "log", "rank"]))
    def test_hold_the_prediction_and_grow_with_the_level(self, seed, level, transform):
        predictions, labels = rows(60, seed=seed, outputs=2)
        intervals, scale = fitted(predictions, labels, transform)
        far = torch.cat([predictions, predictions * 5 - 20])
        far = scale(scale.standardize(far))  # what a head can give
        lower, upper = intervals(far, scale, level)
        assert (lower <= far).all()
        assert (far <= upper).all()
        assert torch.isfinite(lower).all()
        assert torch.isfinite(upper).all()
        wider_lower, wider_upper = intervals(far, scale, min(0.99, level + 0.1))
        assert (wider_lower <= lower).all()
        assert (wider_upper >= upper).all()

    def test_may_go_beyond_the_labels_that_were_seen(self):
        """Who looks for the best variant of all has to be told how good it may be."""
        predictions, labels = rows(100)
        intervals, scale = fitted(predictions, labels)
        beyond = labels.max() + 5
        lower, upper = intervals(beyond.reshape(1, 1), scale)
        assert float(lower) < float(beyond) < float(upper)

    def test_too_few_rows_for_a_level_hold_the_labels_and_the_errors_that_were_seen(self):
        predictions, labels = rows(35)
        intervals, scale = fitted(predictions, labels)
        lower, upper = intervals(predictions, scale, 0.99)
        most, kept = intervals.quantile[:, 0].isfinite().nonzero().max(), intervals(predictions, scale, 0.5)
        narrower = intervals(predictions, scale, STEP * (int(most) + 1))
        torch.testing.assert_close(lower, torch.minimum(labels.min(), narrower[0]))
        torch.testing.assert_close(upper, torch.maximum(labels.max(), narrower[1]))
        assert (kept[0] >= narrower[0]).all()

    def test_labels_that_are_missing_do_not_count(self):
        predictions, labels = rows(200, outputs=2)
        with_gaps = labels.clone()
        with_gaps[::2, 1] = torch.nan
        gaps, _ = fitted(predictions, with_gaps)
        whole, _ = fitted(predictions, labels)
        assert torch.equal(gaps.quantile[:, 0], whole.quantile[:, 0])
        assert not torch.equal(gaps.quantile[:, 1], whole.quantile[:, 1])

    def test_predictions_that_are_all_the_same(self):
        labels = torch.arange(100.0).unsqueeze(-1)
        intervals, scale = fitted(torch.full((100, 1), 50.0), labels)
        lower, upper = intervals(torch.tensor([[50.0]]), scale)
        assert float(upper - lower) == pytest.approx(95, abs=2)

    def test_no_errors_at_all(self):
        labels = torch.arange(100.0).unsqueeze(-1)
        intervals, scale = fitted(labels, labels)
        lower, upper = intervals(labels, scale)
        torch.testing.assert_close(lower, labels)
        torch.testing.assert_close(upper, labels)

    def test_too_few_rows(self):
        predictions, labels = rows(28)
        with pytest.raises(ValueError, match="intervals need 29 labels of each output, not 28"):
            fitted(predictions, labels)

    def test_a_knot_for_every_part_of_the_predictions(self):
        predictions, labels = rows(500)
        intervals, _ = fitted(predictions, labels)
        assert intervals.centre.shape == (KNOTS, 1)
        assert (intervals.centre.diff(dim=0) > 0).all()
