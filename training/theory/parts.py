"""Parts of the model by themselves, and landscapes to fit them to.

Letters in shapes: N sequences, L letters of two kinds each.
"""

from collections.abc import Callable, Sequence
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lyra_hf import LyraConfig, LyraForRegression
from lyra_hf.convolution import LyraS4DConvolution
from lyra_hf.modeling_lyra import LyraPGC, LyraS4DLayer

Part = Literal["S4D alone", "PGCs alone", "the whole model"]
PARTS: tuple[Part, ...] = ("S4D alone", "PGCs alone", "the whole model")

_SIZES = {"hidden_size": 16, "pgc_hidden_sizes": [16, 16], "state_size": 16, "dropout": 0.0}
_FIRST_LETTER = 2  # its token id


class _LinearStateSpace(nn.Module):
    """S4D without norm, activation and gate, in the place of a whole layer: a convolution."""

    def __init__(self, convolution: LyraS4DConvolution) -> None:
        super().__init__()
        self.convolution = convolution

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        result: Tensor = self.convolution(hidden_states * mask)
        return result


class _Nothing(nn.Module):
    """In the place of an S4D layer."""

    def forward(self, hidden_states: Tensor, mask: Tensor) -> Tensor:
        return hidden_states


def model_of(part: Part, seed: int = 0) -> LyraForRegression:
    """A small model of DNA that has no more than a part of what makes Lyra."""
    torch.manual_seed(seed)
    model = LyraForRegression(LyraConfig(alphabet="dna", **_SIZES))
    body = model.lyra
    if part == "S4D alone":
        body.pgc = nn.ModuleList()
        body.layers = nn.ModuleList(_LinearStateSpace(cast(LyraS4DLayer, layer).convolution) for layer in body.layers)
    elif part == "PGCs alone":
        body.layers = nn.ModuleList([_Nothing()])
    return model


def without_norms(pgc: LyraPGC) -> LyraPGC:
    """A projected gated convolution whose norms do nothing."""
    for name in ("in_norm", "out_norm"):
        setattr(pgc, name, nn.Identity())
    return pgc


def every_sequence(length: int) -> npt.NDArray[np.int64]:
    """All sequences of two letters: (2^L, L) of 0 and 1."""
    return (np.arange(2**length)[:, None] >> np.arange(length)) & 1


def product_landscape(sequences: npt.NDArray[np.int64], places: Sequence[int]) -> npt.NDArray[np.float64]:
    """The product (N,) of the signs at some places, 1 of letter 0 and -1 of letter 1: epistasis of that order alone."""
    return np.asarray((1.0 - 2.0 * sequences[:, list(places)]).prod(1))


def additive_landscape(sequences: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """A sum (N,) over letters, those further on with more weight: no epistasis."""
    return np.asarray((1.0 - 2.0 * sequences) @ np.arange(1.0, sequences.shape[1] + 1)) / sequences.shape[1]


def pair_landscape(sequences: npt.NDArray[np.int64], distance: int) -> npt.NDArray[np.float64]:
    """The sum (N,) of the products of signs at all pairs of places so far apart: epistasis of order two alone."""
    signs = 1.0 - 2.0 * sequences
    return np.asarray((signs[:, distance:] * signs[:, :-distance]).sum(1))


def explained(
    model: LyraForRegression, sequences: npt.NDArray[np.int64], heights: npt.NDArray[np.float64], steps: int = 300
) -> float:
    """The share of a landscape's variance that a model explains after so many steps of training on all of it."""
    ids, targets = torch.from_numpy(sequences + _FIRST_LETTER), torch.from_numpy(heights).float()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.02, total_steps=steps)
    model.train()
    for _ in range(steps):
        loss = nn.functional.mse_loss(model(input_ids=ids).logits[:, 0], targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        rest = (model.eval()(input_ids=ids).logits[:, 0] - targets).square().mean()
    return float(1 - rest / targets.var(correction=0))


def mixed_difference(
    function: Callable[[npt.NDArray[np.int64]], float], background: Sequence[int], places: Sequence[int]
) -> float:
    """The mixed difference of a function of sequences of two letters, over both letters at each of some places.

    The sum over all choices of letters there, those with an odd number of letters 0 counted negative: one place is an
    effect, two are a double-mutant cycle, k epistasis of order k.
    """
    total = 0.0
    for choice in every_sequence(len(places)):
        sequence = np.array(background)
        sequence[list(places)] = choice
        total += (-1) ** (len(places) - int(choice.sum())) * function(sequence)
    return total
