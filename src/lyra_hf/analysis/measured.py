"""Epistasis of measured mutants, in the same shapes as a model's, and how well the two agree."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..alphabets import Alphabet
from ..errors import UserError
from ..inference.encoding import EncodedSequences
from ..tasks.metrics.regression import spearman
from ..tokenization_lyra import SequenceEncoder
from ..training.data import load_table
from ..training.formats import TableFormat
from .interactions import Cubes, Epistasis, Positions, interactions_of
from .scan import FIRST_LETTER
from .scores import Floats


@dataclass(frozen=True, eq=False)
class MeasuredEpistasis:
    """The interactions of measured mutants; made by `measured_epistasis` and `read_measured`.

    Attributes:
        interactions: in the shapes of the model's (`Epistasis.interactions`), NaN where a label is missing that they
            are made of.
        wild_type: the wild type's label.
        number: how many interactions of the highest order are known.
    """

    interactions: Cubes
    wild_type: float
    number: int


class Agreement(NamedTuple):
    """How well predicted and measured interactions agree.

    Attributes:
        number: of interactions that are measured.
        spearman: their rank correlation; None where it is not defined.
    """

    number: int
    spearman: float | None


class MeasuredMutants(NamedTuple):
    """Mutants and their labels; read by `read_measured`.

    Attributes:
        encoded: token ids of N sequences.
        labels: theirs (N,), NaN where missing.
        place: what messages call them.
    """

    encoded: EncodedSequences
    labels: Floats
    place: str = "the table"


def measured_epistasis(
    found: Epistasis, mutants: MeasuredMutants, alphabet: Alphabet, wild_type: float | None = None
) -> MeasuredEpistasis:
    """Interactions of measured mutants.

    Mutants of other positions, of more substitutions than the order, or of another length do not count; of one that was
    measured several times the mean does.

    Args:
        found: the wild type, the positions and the order.
        mutants: any sequences; the wild type may be among them.
        alphabet: of the sequences.
        wild_type: the wild type's label; unless told that of its own rows.

    Raises:
        UserError: the wild type has no label, or not a single interaction can be had.
    """
    encoded, labels, place = mutants
    ids = SequenceEncoder(alphabet.name).encode(found.sequence)
    is_labelled = ~np.isnan(labels)
    fits = (encoded.lengths == ids.size) & is_labelled
    rows = encoded.filter(fits).ids.reshape(-1, ids.size)  # (N, L)
    values = labels[fits]
    differs = rows != ids
    counts = differs.sum(1)
    if wild_type is None:
        own = values[counts == 0]
        if not own.size:
            raise UserError(
                f"{place} has no row of the sequence itself, whose label double-mutant cycles need; give that label "
                "with --wild-type-label"
            )
        wild_type = float(own.mean())
    effects = _unknown_effects(found)
    is_chosen = np.isin(np.arange(1, ids.size + 1), found.positions)
    inside = ~differs[:, ~is_chosen].any(1)
    for size in range(1, found.order + 1):
        chosen = np.flatnonzero(inside & (counts == size))
        positions = differs[chosen].nonzero()[1].reshape(-1, size)  # (n, size), from 0
        places = np.take_along_axis(rows[chosen], positions, 1).astype(np.int64) - FIRST_LETTER
        is_letter = (places < len(found.letters)).all(1) & (places >= 0).all(1)
        _fill(effects, positions[is_letter] + 1, places[is_letter], values[chosen][is_letter] - wild_type)
    interactions = interactions_of(effects, found.sequence, found.letters)
    number = sum(
        int((~np.isnan(interactions[positions][found.is_mutant(positions)])).sum()) for positions in found.sets()
    )
    if not number:
        raise UserError(
            f"{place} lets no interaction be measured: it has no mutant of {found.order} of the chosen positions of "
            "which all mutants with fewer of its substitutions were measured too"
        )
    return MeasuredEpistasis(interactions, wild_type, number)


def read_measured(
    path: str | Path, alphabet: Alphabet, column: str = "sequence", target: str = "label"
) -> MeasuredMutants:
    """The measured mutants in a table (.csv, .tsv, .parquet), whose labels are numbers.

    Args:
        path: the table.
        alphabet: of the sequences.
        column: the column of whole mutant sequences.
        target: the column of labels.

    Raises:
        UserError: the table cannot be used; the message names the row.
    """
    form = TableFormat((target,), sequence=column, alphabet=alphabet.name, head="sequence", problem_type="regression")
    rows = load_table(path, form).merged()
    return MeasuredMutants(rows.encoded, np.array(rows.labels, np.float64).ravel(), str(path))


def agreement(found: Epistasis, measured: MeasuredEpistasis, sets: Iterable[Positions] | None = None) -> Agreement:
    """How well predicted and measured interactions of the highest order agree, of some sets of positions or of all."""
    predicted, true = [], []
    for positions in found.sets() if sets is None else sets:
        labels = measured.interactions[positions]
        known = found.is_mutant(positions) & ~np.isnan(labels)
        predicted.append(found.interactions[positions][known])
        true.append(labels[known])
    joined = np.concatenate(predicted), np.concatenate(true)
    return Agreement(joined[0].size, spearman(*joined))


def _unknown_effects(found: Epistasis) -> dict[Positions, Floats]:
    return {positions: np.full(cube.shape, np.nan) for positions, cube in found.interactions.items()}


def _fill(
    effects: dict[Positions, Floats],
    positions: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    values: Floats,
) -> None:
    """Put the mean of the values (N,) of each mutant in its place.

    Args:
        effects: by positions, from 1; changed.
        positions: (N, n), from 1.
        places: (N, n), the number of the new letter in the alphabet.
        values: (N,).
    """
    sets, numbers = np.unique(positions, axis=0, return_inverse=True)
    for number, subset in enumerate(sets.tolist()):
        rows = numbers.ravel() == number
        cube = effects[tuple(subset)]
        where = tuple(places[rows].T)
        sums, counts = np.zeros(cube.shape), np.zeros(cube.shape)
        np.add.at(sums, where, values[rows])
        np.add.at(counts, where, 1)
        cube[counts > 0] = sums[counts > 0] / counts[counts > 0]
