"""Several processes that train one model together, as `torchrun` or `accelerate launch` start them."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import PartialState

from ..errors import UserError


@contextmanager
def together() -> Iterator[PartialState]:
    """Joins the processes that were started together, for as long as they need each other; else there is but one."""
    was_joined = torch.distributed.is_initialized()
    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        yield state
    finally:
        if not was_joined and torch.distributed.is_initialized():
            state.destroy_process_group()


def rows_of_each(batch_size: int, processes: int) -> int:
    """How many rows of a batch each process has.

    Raises:
        UserError: the batch cannot be shared out evenly.
    """
    if batch_size % processes:
        raise UserError(
            f"a batch of {batch_size} cannot be shared out among {processes} processes; give a --batch-size that is a "
            f"multiple of {processes}, or start another number of processes"
        )
    return batch_size // processes
