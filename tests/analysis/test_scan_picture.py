import numpy as np
import pytest
from pictures import caption, is_inside
from small_models import build

from lyra_hf import LyraForRegression, Predictor, UserError
from lyra_hf.analysis.scan import mutation_scan
from lyra_hf.analysis.scan_picture import plot_scan

MODEL = Predictor(build(LyraForRegression))
PAIRS = Predictor(build(LyraForRegression, pair_input=True))


@pytest.mark.parametrize("length", [1, 7, 30, 61, 130])
def test_a_scan_shows_every_position_once(length):
    scan = mutation_scan(MODEL, ("ACGTTGN" * 20)[:length])
    figure = plot_scan(scan, "a title")
    shown = np.concatenate([axes.images[0].get_array() for axes in figure.axes if axes.images], axis=1)
    np.testing.assert_array_equal(shown, scan.effects.T)
    dots = sum(len(axes.collections[0].get_offsets()) for axes in figure.axes if axes.images)
    assert dots == sum(letter != "N" for letter in scan.sequence)
    assert is_inside(figure)


def test_a_scan_of_a_pair_tells_its_parts():
    assert "black line" in caption(plot_scan(mutation_scan(PAIRS, "ACGTAC")))
    with pytest.raises(UserError, match="at most 1,000 positions, not 1,001"):
        plot_scan(mutation_scan(MODEL, "A" * 1001))
