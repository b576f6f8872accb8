"""Kill -9 of every long command at random moments: a second start completes, and what comes is what would have come.

`LYRA_HF_KILLS` says how many kills of each command; `make kills` takes 20.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

KILLS = int(os.environ.get("LYRA_HF_KILLS", "3"))
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "support" / "forks.py"
KILLED = -9
_OF_TIME = {"minutes"}  # the only thing in a report that two runs differ in


class Forks:
    def __init__(self):
        places = os.pathsep.join([str(ROOT / "training"), *filter(None, sys.path)])
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": places, "OMP_NUM_THREADS": "1"},
        )

    def __call__(self, program, *arguments, folder, kill_after=None, root=None):
        order = {"program": program, "arguments": [str(argument) for argument in arguments], "folder": str(folder)}
        self.process.stdin.write(json.dumps({**order, "kill_after": kill_after, "root": str(root)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["status"], answer["stderr"]


@pytest.fixture(scope="module")
def forks():
    forks = Forks()
    yield forks
    forks.process.communicate(timeout=60)


@pytest.fixture
def moments():
    """Seconds from a start to a kill: now and then before anything has happened, mostly amid the work."""
    return random.Random(0)


def guides(path, number, *, labels=False):
    generator = np.random.default_rng(0)
    letters = np.array(list("ACGT"))[generator.integers(0, 4, size=(number, 30))]
    rows = ["".join(row) for row in letters]
    if labels:
        rows = [f"{row},{row.count('A') + row.count('GG')},{'validation' if n % 5 == 0 else 'train'}"
                for n, row in enumerate(rows)]  # fmt: skip
    path.write_text("\n".join(["sequence,y,split" if labels else "sequence", *rows]) + "\n")


def contents(folder):
    """Every file but the logs, which tell of every start; and but for the times in reports."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "log.txt":
            name, content = str(path.relative_to(folder)), path.read_bytes()
            if path.suffix == ".json" and b'"minutes"' in content:
                content = json.dumps(_without_times(json.loads(content))).encode()
            if path.name == "README.md":
                content = b"\n".join(line for line in content.splitlines() if b"minute" not in line)
            found[name] = content
    return found


def _without_times(value):
    if isinstance(value, dict):
        return {key: _without_times(entry) for key, entry in value.items() if key not in _OF_TIME}
    return [_without_times(entry) for entry in value] if isinstance(value, list) else value


def test_train(forks, tmp_path, moments):
    guides(tmp_path / "t.csv", 400, labels=True)
    options = ("train", "t.csv", "--target", "y", "--epochs", 8, "--refit", "--ensemble-size", 2)
    status, told = forks("lyra-hf", *options, "-o", "whole", folder=tmp_path)
    assert status == 0, told
    kills = runs = 0
    while kills < KILLS:
        output = f"broken-{runs}"
        runs += 1
        while True:
            wait = moments.uniform(0.1, 1.5) if kills < KILLS else None
            status, told = forks("lyra-hf", *options, "-o", output, folder=tmp_path, kill_after=wait)
            if status != KILLED:
                break
            kills += 1
        assert status == 0, told
        assert contents(tmp_path / output) == contents(tmp_path / "whole")


@pytest.mark.parametrize("ending", ["csv", "parquet", "csv.gz"])
def test_predict(forks, tmp_path, moments, ending):
    guides(tmp_path / "guides.csv", 40_000)
    command = ("predict", "lyra-cas9", "guides.csv", "-o")
    status, told = forks("lyra-hf", *command, f"whole.{ending}", folder=tmp_path)
    assert status == 0, told
    whole = (tmp_path / f"whole.{ending}").read_bytes()
    output = tmp_path / f"out.{ending}"
    output.write_bytes(b"what was there before")
    kills = 0
    while kills < -(-KILLS // 3):  # of three endings
        wait = moments.uniform(0.05, 1.2)
        status, told = forks("lyra-hf", *command, output.name, folder=tmp_path, kill_after=wait)
        kills += status == KILLED
        assert status in (0, KILLED), told
        assert output.read_bytes() in (b"what was there before", whole)
    status, told = forks("lyra-hf", *command, output.name, folder=tmp_path)
    assert status == 0, told
    assert output.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["guides.csv", output.name, f"whole.{ending}"]


def test_design(forks, tmp_path, moments):
    generator = np.random.default_rng(2)
    contigs = ["".join(np.array(list("ACGT"))[generator.integers(0, 4, size=60_000)]) for _ in range(3)]
    (tmp_path / "genome.fa").write_text("".join(f">c{n}\n{contig}\n" for n, contig in enumerate(contigs)))
    command = ("design", "genome.fa", "--model", "lyra-cas9", "-o")
    status, told = forks("lyra-hf", *command, "whole.tsv", folder=tmp_path)
    assert status == 0, told
    whole = (tmp_path / "whole.tsv").read_bytes()
    output = tmp_path / "out.tsv"
    kills = 0
    while kills < KILLS:
        wait = moments.uniform(0.05, 1.5)
        status, told = forks("lyra-hf", *command, output.name, folder=tmp_path, kill_after=wait)
        kills += status == KILLED
        assert status in (0, KILLED), told
        assert not output.exists() or output.read_bytes() == whole
    status, told = forks("lyra-hf", *command, output.name, folder=tmp_path)
    assert status == 0, told
    assert output.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", "out.tsv", "whole.tsv"]


def test_catalogue(forks, tmp_path, moments, data_folder):
    task = "gb1_flip_one_vs_rest"
    command = (task, "--configuration", "paper", "--seeds", 0, 1, "--jobs", 2, "--data-dir", data_folder)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for root in (whole, broken):
        root.mkdir()
    status, told = forks("reproduce", *command, folder=tmp_path, root=whole)
    assert status == 0, told
    kills = 0
    status = KILLED
    while status == KILLED:
        wait = moments.uniform(0.5, 12) if kills < KILLS else None
        status, told = forks("reproduce", *command, folder=tmp_path, root=broken, kill_after=wait)
        kills += status == KILLED
    assert status == 0, told
    assert contents(broken) == contents(whole)
