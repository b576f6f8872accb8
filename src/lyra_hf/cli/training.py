"""`lyra-hf train`: from what the user asked to a trained model."""

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..extras import needs
from ..inference.readers import column_names
from ..tasks.recipe import Recipe, find_table, load_recipe
from ..training.data import LabelledTable, TableFormat, load_table
from ..training.options import TrainingOptions
from .console import TrainingProgress, messages

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


def run_training(request: TrainRequest, output: Path) -> dict[str, Any]:
    """Train, save, and return the report.

    Raises:
        UserError: the request contradicts itself, or the data cannot be used.
    """
    with needs("train", "training"):
        from ..training.finetune import default_metric, finetune

    if (request.task is None) == (request.data is None):
        raise UserError("give either a table and --target, or --task with the name of a task")
    if output.exists() and not output.is_dir():
        raise UserError(f"{output} is a file; name a folder to write the model to")
    if request.data == "-":
        raise UserError("training needs a file; standard input can be read only once")
    recipe: Recipe | None
    if request.task is not None:
        told = (request.targets, request.pair_column, request.split_column, request.alphabet, request.problem)
        if any(told) or request.per_residue or request.column != "sequence":
            raise UserError("--task says what its table holds; leave out --target, --column, --alphabet and their like")
        recipe = load_recipe(request.task)
        form, options, metric = recipe.table_format, recipe.training, recipe.metric
        model_options = {**recipe.model, **request.model_options}
        path = find_table(recipe, request.data_dir)
    else:
        recipe = None
        form, options, metric = _table_format(request), TrainingOptions(), None
        model_options = dict(request.model_options)
        path = Path(str(request.data))
    options = replace(options, **request.changes)
    if form.pair:
        model_options["pair_input"] = True
    table = load_table(path, form)
    _describe(table, path, told=request.task is not None)
    metric = request.metric or metric or default_metric(table.problem_type)
    report = finetune(
        table,
        output,
        options,
        model_options=model_options,
        output_names=recipe.outputs if recipe else None,
        metric=metric,
        callbacks=[TrainingProgress(metric)],
    )
    messages.print(f"{output}: best epoch {report.best_epoch:.0f} by validation {report.metric}; score sequences with")
    messages.print(f"  lyra-hf predict {output} sequences.csv")
    return asdict(report)


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
