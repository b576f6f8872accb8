"""Fits the site-independent term of a model, and has the model learn what that term cannot foresee.

The term is the mean of a Gaussian process whose samples are sums of one weight for each letter at each site: ridge
regression on one-hot letters, where the prior (site_priors.py) holds all weights for independent. Of proteins it knows
which amino acids are alike, which sites are neighbours, and which letter a site has in most rows, so that it has
something to say of letters and sites that no row varied. How much noise there is is decided by leaving out one row at
a time, for which there is a closed form (Rasmussen and Williams 2006, equations 2.25 and 5.12).

The rest of the model is trained on what is left. In the rows that the term was fitted to less is left than in new ones,
so that a label is moved by the difference between the term's value for its row and what the term says of the row when
it is left out.

Letters in shapes: N rows, P positions, F letters (of pairs both sequences'), O outputs, S letters that occur at a site,
K eigenvalues.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ..alphabets import get_alphabet
from ..configuration_lyra import LyraConfig
from ..inference import batching
from ..inference.encoding import EncodedSequences
from ..modeling_lyra import LyraForSequenceClassification
from .data import Rows
from .site_priors import INDEPENDENT, OF_PROTEINS, Array, Indices, Prior, likeliest

_NOISES = np.geomspace(1e-3, 100, 16)  # variances of the noise that are tried, where that of the term is 1
_ROWS_TO_CHOOSE_BY = 1000  # rows by which the parts of the prior are weighed


class Sites(NamedTuple):
    """The letters that occur at sites where not all rows have the same.

    Attributes:
        position: (S,).
        letter: (S,).
        share: (N, S), how much of the row's position is the letter: 1 or 0, or a share of an ambiguity code.
        mean: (P, F), how much of a position is each letter on average; also where all rows have the same.
        is_whole: (P,), whether all rows reach the position.
    """

    position: Indices
    letter: Indices
    share: Array
    mean: Array
    is_whole: npt.NDArray[np.bool_]


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
    weight = np.zeros(model.site_weights.weight.shape)
    moved = wanted.copy()
    for output in range(wanted.shape[1]):
        known = ~np.isnan(wanted[:, output])
        its = sites._replace(share=sites.share[known])
        fitted = fit(its, wanted[known, output], best_prior(its, wanted[known, output], model.config))
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
    members = ids.numpy() if config.pair_input else ids.numpy()[None]
    mean = np.zeros((config.num_positions, len(members) * number))
    reached = np.zeros((len(members), config.num_positions), bool)
    positions, letters, shares = [], [], [np.zeros((len(encoded), 0))]
    for member, its_ids in enumerate(members):
        for position in range(min(its_ids.shape[1], config.num_positions)):
            share = composition[its_ids[:, position]]  # (N, letters)
            mean[position, member * number : (member + 1) * number] = share.mean(0)
            reached[member, position] = share.any(axis=1).all()
            if np.ptp(share, axis=0).any():
                (occurring,) = share.any(axis=0).nonzero()
                positions += [position] * len(occurring)
                letters += [member * number + letter for letter in occurring]
                shares.append(share[:, occurring])
    share = np.concatenate(shares, axis=1)
    return Sites(
        np.array(positions, np.int64), np.array(letters, np.int64), share, mean, np.logical_and.reduce(reached)
    )


def best_prior(sites: Sites, labels: Array, config: LyraConfig) -> Prior:
    """What is known of weights beforehand: of proteins the parts as the labels have them, else that nothing is.

    Args:
        sites: of N rows; of many a part decides.
        labels: (N,).
        config: of the model.
    """
    parts = OF_PROTEINS if config.alphabet == "protein" and not config.pair_input else INDEPENDENT
    prior = Prior(config.alphabet, sites.mean.shape[1], sites.mean.argmax(1), parts, (1.0,) * len(parts))
    chosen = np.random.default_rng(0).permutation(len(labels))[:_ROWS_TO_CHOOSE_BY]
    share = sites.share[chosen]
    varied = np.ptp(share, axis=0) > 0
    if len(parts) == 1 or not varied.any() or not np.ptp(labels[chosen]):
        return prior
    centred = share[:, varied] - share[:, varied].mean(0)
    return likeliest(prior, sites.position[varied], sites.letter[varied], centred, labels[chosen])


def fit(sites: Sites, labels: Array, prior: Prior) -> SiteFit:
    """The fit under a prior, with the noise that foresees rows that are left out best.

    Args:
        sites: of N rows.
        labels: (N,).
        prior: of the weights.
    """
    if not sites.position.size or not np.ptp(labels):
        return SiteFit(np.zeros_like(sites.mean), np.full(len(labels), labels.mean()), float(labels.var()))
    centred = sites.share - sites.share.mean(0)  # (N, S)
    covariance = prior.covariance(sites.position, sites.letter)  # (S, S)
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
    seen = np.zeros_like(sites.mean)
    seen[sites.position, sites.letter] = centred.T @ solution / scale
    return SiteFit(_centred(prior.times(seen), sites, prior.members), labels - left, error)


def _centred(weight: Array, sites: Sites, members: int) -> Array:
    """Weights (P, F) less constants, so that their sum over a row has a mean of 0 over the rows.

    A constant is taken off all letters of its position. That would not do at positions that some rows do not reach, so
    that theirs is taken off the first position, which every row has.

    Args:
        weight: the weights.
        sites: of the rows.
        members: sequences that a row has.
    """
    mean = sites.mean.copy()
    mean[sites.position, sites.letter] = sites.share.mean(0)
    constants = (mean * weight).sum(1)  # (P,)
    everywhere = np.where(sites.is_whole, constants, 0)
    everywhere[0] += constants[~sites.is_whole].sum()
    return np.asarray(weight - everywhere[:, None] / members)


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
