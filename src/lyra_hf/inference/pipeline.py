"""Two helpers to let reading, computing and writing run side by side, a few items apart and in order.

Errors come out where the items would have: with the traceback of the thread that they were raised in. Threads end with
the `with` blocks that they belong to.
"""

import threading
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, TypeVar, cast

Item = TypeVar("Item")

# A thread may wait for a terminal or a pipe for ever. One that has been told to stop and does not is left behind; it
# ends with the program.
_SECONDS_TO_STOP = 2.0
_END = object()


class _Failure:
    """What a thread raised, on its way to the other one."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Prefetched(Generic[Item]):
    """The items of an iterable, made ahead of their use by a thread; use it as a context manager, then iterate once.

    Args:
        items: what to take the items from; it is used in the thread alone.
        depth: how many items, at most, are made or waiting beside the one in use.
    """

    def __init__(self, items: Iterable[Item], depth: int = 1) -> None:
        self._items = items
        self._free = threading.Semaphore(depth)
        self._made: SimpleQueue[Any] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._make, daemon=True)

    def _make(self) -> None:
        try:
            items = iter(self._items)
            while self._free.acquire() and not self._stopped:  # before an item is made, or one more would be held
                item = next(items, _END)
                self._made.put(item)
                if item is _END:
                    break
                del item  # or it would be kept while the thread waits
        except BaseException as error:
            self._made.put(_Failure(error))

    def __iter__(self) -> "Prefetched[Item]":
        return self

    def __next__(self) -> Item:
        item = self._made.get()
        if item is _END or isinstance(item, _Failure):
            self._made.put(_END)  # for who asks again
            if isinstance(item, _Failure):
                raise item.error
            raise StopIteration
        self._free.release()
        return cast(Item, item)

    def __enter__(self) -> "Prefetched[Item]":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        self._free.release()
        self._thread.join(_SECONDS_TO_STOP)


class Background(Generic[Item]):
    """Hands items, in order, to a function that a thread calls; use it as a context manager.

    The context ends when the last item has been dealt with. An error of the function is raised by the next `put` or at
    the end, where it goes before an error of the `with` block: it concerns an earlier item. When the block is broken
    off by the user, what still waits is dropped.

    Args:
        use: what to call with each item.
        depth: how many items, at most, wait or are in use; `put` waits while there are more.
    """

    def __init__(self, use: Callable[[Item], object], depth: int = 1) -> None:
        self._use = use
        self._free = threading.Semaphore(depth)
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        self._failure: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def put(self, item: Item) -> None:
        """Add an item.

        Raises:
            BaseException: what the function raised on an earlier one.
        """
        self._free.acquire()
        if self._failure is not None:
            self._free.release()  # nobody else will
            raise self._failure
        self._waiting.put(item)

    def _run(self) -> None:
        try:
            while (item := self._waiting.get()) is not _END and not self._stopped:
                self._use(cast(Item, item))
                del item  # or it would be kept while the thread waits
                self._free.release()
        except BaseException as error:
            self._failure = error
            self._free.release()

    def __enter__(self) -> "Background[Item]":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        is_broken_off = error is not None and not isinstance(error, Exception)
        self._stopped = is_broken_off
        self._waiting.put(_END)
        self._thread.join(_SECONDS_TO_STOP if is_broken_off else None)
        if self._failure is not None and self._failure is not error and not is_broken_off:
            raise self._failure
