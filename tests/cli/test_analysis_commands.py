import csv

import numpy as np
import pyarrow.parquet
import pytest
from commands import SITES, succeed, write_table
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification
from lyra_hf.analysis.interactions import epistasis
from lyra_hf.analysis.scan import mutation_scan, scan_columns

SEQUENCE = "ACGTAC"


@pytest.fixture
def model(tmp_path):
    """A folder `model` in the working directory, as which the command is run."""
    build(LyraForRegression).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def rows_of(text, delimiter=","):
    return list(csv.DictReader(text.splitlines(), delimiter=delimiter))


def column(rows, name):
    return np.array([float(row[name]) for row in rows])


def nothing_new(folder, *known):
    return {path.name for path in folder.iterdir()} == {"model", *known}


def test_a_scan_goes_to_standard_output_as_csv(lyra, model):
    rows = rows_of(succeed(lyra("scan", "model", "acgu ac")))
    scan = mutation_scan(model, SEQUENCE)
    assert [row["mutation"] for row in rows] == scan_columns(scan)["mutation"].to_pylist()
    np.testing.assert_allclose(column(rows, "effect"), scan.effects[scan.is_mutant()], atol=1e-6)


def test_a_file_gives_one_table_with_names(lyra, model, tmp_path):
    (tmp_path / "two.fasta").write_text(f">one first\nACGT\n>two\n{SEQUENCE}\n")
    assert succeed(lyra("scan", "model", "two.fasta", "-o", "scan.parquet")) == ""
    table = pyarrow.parquet.read_table(tmp_path / "scan.parquet").to_pydict()
    assert table["name"] == ["one"] * 12 + ["two"] * 18
    scan = mutation_scan(model, SEQUENCE)
    np.testing.assert_allclose(table["effect"][12:], scan.effects[scan.is_mutant()], atol=1e-6)


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_pictures_of_one_sequence(lyra, model, tmp_path, ending):
    succeed(lyra("scan", "model", SEQUENCE, "--picture", f"scan{ending}"))
    succeed(lyra("epistasis", "model", SEQUENCE, "--picture", f"map{ending}"))
    assert (tmp_path / f"scan{ending}").stat().st_size > 1000
    assert (tmp_path / f"map{ending}").stat().st_size > 1000


def test_chosen_variants_alone(lyra, model):
    rows = rows_of(succeed(lyra("scan", "model", SEQUENCE, "--variants", "A1G,c2t:U4a")))
    assert [row["variant"] for row in rows] == ["A1G", "C2T:T4A"]
    found = epistasis(model, SEQUENCE)
    expected = [found.effects((1,))[2], found.effects((2, 4))[3, 0]]
    np.testing.assert_allclose(column(rows, "effect"), expected, atol=1e-6)


def test_epistasis_gives_positions_and_in_a_file_substitutions(lyra, model, tmp_path):
    rows = rows_of(succeed(lyra("epistasis", "model", SEQUENCE, "--positions", "1-3,6", "-o", "all.csv")))
    assert len(rows) == 6
    assert (np.diff(column(rows, "rms")) <= 0).all()
    np.testing.assert_allclose(column(rows, "rms") ** 2, column(rows, "mean_square"), rtol=1e-5)
    found = epistasis(model, SEQUENCE, (1, 2, 3, 6))
    every = rows_of((tmp_path / "all.csv").read_text())
    assert len(every) == 6 * 9
    expected = np.concatenate([found.interactions[pair][found.is_mutant(pair)] for pair in found.sets()])
    np.testing.assert_allclose(column(every, "epistasis"), expected, atol=1e-6)
    strongest = max(every, key=lambda row: abs(float(row["epistasis"])))
    assert strongest["variant"] in [row["strongest"] for row in rows]


def test_three_at_a_time(lyra, model):
    rows = rows_of(succeed(lyra("epistasis", "model", SEQUENCE, "--positions", "1,2,4,5", "--order", "3")))
    assert {tuple(row[f"position_{axis}"] for axis in (1, 2, 3)) for row in rows} == {
        ("1", "2", "4"), ("1", "2", "5"), ("1", "4", "5"), ("2", "4", "5"),
    }  # fmt: skip


def test_measured_mutants_beside_the_predicted(lyra, model, tmp_path):
    found = epistasis(model, "ACG")
    sequences, labels = ["ACG"], [2.0]
    for pair in found.sets():
        for places in np.argwhere(np.ones((4, 4), bool)):
            letters = list("ACG")
            for position, place in zip(pair, places, strict=True):
                letters[position - 1] = "ACGT"[place]
            sequences.append("".join(letters))
            labels.append(2.0 + 3.0 * found.effects(pair)[tuple(places)])
    write_table(tmp_path / "measured.csv", mutant=sequences, fitness=labels)
    status, out, err = lyra(
        *("epistasis", "model", "ACG", "--measured", "measured.csv", "--column", "mutant", "--target", "fitness"),
        *("--picture", "map.png", "-o", "all.csv"),
    )
    assert status == 0
    assert "predicted and measured epistasis of 27 mutants: 1.000" in err
    rows = rows_of(out)
    assert [row["measured"] for row in rows] == ["9"] * 3
    np.testing.assert_allclose(column(rows, "measured_rms"), 3 * column(rows, "rms"), rtol=1e-4)
    every = rows_of((tmp_path / "all.csv").read_text())
    np.testing.assert_allclose(column(every, "measured"), 3 * column(every, "epistasis"), atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scan", "model", ""], "the sequence is empty"),
        (["scan", "model", "ACGE"], "the letter 'E' at position 4 is not in the dna alphabet"),
        (["scan", "model", "protein.fasta"], "protein.fasta, record 2 (p2): the letter 'L' at position 2"),
        (["scan", "model", "empty.fasta"], "empty.fasta is empty"),
        (["scan", "model", "table.csv"], "table.csv is no FASTA file"),
        (["scan", "model", "nothing.fa"], "nothing.fa: there is no such file"),
        (["scan", "model", SEQUENCE, "--variants", "A1G,G2T"], "G2T: position 2 of the sequence is C, not G"),
        (["scan", "model", SEQUENCE, "--variants", "A9G"], "A9G: position 9 is beyond the sequence"),
        (["scan", "model", SEQUENCE, "--variants", "A1"], "'A1' is no substitution"),
        (["scan", "model", SEQUENCE, "--variants", "A1G", "--picture", "a.png"], "leave out --variants or --picture"),
        (["scan", "model", SEQUENCE, "--picture", "a.pdf"], "pictures are written as .png or .svg"),
        (["scan", "model", "two.fasta", "--picture", "a.png"], "--picture is of one sequence, and the file has 2"),
        (["scan", "model", "A" * 1001, "--picture", "a.png"], "at most 1,000 positions, not 1,001"),
        (["scan", "model", SEQUENCE, "--label", "other"], "no output 'other'"),
        (["epistasis", "model", SEQUENCE, "--positions", "2,7"], "position 7 is none of the sequence's"),
        (["epistasis", "model", SEQUENCE, "--positions", "2"], "take at least 2 positions, not 1"),
        (["epistasis", "model", SEQUENCE, "--order", "3", "--picture", "a.png"], "epistasis of order 3"),
        (["epistasis", "model", "A" * 2200], "mutants of up to 2 substitutions to score, more than 20,000,000"),
        (["epistasis", "model", "A" * 401, "--picture", "a.png"], "at most 400 positions, not 401"),
        (["epistasis", "model", "two.fasta", "--measured", "table.csv"], "--measured is of one sequence"),
        (["epistasis", "model", SEQUENCE, "--target", "fitness"], "name it with --measured"),
        (["epistasis", "model", SEQUENCE, "--measured", "table.csv"], "table.csv has no column 'label'"),
        (["epistasis", "model", SEQUENCE, "--measured", "few.csv"], "few.csv has no row of the sequence itself"),
        (["epistasis", "model", "ACGTAA", "--measured", "few.csv"], "few.csv lets no interaction be measured"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line_and_leaves_nothing(lyra, model, tmp_path, arguments, message):
    files = {
        "protein.fasta": ">p1\nMKV\n>p2\nALE\n",
        "empty.fasta": "",
        "table.csv": "sequence,fitness\nACGTAC,1\n",
        "two.fasta": ">one\nACG\n>two\nACT\n",
        "few.csv": "sequence,label\nACGTAA,1.5\nACGTAG,1.7\n",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    command, *rest = arguments
    status, out, err = lyra(command, *rest, "-o", "out.csv")
    assert (status, out) == (2, "")
    assert err.startswith("lyra-hf: ")
    assert err.count("\n") == 1
    assert message in err
    assert nothing_new(tmp_path, *files)


def test_the_output_of_several_is_named(lyra, tmp_path):
    build(LyraForSequenceClassification, num_labels=3).save_pretrained(tmp_path / "model")
    status, _, err = lyra("scan", "model", SEQUENCE)
    assert status == 2
    assert "name one (--label): LABEL_0, LABEL_1, LABEL_2" in err
    assert "log_odds" in succeed(lyra("scan", "model", SEQUENCE, "--label", "LABEL_1"))


def test_a_table_on_standard_output_is_one(lyra, model):
    status, _, err = lyra("epistasis", "model", SEQUENCE, "-o", "-")
    assert status == 2
    assert "with -o name a file" in err


def test_shipped_models_are_scanned_by_name(lyra):
    rows = rows_of(succeed(lyra("scan", "lyra-cas9", SITES[0])))
    assert len(rows) == 90
    assert (column(rows, "lower") < column(rows, "prediction")).all()
