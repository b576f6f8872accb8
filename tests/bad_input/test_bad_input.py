"""Each case of the tables: its status, one line that says what and where, and nothing half-written."""

import io
import shlex
import sys
from pathlib import Path

import pytest
from bad_files import FILES
from bad_labels import LABELS
from bad_models import CHECKPOINTS, CONFIGS
from bad_outputs import OUTPUTS
from bad_sequences import SEQUENCES
from case import Case, make, one_line, snapshot

CASES = [*FILES, *SEQUENCES, *LABELS, *CONFIGS, *CHECKPOINTS, *OUTPUTS]


def test_names_tell_cases_apart():
    assert len({case.name for case in CASES}) == len(CASES)
    assert len([case for case in CASES if case.status == 2]) >= 100


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_one_line_and_nothing_half_written(lyra, tmp_path, monkeypatch, case: Case):
    monkeypatch.delenv("LYRA_HF_DATA", raising=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(case.stdin)))
    make(case.files, tmp_path)
    before = snapshot(tmp_path)
    status, out, err = lyra(*shlex.split(case.command))
    assert (status, out) == (case.status, ""), err
    line = one_line(err, case)
    after = snapshot(tmp_path)
    if case.status:
        assert line.startswith("lyra-hf: ")
        assert after == before
    else:
        assert after.items() > before.items()
        assert not [name for name in after if Path(name).name.startswith(".")]
