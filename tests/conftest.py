"""What all tests share: hypothesis draws the same examples every time and never looks at the clock; the command."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Fixtures for all tests.
from support.hubs import loopback as loopback
from support.hubs import names as names

from lyra_hf.cli import main

settings.register_profile("lyra", max_examples=25, deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("lyra")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the catalogue's tables; what needs it is skipped where LYRA_HF_DATA is unset."""
    folder = os.environ.get("LYRA_HF_DATA")
    if not folder:
        pytest.skip("LYRA_HF_DATA is not set")
    return Path(folder)


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
