"""Training state (optimizer, schedule, random generators) as safetensors and JSON: no pickle is written or read."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

_STRUCTURE = "structure"
_TENSOR, _TUPLE, _DICT = "__tensor__", "__tuple__", "__dict__"


def save_state(state: Any, path: Path) -> None:
    """Write nested dictionaries, lists and tuples of tensors, numbers and text as one safetensors file."""
    tensors: dict[str, Tensor] = {}

    def strip(value: Any) -> Any:
        if isinstance(value, Tensor):
            name = str(len(tensors))
            tensors[name] = value.detach().cpu().clone()
            return {_TENSOR: name}
        if isinstance(value, dict):  # as pairs, because the keys may be numbers
            return {_DICT: [[key, strip(entry)] for key, entry in value.items()]}
        if isinstance(value, tuple):
            return {_TUPLE: [strip(entry) for entry in value]}
        return [strip(entry) for entry in value] if isinstance(value, list) else value

    structure = json.dumps(strip(state))
    beside = path.with_name(f".{path.name}.partial")
    save_file(tensors, beside, metadata={_STRUCTURE: structure})
    beside.replace(path)


def load_state(path: Path) -> Any:
    """Read what `save_state` wrote."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dictionary
        structure = json.loads(file.metadata()[_STRUCTURE])

    def fill(value: Any) -> Any:
        if isinstance(value, list):
            return [fill(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == _TENSOR:
            return tensors[content]
        if kind == _TUPLE:
            return tuple(fill(entry) for entry in content)
        return {key: fill(entry) for key, entry in content}

    return fill(structure)


def random_state() -> dict[str, Any]:
    """The state of Python's, numpy's and torch's random generators."""
    # The legacy generator is the one that the Trainer seeds.
    legacy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
    state = {
        "python": random.getstate(),
        "numpy": {
            **legacy,
            "state": {**legacy["state"], "key": torch.from_numpy(legacy["state"]["key"].astype(np.int64))},
        },
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()  # of the device that this process uses
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators back into a state that `random_state` gave."""
    random.setstate(state["python"])
    legacy = state["numpy"]
    key = legacy["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**legacy, "state": {**legacy["state"], "key": key}})  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
