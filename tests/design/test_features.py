from itertools import groupby

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.design.features import SHORTEST_LOOP, gc_share, longest_stem, longest_t_run
from lyra_hf.tokenization_lyra import SequenceEncoder

GUIDES = st.integers(1, 24).flatmap(
    lambda length: st.lists(st.text("ACGT", min_size=length, max_size=length), min_size=1, max_size=5)
)
PAIRS = {"AT", "TA", "CG", "GC"}


def ids(guides):
    return np.stack([SequenceEncoder("dna").encode(guide) for guide in guides])


@given(GUIDES)
def test_gc_and_runs_of_t(guides):
    assert np.allclose(
        gc_share(ids(guides)), [sum(letter in "GC" for letter in guide) / len(guide) for guide in guides]
    )
    runs = [max((len(list(run)) for letter, run in groupby(guide) if letter == "T"), default=0) for guide in guides]
    assert longest_t_run(ids(guides)).tolist() == runs


@given(GUIDES)
def test_stems_against_every_pair_of_places(guides):
    expected = []
    for guide in guides:
        longest = 0
        for first in range(len(guide)):
            for last in range(first + SHORTEST_LOOP + 1, len(guide)):
                stem = 0
                while last - stem - first - stem > SHORTEST_LOOP and guide[first + stem] + guide[last - stem] in PAIRS:
                    stem += 1
                longest = max(longest, stem)
        expected.append(longest)
    assert longest_stem(ids(guides)).tolist() == expected


def test_a_hairpin():
    assert longest_stem(ids(["GGGGCAAAGCCCCTTTTTTT"])).tolist() == [5]
