"""`lyra-hf tables`: the list, a table's source, and building a table."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from huggingface_hub import constants

from lyra_hf.cli import main
from lyra_hf.tasks.sources import load_source, table_names

NAME = "antibody/gifford_relso"


@pytest.fixture
def tables(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder, without a network; returns status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["tables", *map(str, arguments)])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err

    return run


def put_sources(folder, parts):
    source = load_source(NAME)
    for path, part in zip(source.paths, parts, strict=True):
        target = folder / source.file_origin(path).place
        target.parent.mkdir(parents=True, exist_ok=True)
        part.to_csv(target, index=False)


def test_a_row_for_each_table(tables):
    status, out, _ = tables()
    _, *rows, blank, _ = out.splitlines()
    assert (status, blank) == (0, "")
    assert [row.split()[0] for row in rows] == table_names()
    assert rows[0].split()[1:3] == [f"{load_source(NAME).rows:,}", "apache-2.0"]
    for row in rows:
        name, _, licence, repository = row.split(maxsplit=3)
        source = load_source(name)
        assert licence == source.weights_licence
        assert source.repository.startswith(repository.removesuffix("..."))


def test_a_hundred_columns_are_enough(tables):
    lines = tables()[1].splitlines()
    assert max(map(len, lines)) <= 100
    assert not any(line.endswith(" ") for line in lines)


def test_a_tables_source(tables):
    status, out, _ = tables(NAME)
    assert status == 0
    assert yaml.safe_load(out)["digest"] == load_source(NAME).digest


def test_a_table_is_built(tables, data_folder, tmp_path):
    published = pd.read_parquet(data_folder / f"{NAME}.parquet")
    rows, tested = published[["sequence_padded", "label"]], published["split"] == "test"
    parts = (part.set_axis(["CDR3", "enrichment"], axis=1) for part in (rows[~tested], rows[tested]))
    put_sources(tmp_path / "own", parts)
    status, out, err = tables(NAME, "-o", "data", "--sources", "own")
    assert (status, out) == (0, "")
    assert "90,459 rows" in err
    assert load_source(NAME).terms in err
    assert pq.read_table(f"data/{NAME}.parquet").to_pandas().equals(published)


def test_another_table_is_not_written(tables, tmp_path):
    put_sources(tmp_path / "own", [pd.DataFrame({"CDR3": ["JACDJ"], "enrichment": [0.5]})] * 2)
    status, out, err = tables(NAME, "-o", "data", "--sources", "own")
    assert (status, out) == (2, "")
    assert "another table" in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((NAME, "-o", "data"), "raw.githubusercontent.com/KrishnaswamyLab/"),
        (("offtarget/chuai2018_offtarget", "-o", "data"), "must be built by hand"),
        (("cas9/nothing",), "no table 'cas9/nothing'"),
        (("-o", "data"), "name the table to build"),
    ],
)
def test_what_cannot_be_built_is_told_in_a_line(tables, arguments, message):
    status, out, err = tables(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
