"""An exponential average of the weights while they are trained."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import TrainerCallback


class WeightAverager(TrainerCallback):
    """Averages the weights over the steps, and stands in for them whenever the model is evaluated and saved.

    The average after step t is `d * average + (1 - d) * weights` with `d = min(decay, (1 + t) / (10 + t))`, so that the
    first steps, which are soon forgotten, do not weigh on it.

    Args:
        decay: the share of the average that is kept at each step.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: dict[str, Tensor] = {}
        self.trained: dict[str, Tensor] = {}

    @torch.no_grad()
    def on_step_end(self, args: Any, state: Any, control: Any, model: nn.Module, **kwargs: Any) -> None:
        """Take the weights after an optimizer step into the average."""
        decay = min(self.decay, (1 + state.global_step) / (10 + state.global_step))
        for name, parameter in model.named_parameters():
            if name in self.average:
                self.average[name].lerp_(parameter, 1 - decay)
            else:
                self.average[name] = parameter.detach().clone()

    @torch.no_grad()
    def on_epoch_end(self, args: Any, state: Any, control: Any, model: nn.Module, **kwargs: Any) -> None:
        """Before the evaluation and the saving that end an epoch, put the average in the weights' place."""
        self.trained = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self._fill(model, self.average)

    @torch.no_grad()
    def on_epoch_begin(self, args: Any, state: Any, control: Any, model: nn.Module, **kwargs: Any) -> None:
        """Go on training with the weights themselves."""
        self._fill(model, self.trained)

    def state_dict(self) -> dict[str, dict[str, Tensor]]:
        """The average, and the weights for which it stands in."""
        return {"average": self.average, "trained": self.trained}

    def load_state_dict(self, state: dict[str, dict[str, Tensor]], model: nn.Module) -> None:
        """Go on from a saved state."""
        device = next(model.parameters()).device
        self.average = {name: tensor.to(device) for name, tensor in state["average"].items()}
        self.trained = {name: tensor.to(device) for name, tensor in state["trained"].items()}

    @staticmethod
    def _fill(model: nn.Module, values: dict[str, Tensor]) -> None:
        for name, parameter in model.named_parameters():
            if name in values:
                parameter.copy_(values[name])
