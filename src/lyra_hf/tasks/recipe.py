"""A recipe: everything that defines a task, as data in one YAML file."""

import difflib
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from ..inference.results import ProblemType
from ..training.data import Head, TableFormat
from ..training.options import TrainingOptions

DATA_VARIABLE = "LYRA_HF_DATA"
_RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Result:
    """A published figure on a task's test rows.

    Attributes:
        method: what was run.
        metric: name of the metric.
        value: the figure.
        parameters: of the method's model, where it is known.
        source: where the figure stands.
    """

    method: str
    metric: str
    value: float
    parameters: int | None = None
    source: str = ""


@dataclass(frozen=True)
class Source:
    """Where a table comes from, so that anyone can build it.

    Attributes:
        repository: owner and name on GitHub, or a package on PyPI.
        commit: the commit or version.
        paths: the files in it.
        licence: what the data may be used for.
        paper: the paper to cite.
        steps: how the table is made of the files.
    """

    repository: str
    commit: str
    paths: list[str]
    licence: str
    paper: str
    steps: str = ""


@dataclass(frozen=True)
class Recipe:
    """A task of the catalogue.

    Attributes:
        name: the task's name, that of its file.
        area: the area it belongs to.
        title: what is predicted, in one line.
        table: the table, `AREA/NAME` in the data folder.
        targets: the columns to predict.
        outputs: what the checkpoint's outputs are called, with their unit.
        alphabet: of the sequences.
        licence: of weights trained on these data, as the Hub names it; no freer than the data's own.
        source: where the table comes from.
        problem_type: the kind of labels.
        metric: by which the best epoch is picked and the task is reported.
        sequence: the column of sequences.
        pair: the column of the second sequences, for tasks of pairs.
        split: the column of splits.
        head: one label per sequence or per residue.
        model: fields of `LyraConfig` that differ from the defaults.
        training: the training options.
        published: published results on the same test rows.
        baseline: results of simple methods on the same test rows.
        checkpoint: name of the checkpoint that the package ships for this task, if it does.
        example: a sequence to try it on.
        intended_use: what the checkpoint is for, for its card.
        limits: what it cannot do, for its card.
    """

    name: str
    area: str
    title: str
    table: str
    targets: tuple[str, ...]
    outputs: list[str]
    alphabet: str
    licence: str
    source: Source
    problem_type: ProblemType
    metric: str
    sequence: str = "sequence"
    pair: str | None = None
    split: str = "split"
    head: Head = "sequence"
    model: dict[str, Any] = field(default_factory=dict)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    published: list[Result] = field(default_factory=list)
    baseline: list[Result] = field(default_factory=list)
    checkpoint: str | None = None
    example: str = ""
    intended_use: str = ""
    limits: str = ""

    @property
    def table_format(self) -> TableFormat:
        """Which columns of the table hold what."""
        return TableFormat(
            targets=self.targets,
            sequence=self.sequence,
            pair=self.pair,
            split=self.split,
            alphabet=self.alphabet,
            head=self.head,
            problem_type=self.problem_type,
            classes=tuple(self.outputs) if self.problem_type == "single_label_classification" else None,
        )


def recipe_names() -> list[str]:
    """Names of the tasks in the catalogue."""
    return sorted(path.stem for path in _RECIPES.glob("*.yaml"))


def load_recipe(name: str) -> Recipe:
    """The recipe of a task.

    Raises:
        UserError: there is no task of that name; the message offers the nearest.
    """
    names = recipe_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4) or names
        raise UserError(f"no task is called {name!r}; did you mean {' or '.join(near)}? (lyra-hf tasks lists all)")
    return read_recipe(_RECIPES / f"{name}.yaml")


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file.

    Raises:
        UserError: a field is missing, unknown or makes no sense.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path.name}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    try:
        content["targets"] = tuple(content["targets"])
        content["source"] = Source(**content["source"])
        content["training"] = TrainingOptions.from_dict(content.get("training", {}))
        for results in ("published", "baseline"):
            content[results] = [Result(**result) for result in content.get(results, [])]
        return Recipe(name=path.stem, **content)
    except (TypeError, KeyError) as error:
        known = ", ".join(entry.name for entry in fields(Recipe))
        raise UserError(f"{path.name}: {error}; a recipe has the fields {known}") from error


def find_table(recipe: Recipe, data_folder: str | Path | None = None) -> Path:
    """The file of a task's table.

    Args:
        recipe: the task.
        data_folder: the folder of tables; the environment variable LYRA_HF_DATA unless told.

    Raises:
        UserError: no folder is given, or the table is not in it; the message says what to put where.
    """
    folder = data_folder or os.environ.get(DATA_VARIABLE)
    source = recipe.source
    origin = f"its public source is {source.repository} at {source.commit} ({', '.join(source.paths)})"
    if not folder:
        raise UserError(
            f"task {recipe.name} needs the table {recipe.table}.parquet: name the folder that holds it with --data-dir "
            f"or {DATA_VARIABLE}; {origin}"
        )
    path = Path(folder) / f"{recipe.table}.parquet"
    if not path.is_file():
        raise UserError(f"{path}: no such file; {origin}")
    return path
