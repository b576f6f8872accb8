"""What beside the score decides between guides.

Letters in shapes: N guides of G letters, as token ids of the DNA alphabet.
"""

import numpy as np
import numpy.typing as npt

from ..alphabets import DNA
from .genome import Ids

_G, _C, _T = (DNA.vocabulary[letter] for letter in "GCT")
_COMPLEMENTS = np.array(DNA.complement_ids, np.uint8)
SHORTEST_LOOP = 3  # letters between the two halves of a stem


def gc_share(guides: Ids) -> npt.NDArray[np.float32]:
    """The share (N,) of G and C among the letters of guides (N, G)."""
    return ((guides == _G) | (guides == _C)).mean(1, dtype=np.float32)


def longest_t_run(guides: Ids) -> npt.NDArray[np.int64]:
    """The length (N,) of the longest run of T in guides (N, G): four and more end transcription by polymerase III."""
    return _longest_run(guides == _T)


def longest_stem(guides: Ids) -> npt.NDArray[np.int64]:
    """The base pairs (N,) of the longest stem that guides (N, G) can form with themselves, without a bulge.

    Watson-Crick pairs alone count, and a loop has three letters at least.
    """
    count, length = guides.shape
    complements = _COMPLEMENTS[guides]
    longest = np.zeros(count, np.int64)
    for total in range(SHORTEST_LOOP + 1, 2 * length - SHORTEST_LOOP - 2):  # the sum of two places that pair
        inner = (total - SHORTEST_LOOP - 1) // 2
        firsts = np.arange(max(0, total - length + 1), inner + 1)
        if firsts.size:
            longest = np.maximum(longest, _longest_run(guides[:, firsts] == complements[:, total - firsts]))
    return longest


def _longest_run(is_hit: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The length (N,) of the longest run of True along the rows of (N, G)."""
    run = np.zeros(len(is_hit), np.int64)
    longest = run.copy()
    for column in is_hit.T:
        run = (run + 1) * column
        np.maximum(longest, run, out=longest)
    return longest
