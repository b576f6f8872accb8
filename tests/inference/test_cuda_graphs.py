"""CUDA graphs, as far as a machine without a GPU can tell: which calls are captured, and what is replayed."""

import contextlib

import pytest
import torch

from lyra_hf.inference import graphs
from lyra_hf.inference.graphs import GraphedFunction


class FakeStream:
    def wait_stream(self, other):
        """Nothing runs beside anything here."""


class FakeGraph:
    """Remembers what ran while it was captured, and runs it again on the same tensors."""

    capturing = None

    def replay(self):
        self.run()


@pytest.fixture
def machine(monkeypatch):
    """Stands in for a GPU: a graph's work is done again when it is replayed."""
    captured = []

    @contextlib.contextmanager
    def capture(graph, *, stream, capture_error_mode):
        captured.append(graph)
        FakeGraph.capturing = graph
        yield
        FakeGraph.capturing = None

    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "current_stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", FakeGraph)
    monkeypatch.setattr(torch.cuda, "graph", capture)
    return captured


def doubling(calls):
    def function(given):
        result = given * 2
        if FakeGraph.capturing is not None:
            FakeGraph.capturing.run = lambda: result.copy_(given * 2)
        else:
            calls.append(given.shape)
        return result

    return function


def test_the_second_batch_of_a_shape_is_captured_and_every_result_is_its_own(machine):
    calls = []
    graphed = GraphedFunction(doubling(calls))
    batches = [torch.full((2, 3), float(number)) for number in range(5)]
    results = [graphed(batch) for batch in batches]
    for batch, result in zip(batches, results, strict=True):
        assert torch.equal(result, 2 * batch)
    assert len(machine) == 1
    assert len(calls) == 2  # the first as it is, then once beside the graph


def test_each_shape_has_a_graph_of_its_own(machine):
    graphed = GraphedFunction(doubling([]))
    for _ in range(3):
        for size in (1, 2, 3):
            assert torch.equal(graphed(torch.ones(size)), 2 * torch.ones(size))
    assert len(machine) == 3


def test_large_batches_are_not_captured(machine, monkeypatch):
    monkeypatch.setattr(graphs, "MOST_LETTERS", 5)
    graphed = GraphedFunction(doubling([]))
    for _ in range(3):
        assert torch.equal(graphed(torch.ones(6)), 2 * torch.ones(6))
    assert not machine


def test_shapes_beyond_the_most_are_computed_as_they_are(machine, monkeypatch):
    monkeypatch.setattr(graphs, "_MOST_SHAPES", 2)
    graphed = GraphedFunction(doubling([]))
    for _ in range(3):
        for size in range(1, 6):
            assert torch.equal(graphed(torch.ones(size)), 2 * torch.ones(size))
    assert len(machine) == 2
