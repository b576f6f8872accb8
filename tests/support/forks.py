"""Runs programs of this project and kills them: forks a process that has the libraries loaded for each.

Reads orders from standard input, a JSON object on each line: `program` ("lyra-hf", or "reproduce" with a `root` to
write below), `arguments`, `folder` to work in, and `kill_after`, seconds, or null for never. Answers each with the exit
status (-9 of what was killed) and what was written to standard error.
"""

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import reproduce
import scipy.stats  # noqa: F401  # else loaded when the first metrics are computed
import sklearn.metrics  # noqa: F401

import lyra_hf.cli.training
import lyra_hf.design.designing
import lyra_hf.training.finetune  # noqa: F401
from lyra_hf.cli import main as lyra


def run(order: dict[str, Any]) -> None:
    """What the fork does; ends the process."""
    status = 70
    try:
        os.chdir(order["folder"])
        if order["program"] == "lyra-hf":
            lyra(order["arguments"])
        root = Path(order["root"])
        reproduce.ROOT, reproduce.RUNS, reproduce.RESULTS = root, root / "runs", root / "results"
        sys.argv = ["reproduce.py", *order["arguments"]]
        reproduce.main()
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    finally:
        sys.stdout.flush()
        os._exit(status)


def main() -> None:
    """Obey orders until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile("w+") as told:
            child = os.fork()
            if not child:
                os.setpgid(0, 0)
                os.dup2(os.open(os.devnull, os.O_RDWR), 0)
                os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
                os.dup2(told.fileno(), 2)
                run(order)
            if order["kill_after"] is not None:
                time.sleep(order["kill_after"])
                os.kill(child, signal.SIGKILL)  # what has ended already is there until it has been waited for
            _, status = os.waitpid(child, 0)
            told.seek(0)
            answer = {"status": os.waitstatus_to_exitcode(status), "stderr": told.read()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
