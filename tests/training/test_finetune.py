import json
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_models import REPOSITORY
from small_training import SMALL, labelled
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainerCallback, TrainingArguments

from lyra_hf import LyraConfig, LyraForSequenceClassification, Predictor, UserError
from lyra_hf.training.data import HeldOut, LabelledTable, Rows
from lyra_hf.training.evaluation import evaluate_test, flatten
from lyra_hf.training.finetune import REPORT_FILE, finetune
from lyra_hf.training.options import TrainingOptions
from lyra_hf.training.trainer import LyraTrainer

OPTIONS = TrainingOptions(epochs=2, batch_size=16, learning_rate=0.01)


def train(table, folder, options, **further):
    """Train with the test rows held back, as the commands do."""
    test = table.splits.get("test")
    held_out = None if test is None else HeldOut(len(test.encoded), lambda: test)
    return finetune(table.for_training(), folder, options, held_out=held_out, **further)


@pytest.mark.parametrize("head", ["sequence", "residue"])
@pytest.mark.parametrize(
    ("problem_type", "outputs"),
    [
        ("regression", 1),
        ("regression", 2),
        ("single_label_classification", 2),
        ("multi_label_classification", 1),
        ("multi_label_classification", 3),
    ],
)
def test_every_kind_of_table(tmp_path, head, problem_type, outputs):
    table = labelled(head, problem_type, outputs)
    report = train(table, tmp_path, OPTIONS, model_options=SMALL)
    assert {path.name for path in tmp_path.iterdir()} == REPOSITORY | {REPORT_FILE}
    assert "By `lyra-hf train`" in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / REPORT_FILE).read_text())["rows"] == {"train": 60, "validation": 20, "test": 20}
    predictor = Predictor(str(tmp_path))
    assert evaluate_test(predictor, table.splits["test"], report.metric) == report.test
    assert list(predictor.config.id2label.values()) == table.output_names
    if head == "residue":
        lengths = [ids.size for ids in table.splits["test"].encoded]
        assert np.diff(predictor.predict_encoded(table.splits["test"].encoded).offsets).tolist() == lengths


def test_labels_are_standardized_by_the_training_rows(tmp_path):
    table = labelled()
    train(table, tmp_path, OPTIONS, model_options=SMALL)
    scale = Predictor(str(tmp_path)).model.classifier.label_scale
    labels = np.array(table.splits["train"].labels)
    assert scale.mean.item() == pytest.approx(labels.mean(), rel=1e-5)
    assert scale.std.item() == pytest.approx(labels.std(), rel=1e-4)


def test_the_best_epoch_is_picked_on_validation_alone(tmp_path):
    table = labelled()
    report = train(table, tmp_path / "a", OPTIONS, model_options=SMALL)
    shuffled = Rows(table.splits["test"].encoded, table.splits["test"].labels[::-1])
    other = LabelledTable("dna", "sequence", "regression", ["y0"], {**table.splits, "test": shuffled})
    again = train(other, tmp_path / "b", OPTIONS, model_options=SMALL)
    assert again.best_epoch == report.best_epoch
    assert again.validation == report.validation
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_a_run_that_broke_off_goes_on(tmp_path):
    class Break(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch and state.epoch >= 2:
                raise KeyboardInterrupt

    options = TrainingOptions(epochs=4, batch_size=16, learning_rate=0.01, averaging=0.9, letter_dropout=0.1)
    with pytest.raises(KeyboardInterrupt):
        train(labelled(), tmp_path / "broken", options, model_options=SMALL, callbacks=[Break()])
    assert not (tmp_path / "broken" / "model.safetensors").exists()
    train(labelled(), tmp_path / "broken", options, model_options=SMALL)
    train(labelled(), tmp_path / "whole", options, model_options=SMALL)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "whole")]
    assert weights[0] == weights[1]


def test_a_run_that_broke_off_while_it_wrote_a_checkpoint_goes_on(tmp_path, monkeypatch):
    def full(self, output_dir):
        if output_dir.endswith("-12"):
            raise KeyboardInterrupt
        save(self, output_dir)

    save = LyraTrainer._save_rng_state
    options = TrainingOptions(epochs=4, batch_size=16, learning_rate=0.01, letter_dropout=0.1)
    monkeypatch.setattr(LyraTrainer, "_save_rng_state", full)
    with pytest.raises(KeyboardInterrupt):
        train(labelled(), tmp_path / "broken", options, model_options=SMALL)
    assert (tmp_path / "broken" / "checkpoints" / "checkpoint-12" / "model.safetensors").is_file()
    monkeypatch.undo()
    train(labelled(), tmp_path / "broken", options, model_options=SMALL)
    train(labelled(), tmp_path / "whole", options, model_options=SMALL)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "whole")]
    assert weights[0] == weights[1]


class TestRefit:
    OPTIONS = TrainingOptions(
        epochs=5, batch_size=16, learning_rate=0.03, averaging=0.9, letter_dropout=0.1, refit=True
    )

    def test_the_best_epoch_and_its_metrics_are_those_from_before(self, tmp_path):
        table = labelled(number=40)
        before = train(table, tmp_path / "before", replace(self.OPTIONS, refit=False), model_options=SMALL)
        after = train(table, tmp_path / "after", self.OPTIONS, model_options=SMALL)
        assert (after.best_epoch, after.validation) == (before.best_epoch, before.validation)
        assert after.test != before.test
        assert after.rows == before.rows

    def test_it_is_training_on_all_rows_for_as_many_epochs(self, tmp_path):
        table = labelled(number=40)
        one = replace(self.OPTIONS, epochs=1)
        train(table, tmp_path / "refit", one, model_options=SMALL)
        both = Rows.concatenated([table.splits["train"], table.splits["validation"]])
        assert len(both.encoded) == len(both.labels) == 60
        everything = replace(table, splits={**table.splits, "train": both})
        train(everything, tmp_path / "both", replace(one, refit=False), model_options=SMALL)
        refit, trained = (load_file(tmp_path / name / "model.safetensors") for name in ("refit", "both"))
        assert refit.keys() == trained.keys()
        for name, tensor in refit.items():  # the intervals are those of the model before, which had fewer rows
            assert ".intervals." in name or torch.equal(tensor, trained[name]), name

    def test_it_ends_after_the_best_epoch(self, tmp_path):
        class Count(TrainerCallback):
            epochs: ClassVar[list[int]] = []

            def on_train_begin(self, args, state, control, **kwargs):
                self.epochs.append(0)

            def on_epoch_end(self, args, state, control, **kwargs):
                self.epochs[-1] += 1

        report = train(labelled(), tmp_path, self.OPTIONS, model_options=SMALL, callbacks=[Count()])
        assert Count.epochs == [5, report.best_epoch]

    @pytest.mark.parametrize("training", [1, 2, 3, 4])
    def test_it_goes_on_where_it_broke_off(self, tmp_path, training):
        class Break(TrainerCallback):
            trainings = 0

            def on_train_begin(self, args, state, control, **kwargs):
                self.trainings += 1

            def on_epoch_begin(self, args, state, control, **kwargs):
                if self.trainings == training and state.epoch and state.epoch >= 1:
                    raise KeyboardInterrupt

        options = replace(self.OPTIONS, learning_rate=0.003, calibration_pieces=2 if training > 2 else 0)
        with pytest.raises(KeyboardInterrupt):
            train(labelled(), tmp_path / "broken", options, model_options=SMALL, callbacks=[Break()])
        broken = train(labelled(), tmp_path / "broken", options, model_options=SMALL)
        whole = train(labelled(), tmp_path / "whole", options, model_options=SMALL)
        assert whole.best_epoch >= 2
        assert replace(broken, minutes=0) == replace(whole, minutes=0)
        weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("broken", "whole")]
        assert weights[0] == weights[1]


@pytest.mark.parametrize("transform", ["log", "rank"])
def test_label_transforms_predict_in_the_labels_own_units(tmp_path, transform):
    table = labelled()
    train(table, tmp_path, OPTIONS, model_options={**SMALL, "label_transform": transform})
    predictions = Predictor(str(tmp_path)).predict_encoded(table.splits["test"].encoded).logits
    labels = np.array(table.splits["train"].labels)
    assert labels.min() - 0.5 <= predictions.min() <= predictions.max() <= labels.max() + 0.5


def test_class_weights_are_the_inverse_frequencies(tmp_path):
    table = labelled(problem_type="single_label_classification")
    options = TrainingOptions(epochs=1, batch_size=16, class_weights=True)
    assert train(table, tmp_path, options, model_options=SMALL).test["n"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metric": "auroc"}, "no metric 'auroc' for this kind of labels; there are spearman, pearson, rmse, r2"),
        ({"model_options": {"hidden_size": 0}}, "hidden_size must be at least 1"),
        ({"model_options": {"hidden_size": "many"}}, "hidden_size"),
    ],
)
def test_what_cannot_be_trained(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        train(labelled(), tmp_path, OPTIONS, **arguments)


def test_training_needs_validation_rows(tmp_path):
    table = labelled()
    del table.splits["validation"]
    with pytest.raises(UserError, match="no row is in the split 'validation'"):
        train(table, tmp_path, OPTIONS)


def test_training_must_not_see_test_rows(tmp_path):
    with pytest.raises(UserError, match="the table holds test rows, which training must not see"):
        finetune(labelled(), tmp_path / "model", OPTIONS)
    assert not (tmp_path / "model").exists()


def test_test_rows_are_read_once_and_last(tmp_path):
    """When they are, the weights that they measure are in the folder; the report of an earlier model is gone."""
    table = labelled()
    test, seen = table.splits["test"], []

    def read():
        seen.append({path.name for path in tmp_path.iterdir()})
        return test._replace(subsets={"half": np.arange(20) < 10})

    (tmp_path / REPORT_FILE).write_text("{}")
    held_out = HeldOut(20, read)
    report = finetune(table.for_training(), tmp_path, OPTIONS, model_options=SMALL, held_out=held_out)
    assert len(seen) == 1
    assert "model.safetensors" in seen[0]
    assert REPORT_FILE not in seen[0]
    assert report.test["subsets"]["half"]["n"] == 10
    low, high = report.test["interval"]
    assert low <= report.test["spearman"] <= high
    assert json.loads((tmp_path / REPORT_FILE).read_text())["test"] == report.test


@pytest.mark.parametrize("values", [{"epochs": 0}, {"learning_rate": 0.0}, {"averaging": 1.0}, {"colour": 3}])
def test_options_that_make_no_sense(values):
    with pytest.raises(UserError, match=next(iter(values))):
        TrainingOptions.from_dict(values)


def test_flatten_joins_batches_and_rows():
    config = LyraConfig(alphabet="dna", num_labels=2, problem_type="single_label_classification")
    batches = [np.zeros((2, 3, 2)), np.ones((1, 4, 2))]
    logits, labels = flatten(config, batches, [np.zeros((2, 3), int), np.full((1, 4), -100)])
    assert logits.shape == (10, 2)
    assert labels.tolist() == [0] * 6 + [-100] * 4


def test_plain_trainer_with_tokenizer_and_datasets(tmp_path):
    """As the documentation of transformers has it, without anything of ours but the model."""
    from datasets import Dataset

    from lyra_hf import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer("dna")
    generator = np.random.default_rng(0)
    texts = ["".join(generator.choice(list("ACGT"), size=generator.integers(5, 20))) for _ in range(48)]
    table = Dataset.from_dict({"text": texts, "labels": [text.count("C") / len(text) for text in texts]})
    table = table.map(lambda rows: tokenizer(rows["text"]), batched=True)

    def train(model, **keywords):
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                output_dir=str(tmp_path / "run"),
                num_train_epochs=2,
                save_strategy="epoch",
                use_cpu=True,
                report_to="none",
                disable_tqdm=True,
                per_device_train_batch_size=8,
            ),
            train_dataset=table,
            processing_class=tokenizer,
        )
        return trainer, trainer.train(**keywords)

    config = LyraConfig(alphabet="dna", num_labels=1, problem_type="regression", **SMALL)
    trainer, result = train(LyraForSequenceClassification(config))
    assert result.global_step == 12
    trainer.save_model(tmp_path / "model")
    inputs = tokenizer(texts[:7], padding=True, return_tensors="pt")
    expected = trainer.model.eval()(**inputs).logits
    reloaded = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    assert torch.equal(reloaded(**inputs).logits, expected)
    assert AutoTokenizer.from_pretrained(tmp_path / "model")(texts[0])["input_ids"] == tokenizer(texts[0])["input_ids"]

    torch.manual_seed(1)
    again, result = train(
        LyraForSequenceClassification(config), resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-6")
    )
    assert result.global_step == 12
    assert torch.equal(again.model.eval()(**inputs).logits, expected)


def test_checkpoints_of_another_run_are_not_gone_on_from(tmp_path):
    class Break(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch and state.epoch >= 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(labelled(), tmp_path, OPTIONS, model_options=SMALL, callbacks=[Break()])
    other = TrainingOptions(epochs=2, batch_size=16, learning_rate=0.001)
    with pytest.raises(UserError, match="broke off and had other options; delete that folder"):
        train(labelled(), tmp_path, other, model_options=SMALL)
    with pytest.raises(UserError, match="had other rows"):
        train(labelled(number=61), tmp_path, OPTIONS, model_options=SMALL)
    with pytest.raises(UserError, match="had other model"):
        train(labelled(), tmp_path, OPTIONS, model_options={**SMALL, "bidirectional": True})
    assert train(labelled(), tmp_path, OPTIONS, model_options=SMALL).best_epoch > 0


def test_a_metric_that_the_validation_rows_leave_undefined(tmp_path):
    table = labelled(problem_type="single_label_classification")
    validation = table.splits["validation"]
    table.splits["validation"] = Rows(validation.encoded, [np.int64(0)] * len(validation.labels))
    with pytest.raises(UserError, match="leave mcc undefined"):
        train(table, tmp_path, OPTIONS, model_options=SMALL)
    assert list(tmp_path.iterdir()) == []


def test_early_stopping_counts_on_after_a_break(tmp_path):
    class Break(TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch and state.epoch >= 3:
                raise KeyboardInterrupt

    # A learning rate so small that no epoch is better than the first.
    options = TrainingOptions(epochs=9, batch_size=16, learning_rate=1e-12, ssm_learning_rate=1e-12, patience=4)
    whole, broken = [], []

    class Count(TrainerCallback):
        def __init__(self, epochs):
            self.epochs = epochs

        def on_epoch_end(self, args, state, control, **kwargs):
            self.epochs.append(round(state.epoch))

    train(labelled(), tmp_path / "whole", options, model_options=SMALL, callbacks=[Count(whole)])
    callbacks = [Count(broken), Break()]
    with pytest.raises(KeyboardInterrupt):
        train(labelled(), tmp_path / "broken", options, model_options=SMALL, callbacks=callbacks)
    train(labelled(), tmp_path / "broken", options, model_options=SMALL, callbacks=[Count(broken)])
    assert broken == whole
