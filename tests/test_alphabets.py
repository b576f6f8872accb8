"""The alphabets: order of the ids, compositions, spellings, complements."""

import math
import unicodedata

import pytest

from lyra_hf.alphabets import NAMED_ALPHABETS, WHITE_SPACE, Alphabet, get_alphabet

NAMED = ["protein", "dna", "rna"]
IUPAC_NUCLEOTIDES = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}


def row(alphabet: Alphabet, symbol: str) -> dict[str, float]:
    """The letters with a share in a symbol."""
    shares = alphabet.composition[alphabet.vocabulary[symbol]]
    return {letter: share for letter, share in zip(alphabet.letters, shares, strict=True) if share}


@pytest.mark.parametrize(
    ("name", "letters"),
    [("protein", "ACDEFGHIKLMNPQRSTVWY"), ("dna", "ACGT"), ("rna", "ACGU"), ("HPC", "HPC"), ("zaζ", "zaζ")],
)
def test_ids_are_padding_unknown_letters_codes(name: str, letters: str) -> None:
    alphabet = get_alphabet(name)
    tokens = list(alphabet.vocabulary)
    assert list(alphabet.vocabulary.values()) == list(range(len(tokens)))
    assert tokens[:2] == ["[PAD]", "[UNK]"]
    assert tokens[2 : 2 + len(letters)] == list(letters)
    assert tokens[2 + len(letters) :] == list(alphabet.ambiguity)
    assert alphabet.letters == letters
    assert not set(letters) & set(alphabet.ambiguity)


def test_vocabularies_stand_for_ever() -> None:
    # Checkpoints hold these ids.
    assert "".join(list(get_alphabet("protein").vocabulary)[2:]) == "ACDEFGHIKLMNPQRSTVWYBJOUXZ"
    assert "".join(list(get_alphabet("dna").vocabulary)[2:]) == "ACGTRYSWKMBDHVN"
    assert "".join(list(get_alphabet("rna").vocabulary)[2:]) == "ACGURYSWKMBDHVN"


@pytest.mark.parametrize("name", [*NAMED, "HPC"])
def test_compositions_are_shares(name: str) -> None:
    alphabet = get_alphabet(name)
    padding, *rows = alphabet.composition
    assert len(rows) == len(alphabet.vocabulary) - 1
    assert padding == [0.0] * len(alphabet.letters)
    for shares in rows:
        assert len(shares) == len(alphabet.letters)
        assert math.fsum(shares) == pytest.approx(1, abs=1e-15)
        assert len(set(shares) - {0.0}) == 1  # an even mixture
    for letter in alphabet.letters:
        assert row(alphabet, letter) == {letter: 1.0}
    assert row(alphabet, "[UNK]") == dict.fromkeys(alphabet.letters, 1 / len(alphabet.letters))


@pytest.mark.parametrize(("code", "letters"), IUPAC_NUCLEOTIDES.items())
def test_nucleotide_codes(code: str, letters: str) -> None:
    for name, text in (("dna", letters), ("rna", letters.replace("T", "U"))):
        assert row(get_alphabet(name), code) == pytest.approx(dict.fromkeys(text, 1 / len(text)))


@pytest.mark.parametrize(
    ("code", "letters"),
    [("B", "DN"), ("J", "IL"), ("Z", "EQ"), ("U", "C"), ("O", "K"), ("X", "ACDEFGHIKLMNPQRSTVWY")],
)
def test_amino_acid_codes(code: str, letters: str) -> None:
    assert row(get_alphabet("protein"), code) == pytest.approx(dict.fromkeys(letters, 1 / len(letters)))


@pytest.mark.parametrize("name", NAMED)
def test_every_letter_of_the_latin_alphabet_in_a_code_is_known_in_both_cases(name: str) -> None:
    alphabet = get_alphabet(name)
    for symbol in [*alphabet.letters, *alphabet.ambiguity]:
        assert alphabet.foldings[symbol.lower()] == symbol
        assert symbol not in alphabet.foldings


@pytest.mark.parametrize(
    ("name", "spelling", "symbol"), [("dna", "U", "T"), ("dna", "u", "T"), ("rna", "T", "U"), ("rna", "t", "U")]
)
def test_the_other_nucleic_acid_is_folded(name: str, spelling: str, symbol: str) -> None:
    assert get_alphabet(name).foldings[spelling] == symbol


def test_foldings_lead_to_symbols() -> None:
    for name in [*NAMED, "HPC", "hP", "aAbB", "a1-", "aé"]:
        alphabet = get_alphabet(name)
        symbols = {*alphabet.letters, *alphabet.ambiguity}
        assert set(alphabet.foldings.values()) <= symbols
        assert not set(alphabet.foldings) & symbols


def test_foldings_of_an_alphabet_of_the_users_own() -> None:
    assert get_alphabet("HPC").foldings == {"h": "H", "p": "P", "c": "C"}
    assert get_alphabet("hP").foldings == {"H": "h", "p": "P"}
    assert get_alphabet("aAb").foldings == {"B": "b"}  # both cases of a letter may be letters
    assert get_alphabet("01.").foldings == {}


@pytest.mark.parametrize("name", ["dna", "rna"])
def test_complements_are_involutions(name: str) -> None:
    alphabet = get_alphabet(name)
    ids = alphabet.complement_ids
    assert sorted(ids) == list(range(len(alphabet.vocabulary)))
    assert [ids[other] for other in ids] == list(range(len(ids)))
    assert ids[:2] == [0, 1]
    symbols = {*alphabet.letters, *alphabet.ambiguity}
    assert set(alphabet.complements) == symbols


@pytest.mark.parametrize("name", ["dna", "rna"])
def test_the_complement_of_a_code_is_the_code_of_the_complements(name: str) -> None:
    alphabet = get_alphabet(name)
    pairs = dict(zip("ACGT", "TGCA", strict=True)) if name == "dna" else dict(zip("ACGU", "UGCA", strict=True))
    for symbol, other in alphabet.complements.items():
        assert {pairs[letter] for letter in row(alphabet, symbol)} == set(row(alphabet, other))


@pytest.mark.parametrize("name", ["protein", "ACGT", "HPC"])
def test_no_complements(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' has no complements"):
        _ = get_alphabet(name).complement_ids


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "at least two letters"),
        ("A", "at least two letters"),
        ("DNA", "'dna'"),
        ("Protein", "'protein'"),
        ("RNA", "'rna'"),
        ("ABCA", "'A' stands twice"),
        ("protein ", "white space at position 8"),
        ("A C", "white space at position 2"),
        ("AC\n", "white space at position 3"),
        ("AC\u00a0", "white space at position 3"),
    ],
)
def test_names_that_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match="alphabet") as error:
        get_alphabet(name)
    assert message in str(error.value)


def test_named_alphabets() -> None:
    assert list(NAMED_ALPHABETS) == NAMED
    assert all(get_alphabet(name) is alphabet for name, alphabet in NAMED_ALPHABETS.items())


def test_white_space_is_that_of_unicode() -> None:
    # The property White_Space: separators (Z*), and the controls that str.isspace counts, but for U+001C to U+001F.
    expected = {
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) in ("Zs", "Zl", "Zp") or chr(code) in "\t\n\x0b\x0c\r\x85"
    }
    assert set(WHITE_SPACE) == expected
    assert len(WHITE_SPACE) == len(expected)
