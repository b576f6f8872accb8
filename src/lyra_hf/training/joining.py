"""Models of several seeds as one ensemble: nothing is trained again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ..checkpoints.folders import save_checkpoint, write_text
from ..errors import UserError
from ..inference.loading import load_model
from ..inference.predictor import Predictor
from .data import HeldOut, LabelledTable
from .evaluation import evaluate_rows, evaluate_test
from .finetune import REPORT_FILE, TrainingReport
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
    (output / REPORT_FILE).unlink(missing_ok=True)  # of an earlier ensemble
    save_checkpoint(ensemble, output)
    predictor = Predictor(ensemble)
    metric = reports[0]["metric"]
    splits = dict(table.splits)
    if held_out is not None:
        splits["test"] = held_out.open(output)
    report = TrainingReport(
        validation=evaluate_rows(predictor, splits["validation"]),
        test=evaluate_test(predictor, splits["test"], metric) if "test" in splits else None,
        best_epoch=None,
        metric=metric,
        minutes=round(sum(report["minutes"] for report in reports), 2),
        parameters=ensemble.num_parameters(),
        rows={split: len(rows.encoded) for split, rows in splits.items()},
        options={**reports[0]["options"], "seed": [report["options"]["seed"] for report in reports]},
    )
    write_text(output / REPORT_FILE, json.dumps(asdict(report), indent=2) + "\n")
    return report


def _but_seed(report: Mapping[str, Any]) -> tuple[TrainingOptions, str]:
    """What the runs of an ensemble have in common."""
    return replace(TrainingOptions.from_dict(report["options"]), seed=0), str(report["metric"])
