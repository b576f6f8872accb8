"""What a repository needs to be served at an Inference Endpoint: a handler, and the libraries that it wants."""

import re
import shutil
from importlib.metadata import requires
from pathlib import Path

from ..checkpoints.folders import write_text

HANDLER = "handler.py"
REQUIREMENTS = "requirements.txt"
_LIBRARIES = ("huggingface-hub", "numpy", "safetensors", "tokenizers", "torch", "transformers")


def write_endpoint(folder: Path) -> None:
    """Write the handler and its requirements into a model's folder.

    Args:
        folder: a folder with configuration, weights, tokenizer and code.
    """
    shutil.copyfile(Path(__file__).with_name(HANDLER), folder / HANDLER)
    write_text(folder / REQUIREMENTS, "".join(f"{line}\n" for line in requirements()))


def requirements() -> list[str]:
    """The libraries that the model's own files import, in the versions that the package asks for."""
    asked = [line.split(";")[0].strip() for line in requires("lyra-hf") or () if "extra ==" not in line]
    return sorted(line for line in asked if re.split(r"[\s<>=!~\[]", line, maxsplit=1)[0] in _LIBRARIES)
