"""The best guides of a genome, some way apart, kept while it streams past."""

from bisect import bisect_left, insort

import numpy as np
import numpy.typing as npt

from ..errors import UserError
from .guides import Guides

_FEWEST_KEPT = 1 << 18


class BestGuides:
    """Keeps the best guides of all that are added.

    The best of all is taken first, then the best of those far enough from it, and so on.

    Args:
        number: how many to keep.
        spacing: bases at least between the starts of two that are kept, on the same contig; 0 for any.
        lower_is_better: whether low scores are the good ones.

    Raises:
        UserError: a number is below 1, or the spacing below 0.
    """

    def __init__(self, number: int, spacing: int = 0, *, lower_is_better: bool = False) -> None:
        if number < 1 or spacing < 0:
            raise UserError(f"--top must be at least 1, and --spacing at least 0, not {number} and {spacing}")
        self._number, self._spacing = number, spacing
        self._sign = -1.0 if lower_is_better else 1.0
        self._parts: list[Guides] = []
        self._count = 0

    def add(self, guides: Guides) -> None:
        """Consider further guides."""
        self._parts.append(guides)
        self._count += len(guides.starts)
        if self._count > max(_FEWEST_KEPT, 8 * self._number):
            self._prune()

    def best(self) -> Guides | None:
        """The best, in the order in which they were added; None if there were no guides."""
        if not self._parts:
            return None
        guides = Guides.joined(self._parts)
        return guides.take(np.sort(self._chosen(guides, self._number)))

    def _prune(self) -> None:
        """Let go of guides that are none of the best, whatever comes.

        A guide that comes later takes the place of two that are chosen now at most: those on its either side. So of
        twice as many as are wanted, that many remain of the score of the last or better.
        """
        guides = Guides.joined(self._parts)
        chosen = self._chosen(guides, 2 * self._number if self._spacing else self._number)
        wanted = 2 * self._number if self._spacing else self._number
        if len(chosen) == wanted:
            merit = self._sign * guides.scores
            guides = guides.take(merit >= merit[chosen[-1]])
        self._parts, self._count = [guides], len(guides.starts)

    def _chosen(self, guides: Guides, number: int) -> npt.NDArray[np.int64]:
        """Places of the best guides, the best first; of equal ones that which was added first."""
        order = np.argsort(-self._sign * guides.scores, kind="stable")
        if not self._spacing:
            return order[:number]
        chosen: list[int] = []
        starts_by_contig: dict[str, list[int]] = {}
        for place in order.tolist():
            taken = starts_by_contig.setdefault(guides.contigs[place], [])
            start = int(guides.starts[place])
            after = bisect_left(taken, start)
            near = taken[max(after - 1, 0) : after + 1]
            if all(abs(start - other) >= self._spacing for other in near):
                insort(taken, start)
                chosen.append(place)
                if len(chosen) == number:
                    break
        return np.array(chosen, np.int64)
