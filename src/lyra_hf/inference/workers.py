"""Threads that compute side by side, each operation in one thread.

The operations of a small model are too short to be worth splitting. So each thread takes a batch of its own through the
whole model, and torch's own threads are stood down meanwhile; the interpreter is free while an operation runs.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import local
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


class Workers:
    """A pool of threads for torch's operations on the CPU.

    Args:
        threads: how many; with one, everything is computed in the caller's own.
    """

    def __init__(self, threads: int) -> None:
        keep_freed_memory()
        self.threads = threads
        self._pool: ThreadPoolExecutor | None = None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The function's results in the order of the items, without gradients.

        Items are begun in order, and twice as many as there are threads are under way or wait to be fetched.
        """
        if self.threads == 1:
            for item in items:
                with torch.inference_mode():
                    result = function(item)
                yield result
            return
        if self._pool is None:
            # PyTorch counts threads for each thread that calls it.
            self._pool = ThreadPoolExecutor(self.threads, "lyra", initializer=torch.set_num_threads, initargs=(1,))
        waiting: deque[Future[Result]] = deque()
        with _one_thread_per_operation():
            try:
                for item in items:
                    waiting.append(self._pool.submit(torch.inference_mode()(function), item))
                    if len(waiting) >= 2 * self.threads:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                # The latest first: an item that is under way may wait for those before it, and these are then begun.
                for future in reversed(waiting):
                    future.cancel()


def keep_freed_memory() -> None:
    """Have the C library keep the memory of freed tensors for the next ones.

    glibc returns blocks above a size to the system when they are freed, and every page of a new one then costs a fault:
    up to a third of the time of a model of this size. The size grows, up to 32 MB, with the largest block freed.
    Elsewhere this does nothing.
    """
    torch.empty(_LARGE_BLOCK, dtype=torch.uint8)


_LARGE_BLOCK = 31 << 20


class _Standing(local):
    """Of one calling thread, as PyTorch counts threads for each: who has stood them down, and how many there were."""

    users = 0
    threads = 1


_standing = _Standing()


@contextmanager
def _one_thread_per_operation() -> Iterator[None]:
    """Stand torch's own threads down; the last to leave, of all that the caller has inside, calls them back."""
    if not _standing.users:
        _standing.threads = torch.get_num_threads()
        torch.set_num_threads(1)
    _standing.users += 1
    try:
        yield
    finally:
        _standing.users -= 1
        if not _standing.users:
            torch.set_num_threads(_standing.threads)
