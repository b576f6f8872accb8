"""The runs are small programs that write a report, or do not."""

import json
import os
import sys

import pytest

from lyra_hf import UserError
from lyra_hf.training.finetune import REPORT_FILE
from lyra_hf.training.parallel import LOG_FILE, Run, cores, run_all

REPORT = f"""
import json, os, pathlib, sys
sys.stderr.write("epoch 1 of 1  loss 0.5\\n")
report = {{"threads": os.environ["OMP_NUM_THREADS"]}}
pathlib.Path(sys.argv[1], {REPORT_FILE!r}).write_text(json.dumps(report))
"""
FAILURE = "import sys; sys.exit('lyra-hf: the table has no rows')"


class Watch:
    """Keeps what it is told."""

    def __init__(self):
        self.told = []

    def started(self, run):
        self.told.append(("started", run.name))

    def said(self, run, line):
        self.told.append(("said", run.name, line))

    def ended(self, run, failure):
        self.told.append(("ended", run.name, failure))


def run(folder, name, program=REPORT, *arguments):
    return Run(name, (sys.executable, "-c", program, str(folder / name), *arguments), folder / name)


def test_every_run_is_made_with_one_thread(tmp_path):
    runs = [run(tmp_path, f"run-{number}") for number in range(3)]
    watch = Watch()
    assert run_all(runs, watch, jobs=2) == {}
    for entry in runs:
        assert entry.report() == {"threads": "1"}
        line = "epoch 1 of 1  loss 0.5"
        assert (entry.folder / LOG_FILE).read_text().splitlines()[-1] == line
        told = [event for event in watch.told if event[1] == entry.name]
        assert told == [("started", entry.name), ("said", entry.name, line), ("ended", entry.name, None)]


def test_one_at_a_time(tmp_path):
    watch = Watch()
    run_all([run(tmp_path, f"run-{number}") for number in range(3)], watch, jobs=1)
    order = [event[:2] for event in watch.told if event[0] != "said"]
    assert order == [(what, f"run-{number}") for number in range(3) for what in ("started", "ended")]


def test_what_fails_is_told_in_a_line_and_the_others_finish(tmp_path):
    runs = [
        run(tmp_path, "bad", FAILURE),
        run(tmp_path, "silent", "import sys; sys.exit(3)"),
        run(tmp_path, "broken", "raise ValueError('a fault\\nof ours')"),
        run(tmp_path, "forgetful", "pass"),
        Run("absent", (str(tmp_path / "nothing"),), tmp_path / "absent"),
        run(tmp_path, "good"),
    ]
    watch = Watch()
    failures = run_all(runs, watch, jobs=2)
    assert failures.pop("absent").endswith("No such file or directory")
    assert failures == {
        "bad": "the table has no rows",
        "silent": "ended with status 3 and without a report",
        "broken": "ended with status 1 and without a report (of ours)",
        "forgetful": "ended with status 0 and without a report",
    }
    assert ("ended", "bad", "the table has no rows") in watch.told
    assert runs[-1].is_finished


def test_what_is_finished_is_not_done_again(tmp_path):
    first = run(tmp_path, "a")
    run_all([first], Watch())
    (first.folder / REPORT_FILE).write_text(json.dumps({"kept": True}))
    watch = Watch()
    # The interpreter may lie elsewhere the next time.
    again = Run("a", ("elsewhere", *first.command[1:]), first.folder)
    assert run_all([again, run(tmp_path, "b")], watch) == {}
    assert first.report() == {"kept": True}
    assert [event for event in watch.told if event[1] == "a"] == [("ended", "a", None)]


def test_what_failed_is_tried_again_also_with_another_command(tmp_path):
    run_all([run(tmp_path, "a", FAILURE)], Watch())
    assert run_all([run(tmp_path, "a")], Watch()) == {}


def test_a_finished_run_of_another_command_is_not_taken_for_this_one(tmp_path):
    run_all([run(tmp_path, "a")], Watch())
    runs = [run(tmp_path, "b"), run(tmp_path, "a", REPORT, "--epochs=2")]
    with pytest.raises(UserError, match="a holds a finished run of another command; delete that folder"):
        run_all(runs, Watch())
    assert not (tmp_path / "b").exists()


def test_ctrl_c_ends_all_of_them(tmp_path):
    waiting = "import os, sys, time; sys.stderr.write(f'{os.getpid()}\\n'); sys.stderr.flush(); time.sleep(600)"
    processes = []

    class Interrupt(Watch):
        def ended(self, run, failure):
            raise AssertionError("what is broken off has not failed")

        def said(self, run, line):
            processes.append(int(line))
            if len(processes) == 2:
                raise KeyboardInterrupt

    runs = [run(tmp_path, f"run-{number}", waiting) for number in range(4)]
    with pytest.raises(KeyboardInterrupt):
        run_all(runs, Interrupt(), jobs=2)
    assert len(processes) == 2  # no further one was started
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert not any(entry.is_finished for entry in runs)


def test_cores():
    assert 1 <= cores() <= os.cpu_count()
