"""FASTA, streamed record by record.

Each chunk of the file is taken apart as a whole, so that millions of short records are read without a step in Python
for each; a chromosome grows chunk by chunk in one place that Arrow then takes over, without a second copy of it.
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError
from .sources import BLANK, Source, utf8_array

FASTA_SCHEMA = pa.schema([("id", pa.string()), ("description", pa.string()), ("sequence", pa.string())])
_LONGEST_SEQUENCE = 2**31 - 2**24  # pyarrow counts the bytes of text in 32 bits, and a chunk may come on top
_IS_LETTER = bytes(byte not in BLANK for byte in range(256))
_NEWLINE, _HEADER_MARK = b"\n>"


def open_fasta(source: Source, rows_per_batch: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns `id` (first word of the header line), `description` (the rest of it) and `sequence`, and the records.

    A record without letters is kept, with an empty sequence. A batch holds the records that end in one chunk of the
    file, or as many of these as are wanted in a batch.

    Raises:
        UserError: the file is empty or begins with something else than a header line. Reading the records raises it
            for text that is not UTF-8, and for a record of more than 2 GB.
    """
    if not source.skip(BLANK).startswith(b">"):
        raise UserError(
            f"{source.name}, line {source.lines_skipped + 1}: a FASTA file begins with a header line, '>' and a name, "
            "and this one does not"
        )
    return FASTA_SCHEMA, _batches(source, rows_per_batch)


def _batches(source: Source, rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    headers, sequences = _Texts(), _Texts()
    records_before = 0
    before = b"\n"  # what goes before the next chunk: a newline if it starts a line, or a header line cut in two
    for chunk in chain(source.chunks(), [b"\n"]):  # the last newline ends a header line that nothing else ends
        text = before + chunk.replace(b"\r", b"\n")
        last_header = text.rfind(b"\n>")
        if last_header >= 0 and text.find(b"\n", last_header + 1) < 0:
            text, before = text[: last_header + 1], text[last_header:]
        else:
            before = b"\n" if text.endswith(b"\n") else b""
        first_header = text.find(b"\n>")
        if first_header < 0:
            sequences.lengthen_last(text.translate(None, BLANK))
        else:
            sequences.lengthen_last(text[:first_header].translate(None, BLANK))
            _split(text[first_header + 1 :], headers, sequences)
        whole = len(headers) - 1
        if sequences.last_length > _LONGEST_SEQUENCE:
            header = headers.pop(len(headers))[whole].as_py()
            raise UserError(
                f"{_describe(source.name, records_before + whole, header)} is longer than 2 GB; cut it into pieces"
            )
        if whole > 0:
            records = _as_arrow(headers.pop(whole), sequences.pop(whole), source.name, records_before)
            records_before += whole
            yield from records.to_batches(max_chunksize=rows_per_batch)
            del records  # or its text would be kept while the next record grows
    yield from _as_arrow(headers.pop(1), sequences.pop(1), source.name, records_before).to_batches()


class _Texts:
    """Texts one behind the other, the last of which may grow."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._lengths = np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return self._lengths.size

    @property
    def last_length(self) -> int:
        """The bytes of the last text, 0 if there is none."""
        return int(self._lengths[-1]) if self._lengths.size else 0

    def lengthen_last(self, text: bytes) -> None:
        """Add to the last text; where there is none, there must be nothing to add."""
        if text:
            self._bytes += text
            self._lengths[-1] += len(text)

    def add(self, texts: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> None:
        """Add texts (B,) of these lengths (N,)."""
        self._bytes += texts.data
        self._lengths = np.concatenate([self._lengths, lengths])

    def pop(self, number: int) -> pa.Array:
        """Take the first texts away, as binary; what held them becomes the array's own memory."""
        taken, self._bytes = self._bytes, bytearray()
        offsets = np.zeros(number + 1, dtype=np.int32)
        np.cumsum(self._lengths[:number], out=offsets[1:])
        self._bytes += memoryview(taken)[offsets[-1] :]
        self._lengths = self._lengths[number:]
        return pa.Array.from_buffers(pa.binary(), number, [None, pa.py_buffer(offsets), pa.py_buffer(taken)])


def _split(records: bytes, headers: _Texts, sequences: _Texts) -> None:
    """Add the header lines, without the ">", and the letters of records that stand whole, from the first ">" on."""
    characters = np.frombuffer(records, dtype=np.uint8)
    newlines = np.flatnonzero(characters == _NEWLINE)
    after = newlines[:-1] + 1 if newlines[-1] == characters.size - 1 else newlines + 1
    starts = np.concatenate([[0], after[characters[after] == _HEADER_MARK]])
    ends = newlines[np.searchsorted(newlines, starts)]
    edges = np.zeros(characters.size, dtype=np.int8)
    edges[starts] = 1
    edges[ends] = -1
    in_header = np.cumsum(edges, dtype=np.int8).view(np.bool_)
    is_letter = np.frombuffer(records.translate(_IS_LETTER), dtype=np.bool_) & ~in_header
    in_header[starts] = False  # the ">"
    headers.add(characters[in_header], ends - starts - 1)
    sequences.add(characters[is_letter], np.add.reduceat(is_letter, starts, dtype=np.int64))


def _as_arrow(headers: pa.Array, sequences: pa.Array, name: str, records_before: int) -> pa.Table:
    def describe(index: int) -> str:
        return _describe(name, records_before + index, headers[index].as_py())

    lines = utf8_array(headers, describe)
    words = pc.ascii_split_whitespace(pc.ascii_trim_whitespace(lines), max_splits=1)  # one or two of each line
    first = words.offsets[:-1]
    second = pc.if_else(pc.greater(pc.list_value_length(words), 1), pc.add(first, 1), None)
    ids, descriptions = words.values.take(first), words.values.take(second).fill_null("")
    return pa.Table.from_arrays([ids, descriptions, utf8_array(sequences, describe)], schema=FASTA_SCHEMA)


def _describe(name: str, record: int, header: bytes) -> str:
    words = header.decode(errors="replace").split(None, 1)
    return f"{name}, record {record + 1}" + (f" ({words[0]})" if words else "")
