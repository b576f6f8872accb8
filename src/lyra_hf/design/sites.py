"""The sites of a nuclease in a contig.

Letters in shapes: L letters of a contig, N sites, W letters that the model reads of each (`Nuclease.window`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..alphabets import DNA
from .genome import Contig, Ids
from .nucleases import Nuclease
from .regions import Intervals

_BLOCK = 1 << 20  # places where a site may start that are looked at together
_SITES = 1 << 17  # sites whose windows are in memory
_IDS = DNA.vocabulary
_UNKNOWN = _IDS["N"]
_COMPLEMENTS = np.array(DNA.complement_ids, np.uint8)
# Of each token id the letters that it stands for, a bit each; none of an ambiguous one: that may be another letter.
_BITS = np.zeros(len(_IDS), np.uint8)
for _place, _letter in enumerate(DNA.letters):
    _BITS[_IDS[_letter]] = 1 << _place
_CODES = {letter: 1 << place for place, letter in enumerate(DNA.letters)}
_CODES |= {code: sum(_CODES[letter] for letter in letters) for code, letters in DNA.ambiguity.items()}


class Sites(NamedTuple):
    """Sites of one contig, by start, and at one start the forward strand first.

    Attributes:
        contig: its name.
        starts: (N,), of the guide and the PAM on the contig, from 0.
        is_reverse: (N,), whether the protospacer is on the other strand than the one that the contig tells.
        windows: (N, W), token ids of the site and its context, 5' to 3' on the strand of the protospacer. What is
            beyond the contig's ends is N.
    """

    contig: str
    starts: npt.NDArray[np.int64]
    is_reverse: npt.NDArray[np.bool_]
    windows: Ids


def find_sites(contig: Contig, nuclease: Nuclease, intervals: Intervals) -> Iterator[Sites]:
    """The sites whose guide and PAM lie in one of the intervals, in order, some at a time.

    The PAM fits, and no letter of guide and PAM is unknown. Of nucleases that cut RNA the contig is the transcript, and
    its sites are on that strand alone.

    Args:
        contig: where to look.
        nuclease: what for.
        intervals: (n, 2), rising, none touching another.
    """
    for first, last in intervals.tolist():
        end = last - nuclease.site + 1  # behind the last start
        for start in range(first, end, _BLOCK):
            starts, is_reverse = _sites_between(contig.ids, nuclease, start, min(start + _BLOCK, end))
            for place in range(0, starts.size, _SITES):
                some = slice(place, place + _SITES)
                windows = _windows(contig.ids, nuclease, starts[some], is_reverse[some])
                yield Sites(contig.name, starts[some], is_reverse[some], windows)


def _sites_between(
    letters: Ids, nuclease: Nuclease, start: int, end: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Starts and strands of the sites that start from `start` up to, not including, `end`."""
    ids = letters[start : end + nuclease.site - 1]
    bits = _BITS[ids]
    before = np.concatenate([[0], np.cumsum(bits == 0)])  # unknown letters up to each
    is_known = before[nuclease.site :] == before[: -nuclease.site]
    strands = []
    for on_reverse in (False, True) if nuclease.target == "dna" else (False,):
        fits = is_known.copy()
        for place, mask in _pam_masks(nuclease, is_reverse=on_reverse):
            fits &= (bits[place : place + fits.size] & mask) != 0
        strands.append(np.flatnonzero(fits) + start)
    starts = np.concatenate(strands)
    is_reverse = np.repeat(np.arange(len(strands)) > 0, [found.size for found in strands])
    order = np.argsort(starts, kind="stable")
    return starts[order], is_reverse[order]


def _pam_masks(nuclease: Nuclease, *, is_reverse: bool) -> list[tuple[int, int]]:
    """Where in a site, as the contig has it, which letters the PAM wants, as bits."""
    pam = nuclease.pam
    start = 0 if nuclease.pam_side == "5'" else nuclease.guide
    if is_reverse:
        pam = "".join(DNA.complements[code] for code in reversed(pam))
        start = nuclease.site - start - len(pam)
    return [(start + place, _CODES[code]) for place, code in enumerate(pam)]


def _windows(ids: Ids, nuclease: Nuclease, starts: npt.NDArray[np.int64], is_reverse: npt.NDArray[np.bool_]) -> Ids:
    """Token ids (N, W) of sites and their context, on the strand of the protospacer."""
    left = np.where(is_reverse, nuclease.after, nuclease.before)
    return _letters(ids, starts - left, nuclease.window, is_reverse)


def site_letters(ids: Ids, nuclease: Nuclease, starts: npt.NDArray[np.int64], is_reverse: npt.NDArray[np.bool_]) -> Ids:
    """Token ids (N, G + P) of sites without context, on the strand of the protospacer."""
    return _letters(ids, starts, nuclease.site, is_reverse)


def pam_fits(nuclease: Nuclease, sites: Ids) -> npt.NDArray[np.bool_]:
    """Whether (N,) the PAM of sites (N, G + P) on the strand of the protospacer is the nuclease's."""
    fits = np.ones(len(sites), np.bool_)
    for place, mask in _pam_masks(nuclease, is_reverse=False):
        fits &= (_BITS[sites[:, place]] & mask) != 0
    return fits


def _letters(ids: Ids, starts: npt.NDArray[np.int64], width: int, is_reverse: npt.NDArray[np.bool_]) -> Ids:
    """Token ids (N, width) from `starts` on, N beyond the contig's ends, those marked of the other strand."""
    places = starts[:, None] + np.arange(width)  # (N, width)
    letters = ids[np.clip(places, 0, max(ids.size - 1, 0))] if ids.size else np.empty(places.shape, np.uint8)
    letters[(places < 0) | (places >= ids.size)] = _UNKNOWN
    letters[is_reverse] = _COMPLEMENTS[letters[is_reverse, ::-1]]
    return letters
