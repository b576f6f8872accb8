"""The card of a model that `lyra-hf train` has made: the general one, with how it was trained and what was measured."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult

from ..cards import CARD, Told, is_own, metrics_table, pipeline_of
from ..checkpoints.folders import write_text
from ..modeling_lyra import LyraPreTrainedModel
from ..publishing import card_of
from ..training.summary import PREDICTION_INTERVALS

_NOT_METRICS = ("n", "outputs", "interval", PREDICTION_INTERVALS, "subsets")
_SPLITS = ("validation", "test")


def write_trained_card(model: LyraPreTrainedModel, report: Mapping[str, Any], folder: Path) -> None:
    """Put what the report of a training tells on the card beside it, unless somebody wrote that card.

    Args:
        model: the model that is saved there.
        report: what is in training_report.json.
        folder: the model's folder.
    """
    if not is_own(folder):
        write_text(folder / CARD, card_of(model, told_by(report, pipeline_of(model))))


def told_by(report: Mapping[str, Any], pipeline: str) -> Told:
    """What a report of a training tells.

    Args:
        report: what is in training_report.json.
        pipeline: the task of the pipeline that suits the model.
    """
    metrics = {split: _metrics(report[split]) for split in _SPLITS if report.get(split)}
    rows = ", ".join(f"{count:,} {split}" for split, count in report["rows"].items())
    return Told(
        data=f"The table is not told here. Rows: {rows}.",
        training=_training(report),
        results=_results(report, metrics),
        evaluations=[
            EvalResult(
                task_type=pipeline,
                dataset_type="custom",
                dataset_name=f"{split} rows of the training table",
                dataset_split=split,
                metric_type=name,
                metric_value=round(value, 4),
            )
            for split in list(metrics)[
                -1:
            ]  # those of the test rows, or of the validation rows where there are no others
            for name, value in metrics[split].items()
            if value is not None
        ],
    )


def _metrics(measured: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: value for name, value in measured.items() if name not in _NOT_METRICS}


def _training(report: Mapping[str, Any]) -> str:
    """The options, and what came of them."""
    epoch = "" if report["best_epoch"] is None else f"; the weights are those of epoch {report['best_epoch']:g}"
    joined = (
        " The models of these seeds were joined into one ensemble."
        if isinstance(report["options"]["seed"], list)
        else ""
    )
    options = {name: value for name, value in report["options"].items() if value is not None}
    if "start" in options:
        options["start"] = Path(options["start"]).name  # where it lies on somebody's disk is nobody else's business
    given = ", ".join(f"{name} {value}" for name, value in options.items())
    return f"By `lyra-hf train`, in {report['minutes']:g} minutes{epoch}.{joined} Options: {given}."


def _results(report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    picked = f"The epoch was picked on the validation rows, by {report['metric']}"
    if report["options"].get("refit"):
        picked += "; these were learned from too in the end, and their figures are those from before"
    text = (
        picked
        + ". "
        + ("The test rows were measured once, at the end." if "test" in metrics else "There were no test rows.")
    )
    interval = (report.get("test") or {}).get("interval")
    if interval is not None:
        text += (
            f" The 95 % interval of the test {report['metric']} is {interval[0]:.4f} to {interval[1]:.4f} (bootstrap "
            "over sequences)."
        )
    coverage = (report.get("test") or {}).get(PREDICTION_INTERVALS)
    if coverage is not None and coverage["coverage"] is not None:
        text += (
            f" The {coverage['level']:.0%} prediction intervals, fitted to the validation rows, hold "
            f"{coverage['coverage']:.1%} of the test labels."
        )
    return f"{text}\n\n{metrics_table(metrics)}"
