"""What is likely of the weights of letters at sites before anything is measured, and how much of each belief to hold.

A weight is a sum of independent parts. Each part says which sites have to do with each other, and which letters: its
covariance is a product of the two. How much of the variance each part has is what the labels of the training rows bear
out (evidence maximisation: Rasmussen and Williams 2006, section 5.4.1), by the multiplicative updates of Zhou, Hu, Zhou
and Lange 2019 (doi:10.1080/10618600.2018.1529601). Of sites that were not varied the labels tell next to nothing: a
mild belief that all parts have alike keeps few labels from ruling a part out.

Letters in shapes: P positions, F letters (of pairs both sequences'), S letters that occur at a site, N rows, Q parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from ..alphabets import get_alphabet
from .amino_acids import similarity

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_WIDTH = 3.0  # of the similarity of amino acids
_REACH = 3.0  # sites over which the covariance of neighbours falls to 1/e
_STEPS = 60  # after which the shares of the parts hardly move
_BELIEF = 3.0  # how firmly all parts are held to be alike


class Part(NamedTuple):
    """One of the parts whose sum a weight is.

    Attributes:
        sites: which sites have to do with each other: each only with itself; neighbours; all; or those whose consensus
            letters are like amino acids.
        letters: which letters have: each only with itself; like amino acids; or only the site's consensus letter has a
            part at all, which is what any mutation at the site loses.
    """

    sites: Literal["same", "near", "like", "all"]
    letters: Literal["same", "like", "consensus"]


INDEPENDENT = (Part("same", "same"),)
OF_PROTEINS = (
    *INDEPENDENT,
    Part("same", "like"),
    Part("near", "like"),
    Part("like", "like"),
    Part("all", "like"),
    Part("all", "same"),
    Part("same", "consensus"),
    Part("near", "consensus"),
    Part("like", "consensus"),
)


@dataclass(frozen=True)
class Prior:
    """A normal distribution of weights (P, F).

    Attributes:
        alphabet: of the sequences.
        letters: F.
        consensus: (P,), the letter that most rows have.
        parts: Q of them.
        variances: (Q,), of the parts.
    """

    alphabet: str
    letters: int
    consensus: Indices
    parts: tuple[Part, ...]
    variances: Sequence[float]

    @property
    def members(self) -> int:
        """Sequences that a row has: 2 of pairs."""
        return self.letters // len(get_alphabet(self.alphabet).letters)

    def between(self, position: Indices, letter: Indices, part: Part) -> Array:
        """Covariance of one part of the weights of letters at sites, with a variance of 1: (S, S)."""
        kept = self._is_kept(part, position, letter)
        of_sites = self._of_sites(part)[np.ix_(position, position)]
        of_letters = self._of_letters(part)[np.ix_(letter, letter)]
        return np.asarray(of_sites * of_letters * np.logical_and.outer(kept, kept))

    def covariance(self, position: Indices, letter: Indices) -> Array:
        """Covariance of the weights of letters at sites: (S, S)."""
        total = np.zeros((len(position), len(position)))
        for part, variance in zip(self.parts, self.variances, strict=True):
            total += variance * self.between(position, letter, part)
        return total

    def times(self, values: Array) -> Array:
        """The product of the covariance of all weights with some values, both (P, F)."""
        total = np.zeros_like(values)
        everywhere = np.indices(values.shape)
        for part, variance in zip(self.parts, self.variances, strict=True):
            kept = self._is_kept(part, *everywhere)
            total += variance * kept * (self._of_sites(part) @ (kept * values) @ self._of_letters(part))
        return total

    def _of_sites(self, part: Part) -> Array:
        positions = np.arange(len(self.consensus))
        if part.sites == "same":
            return np.eye(len(positions))
        if part.sites == "near":
            return np.asarray(np.exp(-np.abs(np.subtract.outer(positions, positions)) / _REACH))
        if part.sites == "all":
            return np.ones((len(positions), len(positions)))
        return self._likeness()[np.ix_(self.consensus, self.consensus)]

    def _of_letters(self, part: Part) -> Array:
        if part.letters == "same":
            return np.eye(self.letters)
        return self._likeness() if part.letters == "like" else np.ones((self.letters, self.letters))

    def _is_kept(self, part: Part, position: Indices, letter: Indices) -> npt.NDArray[np.bool_]:
        """Whether the part has a say in a weight."""
        return np.asarray((part.letters != "consensus") | (self.consensus[position] == letter))

    def _likeness(self) -> Array:
        return similarity(get_alphabet(self.alphabet).letters, _WIDTH)


def likeliest(prior: Prior, position: Indices, letter: Indices, centred: Array, labels: Array) -> Prior:
    """A prior with the variances of its parts that are likeliest, given some labels.

    Where a part's variance is v, and would be w if the labels' was shared out evenly, the density of log(v) before
    any label is known is in proportion to exp(-k cosh(log(v / w))), with k the firmness of that belief.

    Args:
        prior: its variances do not matter.
        position: (S,), of the letters.
        letter: (S,).
        centred: (N, S), how much of each row is the letter, less its mean over the rows.
        labels: (N,).
    """
    rows = len(labels)
    of_parts = [centred @ prior.between(position, letter, part) @ centred.T for part in prior.parts]
    kernels = np.stack(of_parts)  # (Q, N, N)
    scales = np.trace(kernels, axis1=1, axis2=2) / rows
    scales[scales == 0] = 1  # a part that no row has
    kernels /= scales[:, None, None]
    wanted = (labels - labels.mean()) / labels.std()
    even = 1 / (len(kernels) + 1)
    variances = np.full(len(kernels) + 1, even)  # the last is the noise's
    belief = np.append(np.full(len(kernels), _BELIEF), 0.0)  # of the noise there is none
    for _ in range(_STEPS):
        inverse = np.linalg.inv(np.tensordot(variances[:-1], kernels, 1) + (variances[-1] + 1e-9) * np.eye(rows))
        solution = inverse @ wanted
        explained = np.append(solution @ (kernels @ solution).T, solution @ solution)
        expected = np.append(np.einsum("ij,qij->q", inverse, kernels), np.trace(inverse))
        # The least of explained variances^2 / v + expected v + belief (even / v + v / even), which lies above twice the
        # negative logarithm of the density and touches it at the present variances.
        variances = np.sqrt((explained * variances**2 + belief * even) / np.maximum(expected + belief / even, 1e-30))
    return replace(prior, variances=tuple(variances[:-1] / scales))
