"""Guides as files: tables, BED and GFF3."""

from pathlib import Path
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import quote

import pyarrow as pa

from ..inference.outputs import NewFile, explained
from ..inference.sources import split_ending
from ..inference.writers import open_writer

_GFF_TYPE = "nuclease_binding_site"  # SO:0000059
_NOT_ATTRIBUTES = ("contig", "start", "end", "strand", "score")


class GuideWriter(Protocol):
    """Where guides go; used as a context manager, it leaves a whole file or none."""

    def __enter__(self) -> "GuideWriter": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, schema: pa.Schema) -> None:
        """Say what the columns are, where no guides follow."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add guides, in the columns of `guide_columns` and perhaps others."""


def open_guide_writer(output: Path | None, *, input_path: Path) -> GuideWriter:
    """Open a file for guides; its ending tells the format: .bed, .gff, .gff3, or a table's.

    Raises:
        UserError: nothing can be written there.
    """
    if output is not None:
        ending, gzipped = split_ending(output)
        if ending in _LINES:
            with explained(str(output)):
                return _LineWriter(NewFile(output, gzipped=gzipped), ending)
    return open_writer(output, input_path=input_path)


class _LineWriter:
    """Writes a line for each guide."""

    def __init__(self, file: NewFile, ending: str) -> None:
        self._file = file
        self._head, self._line = _LINES[ending]
        self._is_begun = False

    def __enter__(self) -> "_LineWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._file.discard()
            return
        try:
            with explained(self._file.name):
                self._file.commit()
        except BaseException:
            self._file.discard()
            raise

    def begin(self, schema: pa.Schema) -> None:
        with explained(self._file.name):
            self._file.stream.write(self._head.encode())
        self._is_begun = True

    def write(self, batch: pa.RecordBatch) -> None:
        if not self._is_begun:
            self.begin(batch.schema)
        lines = "".join(f"{self._line(row)}\n" for row in batch.to_pylist())
        with explained(self._file.name):
            self._file.stream.write(lines.encode())


def _bed_line(row: dict[str, Any]) -> str:
    """BED6 and the score: the fifth column, of whole numbers up to 1000, has none of its own to show."""
    return "\t".join(
        map(str, (row["contig"], row["start"], row["end"], row["guide"], 0, row["strand"], f"{row['score']:.6g}"))
    )


def _gff_line(row: dict[str, Any]) -> str:
    attributes = {"ID": f"{row['contig']}:{row['start']}:{row['strand']}"}
    attributes |= {
        name: value for name, value in row.items() if name not in _NOT_ATTRIBUTES and value not in (None, "")
    }
    told = ";".join(f"{name}={quote(_short(value), safe=' :+-.')}" for name, value in attributes.items())
    place = (row["contig"], "lyra_hf", _GFF_TYPE, row["start"] + 1, row["end"])
    return "\t".join(map(str, (*place, f"{row['score']:.6g}", row["strand"], ".", told)))


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


_LINES = {
    ".bed": ("", _bed_line),
    ".gff": ("##gff-version 3\n", _gff_line),
    ".gff3": ("##gff-version 3\n", _gff_line),
}
