"""The command, run in an empty folder, and a table to train on."""

import numpy as np
import pytest

from lyra_hf.cli import main


@pytest.fixture
def lyra(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder; returns status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


@pytest.fixture
def table():
    """Sixty short sequences with the number of C in them as a label."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), size=12)) for _ in range(60)]
    splits = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    return {"sequence": sequences, "fitness": [text.count("C") + 0.5 for text in sequences], "split": splits}
