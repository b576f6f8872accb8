"""FASTA, streamed record by record."""

from collections.abc import Iterator

import pyarrow as pa

from ..errors import UserError
from .sources import BLANK, Source, utf8_array

FASTA_SCHEMA = pa.schema([("id", pa.string()), ("description", pa.string()), ("sequence", pa.string())])
_BYTES_PER_BATCH = 64 << 20  # of sequence: a batch of chromosomes is small in rows only
_LONGEST_SEQUENCE = 2**31 - 1  # pyarrow counts the bytes of text in 32 bits


def open_fasta(source: Source, rows_per_batch: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """The columns `id` (first word of the header line), `description` (the rest of it) and `sequence`, and the records.

    A record without letters is kept, with an empty sequence.

    Raises:
        UserError: the file is empty or begins with something else than a header line. Reading the records raises it
            for text that is not UTF-8.
    """
    if not source.skip(BLANK).startswith(b">"):
        raise UserError(
            f"{source.name}, line {source.lines_skipped + 1}: a FASTA file begins with a header line, '>' and a name, "
            "and this one does not"
        )
    return FASTA_SCHEMA, _batches(source, rows_per_batch)


def _batches(source: Source, rows_per_batch: int) -> Iterator[pa.RecordBatch]:
    headers: list[bytes] = []
    sequences: list[bytes] = []
    letters = records_before = 0
    for header, sequence in _records(source):
        if headers and (len(headers) >= rows_per_batch or letters + len(sequence) > _BYTES_PER_BATCH):
            yield _as_arrow(headers, sequences, source.name, records_before)
            records_before += len(headers)
            headers, sequences, letters = [], [], 0
        headers.append(header)
        sequences.append(sequence)
        letters += len(sequence)
    yield _as_arrow(headers, sequences, source.name, records_before)


def _records(source: Source) -> Iterator[tuple[bytes, bytes]]:
    """The records' header lines, without the ">", and letters."""
    header: bytes | None = None
    pieces: list[bytes] = []
    before = b"\n"  # what goes before the next chunk: a newline if it starts a line, or a header line cut in two
    for chunk in source.chunks():
        text = before + chunk.replace(b"\r", b"\n")
        before = b"\n" if text.endswith(b"\n") else b""
        rest_of_record, *records = text.split(b"\n>")
        pieces.append(_letters(rest_of_record))
        if records and b"\n" not in records[-1]:
            before = b"\n>" + records.pop()
        for record in records:
            if header is not None:
                yield header, b"".join(pieces)
            header, _, lines = record.partition(b"\n")
            pieces = [_letters(lines)]
    if header is not None:
        yield header, b"".join(pieces)
    if before.startswith(b"\n>"):
        yield before.removeprefix(b"\n>"), b""


def _letters(lines: bytes) -> bytes:
    return lines.translate(None, BLANK)


def _as_arrow(headers: list[bytes], sequences: list[bytes], name: str, records_before: int) -> pa.RecordBatch:
    ids: list[bytes] = []
    descriptions: list[bytes] = []
    for header in headers:
        words = header.split(None, 1)
        ids.append(words[0] if words else b"")
        descriptions.append(words[1].rstrip() if len(words) > 1 else b"")

    def describe(index: int) -> str:
        label = ids[index].decode(errors="replace")
        return f"{name}, record {records_before + index + 1}" + (f" ({label})" if label else "")

    for index, sequence in enumerate(sequences):
        if len(sequence) > _LONGEST_SEQUENCE:
            raise UserError(f"{describe(index)} is longer than 2 GB; cut it into pieces")
    return pa.record_batch(
        [utf8_array(column, describe) for column in (ids, descriptions, sequences)], schema=FASTA_SCHEMA
    )
