"""Writes the cards of the shipped checkpoints anew, in model_cards/.

    python training/cards.py
    python training/cards.py --measure lyra-cas9

A card is made of the recipe, the reports in training/results and what is kept in training/shown: the outputs for the
example and the rate. These are measured when a checkpoint is shipped, and by `--measure` (of all, if none is named).
"""

import argparse
from pathlib import Path

from reproduce import RESULTS, ROOT, SHOWN, machine

from lyra_hf import Predictor, UserError, checkpoint_path
from lyra_hf.checkpoints.folders import write_text
from lyra_hf.cli.console import messages
from lyra_hf.hub.card import model_card
from lyra_hf.hub.shown import read_shown, show, write_shown
from lyra_hf.tasks.outcomes import best_configuration, outcome_path, read_outcome
from lyra_hf.tasks.recipe import Recipe, load_recipe, recipe_names


def shipped_recipes() -> dict[str, Recipe]:
    """The recipes that ship a checkpoint, by its name."""
    recipes = map(load_recipe, recipe_names())
    return {recipe.checkpoint: recipe for recipe in recipes if recipe.checkpoint is not None}


def card_of(recipe: Recipe) -> str:
    """The card of a recipe's checkpoint."""
    outcome = read_outcome(outcome_path(RESULTS, recipe.name, best_configuration(recipe)))
    return model_card(recipe, outcome, read_shown(SHOWN / f"{recipe.checkpoint}.json"))


def measure(name: str, recipe: Recipe) -> None:
    """Keep what a shipped checkpoint gives for its example, and its rate."""
    write_shown(show(Predictor(checkpoint_path(name)), recipe.example, machine()), SHOWN / f"{name}.json")


def main() -> None:
    """Measure what is asked for, and write all cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", nargs="*", metavar="CHECKPOINT", help="measure these again, or all")
    arguments = parser.parse_args()
    recipes = shipped_recipes()
    for name in recipes if arguments.measure == [] else arguments.measure or ():
        checkpoint_path(name)  # that there is one of that name
        measure(name, recipes[name])
        messages.print(f"{name} is measured")
    for name, recipe in recipes.items():
        write_text(Path(ROOT / "model_cards" / f"{name}.md"), card_of(recipe))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"cards.py: {error}") from None
