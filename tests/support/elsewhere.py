"""A process in which lyra_hf cannot be imported, with an empty cache, that talks to the same Hub as this one."""

import json
import os
import subprocess
import sys
from pathlib import Path

from huggingface_hub import constants, get_token


def run_without_package(repositories, folder):
    """What tests/support/without_package.py finds, in a process with an empty cache of its own."""
    answer, job = folder / "answer.json", folder / "job.json"
    job.write_text(json.dumps({"models": repositories, "folder": str(folder / "again"), "answer": str(answer)}))
    base = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    client = {
        "HF_ENDPOINT": constants.ENDPOINT,
        "HF_TOKEN": get_token(),
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
    }
    script = Path(__file__).with_name("without_package.py")
    result = subprocess.run(
        [sys.executable, "-I", script, job], env=base | client, cwd=folder, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return json.loads(answer.read_text())
