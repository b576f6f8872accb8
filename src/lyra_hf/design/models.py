"""Which nuclease a model is of."""

from ..errors import UserError
from ..tasks.recipe import load_recipe, shipped_tasks
from .nucleases import Nuclease


def nucleases() -> dict[str, Nuclease]:
    """By shipped checkpoint the nuclease that it is of."""
    recipes = {checkpoint: load_recipe(task) for checkpoint, task in sorted(shipped_tasks().items())}
    return {name: recipe.nuclease for name, recipe in recipes.items() if recipe.nuclease is not None}


def nuclease_of(model: str, name: str | None = None) -> Nuclease:
    """What the model is of.

    Args:
        model: a shipped name, or a folder.
        name: of a folder, the nuclease's name, or that of a shipped checkpoint whose sites it reads.

    Raises:
        UserError: there is no such nuclease, or nothing says which it is.
    """
    known = nucleases()
    if name is None:
        if model in known:
            return known[model]
        raise UserError(
            f"{model} is no shipped model of guides ({', '.join(known)}); of a model of your own, say with --nuclease "
            f"whose sites it reads: {', '.join(nuclease.name for nuclease in known.values())}"
        )
    for checkpoint, nuclease in known.items():
        if name.lower() in (checkpoint, nuclease.name.lower()):
            return nuclease
    raise UserError(f"no nuclease is called {name!r}; there are {', '.join(one.name for one in known.values())}")
