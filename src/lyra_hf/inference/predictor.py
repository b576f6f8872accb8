"""The prediction engine: any number of sequences in, one result each out, in order."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from ..errors import UserError
from ..modeling_lyra import LyraForTokenClassification, LyraPreTrainedModel
from ..tokenization_lyra import SequenceEncoder, pad_ids
from .loading import choose_device, load_model

# Sequences taken from an iterable at once, to be sorted by length; bounds the memory for inputs.
_WINDOW = 16_384
# Letters in a batch, padding included; bounds the memory for activations.
_LETTERS_PER_BATCH = 131_072


class Fault(NamedTuple):
    """A sequence that a model cannot read."""

    row: int
    problem: str


class Predictor:
    """Scores sequences with a model.

    Args:
        model: a shipped name ("lyra-cas9"), a folder, or a model.
        device: where to compute; a GPU if there is one, unless told.
        batch_size: most sequences in a batch; chosen by length unless told.

    Raises:
        UserError: the model cannot be loaded, or there is no such device.
    """

    def __init__(
        self,
        model: str | Path | LyraPreTrainedModel,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size must be at least 1, not {batch_size}")
        if isinstance(model, str | Path):
            model = load_model(str(model))
            self.device = choose_device(device)
        else:
            self.device = model.device if device is None else choose_device(device)
        self.model = model.to(self.device).eval()
        self.config = self.model.config
        self.encoder = SequenceEncoder(self.config.alphabet)
        self.batch_size = batch_size
        self.per_residue = isinstance(self.model, LyraForTokenClassification)

    def __call__(self, sequences: Iterable[str]) -> npt.NDArray[np.float32] | list[npt.NDArray[np.float32]]:
        """Score sequences.

        Returns:
            For a head per sequence an array (N,), or (N, outputs) where there are several; for a head per residue a
            list of N arrays (L,) or (L, outputs). Regression is in the labels' own units, classes are logits.

        Raises:
            UserError: a single text is given, a sequence is empty, or, for a model of pairs, has an odd number of
                letters.
        """
        if isinstance(sequences, str):
            raise UserError("give a list of sequences, not a single text: predictor([sequence])")
        results: list[npt.NDArray[np.float32]] = []
        remaining = iter(sequences)
        while window := list(islice(remaining, _WINDOW)):
            encoded = self.encoder.encode_all(window)
            fault = self.find_fault(window, encoded, unknown_letters=False)
            if fault is not None:
                raise UserError(f"sequence {len(results) + fault.row + 1}: {fault.problem}")
            results += self.predict_encoded(encoded)
        if self.per_residue:
            return results
        outputs = self.config.num_labels
        return np.stack(results) if results else np.zeros((0, outputs) if outputs > 1 else 0, dtype=np.float32)

    def check_pairs(self, pair_column: str | None) -> None:
        """Refuse a second column for a model of single sequences, and its absence for a model of pairs.

        Raises:
            UserError: the model and the columns do not fit.
        """
        if pair_column is not None and not self.config.pair_input:
            raise UserError("the model takes no pairs of sequences; leave --pair-column out")
        if pair_column is None and self.config.pair_input:
            raise UserError("the model takes pairs of sequences; name the column of the second ones with --pair-column")

    def find_fault(
        self, sequences: Sequence[str], encoded: Sequence[npt.NDArray[np.uint8]], *, unknown_letters: bool = True
    ) -> Fault | None:
        """The first sequence that the model cannot read, or None.

        Args:
            sequences: the texts.
            encoded: their token ids.
            unknown_letters: whether a letter outside the alphabet counts as a fault.
        """
        for index, (sequence, ids) in enumerate(zip(sequences, encoded, strict=True)):
            problem = sequence_problem(self.encoder, sequence, ids, unknown_letters=unknown_letters)
            if problem is None and self.config.pair_input and ids.size % 2:
                problem = f"{ids.size} letters cannot be a pair of equal length"
            if problem is not None:
                return Fault(index, problem)
        return None

    @torch.inference_mode()
    def predict_encoded(self, encoded: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.float32]]:
        """Results of sequences given as token ids, in order: (outputs,) or () each, per residue (L, outputs) or
        (L,).
        """
        results: list[npt.NDArray[np.float32]] = [np.empty(0, dtype=np.float32)] * len(encoded)
        for indices in self._batches([ids.size for ids in encoded]):
            input_ids = torch.from_numpy(pad_ids([encoded[index] for index in indices])).to(self.device)
            logits = self.model(input_ids).logits.float().cpu().numpy()
            if logits.shape[-1] == 1:
                logits = logits[..., 0]
            for row, index in zip(logits, indices, strict=True):
                length = encoded[index].size // (2 if self.config.pair_input else 1)
                results[index] = row[:length].copy() if self.per_residue else row
        return results

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Indices in batches of like length."""
        batch: list[int] = []
        for index in np.argsort(lengths, kind="stable")[::-1].tolist():
            # The first of a batch is its longest.
            letters = (len(batch) + 1) * max(1, lengths[batch[0]] if batch else lengths[index])
            if batch and (letters > _LETTERS_PER_BATCH or len(batch) == self.batch_size):
                yield batch
                batch = []
            batch.append(index)
        if batch:
            yield batch


def sequence_problem(
    encoder: SequenceEncoder, sequence: str, ids: npt.NDArray[np.uint8], *, unknown_letters: bool = True
) -> str | None:
    """What keeps a sequence from being read, or None."""
    if ids.size == 0:
        return "the sequence is empty"
    if unknown_letters:
        unknown = encoder.first_unknown(sequence) if encoder.has_unknown(ids) else None
        if unknown is not None:
            position, letter = unknown
            alphabet = encoder.alphabet
            return (
                f"the letter {letter!r} at position {position} is not in the {alphabet.name} alphabet "
                f"({alphabet.letters}{', ambiguity codes ' if alphabet.ambiguity else ''}{''.join(alphabet.ambiguity)})"
            )
    return None
