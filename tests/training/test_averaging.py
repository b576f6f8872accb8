import pytest
import torch
from small_training import arguments, assert_equal_weights, rows, small_model, weights

from lyra_hf import LyraForRegression
from lyra_hf.training.averaging import WeightAverager
from lyra_hf.training.state_files import load_state
from lyra_hf.training.trainer import LyraTrainer


def test_the_average_is_the_recurrence(tmp_path):
    averager, model = WeightAverager(0.5), torch.nn.Linear(2, 1)

    class State:
        global_step = 0

    averager.on_train_begin(None, State, None, model=model)
    expected = None
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.copy_(torch.randn(1, 2))
        State.global_step = step
        averager.on_step_end(None, State, None)
        decay = min(0.5, (1 + step) / (10 + step))
        now = model.weight.detach().clone()
        expected = now if expected is None else decay * expected + (1 - decay) * now
    torch.testing.assert_close(averager.average["weight"], expected)


@pytest.mark.parametrize("when", [{"save_strategy": "epoch"}, {"save_strategy": "steps", "save_steps": 6}])
def test_the_average_is_what_is_saved(tmp_path, when):
    model, averager = small_model(), WeightAverager(0.9)
    LyraTrainer(model=model, args=arguments(tmp_path, **when), train_dataset=rows(), averager=averager).train()
    assert_equal_weights(dict(model.named_parameters()), averager.average)
    saved = LyraForRegression.from_pretrained(tmp_path / "checkpoint-12")
    assert_equal_weights(dict(saved.named_parameters()), averager.average)
    trained = load_state(tmp_path / "checkpoint-12" / "optimizer.safetensors")["averager"]["trained"]
    assert any(not torch.equal(averager.average[name], trained[name]) for name in trained)


@pytest.mark.parametrize("when", [{"eval_strategy": "epoch"}, {"eval_strategy": "steps", "eval_steps": 5}])
def test_the_average_is_what_is_evaluated(tmp_path, when):
    averager, evaluated = WeightAverager(0.9), []

    class Trainer(LyraTrainer):
        def evaluation_loop(self, *args, **kwargs):
            evaluated.append(all(torch.equal(p, averager.average[name]) for name, p in self.model.named_parameters()))
            return super().evaluation_loop(*args, **kwargs)

    options = arguments(tmp_path, **when)
    Trainer(model=small_model(), args=options, train_dataset=rows(), eval_dataset=rows(9), averager=averager).train()
    assert len(evaluated) >= 2
    assert all(evaluated)


def test_averaging_leaves_training_alone(tmp_path):
    plain, averaged, averager = small_model(), small_model(), WeightAverager(0.9)
    LyraTrainer(model=plain, args=arguments(tmp_path / "plain"), train_dataset=rows()).train()
    LyraTrainer(model=averaged, args=arguments(tmp_path / "averaged"), train_dataset=rows(), averager=averager).train()
    trained = load_state(tmp_path / "averaged" / "checkpoint-12" / "optimizer.safetensors")["averager"]["trained"]
    assert_equal_weights(trained, dict(plain.named_parameters()))


def test_the_best_epoch_stays_when_training_has_ended(tmp_path):
    """The average is that of the last epoch; evaluating or saving afterwards must not bring it back."""
    model, averager = small_model(), WeightAverager(0.9)
    options = {"eval_strategy": "epoch", "load_best_model_at_end": True, "metric_for_best_model": "first"}
    scores = iter([2.0, 1.0, 0.0])
    trainer = LyraTrainer(
        model=model,
        args=arguments(tmp_path, **options, greater_is_better=True),
        train_dataset=rows(),
        eval_dataset=rows(9),
        averager=averager,
        compute_metrics=lambda prediction: {"first": next(scores)},
    )
    trainer.train()
    best = LyraForRegression.from_pretrained(tmp_path / "checkpoint-6")
    assert_equal_weights(weights(model), weights(best))
    trainer.evaluate()
    trainer.save_model(tmp_path / "kept")
    assert_equal_weights(weights(model), weights(best))
    assert_equal_weights(weights(LyraForRegression.from_pretrained(tmp_path / "kept")), weights(best))
