"""The contigs of a genome, one at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..alphabets import DNA
from ..errors import UserError
from ..inference.fasta import open_fasta
from ..inference.sources import Source, is_gzipped

Ids = npt.NDArray[np.uint8]

_PIECE = 1 << 20
_IDS = DNA.vocabulary
_OTHER = 0  # no token's id: the byte is no nucleotide
_TABLE = bytearray(256)
for _symbol in (*DNA.letters, *DNA.ambiguity):
    _TABLE[ord(_symbol)] = _IDS[_symbol]
for _spelling, _symbol in DNA.foldings.items():
    _TABLE[ord(_spelling)] = _IDS[_symbol]


class Contig(NamedTuple):
    """A sequence of a genome.

    Attributes:
        name: the first word of its header line.
        ids: (L,), the token ids of its letters in the alphabet of DNA; U is T, and lower case is as upper case.
    """

    name: str
    ids: Ids


def contigs(path: Path, numbers: range | None = None) -> Iterator[Contig]:
    """The contigs of a FASTA file, plain or compressed by gzip or bgzip, which its first bytes tell.

    Args:
        path: the file.
        numbers: which of them, from 0, without gaps; all unless told.

    Raises:
        UserError: it cannot be read, is no FASTA file, is damaged, a letter is no nucleotide, or a name comes twice.
    """
    seen: set[str] = set()
    with Source(path, gzipped=is_gzipped(path)) as source:
        _, batches = open_fasta(source, rows_per_batch=1024)
        for batch in batches:
            texts = batch.column("sequence")
            for index, name in enumerate(batch.column("id").to_pylist()):
                if name in seen:
                    raise UserError(f"{path}: two contigs are called {name!r}; give each its own name")
                seen.add(name)
                if numbers is not None and len(seen) > numbers.stop:
                    return
                if numbers is None or len(seen) > numbers.start:
                    yield Contig(name, _encoded(texts, index, f"{path}, contig {name}"))


def _encoded(texts: pa.StringArray, index: int, place: str) -> Ids:
    """Token ids of one text of an array."""
    offsets = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset + index :][:2]
    letters = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[1]]
    ids = np.empty(letters.size, np.uint8)
    for start in range(0, letters.size, _PIECE):
        piece = letters[start : start + _PIECE].tobytes().translate(bytes(_TABLE))
        ids[start : start + _PIECE] = np.frombuffer(piece, np.uint8)
        wrong = piece.find(_OTHER)
        if wrong >= 0:
            letter = chr(letters[start + wrong])
            raise UserError(
                f"{place}: the letter {letter!r} at position {start + wrong + 1} is no nucleotide; guides are designed "
                "in DNA or RNA"
            )
    return ids
