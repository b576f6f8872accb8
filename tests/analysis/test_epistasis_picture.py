import numpy as np
import pytest
from pictures import caption, image, is_inside
from small_models import build

from lyra_hf import LyraForRegression, Predictor, UserError
from lyra_hf.analysis.epistasis_picture import plot_epistasis
from lyra_hf.analysis.interactions import epistasis, epistasis_map
from lyra_hf.analysis.measured import MeasuredEpistasis

MODEL = Predictor(build(LyraForRegression))
PAIRS = Predictor(build(LyraForRegression, pair_input=True))


@pytest.mark.parametrize("length", [2, 5, 13, 70])
def test_a_map_is_that_of_the_epistasis(length):
    found = epistasis(MODEL, ("ACGTTGN" * 10)[:length])
    figure = plot_epistasis(found, title="a title")
    np.testing.assert_array_equal(np.ma.filled(image(figure).get_array(), np.nan), epistasis_map(found))
    axes = figure.axes[0]
    assert len(axes.texts) == (length * (length - 1) if length <= 12 else 0)
    names = [label.get_text() for label in axes.get_xticklabels()]
    expected = [f"{letter}{index + 1}" for index, letter in enumerate(found.sequence)]
    assert names == (expected if length <= 60 else expected[4::5])
    assert is_inside(figure)


def test_what_was_measured_is_below_the_diagonal():
    found = epistasis(MODEL, "ACG")
    measured = MeasuredEpistasis({pair: 2 * cube for pair, cube in found.interactions.items()}, 1.0, 27)
    figure = plot_epistasis(found, measured)
    shown = np.ma.filled(image(figure).get_array(), np.nan)
    strengths = epistasis_map(found)
    upper = np.triu_indices(3, 1)
    np.testing.assert_allclose(shown[upper], strengths[upper])
    np.testing.assert_allclose(shown.T[upper], 2 * strengths[upper])
    assert "27 double mutants, Spearman 1.00" in caption(figure)


def test_a_map_of_a_pair_tells_its_parts():
    assert "White lines" in caption(plot_epistasis(epistasis(PAIRS, "ACGTAC")))


def test_triples_have_no_map():
    with pytest.raises(UserError, match="epistasis of order 3"):
        plot_epistasis(epistasis(MODEL, "ACG", order=3))
