"""What messages call a table, its rows and its cells, so that a person finds them in the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class TablePlaces:
    """The places of a table that is one file; as a text it is the file's name.

    Args:
        name: what the table is called.
    """

    def __init__(self, name: str | Path) -> None:
        self.name = str(name)

    def __str__(self) -> str:
        return self.name

    def row(self, index: int) -> str:
        """A row, numbered from 0 here and from 1 in the message."""
        return f"{self.name}, row {index + 1}"

    def cell(self, index: int, column: str) -> str:
        """A row and a column of it."""
        return f"{self.row(index)}: {column!r}"


@dataclass(frozen=True)
class JoinedColumn:
    """Where a target column of joined tables comes from.

    Attributes:
        path: the table.
        column: the column in it.
        rows: for each row of the joined tables the row in it, or None where it has no such row.
    """

    path: Path
    column: str
    rows: Sequence[int | None]


class JoinedPlaces(TablePlaces):
    """The places of tables that are joined: each row and cell is told as that of the file that it comes from.

    Args:
        columns: where each target column comes from, by its name in the joined tables.
    """

    def __init__(self, columns: Mapping[str, JoinedColumn]) -> None:
        super().__init__(" + ".join(str(source.path) for source in columns.values()))
        self.columns = columns

    def row(self, index: int) -> str:
        """A row, in the first of the tables that has it."""
        source = next(source for source in self.columns.values() if source.rows[index] is not None)
        return _place(source, index)

    def cell(self, index: int, column: str) -> str:
        """A row and a column of it: of a target, in the target's own table and by its name there."""
        source = self.columns.get(column)
        if source is None or source.rows[index] is None:
            return f"{self.row(index)}: {column!r}"
        return f"{_place(source, index)}: {source.column!r}"


def _place(source: JoinedColumn, index: int) -> str:
    return f"{source.path}, row {(source.rows[index] or 0) + 1}"
