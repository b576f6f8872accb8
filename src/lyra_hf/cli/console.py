"""What the command line shows: messages and progress on standard error, results on standard output."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from transformers import TrainerCallback

WIDTH = 100  # columns of the lists that commands print
messages = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def speak_for_all_processes() -> bool:
    """Of processes that were started together (`torchrun`, `accelerate launch`) only the first has messages.

    Returns:
        Whether this is the first, or the only one.
    """
    messages.quiet = os.environ.get("RANK", "0") != "0"
    return not messages.quiet


def print_result(text: str) -> None:
    """Write a line to standard output, where results go."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def counting(description: str, total: int | None = None) -> Iterator[Any]:
    """Show how many sequences are done, of how many if that is known; yields a function that takes further ones."""
    count = TextColumn("{task.completed:,.0f} sequences")
    known = [BarColumn(), TextColumn("of {task.total:,.0f}"), TimeRemainingColumn()] if total is not None else []
    with Progress(
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        count,
        *known,
        TimeElapsedColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    ) as progress:
        task = progress.add_task(description, total=total)
        yield lambda number: progress.advance(task, number)


@contextmanager
def waiting(description: str) -> Iterator[None]:
    """Show that something is under way whose end cannot be told."""
    with Progress(
        SpinnerColumn(),
        TextColumn("[progress.description]{task.description}"),
        TimeElapsedColumn(),
        console=messages,
        transient=True,
        disable=not messages.is_terminal,
    ) as progress:
        progress.add_task(description, total=None)
        yield


class TrainingProgress(TrainerCallback):
    """A bar of epochs with the last loss and validation metric; where there is no terminal, a line per epoch."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self.progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("epochs  {task.fields[figures]}"),
            TimeRemainingColumn(),
            console=messages,
            disable=not messages.is_terminal,
        )
        self.figures: dict[str, str] = {}
        self.task: Any = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Start the bar where the run starts or goes on."""
        self.task = self.progress.add_task(
            "", total=int(args.num_train_epochs), completed=int(state.epoch or 0), figures=""
        )
        self.progress.start()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Show the newest figures."""
        for key, name in (("loss", "loss"), (f"eval_{self.metric}", f"validation {self.metric}")):
            if logs and key in logs:
                self.figures[name] = f"{float(logs[key]):.4f}"
        figures = "  ".join(f"{name} {figure}" for name, figure in self.figures.items())
        self.progress.update(self.task, completed=int(state.epoch or 0), figures=figures)
        if not messages.is_terminal and logs and f"eval_{self.metric}" in logs:
            messages.print(f"epoch {int(state.epoch or 0)} of {int(args.num_train_epochs)}  {figures}")

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Leave the bar as it is."""
        self.progress.stop()
