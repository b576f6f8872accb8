"""What chosen variants of a sequence do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..inference.predictor import Predictor
from ..modeling_lyra import LyraPreTrainedModel
from .scan import spell
from .scores import Floats, Scores, SequenceScore
from .variants import Variant, apply_variant, check_variant, format_variant


class VariantEffects(NamedTuple):
    """What N variants do; made by `variant_effects`.

    Attributes:
        variants: their substitutions, as the alphabet spells them.
        effects: (N,), each variant's score minus the wild type's.
        scores: of the variants.
        column: what tables call the score.
    """

    variants: tuple[Variant, ...]
    effects: Floats
    scores: Scores
    column: str


def variant_effects(
    model: str | Path | LyraPreTrainedModel | Predictor | SequenceScore,
    sequence: str,
    variants: Sequence[Variant],
    output: str | None = None,
    *,
    on_progress: Callable[[int], Any] | None = None,
) -> VariantEffects:
    """Score variants of a sequence, with any number of substitutions each.

    Args:
        model: a shipped name ("lyra-gb1"), a folder, a model, a predictor or a score.
        sequence: the wild type; for models of pairs the letters of the first sequence and then those of the second.
        variants: their substitutions (`parse_variant`).
        output: the output's name, of a model with several; see `SequenceScore` for what is compared.
        on_progress: called with the number of sequences scored since the last call.

    Raises:
        UserError: the sequence or the output is none of the model's, or a substitution does not fit the sequence.
    """
    score = model if isinstance(model, SequenceScore) else SequenceScore(model, output)
    ids = score.read(sequence)
    wild_type = spell(ids, score.alphabet)
    checked = tuple(check_variant(variant, wild_type, score.alphabet) for variant in variants)
    size = score.at_once(ids.size)
    parts = []
    for start in range(0, len(checked), size):
        mutants = [apply_variant(variant, wild_type, score.alphabet) for variant in checked[start : start + size]]
        parts.append(score(np.stack([score.read(mutant) for mutant in mutants])))
        if on_progress is not None:
            on_progress(len(mutants))
    value, *rest = (
        None if column[0] is None else np.concatenate(column)
        for column in zip(score(ids[None]), *parts, strict=True)  # the wild type first
    )
    assert value is not None
    scores = Scores(value[1:], *(None if part is None else part[1:] for part in rest))
    return VariantEffects(checked, value[1:] - value[0], scores, score.column)


def variant_columns(found: VariantEffects) -> dict[str, pa.Array]:
    """The effects as columns of a table, a row for each variant.

    `variant` (A24G:K30R), `effect`, `prediction` or `log_odds`, and `lower`, `upper` and `sd` where the model has them.
    """
    columns: dict[str, pa.Array] = {"variant": pa.array([format_variant(variant) for variant in found.variants])}
    names = (found.column, *Scores._fields[1:])
    values_by_name = {"effect": found.effects} | dict(zip(names, found.scores, strict=True))
    for name, values in values_by_name.items():
        if values is not None:
            columns[name] = pa.array(values.astype(np.float32), pa.float32())
    return columns
