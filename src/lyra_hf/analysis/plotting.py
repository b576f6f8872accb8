"""The look that all pictures share, and how they become files.

Figures are made without matplotlib's global state: no window opens, and nothing is kept when a figure is let go.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..extras import needs
from ..inference.outputs import NewFile, explained

if TYPE_CHECKING:
    from matplotlib.colors import TwoSlopeNorm
    from matplotlib.figure import Figure

# Okabe & Ito's colours, which people with any kind of colour vision tell apart.
BLACK, ORANGE, SKY_BLUE, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#767676"

# ColorBrewer's RdBu, safe for the colour-blind: negative blue, zero white, positive red. Magnitudes: light to dark.
DIVERGING, SEQUENTIAL = "RdBu_r", "cividis"
MISSING = "#D9D9D9"  # where nothing was computed

_LETTERS_PER_INCH = 18  # of a caption

_FORMATS = {".png": "png", ".svg": "svg"}
_LOOK: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that pictures are alike everywhere
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "figure.dpi": 150,
    "savefig.dpi": 150,
    "svg.hashsalt": "lyra",  # the same picture is the same file
}


@contextmanager
def common_look() -> Iterator[None]:
    """Around everything that draws.

    Raises:
        UserError: matplotlib is not installed.
    """
    with needs("plot", "drawing pictures"):
        import matplotlib
    with matplotlib.rc_context(_LOOK):
        yield


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, whose parts make room for each other; to be used within `common_look`."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def add_caption(figure: "Figure", text: str) -> None:
    """Text below a picture, in lines as wide as the picture."""
    lines = wrap(text, int(figure.get_figwidth() * _LETTERS_PER_INCH))
    figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=7)


def zero_centred(values: npt.NDArray[np.floating[Any]]) -> "TwoSlopeNorm":
    """A scale for the diverging map: white is zero, both sides reach as far as the largest magnitude (NaN is none)."""
    from matplotlib.colors import TwoSlopeNorm

    magnitudes = np.abs(values[np.isfinite(values)])
    limit = float(magnitudes.max()) if magnitudes.size and magnitudes.max() > 0 else 1.0
    return TwoSlopeNorm(0.0, -limit, limit)


def check_picture(path: str | Path) -> None:
    """Refuse a picture that could not be made, before anything is computed for it.

    Raises:
        UserError: the ending is neither .png nor .svg, nothing can be written there, or matplotlib is not installed.
    """
    path = Path(path)
    _format_of(path)
    with common_look(), explained(str(path)):
        NewFile(path, gzipped=False).discard()


def save(figure: "Figure", path: str | Path) -> None:
    """Write a figure as PNG or SVG, told by the ending; a file appears under its name when it is whole.

    Raises:
        UserError: the ending is another, or nothing can be written there.
    """
    path = Path(path)
    kind = _format_of(path)
    with explained(str(path)), common_look():
        file = NewFile(path, gzipped=False)
        try:
            figure.savefig(file.stream, format=kind, metadata={"Date": None} if kind == "svg" else None)
            file.commit()
        except BaseException:
            file.discard()
            raise


def _format_of(path: Path) -> str:
    if path.suffix.lower() not in _FORMATS:
        raise UserError(f"{path}: pictures are written as .png or .svg, told by the ending of the name")
    return _FORMATS[path.suffix.lower()]
