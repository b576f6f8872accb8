"""A process of its own, whose peak memory is measured: `python -m benchmarks.worker REPORT TASK ...`.

Tasks: `idle` imports what all others import and ends; `CONTESTANT LENGTH` lets a contestant read one DNA sequence;
`command ARGUMENT ...` is the command `lyra-hf`. The peak, in bytes, is written as JSON to the file REPORT.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
IDLE, COMMAND = "idle", "command"


def peak_memory_of(task: list[str], threads: int, report: Path) -> int:
    """Peak resident memory, in bytes, of a process that does a task; what it prints is left out.

    Raises:
        subprocess.CalledProcessError: it failed; the error has what it printed.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    words = [sys.executable, "-m", "benchmarks.worker", str(report), *task]
    subprocess.run(words, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    return int(json.loads(report.read_text())["peak_bytes"])


def own_peak_memory() -> int:
    """Peak resident memory of this process so far, in bytes.

    Linux hands `ru_maxrss` on from the process that started this one, which may have been far larger; VmHWM is ours.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return 1024 * int(line.split()[1])


def run_command(arguments: list[str]) -> None:
    """`lyra-hf ARGUMENT ...`.

    Raises:
        SystemExit: it failed.
    """
    from lyra_hf.cli import main

    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise


def run_contestant(contestant: str, length: int) -> None:
    """Let a contestant read one DNA sequence, as it does in the table of rates."""
    import torch

    from lyra_hf import Predictor

    from .models import (
        definition_forward,
        encoded,
        engine_outputs,
        model_forward,
        random_ids,
        released_model,
        run_batches,
    )

    if contestant == IDLE:
        return
    ids = random_ids("dna", 1, length)
    model = released_model("dna")
    if contestant == "engine":
        engine_outputs(Predictor(model, "cpu"), encoded(ids))
        return
    forward = definition_forward(model, torch.device("cpu")) if contestant == "definition" else model_forward(model)
    run_batches(forward, torch.from_numpy(ids).long(), 1)


def work(report: Path, task: list[str]) -> None:
    """Do a task and write what memory it took."""
    if task[0] == COMMAND:
        run_command(task[1:])
    else:
        run_contestant(task[0], int(task[1]) if len(task) > 1 else 0)
    report.write_text(json.dumps({"peak_bytes": own_peak_memory()}))


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2:])
