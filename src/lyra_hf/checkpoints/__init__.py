"""The checkpoints that come with the package, and how their names find them.

Each folder beside this file is a checkpoint as a Hub repository holds it: configuration, safetensors, tokenizer, card.
"""

import difflib
import os
from pathlib import Path

from ..alphabets import NAMED_ALPHABETS
from ..errors import UserError

# Set to anything but the empty string, shipped names mean what they mean to transformers alone.
DISABLE_VARIABLE = "LYRA_HF_DISABLE_NAMES"

_FOLDER = Path(__file__).parent


def checkpoint_names() -> list[str]:
    """Names of the checkpoints that come with the package."""
    return sorted(config.parent.name for config in _FOLDER.glob("*/config.json"))


def checkpoint_path(name: str) -> Path:
    """The folder of a checkpoint that comes with the package.

    Raises:
        UserError: there is none of that name; the message names those there are.
    """
    names = checkpoint_names()
    if name in names:
        return _FOLDER / name
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UserError(f"no checkpoint is called {name!r}: {hint}the package has {', '.join(names)}")


def tokenizer_path(alphabet: str) -> Path:
    """The folder of the ready tokenizer of "protein", "dna" or "rna", for `AutoTokenizer.from_pretrained`.

    Raises:
        UserError: there is none for that alphabet (`build_tokenizer` makes one for any).
    """
    package = _FOLDER.parent
    # In a wheel they lie in the package, in a checkout at its root.
    for home in (package / "tokenizers", package.parents[1] / "tokenizers"):
        if alphabet in NAMED_ALPHABETS and (home / alphabet).is_dir():
            return home / alphabet
    raise UserError(f"no tokenizer is ready for {alphabet!r}; there are {', '.join(NAMED_ALPHABETS)}")


def shipped_folder(name: object) -> Path | None:
    """The folder behind an exact shipped name, or None: for another name, where a folder of that name lies in the
    working directory (which wins), or where `LYRA_HF_DISABLE_NAMES` is set.
    """
    if not isinstance(name, str) or os.environ.get(DISABLE_VARIABLE) or name not in checkpoint_names():
        return None
    return None if Path(name).exists() else _FOLDER / name


def model_folder(name_or_path: str) -> Path:
    """The folder of a model that is given as a shipped name or as a folder on disk.

    Raises:
        UserError: it is neither.
    """
    shipped = shipped_folder(name_or_path)
    if shipped is not None:
        return shipped
    path = Path(name_or_path)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UserError(f"{path}: no config.json in this folder, so it holds no model")
        return path
    if path.exists():
        raise UserError(f"{path}: a model is a folder with config.json and model.safetensors, not a file")
    if name_or_path.count("/") == 1 and not name_or_path.startswith((".", "/", "~")):
        raise UserError(
            f"there is no folder {name_or_path}; if it is a model on the Hub, fetch it first: "
            f"lyra-hf pull {name_or_path}"
        )
    return checkpoint_path(name_or_path)
