import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from lyra_hf import UserError, tokenization_lyra, tokenizer_path
from lyra_hf.alphabets import NAMED_ALPHABETS, PAD_ID, UNK_ID
from lyra_hf.tokenization_lyra import SequenceEncoder, UnknownLettersWarning, build_tokenizer, pad_ids

ALPHABETS = ["protein", "dna", "rna", "abC-", "01"]
# Letters, codes, case, synonyms, symbols, white space of all kinds, and letters of other scripts.
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("ACGTUNRYacgtunXBZJOU*-. \t\n\r\u00a0\u3000\x1c[PAD]")))


@pytest.fixture(scope="module", params=ALPHABETS)
def reloaded(request, tmp_path_factory):
    """An alphabet with its tokenizer as anyone loads it from disk, and the byte table."""
    folder = tmp_path_factory.mktemp("tokenizer")
    build_tokenizer(request.param).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder), SequenceEncoder(request.param)


@given(text=TEXTS)
def test_byte_table_equals_tokenizer(reloaded, text):
    tokenizer, encoder = reloaded
    assert encoder.encode(text).tolist() == tokenizer(text)["input_ids"]


@pytest.mark.parametrize("name", ["protein", "dna", "rna"])
def test_shipped_tokenizers_are_those_of_the_alphabets(name):
    shipped = AutoTokenizer.from_pretrained(tokenizer_path(name))
    assert shipped.backend_tokenizer.to_str() == build_tokenizer(name).backend_tokenizer.to_str()
    assert shipped.get_vocab() == NAMED_ALPHABETS[name].vocabulary
    assert shipped.model_input_names == ["input_ids", "attention_mask"]
    assert shipped.pad_token_id == PAD_ID
    assert shipped.unk_token_id == UNK_ID


def test_there_is_no_tokenizer_for_any_alphabet():
    with pytest.raises(UserError, match="there are protein, dna, rna"):
        tokenizer_path("../secret")


def test_no_folder_of_tokenizers_is_a_module(repository):
    assert not list((repository / "tokenizers").rglob("__init__.py"))


def test_ids_are_fixed():
    assert build_tokenizer("dna")("ACGTRYSWKMBDHVN")["input_ids"] == list(range(2, 17))
    assert build_tokenizer("rna")("ACGU")["input_ids"] == [2, 3, 4, 5]
    assert build_tokenizer("protein")("ACDEFGHIKLMNPQRSTVWY")["input_ids"] == list(range(2, 22))


def test_one_letter_has_one_spelling():
    dna, rna = build_tokenizer("dna"), build_tokenizer("rna")
    assert dna("ACGT")["input_ids"] == dna("acgu")["input_ids"] == dna("A c\ng U")["input_ids"]
    assert rna("ACGU")["input_ids"] == rna("acgt")["input_ids"]


def test_gaps_and_stops_are_unknown():
    for name in ("protein", "dna", "rna"):
        assert build_tokenizer(name)("*-")["input_ids"] == [UNK_ID, UNK_ID]


def test_literal_special_tokens_are_text():
    ids = build_tokenizer("dna")("[PAD]")["input_ids"]
    assert PAD_ID not in ids
    assert len(ids) == len("[PAD]")


def test_offsets_refer_to_the_text_as_given():
    text = " a C\nx-G"
    encoding = build_tokenizer("dna")(text, return_offsets_mapping=True)
    assert [text[start:end] for start, end in encoding["offset_mapping"]] == ["a", "C", "x", "-", "G"]


def test_pairs_follow_one_another_and_decode_gives_letters():
    tokenizer = build_tokenizer("dna")
    assert tokenizer("AC", "GT")["input_ids"] == [2, 3, 4, 5]
    assert tokenizer.decode([2, 3, 4, 5]) == "ACGT"
    batch = tokenizer(["A", "ACG"], padding=True)
    assert batch["input_ids"] == [[2, PAD_ID, PAD_ID], [2, 3, 4]]
    assert batch["attention_mask"] == [[1, 0, 0], [1, 1, 1]]


@given(texts=st.lists(TEXTS))
def test_many_texts_are_encoded_as_each_by_itself(reloaded, texts):
    _, encoder = reloaded
    pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
    starts = np.cumsum([0, *map(len, pieces)])
    ids, offsets = encoder.encode_utf8(np.frombuffer(b"".join(pieces), np.uint8), starts)
    assert [ids[start:stop].tolist() for start, stop in pairwise(offsets)] == [
        encoder.encode(t).tolist() for t in texts
    ]


def test_long_texts_are_encoded_in_pieces(monkeypatch):
    text = "ACGT\u3000acgu\u20ac-" * 5
    expected = SequenceEncoder("dna").encode(text)
    monkeypatch.setattr(tokenization_lyra, "_PIECE", 7)
    assert SequenceEncoder("dna").encode(text).tolist() == expected.tolist()


def test_letters_of_several_bytes():
    encoder = SequenceEncoder("\u03b1\U0001d11e\u00e9")
    ids = encoder.encode("\u00e9\u2003\U0001d11e\u03b1\u03b2\ud800 \U0001d11f")
    assert ids.tolist() == [4, 3, 2, UNK_ID, UNK_ID, UNK_ID]


def test_many_unknown_letters_warn_once_and_are_named():
    encoder, texts = SequenceEncoder("dna"), ["ACGTACGTA-", "ACGTACG-*-"]
    with pytest.warns(UnknownLettersWarning, match=r"20%.*'-'.*'\*'"):
        encoder.warn_of_unknown(encoder.encode("".join(texts)), texts)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.warn_of_unknown(encoder.encode("----"), ["----"])


def test_few_unknown_letters_do_not_warn():
    encoder, text = SequenceEncoder("protein"), "A" * 95 + "*" * 5
    encoder.warn_of_unknown(encoder.encode(text), [text])


def test_first_unknown_names_position_and_letter():
    encoder = SequenceEncoder("dna")
    assert encoder.first_unknown("ACGU acgn") is None
    assert encoder.first_unknown("AC JA") == (4, "J")


def test_rows_are_padded_on_the_right():
    padded = pad_ids([np.array([2, 3], dtype=np.uint8), np.array([], dtype=np.uint8)])
    assert padded.tolist() == [[2, 3], [0, 0]]
    assert pad_ids([]).shape == (0, 1)
