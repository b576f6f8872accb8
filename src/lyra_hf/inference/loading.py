"""Loads a model from a shipped name or a folder, and says in one line what is wrong with a folder that holds none."""

import json
import logging
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers.utils import logging as hf_logging

from ..checkpoints import model_folder
from ..configuration_lyra import LyraConfig
from ..errors import UserError, reason
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
_DTYPES = ("F64", "F32", "F16", "BF16")  # as safetensors call them
PICKLES = ("pytorch_model.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.bin")


def load_config(folder: Path) -> LyraConfig:
    """The configuration in a model's folder.

    Raises:
        UserError: it cannot be read, is of another model, or has a value that makes no sense.
    """
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({_first_line(error)})") from error
    found = content.get("model_type") if isinstance(content, dict) else None
    if found != LyraConfig.model_type:
        raise UserError(f"{path}: model_type is {found!r}; this package runs {LyraConfig.model_type!r} models")
    try:
        config = LyraConfig.from_pretrained(folder)
    except Exception as error:  # strict dataclasses raise several kinds of errors, all with a message for the reader
        raise UserError(f"{path}: {reason(error)}") from error
    names = config.id2label or {}
    if sorted(names) != list(range(len(names))) or len(set(names.values())) != len(names):
        raise UserError(f"{path}: id2label must give each output, from 0 on, a name of its own; it is {names}")
    for name in names.values():
        if any(unicodedata.category(character).startswith("C") for character in str(name)):
            raise UserError(f"{path}: the name {name!r} in id2label has a control character")
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
    found = _shapes(folder)
    with quiet_transformers():
        try:
            with torch.device("meta"):  # shapes alone: what does not fit may ask for any amount of memory
                expected = {key: tuple(value.shape) for key, value in _HEADS[architecture](config).state_dict().items()}
            _check_fit(folder / WEIGHTS, found, expected)
            model: LyraPreTrainedModel = _HEADS[architecture].from_pretrained(
                folder, config=config, use_safetensors=True, local_files_only=True
            )
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"{folder / WEIGHTS}: {reason(error)}") from error
    for name, tensor in model.named_parameters():
        if not tensor.isfinite().all():
            raise UserError(f"{folder / WEIGHTS}: tensor {name!r} has a value that is no finite number")
    return model.eval()


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


def _check_fit(path: Path, found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]]) -> None:
    """Refuse weights of other names or shapes than the configuration asks for."""
    missing, unknown = expected.keys() - found.keys(), found.keys() - expected.keys()
    for problem, keys in (("has no", missing), ("has an unknown", unknown)):
        if keys:
            raise UserError(f"{path}: {problem} tensor {min(keys)!r}; it does not fit its config.json")
    for key in sorted(expected):
        if found[key] != expected[key]:
            raise UserError(
                f"{path}: tensor {key!r} has the shape {found[key]}, and its config.json asks for {expected[key]}"
            )


def _shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The names and shapes of a folder's weights, as the file's header tells them."""
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
            slices = {key: weights.get_slice(key) for key in weights.keys()}  # noqa: SIM118  # no dict
            for key, found in slices.items():
                if found.get_dtype() not in _DTYPES:
                    raise UserError(
                        f"{path}: tensor {key!r} is of {found.get_dtype()}; one of {', '.join(_DTYPES)} is needed"
                    )
            return {key: tuple(found.get_shape()) for key, found in slices.items()}
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: not a safetensors file, or cut short ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
