"""Writes the folder of a checkpoint, each of its files whole."""

import shutil
from pathlib import Path

from ..inference.loading import quiet_transformers
from ..modeling_lyra import LyraPreTrainedModel
from ..tokenization_lyra import build_tokenizer


def save_checkpoint(model: LyraPreTrainedModel, folder: Path, further: dict[str, str] | None = None) -> None:
    """Write a model's weights, configuration and tokenizer, and further files of text.

    All files are written beside and then renamed: a folder that is there keeps its old files until the new ones are
    complete, and what breaks off leaves nothing half written.

    Args:
        model: the model.
        folder: the folder to write; other files in it stay.
        further: names and contents of further files.
    """
    is_new = not folder.exists()
    beside = folder / ".saving"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        with quiet_transformers():
            model.save_pretrained(beside)
            build_tokenizer(model.config.alphabet).save_pretrained(beside)
        for name, content in (further or {}).items():
            (beside / name).write_text(content, encoding="utf-8")
        mode = (beside / "config.json").stat().st_mode
        for path in beside.iterdir():
            path.chmod(mode)  # safetensors are written for their owner alone
            path.replace(folder / path.name)
        beside.rmdir()
    except BaseException:
        shutil.rmtree(folder if is_new else beside, ignore_errors=True)
        raise
