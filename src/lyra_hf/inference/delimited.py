"""CSV and TSV, streamed as record batches whose every value is the text that stands in the file.

The stream is cut where a row ends, and each piece of whole rows is parsed by pyarrow on its own. A row may thus be as
long as a chromosome, memory follows the longest row rather than the file, and every error knows its row.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.csv

from ..errors import UserError
from .sources import Source, not_utf8

_LONGEST_ROW = 2**31 - 2**24  # pyarrow counts the bytes of a block in 32 bits, and a chunk may come on top


def open_delimited(source: Source, delimiter: str, rows_per_batch: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns of a CSV or TSV file, all of text, and its rows.

    Raises:
        UserError: the file is empty, or its header cannot be used. Reading the rows raises it for a row with more or
            fewer values than the header, a quotation mark left open, or text that is not UTF-8.
    """
    source.skip(b"\r\n")
    blocks = whole_rows(source, quoted_values(delimiter))
    first = next(blocks)
    names = _column_names(source, first, delimiter)
    rows = _Rows(source.name, delimiter, names, lines=source.lines_skipped)
    schema = pa.schema([(name, pa.string()) for name in names])
    return schema, rows.read(first, blocks, rows_per_batch)


def _column_names(source: Source, first_block: bytes, delimiter: str) -> list[str]:
    if problem := not_utf8(source.name, first_block, source.lines_skipped):
        raise UserError(problem)
    try:
        return next(csv.reader(io.StringIO(first_block.decode(), newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise UserError(f"{source.name}: its first line cannot be read as the names of columns: {error}") from error


@dataclass
class _Rows:
    """Parses a file's blocks of whole rows in turn, counting rows and lines for the messages.

    Attributes:
        source_name: what messages call the file.
        delimiter: what stands between two values.
        names: the columns.
        lines: lines before the block at hand.
        rows: rows of data before the block at hand.
    """

    source_name: str
    delimiter: str
    names: list[str]
    lines: int
    rows: int = 0

    def read(self, first: bytes, blocks: Iterator[bytes], rows_per_batch: int) -> Iterator[pa.RecordBatch]:
        """The rows of all blocks, the header at the head of the first one left out."""
        yield from self._parse(first, header_rows=1).to_batches(max_chunksize=rows_per_batch)
        for block in blocks:
            yield from self._parse(block).to_batches(max_chunksize=rows_per_batch)

    def _parse(self, block: bytes, header_rows: int = 0) -> pa.Table:
        ragged: list[pyarrow.csv.InvalidRow] = []

        def refuse(row: pyarrow.csv.InvalidRow) -> str:
            ragged.append(row)
            return "error"

        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(block),
                pyarrow.csv.ReadOptions(
                    column_names=self.names,
                    skip_rows_after_names=header_rows,
                    block_size=len(block) + 1,
                    use_threads=False,  # row numbers are known only without threads
                ),
                pyarrow.csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=refuse),
                pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()), strings_can_be_null=False
                ),
            )
        except pa.ArrowInvalid as error:
            raise UserError(self._reason(block, ragged, header_rows, error)) from error
        self.rows += table.num_rows
        self.lines += block.count(b"\n")
        return table

    def _reason(
        self, block: bytes, ragged: list[pyarrow.csv.InvalidRow], header_rows: int, error: pa.ArrowInvalid
    ) -> str:
        if ragged:
            found = ragged[0].actual_columns
            row = self.rows + ragged[0].number - header_rows
            return (
                f"{self.source_name}, row {row}: {found} {'column' if found == 1 else 'columns'} where the header has "
                f"{len(self.names)}; a value that contains the separator must stand in quotation marks"
            )
        return not_utf8(self.source_name, block, self.lines) or (
            f"{self.source_name} cannot be read after row {self.rows}: {str(error).splitlines()[0]}"
        )


def quoted_values(delimiter: str) -> re.Pattern[bytes]:
    """What finds the quoted values, each with the delimiter or newline before it, scanning from the start of a row.

    A quotation mark is special only at the start of a value, as in `5" flank`. Group 1 is the closing mark, empty if
    the text ends before it.
    """
    return re.compile(rb'(?:\A|[\r\n%s])"[^"]*(?:""[^"]*)*("(?!")|\Z)' % delimiter.encode())


def whole_rows(source: Source, quoted: re.Pattern[bytes] | None = None) -> Iterator[bytes]:
    """Cut a stream into blocks of whole rows, each of which ends in a newline.

    Args:
        source: the stream.
        quoted: what finds the quoted values, in which a newline ends no row; None if the format has none.
    """
    newline = b""
    rest = b""
    lines = source.lines_skipped
    # Reading as much as there is already keeps the work in proportion to the length of a row, however long.
    while chunk := source.read(min(len(rest), _LONGEST_ROW - len(rest))):
        newline = newline or _newline(chunk)
        rest += chunk
        end = _end_of_last_row(rest, quoted, newline)
        if end:
            yield rest[:end]
            lines += rest.count(b"\n", 0, end)
            rest = rest[end:]
        elif len(rest) >= _LONGEST_ROW:
            raise UserError(f"{source.name} has a row of over 2 GB, or a quotation mark that is never closed")
    if not rest:
        return
    for match in quoted.finditer(rest) if quoted else ():
        if not match[1]:
            line = lines + rest.count(b"\n", 0, match.start() + 1) + 1
            raise UserError(f"{source.name}, line {line}: a quotation mark opens a value there and is never closed")
    yield rest + newline


def _newline(first_chunk: bytes) -> bytes:
    # A carriage return alone ends the lines of files from old Macintosh programs.
    return b"\r" if b"\r" in first_chunk and b"\n" not in first_chunk else b"\n"


def _end_of_last_row(block: bytes, quoted: re.Pattern[bytes] | None, newline: bytes) -> int:
    """Where the last whole row of the block ends; 0 if none ends in it."""
    end = len(block)
    spans = [match.span() for match in quoted.finditer(block)] if quoted and b'"' in block else []
    for start, stop in reversed(spans):
        found = block.rfind(newline, stop, end)
        if found >= 0:
            return found + 1
        end = start + 1  # the character before the quotation mark may be the newline sought
    return block.rfind(newline, 0, end) + 1
