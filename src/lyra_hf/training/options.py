"""How a model is trained: the numbers that a recipe or the command line sets."""

import math
from dataclasses import dataclass, fields
from typing import Any

from ..errors import UserError

_MOST = 1_000_000_000  # epochs, and rows of a batch: beyond any use, and what a step counts with still holds it


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training run.

    Attributes:
        epochs: passes over the training rows, at most.
        batch_size: sequences per step.
        learning_rate: highest learning rate of AdamW; the schedule rises to it and falls to zero as a cosine.
        ssm_learning_rate: the same for the state-space parameters (dt, A, C, D), which get no weight decay.
        weight_decay: of all other parameters but biases and norms.
        warmup: share of the steps in which the learning rate rises.
        max_grad_norm: gradients are scaled down to this norm.
        averaging: decay per step of an exponential average of the weights, which is what is evaluated and kept; 0 for
            none.
        letter_dropout: share of the letters that are hidden (read as unknown) at each step, other ones each time.
        patience: epochs without a better validation metric after which training ends; 0 for never.
        refit: when the best epoch is known, train anew for as many epochs on training and validation rows together;
            what is kept is then that model, and its validation metrics those from before.
        calibration_pieces: of a regression, into how many pieces the training rows are cut, each of which a model that
            learned from the others predicts, so that intervals rest on all rows and not on the validation rows alone;
            0 for these. Each piece takes about as long as a training.
        start: a checkpoint (name or folder) whose weights, but for the head's, are the initial ones, and whose shape
            the model has; of an ensemble as many members as the model has. None for random ones.
        class_weights: weigh classes by the inverse of their frequency.
        seed: of initial weights, dropout and the order of rows.
    """

    epochs: int = 50
    batch_size: int = 64
    learning_rate: float = 3e-3
    ssm_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.2
    max_grad_norm: float = 1.0
    averaging: float = 0.0
    letter_dropout: float = 0.0
    patience: int = 15
    refit: bool = False
    calibration_pieces: int = 0
    start: str | None = None
    class_weights: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 1), ("patience", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name} must be at least {least}, not {getattr(self, name)}")
            if getattr(self, name) > _MOST:
                raise UserError(f"{name} must be at most {_MOST:,}, not {getattr(self, name):,}")
        for name in ("learning_rate", "ssm_learning_rate", "max_grad_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} must be above 0 and finite, not {getattr(self, name)}")
        if self.calibration_pieces < 0 or self.calibration_pieces == 1:
            raise UserError(f"calibration_pieces must be 0, or 2 or more, not {self.calibration_pieces}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed must be at least 0 and below 2**32, not {self.seed}")
        for name in ("warmup", "averaging", "letter_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TrainingOptions":
        """Options from a recipe's section.

        Raises:
            UserError: there is no option of that name, or its value makes no sense.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UserError(f"no training option is called {unknown[0]!r}; there are {', '.join(sorted(known))}")
        return cls(**values)
