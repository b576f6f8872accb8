"""The Trainer of transformers with what Lyra needs beside it."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from transformers import Trainer
from transformers.trainer_pt_utils import LengthGroupedSampler
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy
from transformers.utils import PushInProgress

from ..alphabets import PAD_ID, UNK_ID
from ..convolution import LyraS4DConvolution
from .averaging import WeightAverager
from .batches import LetterBatches, LyraCollator, TableDataset
from .state_files import load_state, random_state, save_state, set_random_state

_OPTIMIZER_FILE = "optimizer.safetensors"
_RANDOM_FILE = "random_{rank}.safetensors"
_ARGUMENTS_FILE = "training_args.json"
# Of a batch in evaluation, padding included: more, and activations no longer fit a processor's cache.
_LETTERS_PER_EVALUATION_BATCH = 32_768


def hide_letters(input_ids: Tensor, share: float) -> Tensor:
    """Token ids (B, L) with that share of the letters, drawn at random, made unknown; padding stays padding."""
    hidden = (torch.rand(input_ids.shape, device=input_ids.device) < share) & (input_ids != PAD_ID)
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


class LyraTrainer(Trainer):
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

    optimizer: Any
    push_in_progress: Any

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
        return super().compute_loss(model, inputs, *args, **kwargs)

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

    def _average_stands_in(self) -> AbstractContextManager[None]:
        # When training has ended, the model holds what shall be evaluated and saved.
        if self.averager is None or not self.is_in_train:
            return nullcontext()
        return self.averager.standing_in(self.model)

    # The methods below keep the time of a step in the model: what transformers does in their place is made for models
    # whose step takes a hundred times as long.

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if isinstance(dataset, TableDataset) and self.args.train_sampling_strategy == "group_by_length":
            # The same order; but the lengths are known.
            batch = self.args.train_batch_size * self.args.gradient_accumulation_steps
            return LengthGroupedSampler(batch, lengths=dataset.lengths)
        return super()._get_train_sampler(train_dataset)

    def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader[Any]:
        """Batches to evaluate on; of a table's rows, as many at once as are quickest.

        These batches differ in size, and `eval_loss`, a mean over batches, counts each alike. Metrics are of all rows.
        """
        dataset = self.eval_dataset if eval_dataset is None else eval_dataset
        if not isinstance(dataset, TableDataset) or self.args.world_size > 1:
            return super().get_eval_dataloader(eval_dataset)
        batches = LetterBatches(dataset.lengths, _LETTERS_PER_EVALUATION_BATCH)
        return self.accelerator.prepare(DataLoader(dataset, batch_sampler=batches, collate_fn=self.data_collator))

    def _clip_grad_norm(self, model: nn.Module) -> Any:
        if self.accelerator.distributed_type != "NO":
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

    # The six methods below replace files that transformers would pickle.

    def _push_from_checkpoint(self, checkpoint_folder: str) -> None:
        """Put up the model as it is, whole, while training goes on; and the checkpoint, if the strategy says so."""
        strategy, going_on = self.args.hub_strategy, self.push_in_progress
        if not self.is_world_process_zero() or strategy == HubStrategy.END:
            return
        if not self.args.hub_always_push and going_on is not None and not going_on.is_done():
            return
        self.callback_handler.on_push_begin(self.args, self.state, self.control)
        self._save(self.args.output_dir)
        message = f"Training in progress, step {self.state.global_step}"
        jobs = [self._upload(self.args.output_dir, message, ignore_patterns=["_*", f"{PREFIX_CHECKPOINT_DIR}-*"])]
        if strategy in (HubStrategy.CHECKPOINT, HubStrategy.ALL_CHECKPOINTS):
            name = "last-checkpoint" if strategy == HubStrategy.CHECKPOINT else Path(checkpoint_folder).name
            jobs.append(self._upload(checkpoint_folder, f"{message}, checkpoint", path_in_repo=name))
        self.push_in_progress = PushInProgress(jobs)

    @cached_property
    def _hub(self) -> HfApi:
        return HfApi(token=self.args.hub_token)

    def _upload(self, folder: str, message: str, **options: Any) -> Any:
        """Have a folder put up in the background, after those before it."""
        return self._hub.upload_folder(
            repo_id=self.hub_model_id,
            folder_path=folder,
            commit_message=message,
            revision=self.args.hub_revision,
            run_as_future=True,
            **options,
        )

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Tensor] | None = None) -> None:
        if not self.args.should_save:
            return
        folder = Path(output_dir or self.args.output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        if folder == Path(str(self.args.output_dir)):
            self._finish_current_push()  # what goes up at the moment is read from these files
        is_of_training = folder.name.startswith(PREFIX_CHECKPOINT_DIR)  # lean, as there is one after each epoch
        with self._average_stands_in():
            self.accelerator.unwrap_model(self.model, keep_torch_compile=False).save_pretrained(
                folder, state_dict=state_dict, with_code=not is_of_training
            )
        if self.processing_class is not None:
            self.processing_class.save_pretrained(folder)
        (folder / _ARGUMENTS_FILE).write_text(json.dumps(self.args.to_dict(), indent=2, default=str), encoding="utf-8")

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.args.should_save:
            state = {"optimizer": self.optimizer.state_dict(), "scheduler": self.lr_scheduler.state_dict()}
            state["scheduler"].pop("lr_lambdas", None)  # functions: made again from the arguments
            if self.averager is not None:
                state["averager"] = self.averager.state_dict(self.model)
            save_state(state, Path(output_dir) / _OPTIMIZER_FILE)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        path = Path(checkpoint or "") / _OPTIMIZER_FILE
        if checkpoint is not None and path.is_file():
            state = load_state(path)
            self.optimizer.load_state_dict(state["optimizer"])
            state["scheduler"]["lr_lambdas"] = [None] * len(self.optimizer.param_groups)
            self.lr_scheduler.load_state_dict(state["scheduler"])
            if self.averager is not None:
                self.averager.load_state_dict(state["averager"], self.model)

    def _save_rng_state(self, output_dir: str) -> None:
        save_state(random_state(), Path(output_dir) / _RANDOM_FILE.format(rank=self.args.process_index))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        path = Path(checkpoint or "") / _RANDOM_FILE.format(rank=self.args.process_index)
        if checkpoint is not None and path.is_file():
            set_random_state(load_state(path))
