import csv

import pytest
from commands import succeed

from lyra_hf import Predictor

GB1 = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVVDGWTYDDATKTFTVVE"


def test_the_path_as_a_table_and_a_picture(lyra, tmp_path):
    (tmp_path / "wild.fasta").write_text(f">gb1 protein G\n{GB1}\n")
    options = ["--mutations", "2", "--only", "40-42,55", "--keep", "42", "--beam", "2"]
    files = ["-o", tmp_path / "path.csv", "--picture", tmp_path / "path.png"]
    status, out, err = lyra("optimize", "lyra-gb1", tmp_path / "wild.fasta", *options, *files)
    assert (status, out) == (0, "")
    rows = list(csv.DictReader((tmp_path / "path.csv").read_text().splitlines()))
    assert rows[0]["sequence"] == GB1
    assert f"{rows[-1]['variant']}: fitness relative to wild type" in err
    places = [place + 1 for place, letter in enumerate(rows[-1]["sequence"]) if letter != GB1[place]]
    assert set(places) <= {40, 41, 55}
    predictions = Predictor("lyra-gb1")([row["sequence"] for row in rows])
    assert [float(row["prediction"]) for row in rows] == pytest.approx(predictions.tolist(), rel=1e-5)
    assert (tmp_path / "path.png").read_bytes().startswith(b"\x89PNG")


def test_without_a_file_the_table_is_the_output(lyra):
    out = succeed(lyra("optimize", "lyra-amp", "GIGKFLHSAKK", "--mutations", "1", "--minimize"))
    header, wild_type, best = out.splitlines()
    assert header == "mutations,mutation,variant,sequence,log_odds"
    assert float(best.split(",")[-1]) < float(wild_type.split(",")[-1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lyra-amp", "GIG", "--mutations", "0"], "mutations must be at least 1, not 0"),
        (["lyra-amp", "GIG", "--mutations", "1", "--keep", "3-9"], "position 9 is none of the sequence's"),
        (["lyra-amp", "GIG", "--mutations", "1", "--only", "1", "--keep", "1"], "every position is kept"),
        (["lyra-amp", "GIG", "--mutations", "1", "--cautious"], "cannot say how certain it is"),
        (["lyra-amp", "GIG", "--mutations", "1", "--picture", "x.pdf"], "pictures are written as .png or .svg"),
        (["lyra-disorder", "GIG", "--mutations", "1"], "the model has several outputs"),
        (["lyra-cas9", "MKLV", "--mutations", "1"], "the letter 'L' at position 3 is not in the dna alphabet"),
        (["lyra-amp", "none.fa", "--mutations", "1"], "none.fa: there is no such file"),
        (["lyra-amp", "two.fa", "--mutations", "1"], "two.fa has 2 sequences; give one at a time"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line_and_nothing_is_written(lyra, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two.fa").write_text(">a\nGIG\n>b\nGIG\n")
    status, out, err = lyra("optimize", *arguments, "-o", "path.csv")
    assert (status, out) == (2, "")
    assert err.startswith("lyra-hf: ")
    assert message in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["two.fa"]
