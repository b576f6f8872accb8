import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.inference import encoding
from lyra_hf.inference.encoding import (
    EncodedSequences,
    encode_column,
    encode_rows,
    encode_texts,
    find_fault,
    join_pairs,
)
from lyra_hf.tokenization_lyra import SequenceEncoder, UnknownLettersWarning

LETTERS = st.one_of(st.characters(codec="utf-8"), st.sampled_from("ACGTUNRYacgtunX*-. \t\n\r\u00a0\u2003\u3000\x1c"))
TEXTS = st.text(LETTERS, max_size=12)
TYPES = [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
IDS = st.lists(st.integers(0, 9), max_size=5).map(lambda ids: np.array(ids, dtype=np.uint8))
ENCODER = SequenceEncoder("dna")


def listed(encoded):
    """The ids of each sequence, by every way there is to them."""
    rows = [ids.tolist() for ids in encoded]
    assert rows == [encoded[index].tolist() for index in range(len(encoded))]
    assert [len(row) for row in rows] == encoded.lengths.tolist()
    assert encoded.ids.dtype == np.uint8
    assert encoded.offsets.dtype == np.int64
    assert (encoded.offsets[0], encoded.offsets[-1]) == (0, encoded.ids.size)
    return rows


def expected_of(texts):
    return [ENCODER.encode(text or "").tolist() for text in texts]


class TestEncodedSequences:
    @given(rows=st.lists(IDS, max_size=6), data=st.data())
    def test_parts(self, rows, data):
        encoded = EncodedSequences.from_list(rows)
        plain = [row.tolist() for row in rows]
        assert listed(encoded) == plain
        start = data.draw(st.integers(0, len(rows)))
        stop = data.draw(st.integers(start, len(rows)))
        part = encoded.rows(start, stop)
        assert listed(part) == plain[start:stop]
        assert part.ids.base is not None or not part.ids.size  # a view
        assert listed(EncodedSequences.concatenated([encoded.rows(0, start), encoded.rows(start, len(rows))])) == plain
        wanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))), dtype=np.bool_)
        assert listed(encoded.filter(wanted)) == [row for row, want in zip(plain, wanted, strict=True) if want]

    def test_places_from_the_end_and_beyond(self):
        encoded = EncodedSequences.from_list([np.array([2], np.uint8), np.array([3, 4], np.uint8)])
        assert encoded[-1].tolist() == [3, 4]
        with pytest.raises(IndexError):
            encoded[2]

    def test_nothing(self):
        assert listed(EncodedSequences.from_list([])) == listed(EncodedSequences.concatenated([])) == []


class TestColumns:
    @pytest.mark.parametrize("kind", TYPES, ids=str)
    @given(texts=st.lists(st.none() | TEXTS, max_size=8), data=st.data())
    def test_each_text_as_by_itself(self, kind, texts, data):
        column = pa.array(texts, pa.string()).cast(kind)
        start = data.draw(st.integers(0, len(texts)))
        length = data.draw(st.integers(0, len(texts) - start))
        assert listed(encode_column(ENCODER, column.slice(start, length))) == expected_of(texts[start : start + length])
        chunks = pa.chunked_array([column.slice(0, start), column.slice(start)])
        assert listed(encode_column(ENCODER, chunks)) == expected_of(texts)

    def test_text_beneath_a_null_is_nothing(self):
        plain = pa.array(["AC", "GT", "CA"])
        validity = pa.py_buffer(b"\x05")
        column = pa.Array.from_buffers(pa.string(), 3, [validity, *plain.buffers()[1:]])
        assert column.to_pylist() == ["AC", None, "CA"]
        assert listed(encode_column(ENCODER, column)) == [[2, 3], [], [3, 2]]

    def test_long_columns(self):
        texts = ["ACGT" * 200_000, "é", "acgu" * 200_000]  # more than one piece
        assert listed(encode_column(ENCODER, pa.array(texts))) == expected_of(texts)


class TestTexts:
    @given(texts=st.lists(st.text(st.one_of(LETTERS, st.characters(categories=["Cs"])), max_size=12), max_size=8))
    def test_each_as_by_itself(self, texts):
        encoder = SequenceEncoder("dna")
        encoder.warn_of_unknown = lambda *arguments: None
        assert listed(encode_texts(encoder, texts)) == expected_of(texts)

    def test_many_unknown_letters_warn_once(self, recwarn):
        encoder = SequenceEncoder("dna")
        with pytest.warns(UnknownLettersWarning, match=r"20%.*'-'.*'\*'"):
            encode_texts(encoder, ["ACGTACGTA-", "ACGTACG-*-"])
        encode_texts(encoder, ["----"])
        assert not recwarn.list


class TestFaults:
    def fault(self, texts, **options):
        asked = []

        def text_of(row):
            asked.append(row)
            return texts[row]

        found = find_fault(ENCODER, encode_column(ENCODER, pa.array(texts, pa.string())), text_of, **options)
        assert asked in ([], [found and found.row])
        return found and tuple(found)

    @pytest.mark.parametrize(
        ("texts", "options", "expected"),
        [
            ([], {}, None),
            (["ACGT", "acgun"], {}, None),
            (["ACGT", " \n", "", "X!"], {}, (1, "the sequence is empty")),
            (["ACGT", "A C\u3000!X", ""], {}, (1, "the letter '!' at position 5 is not in the dna alphabet")),
            (["", "A!"], {"unknown_letters": False}, (0, "the sequence is empty")),
            (["A!", "AC"], {"unknown_letters": False}, None),
            (["AC", "ACG"], {}, None),
            (["AC", "ACG"], {"pair_input": True}, (1, "3 letters cannot be a pair of equal length")),
            (
                ["AC", "ACGT"],
                {"pair_input": True, "pair_context": 1},
                (0, "2 letters cannot be a pair with 1 letters of"),
            ),
            (["AC", "AC!"], {"pair_input": True}, (1, "the letter '!' at position 3 is not in the dna alphabet")),
            (["AC", "ACG", "!!"], {"pair_input": True}, (1, "3 letters cannot be a pair of equal length")),
        ],
    )
    def test_the_first_row_is_named(self, texts, options, expected):
        found = self.fault(texts, **options)
        if expected is None:
            assert found is None
        else:
            assert found[0] == expected[0]
            assert found[1].startswith(expected[1])

    def test_letters_are_searched_in_pieces(self, monkeypatch):
        monkeypatch.setattr(encoding, "_PIECE", 3)
        assert self.fault(["ACGTACGT", "", "A"])[0] == 1
        assert self.fault(["ACGTACGT", "A", "ACG!", "!"])[0] == 2


class TestRows:
    def refused(self, first, second=None):
        columns = [None if texts is None else pa.array(texts, pa.string()) for texts in (first, second)]
        with pytest.raises(UserError) as caught:
            encode_rows(ENCODER, *columns, lambda row: f"row {row + 1}")
        return str(caught.value)

    def test_single_sequences(self):
        found = encode_rows(ENCODER, pa.array(["AC", "G"]), None, str)
        assert listed(found) == [[2, 3], [4]]
        assert self.refused(["AC", None]) == "row 2: the sequence is empty"

    def test_pairs(self):
        found = encode_rows(ENCODER, pa.array(["A C", "G"]), pa.array(["GT", "a"]), str)
        assert listed(found) == [[2, 3, 4, 5], [4, 2]]

    def test_the_first_row_is_named_whatever_is_wrong_with_it(self):
        unequal = "the pair has 2 and 1 letters; aligned pairs are of equal length"
        assert self.refused(["AC", "A"], ["G", "!"]) == f"row 1: {unequal}"
        assert self.refused(["A!", "AC"], ["GG", "A"]).startswith("row 1: the letter '!' at position 2")
        assert self.refused(["A!", "AC"], ["G", "A"]) == f"row 1: {unequal}"
        assert self.refused(["A", "", "A"], ["G", "", "AC"]) == "row 2: the sequence is empty"
        assert self.refused(["A"], [None]) == "row 1: the pair has 1 and 0 letters; aligned pairs are of equal length"

    @given(rows=st.lists(st.tuples(IDS, IDS), max_size=6))
    def test_join(self, rows):
        first, second = (EncodedSequences.from_list([row[place] for row in rows]) for place in (0, 1))
        assert listed(join_pairs(first, second)) == [[*one.tolist(), *other.tolist()] for one, other in rows]
