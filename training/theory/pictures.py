"""The pictures of docs/theory.md: `make pictures`."""

from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lyra_hf import LyraConfig
from lyra_hf.analysis.plotting import BLUE, GREEN, GREY, VERMILION, common_look, new_figure, save
from lyra_hf.modeling_lyra import LyraPGC
from lyra_hf.ssm import Modes

from .parts import (
    PARTS,
    additive_landscape,
    every_sequence,
    explained,
    mixed_difference,
    model_of,
    pair_landscape,
    product_landscape,
    without_norms,
)
from .states import nearest_kernel, spread_modes

_IMAGES = Path(__file__).parents[2] / "docs" / "images"
_LENGTH = 64


def main() -> None:
    """Draw them all."""
    torch.set_num_threads(1)
    for name, draw in {
        "theory_states": draw_states,
        "theory_degree": draw_degree,
        "theory_expansion": draw_expansion,
        "theory_parts": draw_parts,
    }.items():
        with common_look():
            save(draw(), _IMAGES / f"{name}.png")


def draw_states() -> Any:
    """What is left of kernels when they are fitted with more and more states."""
    figure = new_figure(4.2, 2.6)
    axes = figure.subplots()
    half = _LENGTH // 2
    place = torch.arange(_LENGTH, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    kernels = {
        "random": (torch.randn(_LENGTH, generator=generator, dtype=torch.float64), VERMILION),
        "one letter, 20 back": ((place == 20).double(), BLUE),
        "smooth decay": (torch.exp(-place / 15), GREEN),
    }
    modes = spread_modes(half)
    for name, (kernel, colour) in kernels.items():
        rests = []
        for count in range(1, half + 1):
            some = Modes(*(part[:, :count] for part in modes))
            rest = (nearest_kernel(some, kernel) - kernel).square().sum() / kernel.square().sum()
            rests.append(max(float(rest), 1e-17))
        axes.semilogy(2 * np.arange(1, half + 1), rests, color=colour, label=name)
    axes.axvline(_LENGTH, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_xlabel(f"states (the kernels have {_LENGTH} letters: dotted)")
    axes.set_ylabel("share of the kernel left over")
    axes.legend(loc="lower left")
    return figure


@torch.no_grad()
def draw_degree() -> Any:
    """How high differences along a line vanish, and which letters a position sees, for one PGC and two."""
    figure = new_figure(6.0, 2.5)
    left, right = figure.subplots(1, 2)
    length = 15
    mask = torch.ones(1, length, 1, dtype=torch.float64)
    torch.manual_seed(2)
    config = LyraConfig(alphabet="dna", hidden_size=8, dropout=0.0)
    base, step = torch.randn(2, 1, length, 8, dtype=torch.float64)
    for count, colour in ((1, BLUE), (2, VERMILION)):
        pgcs = [without_norms(LyraPGC(config, 5)).double() for _ in range(count)]

        def output(state: torch.Tensor, pgcs: list[LyraPGC] = pgcs) -> torch.Tensor:
            for pgc in pgcs:
                state = pgc(state, mask)
            return state

        orders = range(1, 7)
        sizes = []
        for order in orders:
            parts = [(-1) ** (order - k) * comb(order, k) * output(base + k * step) for k in range(order + 1)]
            sizes.append(float(torch.stack(parts).sum(0).abs().max()))
        name = "one PGC" if count == 1 else "two PGCs"
        left.semilogy(orders, np.maximum(sizes, 1e-17), "o-", color=colour, label=name)
        middle = length // 2
        changed = base.clone()
        changed[:, middle] += 1
        moved = (output(changed) - output(base)).abs().amax(-1)[0]
        offset = 0.18 * (2 * count - 3)
        right.bar(np.arange(length) - middle + offset, moved / moved.max(), 0.34, color=colour, label=name)
    left.set_xlabel("order of the difference along a line")
    left.set_ylabel("largest difference")
    left.legend()
    right.set_xlabel("places from a letter that changes")
    right.set_ylabel("change of the output, its largest 1")
    right.set_xticks(range(-4, 5))
    right.set_xlim(-4.6, 4.6)
    return figure


def draw_expansion() -> Any:
    """Mixed differences of landscapes of three orders."""
    figure = new_figure(4.2, 2.6)
    axes = figure.subplots()
    length = 6
    sequences = every_sequence(length)
    generator = np.random.default_rng(0)
    for order, colour in ((1, GREEN), (2, BLUE), (3, VERMILION)):
        terms = [places for size in range(order + 1) for places in combinations(range(length), size)]
        heights = sum(generator.normal() * product_landscape(sequences, places) for places in terms)

        def function(sequence: Any, heights: Any = heights) -> float:
            return float(heights[(sequence << np.arange(length)).sum()])

        sizes = [
            max(abs(mixed_difference(function, sequences[0], places)) for places in combinations(range(length), size))
            for size in range(1, length + 1)
        ]
        axes.semilogy(range(1, length + 1), np.maximum(sizes, 1e-17), "o-", color=colour, label=f"order {order}")
    axes.set_xlabel("places in the mixed difference")
    axes.set_ylabel("largest mixed difference")
    axes.legend(title="a random landscape of")
    return figure


def draw_parts() -> Any:
    """What each part of the model explains of three landscapes, by three seeds."""
    figure = new_figure(5.2, 2.6)
    axes = figure.subplots()
    sequences = every_sequence(8)
    landscapes = {
        "letters by themselves": additive_landscape(sequences),
        "pairs of neighbours": pair_landscape(sequences, 1),
        "pairs five apart": pair_landscape(sequences, 5),
    }
    for place, (part, colour) in enumerate(zip(PARTS, (GREEN, BLUE, VERMILION), strict=True)):
        for group, heights in enumerate(landscapes.values()):
            shares = [explained(model_of(part, seed), sequences, heights) for seed in range(3)]
            at = group + 0.26 * (place - 1)
            axes.bar(at, max(float(np.mean(shares)), 0.0), 0.24, color=colour, label=part if group == 0 else None)
            axes.scatter([at] * 3, shares, s=5, color="black", zorder=3, linewidths=0)
    axes.set_xticks(range(3), list(landscapes))
    axes.tick_params(length=0, axis="x")
    axes.set_ylabel("share of variance explained")
    axes.set_ylim(-0.03, 1.3)
    axes.set_yticks([0, 0.5, 1])
    axes.legend(loc="upper right", ncols=3)
    return figure


if __name__ == "__main__":
    main()
