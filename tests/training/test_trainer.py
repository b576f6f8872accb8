import json

import numpy as np
import pytest
import torch
from transformers import TrainingArguments

from lyra_hf import LyraConfig, LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification
from lyra_hf.alphabets import PAD_ID, UNK_ID
from lyra_hf.training.averaging import WeightAverager
from lyra_hf.training.state_files import load_state, random_state, save_state, set_random_state
from lyra_hf.training.trainer import LyraCollator, LyraTrainer, hide_letters


def small_model(seed=0, **options):
    torch.manual_seed(seed)
    options = {"alphabet": "dna", "hidden_size": 8, "pgc_hidden_sizes": [4], "state_size": 8, "num_labels": 1} | options
    return LyraForRegression(LyraConfig(**options))


def rows(number=48, seed=0):
    generator = np.random.default_rng(seed)
    sequences = [generator.integers(2, 6, size=generator.integers(5, 20)).astype(np.uint8) for _ in range(number)]
    return [{"input_ids": ids, "labels": np.float32((ids == 3).mean())} for ids in sequences]


def arguments(folder, **options):
    return TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        per_device_train_batch_size=8,
        **{"num_train_epochs": 2, "learning_rate": 0.01, "save_strategy": "epoch", **options},
    )


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


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


def test_the_average_stands_in_when_a_model_is_saved(tmp_path):
    model = small_model()
    averager = WeightAverager(0.9)
    LyraTrainer(model=model, args=arguments(tmp_path), train_dataset=rows(), averager=averager).train()
    assert_equal_weights(dict(model.named_parameters()), averager.average)
    saved = LyraForRegression.from_pretrained(tmp_path / "checkpoint-12")
    assert_equal_weights(dict(saved.named_parameters()), averager.average)
    assert any(not torch.equal(averager.average[name], averager.trained[name]) for name in averager.trained)


def test_the_average_is_the_recurrence(tmp_path):
    averager, model = WeightAverager(0.5), torch.nn.Linear(2, 1)

    class State:
        global_step = 0

    expected = None
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.copy_(torch.randn(1, 2))
        State.global_step = step
        averager.on_step_end(None, State, None, model=model)
        decay = min(0.5, (1 + step) / (10 + step))
        now = model.weight.detach().clone()
        expected = now if expected is None else decay * expected + (1 - decay) * now
    torch.testing.assert_close(averager.average["weight"], expected)


class TestCollator:
    def test_numbers_per_residue_are_padded_with_nan(self):
        batch = LyraCollator()(
            [
                {"input_ids": np.array([2, 3, 4], dtype=np.uint8), "labels": np.array([1.0, 2.0, 3.0])},
                {"input_ids": np.array([2], dtype=np.uint8), "labels": np.array([4.0])},
            ]
        )
        assert batch["input_ids"].tolist() == [[2, 3, 4], [2, PAD_ID, PAD_ID]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert batch["labels"][0].tolist() == [1, 2, 3]
        assert batch["labels"][1].isnan().tolist() == [False, True, True]

    def test_classes_per_residue_are_padded_with_what_is_ignored(self):
        batch = LyraCollator()(
            [{"input_ids": [2, 3], "labels": np.array([0, 1])}, {"input_ids": [2], "labels": np.array([1])}]
        )
        assert batch["labels"].tolist() == [[0, 1], [1, -100]]
        model = LyraForTokenClassification(LyraConfig(alphabet="dna", hidden_size=8, state_size=8, num_labels=2))
        assert model(**batch).loss.isfinite()

    def test_one_number_per_sequence(self):
        batch = LyraCollator()([{"input_ids": [2], "labels": 1.5}, {"input_ids": [3, 2], "labels": float("nan")}])
        assert batch["labels"].shape == (2,)
        assert small_model()(**batch).loss.isfinite()


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
