"""Models of several seeds as one ensemble: nothing is trained again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

from ..errors import UserError
from ..inference.loading import load_model
from ..inference.predictor import Predictor
from .calibration import apply, calibration_of, calibration_of_members
from .data import HeldOut, LabelledTable
from .evaluation import evaluate_rows
from .finetune import REPORT_FILE, TrainingReport, save_and_measure
from .options import TrainingOptions
from .origin import Origin
from .summary import combined


def joined_report(
    folders: Sequence[Path],
    output: Path,
    load: Callable[[], tuple[LabelledTable, HeldOut | None]],
    origin: Origin | None = None,
) -> dict[str, Any]:
    """The report of the ensemble of some runs, which is made unless it is there.

    Args:
        folders: the runs, as of `join_runs`.
        output: the folder of the ensemble.
        load: reads the rows that the runs were trained on, and holds back the test rows; is called if they are needed.
        origin: as of `join_runs`.

    Raises:
        UserError: the models cannot be joined.
    """
    if not is_joined(folders, output):
        join_runs(folders, output, *load(), origin)
    return _report(output)


def is_joined(folders: Sequence[Path], output: Path) -> bool:
    """Whether the ensemble of some runs is there: of these seeds and no others, and newer than all of them."""
    if not (output / REPORT_FILE).is_file():
        return False
    if sorted(_report(output)["options"]["seed"]) != sorted(_report(folder)["options"]["seed"] for folder in folders):
        return False
    newest = max((folder / REPORT_FILE).stat().st_mtime_ns for folder in folders)
    return (output / REPORT_FILE).stat().st_mtime_ns > newest


def join_runs(
    folders: Sequence[Path],
    output: Path,
    table: LabelledTable,
    held_out: HeldOut | None,
    origin: Origin | None = None,
) -> TrainingReport:
    """Make an ensemble of the models that some runs have left, save it, and measure it once on the test rows.

    Args:
        folders: the runs, two at least, that differ in their seed alone.
        output: the folder to write: weights, configuration, tokenizer and a report as `finetune` leaves one. Its
            minutes and parameters are those of all members together, the seed in its options is the list of theirs,
            and it has no best epoch. Of models that have seen the validation rows in the end (`refit`), its validation
            metrics are the means of theirs from before.
        table: the rows that the runs were trained on, with the split "validation".
        held_out: the test rows, which are read when the ensemble has been saved.
        origin: for the report and the card.

    Raises:
        UserError: the runs are fewer than two, or differ in more than their seed.
    """
    reports = [_report(folder) for folder in folders]
    if any(_but_seed(report) != _but_seed(reports[0]) for report in reports):
        raise UserError("the models cannot be joined: their runs had different training options or metrics")
    models = [load_model(str(folder)) for folder in folders]
    if any(type(model) is not type(models[0]) for model in models):
        raise UserError("the models cannot be joined: they have different heads")
    try:
        ensemble = type(models[0]).from_members(models)
    except ValueError as error:
        raise UserError(f"the models cannot be joined: {error}") from error
    options = TrainingOptions.from_dict({**reports[0]["options"], "seed": 0})
    if options.refit or (options.calibration_pieces and table.problem_type == "regression"):
        apply(calibration_of_members(models), ensemble)
    else:
        apply(calibration_of(ensemble, table.splits["validation"], table.splits["train"]), ensemble)
    if options.refit:
        validation = combined([report["validation"] for report in reports], mean)
    else:
        validation = evaluate_rows(Predictor(ensemble), table.splits["validation"])
    return save_and_measure(
        ensemble,
        output,
        table,
        held_out,
        metric=reports[0]["metric"],
        best_epoch=None,
        minutes=round(sum(report["minutes"] for report in reports), 2),
        options={**reports[0]["options"], "seed": [report["options"]["seed"] for report in reports]},
        validation=validation,
        origin=origin,
    )


def _report(folder: Path) -> dict[str, Any]:
    """The report that a run, or a joining, has left."""
    report: dict[str, Any] = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    return report


def _but_seed(report: Mapping[str, Any]) -> tuple[TrainingOptions, str]:
    """What the runs of an ensemble have in common."""
    return replace(TrainingOptions.from_dict(report["options"]), seed=0), str(report["metric"])
