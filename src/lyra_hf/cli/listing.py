"""`lyra-hf tasks` and `lyra-hf checkpoints`."""

import json
from dataclasses import asdict

import yaml
from rich.table import Table

from ..checkpoints import checkpoint_names, checkpoint_path
from ..inference.loading import load_config
from ..inference.results import output_names
from ..tasks.recipe import Recipe, load_recipe, recipe_names
from .console import print_result, results_console


def show_tasks() -> None:
    """A row for each task of the catalogue."""
    table = Table(box=None, pad_edge=False)
    for title in ("area", "task", "predicts", "metric", "best published", "checkpoint"):
        table.add_column(title)
    for recipe in sorted(map(load_recipe, recipe_names()), key=lambda recipe: (recipe.area, recipe.name)):
        table.add_row(
            recipe.area, recipe.name, recipe.title, recipe.metric, _best_published(recipe), recipe.checkpoint or ""
        )
    results_console().print(table)


def show_task(name: str) -> None:
    """One task's recipe in full, as YAML."""
    recipe = json.loads(json.dumps(asdict(load_recipe(name))))
    print_result(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True, width=110).rstrip())


def show_checkpoints() -> None:
    """A row for each checkpoint in the package."""
    table = Table(box=None, pad_edge=False)
    for title in ("name", "alphabet", "problem", "outputs"):
        table.add_column(title)
    for name in checkpoint_names():
        config = load_config(checkpoint_path(name))
        table.add_row(name, config.alphabet, str(config.problem_type), ", ".join(output_names(config)))
    results_console().print(table)


def _best_published(recipe: Recipe) -> str:
    results = [result for result in recipe.published if result.metric == recipe.metric]
    if not results:
        return ""
    best = (min if recipe.metric == "rmse" else max)(results, key=lambda result: result.value)
    return f"{best.value:g} ({best.method})"
