"""What takes a process of its own: a reader that has gone, Ctrl-C, too little memory, a full standard output."""

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from case import DNA, snapshot

START = "from lyra_hf.cli import main; print('ready', file=sys.stderr, flush=True); main()"
TRAIN = "import lyra_hf.training.finetune, lyra_hf.cli.training\n"
# Leaves so many bytes of address space over what the program has when it is ready.
LIMITED = """
import resource
from pathlib import Path
import lyra_hf.inference.files

pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + {room}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
"""


def start(folder, *words, before="", **streams):
    """The command in a process, past its imports."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **streams}
    program = [sys.executable, "-c", f"import sys\n{before}{START}", *words]
    process = subprocess.Popen(program, cwd=folder, stderr=subprocess.PIPE, text=True, **streams)
    assert process.stderr.readline() == "ready\n"
    return process


def test_a_reader_that_has_gone_is_nobody_to_tell(tmp_path):
    (tmp_path / "a.csv").write_text("sequence\n" + f"{DNA}\n" * 20_000)
    before = snapshot(tmp_path)
    with start(tmp_path, "predict", "lyra-cas9", "a.csv") as process:
        process.stdout.close()
        assert process.wait(120) == 141
        assert process.stderr.read() == ""
    assert snapshot(tmp_path) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_told_of(tmp_path):
    (tmp_path / "a.csv").write_text(f"sequence\n{DNA}\n")
    with Path("/dev/full").open("w") as full, start(tmp_path, "predict", "lyra-cas9", "a.csv", stdout=full) as process:
        assert process.wait(120) == 2
        assert process.stderr.read() == "lyra-hf: standard output cannot be written: No space left on device\n"


def test_ctrl_c_in_a_training_leaves_no_model(tmp_path):
    rows = [f"{DNA},{place},{('train', 'validation')[place % 2]}" for place in range(60)]
    (tmp_path / "a.csv").write_text("\n".join(["sequence,y,split", *rows, ""]))
    words = ["train", "a.csv", "--target", "y", "--epochs", "100000", "--patience", "0", "-o", "out"]
    with start(tmp_path, *words, before=TRAIN) as process:
        said = [process.stderr.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read().splitlines()
        assert process.wait(120) == 130
    assert said[0].startswith("a.csv: ")
    assert said[1].startswith("epoch 1 of")
    assert [line for line in rest if not line.startswith("epoch ")] == ["lyra-hf: interrupted"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"checkpoints"}


def test_ctrl_c_in_a_scan_leaves_nothing(tmp_path):
    with start(tmp_path, "epistasis", "lyra-gb1", "MKVAWG" * 30, "-o", "out.csv") as process:
        while not list(tmp_path.glob(".out.csv*")):  # until it is being written
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
        assert process.stderr.read() == "lyra-hf: interrupted\n"
    assert snapshot(tmp_path) == {}


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS") or not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_too_little_memory_is_told_of(tmp_path):
    with (tmp_path / "a.csv").open("wb") as stream:
        stream.write(b"sequence\n")
        os.truncate(stream.fileno(), 1 << 30)  # one row of zeros, which take no room on the disk
    limited = LIMITED.format(room=256 << 20)
    with start(tmp_path, "predict", "lyra-cas9", "a.csv", "-o", "out.csv", before=limited) as process:
        assert process.wait(120) == 2
        said = process.stderr.read()
    assert said.startswith("lyra-hf: there is not enough memory for this")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_debug_shows_where(lyra):
    _, out, err = lyra("--debug", "predict", "lyra-cas9", "none.csv")
    assert out == ""
    assert err.startswith("Traceback")
    assert err.splitlines()[-1] == "lyra-hf: none.csv: there is no such file"


def test_a_fault_of_the_program_is_told_in_a_line_too(lyra, monkeypatch):
    def broken(*arguments, **keywords):
        raise ZeroDivisionError("0 / 0")

    monkeypatch.setattr("lyra_hf.inference.files.predict_file", broken)
    status, out, err = lyra("predict", "lyra-cas9", "a.csv")
    assert (status, out) == (1, "")
    assert err.startswith("lyra-hf: a fault of the program itself (ZeroDivisionError: 0 / 0); lyra-hf --debug COMMAND")
    assert err.count("\n") == 1
