import gzip
import io
import os
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lyra_hf.errors import UserError
from lyra_hf.inference import parquet
from lyra_hf.inference.readers import open_table, read_columns

GUIDES = "id,sequence\ng1,ACGT\ng2,GGCC\n"
GUIDE_ROWS = [{"id": "g1", "sequence": "ACGT"}, {"id": "g2", "sequence": "GGCC"}]


def rows(path: Path | str, **options: object) -> list[dict[str, object]]:
    with open_table(path, **options) as reader:
        return [row for batch in reader for row in batch.to_pylist()]


def problem(path: Path | str, **options: object) -> str:
    """What the user is told, without the directory."""
    with pytest.raises(UserError) as caught:
        rows(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{Path(path).parent}/", "")


def give_standard_input(monkeypatch: pytest.MonkeyPatch, content: bytes) -> io.TextIOWrapper:
    stream = io.TextIOWrapper(io.BytesIO(content))
    monkeypatch.setattr(sys, "stdin", stream)
    return stream


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", GUIDES),
        ("T.CSV", GUIDES),
        ("t.tsv", GUIDES.replace(",", "\t")),
        *((f"t.{ending}", ">g1\nAC\nGT\n>g2\nGGCC\n") for ending in ("fasta", "fa", "fna", "faa", "ffn")),
        ("t.txt", "\nACGT\n \n GGCC\t\r\n"),
    ],
)
@pytest.mark.parametrize("gzipped", [False, True])
def test_the_ending_tells_the_format(tmp_path: Path, name: str, content: str, gzipped: bool) -> None:
    path = tmp_path / (name + ".gz" * gzipped)
    path.write_bytes(gzip.compress(content.encode()) if gzipped else content.encode())
    read = rows(path)
    assert [row["sequence"] for row in read] == ["ACGT", "GGCC"]
    assert name.lower() == "t.txt" or [row["id"] for row in read] == ["g1", "g2"]


def test_gzip_members_are_read_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(GUIDES[:20].encode()) + gzip.compress(GUIDES[20:].encode()))
    assert rows(path) == GUIDE_ROWS


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    table = pa.table(
        {
            "sequence": pa.array(["ACGT", None, "GG"]).dictionary_encode(),
            "score": pa.array([0.5, None, 1.0], pa.float32()),
            "parts": [[1, 2], [], None],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with open_table(tmp_path / "t.parquet", rows_per_batch=2) as reader:
        assert reader.schema == table.schema
        batches = list(reader)
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.Table.from_batches(batches).equals(table)


def test_wide_parquet_rows_make_batches_of_fewer_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BYTES_PER_BATCH", 5000)
    letters = [f"{index:01000}" for index in range(20)]
    pq.write_table(pa.table({"sequence": letters}), tmp_path / "t.parquet", use_dictionary=False, compression="none")
    with open_table(tmp_path / "t.parquet") as reader:
        batches = list(reader)
    assert max(batch.num_rows for batch in batches) <= 5
    assert [row["sequence"] for batch in batches for row in batch.to_pylist()] == letters


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (GUIDES, ["id", "sequence"]),
        ("\n" + GUIDES.replace(",", "\t"), ["id", "sequence"]),
        ("a\tb,sequence\n1,A\n", ["a\tb", "sequence"]),
        (" \n >chr1\nACGT", ["id", "description", "sequence"]),
        ("sequence\nA\tC,G\n".replace(",", ""), ["sequence"]),
    ],
)
def test_standard_input_is_judged_by_its_beginning(
    monkeypatch: pytest.MonkeyPatch, content: str, columns: list[str]
) -> None:
    stream = give_standard_input(monkeypatch, content.encode())
    with open_table("-") as reader:
        assert reader.column_names == columns
        assert sum(batch.num_rows for batch in reader) >= 1
        assert reader.describe_row(0).startswith(
            "standard input, record 1 (chr1)" if "chr1" in content else "standard input, row 1"
        )
    assert not stream.closed


def test_empty_standard_input_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    give_standard_input(monkeypatch, b"\n\n")
    assert problem("-") == "standard input is empty"


def test_rows_are_described_as_a_person_counts_them(tmp_path: Path) -> None:
    (tmp_path / "guides.csv").write_text(GUIDES)
    with open_table(tmp_path / "guides.csv") as reader:
        assert reader.describe_row(2) == f"{tmp_path / 'guides.csv'}, row 3"


def test_records_are_described_with_their_names_while_they_are_remembered(tmp_path: Path) -> None:
    path = tmp_path / "genome.fasta"
    path.write_text("".join(f">chr{index}\nACGT\n" for index in range(1, 41)) + ">\nACGT\n")
    with open_table(path, rows_per_batch=2) as reader:
        batches = iter(reader)
        next(batches)
        next(batches)
        assert reader.describe_row(0) == f"{path}, record 1 (chr1)"
        assert reader.describe_row(2) == f"{path}, record 3 (chr3)"
        assert reader.describe_row(30) == f"{path}, record 31"
        assert sum(batch.num_rows for batch in batches) == 37
        assert reader.describe_row(0) == f"{path}, record 1"
        assert reader.describe_row(39) == f"{path}, record 40 (chr40)"
        assert reader.describe_row(40) == f"{path}, record 41"


def test_no_rows_are_no_batches(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,sequence\n")
    with open_table(tmp_path / "t.csv") as reader:
        assert reader.column_names == ["id", "sequence"]
        assert list(reader) == []
    pq.write_table(pa.table({"sequence": pa.array([], pa.string())}), tmp_path / "t.parquet")
    with open_table(tmp_path / "t.parquet") as reader:
        assert list(reader) == []


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.fasta", "t.txt", "t.csv.gz"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    assert problem(tmp_path / name) == f"{name} is empty"


def test_a_missing_column_is_answered_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "guides.csv").write_text("id,guide,score , \n1,A,2,3\n")
    assert problem(tmp_path / "guides.csv") == (
        "guides.csv has no column 'sequence'; its columns are: id, guide, 'score ', ' '. "
        "Name the one that holds the sequences with --column"
    )
    assert rows(tmp_path / "guides.csv", sequence_column="guide")[0]["guide"] == "A"


def test_a_long_list_of_columns_is_cut(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(f"c{index}" for index in range(500)) + "\n")
    assert "c28, c29 and 470 more. Name" in problem(tmp_path / "t.csv")


def test_a_separator_of_another_kind_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id;sequence\n1;A\n")
    assert problem(tmp_path / "t.csv") == (
        "t.csv has no column 'sequence'; its columns are: id;sequence. "
        "Separate the columns by commas in a .csv file and by tabs in a .tsv file"
    )


def test_a_column_that_is_not_text_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"sequence": [1, 2]}), tmp_path / "t.parquet")
    assert problem(tmp_path / "t.parquet") == "t.parquet: the column 'sequence' holds int64, not sequences"


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,sequence,id\n1,A,2\n")
    assert problem(tmp_path / "t.csv") == "t.csv has two columns named 'id'; rename one of them"
    table = pa.table([pa.array(["A"])] * 2, names=["sequence", "sequence"])
    pq.write_table(table, tmp_path / "t.parquet")
    assert problem(tmp_path / "t.parquet") == "t.parquet has two columns named 'sequence'; rename one of them"


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    assert problem(tmp_path / "none.csv") == "none.csv: there is no such file"
    assert problem(tmp_path / "none.parquet") == "none.parquet: there is no such file"
    assert problem(tmp_path / "none") == "none: there is no such file"
    (tmp_path / "folder.csv").mkdir()
    assert problem(tmp_path / "folder.csv") == "folder.csv is a directory; name a file in it"
    (tmp_path / "t.xlsx").touch()
    assert problem(tmp_path / "t.xlsx").startswith(
        "t.xlsx: the ending of the name tells no format that can be read; these do: .csv .tsv"
    )
    (tmp_path / "t.parquet.gz").touch()
    assert "tells no format" in problem(tmp_path / "t.parquet.gz")


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may read everything")
@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GUIDES)
    (tmp_path / name).chmod(0)
    assert problem(tmp_path / name) == f"{name} cannot be read: Permission denied"


def test_a_failing_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    for name in ("t.csv", "t.parquet"):
        (tmp_path / name).write_text(GUIDES)
    monkeypatch.setattr(Path, "open", fail)
    assert problem(tmp_path / "t.csv") == "t.csv cannot be read: Permission denied"
    assert problem(tmp_path / "t.parquet") == "t.parquet cannot be read: Permission denied"


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(GUIDES.encode())
    broken = packed[:12] + bytes([packed[12] ^ 0xFF]) + packed[13:]
    for content in (packed[:-9], b"id,sequence\n", broken):
        (tmp_path / "t.csv.gz").write_bytes(content)
        assert problem(tmp_path / "t.csv.gz").startswith("t.csv.gz is not a gzip file, or is damaged or cut off: ")
    pq.write_table(pa.table({"sequence": ["ACGT" * 100] * 1000}), tmp_path / "t.parquet")
    whole = (tmp_path / "t.parquet").read_bytes()
    for content in (whole[:-5], b"", b"id,sequence\n", whole[:4] + b"\xff" * 40 + whole[44:]):
        (tmp_path / "t.parquet").write_bytes(content)
        assert problem(tmp_path / "t.parquet").startswith("t.parquet is not a Parquet file, or is damaged or cut off")


def test_fasta_in_a_file_of_lines_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("\n>chr1\nACGT\n")
    assert problem(tmp_path / "t.txt").startswith("t.txt is a FASTA file by its contents")


def test_a_line_that_is_not_utf8_is_located(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"ACGT\n\nAC\xe9T\n")
    assert problem(tmp_path / "t.txt").startswith("t.txt, row 2: the byte 0xE9 is not UTF-8 text")


def test_files_are_closed_when_they_are_refused_and_when_they_are_left_early(tmp_path: Path) -> None:
    # Warnings are errors here, and a file left open warns.
    (tmp_path / "t.csv").write_text(GUIDES)
    problem(tmp_path / "t.csv", sequence_column="none")
    pq.write_table(pa.table({"sequence": ["A"] * 10}), tmp_path / "t.parquet")
    problem(tmp_path / "t.parquet", sequence_column="none")
    for name in ("t.csv", "t.parquet"):
        with open_table(tmp_path / name, rows_per_batch=1) as reader:
            next(iter(reader))


def test_whole_tables_are_read_with_the_columns_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,sequence,label\n01,A,1.50\n02,C,NA\n")
    assert read_columns(tmp_path / "t.csv").to_pydict() == {
        "id": ["01", "02"],
        "sequence": ["A", "C"],
        "label": ["1.50", "NA"],
    }
    assert read_columns(tmp_path / "t.csv", ["label", "id"]).to_pydict() == {
        "label": ["1.50", "NA"],
        "id": ["01", "02"],
    }
    table = pa.table({"sequence": ["A", "C"], "label": [0.5, None], "x.y": [1, 2]})
    pq.write_table(table, tmp_path / "t.parquet")
    assert read_columns(tmp_path / "t.parquet").equals(table)
    assert read_columns(tmp_path / "t.parquet", ["x.y", "label"]).equals(table.select(["x.y", "label"]))
    for name in ("t.csv", "t.parquet"):
        with pytest.raises(UserError, match=r"has no column 'fitness'; its columns are: .*sequence, label") as caught:
            read_columns(tmp_path / name, ["label", "fitness"])
        assert "--column" not in str(caught.value)
