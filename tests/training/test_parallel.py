"""The runs are small programs that write a report, or do not; one is a training."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lyra_hf import UserError
from lyra_hf.cli.training import TrainRequest, train_command
from lyra_hf.training import parallel
from lyra_hf.training.finetune import REPORT_FILE
from lyra_hf.training.parallel import DATA_FILE, LOG_FILE, Run, cores, run_all
from lyra_hf.training.server import Server

forks = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux only")

REPORT = f"""
import json, os, pathlib, sys
sys.stderr.write("epoch 1 of 1  loss 0.5\\n")
report = {{"threads": os.environ["OMP_NUM_THREADS"]}}
pathlib.Path(sys.argv[1], {REPORT_FILE!r}).write_text(json.dumps(report))
"""
FAILURE = "import sys; sys.exit('lyra-hf: the table has no rows')"
WAITING = "import os, sys, time; sys.stderr.write(f'{os.getpid()}\\n'); time.sleep(600)"


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


@pytest.fixture(autouse=True)
def _folder_of_modules(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.fixture
def afresh(monkeypatch):
    """Every run is a process from its beginning, as where there are no forks; quick for programs that import little."""
    monkeypatch.setattr(parallel, "_FORKS", False)


@pytest.fixture(params=[pytest.param("forked", marks=forks), "afresh"])
def _each_way(request):
    if request.param == "afresh":
        request.getfixturevalue("afresh")


def run(folder, name, program=REPORT, *arguments):
    (folder / f"{name}.py").write_text(program)
    return Run(name, (name, str(folder / name), *arguments), folder / name)


def is_running(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.usefixtures("_each_way")
def test_every_run_is_made_with_one_thread(tmp_path):
    runs = [run(tmp_path, f"run-{number}") for number in range(3)]
    watch = Watch()
    assert run_all(runs, watch, jobs=2) == {}
    for entry in runs:
        assert entry.report() == {"threads": "1"}
        line = "epoch 1 of 1  loss 0.5"
        assert (entry.folder / LOG_FILE).read_text().splitlines() == [f"$ -m {entry.name} {entry.folder}", line]
        told = [event for event in watch.told if event[1] == entry.name]
        assert told == [("started", entry.name), ("said", entry.name, line), ("ended", entry.name, None)]


@pytest.mark.usefixtures("afresh")
def test_one_at_a_time(tmp_path):
    watch = Watch()
    run_all([run(tmp_path, f"run-{number}") for number in range(3)], watch, jobs=1)
    order = [event[:2] for event in watch.told if event[0] != "said"]
    assert order == [(what, f"run-{number}") for number in range(3) for what in ("started", "ended")]


@pytest.mark.usefixtures("afresh")
def test_the_next_in_order_starts_while_a_slow_one_is_under_way(tmp_path):
    last = tmp_path / "run-3" / REPORT_FILE
    slow = f"import pathlib, time\nwhile not pathlib.Path({str(last)!r}).exists(): time.sleep(0.01)\n" + REPORT
    watch = Watch()
    run_all([run(tmp_path, "slow", slow), *(run(tmp_path, f"run-{number}") for number in range(4))], watch, jobs=2)
    assert [name for what, name, *_ in watch.told if what == "started"][2:] == ["run-1", "run-2", "run-3"]


@pytest.mark.usefixtures("_each_way")
def test_what_fails_is_told_in_a_line_and_the_others_finish(tmp_path):
    runs = [
        run(tmp_path, "bad", FAILURE),
        run(tmp_path, "silent", "import sys; sys.exit(3)"),
        run(tmp_path, "broken", "raise ValueError('a fault\\nof ours')"),
        run(tmp_path, "killed", "import os; os.kill(os.getpid(), 9)"),
        run(tmp_path, "forgetful", "pass"),
        Run("absent", ("no_such_module",), tmp_path / "absent"),
        run(tmp_path, "good"),
    ]
    watch = Watch()
    failures = run_all(runs, watch, jobs=2)
    assert "No module named no_such_module" in failures.pop("absent")
    assert failures == {
        "bad": "the table has no rows",
        "silent": "ended with status 3 and without a report",
        "broken": "ended with status 1 and without a report (of ours)",
        "killed": "ended with status -9 and without a report",
        "forgetful": "ended with status 0 and without a report",
    }
    assert ("ended", "bad", "the table has no rows") in watch.told
    assert runs[-1].is_finished


@pytest.mark.usefixtures("afresh")
def test_what_the_system_refuses_is_told_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    assert run_all([run(tmp_path, "a")], Watch()) == {"a": "a: No such file or directory"}


@pytest.mark.usefixtures("afresh")
def test_what_is_finished_is_not_done_again(tmp_path):
    first = run(tmp_path, "a")
    run_all([first], Watch())
    (first.folder / REPORT_FILE).write_text(json.dumps({"kept": True}))
    watch = Watch()
    assert run_all([first, run(tmp_path, "b")], watch) == {}
    assert first.report() == {"kept": True}
    assert [event for event in watch.told if event[1] == "a"] == [("ended", "a", None)]


@pytest.mark.usefixtures("afresh")
def test_what_failed_is_tried_again_also_with_another_command(tmp_path):
    run_all([run(tmp_path, "a", FAILURE)], Watch())
    assert run_all([run(tmp_path, "a", REPORT, "--better")], Watch()) == {}


@pytest.mark.usefixtures("afresh")
def test_a_finished_run_of_another_command_is_not_taken_for_this_one(tmp_path):
    run_all([run(tmp_path, "a")], Watch())
    runs = [run(tmp_path, "b"), run(tmp_path, "a", REPORT, "--epochs=2")]
    with pytest.raises(UserError, match="a holds a finished run of another command; delete that folder"):
        run_all(runs, Watch())
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("_each_way")
def test_ctrl_c_ends_all_of_them(tmp_path):
    processes = []

    class Interrupt(Watch):
        def ended(self, run, failure):
            raise AssertionError("what is broken off has not failed")

        def said(self, run, line):
            processes.append(int(line))
            if len(processes) == 2:
                raise KeyboardInterrupt

    runs = [run(tmp_path, f"run-{number}", WAITING) for number in range(4)]
    with pytest.raises(KeyboardInterrupt):
        run_all(runs, Interrupt(), jobs=2)
    assert len(processes) == 2  # no further one was started
    assert not any(map(is_running, processes))
    assert not any(entry.is_finished for entry in runs)


@forks
@pytest.mark.parametrize("death", [signal.SIGTERM, signal.SIGKILL])
def test_the_death_of_the_program_ends_all_of_them(tmp_path, death):
    runs = [run(tmp_path, f"run-{number}", WAITING) for number in range(2)]
    program = f"""
from pathlib import Path, PosixPath
from lyra_hf.training.parallel import Run, run_all
class Watch:
    def started(self, run): pass
    def said(self, run, line): print(line, flush=True)
    def ended(self, run, failure): pass
run_all({runs!r}, Watch(), jobs=2)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        processes = [int(parent.stdout.readline()) for _ in runs]
        assert all(map(is_running, processes))
        parent.send_signal(death)
    deadline = time.monotonic() + 60
    while any(map(is_running, processes)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.usefixtures("_each_way")
def test_files_of_the_user_are_no_libraries(tmp_path, monkeypatch):
    """Runs start in the folder of the user, whose files may be called as libraries are."""
    modules = tmp_path / "modules"
    modules.mkdir()
    good = run(modules, "good", "import queue, random, evaluate\n" + REPORT)
    monkeypatch.setattr(sys, "path", [str(modules), *(place for place in sys.path if place != str(tmp_path))])
    for name in ("random", "queue", "json", "runpy", "evaluate", "datasets", "torch", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a file of mine')")
    assert run_all([good], Watch()) == {}


@forks
def test_a_server_that_cannot_start_is_told_of_in_a_line(tmp_path):
    """The runs find the modules that this process finds, here a broken one."""
    (tmp_path / "lyra_hf").mkdir()
    (tmp_path / "lyra_hf" / "__init__.py").write_text("raise ImportError('libtorch.so: cannot open')")
    watch = Watch()
    failures = run_all([run(tmp_path, "a")], watch)
    reason = "ended with status 255 and without a report (ImportError: libtorch.so: cannot open)"
    assert failures == {"a": reason}
    assert watch.told[-1] == ("ended", "a", reason)


class TestData:
    """A finished run is not taken for one on other contents of its files."""

    @pytest.fixture(autouse=True)
    def table(self, tmp_path, afresh):
        table = tmp_path / "table.csv"
        table.write_text("sequence,y\nACGT,1\n")
        return table

    @pytest.fixture
    def finished(self, tmp_path, table):
        made = replace(run(tmp_path, "a"), data=(table,))
        assert run_all([made], Watch()) == {}
        return made

    def test_the_same_content(self, finished, table):
        table.write_text(table.read_text())
        os.utime(table, (0, 0))
        watch = Watch()
        assert run_all([finished], watch) == {}
        assert watch.told == [("ended", "a", None)]

    def test_another_content(self, finished, table, tmp_path):
        table.write_text("sequence,y\nACGT,2\n")
        message = r"a holds a finished run on \S+table\.csv as it was before it changed; delete that folder"
        with pytest.raises(UserError, match=message):
            run_all([run(tmp_path, "b"), finished], Watch())
        assert not (tmp_path / "b").exists()

    def test_what_broke_off_goes_on_by_itself(self, finished, table):
        (finished.folder / REPORT_FILE).unlink()
        table.write_text("sequence,y\nACGT,2\n")
        assert run_all([finished], Watch()) == {}
        assert run_all([finished], Watch()) == {}

    def test_a_run_of_an_earlier_version(self, finished, table):
        (finished.folder / DATA_FILE).unlink()
        table.write_text("sequence,y\nACGT,2\n")
        assert run_all([finished], Watch()) == {}

    def test_a_file_that_is_missing_is_the_runs_to_tell(self, tmp_path):
        missing = replace(run(tmp_path, "b", FAILURE), data=(tmp_path / "nowhere.csv",))
        assert run_all([missing], Watch()) == {"b": "the table has no rows"}


@forks
def test_a_forked_run_is_a_process_of_its_own(tmp_path, capfd):
    program = f"""
import atexit, json, os, pathlib, sys, threading, time
import torch
import lyra_hf
lyra_hf.runs = getattr(lyra_hf, "runs", 0) + 1  # would be seen by the next run if they shared anything
def late():
    time.sleep(0.2)
    sys.stderr.write("late")
threading.Thread(target=late).start()
atexit.register(sys.stderr.write, " and at exit\\n")
print("a result")
report = {{
    "name": __name__,
    "arguments": sys.argv[2:],
    "imported before": "lyra_hf.training.finetune" in sys.modules,
    "session": os.getsid(0) == os.getpid(),
    "input": sys.stdin.read(),
    "runs": lyra_hf.runs,
    "threads": torch.get_num_threads(),
    "CUDA": torch.cuda.is_initialized(),
}}
pathlib.Path(sys.argv[1], {REPORT_FILE!r}).write_text(json.dumps(report))
"""
    runs = [run(tmp_path, f"run-{number}", program, "more") for number in range(2)]
    assert run_all(runs, Watch(), jobs=1) == {}
    for entry in runs:
        assert entry.report() == {
            "name": "__main__",
            "arguments": ["more"],
            "imported before": True,
            "session": True,
            "input": "",
            "runs": 1,
            "threads": 1,
            "CUDA": False,
        }
        assert (entry.folder / LOG_FILE).read_text().splitlines()[1:] == ["late and at exit"]
    assert capfd.readouterr() == ("", "")


@forks
def test_a_run_is_not_waited_for_in_vain(tmp_path):
    """The process that waits for its status, or the one that it is forked from, may be killed."""
    (tmp_path / "orphan.py").write_text("import os; os.kill(os.getppid(), 9)")
    server = Server(os.environ)
    with server.start(["orphan"]) as orphan:
        assert orphan.stderr.read() == ""
    server._process.kill()
    server._process.wait()
    with server.start(["orphan"]) as unborn:
        assert unborn.stderr.read() == ""
    server.close()
    assert orphan.returncode == unborn.returncode == 255


def test_a_training_gives_the_bits_of_a_process_of_its_own(tmp_path):
    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGT"), size=12)) for _ in range(60)]
    splits = ["train"] * 45 + ["validation"] * 15
    lines = [f"{row},{row.count('C') + 0.5},{split}" for row, split in zip(rows, splits, strict=True)]
    Path("table.csv").write_text("\n".join(["sequence,fitness,split", *lines, ""]))
    request = TrainRequest(data="table.csv", targets=("fitness",), changes={"epochs": 2, "seed": 3})
    together, alone = Path("together"), Path("alone")
    runs = [Run(name, train_command(request, together / name), together / name) for name in ("a", "b")]
    assert run_all(runs, Watch(), jobs=2) == {}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, "-m", *train_command(request, alone)], env=environment, check=True, capture_output=True
    )
    for entry in runs:
        assert (entry.folder / "model.safetensors").read_bytes() == (alone / "model.safetensors").read_bytes()
        with (entry.folder / LOG_FILE).open() as log:  # finished folders are known by this line
            options = "--target=fitness --column=sequence --epochs=2 --seed=3"
            told = log.readline()
            assert told.startswith("$ -m lyra_hf.cli train --target=fitness ")
            assert set(options.split()) | {f"--output={entry.folder}"} < set(told.split())


def test_cores():
    assert 1 <= cores() <= os.cpu_count()
