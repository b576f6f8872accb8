"""Parts of a genome to look for sites in."""

import difflib
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from ..inference.sources import Source

_REGION = re.compile(r"(.+):([0-9,]+)-([0-9,]+)")
_NEAR = 3  # names offered for one that is not there

Intervals = npt.NDArray[np.int64]


class Regions:
    """Intervals of contigs, those that touch or overlap made one; or everything.

    Args:
        intervals: by contig the starts and ends, from 0, half-open, with where each was told; None for everything. An
            end of None is the contig's own.
    """

    def __init__(self, intervals: dict[str, list[tuple[int, int | None, str]]] | None = None) -> None:
        self._intervals = intervals
        self._seen: list[str] = []

    def of(self, contig: str, length: int) -> Intervals:
        """The intervals (n, 2) of a contig of so many letters, rising.

        Raises:
            UserError: one reaches beyond the contig.
        """
        self._seen.append(contig)
        if self._intervals is None:
            return np.array([[0, length]], np.int64)
        found = []
        for start, end, told in self._intervals.get(contig, []):
            if (length if end is None else end) > length:
                raise UserError(f"{told} reaches beyond {contig}, which has {length:,} letters")
            found.append((start, length if end is None else end))
        merged: list[list[int]] = []
        for start, end in sorted(found):
            if merged and start <= merged[-1][1]:
                merged[-1][1] = max(end, merged[-1][1])
            else:
                merged.append([start, end])
        return np.array(merged, np.int64).reshape(-1, 2)

    def check_all_seen(self, genome: str) -> None:
        """Refuse contigs that the genome has not.

        Raises:
            UserError: there is one; the message offers names that are near.
        """
        for contig, (first, *_) in (self._intervals or {}).items():
            if contig not in self._seen:
                raise UserError(f"{first[2]}: {genome} has no contig {contig!r}; {_offer(contig, self._seen)}")


def parse_region(text: str) -> Regions:
    """A region as browsers write it, counted from 1 with both ends: "chr1:1,001-2,000"; or a whole contig, "chr1".

    Raises:
        UserError: the numbers make no sense.
    """
    found = _REGION.fullmatch(text)
    if found is None:
        return Regions({text: [(0, None, f"the region {text!r}")]})
    start, end = (int(number.replace(",", "") or 0) for number in found.groups()[1:])
    if not 1 <= start <= end:
        raise UserError(f"the region {text!r}: the start is at least 1 and at most the end (both count, from 1)")
    return Regions({found[1]: [(start - 1, end, f"the region {text!r}")]})


def read_bed(path: Path) -> Regions:
    """The regions of a BED file: contig, start and end, from 0 and half-open, with tabs between.

    Raises:
        UserError: it cannot be read, or a line is none of BED's; the message tells which.
    """
    with Source(path, gzipped=path.suffix in (".gz", ".bgz")) as source:
        text = b"".join(source.chunks()).decode(errors="replace")
    intervals: dict[str, list[tuple[int, int | None, str]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        place, fields = f"{path}, line {number}", line.split("\t")
        if len(fields) < 3 or not (fields[1].strip().isdecimal() and fields[2].strip().isdecimal()):
            raise UserError(
                f"{place}: a line of BED is contig, start and end, with tabs between; this is {line[:60]!r}"
            )
        start, end = int(fields[1]), int(fields[2])
        if start >= end:
            raise UserError(f"{place}: the start {start:,} is not before the end {end:,}")
        intervals.setdefault(fields[0], []).append((start, end, place))
    if not intervals:
        raise UserError(f"{path} has no regions")
    return Regions(intervals)


def _offer(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=_NEAR, cutoff=0.4)
    near += [known for known in names if name.lower() in known.lower() and known not in near][:_NEAR]
    if not near:
        near = names[:_NEAR]
        return f"its contigs begin with {', '.join(near)}"
    return f"did you mean {' or '.join(near)}?"
