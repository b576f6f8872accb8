"""`lyra-hf evaluate`: a model's metrics on a labelled table, or on rows of a task of the catalogue."""

from dataclasses import replace
from typing import Any

from ..checkpoints import model_folder
from ..errors import UserError
from ..inference.predictor import Predictor
from ..inference.results import output_index, output_names, problem_type
from ..tasks.recipe import Recipe, load_recipe
from ..training.data import SPLITS, load_table
from ..training.evaluation import evaluate_rows, score_rows
from ..training.formats import TableFormat


def run_evaluation(
    model: str,
    data: str,
    *,
    targets: tuple[str, ...],
    split: str | None,
    split_column: str,
    column: str,
    pair_column: str | None,
    output_name: str | None,
    zeros_are_missing: bool = False,
    device: str | None,
) -> dict[str, Any]:
    """Metrics of a model on a table.

    Raises:
        UserError: the model or the table cannot be used, or they do not fit each other.
    """
    predictor = Predictor(model, device)
    predictor.check_pairs(pair_column)
    config = predictor.config
    kind = problem_type(config)
    single_label = kind == "single_label_classification"
    if output_name is not None:
        if single_label:
            raise UserError("--label picks one of several numbers or labels; this model gives classes")
        output_index(config, output_name)
        expected = 1
    else:
        expected = 1 if single_label else config.num_labels
    if len(targets) != expected:
        names = ", ".join(output_names(config))
        raise UserError(
            f"the model has {expected} output(s) to hold against columns ({names}), and --target names {len(targets)}; "
            "give --target once for each, in their order, or pick one with --label NAME"
        )
    form = TableFormat(
        targets=targets,
        sequence=column,
        pair=pair_column,
        pair_context=config.pair_context,
        split=split_column if split is not None else None,
        alphabet=config.alphabet,
        head="residue" if predictor.per_residue else "sequence",
        problem_type=kind,
        classes=tuple(output_names(config)) if single_label else None,
        zeros_are_missing=zeros_are_missing,
    )
    table = load_table(data, form, only_split=split)
    return evaluate_rows(predictor, table.merged(), output_name)


def run_task_evaluation(
    model: str, task: str, *, data_dir: str | None, split: str | None, fold: int | None, device: str | None
) -> dict[str, Any]:
    """Metrics of a model on the rows that a task's recipe chooses.

    Args:
        model: a shipped name or a folder.
        task: name of the task.
        data_dir: the folder of tables; the environment variable LYRA_HF_DATA unless told.
        split: "train", "validation" or "test", which it is unless told.
        fold: of a cross-validation, the fold that is the test set; the first unless told.
        device: where to compute.

    Returns:
        The metrics of all rows; of test rows also `subsets`, the metrics of each part that the recipe names.

    Raises:
        UserError: there is no such task, split, fold or table, or the model cannot be used or is not of the task.
    """
    recipe = load_recipe(task)
    split = "test" if split is None else split
    if split not in SPLITS:
        raise UserError(f"of a task, --split is one of {', '.join(SPLITS)}, not {split!r}")
    predictor = Predictor(model, device)
    recipe, output = _as_measured(recipe, predictor, model)
    table, held_out = recipe.load(data_dir, fold)
    # The model is saved already, so its folder opens the test rows, as that of a model does that has just been trained.
    rows = held_out.open(model_folder(model)) if split == "test" else table.splits[split]
    scored = score_rows(predictor, rows, output)
    report = scored.metrics()
    if split == "test" and rows.subsets:
        report["subsets"] = {name: scored.where(flags).metrics() for name, flags in rows.subsets.items()}
    return report


def _as_measured(recipe: Recipe, predictor: Predictor, model: str) -> tuple[Recipe, str | None]:
    """The task as a model is held against it, and the one output that is; None where all of them are.

    A model of the joint task has an output for a task that is a part of it. The labels are then read as those of the
    joint task, where they may be another kind: one of several labels at once in place of two classes.

    Raises:
        UserError: the model is neither of the task nor of its joint task.
    """
    misfit = _misfit(recipe, predictor)
    if misfit is None:
        return recipe, None
    output = recipe.joint_output
    if output is not None:
        whole = recipe.trained_as("best")
        if _misfit(whole, predictor) is None:
            return replace(recipe, outputs=[output], problem_type=whole.problem_type), output
    raise UserError(f"{model} does not fit the task {recipe.name}: {misfit}")


def _misfit(recipe: Recipe, predictor: Predictor) -> str | None:
    """What a model has otherwise than a task, in words; None if it is a model of the task."""
    config = predictor.config
    of_model = {
        "alphabet": config.alphabet,
        "input": _input(config.pair_input, config.pair_context),
        "labels": _labels(problem_type(config), "residue" if predictor.per_residue else "sequence"),
        "outputs": ", ".join(output_names(config)),
    }
    of_task = {
        "alphabet": recipe.alphabet,
        "input": _input(recipe.pair is not None, recipe.model.get("pair_context", 0)),
        "labels": _labels(recipe.problem_type, recipe.head),
        "outputs": ", ".join(recipe.outputs),
    }
    for name, value in of_model.items():
        if value != of_task[name]:
            return f"the model's {name}: {value}; the task's: {of_task[name]}"
    return None


def _input(pairs: bool, context: int) -> str:
    """What a model reads, in words."""
    if not pairs:
        return "single sequences"
    return "pairs of sequences" + (f" with a context of {context}" if context else "")


def _labels(kind: str, head: str) -> str:
    """The kind of labels, in words."""
    return f"{kind.replace('_', ' ')} per {head}"
