"""Batches of shapes that come again, replayed on a GPU as one CUDA graph.

Of a small batch a GPU spends more time on launching some forty small kernels than on running them. Captured once for a
shape, they are launched together from then on. Large batches gain nothing, and are not captured.
"""

from collections.abc import Callable
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

# Letters in a batch up to which launching, not computing, takes the time.
MOST_LETTERS = 1 << 16
# Shapes kept; each holds the memory of its activations.
_MOST_SHAPES = 16


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    given: Tensor
    result: Tensor


class GraphedFunction:
    """A function of one tensor, run as it is for a new shape and replayed as a CUDA graph from the second time on.

    Args:
        function: computes on the GPU alone, without looking at a value.
    """

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._captured: dict[tuple[int, ...], _Captured | None] = {}
        self._lock = Lock()  # a graph has one place for what it is given, and one for its result

    def __call__(self, given: Tensor) -> Tensor:
        """The function's value."""
        with self._lock, torch.cuda.device(given.device):
            return self._call(given)

    def _call(self, given: Tensor) -> Tensor:
        place = tuple(given.shape)
        if given.numel() > MOST_LETTERS or (place not in self._captured and len(self._captured) >= _MOST_SHAPES):
            return self._function(given)
        if place not in self._captured:
            self._captured[place] = None  # the first time makes what is kept, such as the layers' operators
            return self._function(given)
        captured = self._captured[place]
        if captured is None:
            captured = self._captured[place] = self._capture(given)
        captured.given.copy_(given)
        captured.graph.replay()
        return captured.result.clone()

    def _capture(self, given: Tensor) -> _Captured:
        own = given.clone()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # once beside the graph, as libraries set themselves up at their first call
            self._function(own)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=side, capture_error_mode="thread_local"):
            result = self._function(own)
        return _Captured(graph, own, result)
