"""Which substitutions do together more, or less, than each alone: double-mutant cycles, and higher orders.

Letters in shapes: L letters of the sequence, A letters of the alphabet, K chosen positions, n the order.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..inference.predictor import Predictor
from ..modeling_lyra import LyraPreTrainedModel
from .scan import spell, substituted
from .scores import Floats, Ids, SequenceScore
from .variants import Substitution, Variant

MOST_MUTANTS = 20_000_000

Positions = tuple[int, ...]  # a set of them, from 1, in order
Cubes = Mapping[Positions, Floats]  # a number for every choice of letters (A, ..., A) at each set of n positions


@dataclass(frozen=True, eq=False)
class Epistasis:
    """The interactions of substitutions at chosen positions; made by `epistasis`.

    Attributes:
        sequence: the wild type, as its alphabet spells it: L letters.
        letters: the alphabet's, A of them.
        quantity: what the score is, in words.
        wild_type: the wild type's score.
        positions: the K chosen positions, from 1.
        order: how many substitutions interact at most.
        interactions: for each set of 1 to `order` of the positions, what of the mutants' effects no smaller set of
            their substitutions explains: (A, ..., A), an axis for each position. Of one position it is the effect; of
            two it is f(ab) - f(a) - f(b) + f(wt); of more, the sum of the scores f over all subsets of the
            substitutions, with a minus where an odd number is left out. 0 where a letter is the wild type's own.
        second_part: of a pair, whose sequences stand one behind the other, where the second begins, from 0.
    """

    sequence: str
    letters: str
    quantity: str
    wild_type: float
    positions: Positions
    order: int
    interactions: Cubes
    second_part: int | None = None

    def sets(self) -> list[Positions]:
        """The sets of `order` positions."""
        return list(combinations(self.positions, self.order))

    def is_mutant(self, positions: Positions) -> npt.NDArray[np.bool_]:
        """Where (A, ..., A) no letter at a set of positions is the wild type's."""
        return all_differ(self.sequence, self.letters, positions)

    def effects(self, positions: Positions) -> Floats:
        """Scores minus the wild type's of all choices of letters (A, ..., A) at a set of at most `order` positions."""
        parts = (
            _aligned(self.interactions[subset], subset, positions)
            for size in range(1, len(positions) + 1)
            for subset in combinations(positions, size)
        )
        return np.asarray(sum(parts, np.zeros((len(self.letters),) * len(positions))))


class Interaction(NamedTuple):
    """Substitutions and what they do together.

    Attributes:
        variant: the substitutions, by position.
        interaction: what no smaller set of them explains.
    """

    variant: Variant
    interaction: float


def epistasis(
    model: str | Path | LyraPreTrainedModel | Predictor | SequenceScore,
    sequence: str,
    positions: Sequence[int] | None = None,
    order: int = 2,
    output: str | None = None,
    *,
    on_progress: Callable[[int], Any] | None = None,
) -> Epistasis:
    """Score every combination of up to `order` substitutions at chosen positions, and take their interactions apart.

    Args:
        model: a shipped name ("lyra-gb1"), a folder, a model, a predictor or a score.
        sequence: the wild type; for models of pairs the letters of the first sequence and then those of the second.
        positions: from 1; all unless told.
        order: how many substitutions interact at most, 2 for pairs.
        output: the output's name, of a model with several; see `SequenceScore` for what is compared.
        on_progress: called with the number of sequences scored since the last call.

    Raises:
        UserError: the sequence, the output or a position is none of the model's, the order does not fit the positions,
            or there are more than 20 million mutants.
    """
    score = model if isinstance(model, SequenceScore) else SequenceScore(model, output)
    ids = score.read(sequence)
    letters = score.alphabet.letters
    wild_type = spell(ids, score.alphabet)
    chosen = tuple(range(1, ids.size + 1)) if positions is None else tuple(sorted(set(positions)))
    check_size(wild_type, letters, chosen, order)
    value = float(score.values(ids[None])[0])
    sets = [subset for size in range(1, order + 1) for subset in combinations(chosen, size)]
    effects: dict[Positions, Floats] = {}
    places = ((subset, np.argwhere(all_differ(wild_type, letters, subset))) for subset in sets)
    for subset, part, scores in _scored(score, ids, places, on_progress):
        cube = effects.setdefault(subset, np.zeros((len(letters),) * len(subset)))
        cube[tuple(part.T)] = scores - value
    return Epistasis(
        wild_type,
        letters,
        score.quantity,
        value,
        chosen,
        order,
        interactions_of(effects, wild_type, letters),
        score.second_part(ids.size),
    )


def interactions_of(effects: Cubes, sequence: str, letters: str) -> dict[Positions, Floats]:
    """Take effects apart: of each set of substitutions, what no smaller set of them explains.

    Args:
        effects: of each set of positions, and of every smaller set that it holds, the mutants' scores minus the wild
            type's (A, ..., A), NaN where unknown; what is there of the wild type's own letters does not count.
        sequence: the wild type: L letters.
        letters: the alphabet's, A of them.

    Returns:
        In the same shapes; 0 where a letter is the wild type's own, NaN where an effect of a subset is unknown.
    """
    apart: dict[Positions, Floats] = {}
    for positions in sorted(effects, key=len):
        rest = effects[positions].copy()
        for size in range(1, len(positions)):
            for subset in combinations(positions, size):
                rest -= _aligned(apart[subset], subset, positions)
        apart[positions] = np.where(all_differ(sequence, letters, positions), rest, 0.0)
    return apart


def number_of_mutants(sequence: str, letters: str, positions: Sequence[int], order: int) -> int:
    """How many mutants of a sequence have 1 to `order` substitutions at some positions."""
    counts = [1] + [0] * order  # of mutants of the positions so far, by their substitutions
    for position in positions:
        others = sum(letter != sequence[position - 1] for letter in letters)
        counts = [1] + [count + others * fewer for fewer, count in pairwise(counts)]
    return sum(counts[1:])


def all_differ(sequence: str, letters: str, positions: Sequence[int]) -> npt.NDArray[np.bool_]:
    """Where (A, ..., A) the letters at some positions, an axis for each, are all others than the sequence has."""
    differ = np.array(True)
    for position in positions:
        differ = differ[..., None] & np.array([letter != sequence[position - 1] for letter in letters])
    return differ


def root_mean_square(found: Epistasis, interactions: Cubes | None = None) -> Floats:
    """How strongly each of the sets (`Epistasis.sets`) interacts: (S,), over all its mutants that are known.

    Args:
        found: the sets and the wild type.
        interactions: measured ones; those of `found` unless told.
    """
    cubes = found.interactions if interactions is None else interactions
    strengths = np.full(len(found.sets()), np.nan)
    for index, positions in enumerate(found.sets()):
        values = cubes[positions][found.is_mutant(positions)]
        known = values[~np.isnan(values)]
        if known.size:
            strengths[index] = np.sqrt(np.mean(np.square(known)))
    return strengths


def epistasis_map(found: Epistasis, interactions: Cubes | None = None) -> Floats:
    """The root mean square of the interactions of each pair of positions: (K, K), symmetric, NaN on the diagonal.

    Args:
        found: of order 2.
        interactions: measured ones; those of `found` unless told.

    Raises:
        ValueError: the order is another.
    """
    if found.order != 2:
        raise ValueError(f"a map is of pairs, and this is epistasis of order {found.order}")
    count = len(found.positions)
    strengths = np.full((count, count), np.nan)
    strengths[np.triu_indices(count, 1)] = root_mean_square(found, interactions)
    return np.fmax(strengths, strengths.T)


def strongest(found: Epistasis, count: int, positions: Positions | None = None) -> list[Interaction]:
    """The substitutions that interact most, whether for the better or the worse, the strongest first.

    Args:
        found: what they are looked for in.
        count: most of them.
        positions: of this set of positions alone; of all sets unless told.
    """
    best: list[tuple[float, Positions, tuple[int, ...]]] = []
    for subset in found.sets() if positions is None else [positions]:
        places = np.argwhere(found.is_mutant(subset))
        values = found.interactions[subset][tuple(places.T)]
        first = np.argsort(-np.abs(values), kind="stable")[:count]
        best += [(float(values[place]), subset, tuple(places[place].tolist())) for place in first]
    best.sort(key=lambda one: -abs(one[0]))
    return [Interaction(variant_of(found, subset, places), value) for value, subset, places in best[:count]]


def variant_of(found: Epistasis, positions: Positions, places: Sequence[int]) -> Variant:
    """The substitutions that put letters, told by their numbers in the alphabet from 0, at some positions."""
    return tuple(
        Substitution(position, found.sequence[position - 1], found.letters[place])
        for position, place in zip(positions, places, strict=True)
    )


def check_size(sequence: str, letters: str, positions: Sequence[int], order: int) -> None:
    """Refuse what cannot be computed, before anything is.

    Raises:
        UserError: a position is none of the sequence's, the order does not fit, or there are too many mutants.
    """
    for position in positions:
        if not 1 <= position <= len(sequence):
            raise UserError(f"position {position} is none of the sequence's: it has {len(sequence)} letters, from 1")
    if order < 2:
        raise UserError(f"the order must be at least 2, for pairs, not {order}; a scan gives single substitutions")
    if len(positions) < order:
        raise UserError(f"interactions of order {order} take at least {order} positions, not {len(positions)}")
    count = number_of_mutants(sequence, letters, positions, order)
    if count > MOST_MUTANTS:
        raise UserError(
            f"{len(positions):,} positions have {count:,} mutants of up to {order} substitutions to score, more than "
            f"{MOST_MUTANTS:,}; choose fewer positions (--positions 39-54), or a lower order"
        )


def _scored(
    score: SequenceScore,
    ids: Ids,
    sets: Iterable[tuple[Positions, npt.NDArray[np.int64]]],
    on_progress: Callable[[int], Any] | None,
) -> Iterable[tuple[Positions, npt.NDArray[np.int64], Floats]]:
    """Score mutants, many sets of positions at a time, as many as memory should hold.

    Args:
        score: what scores.
        ids: token ids (L,) of the wild type.
        sets: positions, and the new letters there (N, n), by their numbers in the alphabet.
        on_progress: called with the number of sequences scored.

    Yields:
        Positions, letters, and the scores (N,). A set may come in several parts.
    """
    size = score.at_once(ids.size)
    waiting: list[tuple[Positions, npt.NDArray[np.int64]]] = []
    room = size

    def scored() -> Iterable[tuple[Positions, npt.NDArray[np.int64], Floats]]:
        values = score.values(
            np.concatenate([substituted(ids, np.array(positions) - 1, places) for positions, places in waiting])
        )
        if on_progress is not None:
            on_progress(len(values))
        ends = np.cumsum([len(places) for _, places in waiting])[:-1]
        for (positions, places), part in zip(waiting, np.split(values, ends), strict=True):
            yield positions, places, part

    for positions, all_places in sets:
        while len(all_places):
            waiting.append((positions, all_places[:room]))
            all_places, room = all_places[room:], max(0, room - len(all_places))
            if room == 0:
                yield from scored()
                waiting, room = [], size
    if waiting:
        yield from scored()


def _aligned(cube: Floats, subset: Positions, positions: Positions) -> Floats:
    """An array with the axes of a subset, with those of all positions: 1 long where the subset has none."""
    return cube[tuple(slice(None) if position in subset else None for position in positions)]
