"""Model cards of the catalogue's checkpoints, made of the recipe and the results of its runs, never by hand."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ..configuration_lyra import LyraConfig
from ..errors import UserError
from ..tasks.recipe import Recipe
from ..training.options import TrainingOptions

_PIPELINES = {"sequence": "text-classification", "residue": "token-classification"}


def model_card(recipe: Recipe, reports: Sequence[dict[str, Any]], chosen: int, machine: str) -> str:
    """The card of a task's checkpoint.

    Args:
        recipe: the task.
        reports: the training reports of its seeds.
        chosen: which of them is shipped.
        machine: what they were trained on.

    Raises:
        UserError: the recipe names no checkpoint.
    """
    if recipe.checkpoint is None:
        raise UserError(f"task {recipe.name} ships no checkpoint, so it has no card")
    report = reports[chosen]
    template = Path(__file__).with_name("card_template.md").read_text(encoding="utf-8")
    source = recipe.source
    return template.format(
        front_matter=_front_matter(recipe, report),
        name=recipe.checkpoint,
        title=recipe.title[0].upper() + recipe.title[1:],
        parameters=report["parameters"],
        pipeline=_PIPELINES[recipe.head],
        example=recipe.example,
        intended_use=recipe.intended_use.strip(),
        limits=recipe.limits.strip(),
        paper=source.paper,
        repository=source.repository,
        commit=source.commit,
        data_licence=source.licence,
        rows=", ".join(f"{count:,} {split}" for split, count in report["rows"].items()),
        steps=source.steps,
        metric=recipe.metric,
        seed=report["options"]["seed"],
        results="\n".join(_results_table(recipe, reports)),
        task=recipe.name,
        seeds=", ".join(str(entry["options"]["seed"]) for entry in reports),
        minutes=round(mean(entry["minutes"] for entry in reports)),
        machine=machine,
        model=_changed(recipe.model, LyraConfig()) or "the defaults, the configuration of the paper",
        training=_changed({**vars(recipe.training), "seed": 0}, TrainingOptions()) or "the defaults",
    )


def _front_matter(recipe: Recipe, report: dict[str, Any]) -> ModelCardData:
    results = [
        EvalResult(
            task_type=_PIPELINES[recipe.head],
            task_name=recipe.title,
            dataset_type=recipe.table,
            dataset_name=recipe.name,
            dataset_split="test",
            metric_type=name,
            metric_name=name,
            metric_value=round(value, 4),
        )
        for name, value in report["test"].items()
        if name not in ("n", "outputs") and value is not None
    ]
    return ModelCardData(
        license=recipe.licence,
        library_name="transformers",
        pipeline_tag=_PIPELINES[recipe.head],
        tags=["biology", "lyra", recipe.alphabet, recipe.area],
        model_name=recipe.checkpoint,
        eval_results=results,
    )


def _results_table(recipe: Recipe, reports: Sequence[dict[str, Any]]) -> list[str]:
    names = [name for name in reports[0]["test"] if name not in ("n", "outputs")]
    lines = [
        f"| | validation {recipe.metric} | " + " | ".join(f"test {name}" for name in names) + " |",
        "|---" * (len(names) + 2) + "|",
    ]
    for report in reports:
        figures = " | ".join(_figure([report["test"][name]]) for name in names)
        seed, validation = report["options"]["seed"], report["validation"][recipe.metric]
        lines.append(f"| seed {seed} | {validation:.4f} | {figures} |")
    if len(reports) > 1:
        spread = [[report["validation"][recipe.metric] for report in reports]]
        spread += [[report["test"][name] for report in reports] for name in names]
        figures = " | ".join(_figure(values) for values in spread)
        lines.append(f"| mean ± standard deviation of {len(reports)} seeds | {figures} |")
    for result in [*recipe.baseline, *recipe.published]:
        cells = [f"{result.value:g}" if name == result.metric else "" for name in names]
        source = f" ({result.source})" if result.source else ""
        lines.append(f"| {result.method}{source} | | {' | '.join(cells)} |")
    return lines


def _figure(values: list[float | None]) -> str:
    """A metric, or the mean and standard deviation of several; blank where the data leave one undefined."""
    defined = [value for value in values if value is not None]
    if len(defined) < len(values):
        return ""
    return f"{mean(defined):.4f}" + (f" ± {stdev(defined):.4f}" if len(defined) > 1 else "")


def _changed(values: dict[str, Any], defaults: object) -> str:
    """What differs from the defaults, in words."""
    return ", ".join(f"{name} {value}" for name, value in values.items() if getattr(defaults, name) != value)
