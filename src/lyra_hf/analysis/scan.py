"""What every single substitution of a sequence does.

Letters in shapes: L letters of the sequence, A letters of the alphabet, S substitutions, L * (A - 1).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..alphabets import UNK_ID, Alphabet
from ..errors import UserError
from ..inference.predictor import Predictor
from ..modeling_lyra import LyraPreTrainedModel
from .scores import Floats, Ids, Scores, SequenceScore
from .variants import Substitution

FIRST_LETTER = UNK_ID + 1  # the token id of an alphabet's first letter


class SubstitutionEffect(NamedTuple):
    """A substitution and what it does.

    Attributes:
        substitution: the change.
        effect: the mutant's score minus the wild type's.
        score: the mutant's.
        lower: the lower end of the mutant's interval, where the model has one.
        upper: the upper end.
        sd: the standard deviation over the members of an ensemble.
    """

    substitution: Substitution
    effect: float
    score: float
    lower: float | None = None
    upper: float | None = None
    sd: float | None = None


@dataclass(frozen=True, eq=False)
class MutationScan:
    """The effects of all single substitutions; made by `mutation_scan`.

    Attributes:
        sequence: the wild type, as its alphabet spells it: L letters.
        letters: the alphabet's, A of them.
        quantity: what the score is, in words.
        column: what tables call it.
        wild_type: the wild type's score.
        effects: (L, A), the mutant's score minus the wild type's; 0 where the letter is the wild type's own.
        lower: (L, A), the lower end of each mutant's interval at 90 %, where the model has intervals, or None.
        upper: the upper end.
        sd: (L, A), over the members of an ensemble for regression, or None.
        second_part: of a pair, whose sequences stand one behind the other, where the second begins, from 0.
    """

    sequence: str
    letters: str
    quantity: str
    column: str
    wild_type: float
    effects: Floats
    lower: Floats | None = None
    upper: Floats | None = None
    sd: Floats | None = None
    second_part: int | None = None

    def is_mutant(self) -> npt.NDArray[np.bool_]:
        """Where (L, A) a letter is another than the wild type's."""
        return np.array([[letter != found for letter in self.letters] for found in self.sequence])


def mutation_scan(
    model: str | Path | LyraPreTrainedModel | Predictor | SequenceScore,
    sequence: str,
    output: str | None = None,
    *,
    on_progress: Callable[[int], Any] | None = None,
) -> MutationScan:
    """Score every single substitution of a sequence.

    Args:
        model: a shipped name ("lyra-gb1"), a folder, a model, a predictor or a score.
        sequence: the wild type; for models of pairs the letters of the first sequence and then those of the second.
        output: the output's name, of a model with several; see `SequenceScore` for what is compared.
        on_progress: called with the number of sequences scored since the last call.

    Raises:
        UserError: the sequence or the output is none of the model's.
    """
    score = model if isinstance(model, SequenceScore) else SequenceScore(model, output)
    ids = score.read(sequence)
    letters = score.alphabet.letters
    is_mutant = ids[:, None] != FIRST_LETTER + np.arange(len(letters))  # (L, A)
    positions, places = is_mutant.nonzero()  # (S,) each
    wild_type = score(ids[None])
    parts = []
    size = score.at_once(ids.size)
    for start in range(0, positions.size, size):
        chosen = slice(start, start + size)
        parts.append(score(substituted(ids, positions[chosen, None], places[chosen, None])))
        if on_progress is not None:
            on_progress(len(parts[-1].value))

    def fold(index: int) -> Floats | None:
        """One part of the scores as (L, A)."""
        if wild_type[index] is None:
            return None
        matrix = np.full(is_mutant.shape, wild_type[index])
        matrix[is_mutant] = np.concatenate([part[index] for part in parts])
        return matrix

    values, lower, upper, sd = map(fold, range(len(Scores._fields)))
    assert values is not None
    return MutationScan(
        spell(ids, score.alphabet),
        letters,
        score.quantity,
        score.column,
        float(wild_type.value[0]),
        values - wild_type.value[0],
        lower,
        upper,
        sd,
        score.second_part(ids.size),
    )


def substitution_effects(scan: MutationScan) -> list[SubstitutionEffect]:
    """The scan as a list, by position and then letter."""
    further = (scan.lower, scan.upper, scan.sd)
    effects = []
    for index, place in zip(*scan.is_mutant().nonzero(), strict=True):
        effect = float(scan.effects[index, place])
        substitution = Substitution(int(index) + 1, scan.sequence[index], scan.letters[place])
        rest = (None if part is None else float(part[index, place]) for part in further)
        effects.append(SubstitutionEffect(substitution, effect, scan.wild_type + effect, *rest))
    return effects


def effect_matrix(effects: Iterable[SubstitutionEffect], sequence: str, letters: str) -> Floats:
    """Effects, of a scan or measured, as a matrix (L, A): the wild type's own letters 0, what is not listed NaN.

    Args:
        effects: a list, in any order.
        sequence: the wild type: L letters.
        letters: the alphabet's.

    Raises:
        UserError: a substitution does not fit the sequence or the letters.
    """
    matrix = np.full((len(sequence), len(letters)), np.nan)
    for index, letter in enumerate(sequence):
        if letter in letters:
            matrix[index, letters.index(letter)] = 0.0
    for effect in effects:
        position, wild_type, mutant = effect.substitution
        if position > len(sequence) or sequence[position - 1] != wild_type or mutant not in letters:
            raise UserError(f"{effect.substitution} does not fit the sequence of {len(sequence)} letters")
        matrix[position - 1, letters.index(mutant)] = effect.effect
    return matrix


def scan_columns(scan: MutationScan) -> dict[str, pa.Array]:
    """The scan as columns of a table, a row for each substitution, by position and then letter.

    `mutation` (A24G), `position` (from 1), `wild_type`, `mutant`, of a pair `part` (first, second) and
    `position_in_part`, `effect`, then the mutant's `prediction` or `log_odds`, and its `lower`, `upper` and `sd` where
    the model has them.
    """
    is_mutant = scan.is_mutant()
    positions, places = is_mutant.nonzero()
    wild_type = np.array(list(scan.sequence))[positions]
    mutant = np.array(list(scan.letters))[places]
    numbers = (positions + 1).astype(str)
    columns: dict[str, pa.Array] = {
        "mutation": pa.array(np.char.add(np.char.add(wild_type, numbers), mutant)),
        "position": pa.array(positions + 1, pa.int64()),
        "wild_type": pa.array(wild_type),
        "mutant": pa.array(mutant),
    }
    if scan.second_part is not None:
        is_second = positions >= scan.second_part
        columns["part"] = pa.array(np.where(is_second, "second", "first"))
        columns["position_in_part"] = pa.array(positions + 1 - scan.second_part * is_second, pa.int64())
    values = {
        "effect": scan.effects,
        scan.column: scan.wild_type + scan.effects,
        "lower": scan.lower,
        "upper": scan.upper,
        "sd": scan.sd,
    }
    for name, matrix in values.items():
        if matrix is not None:
            columns[name] = pa.array(matrix[is_mutant].astype(np.float32), pa.float32())
    return columns


def spell(ids: Ids, alphabet: Alphabet) -> str:
    """The letters of token ids (L,)."""
    tokens = list(alphabet.vocabulary)
    return "".join(tokens[token] for token in ids.tolist())


def substituted(ids: Ids, positions: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> Ids:
    """Mutants (N, L) of token ids (L,), with n substitutions each.

    Args:
        ids: the wild type's.
        positions: (N, n) or (n,), where, from 0.
        places: (N, n), the number of the new letter in the alphabet, from 0.
    """
    mutants = np.tile(ids, (len(places), 1))
    np.put_along_axis(mutants, np.broadcast_to(positions, places.shape), (FIRST_LETTER + places).astype(np.uint8), 1)
    return mutants
