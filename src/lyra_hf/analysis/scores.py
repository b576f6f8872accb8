"""The one number that a model gives a sequence, which scans and epistasis compare between mutants."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..alphabets import get_alphabet
from ..errors import UserError
from ..inference.encoding import EncodedSequences, find_fault
from ..inference.predictor import Predictor
from ..inference.results import Predictions, output_index, output_names, problem_type
from ..modeling_lyra import LyraPreTrainedModel

Ids = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# Letters of mutants that are scored at a time: enough to fill all cores or a GPU, and few enough to show progress.
LETTERS_AT_ONCE = 1 << 20
_OUTPUTS_AT_ONCE = 1 << 22  # of a head per residue


class Scores(NamedTuple):
    """Scores of N sequences.

    Attributes:
        value: (N,), in the labels' units, or log-odds.
        lower: (N,), of a regression with intervals, at 90 %; None of others.
        upper: the same.
        sd: (N,), of a regression by an ensemble: the standard deviation over its members; None of others.
    """

    value: Floats
    lower: Floats | None = None
    upper: Floats | None = None
    sd: Floats | None = None


class SequenceScore:
    """One number for each sequence, and what it is.

    A regression gives its prediction. A class gives its log-odds, the logarithm of p / (1 - p), on which effects add up
    where probabilities saturate. A head per residue gives the mean over the positions of what it gives for each.

    Args:
        model: a shipped name, a folder, a model or a predictor.
        output: the name of the output, of a model with several; of two classes the second unless told.
        device: where to compute, unless `model` is a predictor.

    Attributes:
        predictor: what computes.
        alphabet: the model's.
        column: what tables call the number: "prediction" or "log_odds".
        quantity: the number in words.

    Raises:
        UserError: the model cannot be loaded, or has no such output, or several of which none is told.
    """

    def __init__(
        self,
        model: str | Path | LyraPreTrainedModel | Predictor,
        output: str | None = None,
        device: str | None = None,
    ) -> None:
        self.predictor = model if isinstance(model, Predictor) else Predictor(model, device)
        config = self.predictor.config
        self.alphabet = get_alphabet(config.alphabet)
        names = output_names(config)
        self._kind = problem_type(config)
        if output is not None:
            self._index = output_index(config, output)
        elif len(names) == 1:
            self._index = 0
        elif len(names) == 2 and self._kind == "single_label_classification":
            self._index = 1
        else:
            raise UserError(f"the model has several outputs; name one (--label): {', '.join(names)}")
        is_regression = self._kind == "regression"
        self.column = "prediction" if is_regression else "log_odds"
        self.quantity = names[self._index] if is_regression else f"log-odds of {names[self._index]}"
        if self.predictor.per_residue:
            self.quantity = f"mean over positions of {self.quantity}"

    def read(self, sequence: str) -> Ids:
        """Token ids (L,) of a sequence; of a pair, the letters of one and then of the other.

        Raises:
            UserError: it is empty, has a letter that is not in the alphabet, or cannot be a pair.
        """
        encoder, config = self.predictor.encoder, self.predictor.config
        encoded = EncodedSequences.from_list([encoder.encode(sequence)])
        fault = find_fault(
            encoder, encoded, lambda row: sequence, pair_input=config.pair_input, pair_context=config.pair_context
        )
        if fault is not None:
            raise UserError(fault.problem)
        return encoded[0]

    def second_part(self, length: int) -> int | None:
        """Where the second sequence of a pair of so many letters begins, from 0; None of models of single ones."""
        config = self.predictor.config
        return length // 2 + config.pair_context if config.pair_input else None

    def at_once(self, length: int) -> int:
        """How many sequences of a length are to be scored at a time, for memory to stay bounded."""
        outputs = self.predictor.config.num_labels
        per_residue = _OUTPUTS_AT_ONCE // outputs if self.predictor.per_residue else LETTERS_AT_ONCE
        return max(1, min(per_residue, LETTERS_AT_ONCE) // length)

    def __call__(self, ids: Ids) -> Scores:
        """Scores of token ids (N, L)."""
        count, length = ids.shape
        offsets = np.arange(count + 1, dtype=np.int64) * length
        return self._scores(self.predictor.predict_encoded(EncodedSequences(ids.reshape(-1), offsets)))

    def values(self, ids: Ids) -> Floats:
        """The numbers (N,) alone."""
        return self(ids).value

    def _scores(self, predictions: Predictions) -> Scores:
        logits = predictions.logits.astype(np.float64)
        if self._kind == "single_label_classification":
            others = np.delete(logits, self._index, axis=1)
            value = logits[:, self._index] - np.logaddexp.reduce(others, axis=1)
        else:
            value = logits[:, self._index]
        if predictions.offsets is not None:
            return Scores(np.add.reduceat(value, predictions.offsets[:-1]) / np.diff(predictions.offsets))
        if self._kind != "regression":
            return Scores(value)
        further = (predictions.lower, predictions.upper, predictions.spread)
        columns = (None if part is None else part[:, self._index].astype(np.float64) for part in further)
        return Scores(value, *columns)
