"""From a genome to its guides."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError
from .best import BestGuides
from .features import gc_share, longest_t_run
from .genome import contigs
from .guides import Guides, GuideScorer, guide_columns, guide_letters
from .nucleases import Nuclease
from .offtargets import OffTargetSearch
from .outputs import GuideWriter
from .regions import Regions
from .sites import find_sites


@dataclass(frozen=True)
class GuideFilter:
    """Which guides are wanted.

    Attributes:
        gc: the lowest and the highest share of G and C among the guide's letters.
        longest_t_run: how long a run of T may be; None for any.
        worst_score: the score that a guide must have at least, or at most where low scores are the good ones; None for
            any.

    Raises:
        UserError: a number makes no sense.
    """

    gc: tuple[float, float] = (0.0, 1.0)
    longest_t_run: int | None = None
    worst_score: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.gc[0] <= self.gc[1] <= 1:
            raise UserError(f"the share of G and C is from 0 to 1, the lowest first, not {self.gc[0]} to {self.gc[1]}")
        if self.longest_t_run is not None and self.longest_t_run < 0:
            raise UserError(f"the longest run of T is at least 0, not {self.longest_t_run}")

    def wanted(self, nuclease: Nuclease, guides: Guides) -> npt.NDArray[np.bool_]:
        """Which (N,) of the guides are wanted."""
        letters = guide_letters(nuclease, guides.windows)
        share = gc_share(letters)
        wanted = (share >= np.float32(self.gc[0])) & (share <= np.float32(self.gc[1]))
        if self.longest_t_run is not None:
            wanted &= longest_t_run(letters) <= self.longest_t_run
        if self.worst_score is not None:
            sign = -1 if nuclease.lower_is_better else 1
            wanted &= sign * guides.scores >= sign * self.worst_score
        return wanted


def design(
    genome: Path,
    scorer: GuideScorer,
    regions: Regions,
    wanted: GuideFilter,
    best: BestGuides | None = None,
    on_progress: Callable[[int], Any] | None = None,
    numbers: range | None = None,
) -> Iterator[Guides]:
    """The guides of a genome, some at a time, in the order of its contigs, by start, the forward strand first.

    Args:
        genome: a FASTA file.
        scorer: the model, and the nuclease that it is of.
        regions: where to look.
        wanted: which guides to keep.
        best: to keep only the best of all; else every guide is kept.
        on_progress: called with the number of sites scored since the last call.
        numbers: of which contigs, from 0; of all unless told.

    Raises:
        UserError: the genome cannot be read, or has not the contigs of the regions.
    """
    nuclease = scorer.nuclease
    for contig in contigs(genome, numbers):
        for sites in find_sites(contig, nuclease, regions.of(contig.name, contig.ids.size)):
            guides = scorer(sites)
            guides = guides.take(wanted.wanted(nuclease, guides))
            if best is not None:
                best.add(guides)
            elif guides.starts.size:
                yield guides
            if on_progress is not None:
                on_progress(len(sites.starts))
    regions.check_all_seen(str(genome))
    found = None if best is None else best.best()
    if found is not None:
        yield found


def write_guides(
    writer: GuideWriter, scorer: GuideScorer, guides: Iterable[Guides], search: OffTargetSearch | None = None
) -> int:
    """Write guides with all their columns.

    Args:
        writer: where to.
        scorer: what scored them.
        guides: some at a time.
        search: looks for their off-targets, if that is wanted.

    Returns:
        How many there were.
    """

    def rows_of(some: Guides) -> pa.RecordBatch:
        columns = guide_columns(scorer.nuclease, some)
        return pa.RecordBatch.from_pydict(columns if search is None else {**columns, **search(some)})

    count = 0
    for some in guides:
        writer.write(rows_of(some))
        count += len(some.starts)
    if not count:
        writer.begin(rows_of(scorer.no_guides()).schema)
    return count
