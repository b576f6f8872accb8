"""The tutorials do what they say: their code runs as it stands, and what they print is printed."""

import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^(?P<needs><!-- needs .*? -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```", re.S | re.M)
WORD = re.compile(r"[^\s,]+")


def can_run(needs):
    if needs is None:
        return True
    return {"bowtie": shutil.which("bowtie") is not None, "the tables": "LYRA_HF_DATA" in os.environ}[
        needs.removeprefix("<!-- needs ").removesuffix(" -->\n")
    ]


def run(language, code, folder):
    commands = {"bash": ["bash", "-euo", "pipefail", "-c", code], "python": [sys.executable, "-c", code]}
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": search, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(commands[language], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done.stdout


def compare(told, printed):
    """Numbers as precisely as they are told, everything else to the letter."""
    assert len(WORD.findall(told)) == len(WORD.findall(printed)), printed
    for one, other in zip(WORD.findall(told), WORD.findall(printed), strict=True):
        try:
            number = float(one)
        except ValueError:
            assert one == other
            continue
        digits = len(one.partition(".")[2])
        assert math.isclose(float(other), number, abs_tol=0.6 * 10**-digits), printed


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_runs_as_it_stands(page, tmp_path):
    number = 0
    for block in BLOCK.finditer(page.read_text("utf-8")):
        language, code = block["language"], block["code"]
        if language != "text":
            runs = can_run(block["needs"])
            printed = run(language, code, tmp_path) if runs else None
            number += runs
        elif runs:
            compare(code, printed)
    assert number >= 1


def test_a_difference_is_seen():
    compare("a,1.50\n", "a,1.504\n")
    with pytest.raises(AssertionError):
        compare("a,1.50\n", "a,1.52\n")
    with pytest.raises(AssertionError):
        compare("a 1", "b 1")
