"""Models before training: of the options' shape and kind, and from the weights of another."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_models import build
from small_training import SMALL, labelled

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, UserError
from lyra_hf.checkpoints.folders import save_checkpoint
from lyra_hf.training.building import build_model


@pytest.mark.parametrize(
    ("head", "problem_type", "wanted"),
    [
        ("sequence", "regression", LyraForRegression),
        ("sequence", "multi_label_classification", LyraForSequenceClassification),
        ("residue", "regression", LyraForTokenClassification),
    ],
)
def test_the_kind_of_model(head, problem_type, wanted):
    model = build_model(labelled(head, problem_type), SMALL, ["first"])
    assert type(model) is wanted
    assert model.config.problem_type == problem_type
    assert model.config.id2label == {0: "first"}


@pytest.mark.parametrize("head", ["sequence", "residue"])
def test_the_label_scale_is_of_the_training_rows(head):
    table = labelled(head)
    labels = np.concatenate([np.ravel(row) for row in table.splits["train"].labels])
    scale = build_model(table, SMALL, ["y"]).classifier.label_scale
    assert scale.mean.item() == pytest.approx(labels.mean(), rel=1e-5)
    assert scale.std.item() == pytest.approx(labels.std(), rel=1e-5)


def test_options_that_make_no_sense():
    with pytest.raises(UserError, match="model options: "):
        build_model(labelled(), {"hiden_size": 8, "hidden_size": "wide"}, ["y"])


class TestStart:
    @pytest.fixture
    def start(self, tmp_path):
        save_checkpoint(build(LyraForSequenceClassification, ensemble_size=3, bidirectional=True), tmp_path / "start")
        return tmp_path / "start"

    @pytest.mark.parametrize("members", [1, 2, 3])
    def test_from_an_ensemble_as_many_members(self, start, members):
        ensemble = LyraForSequenceClassification.from_pretrained(start)
        model = build_model(labelled(), {"ensemble_size": members}, ["y"], str(start))
        assert model.config.ensemble_size == members
        for name, wanted in ensemble.lyra.named_parameters():
            found = model.lyra.get_parameter(name)
            assert torch.equal(found, wanted[0] if members == 1 else wanted[:members])

    def test_the_shape_is_the_others(self, start):
        config = build_model(labelled(), {}, ["y"], str(start)).config
        assert config.bidirectional
        assert config.ensemble_size == 3
        assert config.problem_type == "regression"

    def test_another_shape(self, start):
        with pytest.raises(UserError, match="start is of another shape than the model options ask for"):
            build_model(labelled(), {"hidden_size": 4}, ["y"], str(start))

    def test_another_alphabet(self, start):
        with pytest.raises(UserError, match="start reads dna, and the sequences are rna"):
            build_model(replace(labelled(), alphabet="rna"), {}, ["y"], str(start))
