"""A recipe: everything that defines a task, as data in one YAML file."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..design.nucleases import Nuclease
from ..errors import UserError
from ..inference.results import ProblemType
from ..training.data import HeldOut, LabelledTable, load_for_training, load_table
from ..training.formats import NUMBER_OF_FOLDS, Fold, Head, RowFilter, TableFormat, parse_filter
from ..training.options import TrainingOptions
from .sources import LICENCES, Source, find_table, load_source, read_mapping

Configuration = Literal["best", "paper"]
CONFIGURATIONS: tuple[Configuration, ...] = ("best", "paper")
SplitKind = Literal["random", "grouped", "shifted"]
_RECIPES = Path(__file__).parent / "recipes"
_CHECKPOINT = re.compile(r"^checkpoint: *(\S+)", re.MULTILINE)  # to read all files for it takes a second


@dataclass(frozen=True)
class Result:
    """A figure of somebody else's on a task.

    Attributes:
        method: what was run.
        metric: name of the metric.
        value: the figure.
        parameters: of the method's model, where it is known.
        source: where the figure stands.
        subset: the part of the test rows that it is of; None for all.
        output: the output that it is of; None for the only one, or the mean.
        comparable: whether it is of these test rows, and by the same protocol.
    """

    method: str
    metric: str
    value: float
    parameters: int | None = None
    source: str = ""
    subset: str | None = None
    output: str | None = None
    comparable: bool = True

    @property
    def is_of_everything(self) -> bool:
        """Whether it is of all test rows, and of the only output or the mean over them."""
        return self.subset is None and self.output is None

    @property
    def is_recalled(self) -> bool:
        """Whether its source says that it was written down from memory and not looked up again."""
        return "recalled" in self.source or "not re-read" in self.source


@dataclass(frozen=True)
class TestRows:
    """Test rows that lie in another table than the rows to train on.

    Attributes:
        table: the table; all its rows count that meet the conditions and are in its split "test".
        targets: its columns.
        rows: conditions that its rows meet.
    """

    table: str
    targets: tuple[str, ...]
    rows: RowFilter = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A task of the catalogue.

    Attributes:
        name: the task's name, that of its file.
        area: the area it belongs to.
        title: what is predicted, in one line.
        tables: the table, `AREA/NAME` in the data folder; or several that are joined by sequence, one for each target.
        targets: the columns to predict.
        outputs: what the checkpoint's outputs are called, with their unit; of a classification, its classes.
        alphabet: of the sequences.
        problem_type: the kind of labels.
        metric: by which the best epoch is picked and the task is reported.
        sequence: the column of sequences.
        pair: the column of the second sequences, for tasks of pairs.
        split: the column of splits.
        split_kind: of a regression, what the test rows are to the validation rows: "random", of the same source;
            "grouped", other groups of rows (genes, places, clusters of like sequences) dealt by the same rule; or
            "shifted", of another kind (more mutations, another stretch, another experiment).
        folds: in place of `split`, the column of folds for a cross-validation.
        threshold: makes two classes of numbers, 1 above it.
        bits: whether the label is a bit mask, with a bit for each output.
        zeros_are_missing: whether a row was not measured where its labels per residue are all 0.
        head: one label per sequence or per residue.
        rows: conditions that rows meet.
        train_rows: further conditions on rows to train on and to validate on.
        subsets: parts of the test rows that are measured by themselves too.
        test: where the test rows lie, if in another table.
        model: fields of `LyraConfig` that differ from the defaults, in the best configuration.
        training: the training options of the best configuration.
        size: rows to train on, to validate on and to test on; of a cross-validation, in its first round.
        paper: the training options of the paper's configuration, which has the defaults of `LyraConfig`.
        joint: another task on the same rows, or on more tables of one split, with this one's target among its own,
            whose best models serve this task too: it has no best configuration of its own.
        published: published results.
        baseline: results of simple methods on the same test rows.
        checkpoint: name of the checkpoint that the package ships for this task, if it does.
        nuclease: of a model of guides, what the nuclease needs of a site and what the model reads of it.
        nuclease: of a model of guides, what its nuclease needs of a site, and what the model reads of that.
        example: a sequence to try it on; of a pair both, with a space between.
        example_title: what that sequence is.
        intended_use: what the checkpoint is for, for its card.
        limits: what it cannot do, for its card.
        tried: what was tried on a task on which a simple method is better, and what it gave.
    """

    name: str
    area: str
    title: str
    tables: tuple[str, ...]
    targets: tuple[str, ...]
    outputs: list[str]
    alphabet: str
    problem_type: ProblemType
    metric: str
    size: tuple[int, int, int]
    paper: TrainingOptions
    sequence: str = "sequence"
    pair: str | None = None
    split: str = "split"
    split_kind: SplitKind | None = None
    folds: str | None = None
    threshold: float | None = None
    bits: bool = False
    zeros_are_missing: bool = False
    head: Head = "sequence"
    rows: RowFilter = field(default_factory=dict)
    train_rows: RowFilter = field(default_factory=dict)
    subsets: Mapping[str, RowFilter] = field(default_factory=dict)
    test: TestRows | None = None
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingOptions | None = None
    joint: str | None = None
    published: list[Result] = field(default_factory=list)
    baseline: list[Result] = field(default_factory=list)
    checkpoint: str | None = None
    nuclease: Nuclease | None = None
    example: str = ""
    example_title: str = ""
    intended_use: str = ""
    limits: str = ""
    tried: str = ""

    @property
    def sources(self) -> list[Source]:
        """Where its tables come from; the table to train on first."""
        return [load_source(table) for table in (*self.tables, *([self.test.table] if self.test else []))]

    @property
    def weights_licence(self) -> str:
        """Licence of weights trained on its tables, as the Hub names it: the least free of theirs."""
        return max((source.weights_licence for source in self.sources), key=LICENCES.index)

    @property
    def number_of_folds(self) -> int:
        """How many rounds its cross-validation has; 0 if it has none."""
        return NUMBER_OF_FOLDS if self.folds else 0

    def trained_as(self, configuration: Configuration) -> "Recipe":
        """The task that is trained for this one in a configuration: itself, or the one that it is a part of."""
        return load_recipe(self.joint) if self.joint is not None and configuration == "best" else self

    @property
    def joint_output(self) -> str | None:
        """What the output of this task is called in the task that it is a part of."""
        if self.joint is None:
            return None
        whole = load_recipe(self.joint)
        tables = whole.tables if len(whole.tables) > 1 else whole.tables * len(whole.targets)
        columns = list(zip(tables, whole.targets, strict=True))
        return whole.outputs[columns.index((self.tables[0], self.targets[0]))]

    def table_format(self, fold: int | None = None) -> TableFormat:
        """Which columns of the table hold what, of a cross-validation in the round in which `fold` is the test set.

        Raises:
            UserError: there is no such fold, or the task has none.
        """
        if fold is not None and self.folds is None:
            raise UserError(f"task {self.name} is no cross-validation; leave out --fold")
        return TableFormat(
            targets=self.targets,
            sequence=self.sequence,
            pair=self.pair,
            pair_context=self.model.get("pair_context", 0),
            split=Fold(self.folds, fold or 0) if self.folds else self.split,
            alphabet=self.alphabet,
            head=self.head,
            problem_type=self.problem_type,
            classes=tuple(self.outputs) if self.problem_type == "single_label_classification" else None,
            threshold=self.threshold,
            bits=len(self.outputs) if self.bits else 0,
            zeros_are_missing=self.zeros_are_missing,
            rows=self.rows,
            train_rows=self.train_rows,
            subsets=self.subsets,
        )

    def load(self, data_folder: str | Path | None = None, fold: int | None = None) -> tuple[LabelledTable, HeldOut]:
        """The rows to train and to validate on; and the test rows, which cannot be read before a model is saved.

        Raises:
            UserError: a table is not there, or is not what the recipe says.
        """
        form = self.table_format(fold)
        paths = [find_table(table, data_folder) for table in self.tables]
        table, held_out = load_for_training(paths[0] if len(paths) == 1 else paths, form)
        if self.test is not None:
            path = find_table(self.test.table, data_folder)
            form = replace(form, targets=self.test.targets, rows=self.test.rows, train_rows={}, split="split")
            rows = load_table(path, form, only_split="test").splits["test"]  # what is wrong with it is told of now
            held_out = HeldOut(
                len(rows.encoded),
                lambda: load_table(path, form, only_split="test").splits["test"],
                name=str(path),
                digest=rows.digest(),
            )
        if held_out is None:
            raise UserError(f"task {self.name}: {paths[0]} has no test rows; it is not the table that the recipe means")
        return table, held_out

    def configured(self, configuration: Configuration) -> tuple[dict[str, Any], TrainingOptions]:
        """Model and training options of a configuration; where no better one is known, the best is the paper's."""
        needed = {name: self.model[name] for name in ("pair_context",) if name in self.model}
        if self.pair is not None:
            needed["pair_input"] = True
        if configuration == "paper" or self.training is None:
            return needed, self.paper
        return {**self.model, **needed}, self.training


def recipe_names() -> list[str]:
    """Names of the tasks in the catalogue."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


def shipped_tasks() -> dict[str, str]:
    """By shipped checkpoint the task that it is of."""
    found = {
        path.stem: _CHECKPOINT.search(path.read_text(encoding="utf-8")) for path in sorted(_RECIPES.glob("*.yaml"))
    }
    return {line[1]: task for task, line in found.items() if line is not None}


def load_recipe(name: str) -> Recipe:
    """The recipe of a task.

    Raises:
        UserError: there is no task of that name; the message offers the nearest.
    """
    names = recipe_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        near += [known for known in names if name.lower() in known and known not in near][:3]
        offer = f"did you mean {' or '.join(near)}? " if near else ""
        raise UserError(f"no task is called {name!r}; {offer}(lyra-hf tasks lists all {len(names)})")
    return read_recipe(_RECIPES / f"{name}.yaml")


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file.

    Raises:
        UserError: a field is missing, unknown or makes no sense.
    """
    content = read_mapping(path, Recipe, but={"name"}, also={"table": "tables"})
    try:
        tables = content["tables"]
        content["tables"] = (tables,) if isinstance(tables, str) else tuple(tables)
        content["targets"] = tuple(content["targets"])
        content["size"] = tuple(content["size"])
        for name in ("paper", "training"):
            if name in content:
                content[name] = TrainingOptions.from_dict(content[name])
        for name in ("rows", "train_rows"):
            content[name] = parse_filter(content.get(name, {}))
        content["subsets"] = {name: parse_filter(subset) for name, subset in content.get("subsets", {}).items()}
        if "test" in content:
            test = content["test"]
            content["test"] = TestRows(test["table"], tuple(test["targets"]), parse_filter(test.get("rows", {})))
        for name in ("published", "baseline"):
            content[name] = [Result(**result) for result in content.get(name, [])]
        if "nuclease" in content:
            content["nuclease"] = Nuclease(**content["nuclease"])
        kinds = get_args(SplitKind)
        if content.get("split_kind") not in (None, *kinds):
            raise UserError(f"split_kind is one of {', '.join(kinds)}, not {content['split_kind']!r}")
        return Recipe(name=path.stem, **content)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path.name}: {error}") from error
    except UserError as error:
        raise UserError(f"{path.name}: {error}") from error
