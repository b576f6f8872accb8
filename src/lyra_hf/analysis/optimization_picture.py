"""The path of a search for better sequences as a picture."""

from typing import TYPE_CHECKING

import numpy as np

from .optimization import Optimization
from .plotting import BLUE, GREY, common_look, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LABELS = 40  # steps whose substitutions can be told apart below the axis


def plot_path(found: Optimization, title: str = "") -> "Figure":
    """Draw a path: the score after each substitution with its interval, beside the other variants of the beam.

    Raises:
        UserError: matplotlib is not installed.
    """
    with common_look():
        figure = new_figure(max(3.6, 1.4 + 0.42 * min(len(found.beams), _MOST_LABELS)), 2.9)
        axes = figure.subplots()
        counts = np.arange(len(found.path))
        places = [count for count, beam in enumerate(found.beams) for _ in beam]
        others = [candidate.score for beam in found.beams for candidate in beam]
        axes.scatter(places, others, s=6, color=GREY, alpha=0.5, linewidths=0, label="others in the beam")
        lower, upper = ([getattr(step, end) for step in found.path] for end in ("lower", "upper"))
        if lower[0] is not None:
            middle = [step.score for step in found.path]
            errors = np.abs(np.array([lower, upper]) - middle)
            axes.errorbar(
                counts, middle, errors, color=BLUE, linewidth=0, elinewidth=0.9, capsize=2, label="90 % interval"
            )
        axes.plot(
            counts, [step.score for step in found.path], "o-", color=BLUE, markersize=3.5, label="path to the best"
        )
        made = [str(step.variant[-1]) for step in found.path[1:]]
        if len(found.path) <= _MOST_LABELS:
            names = ["wild type", *(f"+ {substitution}" for substitution in made)]
            rest = [str(count) for count in range(len(found.path), len(found.beams))]
            axes.set_xticks(range(len(found.beams)), [*names, *rest], rotation=45, ha="right", rotation_mode="anchor")
        axes.set_xlabel("substitutions, one after the other")
        axes.set_ylabel(found.quantity)
        axes.legend(loc="best", fontsize=7)
        if title:
            axes.set_title(title)
    return figure
