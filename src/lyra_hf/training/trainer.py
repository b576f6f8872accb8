"""The Trainer of transformers with what Lyra needs beside it."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import EvalPrediction
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import EvalLoopOutput

from ..alphabets import PAD_ID, UNK_ID
from ..convolution import LyraS4DConvolution
from ..dropout import of_held_rows, of_whole_batch, rows_of_batch
from ..labels import weight_of_labels
from .averaging import WeightAverager
from .batches import LetterBatches, LyraCollator, TableDataset
from .evaluation import flatten
from .sharing import EvaluationBatches, SharedBatches, gathered
from .trainer_files import TrainerWithoutPickles

# Of a batch in evaluation, padding included: more, and activations no longer fit a processor's cache.
_LETTERS_PER_EVALUATION_BATCH = 32_768
# Where each process has the whole gradient, of all processes, when it is clipped.
_WHOLE_GRADIENTS = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)


def hide_letters(input_ids: Tensor, share: float) -> Tensor:
    """Token ids (B, L) with that share of the letters, drawn at random, made unknown; padding stays padding."""
    drawn = torch.rand(of_whole_batch(input_ids.shape, -2), device=input_ids.device)
    hidden = (of_held_rows(drawn, -2) < share) & (input_ids != PAD_ID)
    return input_ids.masked_fill(hidden, UNK_ID)


def clip_members(parameters: Sequence[nn.Parameter], max_norm: float) -> Tensor:
    """Scale the gradient of each member of an ensemble down to a norm, as it would be of a single model.

    Args:
        parameters: (M, ...) each.
        max_norm: the largest norm of a member's gradient.

    Returns:
        The norm before, of the members' mean.
    """
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norms = torch.cat([gradient.flatten(1) for gradient in gradients], dim=1).norm(dim=1)  # (M,)
    factors = (max_norm / (norms + 1e-6)).clamp(max=1)
    torch._foreach_mul_(gradients, [factors.view(-1, *(1,) * (gradient.dim() - 1)) for gradient in gradients])
    return norms.mean()


class LyraTrainer(TrainerWithoutPickles):
    """`transformers.Trainer` whose state-space parameters have a group of their own, and which writes no pickles.

    The members of an ensemble are trained side by side, each as it would be alone: gradients are clipped member by
    member, and losses are logged per member.

    Args:
        ssm_learning_rate: learning rate of the S4D parameters (dt, A, C, D); a quarter of the others' unless told. They
            have no weight decay (Gu et al. 2022).
        averager: keeps an exponential average of the weights; what is evaluated and saved is then the average.
        class_weights: (O,), weights of the classes in the training loss.
        letter_dropout: share of the letters hidden at each training step.
        *args: as for `transformers.Trainer`.
        **kwargs: as for `transformers.Trainer`.
    """

    def __init__(
        self,
        *args: Any,
        ssm_learning_rate: float | None = None,
        averager: WeightAverager | None = None,
        class_weights: Tensor | None = None,
        letter_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("data_collator", LyraCollator())
        super().__init__(*args, **kwargs)
        self.averager = averager
        if averager is not None:
            self.add_callback(averager)
        self.ssm_learning_rate = self.args.learning_rate / 4 if ssm_learning_rate is None else ssm_learning_rate
        self.class_weights = class_weights
        self.letter_dropout = letter_dropout

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW (or what the arguments say) with three groups: with decay, without, and state space."""
        model = self.model if model is None else model
        if self.optimizer is None:
            optimizer_class, options = self.get_optimizer_cls_and_kwargs(self.args, model)
            self.optimizer = optimizer_class(self.parameter_groups(model), **options)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """The optimizer's groups; every trainable parameter is in exactly one."""
        ssm = {
            f"{prefix}.{name}" if prefix else name
            for prefix, module in model.named_modules()
            if isinstance(module, LyraS4DConvolution)
            for name, _ in module.named_parameters(recurse=False)
        }
        with_decay = set(self.get_decay_parameter_names(model)) - ssm
        trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        return [
            {
                "params": [parameter for name, parameter in trainable.items() if name in with_decay],
                "weight_decay": self.args.weight_decay,
            },
            {
                "params": [parameter for name, parameter in trainable.items() if name not in with_decay | ssm],
                "weight_decay": 0.0,
            },
            {
                "params": [parameter for name, parameter in trainable.items() if name in ssm],
                "weight_decay": 0.0,
                "lr": self.ssm_learning_rate,
            },
        ]

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The model's own loss; while it trains, with the class weights and with letters hidden."""
        if model.training and self.class_weights is not None:
            inputs = {**inputs, "class_weights": self.class_weights}
        if model.training and self.letter_dropout:
            inputs = {**inputs, "input_ids": hide_letters(inputs["input_ids"], self.letter_dropout)}
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        return loss * self._weight_among_processes(inputs["labels"]) if self._is_shared(model) else loss

    def training_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Tensor:
        """A step; of a batch that is shared out among processes, with what is drawn for the whole batch."""
        rows = inputs.pop("rows_of_batch", None)
        with nullcontext() if rows is None else rows_of_batch(rows):
            return super().training_step(model, inputs, *args, **kwargs)

    def _is_shared(self, model: nn.Module) -> bool:
        return bool(model.training) and self.args.world_size > 1

    def _weight_among_processes(self, labels: Tensor) -> Tensor:
        """By what to multiply the mean loss over a process's labels, that the processes' mean be that over all labels.

        It is 1 where each process has as many labels that count.
        """
        own = weight_of_labels(labels, str(self.model.config.problem_type), self.class_weights).float()
        return self.args.world_size * own / self.accelerator.reduce(own, "sum").clamp(min=torch.finfo(own.dtype).tiny)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log numbers; the training loss of an ensemble, a sum over its members, as their mean, as `eval_loss` is."""
        for name in ("loss", "train_loss"):
            if name in logs:
                logs[name] /= self.model.config.ensemble_size
        super().log(logs, *args, **kwargs)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Metrics; while the model is trained, those of the averaged weights if there is an averager."""
        with self._average_stands_in():
            return super().evaluate(*args, **kwargs)

    # The methods below keep the time of a step in the model: what transformers does in their place is made for models
    # whose step takes a hundred times as long.

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if isinstance(dataset, TableDataset) and self.args.train_sampling_strategy == "group_by_length":
            # The same order; but the lengths are known.
            batch = self._whole_batch_size * self.args.gradient_accumulation_steps
            return LengthGroupedSampler(batch, lengths=dataset.lengths)
        return super()._get_train_sampler(train_dataset)

    @property
    def _whole_batch_size(self) -> int:
        """Rows of a step, of all processes together."""
        return self.args.train_batch_size * self.args.world_size

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches to train on; a table's rows are shared out among processes so that order and result stay the same."""
        dataset, arguments = self.train_dataset, self.args
        if not isinstance(dataset, TableDataset) or arguments.world_size == 1:
            return super().get_train_dataloader()
        order = self._get_train_sampler()
        assert order is not None
        batches = SharedBatches(order, self._whole_batch_size, arguments.process_index, arguments.world_size)
        return DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator)  # type: ignore[arg-type]

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Batches to evaluate on; of a table's rows, as many at once as are quickest.

        These batches differ in size, and `eval_loss`, a mean over batches, counts each alike. Metrics are of all rows.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if not isinstance(dataset, TableDataset):
            return super().get_eval_dataloader(eval_dataset)
        batches = LetterBatches(dataset.lengths, _LETTERS_PER_EVALUATION_BATCH)
        if self.args.world_size == 1:
            return self.accelerator.prepare(DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator))
        own = EvaluationBatches(batches.batches, self.args.process_index, self.args.world_size)
        return DataLoader(dataset, batch_sampler=own, collate_fn=self.data_collator)

    def evaluation_loop(self, dataloader: DataLoader[Any], *args: Any, **kwargs: Any) -> EvalLoopOutput:
        """Metrics of all rows, each computed by one process; all processes have them."""
        if not isinstance(dataloader.batch_sampler, EvaluationBatches):
            return super().evaluation_loop(dataloader, *args, **kwargs)
        return self._evaluated_together(dataloader, kwargs.get("metric_key_prefix", "eval"))

    def _evaluated_together(self, dataloader: DataLoader[Any], prefix: str) -> EvalLoopOutput:
        config, dataset = self.model.config, dataloader.dataset
        assert isinstance(dataset, TableDataset)
        self.model.eval()
        # Of no rows: a process without a batch has something to give as well.
        losses = torch.empty(0)
        logits, labels = [np.empty((0, config.num_labels), np.float32)], [dataset.no_labels]
        for batch in dataloader:
            loss, predicted, truth = self.prediction_step(self.model, batch, prediction_loss_only=False)
            losses = torch.cat([losses, loss.reshape(1).float().cpu()])
            logits.append(predicted.float().cpu().numpy())
            labels.append(truth.cpu().numpy())
        together = [
            gathered(values, self.accelerator).cpu().numpy()
            for values in (losses, *map(torch.from_numpy, flatten(config, logits, labels)))
        ]
        found = EvalPrediction(predictions=[together[1]], label_ids=[together[2]])
        metrics = {"loss": float(together[0].mean())} | (self.compute_metrics(found) if self.compute_metrics else {})
        named = {f"{prefix}_{name}": value for name, value in metrics.items()}
        return EvalLoopOutput(together[1], together[2], named, len(dataset))

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        if self.accelerator.distributed_type not in _WHOLE_GRADIENTS:
            return super()._clip_grad_norm(model)
        if self.model.config.ensemble_size > 1:
            self.accelerator.unscale_gradients()
            return clip_members(self._optimized(), self.args.max_grad_norm)
        if self.accelerator.scaler is not None:
            return super()._clip_grad_norm(model)
        return nn.utils.clip_grad_norm_(self._optimized(), self.args.max_grad_norm)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """An estimate of the work of a step, by the rule of transformers."""
        ids = inputs.get("input_ids")
        return 0 if ids is None else 6 * ids.numel() * sum(parameter.numel() for parameter in self._optimized())

    def _optimized(self) -> list[nn.Parameter]:
        """The parameters that are trained, from the optimizer's groups: without a walk through the modules."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
