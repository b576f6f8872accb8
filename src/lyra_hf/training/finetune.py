"""Fine-tunes a Lyra on a labelled table: from the table to a folder that predicts."""

import hashlib
import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accelerate import PartialState
from transformers import TrainerCallback

from ..checkpoints.folders import save_checkpoint, write_text
from ..configuration_lyra import LyraConfig
from ..errors import UserError
from ..hub.trained_card import write_trained_card
from ..inference.loading import load_model
from ..inference.predictor import Predictor
from ..inference.results import ProblemType
from ..modeling_lyra import LyraPreTrainedModel
from ..tasks.metrics import compute_metrics
from .calibration import apply, calibration_of
from .cross_fitting import cross_fitted
from .data import HeldOut, LabelledTable, Rows
from .evaluation import evaluate_rows, evaluate_test, flatten
from .learning import Learner
from .options import TrainingOptions
from .origin import Origin
from .processes import rows_of_each, together

REPORT_FILE = "training_report.json"
_CHECKPOINTS = "checkpoints"
# In that folder, where training goes on after the best epoch is known:
_FOUND = "found"  # the model of that epoch
_FOUND_FILE = "best_epoch.json"  # and with it which one that was
_PIECES = "pieces"  # predictions of pieces of the training rows, and checkpoints of what predicts them
_REFIT = "refit"  # checkpoints of the training on all rows
_RUN_FILE = "run.json"
_DEFAULT_METRICS: dict[ProblemType, str] = {
    "regression": "spearman",
    "single_label_classification": "mcc",
    "multi_label_classification": "ap",
}


@dataclass(frozen=True)
class TrainingReport:
    """What a training run gave.

    Attributes:
        validation: metrics of the kept weights on the validation rows; if these rows were trained on too, in the end
            (`refit`), those of the weights before.
        test: metrics of the kept weights on the test rows, computed once, at the end; with `interval`, the 95 %
            bootstrap interval of `metric`, and `subsets`, the same for parts of the rows. None where there are none.
        best_epoch: the epoch whose weights were kept, the best on validation; None of an ensemble of several runs.
        metric: the metric it was picked by.
        minutes: wall-clock time of training.
        parameters: trainable parameters of the model.
        rows: rows per split.
        options: the training options.
        origin: the command and the tables, as far as they are known: the fields of `Origin`.
    """

    validation: dict[str, Any]
    test: dict[str, Any] | None
    best_epoch: float | None
    metric: str
    minutes: float
    parameters: int
    rows: dict[str, int]
    options: dict[str, Any]
    origin: dict[str, Any] = field(default_factory=dict)


def default_metric(problem_type: ProblemType) -> str:
    """What the best epoch is picked by, unless told."""
    return _DEFAULT_METRICS[problem_type]


def finetune(
    table: LabelledTable,
    output: Path,
    options: TrainingOptions,
    *,
    model_options: dict[str, Any] | None = None,
    output_names: list[str] | None = None,
    metric: str | None = None,
    held_out: HeldOut | None = None,
    origin: Origin | None = None,
    callbacks: list[TrainerCallback] | None = None,
) -> TrainingReport:
    """Train a model, pick its best epoch on the validation rows, save it, and measure it once on the test rows.

    A run that was broken off goes on from its last epoch. Processes that were started together (`torchrun`, `accelerate
    launch`) share out each batch, and come to what one process comes to; the first of them saves and measures, in a
    folder that all of them see.

    Args:
        table: the data, with the splits "train" and "validation"; not "test".
        output: the folder to write: a whole repository, whose card tells what came out, and the report.
        options: how to train.
        model_options: fields of `LyraConfig` that differ from the defaults.
        output_names: names of the outputs in the checkpoint; those of the table unless told.
        metric: what the best epoch is picked by; Spearman, MCC or average precision unless told.
        held_out: the test rows, which are read when the model has been saved.
        origin: for the report and the card.
        callbacks: further callbacks of the Trainer, to show progress.

    Raises:
        UserError: there are no training or validation rows, or `metric` is none of the metrics of such a problem; or
            `table` holds test rows, which training must not see.
    """
    if "test" in table.splits:
        raise UserError(
            "the table holds test rows, which training must not see: give table.for_training(), and the test rows as "
            "held_out"
        )
    for split in ("train", "validation"):
        if split not in table.splits:
            raise UserError(f"no row is in the split {split!r}; training needs rows to train on and to validate on")
    metric = metric or default_metric(table.problem_type)
    learner = Learner(table, options, model_options or {}, output_names or table.output_names, metric, callbacks or [])
    with together() as processes:
        rows_of_each(options.batch_size, processes.num_processes)  # told before anything is written
        model = learner.new_model()
        _check_metric(metric, table, model)
        checkpoints = output / _CHECKPOINTS
        with processes.main_process_first():
            _check_run(checkpoints, table, model.config, options, metric)
        started = time.monotonic()
        trained = _trained(learner, model, checkpoints)
        if processes.is_main_process:
            save_and_measure(
                trained.model,
                output,
                table,
                held_out,
                metric=metric,
                best_epoch=trained.best_epoch,
                minutes=round((time.monotonic() - started) / 60, 2),
                options=asdict(options),
                validation=trained.validation,
                origin=origin,
            )
            shutil.rmtree(checkpoints, ignore_errors=True)
        processes.wait_for_everyone()
    return TrainingReport(**json.loads((output / REPORT_FILE).read_text(encoding="utf-8")))


class _Trained(NamedTuple):
    """A model that is to be kept.

    Attributes:
        model: the model, calibrated.
        best_epoch: how many epochs it learned.
        validation: metrics on the validation rows, of the weights that had not seen them.
    """

    model: LyraPreTrainedModel
    best_epoch: float
    validation: dict[str, Any]


def _trained(learner: Learner, model: LyraPreTrainedModel, checkpoints: Path) -> _Trained:
    """Train a new model to its best epoch, calibrate it, and train it anew on all rows if the options say so.

    What is found on the way is written down in the folder of checkpoints, and not looked for again.
    """
    table, options = learner.table, learner.options
    train, validation = table.splits["train"], table.splits["validation"]
    found = checkpoints / _FOUND
    told = found / _FOUND_FILE
    if told.is_file():
        model = load_model(str(found))
        best_epoch = json.loads(told.read_text(encoding="utf-8"))
    else:
        best_epoch = learner.to_best_epoch(model, checkpoints)
        # If there is more to do, which may be broken off:
        if (options.calibration_pieces or options.refit) and PartialState().is_main_process:
            save_checkpoint(model, found)
            write_text(told, json.dumps(best_epoch))
    of_train = None
    if options.calibration_pieces and table.problem_type == "regression":
        of_train = cross_fitted(
            train,
            validation,
            options.calibration_pieces,
            partial(learner.trained_for, best_epoch),
            checkpoints / _PIECES,
        )
    calibration = calibration_of(model, validation, train, of_train)
    apply(calibration, model)
    metrics = evaluate_rows(Predictor(model), validation)
    if options.refit:
        model = learner.trained_for(best_epoch, Rows.concatenated([train, validation]), checkpoints / _REFIT)
        apply(calibration, model)  # of the weights from before: these have learned from all rows there are
    return _Trained(model, best_epoch, metrics)


def save_and_measure(
    model: LyraPreTrainedModel,
    output: Path,
    table: LabelledTable,
    held_out: HeldOut | None,
    *,
    metric: str,
    best_epoch: float | None,
    minutes: float,
    options: dict[str, Any],
    validation: dict[str, Any],
    origin: Origin | None = None,
) -> TrainingReport:
    """Save a model, measure it once on the test rows, and leave the report beside it and on its card.

    Args:
        model: the model.
        output: the folder to write.
        table: the rows that it was trained on.
        held_out: the test rows, which are read when the model has been saved.
        metric: for the report, as are the arguments that follow.
        best_epoch: the epoch whose weights the model has.
        minutes: of training.
        options: of training.
        validation: metrics on the validation rows.
        origin: the command and the tables, as far as they are known.
    """
    (output / REPORT_FILE).unlink(missing_ok=True)  # of an earlier model
    save_checkpoint(model, output)
    predictor = Predictor(model)
    splits = dict(table.splits)
    if held_out is not None:
        splits["test"] = held_out.open(output)
    report = TrainingReport(
        validation=validation,
        test=evaluate_test(predictor, splits["test"], metric) if "test" in splits else None,
        best_epoch=best_epoch,
        metric=metric,
        minutes=minutes,
        parameters=model.num_parameters(only_trainable=True),
        rows={split: len(rows.encoded) for split, rows in splits.items()},
        options=options,
        origin=asdict(origin or Origin()),
    )
    told = asdict(report)
    write_text(output / REPORT_FILE, json.dumps(told, indent=2) + "\n")
    write_trained_card(predictor, told, output, table.splits["validation"].encoded)
    return report


def _check_metric(metric: str, table: LabelledTable, model: LyraPreTrainedModel) -> None:
    """Refuse a metric that such labels have not, or that the validation labels leave undefined."""
    labels = table.splits["validation"].labels
    sizes = [(*np.shape(row)[: 1 if table.head == "residue" else 0], model.config.num_labels) for row in labels]
    generator = np.random.default_rng(0)
    anything = [generator.normal(size=size) for size in sizes]  # any outputs that are not constant
    names = list(model.config.id2label.values())
    found = compute_metrics(*flatten(model.config, anything, labels), table.problem_type, names)
    known = [name for name in found if name not in ("n", "outputs")]
    if metric not in known:
        raise UserError(f"no metric {metric!r} for this kind of labels; there are {', '.join(known)}")
    if found[metric] is None:
        raise UserError(
            f"the validation labels leave {metric} undefined (all the same, or too few), so it can pick no epoch; "
            "give other validation rows, or another --metric"
        )


def _check_run(
    checkpoints: Path, table: LabelledTable, config: LyraConfig, options: TrainingOptions, metric: str
) -> None:
    """Write down what a run is, or refuse to go on from checkpoints of another one."""
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        rows = table.splits[split]
        for ids, labels in zip(rows.encoded, rows.labels, strict=True):
            digest.update(ids.tobytes() + np.asarray(labels).tobytes())
    run = {"options": asdict(options), "metric": metric, "model": config.to_diff_dict(), "rows": digest.hexdigest()}
    run = json.loads(json.dumps(run, default=str))
    path = checkpoints / _RUN_FILE
    if path.is_file():
        begun = json.loads(path.read_text(encoding="utf-8"))
        different = [name for name in run if begun.get(name) != run[name]]
        if different:
            raise UserError(
                f"{checkpoints} holds a run that broke off and had other {' and '.join(different)}; "
                "delete that folder, or name another output folder"
            )
    checkpoints.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(run))
