"""Parquet files, by row groups."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from ..errors import UserError
from .sources import unreadable

_BYTES_PER_BATCH = 64 << 20  # bounds memory where sequences are long


def parquet_row_groups(path: str | Path) -> list[int]:
    """How many rows each row group of a Parquet file has.

    Raises:
        UserError: the file cannot be read, or is no Parquet file.
    """
    with ExitStack() as files:
        metadata = open_parquet(Path(path), files).metadata
        return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def open_parquet(path: Path, files: ExitStack) -> pyarrow.parquet.ParquetFile:
    """Open a Parquet file until `files` are closed; errors as of `parquet_row_groups`."""
    try:
        stream = files.enter_context(path.open("rb"))
    except OSError as error:
        raise unreadable(str(path), error) from error
    try:
        return files.enter_context(pyarrow.parquet.ParquetFile(stream, buffer_size=1 << 20))
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def parquet_batches(
    path: Path,
    file: pyarrow.parquet.ParquetFile,
    rows_per_batch: int,
    columns: Sequence[str] | None,
    row_groups: range,
) -> Iterator[pa.RecordBatch]:
    """The rows of some row groups.

    Args:
        path: the file, as messages call it.
        file: it, open.
        rows_per_batch: the most rows in a batch.
        columns: those wanted; all if None.
        row_groups: which.

    Raises:
        UserError: the file is damaged.
    """
    # A column asked for that is not there is the caller's to report.
    present = None if columns is None else [name for name in file.schema_arrow.names if name in columns]
    try:
        yield from file.iter_batches(rows_per_batch, row_groups=list(row_groups), columns=present)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path, error) from error


def rows_that_fit(file: pyarrow.parquet.ParquetFile) -> int:
    """How many rows of the widest row group make a batch of the size wanted."""
    groups = [file.metadata.row_group(index) for index in range(file.num_row_groups)]
    widest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=1)
    return max(1, int(_BYTES_PER_BATCH / max(widest, 1)))


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} is not a Parquet file, or is damaged or cut off: {str(error).splitlines()[0]}")
