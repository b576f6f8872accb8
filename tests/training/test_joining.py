"""The models of several seeds as one: its predictions, its report, what it refuses, and how often it sees test rows."""

import json
import os
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from small_models import REPOSITORY, build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    Predictor,
    UserError,
)
from lyra_hf.checkpoints.folders import save_checkpoint
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.inference.loading import load_model
from lyra_hf.training.calibration import apply, calibration_of
from lyra_hf.training.data import HeldOut, LabelledTable, Rows
from lyra_hf.training.evaluation import evaluate_rows, evaluate_test
from lyra_hf.training.finetune import REPORT_FILE, TrainingReport
from lyra_hf.training.joining import is_joined, join_runs, joined_report
from lyra_hf.training.options import TrainingOptions

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
FILES = REPOSITORY | {REPORT_FILE}
OPTIONS = TrainingOptions(epochs=2)
KINDS = {
    "number": (LyraForRegression, {}, "spearman"),
    "numbers": (LyraForRegression, {"num_labels": 2}, "spearman"),
    "logarithms": (LyraForRegression, {"label_transform": "log"}, "spearman"),
    "classes": (LyraForSequenceClassification, {"num_labels": 3, "problem_type": SINGLE}, "mcc"),
    "labels": (LyraForSequenceClassification, {"num_labels": 2, "problem_type": MULTI}, "ap"),
    "residue numbers": (LyraForTokenClassification, {"problem_type": "regression"}, "spearman"),
}


def table_of(config, head):
    """Random rows with labels of a model's kind: of each split 40."""
    generator = np.random.default_rng(0)

    def rows():
        encoded = [generator.integers(2, 6, size=generator.integers(5, 20)).astype(np.uint8) for _ in range(40)]
        shapes = [(ids.size,) if head == "residue" else () for ids in encoded]
        outputs = config.num_labels
        if config.problem_type == SINGLE:
            labels = [np.asarray(index % outputs) for index in range(40)]
        else:
            labels = [generator.random((*shape, outputs) if outputs > 1 else shape) for shape in shapes]
            labels = [np.asarray(row, np.float32) for row in labels]
        if config.problem_type == MULTI:
            labels = [np.asarray(row > 0.5, np.float32) for row in labels]
        return Rows(EncodedSequences.from_list(encoded), labels)

    names = [f"y{index}" for index in range(config.num_labels)]
    splits = {split: rows() for split in ("train", "validation", "test")}
    return LabelledTable("dna", head, config.problem_type, names, splits)


class Made:
    """Finished runs of different seeds, whose models have the same label scale, and their table."""

    def __init__(self, folder, kind="number", seeds=(0, 1, 2), **fields):
        cls, of_kind, metric = KINDS[kind]
        self.models = [build(cls, seed=seed, **of_kind, **fields) for seed in seeds]
        scale = dict(self.models[0].named_buffers())
        for model in self.models:
            for name, buffer in model.named_buffers():
                buffer.copy_(scale[name])
        head = "residue" if cls is LyraForTokenClassification else "sequence"
        self.table = table_of(self.models[0].config, head)
        self.metric, self.folders, self.opened = metric, [], 0
        for seed, model in zip(seeds, self.models, strict=True):
            self.folders.append(folder / f"seed-{seed}")
            save_checkpoint(model, self.folders[-1])
            self.report(len(self.folders) - 1, options=asdict(replace(OPTIONS, seed=seed)))
        self.output = folder / "ensemble"

    def report(self, place, **changes):
        """Write the report of a run, or change it."""
        path = self.folders[place] / REPORT_FILE
        report = json.loads(path.read_text()) if path.is_file() else {"metric": self.metric, "minutes": 1.5 + place}
        path.write_text(json.dumps({**report, **changes}))

    def read(self):
        self.opened += 1
        assert (self.output / "model.safetensors").is_file()
        return self.table.splits["test"]

    def join(self):
        held_out = HeldOut(len(self.table.splits["test"].encoded), self.read)
        return join_runs(self.folders, self.output, self.table.for_training(), held_out)


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_it_predicts_the_mean_of_its_members(tmp_path, kind):
    """In the labels' own units, whatever the scale that the head works on; of classes on a line in it."""
    made = Made(tmp_path, kind)
    made.join()
    rows = made.table.splits["test"].encoded
    joined = Predictor(str(made.output)).predict_encoded(rows)
    members = np.stack([Predictor(str(folder)).predict_encoded(rows).logits for folder in made.folders])
    mean, spread = members.mean(0), members.std(0)
    slope, offset = np.ones(mean.shape[1]), np.zeros(mean.shape[1])
    if made.table.problem_type != "regression":  # calibrated together
        slope, offset = np.array(
            [np.polyfit(one, other, 1) for one, other in zip(mean.T, joined.logits.T, strict=True)]
        ).T
        assert (slope > 0).all()
    np.testing.assert_allclose(joined.logits, mean * slope + offset, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(joined.spread, spread * slope, rtol=1e-3, atol=1e-4)
    assert spread.max() > 0.01


@pytest.mark.parametrize("kind", ["number", "numbers", "logarithms", "residue numbers"])
def test_its_intervals_are_those_of_the_validation_rows(tmp_path, kind):
    made = Made(tmp_path, kind)
    report = made.join()
    assert 0 < report.test["prediction_intervals"]["coverage"] <= 1
    predictor, rows = Predictor(str(made.output)), made.table.splits["validation"]
    predictions = predictor.predict_encoded(rows.encoded)
    labels = np.concatenate([np.reshape(row, (-1, made.models[0].config.num_labels)) for row in rows.labels])
    inside = (predictions.lower <= labels) & (labels <= predictions.upper)
    assert (inside.mean(0) >= 0.9).all()  # of the rows that they were fitted to


@pytest.mark.parametrize("seen", [{"refit": True}, {"calibration_pieces": 2}])
def test_models_that_saw_all_rows_among_them_hand_on_the_mean_of_their_intervals(made, seen):
    table = made.table
    for place, model in enumerate(made.models):
        apply(calibration_of(model, table.splits["validation"], table.splits["train"]), model)
        save_checkpoint(model, made.folders[place])
        made.report(place, options=asdict(replace(OPTIONS, seed=place, **seen)), validation={"spearman": 0.5})
    made.join()
    joined = load_model(str(made.output)).classifier.intervals
    for name, buffer in joined.named_buffers():
        parts = [getattr(model.classifier.intervals, name) for model in made.models]
        torch.testing.assert_close(buffer, torch.stack(parts).mean(0))


@pytest.mark.parametrize("kind", KINDS)
def test_its_report(tmp_path, kind):
    made = Made(tmp_path, kind)
    report = made.join()
    assert {path.name for path in made.output.iterdir()} == FILES
    assert TrainingReport(**json.loads((made.output / REPORT_FILE).read_text())) == report
    predictor = Predictor(str(made.output))
    assert report.validation == evaluate_rows(predictor, made.table.splits["validation"])
    assert report.test == evaluate_test(predictor, made.table.splits["test"], made.metric)
    assert (report.metric, report.best_epoch) == (made.metric, None)
    assert report.minutes == 1.5 + 2.5 + 3.5
    assert report.parameters == sum(model.num_parameters() for model in made.models)
    assert report.rows == {"train": 40, "validation": 40, "test": 40}
    assert report.options == {**asdict(OPTIONS), "seed": [0, 1, 2]}


def test_models_that_saw_the_validation_rows_are_not_measured_on_them(made):
    for place in range(3):
        options = asdict(replace(OPTIONS, seed=place, refit=True))
        made.report(place, options=options, validation={"spearman": 0.5 + place, "r2": None, "n": 40})
    assert made.join().validation == {"spearman": 1.5, "r2": None, "n": 40}


def test_the_test_rows_are_opened_once_and_when_it_is_saved(made):
    made.join()
    assert made.opened == 1


def test_without_test_rows(made):
    report = join_runs(made.folders, made.output, made.table.for_training(), None)
    assert report.test is None
    assert report.rows == {"train": 40, "validation": 40}


def test_a_table_that_holds_test_rows_is_measured_on_them(made):
    assert join_runs(made.folders, made.output, made.table, None).test["n"] == 40


def test_ensembles_are_joined_member_by_member(tmp_path):
    made = Made(tmp_path, seeds=(0, 1), ensemble_size=2)
    made.join()
    predictor = Predictor(str(made.output))
    assert predictor.config.ensemble_size == 4
    sequences = ["ACGTTGCA", "GGGTA"]
    expected = np.mean([Predictor(str(folder))(sequences) for folder in made.folders], axis=0)
    np.testing.assert_allclose(predictor(sequences), expected, rtol=1e-4, atol=1e-5)


def test_an_earlier_ensemble_is_replaced(made):
    made.join()
    first = (made.output / REPORT_FILE).read_text()
    made.folders = made.folders[:2]
    assert made.join().options["seed"] == [0, 1]
    assert (made.output / REPORT_FILE).read_text() != first
    assert Predictor(str(made.output)).config.ensemble_size == 2


class TestOnce:
    """What is there is not made again."""

    def report(self, made):
        held_out = HeldOut(len(made.table.splits["test"].encoded), made.read)
        return joined_report(made.folders, made.output, lambda: (made.table.for_training(), held_out))

    def test_the_report_of_what_is_there(self, made):
        first = self.report(made)
        assert first == json.loads((made.output / REPORT_FILE).read_text())
        assert self.report(made) == first
        made.folders.reverse()
        assert self.report(made) == first
        assert made.opened == 1  # the rows were not even read

    def test_other_seeds(self, made):
        self.report(made)
        made.folders = made.folders[:2]
        assert not is_joined(made.folders, made.output)
        assert self.report(made)["options"]["seed"] == [0, 1]
        assert made.opened == 2

    def test_a_newer_seed(self, made):
        self.report(made)
        assert is_joined(made.folders, made.output)
        path = made.folders[1] / REPORT_FILE
        later = (made.output / REPORT_FILE).stat().st_mtime_ns + 1
        os.utime(path, ns=(later, later))
        assert not is_joined(made.folders, made.output)

    def test_nothing_there(self, made):
        assert not is_joined(made.folders, made.output)


class TestRefusal:
    """Nothing is written, and no test row is read."""

    def refused(self, made, message):
        with pytest.raises(UserError, match=message):
            made.join()
        assert not made.output.exists()
        assert made.opened == 0

    def test_of_models_of_different_configurations(self, made):
        save_checkpoint(build(LyraForRegression, num_hidden_layers=2), made.folders[1])
        self.refused(made, "cannot be joined: .* differ in num_hidden_layers")

    def test_of_models_of_different_label_scales(self, made):
        model = made.models[1]
        model.classifier.label_scale.mean += 1
        save_checkpoint(model, made.folders[1])
        self.refused(made, "cannot be joined: .* share their label scale")

    def test_of_models_of_different_heads(self, made):
        save_checkpoint(build(LyraForTokenClassification, problem_type="regression"), made.folders[1])
        self.refused(made, "cannot be joined: they have different heads")

    def test_of_runs_of_different_options(self, made):
        made.report(1, options=asdict(replace(OPTIONS, seed=1, epochs=3)))
        self.refused(made, "different training options or metrics")

    def test_of_runs_of_different_metrics(self, made):
        made.report(2, metric="pearson")
        self.refused(made, "different training options or metrics")

    def test_of_a_single_run(self, made):
        made.folders = made.folders[:1]
        self.refused(made, "at least two members")
