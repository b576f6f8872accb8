"""Places, shares and groups."""

import hashlib
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.tasks.building.splits import deal, kmer_groups, kmers, place, reverse_complement

NAMES = ("train", "validation", "test")
dna = st.text("ACGT", max_size=8)


class TestPlace:
    @given(st.text(max_size=20), st.sampled_from(["sha256", "sha1"]))
    def test_is_the_share_of_the_digest(self, text, method):
        digits = hashlib.new(method, text.encode()).hexdigest()
        whole = int(digits, 16) / 16 ** len(digits)
        assert place(text, method) == pytest.approx(whole, abs=2**-32)
        assert 0 <= place(text, method) < 1

    def test_sha256_unless_told(self):
        assert place("x") == place("x", "sha256")


def test_deal():
    assert [deal((0.75, 0.85, 1), NAMES, at) for at in (0, 0.7499, 0.75, 0.8499, 0.85, 0.9999)] == [
        "train",
        "train",
        "validation",
        "validation",
        "test",
        "test",
    ]


@given(dna)
def test_the_other_strand(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence
    assert reverse_complement("AACGU") == "ACGTT"


class TestGroups:
    @given(st.lists(dna, max_size=8), st.booleans())
    def test_are_the_connected_components(self, sequences, both_strands):
        groups = kmer_groups(sequences, 3, both_strands)
        words = [kmers(sequence, 3, both_strands) for sequence in sequences]
        reached = [{row} for row in range(len(sequences))]
        for _ in sequences:
            for one, other in combinations(range(len(sequences)), 2):
                if words[one] & words[other]:
                    reached[one] |= reached[other]
                    reached[other] |= reached[one]
        assert groups == [min(rows) for rows in reached]

    def test_both_strands(self):
        assert kmer_groups(["AAACC", "GGTTT", "AAACG"], 5) == [0, 1, 2]
        assert kmer_groups(["AAACC", "GGTTT", "AAACG"], 5, both_strands=True) == [0, 0, 2]

    def test_words_of_a_sequence_that_is_too_short(self):
        assert kmers("AC", 3) == set()
        assert kmer_groups(["AC", "AC"], 3) == [0, 1]
