"""Better sequences, by greedy and beam search over substitutions.

Letters in shapes: L letters of the sequence, A letters of the alphabet, B variants in the beam, M mutants of them.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError
from ..inference.predictor import Predictor
from ..modeling_lyra import LyraPreTrainedModel
from .scan import FIRST_LETTER, spell
from .scores import Floats, Ids, Scores, SequenceScore
from .variants import Substitution, Variant, format_variant

BEAM_SIZE = 10


class Candidate(NamedTuple):
    """A variant that the search kept.

    Attributes:
        variant: its substitutions, in the order in which they were made; none of the wild type.
        sequence: its letters.
        score: in the labels' units, or log-odds.
        lower: the lower end of its interval at 90 %, where the model has one.
        upper: the upper end.
        sd: the standard deviation over the members of an ensemble.
    """

    variant: Variant
    sequence: str
    score: float
    lower: float | None = None
    upper: float | None = None
    sd: float | None = None


@dataclass(frozen=True, eq=False)
class Optimization:
    """What a search found; made by `optimize`.

    Attributes:
        path: from the wild type, by one substitution at a time, to the best variant. A lone wild type if none of the
            variants that were tried is better.
        beams: by the number of substitutions, from none on, the variants kept, the best first.
        quantity: what the score is, in words.
        column: what tables call it.
    """

    path: tuple[Candidate, ...]
    beams: tuple[tuple[Candidate, ...], ...]
    quantity: str
    column: str

    @property
    def best(self) -> Candidate:
        """The end of the path."""
        return self.path[-1]


def optimize(
    model: str | Path | LyraPreTrainedModel | Predictor | SequenceScore,
    sequence: str,
    mutations: int,
    *,
    beam_size: int = BEAM_SIZE,
    keep: Collection[int] = (),
    minimize: bool = False,
    cautious: bool = False,
    output: str | None = None,
    on_progress: Callable[[int], Any] | None = None,
) -> Optimization:
    """Search for the substitutions that raise the score most.

    A beam search: of the variants with k substitutions the best `beam_size` are kept, and every further single
    substitution of each is scored, at positions that are not changed yet. A beam of one is a greedy search. The best
    variant of any number of substitutions up to `mutations` is the end of the path.

    With `cautious` variants are compared by the lower end of their intervals, less the standard deviation over an
    ensemble's members, of those two what the model has: the interval tells how far labels lie from such a prediction,
    the members how far they disagree on this very sequence. With `minimize` it is the upper end, plus the deviation.

    Args:
        model: a shipped name ("lyra-gb1"), a folder, a model, a predictor or a score.
        sequence: the wild type; for models of pairs the letters of the first sequence and then those of the second.
        mutations: most substitutions, at least 1.
        beam_size: variants kept of each number of substitutions.
        keep: positions, from 1, that stay as they are.
        minimize: look for low scores.
        cautious: prefer what is certain.
        output: the output's name, of a model with several; see `SequenceScore` for what is compared.
        on_progress: called with the number of sequences scored since the last call.

    Raises:
        UserError: the sequence, the output or a position is none of the model's, a number is below 1, every position
            is kept, or the model cannot say how certain it is.
    """
    score = model if isinstance(model, SequenceScore) else SequenceScore(model, output)
    ids = score.read(sequence)
    for name, number in (("mutations", mutations), ("the beam", beam_size)):
        if number < 1:
            raise UserError(f"{name} must be at least 1, not {number}")
    is_free = _free_positions(ids.size, keep)
    search = _Search(score, cautious=cautious, minimize=minimize, on_progress=on_progress)
    beam = search.score(ids[None], np.zeros(1, np.int64))
    beams = [beam]
    for _ in range(min(mutations, int(is_free.sum()))):
        beam = search.best(_single_mutants(beam.ids, ids, is_free, len(score.alphabet.letters)), beam_size)
        beams.append(beam)
    best = np.array([beam.merit[0] for beam in beams])
    depth = int(best.argmax())  # the first of the best: as few substitutions as will do
    orders = _orders(beams)
    candidates = [
        tuple(_candidate(score, beam, place, order, ids) for place, order in enumerate(orders_of_beam))
        for beam, orders_of_beam in zip(beams, orders, strict=True)
    ]
    return Optimization(_path(candidates, beams, depth), tuple(candidates), score.quantity, score.column)


def path_columns(found: Optimization) -> dict[str, pa.Array]:
    """The path as columns of a table, a row for each number of substitutions, the wild type's first.

    `mutations` (how many), `mutation` (the one made last: A24G), `variant` (all: A24G:K30R), `sequence`, then
    `prediction` or `log_odds`, and `lower`, `upper` and `sd` where the model has them.
    """
    path = found.path
    columns: dict[str, pa.Array] = {
        "mutations": pa.array([len(step.variant) for step in path], pa.int64()),
        "mutation": pa.array([str(step.variant[-1]) if step.variant else "" for step in path]),
        "variant": pa.array([format_variant(sorted(step.variant)) for step in path]),
        "sequence": pa.array([step.sequence for step in path]),
    }
    values_by_name: dict[str, list[float | None]] = {
        found.column: [step.score for step in path],
        "lower": [step.lower for step in path],
        "upper": [step.upper for step in path],
        "sd": [step.sd for step in path],
    }
    for name, values in values_by_name.items():
        if values[0] is not None:
            columns[name] = pa.array(values, pa.float32())
    return columns


class _Beam(NamedTuple):
    """Variants of one number of substitutions, the best first.

    Attributes:
        ids: (B, L), token ids.
        parents: (B,), the place in the beam before of the variant that each was made of.
        scores: of each.
        merit: (B,), what they are compared by; the higher the better.
    """

    ids: Ids
    parents: npt.NDArray[np.int64]
    scores: Scores
    merit: Floats


class _Search:
    """Scores variants and tells which are better."""

    def __init__(
        self, score: SequenceScore, *, cautious: bool, minimize: bool, on_progress: Callable[[int], Any] | None
    ) -> None:
        self._score = score
        self._cautious = cautious
        self._sign = -1.0 if minimize else 1.0
        self._on_progress = on_progress

    def score(self, ids: Ids, parents: npt.NDArray[np.int64]) -> _Beam:
        """Variants (N, L) in the order given."""
        scores = self._score(ids)
        if self._on_progress is not None:
            self._on_progress(len(ids))
        return _Beam(ids, parents, scores, self._merit(scores))

    def best(self, mutants: tuple[Ids, npt.NDArray[np.int64]], count: int) -> _Beam:
        """The best of mutants (M, L), scored in parts so that memory stays bounded."""
        ids, parents = mutants
        kept: list[_Beam] = []
        size = self._score.at_once(ids.shape[1])
        for start in range(0, len(ids), size):
            part = self.score(ids[start : start + size], parents[start : start + size])
            kept.append(_taken(part, np.argsort(-part.merit, kind="stable")[:count]))
        every = _joined(kept)
        return _taken(every, np.argsort(-every.merit, kind="stable")[:count])

    def _merit(self, scores: Scores) -> Floats:
        """(N,), from scores of N variants."""
        if not self._cautious:
            return self._sign * scores.value
        end = scores.lower if self._sign > 0 else scores.upper
        if end is None and scores.sd is None:
            raise UserError(
                "the model cannot say how certain it is of a sequence: it is no regression with intervals or of an "
                "ensemble; leave --cautious out"
            )
        merit = self._sign * (scores.value if end is None else end)
        return merit if scores.sd is None else merit - scores.sd


def _free_positions(length: int, keep: Collection[int]) -> npt.NDArray[np.bool_]:
    """Where (L,) letters may change."""
    is_free = np.ones(length, bool)
    for position in keep:
        if not 1 <= position <= length:
            raise UserError(f"position {position}, to be kept, is none of the sequence's: it has {length} letters")
        is_free[position - 1] = False
    if not is_free.any():
        raise UserError("every position is kept; nothing is left to change")
    return is_free


def _single_mutants(
    beam: Ids, wild_type: Ids, is_free: npt.NDArray[np.bool_], letters: int
) -> tuple[Ids, npt.NDArray[np.int64]]:
    """Every variant (M, L) with one substitution more than those of a beam (B, L), once each, and what it was made of.

    Where the same comes of several, the best of these counts as its parent.
    """
    choices = np.arange(FIRST_LETTER, FIRST_LETTER + letters, dtype=np.uint8)  # (A,)
    may_change = is_free & (beam == wild_type)  # (B, L)
    other = choices != wild_type[:, None]  # (L, A)
    parents, positions, places = (may_change[:, :, None] & other).nonzero()  # (M',) each, by parent
    mutants = beam[parents]
    mutants[np.arange(len(mutants)), positions] = choices[places]
    _, first = np.unique(mutants.view(f"V{mutants.shape[1]}")[:, 0], return_index=True)
    first.sort()
    return mutants[first], parents[first]


def _taken(beam: _Beam, places: npt.NDArray[np.int64]) -> _Beam:
    scores = _scores(None if part is None else part[places] for part in beam.scores)
    return _Beam(beam.ids[places], beam.parents[places], scores, beam.merit[places])


def _joined(beams: list[_Beam]) -> _Beam:
    columns = zip(*(beam.scores for beam in beams), strict=True)
    scores = _scores(None if parts[0] is None else np.concatenate(parts) for parts in columns)
    ids = np.concatenate([beam.ids for beam in beams])
    parents = np.concatenate([beam.parents for beam in beams])
    return _Beam(ids, parents, scores, np.concatenate([beam.merit for beam in beams]))


def _scores(parts: Iterable[Floats | None]) -> Scores:
    value, *rest = parts
    assert value is not None
    return Scores(value, *rest)


def _orders(beams: list[_Beam]) -> list[list[tuple[int, ...]]]:
    """By beam and variant, the changed positions, from 0, in the order in which they were changed."""
    orders: list[list[tuple[int, ...]]] = [[()]]
    for before, beam in pairwise(beams):
        changed = (beam.ids != before.ids[beam.parents]).argmax(1).tolist()
        orders.append(
            [(*orders[-1][parent], place) for parent, place in zip(beam.parents.tolist(), changed, strict=True)]
        )
    return orders


def _candidate(score: SequenceScore, beam: _Beam, place: int, order: tuple[int, ...], wild_type: Ids) -> Candidate:
    sequence, before = spell(beam.ids[place], score.alphabet), spell(wild_type, score.alphabet)
    variant = tuple(Substitution(index + 1, before[index], sequence[index]) for index in order)
    value, *rest = (None if part is None else float(part[place]) for part in beam.scores)
    assert value is not None
    return Candidate(variant, sequence, value, *rest)


def _path(candidates: list[tuple[Candidate, ...]], beams: list[_Beam], depth: int) -> tuple[Candidate, ...]:
    """The variants that lead to the best one of `depth` substitutions."""
    path, place = [], 0
    for index in range(depth, -1, -1):
        path.append(candidates[index][place])
        place = int(beams[index].parents[place])
    return tuple(reversed(path))
