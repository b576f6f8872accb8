"""Rules that tables of proteins and peptides share."""

import math
from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.tasks.building.proteins import around_test, each_once, hashed, similar_groups, split_groups, unambiguous
from lyra_hf.tasks.building.splits import kmers, place
from lyra_hf.tasks.building.variants import differences, mutated

peptides = st.lists(st.text("ACK", max_size=9), max_size=9)


def test_sequences_with_two_labels_go():
    table = pd.DataFrame({"sequence": ["A", "C", "A", "D", "C"], "label": [1, 0, 0, 1, 0]})
    assert unambiguous(table)["sequence"].tolist() == ["C", "D", "C"]
    assert each_once(table)["sequence"].tolist() == ["C", "D"]


@given(st.text(max_size=5))
def test_a_fifth_is_test_and_a_tenth_validation(text):
    at = place(text, "sha1")
    assert hashed(text) == ("test" if at < 0.2 else "validation" if at < 0.3 else "train")


def test_around_test():
    texts = [str(number) for number in range(2000)]
    splits = around_test(texts, (number < 1000 for number in range(2000)), "salt", 0.3)
    assert set(splits[:1000]) == {"test"}
    assert splits[1000:].count("validation") == pytest.approx(300, abs=50)
    assert splits[1000:].count("train") + splits[1000:].count("validation") == 1000
    assert splits[1500] == ("validation" if place("salt1500", "sha1") < 0.3 else "train")


class TestSimilarGroups:
    @given(peptides, st.sampled_from([0.2, 0.4, 0.6]))
    def test_alike_sequences_are_in_one_group(self, sequences, at_least):
        groups = similar_groups(sequences, 2, at_least)
        words = [kmers(sequence, 2) for sequence in sequences]
        linked = [
            (one, other)
            for one, other in combinations(range(len(sequences)), 2)
            if words[one] & words[other]
            and len(words[one] & words[other]) / math.sqrt(len(words[one]) * len(words[other])) >= at_least
        ]
        assert all(groups[one] == groups[other] for one, other in linked)
        reached = set()
        for row in range(len(sequences)):  # each group is connected
            if groups[row] in {groups[other] for other in range(row)}:
                continue
            reached |= {row}
            while more := {b for pair in linked for a, b in (pair, pair[::-1]) if a in reached} - reached:
                reached |= more
        assert reached == set(range(len(sequences)))

    @given(peptides)
    def test_groups_are_counted_by_their_first_rows(self, sequences):
        firsts = list(dict.fromkeys(similar_groups(sequences, 2, 0.4)))
        assert firsts == list(range(len(firsts)))

    def test_the_limit_itself_links(self):
        assert similar_groups(["ACDEFGH", "ACDEKLM"], 3, 0.4) == [0, 0]  # 2 words of 5 and 5

    def test_a_sequence_without_words_is_alone(self):
        assert similar_groups(["AC", "AC", "ACD"], 3, 0.4) == [0, 1, 2]


class TestSplitGroups:
    def test_a_group_goes_whole_by_its_first_in_the_alphabet(self):
        sequences = [f"{letter}{number}" for number in range(100) for letter in "CA"]
        splits = split_groups(sequences, [number for number in range(100) for _ in "CA"])
        assert splits[::2] == splits[1::2] == [hashed(f"A{number}") for number in range(100)]

    def test_a_large_group_is_train(self):
        alone = next(str(number) for number in range(100) if hashed(str(number)) == "test")
        others = [f"-{number}" for number in range(9)]
        assert split_groups([alone, *others], range(10))[0] == "test"
        assert split_groups([alone, f"{alone}+", *others[:8]], [0, 0, *range(1, 9)])[0] == "train"


class TestVariants:
    def test_mutations_are_put_in(self):
        assert mutated("MKV", ["M0A", "V2Y"]) == "AKY"
        assert mutated("MKV", ["K332W"], first=331) == "MWV"
        assert mutated("MKV", []) == "MKV"

    @pytest.mark.parametrize("name", ["A0C", "M1A", "V3A", "M-1A", "M0*", "M0", ""])
    def test_one_that_does_not_fit(self, name):
        with pytest.raises(UserError, match="does not fit its protein"):
            mutated("MKV", [name])

    def test_below_the_first_position(self):
        with pytest.raises(UserError, match="'V0A' does not fit"):
            mutated("MKV", ["V0A"], first=1)

    def test_differences(self):
        assert differences("MKV", "MKV") == 0
        assert differences("AKY", "MKV") == 2
