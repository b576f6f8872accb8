import gzip
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.cluster import pieces
from lyra_hf.cluster.pieces import Piece, gathered, record_pieces, table_pieces
from lyra_hf.errors import UserError
from lyra_hf.inference.readers import open_table


@given(sizes=st.lists(st.integers(0, 30), max_size=30), most=st.integers(1, 40))
def test_gathered_once_each_and_in_order(sizes, most):
    groups = gathered(sizes, most)
    assert [number for first, count in groups for number in range(first, first + count)] == list(range(len(sizes)))
    for first, count in groups:
        assert count == 1 or sum(sizes[first : first + count]) <= most
    for (first, count), (_, following) in itertools.pairwise(groups):
        if following:
            assert sum(sizes[first : first + count + 1]) > most  # as few groups as there can be


def test_files_of_a_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "ROWS_PER_PIECE", 5)
    (tmp_path / "b.csv").write_text("sequence\nACGT\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "a.fa.gz").write_bytes(gzip.compress(b">a\nACGT\n"))
    (tmp_path / "notes.md").write_text("no table")
    (tmp_path / ".hidden.csv").write_text("sequence\n")
    pq.write_table(pa.table({"sequence": ["ACGT"] * 12}), tmp_path / "c.parquet", row_group_size=3)
    found = [(piece.file.rpartition("/")[2], piece.first, piece.size) for piece in table_pieces(tmp_path)]
    whole = [("b.csv", 0, None)]
    assert found == [*whole, *(("c.parquet", group, 1) for group in range(4)), ("a.fa.gz", 0, None)]


def test_row_groups_are_read_by_themselves_and_counted_as_of_the_file(tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"sequence": [f"A{number}" for number in range(10)]}), path, row_group_size=4)
    with open_table(path, row_groups=range(1, 3)) as reader:
        assert [text for batch in reader for text in batch.column(0).to_pylist()] == [f"A{k}" for k in range(4, 10)]
        assert reader.first_row == 4
        assert reader.describe_row(reader.first_row) == f"{path}, row 5"


def test_records(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n>b\nAC\n>c\nACGTACGTA\n>d\nA\n")
    name = str(path)
    assert record_pieces(path, 6) == [Piece(name, 0, 2), Piece(name, 2, 1), Piece(name, 3, 1)]
    assert [piece.numbers() for piece in record_pieces(path, 6)] == [range(2), range(2, 3), range(3, 4)]


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="there is no such file or folder"):
        table_pieces(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"has no file that can be read; these can: \.csv"):
        table_pieces(tmp_path)
