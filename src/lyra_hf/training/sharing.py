"""A batch shared out among processes that train together, so that they learn what one process would."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import Sampler

from ..dropout import RowsOfBatch


class Share(NamedTuple):
    """What a process has of a batch.

    Attributes:
        batch: the rows of the whole batch, by their numbers in the table.
        rows: which of them the process has.
        counts: False where there are more processes than rows: the process has a row that another one has as well, and
            its labels must not count.
    """

    batch: Sequence[int]
    rows: RowsOfBatch
    counts: bool


class SharedBatches(Sampler[Share]):
    """The batches that one process would have, and of each the rows that this process has: every so manieth.

    Args:
        order: the rows in the order of the epoch, the same in all processes.
        batch_size: rows of a whole batch.
        rank: which of the processes this is.
        processes: how many there are.
    """

    def __init__(self, order: Sampler[int], batch_size: int, rank: int, processes: int) -> None:
        self.order, self.batch_size, self.rank, self.processes = order, batch_size, rank, processes

    def __iter__(self) -> Iterator[Share]:
        rows = list(self.order)
        for start in range(0, len(rows), self.batch_size):
            batch = rows[start : start + self.batch_size]
            counts = self.rank < len(batch)
            held = slice(self.rank, None, self.processes) if counts else slice(0, 1)
            yield Share(batch, RowsOfBatch(len(batch), held), counts)

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)  # type: ignore[arg-type]  # samplers of tables have a length


class EvaluationBatches(Sampler[list[int]]):
    """Some of the batches of an evaluation: those that this process computes.

    Args:
        batches: all of them.
        rank: which of the processes this is.
        processes: how many there are.
    """

    def __init__(self, batches: Sequence[list[int]], rank: int, processes: int) -> None:
        self.batches = batches[rank::processes]

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def gathered(values: Tensor, accelerator: Accelerator) -> Tensor:
    """The values (n, ...) of all processes, which may have different n, one after the other."""
    values = values.to(accelerator.device)
    sizes = accelerator.gather(torch.tensor([len(values)], device=accelerator.device)).tolist()
    padded = values.new_zeros(max(sizes), *values.shape[1:])
    padded[: len(values)] = values
    parts = accelerator.gather(padded).split(max(sizes))
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
