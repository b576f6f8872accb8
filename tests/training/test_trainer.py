import json

import numpy as np
import pytest
import torch
from small_training import arguments, assert_equal_weights, rows, small_model, weights
from transformers import TrainerCallback

from lyra_hf import LyraConfig, LyraForSequenceClassification, Predictor
from lyra_hf.alphabets import PAD_ID, UNK_ID
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.training.averaging import WeightAverager
from lyra_hf.training.batches import TableDataset
from lyra_hf.training.data import LabelledTable, Rows
from lyra_hf.training.evaluation import evaluate_rows
from lyra_hf.training.finetune import finetune
from lyra_hf.training.options import TrainingOptions
from lyra_hf.training.state_files import load_state, random_state, save_state, set_random_state
from lyra_hf.training.trainer import LyraTrainer, clip_members, hide_letters


class TestParameterGroups:
    """The groups of the real optimizer, not of a copy of the rule."""

    @pytest.fixture
    def optimizer(self, tmp_path):
        model = small_model(bidirectional=True, num_hidden_layers=2)
        trainer = LyraTrainer(
            model=model,
            args=arguments(tmp_path, weight_decay=0.1, lr_scheduler_type="constant"),
            train_dataset=rows(),
            ssm_learning_rate=0.001,
        )
        trainer.train()
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        return [
            ({names[id(parameter)] for parameter in group["params"]}, group) for group in trainer.optimizer.param_groups
        ]

    def test_state_space_parameters_learn_slower_and_do_not_decay(self, optimizer):
        (names, group) = optimizer[2]
        suffixes = {name.rsplit(".", 1)[-1] for name in names}
        assert suffixes == {"log_dt", "log_A_real", "A_imag", "C", "D"}
        assert len(names) == 5 * 2 * 2  # parameters, directions, layers
        assert group["lr"] == 0.001
        assert group["weight_decay"] == 0

    def test_other_groups(self, optimizer):
        (with_decay, decayed), (without_decay, undecayed) = optimizer[:2]
        assert decayed["weight_decay"] == 0.1
        assert undecayed["weight_decay"] == 0
        assert decayed["lr"] == undecayed["lr"] == 0.01
        assert all(name.endswith("weight") for name in with_decay)
        assert all(name.endswith("bias") or "norm" in name for name in without_decay)

    def test_every_parameter_is_in_one_group(self, optimizer):
        names = [name for group, _ in optimizer for name in group]
        expected = [name for name, _ in small_model(bidirectional=True, num_hidden_layers=2).named_parameters()]
        assert sorted(names) == sorted(expected)


def test_the_parameters_of_an_ensemble_are_grouped_alike(tmp_path):
    groups = []
    for size in (1, 3):
        model = small_model(bidirectional=True, pooling="attention", ensemble_size=size)
        trainer = LyraTrainer(model=model, args=arguments(tmp_path), train_dataset=rows())
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        groups.append([[names[id(one)] for one in group["params"]] for group in trainer.parameter_groups(model)])
    assert groups[0] == groups[1]


def test_a_quarter_of_the_learning_rate_unless_told(tmp_path):
    trainer = LyraTrainer(model=small_model(), args=arguments(tmp_path), train_dataset=rows())
    assert trainer.create_optimizer().param_groups[2]["lr"] == 0.0025


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_same_seed_same_bits(tmp_path, averaging):
    def run(folder):
        model = small_model()
        averager = WeightAverager(averaging) if averaging else None
        LyraTrainer(
            model=model, args=arguments(folder, seed=3), train_dataset=rows(), averager=averager, letter_dropout=0.1
        ).train()
        return weights(model)

    assert_equal_weights(run(tmp_path / "a"), run(tmp_path / "b"))


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_going_on_from_a_checkpoint_equals_never_having_stopped(tmp_path, averaging):
    def trainer(folder, model):
        averager = WeightAverager(averaging) if averaging else None
        return LyraTrainer(
            model=model,
            args=arguments(folder, num_train_epochs=4, seed=1),
            train_dataset=rows(),
            averager=averager,
            letter_dropout=0.1,
        )

    whole = small_model()
    trainer(tmp_path / "whole", whole).train()
    resumed = small_model(seed=99)
    checkpoint = tmp_path / "whole" / "checkpoint-12"
    trainer(tmp_path / "again", resumed).train(resume_from_checkpoint=str(checkpoint))
    assert_equal_weights(weights(whole), weights(resumed))


def test_checkpoints_hold_no_pickles(tmp_path):
    LyraTrainer(model=small_model(), args=arguments(tmp_path, num_train_epochs=1), train_dataset=rows()).train()
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    suffixes = {path.suffix for path in checkpoint.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors"}


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_going_on_in_the_middle_of_an_epoch(tmp_path, averaging):
    def trainer(folder, model):
        averager = WeightAverager(averaging) if averaging else None
        options = {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "steps", "eval_steps": 2}
        return LyraTrainer(
            model=model,
            args=arguments(folder, **options),
            train_dataset=rows(),
            eval_dataset=rows(9),
            averager=averager,
        )

    whole, resumed = small_model(), small_model(seed=99)
    trainer(tmp_path / "whole", whole).train()
    again = trainer(tmp_path / "again", resumed)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-8"))
    assert_equal_weights(weights(whole), weights(resumed))


def table(number=48, seed=0):
    plain = rows(number, seed)
    encoded = EncodedSequences.from_list([row["input_ids"] for row in plain])
    return TableDataset(Rows(encoded, [np.asarray(row["labels"]) for row in plain]))


@pytest.mark.parametrize("strategy", ["group_by_length", "random"])
def test_a_table_trains_to_the_same_bits_as_a_list_of_its_rows(tmp_path, strategy):
    found = []
    for dataset in (rows(), table()):
        model = small_model()
        options = arguments(tmp_path, train_sampling_strategy=strategy, per_device_train_batch_size=5, seed=2)
        LyraTrainer(model=model, args=options, train_dataset=dataset, letter_dropout=0.1).train()
        found.append(weights(model))
    assert_equal_weights(*found)


def test_a_table_and_a_list_of_its_rows_evaluate_to_the_same_predictions(tmp_path):
    def predictions(prediction):
        order = np.argsort(prediction.label_ids.ravel(), kind="stable")
        return {"sum": float(prediction.predictions.sum()), "first": float(prediction.predictions.ravel()[order[0]])}

    trainer = LyraTrainer(model=small_model(), args=arguments(tmp_path), compute_metrics=predictions)
    one, other = trainer.evaluate(rows()), trainer.evaluate(table())
    assert one["eval_sum"] == pytest.approx(other["eval_sum"], rel=1e-5)
    assert one["eval_first"] == pytest.approx(other["eval_first"], rel=1e-5)


def test_gradients_are_clipped_to_the_norm(tmp_path):
    norms = []

    class Look(TrainerCallback):
        def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
            norms.append(torch.cat([parameter.grad.ravel() for parameter in model.parameters()]).norm().item())

    options = arguments(tmp_path, max_grad_norm=1e-3, num_train_epochs=1)
    LyraTrainer(model=small_model(), args=options, train_dataset=table(), callbacks=[Look()]).train()
    assert norms == pytest.approx([1e-3] * 6, rel=1e-3)


@pytest.mark.parametrize("max_norm", [1e-3, 0.5, 1e9])
def test_each_member_is_clipped_as_it_would_be_alone(max_norm):
    ensemble = small_model(ensemble_size=3, dropout=0.0).train()
    with torch.no_grad():
        ensemble.classifier.linear.weight[1] *= 100  # the gradients of this member are far larger
    singles = ensemble.members()
    ids, labels = torch.randint(2, 6, (8, 20), generator=torch.Generator().manual_seed(0)), torch.arange(8.0)
    norms = []
    for single in singles:
        single(ids, labels=labels).loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(single.parameters(), max_norm))
    assert norms[1] > 3 * norms[0]
    ensemble(ids, labels=labels).loss.backward()
    assert clip_members(list(ensemble.parameters()), max_norm).item() == pytest.approx(torch.stack(norms).mean().item())
    for index, single in enumerate(singles):
        for stacked, parameter in zip(ensemble.parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(stacked.grad[index], parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
@pytest.mark.parametrize("max_grad_norm", [0.0, 0.1])
def test_members_learn_what_they_would_learn_alone(tmp_path, max_grad_norm, averaging):
    """The whole training, on the same batches: clipping, weight decay, groups and averages know members as well."""
    ensemble = small_model(ensemble_size=3, dropout=0.0)
    singles = ensemble.members()
    with torch.no_grad():
        for parameter in ensemble.classifier.parameters():
            parameter[1] *= 4
        for parameter in singles[1].classifier.parameters():
            parameter *= 4
    logged = []
    for model in (ensemble, *singles):
        # Plain descent: AdamW would forget how large the gradients were.
        options = arguments(tmp_path, max_grad_norm=max_grad_norm, optim="sgd", weight_decay=0.1, logging_steps=1)
        averager = WeightAverager(averaging) if averaging else None
        trainer = LyraTrainer(model=model, args=options, train_dataset=table(), averager=averager)
        trainer.train()
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    for index, single in enumerate(singles):
        for (name, stacked), parameter in zip(ensemble.named_parameters(), single.parameters(), strict=True):
            torch.testing.assert_close(stacked[index], parameter, rtol=1e-4, atol=1e-5, msg=f"{name} of {index}")
    assert logged[0] == pytest.approx(np.mean(logged[1:], axis=0), rel=1e-3)


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_an_ensemble_goes_on_from_a_checkpoint(tmp_path, averaging):
    def trainer(folder, model):
        averager = WeightAverager(averaging) if averaging else None
        options = arguments(folder, num_train_epochs=3, seed=1)
        return LyraTrainer(model=model, args=options, train_dataset=table(), averager=averager, letter_dropout=0.1)

    whole, resumed = small_model(ensemble_size=2), small_model(seed=99, ensemble_size=2)
    trainer(tmp_path / "whole", whole).train()
    trainer(tmp_path / "again", resumed).train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-12"))
    assert_equal_weights(weights(whole), weights(resumed))


def test_an_ensemble_is_evaluated_by_its_mean(tmp_path):
    seen = []

    def look(prediction):
        seen.append(prediction.predictions)
        return {"rmse": float(np.sqrt(np.mean((prediction.predictions - prediction.label_ids.reshape(-1, 1)) ** 2)))}

    ensemble = small_model(ensemble_size=3)
    trainer = LyraTrainer(model=ensemble, args=arguments(tmp_path), compute_metrics=look)
    metrics = trainer.evaluate(table())
    losses = [LyraTrainer(model=one, args=arguments(tmp_path)).evaluate(table()) for one in ensemble.members()]
    assert metrics["eval_loss"] == pytest.approx(np.mean([one["eval_loss"] for one in losses]), rel=1e-5)
    (predictions,) = seen
    assert isinstance(predictions, np.ndarray)  # and no spread beside it
    assert predictions.shape == (48, 1)
    assert metrics["eval_rmse"] > 0


@pytest.mark.parametrize("head", ["sequence", "residue"])
@pytest.mark.parametrize("problem_type", ["regression", "single_label_classification", "multi_label_classification"])
def test_an_ensemble_from_a_table_to_a_folder(tmp_path, head, problem_type):
    kind = {"residue": (20,), "sequence": ()}[head]

    def split(number, seed):
        generator = np.random.default_rng(seed)
        ids = [generator.integers(2, 6, size=20).astype(np.uint8) for _ in range(number)]
        dtype = np.int64 if problem_type == "single_label_classification" else np.float32
        return Rows(EncodedSequences.from_list(ids), [generator.integers(0, 2, size=kind).astype(dtype) for _ in ids])

    names = ["no", "yes"] if problem_type == "single_label_classification" else ["y"]
    splits = {"train": split(40, 0), "validation": split(20, 1)}
    data = LabelledTable("dna", head, problem_type, names, splits)
    shape = {"hidden_size": 8, "pgc_hidden_sizes": [4], "state_size": 8, "ensemble_size": 3}
    options = TrainingOptions(epochs=2, batch_size=16, learning_rate=0.01, averaging=0.9)
    report = finetune(data, tmp_path, options, model_options=shape)
    predictor = Predictor(str(tmp_path))
    assert predictor.config.ensemble_size == 3
    assert report.parameters == sum(parameter.numel() for parameter in predictor.model.parameters())
    assert evaluate_rows(predictor, splits["validation"]) == report.validation
    predictions = predictor.predict_encoded(splits["validation"].encoded)
    assert predictions.spread.shape == predictions.logits.shape
    assert predictions.spread.min() > 0


def test_hidden_letters():
    torch.manual_seed(0)
    ids = torch.tensor([[2, 3, 4, 5] * 500 + [PAD_ID] * 1000])
    hidden = hide_letters(ids, 0.25)
    changed = hidden != ids
    assert (hidden[changed] == UNK_ID).all()
    assert not changed[ids == PAD_ID].any()
    assert 0.2 < changed[ids != PAD_ID].float().mean() < 0.3


def test_letters_are_hidden_and_classes_weighed_only_while_training(tmp_path):
    torch.manual_seed(0)
    config = LyraConfig(alphabet="dna", hidden_size=8, state_size=8, num_labels=2, dropout=0.0)
    model = LyraForSequenceClassification(config)
    trainer = LyraTrainer(
        model=model, args=arguments(tmp_path), class_weights=torch.tensor([1.0, 50.0]), letter_dropout=0.5
    )
    inputs = {"input_ids": torch.randint(2, 6, (6, 12)), "labels": torch.tensor([0, 1, 0, 0, 1, 0])}
    plain = model.eval()(**inputs).loss
    assert trainer.compute_loss(model, inputs) == plain
    model.train()
    losses = {trainer.compute_loss(model, inputs).item() for _ in range(3)}
    assert len(losses) == 3
    assert plain.item() not in losses


def test_states_survive_the_file(tmp_path):
    state = {"a": (1, 2.5, None, "x"), "b": [torch.arange(3), {"7": torch.tensor(1.5)}], 4: True}
    save_state(state, tmp_path / "state.safetensors")
    loaded = load_state(tmp_path / "state.safetensors")
    assert loaded["a"] == (1, 2.5, None, "x")
    assert loaded[4] is True
    assert torch.equal(loaded["b"][0], torch.arange(3))
    assert torch.equal(loaded["b"][1]["7"], torch.tensor(1.5))
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_random_generators_go_on_where_they_were(tmp_path):
    import random

    save_state(random_state(), tmp_path / "random.safetensors")

    def draw():
        return random.random(), np.random.rand(), torch.rand(3).tolist()  # noqa: NPY002

    first = draw()
    set_random_state(load_state(tmp_path / "random.safetensors"))
    assert draw() == first


def test_arguments_are_kept_readable(tmp_path):
    LyraTrainer(model=small_model(), args=arguments(tmp_path, num_train_epochs=1), train_dataset=rows()).train()
    (checkpoint,) = tmp_path.glob("checkpoint-*")
    assert json.loads((checkpoint / "training_args.json").read_text())["learning_rate"] == 0.01
