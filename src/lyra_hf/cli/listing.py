"""`lyra-hf tasks` and `lyra-hf checkpoints`."""

import json
from dataclasses import asdict
from textwrap import wrap

import yaml

from ..checkpoints import checkpoint_names, checkpoint_path
from ..errors import UserError
from ..inference.loading import load_config
from ..inference.results import output_names
from ..tasks.outcomes import best_published
from ..tasks.recipe import Recipe, load_recipe, recipe_names
from .console import WIDTH, print_result


def show_tasks(area: str | None = None) -> None:
    """The tasks of the catalogue by area, or those of one area with what they predict; 100 columns wide.

    Args:
        area: the area; all of them unless told.

    Raises:
        UserError: there is no such area.
    """
    recipes = [load_recipe(name) for name in recipe_names()]
    areas = sorted({recipe.area for recipe in recipes})
    if area is not None and area not in areas:
        raise UserError(f"there is no area {area!r}; there are {', '.join(areas)}")
    width = max(len(recipe.name) for recipe in recipes)
    lines = []
    for shown in areas if area is None else [area]:
        lines.append(_row(width, shown, ["train", "valid.", "test"], "metric", "best", "checkpoint"))
        for recipe in recipes:
            if recipe.area == shown:
                sizes = [f"{number:,}" for number in recipe.size]
                checkpoint = recipe.checkpoint or ""
                lines.append(_row(width, f"  {recipe.name}", sizes, recipe.metric, _best(recipe), checkpoint))
                if area is not None:
                    title = recipe.title + (f", in {recipe.number_of_folds} folds" if recipe.folds else "")
                    lines += wrap(title, WIDTH, initial_indent="    ", subsequent_indent="    ")
        lines.append("")
    lines.append("best: the best comparable published figure of the metric. More: lyra-hf tasks NAME")
    print_result("\n".join(lines))


def show_task(name: str) -> None:
    """One task's recipe in full with the sources of its tables, as YAML."""
    recipe = load_recipe(name)
    content = {**asdict(recipe), "sources": [asdict(source) for source in recipe.sources]}
    content = json.loads(json.dumps(content))
    print_result(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100).rstrip())


def show_checkpoints() -> None:
    """The checkpoints in the package: what each reads and predicts, and its outputs; 100 columns wide."""
    titles = {recipe.checkpoint: recipe.title for recipe in map(load_recipe, recipe_names())}
    names = checkpoint_names()
    width = max(len(name) for name in names)
    indent = " " * (width + 2)
    lines = []
    for name in names:
        config = load_config(checkpoint_path(name))
        first = f"{name:{width}}  {titles[name]} ({config.alphabet})"
        outputs = f"{indent}-> {', '.join(output_names(config))}"
        lines += [line for text in (first, outputs) for line in wrap(text, WIDTH, subsequent_indent=indent)]
    print_result("\n".join(lines))


def _row(width: int, name: str, sizes: list[str], metric: str, best: str, checkpoint: str) -> str:
    train, validation, test = sizes
    return f"{name:{width + 2}} {train:>7} {validation:>6} {test:>6}  {metric:8} {best:>6}  {checkpoint}".rstrip()


def _best(recipe: Recipe) -> str:
    best = best_published(recipe)
    return f"{best.value:.3f}" if best else ""
