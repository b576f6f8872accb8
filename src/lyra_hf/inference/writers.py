"""Writing results as CSV, TSV, JSON Lines or Parquet: a file appears under its name only when it is whole."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Protocol

import pyarrow as pa
import pyarrow.parquet

from ..errors import UserError
from .outputs import NewFile, Output, StandardOutput, explained
from .rendering import delimited_header, delimited_rows, json_rows
from .sources import split_ending

_BYTES_PER_PIECE = 16 << 20  # of a batch, turned into text at a time
_BYTES_PER_ROW_GROUP = 64 << 20


class TableWriter:
    """Writes record batches to a file or to standard output; made by `open_writer`.

    Use it as a context manager. Rows go to a hidden file beside the one named, which takes that name when the context
    ends well; when it ends with an exception, the hidden file is removed and what had the name keeps it.

    Attributes:
        name: the output as messages call it.
    """

    def __init__(self, output: "Output", encoder: "_Encoder") -> None:
        self.name = output.name
        self._output = output
        self._encoder = encoder
        self._schema: pa.Schema | None = None

    def begin(self, schema: pa.Schema) -> None:
        """Say what the columns are, so that there is a header even if no rows follow. `write` does it otherwise."""
        self._schema = schema
        with explained(self.name):
            self._encoder.begin(schema)
            self._output.after_write()

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows.

        Raises:
            UserError: a column cannot be written in this format, or the disk is full.
            ValueError: the columns are not those of the rows before.
            BrokenPipeError: nobody reads standard output any more.
        """
        if self._schema is None:
            self.begin(batch.schema)
        elif batch.schema != self._schema:
            raise ValueError(f"columns {batch.schema} after columns {self._schema}")
        with explained(self.name):
            self._encoder.write(batch)
            self._output.after_write()

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                self._finish()
            except BaseException:
                self._abandon()
                raise
        else:
            self._abandon()

    def _finish(self) -> None:
        if self._schema is None:
            self.begin(pa.schema([]))
        with explained(self.name):
            self._encoder.finish()
            self._output.commit()

    def _abandon(self) -> None:
        with suppress(Exception):  # what went wrong first is what the user should hear of
            self._encoder.abandon()
        with suppress(OSError):
            self._output.discard()


def open_writer(output: str | Path | None, *, input_path: str | Path | None = None) -> TableWriter:
    """Open a table for writing; the ending of its name tells the format.

    .csv, .tsv and .jsonl, each also gzipped (.csv.gz), and .parquet. In CSV and TSV values are quoted only where they
    must be, missing values and NaN are empty, and lists are JSON ("[0.1,0.2]"); in JSON Lines missing values and NaN
    are null. Numbers have the fewest digits that read back as the same number.

    Args:
        output: the file; "-" or None for CSV on standard output.
        input_path: the file that the rows come from, which is not to be written over.

    Raises:
        UserError: nothing can be written there.
    """
    if output is None or str(output) == "-":
        target: Output = StandardOutput()
        return TableWriter(target, _comma_separated(target.stream))
    path = Path(output)
    ending, gzipped = split_ending(path)
    if ending not in _ENCODERS or (gzipped and ending == ".parquet"):
        raise UserError(
            f"{path}: the ending of the name tells no format that can be written; these do: "
            ".csv .tsv .jsonl, each also with .gz, and .parquet"
        )
    with explained(str(path)):
        if input_path is not None and path.exists() and Path(input_path).exists() and path.samefile(input_path):
            raise UserError(f"{path} is the input itself; choose another name for the output")
        target = NewFile(path, gzipped=gzipped)
    try:
        return TableWriter(target, _ENCODERS[ending](target.stream))
    except BaseException:
        target.discard()
        raise


class _Encoder(Protocol):
    """Turns rows into the bytes of a format."""

    def begin(self, schema: pa.Schema) -> None: ...

    def write(self, batch: pa.RecordBatch) -> None: ...

    def finish(self) -> None: ...

    def abandon(self) -> None:
        """Let go without writing to the stream."""


class _TextEncoder:
    """Formats of text, in which rows follow each other."""

    def __init__(
        self,
        stream: IO[bytes],
        header: Callable[[list[str]], bytes],
        rows: Callable[[pa.RecordBatch], memoryview],
    ) -> None:
        self._stream = stream
        self._header = header
        self._rows = rows

    def begin(self, schema: pa.Schema) -> None:
        self._stream.write(self._header(schema.names))

    def write(self, batch: pa.RecordBatch) -> None:
        rows = max(1, int(batch.num_rows * _BYTES_PER_PIECE / max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, rows):
            self._stream.write(self._rows(batch.slice(start, rows)))

    def finish(self) -> None:
        """Nothing follows the last row."""

    def abandon(self) -> None:
        """Nothing is held."""


class _ParquetEncoder:
    """Parquet, whose row groups gather many batches."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._bytes_held = 0

    def begin(self, schema: pa.Schema) -> None:
        # The least and greatest text tell nothing of sequences, and to find them takes copies of chromosomes.
        numbers = [field.name for field in schema if pa.types.is_primitive(field.type)]
        self._writer = pyarrow.parquet.ParquetWriter(self._stream, schema, write_statistics=numbers)

    def write(self, batch: pa.RecordBatch) -> None:
        self._held.append(batch)
        self._bytes_held += batch.nbytes
        if self._bytes_held >= _BYTES_PER_ROW_GROUP:
            self._write_held()

    def finish(self) -> None:
        if self._held:
            self._write_held()
        if self._writer is not None:
            self._writer.close()

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.is_open = False  # or it would write the end of the file when it is collected

    def _write_held(self) -> None:
        assert self._writer is not None, "begin comes before write"
        self._writer.write_table(pa.Table.from_batches(self._held))
        self._held, self._bytes_held = [], 0


def _comma_separated(stream: IO[bytes]) -> _Encoder:
    return _TextEncoder(stream, lambda names: delimited_header(names, ","), lambda batch: delimited_rows(batch, ","))


def _tab_separated(stream: IO[bytes]) -> _Encoder:
    return _TextEncoder(stream, lambda names: delimited_header(names, "\t"), lambda batch: delimited_rows(batch, "\t"))


def _json_lines(stream: IO[bytes]) -> _Encoder:
    return _TextEncoder(stream, lambda names: b"", json_rows)


_ENCODERS: dict[str, Callable[[IO[bytes]], _Encoder]] = {
    ".csv": _comma_separated,
    ".tsv": _tab_separated,
    ".jsonl": _json_lines,
    ".parquet": _ParquetEncoder,
}
