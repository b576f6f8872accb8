"""What builders of several areas share: readers of FASTA, of archives and of labels in letters, and dealing by hash."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from ...errors import UserError
from .fetch import SourceFiles
from .splits import deal, place


def fasta_lines(text: str) -> list[tuple[str, list[str]]]:
    """The records of a FASTA text: the header, without its >, and the lines below it; blank lines are left out."""
    records: list[tuple[str, list[str]]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith(">"):
            records.append((line[1:].strip(), []))
        else:
            records[-1][1].append(line)
    return records


def fasta(text: str) -> list[tuple[str, str]]:
    """The records of a FASTA text: the header, without its >, and the sequence."""
    return [(header, "".join(lines)) for header, lines in fasta_lines(text)]


def archived(files: SourceFiles, archive: str, name: str) -> str:
    """A text in a .zip, in whatever folder of it.

    Args:
        files: the source files.
        archive: the .zip among them.
        name: the text's name, or a pattern of it such as `*.json`.

    Raises:
        UserError: there is none of this name in it, or several.
    """
    with zipfile.ZipFile(files.path(archive)) as opened:
        members = (member for member in opened.namelist() if not member.startswith("__MACOSX/"))
        found = [member for member in members if PurePosixPath(member).match(name)]
        if len(found) != 1:
            raise UserError(f"{files.path(archive)}: one {name} was to be in it, there are {len(found)}")
        return opened.read(found[0]).decode("utf-8")


def letters_only(sequence: str, alphabet: str, other: str) -> str:
    """A sequence in upper case with one letter in place of those that the alphabet lacks."""
    return re.sub(f"[^{alphabet}]", other, sequence.upper())


def numbers(letters: str, meaning: Mapping[str, int]) -> npt.NDArray[np.int8]:
    """Labels that are written as one letter each."""
    return np.array([meaning[letter] for letter in letters], np.int8)


def held_out(text: str, share: float, method: str = "sha256") -> str:
    """Whether a text's hash puts it into validation, a share of all, or leaves it in train."""
    return "validation" if place(text, method) < share else "train"


def dealt(text: str, ends: Sequence[float]) -> str:
    """The split that a text's hash puts it in.

    Args:
        text: names the row or its group.
        ends: where train and validation end between 0 and 1; the rest is test.
    """
    return deal((*ends, 1), ("train", "validation", "test"), place(f"lyra-v1:{text}"))
