"""Cuts input into pieces that are worked on apart."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc

from ..errors import UserError
from ..inference.fasta import open_fasta
from ..inference.parquet import parquet_row_groups
from ..inference.readers import ENDINGS
from ..inference.sources import Source, is_gzipped, split_ending

ROWS_PER_PIECE = 1_000_000  # of Parquet files, which can be read from the middle
LETTERS_PER_PIECE = 20_000_000  # of genomes; a contig stays whole
SCANNED_LETTERS_PER_PIECE = 20_000  # of sequences of which every substitution is scored


class Piece(NamedTuple):
    """A part of the input: row groups of a Parquet file, records of a FASTA file, or the whole of another.

    Attributes:
        file: the file.
        first: the number, from 0, of the first row group or record.
        size: how many there are; None for all.
    """

    file: str
    first: int = 0
    size: int | None = None

    def numbers(self) -> range | None:
        """Which row groups or records; None for the whole file."""
        return None if self.size is None else range(self.first, self.first + self.size)

    def stamp(self) -> list[int]:
        """What changes when the file does: its size, and when it was written."""
        status = Path(self.file).stat()
        return [status.st_size, status.st_mtime_ns]


def table_pieces(source: Path) -> list[Piece]:
    """The pieces of a file of sequences, or of all such files in a folder and the folders in it, by name.

    Parquet files are cut at row groups; others are a piece each.

    Raises:
        UserError: there is no such file or folder, no file in it can be read, or a Parquet file is damaged.
    """
    if not source.exists():
        raise UserError(f"{source}: there is no such file or folder")
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if _is_table(path))
    if not files:
        raise UserError(f"{source} has no file that can be read; these can: {' '.join(ENDINGS)}")
    pieces = []
    for path in files:
        name = str(path.resolve())
        if path.suffix.lower() == ".parquet":
            pieces += [Piece(name, *part) for part in gathered(parquet_row_groups(path), ROWS_PER_PIECE)]
        else:
            pieces.append(Piece(name))
    return pieces


def record_pieces(path: Path, letters: int) -> list[Piece]:
    """The pieces of a FASTA file: records that follow each other, of about so many letters together.

    Raises:
        UserError: it cannot be read, or is no FASTA file.
    """
    sizes: list[int] = []
    with Source(path, gzipped=is_gzipped(path)) as source:
        for batch in open_fasta(source, rows_per_batch=1024)[1]:
            sizes += pc.binary_length(batch.column("sequence")).to_pylist()
    return [Piece(str(path.resolve()), *part) for part in gathered(sizes, letters)]


def gathered(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Neighbours gathered while they are not more than so much together; one that is more by itself stands alone.

    Returns:
        Of each group the number of its first, from 0, and how many there are.
    """
    groups: list[tuple[int, int]] = []
    room = 0
    for number, size in enumerate(sizes):
        if groups and size <= room:
            groups[-1] = (groups[-1][0], groups[-1][1] + 1)
            room -= size
        else:
            groups.append((number, 1))
            room = most - size
    return groups


def _is_table(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and split_ending(path)[0] in ENDINGS
