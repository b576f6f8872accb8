"""Fits the site-independent term of a model, and has the model learn what that term cannot foresee.

The term is the mean of a Gaussian process whose samples are sums of one weight for each letter at each site (ridge
regression on one-hot letters, where the prior holds all weights for independent). Among proteins priors are tried in
which like amino acids have like weights; which prior and how much noise is decided by leaving out one row at a time,
for which there is a closed form (Rasmussen and Williams 2006, equations 2.25 and 5.12).

The rest of the model is trained on what is left. In the rows that the term was fitted to less is left than in new ones,
so that a label is moved by the difference between the term's value for its row and what the term says of the row when
it is left out.

Letters in shapes: N rows, P positions, F letters (of pairs both sequences'), O outputs, S letters that occur at a site,
K eigenvalues.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ..alphabets import get_alphabet
from ..configuration_lyra import LyraConfig
from ..inference import batching
from ..inference.encoding import EncodedSequences
from ..modeling_lyra import LyraForSequenceClassification
from .amino_acids import similarity
from .data import Rows

Array = npt.NDArray[np.float64]

_NOISES = np.geomspace(1e-3, 100, 16)  # variances of the noise that are tried, where that of the term is 1
_ROWS_TO_CHOOSE_BY = 1500  # rows on which priors are held against each other
_WIDTH = 3.0  # of the similarity of amino acids
_REACH = 3.0  # sites over which the weights of neighbours are alike


class Part(NamedTuple):
    """One of the parts whose sum a weight is, all parts of equal variance.

    Attributes:
        like_letters: whether like amino acids have like weights, else all letters are independent.
        reach: over how many sites the weights fall to 1/e of their covariance; 0 where sites are independent, infinity
            where a letter has the same weight at all sites.
    """

    like_letters: bool
    reach: float


_INDEPENDENT = Part(like_letters=False, reach=0)
PRIORS: dict[str, list[tuple[Part, ...]]] = {
    "protein": [
        (_INDEPENDENT,),
        (_INDEPENDENT, Part(like_letters=True, reach=0)),
        (
            _INDEPENDENT,
            Part(like_letters=False, reach=_REACH),
            Part(like_letters=True, reach=0),
            Part(like_letters=True, reach=_REACH),
            Part(like_letters=True, reach=np.inf),
        ),
    ]
}


class Sites(NamedTuple):
    """The letters that occur at sites where not all rows have the same.

    Attributes:
        position: (S,).
        letter: (S,).
        share: (N, S), how much of the row's position is the letter: 1 or 0, or a share of an ambiguity code.
    """

    position: npt.NDArray[np.int64]
    letter: npt.NDArray[np.int64]
    share: Array


class SiteFit(NamedTuple):
    """A fitted term.

    Attributes:
        weight: (P, F), of the letters; the mean of its sum over the rows is 0.
        left_out: (N,), what the term says of each row when that is left out, on the scale of `weight`'s sums.
        error: the mean square of what is left of the labels then.
    """

    weight: Array
    left_out: Array
    error: float


def fit_site_weights(model: LyraForSequenceClassification, rows: Rows) -> Rows:
    """Fit a model's site weights to training rows, on the scale of its head.

    Args:
        model: has site weights, which are set, and a label scale, which is.
        rows: the training rows.

    Returns:
        The rows with labels for the rest of the model to learn from, in the labels' own units.
    """
    assert model.site_weights is not None
    sites = occurring_letters(rows.encoded, model.config)
    labels = torch.from_numpy(np.stack([np.reshape(row, -1) for row in rows.labels]).astype(np.float64))  # (N, O)
    scale = model.classifier.label_scale
    wanted = scale.standardize(labels).double().numpy()
    positions, letters, outputs = model.site_weights.weight.shape
    weight = np.zeros((positions, letters, outputs))
    moved = wanted.copy()
    for output in range(outputs):
        known = ~np.isnan(wanted[:, output])
        its = sites._replace(share=sites.share[known])
        fitted = best_fit(its, wanted[known, output], (positions, letters), model.config.alphabet)
        weight[..., output] = fitted.weight
        sums = its.share @ fitted.weight[its.position, its.letter]
        moved[known, output] += sums - sums.mean() - fitted.left_out
    model.site_weights.weight.copy_(torch.from_numpy(weight))
    new = scale(torch.from_numpy(moved)).double().numpy()
    return rows._replace(labels=[one.reshape(np.shape(old)) for one, old in zip(new, rows.labels, strict=True)])


def occurring_letters(encoded: EncodedSequences, config: LyraConfig) -> Sites:
    """The letters at the first `num_positions` positions of some sequences, or pairs, as a model counts them."""
    rows = batching.Rows(encoded, pairs=config.pair_input, context=config.pair_context)
    ids, _ = rows.padded(np.arange(len(encoded)))  # (N, L), of pairs (2, N, L)
    composition = np.array(get_alphabet(config.alphabet).composition)  # (V, letters)
    number = composition.shape[1]
    positions, letters, shares = [], [], []
    for member, its_ids in enumerate(ids.numpy() if config.pair_input else ids.numpy()[None]):
        for position in range(min(its_ids.shape[1], config.num_positions)):
            share = composition[its_ids[:, position]]  # (N, letters)
            if np.ptp(share, axis=0).any():
                (occurring,) = share.any(axis=0).nonzero()
                positions.append(np.full(len(occurring), position))
                letters.append(member * number + occurring)
                shares.append(share[:, occurring])
    if not shares:  # all rows are the same
        return Sites(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((len(encoded), 0)))
    return Sites(np.concatenate(positions), np.concatenate(letters), np.concatenate(shares, axis=1))


def best_fit(sites: Sites, labels: Array, shape: tuple[int, int], alphabet: str) -> SiteFit:
    """The fit under the prior that foresees rows that are left out best; chosen on a part of them, if they are many.

    Args:
        sites: of N rows.
        labels: (N,).
        shape: of the weights, (P, F).
        alphabet: of the sequences; priors other than that of independent weights are known for proteins.
    """
    priors = PRIORS.get(alphabet, [(_INDEPENDENT,)])
    if len(priors) > 1:
        chosen = np.random.default_rng(0).permutation(len(labels))[:_ROWS_TO_CHOOSE_BY]
        part = sites._replace(share=sites.share[chosen])
        errors = [fit(part, labels[chosen], shape, prior, alphabet).error for prior in priors]
        priors = [priors[int(np.argmin(errors))]]
    return fit(sites, labels, shape, priors[0], alphabet)


def fit(sites: Sites, labels: Array, shape: tuple[int, int], prior: Sequence[Part], alphabet: str) -> SiteFit:
    """The fit under one prior, with the noise that foresees rows that are left out best; arguments as of `best_fit`."""
    if not sites.position.size or not np.ptp(labels):
        return SiteFit(np.zeros(shape), np.full(len(labels), labels.mean()), float(labels.var()))
    centre = sites.share.mean(0)
    centred = sites.share - centre  # (N, S)
    covariance = covariance_between(sites, sites, shape, prior, alphabet)  # (S, S)
    size = len(covariance)
    root = np.linalg.cholesky(covariance + 1e-6 * covariance.trace() / size * np.eye(size))
    features = centred @ root  # (N, S)
    scale = np.square(features).sum(1).mean()
    features /= np.sqrt(scale)  # so that the term has a variance of 1
    vectors, values = principal_axes(features)  # (N, K), (K,)
    wanted = labels - labels.mean()
    along = vectors.T @ wanted  # (K,)
    best: tuple[float, float, Array] | None = None
    for noise in _NOISES:
        kept = values / (values + noise)
        leverage = np.square(vectors) @ kept + 1 / len(labels)
        left = (wanted - vectors @ (kept * along)) / np.maximum(1 - leverage, 1e-9)
        error = float(np.square(left).mean())
        if best is None or error < best[0]:
            best = (error, noise, left)
    assert best is not None
    error, noise, left = best
    # Through the sequences: the weights' covariance with each row's sum, times the row's share in the solution.
    solution = vectors @ (along / (values + noise))  # (N,)
    everywhere = every_letter(sites, shape)
    of_letters = covariance_between(everywhere, sites, shape, prior, alphabet) @ (centred.T @ solution) / scale
    weight = np.zeros(shape)
    weight[everywhere.position, everywhere.letter] = of_letters
    constant = np.zeros(shape[0])
    np.add.at(constant, sites.position, centre * weight[sites.position, sites.letter])
    weight[np.unique(sites.position)] -= constant[np.unique(sites.position), None]
    return SiteFit(weight, labels - left, error)


def every_letter(sites: Sites, shape: tuple[int, int]) -> Sites:
    """All letters, seen or not, at the positions of some sites; without rows."""
    positions = np.unique(sites.position)
    return Sites(np.repeat(positions, shape[1]), np.tile(np.arange(shape[1]), len(positions)), np.zeros((0, 0)))


def covariance_between(one: Sites, other: Sites, shape: tuple[int, int], prior: Sequence[Part], alphabet: str) -> Array:
    """Covariance of the weights of letters at sites before anything is known: (S of one, S of the other)."""
    distance = np.abs(np.subtract.outer(np.arange(shape[0]), np.arange(shape[0]))).astype(float)
    total = np.zeros((len(one.position), len(other.position)))
    for part in prior:
        of_sites = (distance == 0).astype(float) if part.reach == 0 else np.exp(-distance / part.reach)
        of_letters = np.eye(shape[1])
        if part.like_letters:
            letters = get_alphabet(alphabet).letters
            alike = similarity(letters, _WIDTH)
            of_letters = np.asarray(
                np.kron(np.eye(shape[1] // len(letters)), alike)
            )  # a pair's sequences by themselves
        total += of_sites[np.ix_(one.position, other.position)] * of_letters[np.ix_(one.letter, other.letter)]
    return total


def principal_axes(features: Array) -> tuple[Array, Array]:
    """Left singular vectors (N, K) of (N, S), and the squares of the singular values (K,), where these are not 0."""
    rows, columns = features.shape
    if rows <= columns:
        values, vectors = np.linalg.eigh(features @ features.T)
        kept = values > 1e-10 * values[-1]
        return vectors[:, kept], values[kept]
    values, axes = np.linalg.eigh(features.T @ features)
    kept = values > 1e-10 * values[-1]
    return features @ (axes[:, kept] / np.sqrt(values[kept])), values[kept]
