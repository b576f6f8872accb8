"""A labelled table as what a model is trained and measured on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from transformers.utils import SAFE_WEIGHTS_NAME

from ..errors import UserError, as_user_error
from ..extras import needs
from ..inference.encoding import EncodedSequences, encode_rows, pair_positions
from ..inference.readers import read_columns
from ..inference.results import ProblemType
from ..tasks.building.splits import deal, place
from ..tokenization_lyra import SequenceEncoder
from .formats import NUMBER_OF_FOLDS, Fold, Head, TableFormat, rows_that_meet
from .label_columns import LabelReader

if TYPE_CHECKING:
    import datasets

Labels = list[npt.NDArray[Any]]

SPLITS = ("train", "validation", "test")
_VALIDATION_SHARE = 0.1  # of the rows to train on, where none is given to validate on
_SPLIT_NAMES = {"train": "train", "training": "train", "validation": "validation", "valid": "validation"} | {
    "val": "validation", "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip


class Rows(NamedTuple):
    """Rows of one split.

    Attributes:
        encoded: token ids.
        labels: of each row, () or (O,), per residue (L,) or (L, O).
        subsets: of each named part of them, which rows (N,) belong to it.
    """

    encoded: EncodedSequences
    labels: Labels
    subsets: Mapping[str, npt.NDArray[np.bool_]] = MappingProxyType({})


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
        parts = list(self.splits.values())
        return Rows(
            EncodedSequences.concatenated([part.encoded for part in parts]),
            [labels for part in parts for labels in part.labels],
            {name: np.concatenate([part.subsets[name] for part in parts]) for name in parts[0].subsets},
        )

    def for_training(self) -> "LabelledTable":
        """The table without its test rows: all that training is given."""
        return replace(self, splits={split: rows for split, rows in self.splits.items() if split != "test"})


class HeldOut:
    """Test rows that nobody has seen: they can be read once, when a model is trained and saved.

    Args:
        number: how many there are.
        read: reads them.
    """

    def __init__(self, number: int, read: Callable[[], Rows]) -> None:
        self.number = number
        self._read: Callable[[], Rows] | None = read

    def open(self, model: Path) -> Rows:
        """The rows.

        Args:
            model: the folder of the model that will be measured on them.

        Raises:
            UserError: there is no model in that folder yet, or the rows have been read before.
        """
        if not (model / SAFE_WEIGHTS_NAME).is_file():
            raise UserError(f"{model} holds no model yet; test rows are read once, when training has ended")
        if self._read is None:
            raise UserError("the test rows have been read already; a model is measured on them once")
        read, self._read = self._read, None
        return read()


def load_table(
    path: str | Path | Sequence[str | Path], form: TableFormat, *, only_split: str | None = None
) -> LabelledTable:
    """Read a labelled table.

    Args:
        path: a .csv, .tsv or .parquet file (text ones may be gzipped); or several that are joined by sequence, the
            first target being of the first file, the second of the second, and so on.
        form: which columns hold what.
        only_split: encode the rows of this split and leave the others out.

    Raises:
        UserError: a column is missing, a sequence has a letter outside the alphabet or is empty, a label is not what
            the others are; the message names the row.
    """
    if not isinstance(path, str | Path):
        table, form, path = join_tables([Path(one) for one in path], form)
    else:
        if len(set(form.targets)) < len(form.targets):
            raise UserError(f"a target column is named twice: {', '.join(form.targets)}")
        table = read_columns(path, form.columns)
    if only_split is not None:
        only_split = _SPLIT_NAMES.get(only_split.strip().lower(), only_split)
    if table.num_rows == 0:
        raise UserError(f"{path}: the table has no rows")
    texts = _texts(table, form.sequence, path)
    if form.pair:
        texts = [one + other for one, other in zip(texts, _texts(table, form.pair, path), strict=True)]
    alphabet = form.alphabet or guess_alphabet(texts)
    splits = np.array(_splits(table, form, texts, path))
    if only_split is not None and only_split not in splits:
        there_are = ", ".join(sorted(set(splits.tolist()) - {""}))
        raise UserError(f"{path}: no row has the split {only_split!r}; there are {there_are}")
    is_chosen = splits != "" if only_split is None else splits == only_split
    chosen = np.flatnonzero(is_chosen)

    with as_user_error():
        encoder = SequenceEncoder(alphabet)
    read = table.filter(pa.array(is_chosen))
    second = read[form.pair] if form.pair else None
    encoded = encode_rows(
        encoder, read[form.sequence], second, lambda row: f"{path}, row {chosen[row] + 1}", form.pair_context
    )

    per_row = pair_positions(encoded.lengths, form.pair_context) if form.pair else encoded.lengths
    lengths = dict(zip(chosen.tolist(), per_row.tolist(), strict=True))
    head, problem_type, names, labels = LabelReader(path, form, lengths).read(table)
    members = {name: rows_that_meet(conditions, table) for name, conditions in form.subsets.items()}
    return LabelledTable(
        alphabet=alphabet,
        head=head,
        problem_type=problem_type,
        output_names=names,
        splits={
            split: Rows(
                encoded.filter(splits[chosen] == split),
                [labels[index] for index in np.flatnonzero(splits == split).tolist()],
                {name: flags[splits == split] for name, flags in members.items()},
            )
            for split in SPLITS
            if (splits[chosen] == split).any()
        },
    )


def load_for_training(
    path: str | Path | Sequence[str | Path], form: TableFormat
) -> tuple[LabelledTable, HeldOut | None]:
    """A table to train on, and its test rows, if there are any, held back; arguments and errors as of `load_table`."""
    table = load_table(path, form)
    if "test" not in table.splits:
        return table, None
    classes = tuple(table.output_names) if table.problem_type == "single_label_classification" else None
    found = replace(form, alphabet=table.alphabet, head=table.head, problem_type=table.problem_type, classes=classes)
    number = len(table.splits["test"].encoded)
    return table.for_training(), HeldOut(number, lambda: load_table(path, found, only_split="test").splits["test"])


def join_tables(paths: Sequence[Path], form: TableFormat) -> tuple[pa.Table, TableFormat, str]:
    """Several tables as one, with a row for each different sequence and a column for each table's target.

    Args:
        paths: the tables.
        form: the targets are one column of each table, in order; the tables share the other columns' names.

    Returns:
        The table, what its columns hold, and what messages call it. Its targets are called as their files.

    Raises:
        UserError: there is not one target for each table, or a sequence is in different splits, or twice in a table.
    """
    if len(paths) != len(form.targets) or form.pair or not isinstance(form.split, str):
        raise UserError("tables are joined by sequence: give one target for each, and a column of splits")
    if form.rows or form.train_rows or form.subsets:
        raise UserError("tables that are joined have no column in common that a condition could be on")
    targets = tuple(path.stem for path in paths)
    if len({*targets, form.sequence, form.split}) < len(targets) + 2:
        raise UserError(f"tables that are joined need different names: {', '.join(targets)}")
    name = " + ".join(str(path) for path in paths)
    splits: dict[str, str] = {}
    values: list[dict[str, Any]] = []
    for path, target in zip(paths, form.targets, strict=True):
        table = read_columns(path, [form.sequence, target, form.split])
        of_table: dict[str, Any] = {}
        rows = zip(*(table[column].to_pylist() for column in (form.sequence, form.split, target)), strict=True)
        for row, (sequence, split, value) in enumerate(rows):
            if splits.setdefault(sequence, split) != split:
                raise UserError(f"{path}, row {row + 1}: {sequence} is in the split {split!r}, elsewhere in another")
            if sequence in of_table:
                raise UserError(f"{path}, row {row + 1}: {sequence} is in an earlier row too")
            of_table[sequence] = value
        values.append(of_table)
    columns: dict[str, list[Any]] = {form.sequence: list(splits), form.split: list(splits.values())}
    for target, of_table in zip(targets, values, strict=True):
        columns[target] = [of_table.get(sequence) for sequence in splits]
    return pa.table(columns), replace(form, targets=targets), name


def guess_alphabet(sequences: Sequence[str]) -> str:
    """The alphabet that holds all letters: "dna" or "rna" if they are nucleotides and N alone, else "protein"."""
    letters = {letter.upper() for sequence in sequences for letter in set(sequence) if letter.isalpha()}
    if letters <= set("ACGTN"):
        return "dna"
    return "rna" if letters <= set("ACGUN") else "protein"


def random_split(sequence: str) -> str:
    """train, validation or test (80, 10, 10 %) by the sequence's own hash: equal sequences are never parted."""
    return deal((0.8, 0.9, 1), SPLITS, place(sequence.upper()))


def _texts(table: pa.Table, column: str, path: str | Path) -> list[str]:
    values = table[column].to_pylist()
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(f"{path}, row {index + 1}: {column!r} is {value!r}, not a sequence")
    return values


def _splits(table: pa.Table, form: TableFormat, sequences: list[str], path: str | Path) -> list[str]:
    """The split of each row; the empty string for a row that is in none.

    Where a column of splits names no row to validate on, a tenth of those to train on is taken, by their hash.
    """
    counts, trains = rows_that_meet(form.rows, table), rows_that_meet(form.train_rows, table)
    if form.split is None:
        splits = [random_split(sequence) for sequence in sequences]
    elif isinstance(form.split, Fold):
        folds = table[form.split.column].to_pylist()
        splits = [
            form.split.split_of(_fold_number(fold, row, path)) if counts[row] else "" for row, fold in enumerate(folds)
        ]
    else:
        values = table[form.split].to_pylist()
        splits = [_split_name(value, row, path) if counts[row] else "" for row, value in enumerate(values)]
    splits = [split if counts[row] and (split == "test" or trains[row]) else "" for row, split in enumerate(splits)]
    if "train" in splits and "validation" not in splits:
        splits = [
            "validation" if split == "train" and place(sequence.upper()) < _VALIDATION_SHARE else split
            for split, sequence in zip(splits, sequences, strict=True)
        ]
    return splits


def _fold_number(value: Any, row: int, path: str | Path) -> int | None:
    """The number of a row's fold, None where it has none; text files hold texts, and gaps make floats of numbers."""
    value = LabelReader.parse(value)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1
    if number not in range(NUMBER_OF_FOLDS):
        raise UserError(f"{path}, row {row + 1}: the fold {value!r} is none of 0 to {NUMBER_OF_FOLDS - 1}")
    return int(number)


def _split_name(value: Any, row: int, path: str | Path) -> str:
    name = "" if value is None else str(value).strip().lower()
    if name and name not in _SPLIT_NAMES:
        raise UserError(f"{path}, row {row + 1}: the split {value!r} is none of {', '.join(SPLITS)}")
    return _SPLIT_NAMES.get(name, "")
