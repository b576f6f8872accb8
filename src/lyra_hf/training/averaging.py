"""An exponential average of the weights while they are trained."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback


class WeightAverager(TrainerCallback):
    """Averages the weights over the steps; `LyraTrainer` has the average stand in for them in evaluation and saving.

    The average after step t is `d * average + (1 - d) * weights` with `d = min(decay, (1 + t) / (10 + t))`, so that the
    first steps, which are soon forgotten, do not weigh on it.

    Args:
        decay: the share of the average that is kept at each step.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self._weights: dict[str, nn.Parameter] = {}

    def on_train_begin(self, args: Any, state: Any, control: Any, model: nn.Module, **kwargs: Any) -> None:
        """Look the weights up once: walking through the modules at each step takes longer than averaging."""
        self._weights = dict(model.named_parameters())
        if state.global_step == 0:
            self.average = {}

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the weights after an optimizer step into the average."""
        if not self.average:
            self.average = _copied(self._weights)
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        torch._foreach_lerp_(
            list(self.average.values()), [self._weights[name] for name in self.average], weight=1 - decay
        )

    def on_train_end(self, args: Any, state: Any, control: Any, model: nn.Module, **kwargs: Any) -> None:
        """Leave the average in the model, unless the best one has just been put there."""
        if not args.load_best_model_at_end:
            _fill(model, self.average)

    @contextmanager
    def standing_in(self, model: nn.Module) -> Iterator[None]:
        """For a while, the average in the weights' place."""
        trained = _copied(dict(model.named_parameters()))
        _fill(model, self.average)
        try:
            yield
        finally:
            _fill(model, trained)

    def state_dict(self, model: nn.Module) -> dict[str, dict[str, Tensor]]:
        """The average, and the weights for which it stands in where a model is saved."""
        return {"average": self.average, "trained": _copied(dict(model.named_parameters()))}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]], model: nn.Module) -> None:
        """Go on from a saved state, with the weights that were trained."""
        device = next(model.parameters()).device
        self.average = {name: tensor.to(device) for name, tensor in state["average"].items()}
        _fill(model, state["trained"])


def _copied(weights: dict[str, nn.Parameter]) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in weights.items()}


@torch.no_grad()
def _fill(model: nn.Module, values: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in values:
            parameter.copy_(values[name])
