"""Epistasis as tables: a row for each set of positions, or for each combination of substitutions."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from .interactions import Epistasis, Positions, root_mean_square, strongest, variant_of
from .measured import MeasuredEpistasis, agreement
from .variants import format_variant

_ROWS_AT_ONCE = 65_536


def position_columns(found: Epistasis, measured: MeasuredEpistasis | None = None) -> dict[str, pa.Array]:
    """Columns of a table with a row for each set of positions, the strongest first.

    `position_1`, `position_2` and so on, from 1; `wild_type`, the letters there; `mean_square` and `rms`, over all
    substitutions there; `strongest` (V39A:D40G) and its `epistasis`. With measured ones also `measured`, how many;
    `measured_rms` over these, and the `spearman` of predicted and measured.
    """
    strengths = root_mean_square(found)
    order = np.argsort(-strengths, kind="stable")
    sets = [found.sets()[index] for index in order]
    most = [strongest(found, 1, positions)[0] for positions in sets]
    columns = _positions(sets) | {
        "wild_type": pa.array(["".join(found.sequence[position - 1] for position in positions) for positions in sets]),
        "mean_square": pa.array(np.square(strengths[order]).astype(np.float32)),
        "rms": pa.array(strengths[order].astype(np.float32)),
        "strongest": pa.array([format_variant(one.variant) for one in most]),
        "epistasis": pa.array([one.interaction for one in most], pa.float32()),
    }
    if measured is not None:
        agreements = [agreement(found, measured, [positions]) for positions in sets]
        columns["measured"] = pa.array([one.number for one in agreements], pa.int64())
        rms = root_mean_square(found, measured.interactions)[order]
        columns["measured_rms"] = pa.array(rms.astype(np.float32), from_pandas=True)
        columns["spearman"] = pa.array([one.spearman for one in agreements], pa.float32())
    return columns


def interaction_columns(found: Epistasis, measured: MeasuredEpistasis | None = None) -> Iterator[dict[str, pa.Array]]:
    """Columns of a table with a row for every combination of substitutions, by position and then letter, in parts.

    `variant` (V39A:D40G), `position_1`, `position_2` and so on; `effect`, the mutant's score minus the wild type's;
    `epistasis`, what of it no fewer of the substitutions explain; with measured ones `measured`, what that is measured.
    """
    waiting: list[pa.Table] = []
    for positions in found.sets():
        waiting.append(_interactions(found, measured, positions))
        if sum(part.num_rows for part in waiting) >= _ROWS_AT_ONCE:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _interactions(found: Epistasis, measured: MeasuredEpistasis | None, positions: Positions) -> pa.Table:
    is_mutant = found.is_mutant(positions)
    places = np.argwhere(is_mutant)
    columns = {"variant": pa.array([format_variant(variant_of(found, positions, row)) for row in places.tolist()])}
    columns |= _positions([positions] * len(places))
    columns["effect"] = pa.array(found.effects(positions)[is_mutant].astype(np.float32))
    columns["epistasis"] = pa.array(found.interactions[positions][is_mutant].astype(np.float32))
    if measured is not None:
        labels = measured.interactions[positions][is_mutant]
        columns["measured"] = pa.array(labels.astype(np.float32), from_pandas=True)
    return pa.table(columns)


def _joined(parts: list[pa.Table]) -> dict[str, pa.Array]:
    whole = pa.concat_tables(parts).combine_chunks()
    return {name: whole[name].combine_chunks() for name in whole.column_names}


def _positions(sets: list[Positions]) -> dict[str, pa.Array]:
    return {f"position_{axis + 1}": pa.array(column, pa.int64()) for axis, column in enumerate(zip(*sets, strict=True))}
