"""Where the catalogue's tables come from: each source is whole, and a table that is not there is told of in words."""

import re
from dataclasses import dataclass, field

import pytest
import yaml

from lyra_hf import UserError
from lyra_hf.tasks.recipe import load_recipe, recipe_names
from lyra_hf.tasks.sources import LICENCES, find_table, load_source, read_mapping, table_names

# Terms under which nobody may call what is made of the data Apache-2.0.
UNFREE = re.compile(
    r"^no licence|not for redistribution|not to be redistributed|research use|non-commercial|not commercial|BY-NC|GPL"
    r"|terms not stated|states no licence|without a stated licence",
    re.IGNORECASE,
)


def tables_of_recipes():
    return {source.table for name in recipe_names() for source in load_recipe(name).sources}


@pytest.mark.parametrize("table", table_names())
class TestEverySource:
    def test_is_whole(self, table):
        source = load_source(table)
        assert source.table == table
        for text in (source.repository, source.commit, source.terms, source.paper, source.unit, source.steps):
            assert isinstance(text, str)
            assert text.strip()
        assert source.paths
        assert all(isinstance(path, str) and path for path in source.paths)
        assert source.repository in source.origin
        assert all(path in source.origin for path in source.paths)

    def test_is_of_one_commit_or_version(self, table):
        source = load_source(table)
        assert re.search(r"\b[0-9a-f]{40}\b|^\d+(\.\d+)+$", source.commit)

    def test_the_weights_are_no_freer_than_the_data(self, table):
        source = load_source(table)
        assert source.weights_licence in LICENCES
        if UNFREE.search(source.terms):
            assert source.weights_licence != "apache-2.0"


def test_licences_are_ones_that_the_hub_knows():
    """Of its list of identifiers; "other" is for what has none."""
    assert set(LICENCES) <= {
        "apache-2.0",
        "mit",
        "cc-by-4.0",
        "cc-by-sa-4.0",
        "cc-by-nc-4.0",
        "cc-by-nc-sa-4.0",
        "other",
    }


def test_terms_are_told_apart():
    licences = {bool(UNFREE.search(load_source(table).terms)) for table in table_names()}
    assert licences == {True, False}
    assert load_source("cas9/kim2019_spcas9").weights_licence == "cc-by-nc-4.0"


def test_every_table_has_a_task():
    assert tables_of_recipes() == set(table_names())
    assert len(table_names()) == len(set(table_names())) >= 61


def test_every_table_of_the_data_folder_has_a_source(data_folder):
    there = {path.relative_to(data_folder).with_suffix("").as_posix() for path in data_folder.glob("*/*.parquet")}
    assert there == set(table_names())


def test_an_unknown_table_is_answered_with_those_there_are():
    with pytest.raises(UserError, match=r"the catalogue has no table 'cas9/nothing'; it has .*cas9/kim2019_spcas9"):
        load_source("cas9/nothing")


class TestFindTable:
    TABLE = "cas9/kim2019_spcas9"

    @pytest.fixture(autouse=True)
    def no_variable(self, monkeypatch):
        monkeypatch.delenv("LYRA_HF_DATA", raising=False)

    @pytest.fixture
    def path(self, tmp_path):
        path = tmp_path / "data" / f"{self.TABLE}.parquet"
        path.parent.mkdir(parents=True)
        path.touch()
        return path

    def test_in_the_folder_named(self, path, monkeypatch):
        monkeypatch.setenv("LYRA_HF_DATA", "elsewhere")
        assert find_table(self.TABLE, path.parents[1]) == path

    def test_in_the_folder_of_the_variable(self, path, monkeypatch):
        monkeypatch.setenv("LYRA_HF_DATA", str(path.parents[1]))
        assert find_table(self.TABLE) == path

    def test_no_folder(self):
        source = load_source(self.TABLE)
        message = rf"{self.TABLE}\.parquet is needed: .*--data-dir or LYRA_HF_DATA; .*{re.escape(source.origin)}"
        with pytest.raises(UserError, match=message):
            find_table(self.TABLE)

    def test_not_in_the_folder(self, tmp_path):
        source = load_source(self.TABLE)
        message = rf"{self.TABLE}\.parquet: no such file; its public source is {re.escape(source.origin)}"
        with pytest.raises(UserError, match=message):
            find_table(self.TABLE, tmp_path)


@dataclass
class Made:
    name: str
    colours: tuple[str, ...]
    size: int = 3
    parts: list[int] = field(default_factory=list)


class TestReadMapping:
    @pytest.fixture
    def write(self, tmp_path):
        def write_file(content):
            path = tmp_path / "made.yaml"
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
            return path

        return write_file

    def test_what_stands_in_the_file(self, write):
        path = write({"colours": ["red", "grün"], "size": 4})
        assert read_mapping(path, Made, but={"name"}) == {"colours": ["red", "grün"], "size": 4}

    def test_a_field_that_is_called_otherwise(self, write):
        path = write({"name": "x", "colour": "red"})
        assert read_mapping(path, Made, also={"colour": "colours"}) == {"name": "x", "colours": "red"}
        with pytest.raises(UserError, match=r"no field 'colours'; fields are name, colour, size, parts"):
            read_mapping(write({"name": "x", "colours": "red"}), Made, also={"colour": "colours"})

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"name": "x"}, "the field 'colours' is missing"),
            ({"name": "x", "colours": [], "flavour": 1}, "there is no field 'flavour'; fields are name, colours, size"),
            ("", "not a mapping of fields; they are name, colours"),
            ("[1, 2]", "not a mapping of fields"),
            ("name: [1\n", "cannot be read as YAML"),
        ],
    )
    def test_what_is_wrong_is_named(self, write, content, message):
        with pytest.raises(UserError, match=rf"^made\.yaml: {message}") as caught:
            read_mapping(write(content), Made)
        assert "\n" not in str(caught.value)

    def test_what_is_not_in_the_file_is_not_looked_for(self, write):
        with pytest.raises(UserError, match="no field 'name'"):
            read_mapping(write({"name": "x", "colours": []}), Made, but={"name"})
