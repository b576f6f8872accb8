"""Fine-tunes a Lyra on a labelled table: from the table to a folder that predicts."""

import gc
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import EvalPrediction, PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import EarlyStoppingCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from ..checkpoints.folders import save_checkpoint, write_text
from ..configuration_lyra import LyraConfig
from ..errors import UserError, as_user_error
from ..hub.trained_card import write_trained_card
from ..inference.loading import quiet_transformers
from ..inference.predictor import Predictor
from ..inference.results import ProblemType
from ..modeling_lyra import LyraForSequenceClassification, LyraPreTrainedModel
from ..tasks.metrics import compute_metrics
from .averaging import WeightAverager
from .batches import TableDataset
from .building import build_model
from .calibration import Calibration, apply, calibration_of
from .data import HeldOut, LabelledTable, Rows
from .evaluation import evaluate_rows, evaluate_test, flatten
from .options import TrainingOptions
from .site_independent import fit_site_weights
from .summary import greater_is_better
from .trainer import LyraTrainer

REPORT_FILE = "training_report.json"
_CHECKPOINTS = "checkpoints"
_FOUND_FILE = "found.json"  # in that folder: the best epoch and its metrics, when training begins anew with all rows
_REFIT = "refit"  # in that folder: the checkpoints of that training
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
    """

    validation: dict[str, Any]
    test: dict[str, Any] | None
    best_epoch: float | None
    metric: str
    minutes: float
    parameters: int
    rows: dict[str, int]
    options: dict[str, Any]


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
    callbacks: list[TrainerCallback] | None = None,
) -> TrainingReport:
    """Train a model, pick its best epoch on the validation rows, save it, and measure it once on the test rows.

    A run that was broken off goes on from its last epoch.

    Args:
        table: the data, with the splits "train" and "validation"; not "test".
        output: the folder to write: a whole repository, whose card tells what came out, and the report.
        options: how to train.
        model_options: fields of `LyraConfig` that differ from the defaults.
        output_names: names of the outputs in the checkpoint; those of the table unless told.
        metric: what the best epoch is picked by; Spearman, MCC or average precision unless told.
        held_out: the test rows, which are read when the model has been saved.
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
    names = output_names or table.output_names
    set_seed(options.seed)
    model = build_model(table, model_options or {}, names, options.start)
    metric = metric or default_metric(table.problem_type)
    _check_metric(metric, table, model)
    checkpoints = output / _CHECKPOINTS
    _check_run(checkpoints, table, model.config, options, metric)
    started = time.monotonic()
    found = checkpoints / _FOUND_FILE
    if found.is_file():
        best_epoch, validation, calibration = json.loads(found.read_text(encoding="utf-8"))
        calibration = Calibration(*calibration)
    else:
        rows, validation_rows = _to_learn(model, table.splits["train"]), table.splits["validation"]
        trainer = _build_trainer(model, rows, validation_rows, checkpoints, options, metric, callbacks or [])
        _train(trainer)
        best_epoch = _best_epoch(trainer)
        calibration = calibration_of(model, validation_rows, table.splits["train"])
        apply(calibration, model)
        validation = evaluate_rows(Predictor(model), validation_rows)
    if options.refit:
        write_text(found, json.dumps([best_epoch, validation, calibration]))
        both = Rows.concatenated([table.splits["train"], table.splits["validation"]])
        set_seed(options.seed)
        model = build_model(replace(table, splits={"train": both}), model_options or {}, names, options.start)
        rows = _to_learn(model, both)
        until = [*(callbacks or []), _StopAfter(best_epoch)]
        _train(_build_trainer(model, rows, None, checkpoints / _REFIT, options, metric, until))
        apply(calibration, model)  # of the weights from before: these have learned from all rows there are
    report = save_and_measure(
        model,
        output,
        table,
        held_out,
        metric=metric,
        best_epoch=best_epoch,
        minutes=round((time.monotonic() - started) / 60, 2),
        options=asdict(options),
        validation=validation,
    )
    shutil.rmtree(checkpoints, ignore_errors=True)
    return report


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
    )
    told = asdict(report)
    write_text(output / REPORT_FILE, json.dumps(told, indent=2) + "\n")
    write_trained_card(model, told, output)
    return report


class _StopAfter(TrainerCallback):
    """Ends training after some epochs, on a schedule that was made for more."""

    def __init__(self, epochs: float) -> None:
        self.epochs = epochs

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if round(state.epoch) >= self.epochs:
            control.should_training_stop = True


def _to_learn(model: LyraPreTrainedModel, rows: Rows) -> Rows:
    """The rows with the labels that the network shall learn; a model's site weights are fitted first."""
    if isinstance(model, LyraForSequenceClassification) and model.site_weights is not None:
        return fit_site_weights(model, rows)
    return rows


def _train(trainer: LyraTrainer) -> None:
    """Train, or go on from the last epoch."""
    gc.freeze()  # what is loaded by now stays: to look through all of torch again and again takes 2 % of the time
    try:
        with quiet_transformers():
            trainer.train(resume_from_checkpoint=_last_checkpoint(Path(str(trainer.args.output_dir))))
    finally:
        gc.unfreeze()
    if hasattr(trainer.model.config, "use_cache"):  # left behind by the Trainer; Lyra has no such thing
        del trainer.model.config.use_cache


def _build_trainer(
    model: LyraPreTrainedModel,
    rows: Rows,
    validation: Rows | None,
    checkpoints: Path,
    options: TrainingOptions,
    metric: str,
    callbacks: list[TrainerCallback],
) -> LyraTrainer:
    """A Trainer on some rows; without validation rows the last weights are kept, not the best."""
    arguments = TrainingArguments(
        output_dir=str(checkpoints),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        max_grad_norm=options.max_grad_norm,
        optim="adamw_torch_fused",
        lr_scheduler_type="cosine",
        warmup_steps=options.warmup,
        eval_strategy="no" if validation is None else "epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        load_best_model_at_end=validation is not None,
        restore_callback_states_from_checkpoint=True,
        metric_for_best_model=metric,
        greater_is_better=greater_is_better(metric),
        train_sampling_strategy="group_by_length",
        eval_do_concat_batches=False,
        remove_unused_columns=False,
        logging_nan_inf_filter=False,  # it looks at the loss at every step, which a GPU would have to wait for
        disable_tqdm=True,
        report_to="none",
        seed=options.seed,
        data_seed=options.seed,
        use_cpu=not torch.cuda.is_available(),
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    if options.patience and validation is not None:
        callbacks = [*callbacks, EarlyStoppingCallback(early_stopping_patience=options.patience)]
    with quiet_transformers():
        trainer = LyraTrainer(
            model=model,
            args=arguments,
            train_dataset=TableDataset(rows),
            eval_dataset=None if validation is None else TableDataset(validation),
            compute_metrics=_metrics_of(model),
            callbacks=callbacks,
            ssm_learning_rate=options.ssm_learning_rate,
            averager=WeightAverager(options.averaging) if options.averaging else None,
            letter_dropout=options.letter_dropout,
            class_weights=_class_weights(rows, model.config) if options.class_weights else None,
        )
    # Both write to standard output, which belongs to results.
    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    return trainer


def _metrics_of(model: LyraPreTrainedModel) -> Callable[[EvalPrediction], dict[str, Any]]:
    """Metrics from the batches of an evaluation, for the Trainer: plain numbers only."""

    def compute(prediction: EvalPrediction) -> dict[str, Any]:
        logits, labels = flatten(model.config, list(prediction.predictions), list(prediction.label_ids))
        names = list(model.config.id2label.values())
        with as_user_error():  # predictions that are not finite: the weights have run away
            metrics = compute_metrics(logits, labels, str(model.config.problem_type), names)
        # A metric that is undefined (constant predictions, say) must not win.
        return {
            name: float("-inf" if greater_is_better(name) else "inf") if value is None else value
            for name, value in metrics.items()
            if name != "outputs"
        }

    return compute


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
    path.write_text(json.dumps(run), encoding="utf-8")


def _last_checkpoint(checkpoints: Path) -> str | None:
    """The newest whole checkpoint; what was being written when a run broke off is removed."""
    for folder in checkpoints.glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        if not (folder / TRAINER_STATE_NAME).is_file():  # written last
            shutil.rmtree(folder)
    last: str | None = get_last_checkpoint(checkpoints)
    return last


def _class_weights(rows: Rows, config: LyraConfig) -> torch.Tensor:
    """Weights by inverse frequency: of classes with a mean of 1; of labels, negatives over positives."""
    labels = np.concatenate([np.atleast_1d(row) for row in rows.labels])
    outputs = config.num_labels
    if config.problem_type == "single_label_classification":
        counts = np.bincount(labels[labels >= 0], minlength=outputs)
        return torch.tensor(counts.sum() / (outputs * np.maximum(counts, 1)), dtype=torch.float32)
    positives = (labels.reshape(-1, outputs) == 1).sum(0)
    negatives = (labels.reshape(-1, outputs) == 0).sum(0)
    return torch.tensor(negatives / np.maximum(positives, 1), dtype=torch.float32)


def _best_epoch(trainer: LyraTrainer) -> float:
    best = trainer.state.best_global_step
    if best is None:
        raise UserError(
            f"the validation {trainer.args.metric_for_best_model} was undefined after every epoch (the predictions are "
            "all the same); train longer, or name another --metric"
        )
    epochs = [entry["epoch"] for entry in trainer.state.log_history if entry["step"] == best and "eval_loss" in entry]
    return float(epochs[0])
