"""Sequences that commands take as an argument: the letters themselves, or a FASTA file of several."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import UserError
from ..inference.fasta import FASTA_SCHEMA
from ..inference.readers import column_names, open_table

_LONGEST_NAME = 255  # of a file; systems refuse even to look for a longer one


@dataclass(frozen=True)
class Record:
    """A sequence of a command's argument.

    Attributes:
        sequence: its letters, as they are written.
        name: of a FASTA file's record the first word of its header line; None of letters that were typed.
        place: where it stands, for messages; empty of letters that were typed.
    """

    sequence: str
    name: str | None = None
    place: str = ""

    @contextmanager
    def named(self) -> Iterator[None]:
        """Around what is done with the sequence: errors of the user say which one it was."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.place}: {error}" if self.place else str(error)) from error


def read_records(argument: str) -> list[Record]:
    """The sequences that an argument tells: letters, or the name of a FASTA file, gzipped perhaps, or - for one.

    Raises:
        UserError: the file cannot be read, is no FASTA file, or has no records.
    """
    if not _names_file(argument):
        return [Record(argument)]
    if argument != "-" and column_names(argument) != FASTA_SCHEMA.names:
        raise UserError(f"{argument} is no FASTA file; give one (.fasta, .fa), or the letters of a sequence")
    with open_table(argument) as reader:
        if reader.column_names != FASTA_SCHEMA.names:
            raise UserError(f"{reader.name} is no FASTA file; it begins with a header line, '>' and a name")
        records: list[Record] = []
        for batch in reader:
            for name, sequence in zip(batch.column("id"), batch.column("sequence"), strict=True):
                records.append(Record(sequence.as_py(), name.as_py(), reader.describe_row(len(records))))
        if not records:
            raise UserError(f"{reader.name} has no sequences")
        return records


def _names_file(argument: str) -> bool:
    """No alphabet has points and slashes."""
    if argument == "-" or {".", "/"} & set(argument):
        return True
    return len(argument.encode()) <= _LONGEST_NAME and Path(argument).is_file()
