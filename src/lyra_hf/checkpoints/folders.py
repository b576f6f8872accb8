"""Writes the folder of a checkpoint, each of its files whole."""

import shutil
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
    """Write a file beside and rename it, so that it is never there in half."""
    beside = path.with_name(path.name + ".saving")
    beside.write_text(content, encoding="utf-8")
    beside.replace(path)
