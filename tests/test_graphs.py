"""Captured graphs: export and compilation give the model's numbers, without complex tensors and without breaks."""

import copy
import os
import shutil
from typing import Any

import pytest
import torch
from small_models import build, random_ids
from torch import Tensor

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, LyraModel

# Ways of the convolution outside a graph: Toeplitz for 30, FFT for 300 and 1000. In a graph: Toeplitz, then the scan.
CASES: list[tuple[dict[str, Any], int]] = [
    ({}, 30),
    ({}, 300),
    ({}, 1000),
    ({"num_hidden_layers": 2, "bidirectional": True, "pooling": "attention"}, 30),
    ({"num_hidden_layers": 2, "bidirectional": True, "pooling": "attention"}, 300),
    ({"reverse_complement": True, "pooling": "max"}, 300),
    ({"pair_input": True, "pooling": "last"}, 600),
    ({"label_transform": "rank"}, 30),
    ({"label_transform": "log"}, 30),
    ({"ensemble_size": 3}, 30),
    ({"pooling": "position"}, 30),
    ({"site_weights": True, "num_labels": 2}, 30),
    ({"ensemble_size": 2, "site_weights": True, "pooling": "position", "pair_input": True, "pair_context": 2}, 300),
    ({"ensemble_size": 2, "num_hidden_layers": 2, "bidirectional": True, "pooling": "attention"}, 300),
    ({"ensemble_size": 2, "reverse_complement": True, "label_transform": "rank"}, 30),
]


def padded_ids(length: int) -> Tensor:
    ids = random_ids(2, length)
    ids[0, : length // 4] = 0
    return ids


def tensors_of(program: torch.export.ExportedProgram) -> list[Tensor]:
    values = [node.meta["val"] for node in program.graph.nodes if "val" in node.meta]
    flat = [item for value in values for item in (value if isinstance(value, tuple | list) else [value])]
    return [value for value in flat if isinstance(value, Tensor)]


class TestExport:
    @pytest.mark.parametrize(("fields", "length"), CASES, ids=str)
    def test_same_numbers_and_nothing_complex(self, fields: dict[str, Any], length: int) -> None:
        model, ids = build(LyraForRegression, **fields), padded_ids(length)
        program = torch.export.export(model, (ids,), {"attention_mask": (ids != 0).long()})
        tensors = tensors_of(program)
        assert len(tensors) > 50
        assert not any(tensor.is_complex() for tensor in tensors)
        assert not any("fft" in str(node.target) for node in program.graph.nodes)
        got = program.module()(ids, attention_mask=(ids != 0).long()).logits
        torch.testing.assert_close(got, model(ids).logits, rtol=0, atol=1e-5)

    def test_the_inspection_finds_complex_tensors(self) -> None:
        class Spectrum(torch.nn.Module):
            def forward(self, x: Tensor) -> Tensor:
                return torch.fft.rfft(x).abs()

        program = torch.export.export(Spectrum(), (torch.ones(8),))
        assert any(tensor.is_complex() for tensor in tensors_of(program))

    @pytest.mark.parametrize("size", [1, 3])
    @pytest.mark.parametrize("cls", [LyraModel, LyraForTokenClassification])
    def test_other_heads(self, cls: type[LyraModel], size: int) -> None:
        model, ids = build(cls, ensemble_size=size), padded_ids(40)
        program = torch.export.export(model, (ids,))
        torch.testing.assert_close(program.module()(ids)[0], model(ids)[0], rtol=0, atol=1e-5)

    def test_the_spread_of_an_ensemble(self) -> None:
        model, ids = build(LyraForRegression, ensemble_size=3), padded_ids(40)
        got = torch.export.export(model, (ids,)).module()(ids)
        torch.testing.assert_close(got.spread, model(ids).spread, rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        "fields",
        [{}, {"bidirectional": True}, {"reverse_complement": True}, {"ensemble_size": 2}, {"site_weights": True}],
        ids=str,
    )
    def test_one_graph_for_all_lengths_of_the_toeplitz_product(self, fields: dict[str, Any]) -> None:
        model = build(LyraForRegression, **fields)
        sizes = {0: torch.export.Dim("batch", min=1, max=4096), 1: torch.export.Dim("length", min=2, max=256)}
        with torch.no_grad():
            program = torch.export.export(
                model, (), {"input_ids": padded_ids(40)}, dynamic_shapes={"input_ids": sizes}
            ).module()
            for length in (2, 3, 15, 16, 17, 64, 65, 128, 129, 256):
                ids = random_ids(3, length)
                torch.testing.assert_close(program(input_ids=ids).logits, model(ids).logits, rtol=0, atol=1e-5)

    def test_parameters_are_inputs(self) -> None:
        # The kernel is computed in the graph, not stored as a constant.
        model, other, ids = build(LyraForRegression), build(LyraForRegression, seed=1), padded_ids(40)
        with torch.no_grad():
            before = model(ids).logits
            exported = torch.export.export(model, (ids,)).module()
            exported.load_state_dict(other.state_dict(), strict=False)
            after = exported(ids).logits
            assert not torch.allclose(after, before, rtol=0, atol=1e-3)
            torch.testing.assert_close(after, other(ids).logits, rtol=0, atol=1e-5)


class TestCompile:
    @pytest.mark.parametrize(("fields", "length"), CASES, ids=str)
    def test_whole_graph_in_evaluation(self, fields: dict[str, Any], length: int) -> None:
        torch._dynamo.reset()
        model, ids = build(LyraForRegression, **fields), padded_ids(length)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        with torch.no_grad():
            torch.testing.assert_close(compiled(ids).logits, model(ids).logits, rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        ("problem_type", "length"), [("regression", 300), ("single_label_classification", 30), (None, 30)]
    )
    @pytest.mark.parametrize("size", [1, 3])
    def test_whole_graph_in_training(self, problem_type: str | None, length: int, size: int) -> None:
        torch._dynamo.reset()
        model = build(
            LyraForSequenceClassification, num_labels=3, problem_type=problem_type, ensemble_size=size
        ).train()
        twin = copy.deepcopy(model)
        ids = padded_ids(length)
        labels = torch.randn(2, 3) if problem_type == "regression" else torch.tensor([2, 0])
        torch.compile(model, fullgraph=True, backend="aot_eager")(ids, labels=labels).loss.backward()
        twin(ids, labels=labels).loss.backward()
        expected = {name: parameter.grad for name, parameter in twin.named_parameters()}
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-5, msg=name)

    def test_lengths_that_change(self) -> None:
        torch._dynamo.reset()
        model = build(LyraForRegression)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager", dynamic=True)
        with torch.no_grad():
            for length in (30, 57):
                ids = padded_ids(length)
                torch.testing.assert_close(compiled(ids).logits, model(ids).logits, rtol=0, atol=1e-5)

    def test_changed_parameters_are_seen(self) -> None:
        torch._dynamo.reset()
        model, ids = build(LyraForRegression), padded_ids(30)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
        with torch.no_grad():
            before = compiled(ids).logits
            model.lyra.layers[0].convolution.C.add_(0.3)
            after = compiled(ids).logits
            assert not torch.equal(after, before)
            torch.testing.assert_close(after, model(ids).logits, rtol=0, atol=1e-5)

    @pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler")
    @pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")
    def test_generated_code(self) -> None:
        torch._dynamo.reset()
        model, ids = build(LyraForRegression), padded_ids(30)
        compiled = torch.compile(model, fullgraph=True)
        with torch.no_grad():
            torch.testing.assert_close(compiled(ids).logits, model(ids).logits, rtol=0, atol=1e-5)
