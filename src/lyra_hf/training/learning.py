"""Trains models that differ in nothing but the rows they learn from."""

import gc
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import PartialState
from transformers import EvalPrediction, PrinterCallback, ProgressCallback, TrainerCallback, TrainingArguments, set_seed
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import EarlyStoppingCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, get_last_checkpoint

from ..configuration_lyra import LyraConfig
from ..errors import UserError, as_user_error
from ..inference.loading import quiet_transformers
from ..modeling_lyra import LyraForSequenceClassification, LyraPreTrainedModel
from ..tasks.metrics import compute_metrics
from .averaging import WeightAverager
from .batches import TableDataset
from .building import build_model
from .data import LabelledTable, Rows
from .evaluation import flatten
from .options import TrainingOptions
from .processes import rows_of_each
from .site_independent import fit_site_weights
from .summary import greater_is_better
from .trainer import LyraTrainer


@dataclass(frozen=True)
class Learner:
    """Trains models that differ in nothing but the rows they learn from.

    Attributes:
        table: the data, which tells the kind of model.
        options: how to train.
        model_options: fields of `LyraConfig` that differ from the defaults.
        output_names: names of the outputs.
        metric: what the best epoch is picked by.
        callbacks: further callbacks of the Trainer.
    """

    table: LabelledTable
    options: TrainingOptions
    model_options: dict[str, Any]
    output_names: list[str]
    metric: str
    callbacks: list[TrainerCallback]

    def new_model(self, rows: Rows | None = None) -> LyraPreTrainedModel:
        """A model with its initial weights, and the label scale of some rows, of the training rows unless told."""
        set_seed(self.options.seed)
        table = self.table if rows is None else replace(self.table, splits={"train": rows})
        return build_model(table, self.model_options, self.output_names, self.options.start)

    def to_best_epoch(self, model: LyraPreTrainedModel, folder: Path) -> float:
        """Train on the training rows; the model then has the weights of the epoch told, the best on validation.

        Args:
            model: a new model.
            folder: of checkpoints, from which training that was broken off goes on.
        """
        rows = _to_learn(model, self.table.splits["train"])
        trainer = self._trainer(model, rows, self.table.splits["validation"], folder, self.callbacks)
        _train(trainer)
        return _best_epoch(trainer)

    def trained_for(self, epochs: float, rows: Rows, folder: Path) -> LyraPreTrainedModel:
        """A model that learned from some rows for so many epochs, on the schedule of all of them.

        Args:
            epochs: after how many to stop.
            rows: what to learn from.
            folder: of checkpoints, from which training that was broken off goes on.
        """
        model = self.new_model(rows)
        callbacks = [*self.callbacks, _StopAfter(epochs)]
        _train(self._trainer(model, _to_learn(model, rows), None, folder, callbacks))
        return model

    def _trainer(
        self,
        model: LyraPreTrainedModel,
        rows: Rows,
        validation: Rows | None,
        checkpoints: Path,
        callbacks: list[TrainerCallback],
    ) -> LyraTrainer:
        """A Trainer on some rows; without validation rows the last weights are kept, not the best."""
        options = self.options
        arguments = TrainingArguments(
            output_dir=str(checkpoints),
            num_train_epochs=options.epochs,
            per_device_train_batch_size=rows_of_each(options.batch_size, PartialState().num_processes),
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
            metric_for_best_model=self.metric,
            greater_is_better=greater_is_better(self.metric),
            train_sampling_strategy="group_by_length",
            eval_do_concat_batches=False,
            remove_unused_columns=False,
            logging_nan_inf_filter=False,  # it looks at the loss at every step, which a GPU would have to wait for
            disable_tqdm=True,
            report_to="none",
            seed=options.seed,
            data_seed=options.seed,
            use_cpu=not torch.cuda.is_available(),
            ddp_find_unused_parameters=False,
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


def _last_checkpoint(checkpoints: Path) -> str | None:
    """The newest whole checkpoint; what was being written when a run broke off is removed."""
    with PartialState().main_process_first():
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
