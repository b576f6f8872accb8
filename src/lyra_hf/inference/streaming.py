"""Sequences of any length, in blocks, with the exact state carried from one to the next.

A block sees the letters that reach into it from its neighbours, and starts from the states that all letters before it
have left. A model that reads in one direction takes one pass: a block computes what it adds, waits for the state of the
block before, hands its own on, and goes on to its outputs, so that several blocks are under way at once. A model that
reads in both directions takes a pass for each layer, in which the blocks tell what they add at either end, and a last
one for the outputs.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import TypeVar

import torch
from torch import Tensor

from ..alphabets import PAD_ID
from .engine import Batch, Initial, LyraEngine
from .pooling import Partial
from .state_space import SEGMENT_LENGTH, Carry
from .workers import Workers

Result = TypeVar("Result")

# The states at all blocks' borders are kept where there are two directions; so many blocks at the most, if they are to
# be no longer than the second number.
_MOST_BLOCKS = 1024
_LONGEST_BLOCK = 65_536


class Stream:
    """One long sequence.

    Args:
        engine: the model.
        ids: (L,) token ids, uint8; of a pair (2, L).
        workers: what computes the blocks.
        block_length: letters in a block, a multiple of the segment length. Where there are two directions, blocks of
            very long sequences are longer.
    """

    def __init__(self, engine: LyraEngine, ids: Tensor, workers: Workers, block_length: int) -> None:
        self.engine, self.ids, self.workers = engine, ids, workers
        self.length = ids.shape[-1]
        if engine.config.bidirectional:
            wanted = -(-self.length // _MOST_BLOCKS // SEGMENT_LENGTH) * SEGMENT_LENGTH
            block_length = max(block_length, min(wanted, _LONGEST_BLOCK))
        self.starts = range(0, self.length, block_length)

    def residue_scores(self) -> Iterator[Tensor]:
        """The scores of each block's letters, before any label scale: (M, L, O)."""

        def score(batch: Batch, initial: Initial) -> Tensor:
            return self.engine.residue_scores(batch, initial)[:, 0, : int(batch.lengths[0])]

        return self._outputs(score)

    def sequence_scores(self) -> Tensor:
        """The scores of the sequence, before any label scale: (M, 1, O)."""
        pooled: Partial | None = None
        for part in self._outputs(self.engine.pooled):
            pooled = part if pooled is None else self.engine.pool.join(pooled, part)
        assert pooled is not None
        with torch.inference_mode():
            length = torch.tensor([self.length], device=self.engine.device)
            return self.engine.sequence_scores(pooled, length, self.ids.unsqueeze(-2))

    def _outputs(self, compute: Callable[[Batch, Initial], Result]) -> Iterator[Result]:
        relay = self._border_states() if self.engine.config.bidirectional else _Relay(len(self.engine.layers))

        def run(block: int) -> Result:
            try:
                return compute(self._batch(block), relay.initial(block))
            except BaseException as error:
                relay.fail(block, error)
                raise

        return self.workers.map(run, range(len(self.starts)))

    def _batch(self, block: int) -> Batch:
        """A block and what reaches into it."""
        start, reach = self.starts[block], self.engine.front.reach
        stop = min(start + self.starts.step, self.length)
        outside = self.ids.new_full((*self.ids.shape[:-1], reach), PAD_ID)
        before = torch.cat([outside, self.ids[..., max(0, start - reach) : start]], dim=-1)
        after = torch.cat([self.ids[..., stop : stop + reach], outside], dim=-1)
        around = before[..., before.shape[-1] - reach :].unsqueeze(-2), after[..., :reach].unsqueeze(-2)
        table = self.engine.table_for(self.ids[..., max(0, start - reach) : stop + reach])
        return self.engine.lay_out(table, self.ids[..., start:stop].unsqueeze(-2), around=around, start=start)

    def _border_states(self) -> "_Known":
        """The states before each block in either direction, from the lowest layer up."""
        known = _Known()
        for index, layer in enumerate(self.engine.layers):

            def leave(block: int, index: int = index) -> tuple[list[Tensor], int]:
                batch = self._batch(block)
                ends = [carry.end() for carry in self.engine.leave(index, batch, known.initial(block))]
                return ends, batch.codes.shape[1] * SEGMENT_LENGTH

            added, sizes = zip(*self.workers.map(leave, range(len(self.starts))), strict=True)
            with torch.inference_mode():
                turns = [layer.space.turn(size).unsqueeze(2) for size in sizes]  # (directions, C, 1, N/2)
                before: list[list[Tensor | None]] = [[None, None] for _ in self.starts]
                for direction, order in enumerate((range(len(self.starts)), range(len(self.starts) - 1, -1, -1))):
                    state = torch.zeros_like(added[0][direction])
                    for block in order:
                        before[block][direction] = state
                        state = torch.addcmul(added[block][direction], turns[block][direction], state)
            known.layers.append(before)
        return known


class _Known:
    """States that are there before the blocks are computed."""

    def __init__(self) -> None:
        self.layers: list[list[list[Tensor | None]]] = []

    def initial(self, block: int) -> Initial:
        return lambda layer, carries: self.layers[layer][block]

    def fail(self, block: int, error: BaseException) -> None:
        """Nobody waits."""


class _Relay:
    """States handed from block to block as they are found, one direction."""

    def __init__(self, layers: int) -> None:
        self._layers = layers
        self._lock = Lock()
        self._ends: dict[tuple[int, int], Future[Tensor]] = {}

    def _end(self, layer: int, block: int) -> Future[Tensor]:
        with self._lock:
            return self._ends.setdefault((layer, block), Future())

    def initial(self, block: int) -> Initial:
        def exchange(layer: int, carries: list[Carry]) -> Sequence[Tensor | None]:
            before = None
            if block:
                before = self._end(layer, block - 1).result()
                with self._lock:
                    del self._ends[layer, block - 1]
            self._end(layer, block).set_result(carries[0].end(before))
            return [before]

        return exchange

    def fail(self, block: int, error: BaseException) -> None:
        """Tell the next block, which may wait or come to wait, that there is nothing to wait for; it tells the next."""
        for layer in range(self._layers):
            end = self._end(layer, block)
            if not end.done():
                end.set_exception(error)
