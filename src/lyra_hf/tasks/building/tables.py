"""A table of the catalogue, built from its public source and checked against the one that was measured."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ...errors import UserError
from ...extras import needs
from ..sources import load_source
from . import antibody, cas9, crispr, disorder, dna_regulatory, fitness, peptides, proteingym, rna, structure
from .fetch import SourceFiles

with needs("tables", "building a table"):
    import pandas as pd

_MODULES: tuple[Any, ...] = (
    antibody,
    cas9,
    crispr,
    disorder,
    dna_regulatory,
    fitness,
    peptides,
    proteingym,
    rna,
    structure,
)

BUILDERS: dict[str, Callable[[SourceFiles], pd.DataFrame]] = {
    name: builder for module in _MODULES for name, builder in module.BUILDERS.items()
}


def build_table(name: str, output: Path, sources: Path | None = None) -> Path:
    """Build a table of the catalogue.

    Args:
        name: the table, `AREA/NAME`.
        output: the folder of tables; it is written as AREA/NAME.parquet in there.
        sources: a folder that holds source files as OWNER/NAME/COMMIT/PATH; others are downloaded.

    Returns:
        The file.

    Raises:
        UserError: the catalogue has no such table, or no code for it, or a source file is not to be had, or gave
            another table than the one that the catalogue was measured on.
    """
    source = load_source(name)
    if name not in BUILDERS:
        raise UserError(f"{name} must be built by hand, of {source.origin}, by these steps: {source.steps}")
    table = pa.Table.from_pandas(BUILDERS[name](SourceFiles(source, sources)), preserve_index=False)
    found = digest(table)
    if source.digest is not None and found != source.digest:
        raise UserError(
            f"{name}: the source gave another table than the one that the catalogue was measured on ({len(table):,} "
            f"rows, digest {found}, not {source.digest}), so it is not written; were the source files changed?"
        )
    path = output / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    try:
        pq.write_table(table, partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def digest(table: pa.Table) -> str:
    """SHA-256 of a table's content: names and types of the columns, and their values in the order of the rows.

    How Parquet stores them does not count. Numbers with a fraction count as 32-bit floats, so that the last bits of
    a parser or of a logarithm do not.
    """
    whole = hashlib.sha256()
    for name in table.column_names:
        column = table[name].combine_chunks()
        whole.update(json.dumps([name, _type_name(column.type), len(column)]).encode())
        _add_values(whole, column)
    return whole.hexdigest()


def _type_name(kind: pa.DataType) -> str:
    if _is_list(kind):
        return f"list of {_type_name(kind.value_type)}"
    return "string" if _is_string(kind) else str(kind)


def _add_values(whole: Any, column: pa.Array) -> None:
    """Add to a digest which values are there, and then these values."""
    present = column.is_valid()
    whole.update(_as_bytes(present, np.uint8))
    values = column.filter(present)
    if _is_list(values.type):
        whole.update(_as_bytes(pc.list_value_length(values), "<i8"))
        _add_values(whole, values.flatten())
    elif _is_string(values.type):
        values = values.cast(pa.large_string())
        whole.update(_as_bytes(pc.binary_length(values), "<i8"))
        whole.update("".join(values.to_pylist()).encode())
    elif pa.types.is_floating(values.type):
        numbers = values.to_numpy(zero_copy_only=False).astype("<f4") + np.float32(0)  # no -0
        whole.update(np.where(np.isnan(numbers), np.float32("nan"), numbers).astype("<f4").tobytes())
    else:
        whole.update(_as_bytes(values, "<i8"))


def _as_bytes(values: pa.Array, kind: npt.DTypeLike) -> bytes:
    return values.to_numpy(zero_copy_only=False).astype(kind).tobytes()


def _is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)
