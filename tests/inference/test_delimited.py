from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.inference import delimited
from lyra_hf.inference.delimited import open_delimited
from lyra_hf.inference.sources import Source

QUOTE = '"'
CELLS = st.text(alphabet=st.sampled_from('aé"\n\r,\t 0'), max_size=6)
ROWS = st.lists(st.tuples(CELLS, CELLS), max_size=8)


def read(path: Path, delimiter: str = ",", chunk_bytes: int = 1 << 20, rows_per_batch: int = 100) -> list[list[str]]:
    with Source(path, chunk_bytes=chunk_bytes) as source:
        schema, batches = open_delimited(source, delimiter, rows_per_batch)
        rows = [list(row.values()) for batch in batches for row in batch.to_pylist()]
        return [schema.names, *rows]


def problem(path: Path, content: bytes, chunk_bytes: int = 1 << 20) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read(path, chunk_bytes=chunk_bytes)
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(path), "t.csv")


@given(
    rows=ROWS,
    delimiter=st.sampled_from(",\t"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quotes_all=st.booleans(),
    chunk_bytes=st.integers(1, 40),
)
def test_any_values_are_read_wherever_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str]],
    delimiter: str,
    line_end: str,
    quotes_all: bool,
    chunk_bytes: int,
) -> None:
    def quoted(cell: str) -> str:
        return f'"{cell.replace(QUOTE, QUOTE * 2)}"' if quotes_all or set(cell) & set('"\r\n,\t') else cell

    lines = [delimiter.join(map(quoted, row)) + line_end for row in [("id", "sequence"), *rows]]
    path = tmp_path_factory.mktemp("rows") / "t.csv"
    path.write_bytes("".join(lines).encode())
    assert read(path, delimiter, chunk_bytes) == [["id", "sequence"], *map(list, rows)]


@pytest.mark.parametrize("chunk_bytes", [1, 5, 1000])
def test_a_quotation_mark_inside_an_unquoted_value_is_a_letter(tmp_path: Path, chunk_bytes: int) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,sequence\n5" flank,AC\nx"y,"G\nT"\n"p"q,A\n')
    rows = [["id", "sequence"], ['5" flank', "AC"], ['x"y', "G\nT"], ["pq", "A"]]
    assert read(path, chunk_bytes=chunk_bytes) == rows


def test_values_stay_the_text_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b'\xef\xbb\xbfid,x,y\r\n007,NA,\r\n"",null,1e5\r\n nan ,TRUE,2020-01-01\r\n')
    assert read(path) == [
        ["id", "x", "y"],
        ["007", "NA", ""],
        ["", "null", "1e5"],
        [" nan ", "TRUE", "2020-01-01"],
    ]


def test_blank_lines_are_no_rows_but_a_quoted_empty_value_is_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('\n\nsequence\nA\n\n""\n\nC')
    assert read(path) == [["sequence"], ["A"], [""], ["C"]]


def test_a_header_may_span_lines_and_rows_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('id,"my\nscore, in %"')
    assert read(path) == [["id", "my\nscore, in %"]]


def test_batches_are_no_longer_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("sequence\n" + "ACGT\n" * 25)
    with Source(path) as source:
        _, batches = open_delimited(source, ",", 10)
        assert [batch.num_rows for batch in batches] == [10, 10, 5]


@pytest.mark.parametrize("chunk_bytes", [8, 1000])
@pytest.mark.parametrize(("row", "found"), [("2,C,", "3 columns"), ("2", "1 column"), ('"2,C"', "1 column")])
def test_a_ragged_row_is_named(tmp_path: Path, chunk_bytes: int, row: str, found: str) -> None:
    content = f'id,sequence\n1,"A\nC"\n\n{row}\n3,G\n'.encode()
    message = problem(tmp_path / "t.csv", content, chunk_bytes)
    assert message.startswith(f"t.csv, row 2: {found} where the header has 2; ")


@pytest.mark.parametrize("chunk_bytes", [8, 1000])
def test_bytes_that_are_not_utf8_are_located(tmp_path: Path, chunk_bytes: int) -> None:
    content = "\nid,sequence\n1,A\n2,café\n".encode("latin-1")
    message = problem(tmp_path / "t.csv", content, chunk_bytes)
    assert message == "t.csv, line 4: the byte 0xE9 is not UTF-8 text; save the file as UTF-8"


def test_utf16_is_refused(tmp_path: Path) -> None:
    assert "line 1: the byte 0xFF is not UTF-8" in problem(tmp_path / "t.csv", "id,sequence\n1,A\n".encode("utf-16"))


@pytest.mark.parametrize("chunk_bytes", [8, 1000])
def test_a_quotation_mark_left_open_is_located(tmp_path: Path, chunk_bytes: int) -> None:
    content = b'id,sequence\n1,A\n2,"C\n3,G\n4,T\n'
    message = problem(tmp_path / "t.csv", content, chunk_bytes)
    assert message == "t.csv, line 3: a quotation mark opens a value there and is never closed"


def test_a_row_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "_LONGEST_ROW", 64)
    assert "t.csv has a row of over 2 GB" in problem(tmp_path / "t.csv", b'sequence\n"' + b"A\n" * 100, chunk_bytes=16)


def test_a_row_longer_than_a_chunk_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    one, two = "ACGT" * 5000, "GG\n" * 5000
    path.write_text(f'id,sequence\n1,{one}\n2,"{two}"\n')
    assert read(path, chunk_bytes=100)[1:] == [["1", one], ["2", two]]


def test_a_first_line_that_is_no_header_is_refused(tmp_path: Path) -> None:
    message = problem(tmp_path / "t.csv", b"A" * 200_000 + b"\n")
    assert message.startswith("t.csv: its first line cannot be read as the names of columns")
