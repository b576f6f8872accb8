"""Saving and loading: bit for bit, between heads, and into copies."""

import copy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import build, random_ids, small_config
from transformers import AutoModelForSequenceClassification
from transformers.dynamic_module_utils import get_imports, get_relative_import_files

import lyra_hf.modeling_lyra
from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, LyraModel
from lyra_hf.publishing import FLAT_MODULES

HEADS = [LyraForSequenceClassification, LyraForRegression, LyraForTokenClassification]


class TestSaving:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"num_labels": 3, "problem_type": "regression", "label_transform": "rank"},
            {"num_labels": 2, "problem_type": "regression", "label_transform": "log"},
            {"bidirectional": True, "num_hidden_layers": 2, "pooling": "attention"},
            {"reverse_complement": True},
            {"pair_input": True},
            {"ensemble_size": 3, "pooling": "attention"},
            {"ensemble_size": 2, "pooling": "position"},
            {"pair_input": True, "pair_context": 2},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("cls", HEADS)
    def test_round_trip_changes_no_bit(
        self, cls: type[LyraForRegression], fields: dict[str, Any], tmp_path: Path
    ) -> None:
        model = build(cls, **fields)
        model.classifier.label_scale.fit(torch.rand(50, model.config.num_labels) * 7 + 1)
        model.save_pretrained(tmp_path)
        loaded = cls.from_pretrained(tmp_path)
        assert loaded.training is False
        ids = random_ids(3, 26)
        assert torch.equal(loaded(ids).logits, model(ids).logits)
        before, after = model.state_dict(), loaded.state_dict()
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            assert tensor.dtype == after[name].dtype
            assert torch.equal(tensor, after[name]), name

    def test_buffers_that_are_not_saved_are_made_again(self, tmp_path: Path) -> None:
        model = build(LyraForRegression, reverse_complement=True)
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path)
        buffers = dict(model.named_buffers())
        assert {"lyra.encoder.membership", "lyra.complement_ids"} <= buffers.keys()
        assert not {"lyra.encoder.membership", "lyra.complement_ids"} & model.state_dict().keys()
        for name, buffer in loaded.named_buffers():
            assert torch.equal(buffer, buffers[name]), name

    def test_regression_through_the_auto_class(self, tmp_path: Path) -> None:
        model = build(LyraForRegression, num_labels=2)
        model.save_pretrained(tmp_path)
        ids = random_ids(3, 26)
        for loaded in (
            LyraForSequenceClassification.from_pretrained(tmp_path),
            AutoModelForSequenceClassification.from_pretrained(tmp_path),
        ):
            assert loaded.config.problem_type == "regression"
            assert torch.equal(loaded(ids).logits, model(ids).logits)
            labels = torch.randn(3, 2)
            assert torch.equal(loaded(ids, labels=labels).loss, model(ids, labels=labels).loss)

    @pytest.mark.parametrize("cls", HEADS)
    def test_head_on_weights_of_the_base(self, cls: type[LyraForRegression], tmp_path: Path) -> None:
        base = build(LyraModel, pooling="attention")
        base.save_pretrained(tmp_path)
        torch.manual_seed(1)
        model = cls.from_pretrained(tmp_path, num_labels=2)
        for name, tensor in base.state_dict().items():
            assert torch.equal(model.lyra.state_dict()[name], tensor), name
        # The head is new: small random weights, and a scale that does nothing.
        weight = model.classifier.linear.weight
        assert 0 < weight.abs().max() <= 8**-0.5
        assert weight.unique().numel() == weight.numel()
        assert model.classifier.linear.bias.abs().max() <= 8**-0.5
        scores = torch.randn(4, 2)
        assert torch.equal(model.classifier.label_scale(scores), scores)
        assert model(random_ids(2, 20)).logits.isfinite().all()

    def test_base_of_a_head(self, tmp_path: Path) -> None:
        model = build(LyraForRegression)
        model.save_pretrained(tmp_path)
        ids = random_ids(2, 20)
        assert torch.equal(LyraModel.from_pretrained(tmp_path)(ids).pooler_output, model.lyra(ids).pooler_output)

    def test_head_of_another_kind(self, tmp_path: Path) -> None:
        model = build(LyraForRegression)
        model.save_pretrained(tmp_path)
        other = LyraForTokenClassification.from_pretrained(
            tmp_path, num_labels=3, problem_type="single_label_classification", ignore_mismatched_sizes=True
        )
        assert torch.equal(other.lyra.encoder.weight, model.lyra.encoder.weight)
        assert other.classifier.linear.weight.shape == (3, 8)
        assert other.classifier.linear.weight.abs().max() > 0
        assert other(random_ids(2, 20)).logits.isfinite().all()

    def test_regression_class_refuses_a_classifier(self) -> None:
        with pytest.raises(ValueError, match="regression"):
            LyraForRegression(small_config(num_labels=2, problem_type="single_label_classification"))

    def test_copies_are_independent(self) -> None:
        model = build(LyraForRegression)
        ids = random_ids(2, 20)
        with torch.no_grad():
            expected = model(ids).logits
            other = copy.deepcopy(model)
            assert torch.equal(other(ids).logits, expected)
            for parameter in other.parameters():
                parameter.mul_(1.1)
            assert not torch.allclose(other(ids).logits, expected)
            assert torch.equal(model(ids).logits, expected)


def test_a_copy_in_a_hub_repository_is_complete():
    """transformers finds every flat file by following the relative imports of the model, and finds no other."""
    found = {Path(path).stem for path in get_relative_import_files(lyra_hf.modeling_lyra.__file__)}
    assert found | {"modeling_lyra"} == set(FLAT_MODULES)


@pytest.mark.parametrize("module", FLAT_MODULES)
def test_a_flat_file_needs_no_other_package_and_says_whose_it_is(module):
    path = Path(lyra_hf.__file__).with_name(f"{module}.py")
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first == "# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0."
    elsewhere = ("from ..", "from . ", "import lyra_hf", "from lyra_hf")
    assert [line for line in lines if line.strip().startswith(elsewhere)] == []
    come_with_transformers = {"huggingface_hub", "numpy", "tokenizers", "torch", "transformers"}
    assert {name for name in get_imports(path) if name not in sys.stdlib_module_names} <= come_with_transformers
