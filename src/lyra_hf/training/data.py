"""A labelled table as what a model is trained and measured on."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from transformers.utils import SAFE_WEIGHTS_NAME

from ..errors import UserError, as_user_error, shown
from ..extras import needs
from ..inference.encoding import EncodedSequences, encode_rows, pair_positions
from ..inference.readers import read_columns
from ..inference.results import ProblemType
from ..tasks.building.splits import deal, place
from ..tokenization_lyra import SequenceEncoder
from .formats import NUMBER_OF_FOLDS, Fold, Head, TableFormat, rows_that_meet
from .label_columns import LabelReader
from .places import JoinedColumn, JoinedPlaces, TablePlaces

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

    @property
    def are_labelled(self) -> bool:
        """Whether any of them has a label: a class (the number of none is -100), or a number (NaN is none)."""
        return any(bool(((row >= 0) if row.dtype.kind == "i" else ~np.isnan(row)).any()) for row in self.labels)

    @classmethod
    def concatenated(cls, parts: Sequence["Rows"]) -> "Rows":
        """The rows of all parts, in order; their subsets are dropped."""
        return cls(
            EncodedSequences.concatenated([part.encoded for part in parts]),
            [labels for part in parts for labels in part.labels],
        )

    def filter(self, wanted: npt.NDArray[np.bool_]) -> "Rows":
        """The rows marked True: (N,)."""
        return Rows(
            self.encoded.filter(wanted),
            [labels for labels, is_wanted in zip(self.labels, wanted, strict=True) if is_wanted],
            {name: flags[wanted] for name, flags in self.subsets.items()},
        )

    def digest(self) -> str:
        """What changes where any letter, label or part does."""
        digest = hashlib.sha256(self.encoded.ids.tobytes() + self.encoded.offsets.tobytes())
        for row in self.labels:
            digest.update(f"{row.dtype}{row.shape}".encode() + row.tobytes())
        for name, flags in sorted(self.subsets.items()):
            digest.update(name.encode() + flags.tobytes())
        return digest.hexdigest()


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
        name: what messages call their table.
        digest: theirs as it was when they were set aside; None if it is not to be compared.
    """

    def __init__(
        self, number: int, read: Callable[[], Rows], *, name: str = "the table", digest: str | None = None
    ) -> None:
        self.number = number
        self._read: Callable[[], Rows] | None = read
        self._name, self._digest = name, digest

    def open(self, model: Path) -> Rows:
        """The rows.

        Args:
            model: the folder of the model that will be measured on them.

        Raises:
            UserError: there is no model in that folder yet, or the rows have been read before, or they are not what
                they were when they were set aside.
        """
        if not (model / SAFE_WEIGHTS_NAME).is_file():
            raise UserError(f"{model} holds no model yet; test rows are read once, when training has ended")
        if self._read is None:
            raise UserError("the test rows have been read already; a model is measured on them once")
        read, self._read = self._read, None
        rows = read()
        if self._digest is not None and rows.digest() != self._digest:
            raise UserError(
                f"{self._name}: its test rows changed while the model was trained; it is saved in {model} but not "
                "measured: give the same command again to measure it on the rows as they are now"
            )
        return rows


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
    places: TablePlaces
    if not isinstance(path, str | Path):
        table, form, places = join_tables([Path(one) for one in path], form)
    else:
        places = TablePlaces(path)
        if len(set(form.targets)) < len(form.targets):
            raise UserError(f"a target column is named twice: {', '.join(form.targets)}")
        table = read_columns(path, form.columns)
    if only_split is not None:
        only_split = _SPLIT_NAMES.get(only_split.strip().lower(), only_split)
    if table.num_rows == 0:
        raise UserError(f"{places}: the table has no rows")
    texts = _texts(table, form.sequence, places)
    if form.pair:
        texts = [one + other for one, other in zip(texts, _texts(table, form.pair, places), strict=True)]
    alphabet = guess_alphabet(texts) if form.alphabet is None else form.alphabet
    splits = np.array(_splits(table, form, texts, places))
    if only_split is not None and only_split not in splits:
        there_are = ", ".join(sorted(set(splits.tolist()) - {""}))
        raise UserError(f"{places}: no row has the split {only_split!r}; there are {there_are}")
    is_chosen = splits != "" if only_split is None else splits == only_split
    chosen = np.flatnonzero(is_chosen)

    with as_user_error():
        encoder = SequenceEncoder(alphabet)
    read = table.filter(pa.array(is_chosen))
    second = read[form.pair] if form.pair else None
    encoded = encode_rows(
        encoder, read[form.sequence], second, lambda row: places.row(int(chosen[row])), form.pair_context
    )

    per_row = pair_positions(encoded.lengths, form.pair_context) if form.pair else encoded.lengths
    lengths = dict(zip(chosen.tolist(), per_row.tolist(), strict=True))
    head, problem_type, names, labels = LabelReader(places, form, lengths).read(table)
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
    """A table to train on, and its test rows, if there are any, held back.

    Arguments and errors are those of `load_table`; a split in which no row has a label is an error too, so that of test
    rows it is told before time is spent on training.
    """
    table = load_table(path, form)
    name = str(path) if isinstance(path, str | Path) else " + ".join(map(str, path))
    for split, rows in table.splits.items():
        if not rows.are_labelled:
            advice = "label some of them, or leave their split empty"
            raise UserError(
                f"{name}: no row of the split {split!r} has a label in {', '.join(form.targets)} (it has "
                f"{len(rows.labels):,} row(s)); {'label more rows' if form.split is None else advice}"
            )
    if "test" not in table.splits:
        return table, None
    classes = tuple(table.output_names) if table.problem_type == "single_label_classification" else None
    found = replace(form, alphabet=table.alphabet, head=table.head, problem_type=table.problem_type, classes=classes)
    test = table.splits["test"]
    held_out = HeldOut(
        len(test.encoded),
        lambda: load_table(path, found, only_split="test").splits["test"],
        name=name,
        digest=test.digest(),
    )
    return table.for_training(), held_out


def join_tables(paths: Sequence[Path], form: TableFormat) -> tuple[pa.Table, TableFormat, JoinedPlaces]:
    """Several tables as one, with a row for each different sequence and a column for each table's target.

    Args:
        paths: the tables.
        form: the targets are one column of each table, in order; the tables share the other columns' names.

    Returns:
        The table, what its columns hold, and what messages call its rows. Its targets are called as their files.

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
    splits: dict[str, str] = {}
    values: list[dict[str, Any]] = []
    for path, target in zip(paths, form.targets, strict=True):
        table = read_columns(path, [form.sequence, target, form.split])
        of_table: dict[str, Any] = {}  # in the order of the table's rows
        rows = zip(*(table[column].to_pylist() for column in (form.sequence, form.split, target)), strict=True)
        for row, (sequence, split, value) in enumerate(rows):
            if splits.setdefault(sequence, split) != split:
                raise UserError(f"{path}, row {row + 1}: {sequence} is in the split {split!r}, elsewhere in another")
            if sequence in of_table:
                raise UserError(f"{path}, row {row + 1}: {sequence} is in an earlier row too")
            of_table[sequence] = value
        values.append(of_table)
    columns: dict[str, list[Any]] = {form.sequence: list(splits), form.split: list(splits.values())}
    places: dict[str, JoinedColumn] = {}
    for target, path, column, of_table in zip(targets, paths, form.targets, values, strict=True):
        columns[target] = [of_table.get(sequence) for sequence in splits]
        row_of = {sequence: row for row, sequence in enumerate(of_table)}
        places[target] = JoinedColumn(path, column, [row_of.get(sequence) for sequence in splits])
    return pa.table(columns), replace(form, targets=targets), JoinedPlaces(places)


def guess_alphabet(sequences: Sequence[str]) -> str:
    """The alphabet that holds all letters: "dna" or "rna" if they are nucleotides and N alone, else "protein"."""
    letters = {letter.upper() for sequence in sequences for letter in set(sequence) if letter.isalpha()}
    if letters <= set("ACGTN"):
        return "dna"
    return "rna" if letters <= set("ACGUN") else "protein"


def random_split(sequence: str) -> str:
    """train, validation or test (80, 10, 10 %) by the sequence's own hash: equal sequences are never parted."""
    return deal((0.8, 0.9, 1), SPLITS, place(sequence.upper()))


def _texts(table: pa.Table, column: str, places: TablePlaces) -> list[str]:
    values = table[column].to_pylist()
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise UserError(f"{places.cell(index, column)} is {shown(value)}, not a sequence")
    return values


def _splits(table: pa.Table, form: TableFormat, sequences: list[str], places: TablePlaces) -> list[str]:
    """The split of each row; the empty string for a row that is in none.

    Where no row is there to validate on, a tenth of the sequences to train on is taken, by their hash; one at least if
    there are two.
    """
    counts, trains = rows_that_meet(form.rows, table), rows_that_meet(form.train_rows, table)
    if form.split is None:
        splits = [random_split(sequence) for sequence in sequences]
    elif isinstance(form.split, Fold):
        folds = table[form.split.column].to_pylist()
        splits = [
            form.split.split_of(_fold_number(fold, row, places)) if counts[row] else ""
            for row, fold in enumerate(folds)
        ]
    else:
        values = table[form.split].to_pylist()
        splits = [_split_name(value, row, places) if counts[row] else "" for row, value in enumerate(values)]
    splits = [split if counts[row] and (split == "test" or trains[row]) else "" for row, split in enumerate(splits)]
    if "train" in splits and "validation" not in splits:
        to_train_on = {text.upper() for text, split in zip(sequences, splits, strict=True) if split == "train"}
        in_order = sorted((place(text), text) for text in to_train_on)
        number = sum(at < _VALIDATION_SHARE for at, _ in in_order)
        number = min(max(1, number), len(in_order) - 1)  # some must be left to train on
        chosen = {text for _, text in in_order[:number]}
        splits = [
            "validation" if split == "train" and text.upper() in chosen else split
            for split, text in zip(splits, sequences, strict=True)
        ]
    return splits


def _fold_number(value: Any, row: int, places: TablePlaces) -> int | None:
    """The number of a row's fold, None where it has none; text files hold texts, and gaps make floats of numbers."""
    value = LabelReader.parse(value)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1
    if number not in range(NUMBER_OF_FOLDS):
        raise UserError(f"{places.row(row)}: the fold {shown(value)} is none of 0 to {NUMBER_OF_FOLDS - 1}")
    return int(number)


def _split_name(value: Any, row: int, places: TablePlaces) -> str:
    name = "" if value is None else str(value).strip().lower()
    if name and name not in _SPLIT_NAMES:
        raise UserError(f"{places.row(row)}: the split {shown(value)} is none of {', '.join(SPLITS)}")
    return _SPLIT_NAMES.get(name, "")
