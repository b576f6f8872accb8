import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.alphabets import DNA, PROTEIN, RNA
from lyra_hf.analysis.variants import (
    Substitution,
    apply_variant,
    check_variant,
    format_hgvs,
    format_variant,
    parse_variant,
    read_sequence,
)

SEQUENCE = "MKVLAARK"


@st.composite
def changes(draw):
    """A sequence, the places that change, and what the changed sequence is."""
    sequence = draw(st.text(PROTEIN.letters, min_size=1, max_size=40))
    places = draw(st.lists(st.integers(0, len(sequence) - 1), unique=True, min_size=1, max_size=5))
    changed = list(sequence)
    for place in places:
        changed[place] = draw(st.sampled_from(PROTEIN.letters.replace(sequence[place], "")))
    return sequence, places, "".join(changed)


@given(changes())
def test_what_is_written_reads_back_and_makes_the_change(change):
    sequence, places, changed = change
    variant = tuple(Substitution(place + 1, sequence[place], changed[place]) for place in places)
    assert parse_variant(format_variant(variant)) == variant
    assert parse_variant(format_hgvs(variant)) == variant
    assert check_variant(variant, sequence, PROTEIN) == variant
    assert apply_variant(variant, sequence, PROTEIN) == changed


def test_both_notations_as_the_field_writes_them():
    variant = (Substitution(24, "A", "G"), Substitution(30, "K", "R"))
    assert parse_variant("A24G:K30R") == parse_variant("p.[Ala24Gly;Lys30Arg]") == variant
    assert parse_variant("p.Ala24Gly") == parse_variant(" A24G ") == variant[:1]
    assert format_variant(variant) == "A24G:K30R"
    assert format_hgvs(variant) == "p.[Ala24Gly;Lys30Arg]"
    assert format_hgvs(variant[:1]) == "p.Ala24Gly"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no substitution"),
        ("A24", "'A24' is no substitution"),
        ("A0G", "'A0G' is no substitution"),
        ("A24G:K30", "'K30' in 'A24G:K30' is no substitution"),
        ("p.Ala24", "'Ala24' in 'p.Ala24' is no substitution"),
        ("p.Alx24Gly", "Alx is no amino acid"),
        ("A24G:A24C", "changes position 24 twice"),
    ],
)
def test_what_is_no_variant(text, message):
    with pytest.raises(UserError, match=message):
        parse_variant(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("M1A:K3R", "K3R: position 3 of the sequence is V, not K"),
        ("A9G", "A9G: position 9 is beyond the sequence, of 8 letters"),
        ("M1*", "M1\\*: the letter '\\*' is not in the protein alphabet"),
        ("K2K", "K2K changes nothing"),
    ],
)
def test_the_substitution_that_does_not_fit_is_named(text, message):
    with pytest.raises(UserError, match=message):
        apply_variant(parse_variant(text), SEQUENCE, PROTEIN)


def test_letters_are_spelled_as_the_alphabet_has_them():
    assert read_sequence("ac gu\n", DNA) == "ACGT"
    assert apply_variant(parse_variant("u4a"), "acgt", RNA) == "ACGA"
    with pytest.raises(UserError, match="the letter 'E' at position 2 of the sequence is not in the dna alphabet"):
        read_sequence("AEGT", DNA)
    with pytest.raises(UserError, match="empty"):
        read_sequence(" ", DNA)


def test_hgvs_names_amino_acids_alone():
    with pytest.raises(UserError, match="'X' is none of the twenty"):
        format_hgvs([Substitution(1, "A", "X")])
