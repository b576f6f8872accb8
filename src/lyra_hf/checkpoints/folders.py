"""Writes the folder of a checkpoint, each of its files whole; and what writes any file or folder whole."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..cards import CARD, is_own
from ..inference.loading import quiet_transformers
from ..modeling_lyra import LyraPreTrainedModel


def save_checkpoint(model: LyraPreTrainedModel, folder: Path) -> None:
    """Write all that `model.save_pretrained` does: weights, configuration, tokenizer, card and code.

    All files are written beside and then renamed: a folder that is there keeps its old files until the new ones are
    complete, and what breaks off leaves nothing half written.

    Args:
        model: the model.
        folder: the folder to write; other files in it stay, and a card that somebody wrote.
    """
    is_new = not folder.exists()
    beside = folder / ".saving"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with quiet_transformers():
            model.save_pretrained(beside)
        if is_own(folder):
            (beside / CARD).unlink()
        mode = (beside / "config.json").stat().st_mode
        for path in beside.iterdir():
            path.chmod(mode)  # safetensors are written for their owner alone
            path.replace(folder / path.name)
        beside.rmdir()
    except BaseException:
        shutil.rmtree(folder if is_new else beside, ignore_errors=True)
        raise


def write_text(path: Path, content: str) -> None:
    """Write a text as `write_bytes` does."""
    write_bytes(path, content.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside and rename it, so that it is never there in half."""
    beside = path.with_name(path.name + ".saving")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """An empty folder beside one that is to be written, to be renamed when it is complete.

    When the work is over it is gone, if it was not renamed; and if that failed, so are the parents that were made for
    it. What a program that was killed has left there is cleared by the next.
    """
    made = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.saving")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        with suppress(OSError):  # somebody has put something there meanwhile
            for parent in made:
                parent.rmdir()
        raise
    shutil.rmtree(beside, ignore_errors=True)
