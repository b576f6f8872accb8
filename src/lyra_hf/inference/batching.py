"""Batches of like length, and what to do when one is too big for the memory."""

import sys
import warnings
from collections.abc import Callable, Iterator
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..alphabets import PAD_ID, UNK_ID
from ..errors import UserError
from .encoding import EncodedSequences, pair_positions

Indices = npt.NDArray[np.int64]


class SmallerBatchesWarning(UserWarning):
    """A batch was too big for the memory, and was halved."""


class Rows:
    """Encoded sequences as the engine takes them.

    Args:
        encoded: the sequences; of pairs, the letters of one and then of the other.
        pairs: whether they are pairs.
        context: letters by which the first of a pair reaches beyond the second on either side.

    Attributes:
        lengths: (N,), positions of each: letters, or pairs of letters.
    """

    def __init__(self, encoded: EncodedSequences, *, pairs: bool, context: int = 0) -> None:
        self._pairs, self._context = pairs, context
        ids = encoded.ids if encoded.ids.flags.writeable else encoded.ids.copy()  # torch has no read-only tensors
        self._ids = torch.from_numpy(ids)
        self._starts = torch.from_numpy(encoded.offsets[:-1].copy())
        self.lengths: Indices = pair_positions(encoded.lengths, context) if pairs else encoded.lengths

    def one(self, index: int) -> Tensor:
        """Token ids of one sequence (L,), or of a pair (2, L)."""
        if self._pairs:
            return self.padded(np.array([index]))[0][:, 0]
        start, length = int(self._starts[index]), int(self.lengths[index])
        return self._ids[start : start + length]

    def padded(self, chosen: Indices) -> tuple[Tensor, Tensor | None]:
        """Token ids (B, L) of some rows, of pairs (2, B, L), padded on the right; their lengths, if they differ."""
        lengths = self.lengths[chosen]
        length = int(lengths.max())
        if lengths.min() == length:
            if chosen[-1] - chosen[0] == len(chosen) - 1 and not self._pairs and (np.diff(chosen) == 1).all():
                start = int(self._starts[chosen[0]])  # one behind the other already
                stop = start + length * len(chosen)
                if int(self._starts[chosen[-1]]) + length == stop:
                    return self._ids[start:stop].view(-1, length), None
            ragged = None
        else:
            ragged = torch.from_numpy(lengths)
        starts = self._starts[torch.from_numpy(chosen)].unsqueeze(1)  # (B, 1)
        position = torch.arange(length)
        members = [starts + position]  # (B, L) each
        if self._pairs:
            members.append(members[0] + torch.from_numpy(lengths).unsqueeze(1) - self._context)
        places = torch.stack(members) if self._pairs else members[0]
        ids = self._ids[places.clamp_(max=self._ids.shape[0] - 1)]
        if self._context:
            sizes = torch.from_numpy(lengths).unsqueeze(1)
            is_context = (position < self._context) | (position >= sizes - self._context)
            ids[1].masked_fill_(is_context, UNK_ID)
        if ragged is not None:
            ids = ids.masked_fill_(position >= ragged.unsqueeze(1), PAD_ID)
        return ids, ragged


class Batches:
    """Cuts rows into batches, smaller ones once the memory has run out.

    Args:
        batch_size: most sequences in a batch, or None to go by letters.
        letters: most letters in a batch, padding included, where there is no `batch_size`.
        workers: threads that should each have some batches.
    """

    def __init__(self, batch_size: int | None, letters: int, workers: int = 1) -> None:
        self.batch_size, self.letters, self.workers = batch_size, letters, workers
        self._most = sys.maxsize  # sequences in a batch, by what the memory has held
        self._lock = Lock()

    def plan(self, lengths: Indices, rows: Indices) -> Iterator[Indices]:
        """Some rows in batches of like length, the longest first."""
        rows = rows[np.argsort(-lengths[rows], kind="stable")]
        letters = self._share(int(lengths[rows].sum()))
        done = 0
        while done < rows.size:
            size = self._size(letters, int(lengths[rows[done]]))
            yield rows[done : done + size]
            done += size

    def plan_windows(self, count: int, length: int) -> Iterator[Indices]:
        """So many windows of one length in batches, in order; made one by one, as a chromosome has very many."""
        letters = self._share(count * length)
        done = 0
        while done < count:
            size = self._size(letters, length)
            yield np.arange(done, min(done + size, count))
            done += size

    def _share(self, total: int) -> int:
        """Letters in a batch of a job of `total` letters: every worker should have some."""
        return min(self.letters, max(total // (4 * self.workers), self.letters // 8))

    def _size(self, letters: int, length: int) -> int:
        """Sequences of a length in a batch of so many letters."""
        return min(self.batch_size or max(1, letters // max(1, length)), self._most)

    def halving(self, compute: Callable[[Indices], None]) -> Callable[[Indices], None]:
        """What computes a batch, or, if that is too big for the memory, its halves.

        Batches planned later are smaller, too. That it happened is said once.
        """

        def attempt(rows: Indices) -> None:
            try:
                return compute(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if len(rows) == 1:
                    raise UserError("the memory does not even hold a batch of one sequence") from error
            # Outside of the handler: while it runs, the error holds on to what was computed so far.
            half = (len(rows) + 1) // 2
            self._shrink(len(rows), half)
            attempt(rows[:half])
            return attempt(rows[half:])

        return attempt

    def _shrink(self, size: int, half: int) -> None:
        with self._lock:
            is_first = self._most == sys.maxsize
            self._most = min(self._most, half)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if is_first:
            warnings.warn(
                f"a batch of {size:,} sequences was too big for the memory; going on with {half:,} at a time",
                SmallerBatchesWarning,
                stacklevel=2,
            )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out, of a GPU or of the machine."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)
