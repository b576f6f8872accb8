"""What the columns of a labelled table hold, and which of its rows count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError
from ..inference.results import ProblemType

Head = Literal["sequence", "residue"]

NUMBER_OF_FOLDS = 5


@dataclass(frozen=True)
class Condition:
    """Which values of a column count: some values, or the numbers within bounds.

    Attributes:
        values: the values that count, or None for any.
        above: numbers that count are greater, or None.
        below: numbers that count are smaller, or None.
    """

    values: tuple[Any, ...] | None = None
    above: float | None = None
    below: float | None = None

    @classmethod
    def parse(cls, content: Any) -> "Condition":
        """From a recipe: a list of values, or `above` and `below`.

        Raises:
            UserError: it is neither.
        """
        if isinstance(content, list) and content:
            return cls(values=tuple(content))
        if isinstance(content, dict) and content and set(content) <= {"above", "below"}:
            bounds = {name: bound for name, bound in content.items() if type(bound) in (int, float)}
            if len(bounds) == len(content):
                return cls(**bounds)
        raise UserError(f"a condition is a list of values, or has numbers `above` and `below`; not {content!r}")

    def holds(self, column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """Of which of a column's values it is true; of none that is missing."""
        keys = [_key(value) for value in column.to_pylist()]
        if self.values is not None:
            wanted = {_key(value) for value in self.values}
            return np.array([key is not None and key in wanted for key in keys], dtype=np.bool_)
        low = -np.inf if self.above is None else self.above
        high = np.inf if self.below is None else self.below
        return np.array([isinstance(key, float) and low < key < high for key in keys], dtype=np.bool_)


def _key(value: Any) -> float | str | None:
    """What two spellings of one value have in common: text files know no types."""
    if value is None or isinstance(value, bool):
        return None if value is None else str(value).lower()
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value).strip().lower()


RowFilter = Mapping[str, Condition]  # the conditions that a row must meet, by column


def parse_filter(content: Mapping[str, Any]) -> dict[str, Condition]:
    """The conditions of a recipe's section, by column."""
    return {column: Condition.parse(condition) for column, condition in content.items()}


def rows_that_meet(conditions: RowFilter, table: pa.Table) -> npt.NDArray[np.bool_]:
    """The rows (N,) of a table that meet all conditions."""
    met = np.ones(table.num_rows, dtype=np.bool_)
    for column, condition in conditions.items():
        met &= condition.holds(table[column])
    return met


@dataclass(frozen=True)
class Fold:
    """One of the five rounds of a cross-validation.

    Attributes:
        column: the column that numbers each row's fold from 0; rows without a number are left out.
        number: the fold that is the test set. The next one is the validation set, and the others are trained on.
    """

    column: str
    number: int

    def __post_init__(self) -> None:
        if not 0 <= self.number < NUMBER_OF_FOLDS:
            raise UserError(f"folds are numbered from 0 to {NUMBER_OF_FOLDS - 1}; there is no fold {self.number}")

    def split_of(self, fold: int | None) -> str:
        """The split of the rows of a fold; the empty string for rows that are in none."""
        if fold is None:
            return ""
        if fold == self.number:
            return "test"
        return "validation" if fold == (self.number + 1) % NUMBER_OF_FOLDS else "train"


@dataclass(frozen=True)
class TableFormat:
    """Which columns of a table hold what.

    Attributes:
        targets: the columns to predict; several make several outputs.
        sequence: the column of sequences.
        pair: the column of the second sequences of pairs, or None.
        pair_context: letters of the first sequence on each side of what the second is aligned with.
        split: the column that names each row's split, or the fold of a cross-validation, or None for a random split.
        alphabet: the sequences' alphabet, or None to tell it from their letters.
        head: one label per sequence, or one per residue; None to tell it from the labels.
        problem_type: what kind of labels they are, or None to tell it from them.
        classes: the classes in order, or None to take those there are, sorted.
        threshold: makes two classes of numbers: 1 above it, 0 up to it.
        bits: the outputs are the bits of one column of whole numbers, the lowest first: how many; 0 for no such thing.
        zeros_are_missing: whether a row was not measured where its labels per residue are all 0.
        rows: conditions that rows of any split meet, or they do not count.
        train_rows: further conditions on the rows to train on and to validate on.
        subsets: parts of the rows that are measured by themselves too, by name.
    """

    targets: tuple[str, ...]
    sequence: str = "sequence"
    pair: str | None = None
    pair_context: int = 0
    split: str | Fold | None = None
    alphabet: str | None = None
    head: Head | None = None
    problem_type: ProblemType | None = None
    classes: tuple[str, ...] | None = None
    threshold: float | None = None
    bits: int = 0
    zeros_are_missing: bool = False
    rows: RowFilter = field(default_factory=dict)
    train_rows: RowFilter = field(default_factory=dict)
    subsets: Mapping[str, RowFilter] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """All columns that are needed, each once."""
        split = self.split.column if isinstance(self.split, Fold) else self.split
        of_subsets = [column for conditions in self.subsets.values() for column in conditions]
        columns = [self.sequence, *self.targets, self.pair, split, *self.rows, *self.train_rows, *of_subsets]
        return list(dict.fromkeys(column for column in columns if column is not None))
