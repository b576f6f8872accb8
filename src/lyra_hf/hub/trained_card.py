"""The card of a model that `lyra-hf train` has made: the general one, with how it was trained and what was measured."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from huggingface_hub import EvalResult

from ..alphabets import get_alphabet
from ..cards import CARD, Told, is_own, metrics_table, pipeline_of
from ..checkpoints.folders import write_text
from ..configuration_lyra import LyraConfig
from ..inference.predictor import Predictor
from ..publishing import card_of
from ..training.origin import Origin
from ..training.summary import PREDICTION_INTERVALS, metric_names
from .sentences import on_bootstrap, on_coverage
from .shown import example_outputs

_SPLITS = ("validation", "test")
_MOST_LETTERS = 2_000  # of an example, which a card shows whole
_DATASET = re.compile(r"[A-Za-z0-9][\w.-]*")  # what the Hub takes for the name of one


def write_trained_card(
    predictor: Predictor, report: Mapping[str, Any], folder: Path, validation: Iterable[npt.NDArray[np.uint8]]
) -> None:
    """Put what the report of a training tells on the card beside it, unless somebody wrote that card.

    Args:
        predictor: of the model that is saved there.
        report: what is in training_report.json.
        folder: the model's folder.
        validation: token ids of the validation rows, (L,) each, the first of which is the card's example; one that is
            too long to show is passed over.
    """
    if is_own(folder):
        return
    ids = next((row for row in validation if len(row) <= _MOST_LETTERS), None)
    widget = None if ids is None else _widget(predictor, ids)
    write_text(folder / CARD, card_of(predictor.model, _told_by(report, pipeline_of(predictor.model), widget)))


def _told_by(report: Mapping[str, Any], pipeline: str, widget: dict[str, Any] | None) -> Told:
    """What a report of a training tells, and the example."""
    origin = {**asdict(Origin()), **report.get("origin", {})}  # reports of old have none
    metrics = {split: _metrics(report[split]) for split in _SPLITS if report.get(split)}
    measured = list(metrics)[-1:]  # the test rows, or the validation rows where there are no others
    datasets = [stem for stem in (name.split(".")[0] for name in origin["tables"]) if _DATASET.fullmatch(stem)]
    rows = ", ".join(f"{count:,} {split}" for split, count in report["rows"].items())
    return Told(
        data=f"{_tables(origin['tables'])} Rows: {rows}.",
        training=_training(report, origin["command"]),
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
            for split in measured
            for name, value in metrics[split].items()
            if value is not None
        ],
        metadata={
            "license": origin["license"],
            **({"datasets": datasets} if datasets else {}),
            **({"widget": [widget]} if widget else {}),
        },
    )


def _widget(predictor: Predictor, ids: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """An example as the Hub shows it: the sequence, and what the model gives for it."""
    text = _text(predictor.config, ids)
    outputs = example_outputs(predictor, text)
    return {"text": text, "example_title": "the first of the validation rows", "output": outputs}


def _text(config: LyraConfig, ids: npt.NDArray[np.uint8]) -> str:
    """The letters of token ids (L,); of a pair both sequences, with a space between."""
    symbols = list(get_alphabet(config.alphabet).vocabulary)
    letters = "".join(symbols[token] for token in ids.tolist())
    if not config.pair_input:
        return letters
    first = len(letters) // 2 + config.pair_context
    return f"{letters[:first]} {letters[first:]}"


def _tables(names: Sequence[str]) -> str:
    if not names:
        return "The table is not told here."
    return f"The table{'s' if len(names) > 1 else ''} " + ", ".join(f"`{name}`" for name in names) + "."


def _metrics(measured: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: measured[name] for name in metric_names(measured)}


def _training(report: Mapping[str, Any], command: str | None) -> str:
    """The command, the options, and what came of them."""
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
    return f"By `{command or 'lyra-hf train'}`, in {report['minutes']:g} minutes{epoch}.{joined} Options: {given}."


def _results(report: Mapping[str, Any], metrics: Mapping[str, Mapping[str, float | None]]) -> str:
    picked = f"The epoch was picked on the validation rows, by {report['metric']}"
    if report["options"].get("refit"):
        picked += "; these were learned from too in the end, and their figures are those from before"
    text = (
        picked
        + ". "
        + ("The test rows were measured once, at the end." if "test" in metrics else "There were no test rows.")
    )
    test = report.get("test") or {}
    text += on_bootstrap(report["metric"], test.get("interval")) + on_coverage(test.get(PREDICTION_INTERVALS))
    return f"{text}\n\n{metrics_table(metrics)}"
