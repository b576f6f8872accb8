"""Reads the target columns of a table: numbers, classes, several labels at once, per sequence or per residue."""

import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError, shown
from ..inference.results import ProblemType
from .formats import Head, TableFormat
from .places import TablePlaces

_MOST_CLASSES = 50  # more whole numbers than this are counts, not classes
_LARGEST = float(np.finfo(np.float32).max)
_MISSING = {"", "na", "nan", "null", "none"}  # texts that stand for no label
_MASKED = {-1, -100, "-1", "-100"}  # marks of residues without a label where labels are classes


class ReadLabels(NamedTuple):
    """The labels of some rows, and what they turned out to be.

    Attributes:
        head: whether they are per sequence or per residue.
        problem_type: the kind of labels.
        output_names: the classes, or the target columns.
        labels: by row, () or (O,), per residue (L,) or (L, O).
    """

    head: Head
    problem_type: ProblemType
    output_names: list[str]
    labels: dict[int, npt.NDArray[Any]]


class LabelReader:
    """Reads the target columns of the rows that count.

    Args:
        places: what messages call the table and its rows.
        form: which columns hold what.
        lengths: the residues of each row that counts, by the row's number.
    """

    def __init__(self, places: TablePlaces, form: TableFormat, lengths: dict[int, int]) -> None:
        self.places, self.form, self.lengths = places, form, lengths
        self.columns = list(form.targets)
        if form.bits:
            self.columns = [f"{form.targets[0]} bit {bit}" for bit in range(form.bits)]

    def read(self, table: pa.Table) -> ReadLabels:
        """Head, problem type, names of the outputs, and each row's labels."""
        columns = {name: table[name].to_pylist() for name in self.form.targets}
        cells = {index: [self.parse(columns[name][index]) for name in self.form.targets] for index in self.lengths}
        is_list = any(isinstance(cell, list) for row in cells.values() for cell in row)
        head: Head = self.form.head or ("residue" if is_list else "sequence")
        if self.form.zeros_are_missing and head == "sequence":
            raise UserError(
                "labels that are all 0 can stand for a row that was not measured only where each residue has a label"
            )
        if head == "residue":
            cells = {
                index: [
                    self.per_residue(index, cell, column) for column, cell in zip(self.form.targets, row, strict=True)
                ]
                for index, row in cells.items()
            }
        elif is_list:
            index, column = next(
                (index, column)
                for index, row in cells.items()
                for column, cell in zip(self.form.targets, row, strict=True)
                if isinstance(cell, list)
            )
            raise self.fault(index, "is a list; one label per sequence was expected", column)
        if self.form.threshold is not None or self.form.bits:
            cells = {index: self.derived(index, row[0]) for index, row in cells.items()}
        problem_type = self.form.problem_type or self.guess_problem_type(cells, head)
        if head == "residue" and problem_type != "regression":
            cells = {
                index: [[None if value in _MASKED else value for value in cell] for cell in row]
                for index, row in cells.items()
            }
        if problem_type == "single_label_classification":
            if len(self.form.targets) > 1:
                raise UserError(f"{self.places}: several target columns are numbers or labels of 0 and 1, not classes")
            names = list(self.form.classes or self.class_names(cells, head))
            classes = {index: self.class_numbers(index, row, names) for index, row in cells.items()}
            return ReadLabels(head, problem_type, names, classes)
        labels = {index: self.numbers(index, row) for index, row in cells.items()}
        self.check_numbers(labels, problem_type)
        return ReadLabels(head, problem_type, self.columns, labels)

    def check_numbers(self, labels: dict[int, npt.NDArray[Any]], problem_type: ProblemType) -> None:
        """Refuse labels of which there is none, and those of several labels at once that are not 0 or 1."""
        if all(np.isnan(values).all() for values in labels.values()):
            raise UserError(f"{self.places}: no row has a label in {', '.join(self.form.targets)}")
        if problem_type == "multi_label_classification":
            for index, values in labels.items():
                is_wrong = ~np.isnan(values) & ~np.isin(values, (0, 1))
                if is_wrong.any():
                    outputs = is_wrong.reshape(-1, len(self.columns)).any(0)
                    raise self.fault(index, "has a label that is neither 0 nor 1", self.columns[int(outputs.argmax())])

    def fault(self, index: int, problem: str, column: str | None = None) -> UserError:
        """The error of one row."""
        return UserError(f"{self.places.cell(index, column or self.form.targets[0])} {problem}")

    @staticmethod
    def parse(cell: Any) -> Any:
        """A list where the text of a cell is one, None where it says that there is no label, else the cell."""
        if isinstance(cell, str) and cell.strip().lower() in _MISSING:
            return None
        if isinstance(cell, float) and np.isnan(cell):
            return None
        if isinstance(cell, str) and cell.lstrip().startswith("["):
            try:
                return json.loads(cell)
            except (ValueError, RecursionError):
                return cell
        return cell

    def per_residue(self, index: int, cell: Any, column: str) -> list[Any]:
        """One label per residue: from a list, or a text with a character for each; the end may be unlabelled."""
        length = self.lengths[index]
        values = list(cell) if isinstance(cell, list | str) else [cell] if cell is not None else []
        if len(values) > length:
            raise self.fault(index, f"has {len(values)} labels for {length} residues", column)
        values = [None if value != value else value for value in values]  # NaN, as `parse` does where there is one
        if self.form.zeros_are_missing and all(value == 0 for value in values):
            values = []
        return values + [None] * (length - len(values))

    def derived(self, index: int, cell: Any) -> list[Any]:
        """The columns that are made of a cell's number or numbers: the class above a threshold, or the bits."""
        numbers = [_as_number(value) for value in (cell if isinstance(cell, list) else [cell])]
        for number, value in zip(numbers, cell if isinstance(cell, list) else [cell], strict=True):
            if value is not None and number is None:
                raise self.fault(index, f"is {shown(value)}, which is not a number")
            if self.form.bits and number is not None and not (number.is_integer() and 0 <= number < 2**self.form.bits):
                raise self.fault(index, f"is {shown(value)}, which is no mask of {self.form.bits} bits")
        if self.form.bits:
            columns = [
                [None if number is None else int(number) >> bit & 1 for number in numbers]
                for bit in range(self.form.bits)
            ]
        else:
            columns = [[None if number is None else int(number > (self.form.threshold or 0)) for number in numbers]]
        return columns if isinstance(cell, list) else [column[0] for column in columns]

    def guess_problem_type(self, cells: dict[int, list[Any]], head: Head) -> ProblemType:
        """Numbers mean regression; texts, and whole numbers that are exactly 0, 1, ... up to some number, mean classes;
        several columns of 0 and 1 mean several labels at once.
        """
        values = [
            value
            for row in cells.values()
            for cell in row
            for value in (cell if head == "residue" else [cell])
            if value not in (None, "") and not (head == "residue" and value in _MASKED)
        ]
        numeric = [value for value in values if _as_number(value) is not None]
        if 2 * len(numeric) < len(values):
            return "single_label_classification"
        # Integers of a Parquet file, and digits of a text file, may be classes; 1.0 is a number.
        whole = len(numeric) == len(values) and all(not isinstance(value, float) for value in values)
        kinds = {_as_class(value) for value in values} if whole else set()
        if len(self.columns) > 1:
            return "multi_label_classification" if kinds and kinds <= {"0", "1"} else "regression"
        is_numbered = kinds <= {"0", "1"} or kinds == {str(number) for number in range(min(len(kinds), _MOST_CLASSES))}
        return "single_label_classification" if kinds and is_numbered else "regression"

    def class_names(self, cells: dict[int, list[Any]], head: Head) -> list[str]:
        """The classes there are, two at least, numbers in the order of numbers."""
        values = [value for row in cells.values() for value in (row[0] if head == "residue" else row)]
        names = {_as_class(value) for value in values if value not in (None, "")}
        if not names:
            raise UserError(f"{self.places}: no row has a label in {self.form.targets[0]}")
        if len(names) == 1:
            raise UserError(f"{self.places}: {self.form.targets[0]!r} has one class only, {names.pop()!r}")
        return sorted(names, key=lambda name: (0, int(name), "") if name.lstrip("-").isdigit() else (1, 0, name))

    def class_numbers(self, index: int, row: list[Any], names: list[str]) -> npt.NDArray[np.int64]:
        """The row's label or labels as numbers of classes, -100 where missing."""
        numbers = {name: number for number, name in enumerate(names)}

        def number(value: Any) -> int:
            if value in (None, ""):
                return -100
            name = _as_class(value)
            if name.isdecimal() and int(name) < len(names) and not any(known.isdecimal() for known in names):
                return int(name)  # the class's number in place of its name
            if name not in numbers:
                raise self.fault(index, f"is {shown(name)}, which is none of the classes {', '.join(names)}")
            return numbers[name]

        cell = row[0]
        if not isinstance(cell, list):
            return np.array(number(cell), dtype=np.int64)
        known = {value: number(value) for value in set(cell)}  # residues are many, their classes few
        return np.array([known[value] for value in cell], dtype=np.int64)

    def numbers(self, index: int, row: list[Any]) -> npt.NDArray[np.float32]:
        """The row's labels as numbers, NaN where missing: (O,), or per residue (L, O); without O where it is 1."""

        def number(value: Any, column: str) -> float:
            if value in (None, ""):
                return float("nan")
            as_number = _as_number(value)
            if as_number is None:
                raise self.fault(index, f"is {shown(value)}, which is not a number", column)
            if np.isinf(as_number):
                raise self.fault(index, "is infinite", column)
            if abs(as_number) > _LARGEST:
                raise self.fault(index, f"is {shown(value)}, which is too large", column)
            return as_number

        def column(cell: Any, name: str) -> Any:
            if not isinstance(cell, list):
                return number(cell, name)
            plain = _plain_numbers(cell)
            return [number(value, name) for value in cell] if plain is None else plain

        columns = [column(cell, name) for name, cell in zip(self.columns, row, strict=True)]
        labels = np.moveaxis(np.array(columns, dtype=np.float32), 0, -1)
        return labels[..., 0] if len(columns) == 1 else labels


def _plain_numbers(values: list[Any]) -> npt.NDArray[np.float64] | None:
    """Numbers and None as an array, much faster than one by one; None where one of them is anything else."""
    if not all(value is None or isinstance(value, int | float) for value in values):
        return None
    array = np.array(values, dtype=np.float64)
    return None if (np.abs(array) > _LARGEST).any() else array


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_class(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool | float) and float(value).is_integer() else str(value).strip()
