"""`lyra-hf train`: from what the user asked to a trained model, or to several with different seeds."""

import json
import re
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..errors import UserError
from ..extras import needs
from ..inference.readers import column_names
from ..tasks.recipe import Recipe, find_table, load_recipe
from ..training.data import LabelledTable, TableFormat, load_table
from ..training.options import TrainingOptions
from .console import TrainingProgress, messages

if TYPE_CHECKING:
    from ..training.parallel import Run

SUMMARY_FILE = "summary.json"
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
    targets: tuple[str, ...] = ()
    column: str = "sequence"
    pair_column: str | None = None
    split_column: str | None = None
    alphabet: str | None = None
    problem: str | None = None
    per_residue: bool = False
    metric: str | None = None
    model_options: dict[str, Any] = field(default_factory=dict)
    changes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Plan:
    """What a request comes to."""

    path: Path
    form: TableFormat
    options: TrainingOptions
    model_options: dict[str, Any]
    metric: str | None
    output_names: list[str] | None


def run_training(request: TrainRequest, output: Path) -> dict[str, Any]:
    """Train, save, and return the report.

    Raises:
        UserError: the request contradicts itself, or the data cannot be used.
    """
    with needs("train", "training"):
        from ..training.finetune import default_metric, finetune

    plan = _plan(request, output)
    table = load_table(plan.path, plan.form)
    _describe(table, plan.path, told=request.task is not None)
    metric = plan.metric or default_metric(table.problem_type)
    report = finetune(
        table,
        output,
        plan.options,
        model_options=plan.model_options,
        output_names=plan.output_names,
        metric=metric,
        callbacks=[TrainingProgress(metric)],
    )
    messages.print(f"{output}: best epoch {report.best_epoch:.0f} by validation {report.metric}; score sequences with")
    messages.print(f"  lyra-hf predict {output} sequences.csv")
    return asdict(report)


def run_seeds(request: TrainRequest, output: Path, number: int, jobs: int | None = None) -> dict[str, Any]:
    """Train with several seeds, each in a process and a folder of its own, and return a summary.

    Args:
        request: what to train; its seed is the first.
        output: the folder to write: a checkpoint in seed-N for each seed N, and the summary.
        number: how many seeds.
        jobs: how many at a time; as many as there are cores unless told.

    Raises:
        UserError: the request contradicts itself, or a run failed; the others are finished all the same.
    """
    with needs("train", "training"):
        from ..training.parallel import Run, run_all
        from ..training.summary import summarize

    for option, value in (("--seeds", number), ("--jobs", jobs)):
        if value is not None and value < 1:
            raise UserError(f"{option} must be at least 1, not {value}")
    first = _plan(request, output).options.seed
    runs = []
    for seed in range(first, first + number):
        one = replace(request, changes={**request.changes, "seed": seed})
        folder = output / f"seed-{seed}"
        runs.append(Run(folder.name, train_command(one, folder), folder))
    with RunsProgress(len(runs)) as progress:
        failures = run_all(runs, progress, jobs)
    if failures:
        raise UserError(f"{len(failures)} of {number} runs failed: {', '.join(sorted(failures))}")
    summary = summarize({run.name: run.report() for run in runs})
    (output / SUMMARY_FILE).write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    messages.print(f"{output}: best on validation is {summary['best']}; score sequences with")
    messages.print(f"  lyra-hf predict {output / summary['best']} sequences.csv")
    return summary


def train_command(request: TrainRequest, output: Path) -> tuple[str, ...]:
    """The command that does what `run_training` does, in a process of its own.

    Args:
        request: what to train; all its model options and changes are options of `lyra-hf train`.
        output: the folder to write.
    """
    options: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("task", "data_dir", "column", "pair_column", "split_column", "alphabet", "problem", "metric")
    }
    options |= {"per_residue": request.per_residue, **request.model_options, **request.changes, "output": output}
    words = [sys.executable, "-m", "lyra_hf.cli", "train", *(f"--target={target}" for target in request.targets)]
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            words.append(option)
        elif value is not None and value is not False:  # 0 is a value
            words.append(f"{option}={value}")
    return (*words, "--", request.data) if request.data is not None else tuple(words)


def _plan(request: TrainRequest, output: Path) -> _Plan:
    if (request.task is None) == (request.data is None):
        raise UserError("give either a table and --target, or --task with the name of a task")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder to write the model to")
    if request.data == "-":
        raise UserError("training needs a file; standard input can be read only once")
    recipe: Recipe | None = None
    if request.task is not None:
        told = (request.targets, request.pair_column, request.split_column, request.alphabet, request.problem)
        if any(told) or request.per_residue or request.column != "sequence":
            raise UserError("--task says what its table holds; leave out --target, --column, --alphabet and their like")
        recipe = load_recipe(request.task)
        form, path = recipe.table_format, find_table(recipe, request.data_dir)
    else:
        form, path = _table_format(request), Path(str(request.data))
    model_options = {**(recipe.model if recipe else {}), **request.model_options}
    if form.pair:
        model_options["pair_input"] = True
    return _Plan(
        path=path,
        form=form,
        options=replace(recipe.training if recipe else TrainingOptions(), **request.changes),
        model_options=model_options,
        metric=request.metric or (recipe.metric if recipe else None),
        output_names=recipe.outputs if recipe else None,
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
        split=split,
        alphabet=request.alphabet,
        head="residue" if request.per_residue else None,
        problem_type=_PROBLEMS[request.problem] if request.problem else None,  # type: ignore[arg-type]
    )


def _describe(table: LabelledTable, path: Path, *, told: bool) -> None:
    rows = ", ".join(f"{len(rows.encoded):,} {split}" for split, rows in table.splits.items())
    kind = table.problem_type.replace("_", " ")
    note = "" if told else " (say otherwise with --alphabet, --problem, --per-residue)"
    messages.print(f"{path}: {table.alphabet}, {kind} per {table.head}, rows: {rows}{note}")


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
