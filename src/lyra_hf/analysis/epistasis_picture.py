"""Pairwise epistasis as a map of positions against positions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UserError
from .interactions import Epistasis, epistasis_map
from .measured import MeasuredEpistasis, agreement
from .plotting import BLACK, MISSING, SEQUENTIAL, add_caption, common_look, new_figure
from .scores import Floats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_POSITIONS = 400
_MOST_ANNOTATED = 12  # positions whose cells have room for numbers
_MOST_NAMED = 60  # positions beside each other that have a label
_STEPS = (1, 5, 10, 20)  # every how many positions one is named
_SMALLEST_CELL, _LARGEST_CELL = 0.016, 0.55  # inches


def plot_epistasis(found: Epistasis, measured: MeasuredEpistasis | None = None, title: str = "") -> "Figure":
    """Draw how strongly each pair of positions interacts: the root mean square over its double mutants, as colours.

    Both triangles show the same; with measured epistasis the upper one shows what is predicted and the lower one what
    was measured. Of few positions the cells have their numbers in them.

    Raises:
        UserError: it cannot be drawn (`check_drawable`), or matplotlib is not installed.
    """
    count = len(found.positions)
    check_drawable(count, found.order)
    strengths = epistasis_map(found)
    if measured is not None:
        below = np.tril_indices(count, -1)
        strengths[below] = epistasis_map(found, measured.interactions)[below]
    with common_look():
        side = count * float(np.clip(5.0 / count, _SMALLEST_CELL, _LARGEST_CELL))
        side = max(side, 1.8)
        figure = new_figure(max(side + 1.5, 4.4), side + 1.2)
        axes: Any = figure.subplots()
        largest = float(np.nanmax(strengths, initial=0.0)) or 1.0
        axes.set_facecolor(MISSING)
        image = axes.imshow(strengths, cmap=SEQUENTIAL, vmin=0.0, vmax=largest, interpolation="nearest")
        _label_axes(axes, found)
        if count <= _MOST_ANNOTATED:
            _annotate(axes, strengths, largest)
        if found.second_part is not None:
            _part(axes, found)
        if measured is not None:
            axes.plot([-0.5, count - 0.5], [-0.5, count - 0.5], color=BLACK, linewidth=0.8)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
        bar.set_label("epistasis, root mean square")
        bar.outline.set_visible(False)
        add_caption(figure, _caption(found, measured))
        if title:
            axes.set_title(title)
    return figure


def check_drawable(positions: int, order: int) -> None:
    """Refuse what no map can show, before it is computed.

    Raises:
        UserError: the order is another than 2, or there are more than 400 positions.
    """
    if order != 2:
        raise UserError(f"a picture shows pairs, and this is epistasis of order {order}; leave --picture out")
    if positions > MOST_POSITIONS:
        raise UserError(
            f"a picture shows at most {MOST_POSITIONS} positions, not {positions:,}; choose some (--positions)"
        )


def _label_axes(axes: Any, found: Epistasis) -> None:
    """Letter and number of each position, or of some where they are many."""
    count = len(found.positions)
    names = [f"{found.sequence[position - 1]}{position}" for position in found.positions]
    step = next(step for step in _STEPS if count <= step * _MOST_NAMED)
    shown = [index for index, position in enumerate(found.positions) if position % step == 0]
    size = 7 if count <= 36 else 5
    axes.set_xticks(shown, [names[index] for index in shown], rotation=90 if count > 8 else 0, fontsize=size)
    axes.set_yticks(shown, [names[index] for index in shown], fontsize=size)
    axes.tick_params(length=0 if step == 1 else 2)
    axes.spines[:].set_visible(False)


def _annotate(axes: Any, strengths: Floats, largest: float) -> None:
    for (row, column), value in np.ndenumerate(strengths):
        if not np.isnan(value):
            colour = "white" if value < 0.5 * largest else BLACK
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=7, color=colour)


def _part(axes: Any, found: Epistasis) -> None:
    """Lines between the two sequences of a pair."""
    first = sum(position <= (found.second_part or 0) for position in found.positions)
    if 0 < first < len(found.positions):
        axes.axhline(first - 0.5, color="white", linewidth=1.2)
        axes.axvline(first - 0.5, color="white", linewidth=1.2)


def _caption(found: Epistasis, measured: MeasuredEpistasis | None) -> str:
    sentences = [f"Of each pair of positions, over its double mutants: {found.quantity}."]
    if measured is not None:
        compared = agreement(found, measured)
        figure = "" if compared.spearman is None else f", Spearman {compared.spearman:.2f}"
        sentences.append(
            f"Above the diagonal predicted, below it measured ({compared.number:,} double mutants{figure})."
        )
    if found.second_part is not None:
        sentences.append("White lines part the two sequences of the pair.")
    return " ".join(sentences)
