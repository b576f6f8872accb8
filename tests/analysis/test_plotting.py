import sys

import numpy as np
import pytest

from lyra_hf import UserError
from lyra_hf.analysis import plotting


def draw():
    with plotting.common_look():
        figure = plotting.new_figure(2, 1)
        figure.add_subplot().plot([0, 1], [1, 0])
    return figure


@pytest.fixture
def figure():
    return draw()


@pytest.mark.parametrize(("name", "beginning"), [("a.png", b"\x89PNG"), ("b.SVG", b"<?xml")])
def test_a_picture_is_what_its_ending_says_and_always_the_same(tmp_path, name, beginning):
    path = tmp_path / name
    plotting.save(draw(), path)
    first = path.read_bytes()
    assert first.startswith(beginning)
    plotting.save(draw(), path)
    assert path.read_bytes() == first
    assert [found.name for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.pdf", "a", "nowhere/a.png"])
def test_a_picture_that_cannot_be_written_leaves_nothing(tmp_path, figure, name):
    with pytest.raises(UserError, match=r"png or .svg|there is no directory"):
        plotting.save(figure, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_fails_half_way_leaves_nothing(tmp_path, figure, monkeypatch):
    def fail(stream, **options):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(UserError, match="No space left"):
        plotting.save(figure, tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"drawing pictures needs matplotlib: pip install 'lyra-hf\[plot\]'"):
        plotting.check_picture(tmp_path / "a.png")


def test_the_scale_is_centred_on_zero():
    norm = plotting.zero_centred(np.array([-1.0, 3.0, np.nan]))
    assert (norm.vmin, norm.vcenter, norm.vmax) == (-3.0, 0.0, 3.0)
    assert plotting.zero_centred(np.zeros(3)).vmax == 1.0
