"""A labelled table as what a model is trained and measured on."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError, as_user_error
from ..extras import needs
from ..inference.encoding import EncodedSequences, encode_rows
from ..inference.readers import read_columns
from ..inference.results import ProblemType
from ..tokenization_lyra import SequenceEncoder

if TYPE_CHECKING:
    import datasets

Head = Literal["sequence", "residue"]
Labels = list[npt.NDArray[Any]]

SPLITS = ("train", "validation", "test")
_MOST_CLASSES = 50  # more whole numbers than this are counts, not classes
_MISSING = {"", "na", "nan", "null", "none"}  # texts that stand for no label
_MASKED = {-1, -100, "-1", "-100"}  # marks of residues without a label where labels are classes
_SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"} | {
    "val": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True)
class TableFormat:
    """Which columns of a table hold what.

    Attributes:
        targets: the columns to predict; several make several outputs.
        sequence: the column of sequences.
        pair: the column of the second sequences of pairs, or None.
        split: the column that names each row's split, or None for a random one.
        alphabet: the sequences' alphabet, or None to tell it from their letters.
        head: one label per sequence, or one per residue; None to tell it from the labels.
        problem_type: what kind of labels they are, or None to tell it from them.
        classes: the classes in order, or None to take those there are, sorted.
    """

    targets: tuple[str, ...]
    sequence: str = "sequence"
    pair: str | None = None
    split: str | None = None
    alphabet: str | None = None
    head: Head | None = None
    problem_type: ProblemType | None = None
    classes: tuple[str, ...] | None = None


class Rows(NamedTuple):
    """Rows of one split: token ids, and labels as arrays () or (O,), per residue (L,) or (L, O)."""

    encoded: EncodedSequences
    labels: Labels


@dataclass(frozen=True)
class LabelledTable:
    """A table that is read, checked and encoded.

    Attributes:
        alphabet: name of the sequences' alphabet.
        head: whether labels are per sequence or per residue.
        problem_type: the kind of labels.
        output_names: names of the outputs: the classes, or the target columns.
        splits: the rows of each split that has any.
    """

    alphabet: str
    head: Head
    problem_type: ProblemType
    output_names: list[str]
    splits: dict[str, Rows]

    def to_datasets(self) -> "datasets.DatasetDict":
        """The splits as tables of `datasets`, with columns `input_ids` and `labels`, for use with any Trainer."""
        with needs("train", "a table of datasets"):
            import datasets

        return datasets.DatasetDict(
            {
                split: datasets.Dataset.from_dict(
                    {"input_ids": list(rows.encoded), "labels": [labels.tolist() for labels in rows.labels]}
                )
                for split, rows in self.splits.items()
            }
        )

    def merged(self) -> Rows:
        """The rows of all splits together."""
        parts = self.splits.values()
        return Rows(
            EncodedSequences.concatenated([part.encoded for part in parts]),
            [labels for part in parts for labels in part.labels],
        )


def load_table(path: str | Path, form: TableFormat, *, only_split: str | None = None) -> LabelledTable:
    """Read a labelled table.

    Args:
        path: a .csv, .tsv or .parquet file (text ones may be gzipped).
        form: which columns hold what.
        only_split: encode the rows of this split and leave the others out.

    Raises:
        UserError: a column is missing, a sequence has a letter outside the alphabet or is empty, a label is not what
            the others are; the message names the row.
    """
    if len(set(form.targets)) < len(form.targets):
        raise UserError(f"a target column is named twice: {', '.join(form.targets)}")
    columns = [form.sequence, *form.targets, *([form.pair] if form.pair else []), *([form.split] if form.split else [])]
    if only_split is not None:
        only_split = _SPLIT_NAMES.get(only_split.strip().lower(), only_split)
    table = read_columns(path, list(dict.fromkeys(columns)))
    if table.num_rows == 0:
        raise UserError(f"{path}: the table has no rows")
    texts = _texts(table, form.sequence, path)
    if form.pair:
        texts = [one + other for one, other in zip(texts, _texts(table, form.pair, path), strict=True)]
    alphabet = form.alphabet or guess_alphabet(texts)
    splits = _splits(table, form.split, texts, path)
    if only_split is not None and only_split not in splits:
        raise UserError(f"{path}: no row has the split {only_split!r}; there are {', '.join(sorted(set(splits)))}")
    chosen = [index for index, split in enumerate(splits) if split and only_split in (None, split)]

    is_chosen = np.zeros(len(splits), dtype=np.bool_)
    is_chosen[chosen] = True
    with as_user_error():
        encoder = SequenceEncoder(alphabet)
    read = table.filter(pa.array(is_chosen))
    second = read[form.pair] if form.pair else None
    encoded = encode_rows(encoder, read[form.sequence], second, lambda row: f"{path}, row {chosen[row] + 1}")

    per_row = encoded.lengths // (2 if form.pair else 1)
    lengths = dict(zip(chosen, per_row.tolist(), strict=True))
    head, problem_type, names, labels = _Labels(path, form, lengths).read(table)
    return LabelledTable(
        alphabet=alphabet,
        head=head,
        problem_type=problem_type,
        output_names=names,
        splits={
            split: Rows(
                encoded.filter(np.array([splits[index] == split for index in chosen])),
                [labels[index] for index in chosen if splits[index] == split],
            )
            for split in SPLITS
            if any(splits[index] == split for index in chosen)
        },
    )


def guess_alphabet(sequences: Sequence[str]) -> str:
    """The alphabet that holds all letters: "dna" or "rna" if they are nucleotides and N alone, else "protein"."""
    letters = {letter.upper() for sequence in sequences for letter in set(sequence) if letter.isalpha()}
    if letters <= set("ACGTN"):
        return "dna"
    return "rna" if letters <= set("ACGUN") else "protein"


def random_split(sequence: str) -> str:
    """train, validation or test (80, 10, 10 %) by the sequence's own hash: equal sequences are never parted."""
    place = int.from_bytes(hashlib.sha256(sequence.upper().encode()).digest()[:4], "big") / 2**32
    return "train" if place < 0.8 else "validation" if place < 0.9 else "test"


def _texts(table: pa.Table, column: str, path: str | Path) -> list[str]:
    values = table[column].to_pylist()
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(f"{path}, row {index + 1}: {column!r} is {value!r}, not a sequence")
    return values


def _splits(table: pa.Table, column: str | None, sequences: list[str], path: str | Path) -> list[str]:
    """The split of each row; the empty string for a row that is in none."""
    if column is None:
        return [random_split(sequence) for sequence in sequences]
    splits = []
    for index, value in enumerate(table[column].to_pylist()):
        name = "" if value is None else str(value).strip().lower()
        if name and name not in _SPLIT_NAMES:
            raise UserError(f"{path}, row {index + 1}: the split {value!r} is none of {', '.join(SPLITS)}")
        splits.append(_SPLIT_NAMES.get(name, ""))
    return splits


class _Labels:
    """Reads the target columns of the rows that count."""

    def __init__(self, path: str | Path, form: TableFormat, lengths: dict[int, int]) -> None:
        self.path, self.form, self.lengths = path, form, lengths

    def read(self, table: pa.Table) -> tuple[Head, ProblemType, list[str], dict[int, npt.NDArray[Any]]]:
        """Head, problem type, names of the outputs, and each row's labels."""
        columns = {name: table[name].to_pylist() for name in self.form.targets}
        cells = {index: [self.parse(columns[name][index]) for name in self.form.targets] for index in self.lengths}
        is_list = any(isinstance(cell, list) for row in cells.values() for cell in row)
        head: Head = self.form.head or ("residue" if is_list else "sequence")
        if head == "residue":
            cells = {index: [self.per_residue(index, cell) for cell in row] for index, row in cells.items()}
        elif is_list:
            raise self.fault(next(iter(self.lengths)), "is a list; one label per sequence was expected")
        problem_type = self.form.problem_type or self.guess_problem_type(cells, head)
        if head == "residue" and problem_type != "regression":
            cells = {
                index: [[None if value in _MASKED else value for value in cell] for cell in row]
                for index, row in cells.items()
            }
        if problem_type == "single_label_classification":
            if len(self.form.targets) > 1:
                raise UserError(f"{self.path}: several target columns are numbers or labels of 0 and 1, not classes")
            names = list(self.form.classes or self.class_names(cells, head))
            return (
                head,
                problem_type,
                names,
                {index: self.class_numbers(index, row, names) for index, row in cells.items()},
            )
        labels = {index: self.numbers(index, row) for index, row in cells.items()}
        if all(np.isnan(values).all() for values in labels.values()):
            raise UserError(f"{self.path}: no row has a label in {', '.join(self.form.targets)}")
        if problem_type == "multi_label_classification":
            for index, values in labels.items():
                if not np.isin(values[~np.isnan(values)], (0, 1)).all():
                    raise self.fault(index, "has a label that is neither 0 nor 1")
        return head, problem_type, list(self.form.targets), labels

    def fault(self, index: int, problem: str, column: str | None = None) -> UserError:
        """The error of one row."""
        return UserError(f"{self.path}, row {index + 1}: {column or self.form.targets[0]!r} {problem}")

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
            except ValueError:
                return cell
        return cell

    def per_residue(self, index: int, cell: Any) -> list[Any]:
        """One label per residue: from a list, or a text with a character for each; the end may be unlabelled."""
        length = self.lengths[index]
        values = list(cell) if isinstance(cell, list | str) else [cell] if cell is not None else []
        if len(values) > length:
            raise self.fault(index, f"has {len(values)} labels for {length} residues")
        return values + [None] * (length - len(values))

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
        if len(self.form.targets) > 1:
            return "multi_label_classification" if kinds and kinds <= {"0", "1"} else "regression"
        is_numbered = kinds <= {"0", "1"} or kinds == {str(number) for number in range(min(len(kinds), _MOST_CLASSES))}
        return "single_label_classification" if kinds and is_numbered else "regression"

    def class_names(self, cells: dict[int, list[Any]], head: Head) -> list[str]:
        """The classes there are, two at least, numbers in the order of numbers."""
        values = [value for row in cells.values() for value in (row[0] if head == "residue" else row)]
        names = {_as_class(value) for value in values if value not in (None, "")}
        if not names:
            raise UserError(f"{self.path}: no row has a label in {self.form.targets[0]}")
        if len(names) == 1:
            raise UserError(f"{self.path}: {self.form.targets[0]!r} has one class only, {names.pop()!r}")
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
                raise self.fault(index, f"is {name!r}, which is none of the classes {', '.join(names)}")
            return numbers[name]

        cell = row[0]
        return np.array([number(value) for value in cell] if isinstance(cell, list) else number(cell), dtype=np.int64)

    def numbers(self, index: int, row: list[Any]) -> npt.NDArray[np.float32]:
        """The row's labels as numbers, NaN where missing: (O,), or per residue (L, O); without O where it is 1."""

        def number(value: Any, column: str) -> float:
            if value in (None, ""):
                return float("nan")
            as_number = _as_number(value)
            if as_number is None:
                raise self.fault(index, f"is {value!r}, which is not a number", column)
            if np.isinf(as_number):
                raise self.fault(index, "is infinite", column)
            return as_number

        columns = [
            [number(value, name) for value in cell] if isinstance(cell, list) else number(cell, name)
            for name, cell in zip(self.form.targets, row, strict=True)
        ]
        labels = np.moveaxis(np.array(columns, dtype=np.float32), 0, -1)
        return labels[..., 0] if len(columns) == 1 else labels


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _as_class(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool | float) and float(value).is_integer() else str(value).strip()
