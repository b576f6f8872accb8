"""A case of bad input as data: the files there are, the command, and what the one line must hold."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

# The bytes of a file, or what makes a file or a folder at the path that it is given.
Content = bytes | Callable[[Path], object]

_LONGEST_LINE = 600  # characters: what a person reads
DNA = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"  # a target of Cas9 with its context


@dataclass(frozen=True)
class Case:
    """A command that the user can mend, or that works though its input looks bad.

    Attributes:
        name: what is bad; the name of the test.
        command: the words after `lyra-hf`, as a shell would take them.
        words: what the line on standard error must hold.
        files: what the folder holds in which the command runs.
        status: 2 for what the user can mend; 0 for what is no fault.
        stdin: what standard input holds.
        leaves: the folder in which a training that breaks off keeps what it can go on from, but no model.
        said: how the lines begin that tell of progress before the fault is met.
    """

    name: str
    command: str
    words: tuple[str, ...]
    files: Mapping[str, Content] = field(default_factory=dict)
    status: int = 2
    stdin: bytes = b""
    leaves: str | None = None
    said: str | tuple[str, ...] | None = None


def make(files: Mapping[str, Content], folder: Path) -> None:
    """Put the files of a case into a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            content(path)


def snapshot(folder: Path) -> dict[str, str]:
    """What is in a folder, by name: where a link leads, the digest of a file, the kind of anything else."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            what = f"link to {path.readlink()}"
        elif path.is_file() and os.access(path, os.R_OK):
            what = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            what = "folder" if path.is_dir() else "other"
        found[str(path.relative_to(folder))] = what
    return found


def one_line(err: str, case: Case) -> str:
    """The one line that a command leaves on standard error, beside those that tell of progress."""
    lines = [line for line in err.splitlines() if case.said is None or not line.startswith(case.said)]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert lines[0].isprintable(), lines[0]
    assert len(lines[0]) < _LONGEST_LINE, len(lines[0])
    for word in case.words:
        assert word in lines[0], f"{word!r} is not in {lines[0]!r}"
    return lines[0]
