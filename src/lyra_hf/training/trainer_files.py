"""What the Trainer of transformers writes and reads while it trains: without pickles, and whole models on the Hub."""

import json
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from torch import Tensor
from transformers import Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR, HubStrategy
from transformers.utils import PushInProgress

from .averaging import WeightAverager
from .state_files import load_state, random_state, save_state, set_random_state

_OPTIMIZER_FILE = "optimizer.safetensors"
_RANDOM_FILE = "random_{rank}.safetensors"
_ARGUMENTS_FILE = "training_args.json"


class TrainerWithoutPickles(Trainer):
    """`transformers.Trainer` whose checkpoints are safetensors and JSON.

    Attributes:
        averager: keeps an average of the weights, which is what is saved, with the weights beside it.
    """

    averager: WeightAverager | None = None
    optimizer: Any
    push_in_progress: Any

    def _average_stands_in(self) -> AbstractContextManager[None]:
        # When training has ended, the model holds what shall be evaluated and saved.
        if self.averager is None or not self.is_in_train:
            return nullcontext()
        return self.averager.standing_in(self.model)

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
        Path(output_dir).mkdir(parents=True, exist_ok=True)  # not every process has saved something there
        save_state(random_state(), Path(output_dir) / _RANDOM_FILE.format(rank=self.args.process_index))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        # Processes that share out a table's rows draw the same; where there are more than before, the first one's.
        files = [Path(checkpoint) / _RANDOM_FILE.format(rank=rank) for rank in (self.args.process_index, 0)]
        for path in files:
            if path.is_file():
                set_random_state(load_state(path))
                return
