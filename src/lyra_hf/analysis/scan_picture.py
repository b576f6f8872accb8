"""A mutation scan as a heat map under a sequence logo."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from .plotting import (
    BLACK,
    BLUE,
    DIVERGING,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    VERMILION,
    add_caption,
    common_look,
    new_figure,
    zero_centred,
)
from .scan import MutationScan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POSITIONS = 1000
_PER_STRIP = 60  # positions beside each other
_SMALLEST = 0.02  # of the highest stack: letters lower than that cannot be read
# Amino acids by what they are made of, nucleotides one by one.
_AMINO_ACID_COLOURS = {"AVLIMC": BLACK, "FWY": ORANGE, "STNQ": GREEN, "KRH": BLUE, "DE": VERMILION, "GP": PURPLE}
_NUCLEOTIDE_COLOURS = {"A": GREEN, "C": BLUE, "G": ORANGE, "TU": VERMILION}


def plot_scan(scan: MutationScan, title: str = "") -> "Figure":
    """Draw a scan: effects as colours with the wild type marked, in strips of 60 positions, a logo above each.

    The logo shows, at each position, every letter's effect minus the mean over the letters there: what the model would
    rather have stands above the line, what it would rather not have below.

    Raises:
        UserError: the sequence is longer than 1,000 letters, or matplotlib is not installed.
    """
    length = len(scan.sequence)
    if length > MOST_POSITIONS:
        raise UserError(
            f"a picture shows at most {MOST_POSITIONS:,} positions, not {length:,}; ask for a table with -o"
        )
    with common_look():
        strips = -(-length // _PER_STRIP)
        per_strip = -(-length // strips)
        rows = len(scan.letters)
        heights = [0.9, 0.12 * rows + 0.1] * strips
        width = max(4.2, 0.125 * per_strip + 1.4)
        figure = new_figure(width, sum(heights) + 0.45 * strips + 0.8)
        parts: Any = figure.subplots(2 * strips, 1, height_ratios=heights, squeeze=False)[:, 0]
        norm = zero_centred(scan.effects)
        centred = scan.effects - scan.effects.mean(axis=1, keepdims=True)
        up, down = (np.where(sign * centred > 0, centred, 0).sum(axis=1) for sign in (1, -1))
        edges = (min(1.05 * float(down.min()), 0.0), max(1.05 * float(up.max()), 0.0))
        for strip in range(strips):
            start = strip * per_strip
            stop = min(start + per_strip, length)
            logo, heat = parts[2 * strip], parts[2 * strip + 1]
            _draw_logo(logo, centred[start:stop], scan.letters, start, edges)
            image = _draw_heat(heat, scan, start, stop, norm)
            for axes in (logo, heat):
                axes.set_xlim(start + 0.5, start + per_strip + 0.5)
                if scan.second_part is not None and start < scan.second_part < stop:
                    axes.axvline(scan.second_part + 0.5, color=BLACK, linewidth=1)
        add_caption(figure, _caption(scan))
        bar = figure.colorbar(image, ax=list(parts), location="right", shrink=min(1.0, 2.2 / figure.get_figheight()))
        bar.set_label(f"effect on {scan.quantity}")
        if title:
            figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    return figure


def check_drawable(length: int) -> None:
    """Refuse what no picture can show, before it is computed.

    Raises:
        UserError: the sequence is longer than 1,000 letters.
    """
    if length > MOST_POSITIONS:
        raise UserError(f"a picture shows at most {MOST_POSITIONS:,} positions, not {length:,}; leave --picture out")


def _caption(scan: MutationScan) -> str:
    sentences = [
        f"Positions from 1. Dots mark the wild type, whose score is {scan.wild_type:.3g}.",
        "Colours: mutant minus wild type.",
        "Logo: each letter's effect minus the mean over the letters at its position.",
    ]
    if scan.second_part is not None:
        sentences.append("The black line parts the two sequences of the pair.")
    return " ".join(sentences)


def _draw_heat(axes: Any, scan: MutationScan, start: int, stop: int, norm: Any) -> Any:
    rows = len(scan.letters)
    image = axes.imshow(
        scan.effects[start:stop].T,
        cmap=DIVERGING,
        norm=norm,
        aspect="auto",
        interpolation="nearest",
        extent=(start + 0.5, stop + 0.5, rows - 0.5, -0.5),
    )
    places = np.array([scan.letters.find(letter) for letter in scan.sequence[start:stop]])
    found = np.flatnonzero(places >= 0)
    axes.scatter(start + 1 + found, places[found], s=5, color=BLACK, linewidths=0)
    axes.set_yticks(range(rows), list(scan.letters))
    first = [] if start % 5 == 3 else [start + 1]  # where its number has room beside the next
    axes.set_xticks(first + [position for position in range(start + 2, stop + 1) if position % 5 == 0])
    axes.tick_params(length=0, axis="y")
    axes.spines[:].set_visible(False)
    return image


def _draw_logo(axes: Any, centred: Any, letters: str, start: int, edges: tuple[float, float]) -> None:
    """Letters stacked on either side of zero, the largest farthest out."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import PathPatch
    from matplotlib.textpath import TextPath
    from matplotlib.transforms import Affine2D, Bbox

    bold = FontProperties(family=["DejaVu Sans"], weight="bold")
    shapes = {letter: TextPath((0, 0), letter, size=1, prop=bold) for letter in letters}
    boxes: dict[str, Bbox] = {letter: shape.get_extents() for letter, shape in shapes.items()}
    smallest = _SMALLEST * max(edges[1], -edges[0])
    colours = _colours(letters)
    for index, heights in enumerate(centred):
        for sign in (1, -1):
            base = 0.0
            for place in np.argsort(np.abs(heights), kind="stable"):
                height = abs(float(heights[place]))
                if sign * heights[place] <= 0:
                    continue
                if height >= smallest:
                    letter = letters[place]
                    box = boxes[letter]
                    bottom = base if sign > 0 else -base - height
                    move = (
                        Affine2D()
                        .translate(-box.x0, -box.y0)
                        .scale(0.9 / box.width, height / box.height)
                        .translate(start + index + 0.55, bottom)
                    )
                    axes.add_patch(PathPatch(shapes[letter], transform=move + axes.transData, fc=colours[letter], lw=0))
                base += height
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.set_ylim(*(edges if edges[0] < edges[1] else (-1, 1)))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _colours(letters: str) -> dict[str, str]:
    groups = _NUCLEOTIDE_COLOURS if set(letters) <= set("ACGTU") else _AMINO_ACID_COLOURS
    return {letter: next((colour for group, colour in groups.items() if letter in group), GREY) for letter in letters}
