"""Reading sequences from tables and FASTA files of any size, as a stream of record batches."""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from ..errors import UserError
from .delimited import open_delimited, whole_rows
from .fasta import open_fasta
from .parquet import open_parquet, parquet_batches, rows_that_fit
from .sources import BLANK, Source, split_ending, unreadable, utf8_array

ROWS_PER_BATCH = 65_536
_BATCHES_REMEMBERED = 16
_NAMES_SHOWN = 30
_LINES_SCHEMA = pa.schema([("sequence", pa.string())])

_Columns = tuple[pa.Schema, Iterator[pa.RecordBatch]]


@dataclass
class _Content:
    """An open file: its columns and its rows, which can be read once.

    Attributes:
        name: what messages call the file.
        schema: its columns.
        batches: its rows.
        has_records: whether its rows are FASTA records, which have names.
        first_row: how many rows of the file are left out before these.
    """

    name: str
    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    has_records: bool = False
    first_row: int = 0


class TableReader:
    """The rows of a file as record batches, none of them empty, read once from front to back; made by `open_table`.

    Use it as a context manager, or call `close`. Everything it raises about the file is a `UserError`.

    Attributes:
        name: the file as messages call it.
        schema: the columns and their types.
        sequence_column: the name of the column that holds the sequences. It is a column of text, without missing
            values except in Parquet.
        first_row: the number, from 0, that the first row read has in the file.
    """

    def __init__(self, content: _Content, sequence_column: str, files: ExitStack) -> None:
        self.name = content.name
        self.schema = content.schema
        self.sequence_column = sequence_column
        self._content = content
        self._files = files
        self.first_row = self._rows_read = content.first_row
        # The names of the latest records, with the number of rows before them. All names of a large file would not
        # fit in memory.
        self._latest_ids: deque[tuple[int, pa.Array]] = deque(maxlen=_BATCHES_REMEMBERED)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.schema.names)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._content.batches:
            if not batch.num_rows:
                continue
            if self._content.has_records:
                self._latest_ids.append((self._rows_read, batch.column("id")))
            self._rows_read += batch.num_rows
            yield batch

    def describe_row(self, index: int) -> str:
        """Where a row stands, in words for a message: 'guides.csv, row 3', or 'genome.fasta, record 3 (chr7)'.

        Rows are counted as a person would: from 1, without the header and without blank lines. The names of records
        are known for the latest batches only.

        Args:
            index: the row's number among all rows of the file, from 0.
        """
        if not self._content.has_records:
            return f"{self.name}, row {index + 1}"
        ids = [ids[index - start].as_py() for start, ids in self._latest_ids if start <= index < start + len(ids)]
        return f"{self.name}, record {index + 1}" + (f" ({ids[0]})" if ids and ids[0] else "")

    def check_text(self, column: str) -> None:
        """Refuse a column that cannot hold sequences.

        Raises:
            UserError: there is no such column, or it is not of text.
        """
        _check_columns(self._content, [column])
        _check_text(self._content, column)

    def close(self) -> None:
        """Close the file; standard input stays open."""
        self._files.close()

    def __enter__(self) -> "TableReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_table(
    path: str | Path,
    *,
    sequence_column: str = "sequence",
    rows_per_batch: int = ROWS_PER_BATCH,
    row_groups: range | None = None,
) -> TableReader:
    """Open a file of sequences, to be read in bounded memory.

    The file's ending tells its format: .csv and .tsv (with a header; every value is kept as the text it is), .parquet,
    .fasta .fa .fna .faa .ffn (columns `id`, the first word of the header line, `description`, the rest of it, and
    `sequence`), and .txt (a sequence per line, without a header, in the column `sequence`). Each text format may be
    gzipped (.csv.gz). Blank lines are skipped.

    "-" is standard input: FASTA if its first character is ">", else TSV if its first line contains tabs and no commas,
    else CSV.

    Args:
        path: the file, or "-" for standard input.
        sequence_column: the column that holds the sequences.
        rows_per_batch: the most rows in a batch. Batches have fewer where sequences are long.
        row_groups: of a Parquet file, the row groups to read; all unless told.

    Raises:
        UserError: the file cannot be used, here or when its rows are read.
    """
    with ExitStack() as files:
        content = _open_content(path, rows_per_batch, files, row_groups=row_groups)
        _check_columns(content, [sequence_column], "Name the one that holds the sequences with --column")
        _check_text(content, sequence_column)
        return TableReader(content, sequence_column, files.pop_all())


def column_names(path: str | Path) -> list[str]:
    """The columns of a table file, of any format that `open_table` reads.

    Raises:
        UserError: the file cannot be used.
    """
    with ExitStack() as files:
        return list(_open_content(path, ROWS_PER_BATCH, files).schema.names)


def read_columns(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a whole table, of any format that `open_table` reads, into memory.

    Args:
        path: the file, or "-" for standard input.
        columns: the columns wanted, in this order; all if None.

    Raises:
        UserError: the file cannot be used, or has no such column.
    """
    with ExitStack() as files:
        content = _open_content(path, ROWS_PER_BATCH, files, columns)
        names = content.schema.names if columns is None else list(columns)
        _check_columns(content, names)
        schema = pa.schema([content.schema.field(name) for name in names])
        return pa.Table.from_batches([batch.select(names) for batch in content.batches], schema)


def _open_content(
    path: str | Path,
    rows_per_batch: int,
    files: ExitStack,
    columns: Sequence[str] | None = None,
    row_groups: range | None = None,
) -> _Content:
    if str(path) == "-":
        source = files.enter_context(Source(None))
        opener = _opener_for(source)
        schema, batches = opener(source, rows_per_batch)
        return _Content(source.name, schema, batches, opener is open_fasta)
    path = Path(path)
    _look_up(path)
    ending, gzipped = split_ending(path)
    if ending == ".parquet" and not gzipped:
        file = open_parquet(path, files)
        groups = range(file.num_row_groups) if row_groups is None else row_groups
        batches = parquet_batches(path, file, min(rows_per_batch, rows_that_fit(file)), columns, groups)
        before = sum(file.metadata.row_group(group).num_rows for group in range(groups.start))
        return _Content(str(path), file.schema_arrow, batches, first_row=before)
    if ending not in _TEXT_OPENERS:
        raise UserError(
            f"{path}: the ending of the name tells no format that can be read; these do: "
            f"{' '.join(_TEXT_OPENERS)}, each also with .gz, and .parquet"
        )
    opener = _TEXT_OPENERS[ending]
    source = files.enter_context(Source(path, gzipped=gzipped))
    schema, batches = opener(source, rows_per_batch)
    return _Content(source.name, schema, batches, opener is open_fasta)


def _look_up(path: Path) -> None:
    """Refuse what is no file before its name is judged."""
    try:
        path.stat()
        if path.is_dir():
            raise UserError(f"{path} is a directory; name a file in it")
    except OSError as error:
        raise unreadable(str(path), error) from error


def _opener_for(source: Source) -> Callable[[Source, int], _Columns]:
    """How to read what comes without a name, judged by its beginning."""
    head = source.skip(b"\r\n")
    if head.lstrip(BLANK).startswith(b">"):
        return open_fasta
    first_line = head.splitlines()[0]
    return _open_tsv if b"\t" in first_line and b"," not in first_line else _open_csv


def _open_csv(source: Source, rows_per_batch: int) -> _Columns:
    return open_delimited(source, ",", rows_per_batch)


def _open_tsv(source: Source, rows_per_batch: int) -> _Columns:
    return open_delimited(source, "\t", rows_per_batch)


def _open_lines(source: Source, rows_per_batch: int) -> _Columns:
    if source.skip(BLANK).startswith(b">"):
        raise UserError(f"{source.name} is a FASTA file by its contents; give it a name that ends in .fasta")
    return _LINES_SCHEMA, _line_batches(source, rows_per_batch)


def _line_batches(source: Source, rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    rows_before = 0
    for block in whole_rows(source):
        lines = [line for line in map(bytes.strip, block.splitlines()) if line]
        sequences = utf8_array(pa.array(lines, pa.binary()), partial(_describe_line, source.name, rows_before))
        rows_before += len(lines)
        yield from pa.Table.from_arrays([sequences], schema=_LINES_SCHEMA).to_batches(max_chunksize=rows_per_batch)


def _describe_line(name: str, rows_before: int, index: int) -> str:
    return f"{name}, row {rows_before + index + 1}"


_TEXT_OPENERS: dict[str, Callable[[Source, int], _Columns]] = {
    ".csv": _open_csv,
    ".tsv": _open_tsv,
    **dict.fromkeys((".fasta", ".fa", ".fna", ".faa", ".ffn"), open_fasta),
    ".txt": _open_lines,
}
ENDINGS = (*_TEXT_OPENERS, ".parquet")  # of names of files that can be read; the text ones' can have .gz behind them


def _check_columns(content: _Content, wanted: Sequence[str], advice: str = "") -> None:
    """Refuse a table in which two columns have one name, or one that is wanted is not there."""
    names = content.schema.names
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UserError(f"{content.name} has two columns named {repeated[0]!r}; rename one of them")
    for name in wanted:
        if name in names:
            continue
        shown = ", ".join(_shown(there) for there in names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        if len(names) == 1 and any(separator in names[0] for separator in ",;\t"):
            advice = "Separate the columns by commas in a .csv file and by tabs in a .tsv file"
        message = f"{content.name} has no column {name!r}; its columns are: {shown}{more}"
        raise UserError(f"{message}. {advice}" if advice else message)


def _check_text(content: _Content, column: str) -> None:
    column_type = content.schema.field(column).type
    if not _is_text(column_type):
        raise UserError(f"{content.name}: the column {column!r} holds {column_type}, not sequences")


def _shown(name: str) -> str:
    """A column's name in a message of one line: bare, or quoted where something in it would not be seen."""
    short = name if len(name) <= 60 else name[:57] + "..."
    return short if short.isprintable() and short == short.strip() != "" else repr(short)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
