# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Lyra's own card where transformers' Trainer would write a stock one over it."""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, try_to_load_from_cache
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id
from transformers import PreTrainedModel
from transformers.utils import CONFIG_NAME

from .cards import CARD, PIPELINES, PLACEHOLDER, Told, is_own, listed, metrics_table, named, pipeline_of

_MARK = "_lyra_hf_cards"  # on what is wrapped already
_OPTIONS = (
    "learning_rate",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "num_train_epochs",
    "max_steps",
    "optim",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "max_grad_norm",
    "seed",
)
_NOT_METRICS = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")


def keep_cards(card_of: Callable[[PreTrainedModel, Told], str]) -> None:
    """Have the Trainer write our card of a Lyra, if a Trainer is there at all.

    It saves a model before it writes a card, so that it is in time to call this when a model is saved; and who trains
    nothing has nothing imported or changed.

    Args:
        card_of: makes the card.
    """
    trainer_class = getattr(sys.modules.get("transformers.trainer"), "Trainer", None)
    if trainer_class is None or hasattr(trainer_class.create_model_card, _MARK):
        return
    original = trainer_class.create_model_card

    @functools.wraps(original)
    def create_model_card(
        self: Any,
        language: str | None = None,
        license: str | None = None,
        tags: str | list[str] | None = None,
        model_name: str | None = None,
        finetuned_from: str | None = None,
        tasks: str | list[str] | None = None,
        dataset_tags: str | list[str] | None = None,
        dataset: str | list[str] | None = None,
        dataset_args: str | list[str] | None = None,
    ) -> None:
        model = self.accelerator.unwrap_model(self.model, keep_torch_compile=False)
        if not any(cls.__name__ in PIPELINES for cls in type(model).__mro__):
            told = (language, license, tags, model_name, finetuned_from, tasks, dataset_tags, dataset, dataset_args)
            original(self, *told)
            return
        folder = Path(self.args.output_dir)
        if self.is_world_process_zero() and not is_own(folder):
            card = card_of(model, _told(self, model, language, license, tags, finetuned_from, dataset_tags, dataset))
            (folder / CARD).write_text(named(card, self.hub_model_id or PLACEHOLDER), encoding="utf-8")

    setattr(create_model_card, _MARK, True)
    trainer_class.create_model_card = create_model_card


def _told(
    trainer: Any,
    model: PreTrainedModel,
    language: str | None,
    license_name: str | None,
    tags: str | list[str] | None,
    finetuned_from: str | None,
    dataset_tags: str | list[str] | None,
    dataset: str | list[str] | None,
) -> Told:
    """What a Trainer and the arguments of its card tell of a model."""
    names = listed(dataset) or listed(dataset_tags)
    metadata = {
        "language": language,
        "license": license_name,
        "datasets": listed(dataset_tags),
        "base_model": _base_model(model, finetuned_from),
    }
    found = _last_evaluation(trainer.state.log_history)
    results = None
    if found:
        results = "On the evaluation rows of the training, after its last evaluation:\n\n" + metrics_table(
            {"evaluation": found}
        )
    return Told(
        data=", ".join(names) or None,
        training="By transformers' `Trainer`: "
        + ", ".join(f"{name} {_plain(getattr(trainer.args, name))}" for name in _OPTIONS)
        + ".",
        results=results,
        evaluations=[
            EvalResult(
                task_type=pipeline_of(model),
                dataset_type=(listed(dataset_tags) or ["custom"])[0],
                dataset_name=names[0] if names else "evaluation rows of the training",
                metric_type=name,
                metric_value=round(value, 4),
            )
            for name, value in found.items()
            if value is not None
        ],
        metadata={name: value for name, value in metadata.items() if value},
        tags=[*listed(tags), "generated_from_trainer"],
    )


def _base_model(model: PreTrainedModel, told: str | None) -> str | None:
    """The repository that a model was loaded from; a path on somebody's disk is nobody else's business."""
    name = told or model.config.name_or_path
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    # A relative path looks like a name: it is one if it was told as such, or if the Hub's client has fetched it.
    is_name = told is not None or isinstance(try_to_load_from_cache(name, CONFIG_NAME), str)
    return name if is_name and not Path(name).is_dir() else None


def _last_evaluation(history: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """The metrics of the last evaluation in a Trainer's history, without their prefix; None where one is no number.

    Of several sets of rows the history has an entry each, and the names of metrics begin with that of the set.
    """
    evaluations = [entry for entry in history if any(name.startswith("eval_") for name in entry)]
    found: dict[str, float | None] = {}
    for entry in evaluations:
        if entry.get("step") != evaluations[-1].get("step"):
            continue
        for name, value in entry.items():
            metric = name.removeprefix("eval_")
            if metric != name and isinstance(value, int | float) and not metric.endswith(_NOT_METRICS):
                found[metric] = float(value) if math.isfinite(value) else None
    return found


def _plain(value: Any) -> Any:
    """An option as it is given on a command line."""
    return getattr(value, "value", value)
