"""Several processes that train together come to what one process comes to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from lyra_hf.errors import UserError
from lyra_hf.training.processes import rows_of_each

SCRIPT = Path(__file__).parents[1] / "support" / "train_together.py"
CASES = (
    "regression", "ensemble, averaged", "classes with weights", "several labels", "per residue, both strands",
)  # fmt: skip
STEPS = 56


def run(processes, *folders):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    launcher = (
        [] if processes == 1 else ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    )
    done = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), *map(str, folders)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """By the number of processes: from the beginning, and gone on from the middle of the others' runs."""
    root = tmp_path_factory.mktemp("runs")
    for name in ("one", "two", "one, then two", "two, then one"):
        (root / name).mkdir()
    run(1, root / "one")
    run(2, root / "two")
    run(2, root / "one, then two", root / "one")
    run(1, root / "two, then one", root / "two")
    return root


def history(folder, case, key, *, after=0):
    entries = json.loads((folder / f"{case}.json").read_text())
    return [(entry["step"], entry[key]) for entry in entries if key in entry and entry["step"] > after]


@pytest.mark.parametrize("case", CASES)
class TestTogether:
    def test_losses_of_every_step(self, runs, case):
        alone, together = (history(runs / name, case, "loss") for name in ("one", "two"))
        assert len(alone) == STEPS
        assert together == [(step, pytest.approx(loss, abs=1e-5)) for step, loss in alone]

    def test_metrics(self, runs, case):
        entries = json.loads((runs / "one" / f"{case}.json").read_text())
        measured = {key for entry in entries for key in entry if key.startswith("eval_")}
        measured -= {"eval_runtime", "eval_samples_per_second", "eval_steps_per_second"}
        assert "eval_loss" in measured
        assert len(measured) > 3
        for key in measured:
            alone, together = (history(runs / name, case, key) for name in ("one", "two"))
            assert together == [(step, pytest.approx(value, abs=1e-4)) for step, value in alone], key

    def test_weights(self, runs, case):
        alone, together = (load_file(runs / name / f"{case}.safetensors") for name in ("one", "two"))
        assert alone.keys() == together.keys()
        for name, weight in alone.items():
            torch.testing.assert_close(together[name], weight, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("changed", ["one, then two", "two, then one"])
def test_going_on_in_another_number_of_processes(runs, case, changed):
    middle = STEPS // 2
    whole, gone_on = (history(runs / name, case, "loss", after=middle) for name in ("one", changed))
    assert len(whole) == STEPS - middle
    assert gone_on == [(step, pytest.approx(loss, abs=1e-5)) for step, loss in whole]


def test_a_batch_that_cannot_be_shared_out():
    assert rows_of_each(64, 4) == 16
    with pytest.raises(UserError, match=r"a batch of 64 cannot be shared out among 3 processes.*multiple of 3"):
        rows_of_each(64, 3)
