"""Rates of training: a step of the definition against one of ours, with the same data, dropout and optimizer."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cases import TRAINING, Settings, TrainingCase
from .definition import PublishedLyra, one_hot
from .models import random_ids, released_model
from .results import Result, rate_result
from .timing import Effort, Run, compare


def training(settings: Settings) -> Iterator[Result]:
    """Every case."""
    for case in TRAINING:
        yield from measure_case(case, case.quick_batch if settings.quick else case.batch, settings.effort)


def measure_case(case: TrainingCase, batch: int, effort: Effort) -> Iterator[Result]:
    """The results of a case: ids (B, L) and labels (B, 1) in, parameters changed."""
    ids = torch.from_numpy(random_ids(case.alphabet, batch, case.length)).long()
    labels = torch.randn(batch, 1, generator=torch.Generator().manual_seed(0))
    model = released_model(case.alphabet).train()
    definition = PublishedLyra.from_model(model)
    letters = definition.encoder.in_features
    runs: dict[str, Run] = {
        "definition": training_step(definition, lambda: F.mse_loss(definition(one_hot(ids, letters)), labels)),
        "ours": training_step(model, lambda: model(ids, labels=labels).loss),
    }
    seconds = compare(runs, effort)
    rates = {name: seconds[name].rate(batch) for name in runs}
    for name, rate in rates.items():
        yield rate_result(
            case.name,
            name,
            rate,
            case.length,
            first=rates["definition"],
            goal=case.goal if name == "ours" else None,
            note=f"batch {batch}, {batch / rate.median:.3f} s a step",
        )


def training_step(model: nn.Module, loss_of: Callable[[], Tensor]) -> Callable[[], None]:
    """A step of fused AdamW: forward, backward, update."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_of().backward()
        optimizer.step()

    return step
