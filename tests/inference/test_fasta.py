from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.inference import fasta
from lyra_hf.inference.fasta import open_fasta
from lyra_hf.inference.sources import Source

WORDS = st.text(alphabet="ab>|.é", max_size=4)
LINES = st.lists(st.text(alphabet="ACGTN*-", max_size=5), max_size=4)


def read(path: Path, chunk_bytes: int = 1 << 20, rows_per_batch: int = 100) -> list[tuple[str, str, str]]:
    with Source(path, chunk_bytes=chunk_bytes) as source:
        schema, batches = open_fasta(source, rows_per_batch)
        assert schema.names == ["id", "description", "sequence"]
        return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


@given(
    records=st.lists(st.tuples(WORDS.filter(bool), WORDS, LINES), min_size=1, max_size=5),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    last_line_ends=st.booleans(),
    chunk_bytes=st.integers(1, 30),
    rows_per_batch=st.integers(1, 4),
)
def test_records_are_read_wherever_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str, str, list[str]]],
    line_end: str,
    last_line_ends: bool,
    chunk_bytes: int,
    rows_per_batch: int,
) -> None:
    lines = [line for name, words, letters in records for line in (f">{name} {words}", *letters)]
    path = tmp_path_factory.mktemp("records") / "t.fasta"
    path.write_bytes((line_end.join(lines) + line_end * last_line_ends).encode())
    expected = [(name, words, "".join(letters)) for name, words, letters in records]
    assert read(path, chunk_bytes, rows_per_batch) == expected


def test_white_space_is_no_part_of_a_sequence_and_a_later_greater_than_is(tmp_path: Path) -> None:
    path = tmp_path / "t.fasta"
    path.write_text("\n \n> chr1   the first  \nACGT ACGT\t\n\n  GG>G\n>\nA\n>empty")
    assert read(path) == [("chr1", "the first", "ACGTACGTGG>G"), ("", "", "A"), ("empty", "", "")]


def test_a_batch_has_the_records_that_end_in_one_chunk(tmp_path: Path) -> None:
    path = tmp_path / "t.fasta"
    path.write_text("".join(f">{index}\n{'A' * length}\n" for index, length in enumerate([4, 4, 4, 30, 1, 1])))
    with Source(path, chunk_bytes=16) as source:
        _, batches = open_fasta(source, 100)
        assert [[len(letters) for letters in batch["sequence"].to_pylist()] for batch in batches] == [
            [4],
            [4, 4],
            [30],
            [1],
            [1],
        ]


def test_text_before_the_first_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.fasta"
    path.write_text("\n\nACGT\n>a\nACGT\n")
    with pytest.raises(UserError, match=r"t\.fasta, line 3: a FASTA file begins with a header line"):
        read(path)


@pytest.mark.parametrize("content", [b">a\nA\n>b\xe9\nA\n", b">a\nA\n>b x\xe9\nA\n", b">a\nA\n>b\nA\xe9\n"])
def test_a_record_that_is_not_utf8_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.fasta"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"t\.fasta, record 2 \(b.?\): the byte 0xE9 is not UTF-8 text"):
        read(path, rows_per_batch=1)


def test_a_sequence_that_arrow_cannot_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fasta, "_LONGEST_SEQUENCE", 5)
    path = tmp_path / "t.fasta"
    path.write_text(">a\nACGTA\n>b\nACGTAC\n")
    with pytest.raises(UserError, match=r"t\.fasta, record 2 \(b\) is longer than 2 GB"):
        read(path)
