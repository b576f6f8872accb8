"""Building a table: what is written is the table that the catalogue was measured on, or nothing."""

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lyra_hf import UserError
from lyra_hf.tasks.building import tables
from lyra_hf.tasks.building.tables import BUILDERS, build_table, digest
from lyra_hf.tasks.sources import load_source, table_names

NAME = "cas9/kim2019_spcas9"


@pytest.fixture
def small():
    return pd.DataFrame({"sequence": ["ACGT", "AC"], "label": [0.5, 1.5], "split": ["train", "test"]})


@pytest.fixture
def built(small, monkeypatch):
    """A builder and a digest of a small table in place of a table of the catalogue."""
    monkeypatch.setitem(BUILDERS, NAME, lambda files: small)
    source = dataclasses.replace(load_source(NAME), digest=digest(pa.Table.from_pandas(small, preserve_index=False)))
    monkeypatch.setattr(tables, "load_source", lambda name: source)
    return small


class TestBuilding:
    def test_the_table_is_written(self, built, tmp_path):
        path = build_table(NAME, tmp_path / "new")
        assert path == tmp_path / "new" / f"{NAME}.parquet"
        pd.testing.assert_frame_equal(pq.read_table(path).to_pandas(), built)
        assert list(path.parent.iterdir()) == [path]

    def test_another_table_is_not_written(self, built, tmp_path):
        built.loc[0, "label"] = 0.6
        with pytest.raises(UserError, match="another table"):
            build_table(NAME, tmp_path)
        assert not list(tmp_path.iterdir())

    def test_a_table_without_builder_says_how_it_is_made(self, built, tmp_path, monkeypatch):
        monkeypatch.delitem(BUILDERS, NAME)
        with pytest.raises(UserError, match=r"must be built by hand.*by these steps: sequence: 30 nt"):
            build_table(NAME, tmp_path)

    def test_a_table_that_is_not_in_the_catalogue(self, tmp_path):
        with pytest.raises(UserError, match="no table 'cas9/nothing'"):
            build_table("cas9/nothing", tmp_path)


class TestDigest:
    def table(self):
        return pa.table(
            {
                "sequence": ["ACGT", "", None],
                "label": [1.0, -0.0, None],
                "count": pa.array([1, 2, 3], pa.int32()),
                "near": [True, False, True],
                "residues": pa.array([[1.5, None], [], None], pa.list_(pa.float32())),
            }
        )

    def test_the_way_of_storing_does_not_count(self, tmp_path):
        table = self.table()
        pq.write_table(table, tmp_path / "a.parquet", compression="none", row_group_size=1)
        pq.write_table(table, tmp_path / "b.parquet", version="1.0")
        for name in ("a", "b"):
            assert digest(pq.read_table(tmp_path / f"{name}.parquet")) == digest(table)
        assert digest(pa.concat_tables([table[:1], table[1:]])) == digest(table)
        large = table.set_column(0, "sequence", table["sequence"].cast(pa.large_string()))
        assert digest(large) == digest(table)

    def test_the_last_bits_of_a_number_do_not_count(self):
        one, other = (pa.table({"x": [value, 0.0]}) for value in (0.1, np.nextafter(0.1, 1)))
        assert digest(one) == digest(other)
        assert digest(pa.table({"x": [0.0]})) == digest(pa.table({"x": [-0.0]}))

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            ("sequence", ["ACG", "T", None]),
            ("sequence", ["ACGT", None, ""]),
            ("label", [1.0, 0.0001, None]),
            ("label", [1.0, 0.0, 0.0]),
            ("count", pa.array([1, 2, 3], pa.int64())),
            ("near", [True, True, True]),
            ("residues", pa.array([[1.5], [None], None], pa.list_(pa.float32()))),
            ("residues", pa.array([[1.5, None], None, []], pa.list_(pa.float32()))),
        ],
    )
    def test_content_counts(self, column, values):
        table = self.table()
        index = table.column_names.index(column)
        assert digest(table.set_column(index, column, pa.chunked_array([values]))) != digest(table)

    def test_names_and_order_count(self):
        table = self.table()
        assert digest(table.rename_columns(["s", *table.column_names[1:]])) != digest(table)
        assert digest(table.select(table.column_names[::-1])) != digest(table)
        assert digest(table.take([1, 0, 2])) != digest(table)


def test_every_table_has_a_builder_but_those_whose_steps_are_not_all_known():
    assert set(table_names()) - set(BUILDERS) == {"offtarget/chuai2018_offtarget"}
    assert set(BUILDERS) <= set(table_names())


@pytest.mark.parametrize("name", table_names())
class TestCatalogue:
    def test_has_rows_and_a_digest(self, name):
        source = load_source(name)
        assert source.rows
        assert len(source.digest or "") == 64

    def test_is_of_the_tables_that_are_here(self, name, data_folder):
        source = load_source(name)
        table = pq.read_table(data_folder / f"{name}.parquet")
        assert (len(table), digest(table)) == (source.rows, source.digest)
