"""`lyra-hf train`: from what the user asked to a trained model, or to several with different seeds."""

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..errors import UserError
from ..extras import needs
from ..inference.encoding import pair_positions
from ..inference.outputs import explained
from ..inference.readers import column_names
from ..tasks.recipe import CONFIGURATIONS, Configuration, load_recipe
from ..tasks.sources import find_table
from ..training.data import HeldOut, LabelledTable, load_for_training
from ..training.formats import TableFormat
from ..training.options import TrainingOptions
from ..training.origin import Origin
from .console import TrainingProgress, messages

if TYPE_CHECKING:
    from ..training.parallel import Run

SUMMARY_FILE = "summary.json"
ENSEMBLE_FOLDER = "ensemble"  # beside seed-N: the models of all seeds as one
POOLINGS = ("mean", "max", "last", "attention", "position")
_PROBLEMS = {
    "regression": "regression",
    "classification": "single_label_classification",
    "multi-label": "multi_label_classification",
}


@dataclass(frozen=True)
class TrainRequest:
    """What the user asked for; the options of `lyra-hf train`."""

    data: str | None = None
    task: str | None = None
    data_dir: str | None = None
    configuration: Configuration = "best"
    fold: int | None = None
    targets: tuple[str, ...] = ()
    column: str = "sequence"
    pair_column: str | None = None
    split_column: str | None = None
    alphabet: str | None = None
    problem: str | None = None
    per_residue: bool = False
    zeros_are_missing: bool = False
    metric: str | None = None
    license: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """What a request comes to.

    Attributes:
        load: reads the rows to train on, and holds back the test rows.
        name: what messages call the data.
        files: the tables.
    """

    load: Callable[[], tuple[LabelledTable, HeldOut | None]]
    name: str
    options: TrainingOptions
    model_options: dict[str, Any]
    metric: str | None
    output_names: list[str] | None
    files: tuple[Path, ...]


def run_training(request: TrainRequest, output: Path) -> dict[str, Any]:
    """Train, save, and return the report.

    Raises:
        UserError: the request contradicts itself, or the data cannot be used.
    """
    with needs("train", "training"):
        from ..training.finetune import default_metric, finetune

    plan = _plan(request, output)
    table, held_out = plan.load()
    _describe(table, held_out, plan.name, told=request.task is not None)
    metric = plan.metric or default_metric(table.problem_type)
    with explained(str(output)):
        report = finetune(
            table,
            output,
            plan.options,
            model_options=_model_options(plan, request, table),
            output_names=plan.output_names,
            metric=metric,
            held_out=held_out,
            origin=_origin(request, plan),
            callbacks=[TrainingProgress(metric)],
        )
    messages.print(f"{output}: best epoch {report.best_epoch:g} by validation {report.metric}; score sequences with")
    messages.print(f"  lyra-hf predict {output} sequences.csv")
    return asdict(report)


def run_seeds(request: TrainRequest, output: Path, number: int, jobs: int | None = None) -> dict[str, Any]:
    """Train with several seeds, each in a process and a folder of its own, and return a summary.

    Args:
        request: what to train; its seed is the first.
        output: the folder to write: a checkpoint in seed-N for each seed N, one in which all of them are the members of
            an ensemble, and the summary.
        number: how many seeds.
        jobs: how many at a time; as many as there are cores unless told.

    Raises:
        UserError: the request contradicts itself, or a run failed; the others are finished all the same.
    """
    with needs("train", "training"):
        from ..training.joining import joined_report
        from ..training.parallel import Run, run_all
        from ..training.summary import best_run, summarize

    for option, value in (("--seeds", number), ("--jobs", jobs)):
        if value is not None and value < 1:
            raise UserError(f"{option} must be at least 1, not {value}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("--seeds starts a process for each seed by itself; start it without torchrun and accelerate")
    plan = _plan(request, output)
    first = plan.options.seed
    runs = []
    for seed in range(first, first + number):
        one = replace(request, changes={**request.changes, "seed": seed})
        folder = output / f"seed-{seed}"
        runs.append(Run(folder.name, train_command(one, folder), folder, plan.files))
    if not all(run.is_finished for run in runs):
        plan.load()  # what is wrong with the table is told once, and before anything is written
    with RunsProgress(len(runs)) as progress:
        failures = run_all(runs, progress, jobs)
    if failures:
        raise UserError(f"{len(failures)} of {number} runs failed: {', '.join(sorted(failures))}")
    reports = {run.name: run.report() for run in runs}
    summary = summarize(reports)
    if number > 1:
        joined = joined_report(
            [run.folder for run in runs], output / ENSEMBLE_FOLDER, plan.load, _origin(request, plan, number)
        )
        reports[ENSEMBLE_FOLDER] = summary[ENSEMBLE_FOLDER] = joined
    (output / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    best = best_run(reports)
    note = ", all seeds as one model with a spread" if best == ENSEMBLE_FOLDER else ""
    messages.print(f"{output}: best on validation is {best}{note}; score sequences with")
    messages.print(f"  lyra-hf predict {output / best} sequences.csv")
    return summary


def train_command(request: TrainRequest, output: Path) -> tuple[str, ...]:
    """The command that does what `run_training` does, in a process of its own: a module and its arguments.

    Args:
        request: what to train; all its model options and changes are options of `lyra-hf train`.
        output: the folder to write.
    """
    options: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("task", "data_dir", "fold", "column", "pair_column", "split_column", "alphabet", "problem")
    }
    options |= {"metric": request.metric, "license": request.license}
    options["configuration"] = request.configuration if request.configuration != "best" else None
    options |= {"per_residue": request.per_residue, "zeros_are_missing": request.zeros_are_missing}
    options |= {**request.model_options, **request.changes, "output": output}
    words = ["lyra_hf.cli", "train", *(f"--target={target}" for target in request.targets)]
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif value is not None and value is not False:  # 0 is a value
            words.append(f"{option}={value}")
    return (*words, "--", request.data) if request.data is not None else tuple(words)


def _origin(request: TrainRequest, plan: _Plan, seeds: int | None = None) -> Origin:
    """What the card tells of a request: where files lie is nobody else's business."""
    data = Path(request.data).name if request.data is not None else None
    _, *words = train_command(replace(request, data=data, data_dir=None), Path("DIR"))
    if seeds is not None:
        words.insert(1, f"--seeds={seeds}")
    origin = Origin(shlex.join(["lyra-hf", *words]), [path.name for path in plan.files])
    return origin if request.license is None else replace(origin, license=request.license)


def _plan(request: TrainRequest, output: Path) -> _Plan:
    if (request.task is None) == (request.data is None):
        raise UserError("give either a table and --target, or --task with the name of a task")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder to write the model to")
    _check_model_options(request)
    if request.data == "-":
        raise UserError("training needs a file; standard input can be read only once")
    return _plan_for_task(request, request.task) if request.task is not None else _plan_for_table(request)


def _check_model_options(request: TrainRequest) -> None:
    """Refuse what would be told of only when the table has been read."""
    pooling, context = (request.model_options.get(name) for name in ("pooling", "pair_context"))
    if pooling is not None and pooling not in POOLINGS:
        raise UserError(f"--pooling is one of {', '.join(POOLINGS)}, not {pooling!r}")
    if pooling is not None and request.per_residue:
        raise UserError("--pooling makes one vector of a sequence; a model with --per-residue has no use for it")
    if request.model_options.get("site_weights") and request.per_residue:
        raise UserError("--site-weights score a whole sequence; a model with --per-residue has no use for them")
    if context is not None and request.task is None and request.pair_column is None:
        raise UserError("--pair-context is of pairs; name the column of the second sequences with --pair-column")
    if context is not None and context < 0:
        raise UserError(f"--pair-context must be at least 0, not {context}")


def _model_options(plan: _Plan, request: TrainRequest, table: LabelledTable) -> dict[str, Any]:
    """The fields of the model, with as many positions as what the user has asked for needs.

    Raises:
        UserError: the labels are per residue, which leaves nothing to pool, or no numbers, which site weights are for.
    """
    asked = [name for name in ("pooling", "site_weights") if name in request.model_options]
    if not asked:
        return plan.model_options
    if table.head == "residue":
        option = asked[0].replace("_", "-")
        raise UserError(f"{plan.name} has labels per residue, which leave nothing to pool; leave out --{option}")
    site_weights = plan.model_options.get("site_weights", False)
    if site_weights and table.problem_type != "regression":
        raise UserError(f"{plan.name} has classes for labels, and --site-weights is for numbers; leave it out")
    positions = 0
    if (plan.model_options.get("pooling") == "position" or site_weights) and "train" in table.splits:
        lengths = table.splits["train"].encoded.lengths
        if plan.model_options.get("pair_input"):
            lengths = pair_positions(lengths, plan.model_options.get("pair_context", 0))
        positions = int(lengths.max())
    return {**plan.model_options, "num_positions": positions}


def _plan_for_task(request: TrainRequest, task: str) -> _Plan:
    told = (request.targets, request.pair_column, request.split_column, request.alphabet, request.problem)
    flags = (request.per_residue, request.zeros_are_missing, "pair_context" in request.model_options)
    if any(told) or any(flags) or request.column != "sequence":
        raise UserError("--task says what its table holds; leave out --target, --column, --alphabet and their like")
    if request.configuration not in CONFIGURATIONS:
        raise UserError(f"--configuration is {' or '.join(CONFIGURATIONS)}, not {request.configuration!r}")
    recipe = load_recipe(task).trained_as(request.configuration)
    if recipe.name != task:
        messages.print(f"Task {task} is best as one output of {recipe.name}, which is trained on all of them at once.")
    recipe.table_format(request.fold)  # a fold that is not there, and tables, are told of before anything is done
    files = tuple(find_table(source.table, request.data_dir) for source in recipe.sources)
    model_options, options = recipe.configured(request.configuration)
    return _Plan(
        load=lambda: recipe.load(request.data_dir, request.fold),
        name=recipe.name,
        options=replace(options, **request.changes),
        model_options={**model_options, **request.model_options},
        metric=request.metric or recipe.metric,
        output_names=recipe.outputs,
        files=files,
    )


def _plan_for_table(request: TrainRequest) -> _Plan:
    if request.fold is not None or request.configuration != "best":
        raise UserError("--fold and --configuration are for tasks of the catalogue; give them with --task")
    path, form = str(request.data), _table_format(request)
    return _Plan(
        load=lambda: load_for_training(path, form),
        name=path,
        options=replace(TrainingOptions(), **request.changes),
        model_options={**({"pair_input": True} if form.pair else {}), **request.model_options},
        metric=request.metric,
        output_names=None,
        files=(Path(path),),
    )


def _table_format(request: TrainRequest) -> TableFormat:
    if not request.targets:
        raise UserError("name the column to predict, with --target")
    if request.problem is not None and request.problem not in _PROBLEMS:
        raise UserError(f"--problem is one of {', '.join(_PROBLEMS)}, not {request.problem!r}")
    split = request.split_column
    if split is None and "split" in column_names(str(request.data)):
        split = "split"
    return TableFormat(
        targets=request.targets,
        sequence=request.column,
        pair=request.pair_column,
        pair_context=request.model_options.get("pair_context", 0),
        split=split,
        alphabet=request.alphabet,
        head="residue" if request.per_residue else None,
        problem_type=_PROBLEMS[request.problem] if request.problem else None,  # type: ignore[arg-type]
        zeros_are_missing=request.zeros_are_missing,
    )


def _describe(table: LabelledTable, held_out: HeldOut | None, name: str, *, told: bool) -> None:
    numbers = {split: len(rows.encoded) for split, rows in table.splits.items()}
    if held_out is not None:
        numbers["test"] = held_out.number
    rows = ", ".join(f"{number:,} {split}" for split, number in numbers.items())
    kind = table.problem_type.replace("_", " ")
    note = "" if told else " (say otherwise with --alphabet, --problem, --per-residue)"
    messages.print(f"{name}: {table.alphabet}, {kind} per {table.head}, rows: {rows}{note}")


# What `TrainingProgress` writes where there is no terminal.
_EPOCH = re.compile(r"epoch (\d+) of (\d+)\s+(.*)")


class RunsProgress:
    """Shows how runs get on: a bar for each that is under way, a line for each that has ended.

    A context, and the watcher of `run_all`.

    Args:
        number: how many runs there are.
    """

    def __init__(self, number: int) -> None:
        self.number, self.ended_runs = number, 0
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[figures]}"),
            TimeRemainingColumn(),
            console=messages,
            transient=True,
            disable=not messages.is_terminal,
        )
        self.bars: dict[str, TaskID] = {}

    def __enter__(self) -> "RunsProgress":
        self.progress.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self.progress.stop()

    def started(self, run: "Run") -> None:
        """Add a bar."""
        self.bars[run.name] = self.progress.add_task(run.name, total=None, figures="")

    def said(self, run: "Run", line: str) -> None:
        """Move the bar on if the line tells of an epoch."""
        epoch = _EPOCH.match(line)
        if epoch is not None:
            done, total, figures = epoch.groups()
            self.progress.update(self.bars[run.name], completed=int(done), total=int(total), figures=figures)

    def ended(self, run: "Run", failure: str | None) -> None:
        """Put a line in the bar's place."""
        if run.name in self.bars:
            self.progress.remove_task(self.bars[run.name])
        self.ended_runs += 1
        messages.print(f"[{self.ended_runs}/{self.number}] {run.name}: {failure or _figures(run.report())}")


def _figures(report: dict[str, Any]) -> str:
    metric = report["metric"]
    values = {split: report[split][metric] for split in ("validation", "test") if report[split]}
    figures = [f"{split} {'undefined' if value is None else f'{value:.4f}'}" for split, value in values.items()]
    return f"{metric}, {', '.join(figures)}, best epoch {report['best_epoch']:.0f}"
