"""Models of several seeds as one ensemble: nothing is trained again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..inference.loading import load_model
from .data import HeldOut, LabelledTable
from .finetune import REPORT_FILE, TrainingReport, save_and_measure
from .options import TrainingOptions


def join_runs(folders: Sequence[Path], output: Path, table: LabelledTable, held_out: HeldOut | None) -> TrainingReport:
    """Make an ensemble of the models that some runs have left, save it, and measure it once on the test rows.

    Args:
        folders: the runs, two at least, that differ in their seed alone.
        output: the folder to write: weights, configuration, tokenizer and a report as `finetune` leaves one. Its
            minutes and parameters are those of all members together, the seed in its options is the list of theirs,
            and it has no best epoch.
        table: the rows that the runs were trained on, with the split "validation".
        held_out: the test rows, which are read when the ensemble has been saved.

    Raises:
        UserError: the runs are fewer than two, or differ in more than their seed.
    """
    reports = [json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")) for folder in folders]
    if any(_but_seed(report) != _but_seed(reports[0]) for report in reports):
        raise UserError("the models cannot be joined: their runs had different training options or metrics")
    models = [load_model(str(folder)) for folder in folders]
    if any(type(model) is not type(models[0]) for model in models):
        raise UserError("the models cannot be joined: they have different heads")
    try:
        ensemble = type(models[0]).from_members(models)
    except ValueError as error:
        raise UserError(f"the models cannot be joined: {error}") from error
    return save_and_measure(
        ensemble,
        output,
        table,
        held_out,
        metric=reports[0]["metric"],
        best_epoch=None,
        minutes=round(sum(report["minutes"] for report in reports), 2),
        options={**reports[0]["options"], "seed": [report["options"]["seed"] for report in reports]},
    )


def _but_seed(report: Mapping[str, Any]) -> tuple[TrainingOptions, str]:
    """What the runs of an ensemble have in common."""
    return replace(TrainingOptions.from_dict(report["options"]), seed=0), str(report["metric"])
