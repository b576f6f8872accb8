import gzip
import io
import json
import os
import stat
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.inference import writers
from lyra_hf.inference.readers import read_columns
from lyra_hf.inference.writers import open_writer

BATCH = pa.record_batch({"id": ["a", "b"], "prediction": pa.array([45.123455, None], pa.float32())})
TEXT_ENDINGS = ["csv", "tsv", "jsonl"]
ENDINGS = [*TEXT_ENDINGS, *(f"{ending}.gz" for ending in TEXT_ENDINGS), "parquet"]


def read_back(path: Path) -> list[dict[str, object]]:
    """The rows of a file that was written, by other means than those that wrote it."""
    if ".jsonl" not in path.name:
        return read_columns(path).to_pylist()
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in content.decode().split("\n")[:-1]]


def problem(path: Path, **options: object) -> str:
    with pytest.raises(UserError) as caught:
        open_writer(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(f"{path.parent}/", "")


@given(
    rows=st.lists(st.lists(st.text(max_size=6), min_size=2, max_size=2), max_size=6),
    batch_rows=st.integers(1, 3),
    ending=st.sampled_from(ENDINGS),
)
def test_any_text_survives_being_written_and_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], batch_rows: int, ending: str
) -> None:
    path = tmp_path_factory.mktemp("written") / f"t.{ending}"
    schema = pa.schema([("id", pa.string()), ('the "sequence",\tat last', pa.string())])
    with open_writer(path) as writer:
        writer.begin(schema)
        for start in range(0, len(rows), batch_rows):
            columns = [list(column) for column in zip(*rows[start : start + batch_rows], strict=True)]
            writer.write(pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema))
    assert read_back(path) == [dict(zip(schema.names, row, strict=True)) for row in rows]


@given(cells=st.lists(st.text(max_size=4), max_size=6), ending=st.sampled_from(ENDINGS))
def test_a_column_alone_keeps_its_empty_values(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], ending: str
) -> None:
    path = tmp_path_factory.mktemp("written") / f"t.{ending}"
    with open_writer(path) as writer:
        writer.write(pa.record_batch({"sequence": pa.array(cells, pa.string())}))
    assert [row["sequence"] for row in read_back(path)] == cells


def test_parquet_keeps_types_and_gathers_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_BYTES_PER_ROW_GROUP", 3 * BATCH.nbytes)
    with open_writer(tmp_path / "t.parquet") as writer:
        for _ in range(7):
            writer.write(BATCH)
    file = pq.ParquetFile(tmp_path / "t.parquet")
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [6, 6, 2]
    assert file.read().equals(pa.Table.from_batches([BATCH] * 7))


def test_large_batches_are_turned_into_text_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writers, "_BYTES_PER_PIECE", 10)
    batch = pa.record_batch({"id": [f"g{index}" for index in range(50)], "p": [[index] * index for index in range(50)]})
    with open_writer(tmp_path / "t.jsonl") as writer:
        writer.write(batch)
    assert read_back(tmp_path / "t.jsonl") == batch.to_pylist()


def test_text_files_look_as_expected(tmp_path: Path) -> None:
    for ending in TEXT_ENDINGS:
        with open_writer(tmp_path / f"T.{ending.upper()}") as writer:
            writer.write(BATCH)
    assert (tmp_path / "T.CSV").read_bytes() == b"id,prediction\na,45.123455\nb,\n"
    assert (tmp_path / "T.TSV").read_bytes() == b"id\tprediction\na\t45.123455\nb\t\n"
    assert (tmp_path / "T.JSONL").read_bytes() == b'{"id":"a","prediction":45.123455}\n{"id":"b","prediction":null}\n'


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_rows_leave_a_header(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    with open_writer(path) as writer:
        writer.begin(BATCH.schema)
    if "jsonl" in ending:
        assert read_back(path) == []
    else:
        table = read_columns(path)
        assert (table.column_names, table.num_rows) == (["id", "prediction"], 0)


@pytest.mark.parametrize("ending", ENDINGS)
def test_not_even_columns_leave_a_file_without_any(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    with open_writer(path):
        pass
    if ending == "parquet":
        assert pq.read_table(path).shape == (0, 0)
    else:
        assert (gzip.decompress(path.read_bytes()) if ending.endswith("gz") else path.read_bytes()) == b""


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    path.write_text("what was there before")
    with open_writer(path) as writer:
        writer.write(BATCH)
        assert path.read_text() == "what was there before"
        hidden = [there.name for there in tmp_path.iterdir() if there != path]
        assert len(hidden) == 1
        assert hidden[0].startswith(f".{path.name}.")
    assert list(tmp_path.iterdir()) == [path]
    assert read_back(path)[0]["id"] == "a"


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("exists", [False, True])
@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_fails_leaves_nothing_behind(
    tmp_path: Path, ending: str, exists: bool, begun: bool, error: type[BaseException]
) -> None:
    path = tmp_path / f"t.{ending}"
    if exists:
        path.write_text("what was there before")

    def fail() -> None:
        with open_writer(path) as writer:
            if begun:
                writer.write(BATCH)
            raise error

    with pytest.raises(error):
        fail()
    assert [there.read_text() for there in tmp_path.iterdir()] == ["what was there before"] * exists


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet"])
def test_a_full_disk_is_reported_and_leaves_nothing_behind(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    really_open = Path.open

    def open_full(path: Path, mode: str = "r") -> io.RawIOBase:
        really_open(path, mode).close()
        return FullDisk()

    def write() -> None:
        with open_writer(tmp_path / f"t.{ending}") as writer:
            writer.write(BATCH)

    with monkeypatch.context() as patches:
        patches.setattr(Path, "open", open_full)
        with pytest.raises(UserError, match=r"t\.[a-z.]+ cannot be written: No space left on device$"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    with open_writer(tmp_path / "t.csv") as writer:
        writer.write(BATCH)
    assert stat.S_IMODE((tmp_path / "t.csv").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "t.csv").symlink_to(tmp_path / "store" / "real.csv")
    for _ in range(2):
        with open_writer(tmp_path / "t.csv") as writer:
            writer.write(BATCH)
    assert (tmp_path / "t.csv").is_symlink()
    assert [there.name for there in (tmp_path / "store").iterdir()] == ["real.csv"]


def test_the_same_rows_make_the_same_gzip_file(tmp_path: Path) -> None:
    for name in ("a.csv.gz", "b.csv.gz"):
        with open_writer(tmp_path / name) as writer:
            writer.write(BATCH)
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def test_what_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    assert problem(tmp_path / "t.xlsx") == (
        "t.xlsx: the ending of the name tells no format that can be written; these do: "
        ".csv .tsv .jsonl, each also with .gz, and .parquet"
    )
    assert "tells no format" in problem(tmp_path / "t.parquet.gz")
    missing = tmp_path / "none" / "t.csv"
    assert problem(missing) == f"t.csv cannot be written: there is no directory {missing.parent}; make it first"
    (tmp_path / "folder.csv").mkdir()
    assert problem(tmp_path / "folder.csv") == "folder.csv cannot be written: it is not a file"


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="the superuser may write everything")
def test_what_may_not_be_written_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").touch(mode=0o444)
    assert problem(tmp_path / "t.csv") == "t.csv cannot be written: it is write-protected"
    tmp_path.chmod(0o555)
    assert problem(tmp_path / "u.csv") == "u.csv cannot be written: Permission denied"
    tmp_path.chmod(0o755)


def test_permission_denied_is_put_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert problem(tmp_path / "t.csv") == "t.csv cannot be written: Permission denied"


def test_the_input_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("sequence\nA\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "t.csv")
    for output in ("t.csv", "link.csv"):
        message = problem(tmp_path / output, input_path=tmp_path / "t.csv")
        assert message == f"{output} is the input itself; choose another name for the output"
    for source in ("-", tmp_path / "other.csv", None):
        with open_writer(tmp_path / "new.csv", input_path=source) as writer:
            writer.write(BATCH)
    assert (tmp_path / "t.csv").read_text() == "sequence\nA\n"


def test_other_columns_than_before_are_an_error_of_the_program(tmp_path: Path) -> None:
    with open_writer(tmp_path / "t.csv") as writer:
        writer.write(BATCH)
        with pytest.raises(ValueError, match="after columns"):
            writer.write(BATCH.select(["id"]))


@pytest.mark.parametrize("output", [None, "-"])
def test_standard_output_is_csv_flushed_and_left_open(output: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(io.BufferedWriter(raw))
    monkeypatch.setattr(sys, "stdout", stdout)
    stdout.write("before\n")
    with open_writer(output, input_path="-") as writer:
        writer.write(BATCH)
        assert raw.getvalue() == b"before\nid,prediction\na,45.123455\nb,\n"
    assert not stdout.closed


def test_a_broken_pipe_is_left_to_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    class NobodyReads(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    raw = NobodyReads()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw))
    with open_writer(None) as writer, pytest.raises(BrokenPipeError):
        writer.write(BATCH)


def test_parquet_has_statistics_of_numbers_and_none_of_texts(tmp_path: Path) -> None:
    with open_writer(tmp_path / "t.parquet") as writer:
        writer.write(BATCH)
    group = pq.ParquetFile(tmp_path / "t.parquet").metadata.row_group(0)
    has = {group.column(place).path_in_schema: group.column(place).statistics for place in range(group.num_columns)}
    assert {name for name, statistics in has.items() if statistics is not None} == {"prediction"}


def test_what_a_killed_program_left_is_removed_and_what_is_written_at_the_moment_stays(tmp_path: Path) -> None:
    left = tmp_path / ".out.csv.0123abcd.partial"
    left.write_bytes(b"half")
    with open_writer(tmp_path / "out.csv") as first:
        first.write(BATCH)
        with open_writer(tmp_path / "out.csv") as second:
            second.write(BATCH)
            assert not left.exists()
            assert len(list(tmp_path.glob(".out.csv.*.partial"))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
