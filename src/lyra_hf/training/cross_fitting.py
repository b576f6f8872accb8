"""What models that have not seen the training rows predict for them.

Where rows come in groups (stretches of a protein, tiles of a transcript), the validation rows are of a few groups only,
and how large errors are in those says little of others. So the training rows are cut into pieces, each row's neighbours
in the table beside it, and each piece is predicted by a model that learned from all else (Barber, Candès, Ramdas &
Tibshirani 2021, "Predictive Inference with the Jackknife+", section 3).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from accelerate import PartialState
from safetensors.numpy import load_file, save_file

from ..inference.predictor import Predictor
from ..inference.results import FloatArray
from ..modeling_lyra import LyraPreTrainedModel
from .data import Rows

_PREDICTIONS = "logits"


def cross_fitted(
    rows: Rows, always: Rows, pieces: int, train: Callable[[Rows, Path], LyraPreTrainedModel], folder: Path
) -> FloatArray:
    """Predictions (n, O) for the rows, of a head per residue for their residues one behind the other.

    Args:
        rows: those to predict.
        always: others, which all models learn from.
        pieces: into how many the rows are cut, as they follow each other.
        train: gives a model that learned from some rows; it may keep what it needs to go on in a folder.
        folder: where predictions are kept until all are there, so that work that was broken off goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = len(rows.encoded)
    parts = []
    for number, piece in enumerate(np.array_split(np.arange(count), min(pieces, count))):
        path = folder / f"{number}.safetensors"
        if not path.is_file():
            is_left_out = np.isin(np.arange(count), piece)
            model = train(Rows.concatenated([rows.filter(~is_left_out), always]), folder / str(number))
            predictions = Predictor(model).predict_encoded(rows.filter(is_left_out).encoded)
            if PartialState().is_main_process:
                unfinished = path.with_suffix(".unfinished")
                save_file({_PREDICTIONS: predictions.logits}, unfinished)
                unfinished.replace(path)
            PartialState().wait_for_everyone()
        parts.append(load_file(path)[_PREDICTIONS])
    return np.concatenate(parts)
