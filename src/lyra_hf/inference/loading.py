"""Loads a model from a shipped name or a folder, and says in one line what is wrong with a folder that holds none."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as hf_logging

from ..checkpoints import model_folder
from ..configuration_lyra import LyraConfig
from ..errors import UserError
from ..modeling_lyra import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraPreTrainedModel,
)

_HEADS: dict[str, type[LyraPreTrainedModel]] = {
    head.__name__: head for head in (LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification)
}
WEIGHTS = "model.safetensors"
PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.bin")


def load_config(folder: Path) -> LyraConfig:
    """The configuration in a model's folder.

    Raises:
        UserError: it cannot be read, is of another model, or has a value that makes no sense.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error})") from error
    found = content.get("model_type") if isinstance(content, dict) else None
    if found != LyraConfig.model_type:
        raise UserError(f"{path}: model_type is {found!r}; this package runs {LyraConfig.model_type!r} models")
    try:
        config = LyraConfig.from_pretrained(folder)
    except Exception as error:  # strict dataclasses raise several kinds of errors, all with a message for the reader
        raise UserError(f"{path}: {_last_line(error)}") from error
    names = config.id2label or {}
    if sorted(names) != list(range(len(names))) or len(set(names.values())) != len(names):
        raise UserError(f"{path}: id2label must give each output, from 0 on, a name of its own; it is {names}")
    return config


def load_model(name_or_path: str) -> LyraPreTrainedModel:
    """The model with its head, in evaluation mode, from a shipped name or a folder.

    Raises:
        UserError: no such name or folder, or the folder's weights are missing, damaged, pickled or of another shape.
    """
    folder = model_folder(name_or_path)
    config = load_config(folder)
    architectures = config.architectures
    architecture = architectures[0] if isinstance(architectures, list) and architectures else None
    if not isinstance(architecture, str) or architecture not in _HEADS:
        raise UserError(
            f"{folder / 'config.json'}: architectures is {config.architectures}; "
            f"to predict, one of {', '.join(_HEADS)} is needed"
        )
    _check_weights(folder)
    with quiet_transformers():  # what it would log about keys is checked below
        try:
            model, info = _HEADS[architecture].from_pretrained(
                folder,
                config=config,
                output_loading_info=True,
                use_safetensors=True,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # refused below, with the tensor's name
            )
        except Exception as error:
            raise UserError(f"{folder / WEIGHTS}: {_last_line(error)}") from error
    for problem, keys in (("has no", info["missing_keys"]), ("has an unknown", info["unexpected_keys"])):
        if keys:
            raise UserError(f"{folder / WEIGHTS}: {problem} tensor {min(keys)!r}; it does not fit its config.json")
    for key, found, expected in sorted(info["mismatched_keys"]):
        raise UserError(
            f"{folder / WEIGHTS}: tensor {key!r} has the shape {tuple(found)}, and its config.json asks for "
            f"{tuple(expected)}"
        )
    loaded: LyraPreTrainedModel = model.eval()
    return loaded


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Errors only, and no progress bars, from transformers."""
    verbosity, bars = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(logging.ERROR)
    hf_logging.disable_progress_bar()
    try:
        yield
    finally:
        hf_logging.set_verbosity(verbosity)
        if bars:
            hf_logging.enable_progress_bar()


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or the best there is.

    Raises:
        UserError: there is no such device here.
    """
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(1, device=chosen).item()
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device {str(device)!r} is not available here ({_first_line(error)})") from error
    return chosen


def _check_weights(folder: Path) -> None:
    path = folder / WEIGHTS
    if not path.is_file():
        pickles = sorted(found.name for pattern in PICKLES for found in folder.glob(pattern))
        if pickles:
            raise UserError(
                f"{folder / pickles[0]}: a pickle, which can run any code when it is read, and is refused; "
                f"weights must be in {WEIGHTS} (for the authors' checkpoints: lyra-hf convert)"
            )
        raise UserError(f"{folder}: no {WEIGHTS} in this folder")
    try:
        with safe_open(path, framework="pt") as weights:
            weights.keys()
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a safetensors file, or cut short ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]


def _last_line(error: BaseException) -> str:
    return str(error).strip().rsplit("\n", 1)[-1].strip()
