"""Scores any number of sequences: plans batches, has them computed side by side, and puts the results in order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..alphabets import get_alphabet
from ..errors import UserError, as_user_error
from ..intervals import LEVEL, level_index
from ..modeling_lyra import LyraForSequenceClassification, LyraForTokenClassification, LyraPreTrainedModel
from ..precision import identical
from ..tokenization_lyra import SequenceEncoder
from .batching import Batches, Indices, Rows
from .encoding import EncodedSequences, encode_texts, find_fault, offsets_of
from .engine import LyraEngine
from .loading import choose_device, load_model
from .results import FloatArray, Predictions
from .scoring import Scorer
from .workers import Workers

# Sequences taken from an iterable at once, to be sorted by length; bounds the memory for inputs.
_WINDOW = 65_536
# Letters in a batch, padding included: what a thread computes without another's help, and what fills a GPU.
_LETTERS_PER_BATCH = {"cpu": 131_072, "cuda": 1 << 20}
# Letters in a block of a long sequence, of which segments make the products large enough.
_LETTERS_PER_BLOCK = {"cpu": 16_384, "cuda": 1 << 18}


@dataclass(frozen=True)
class WindowScores:
    """Scores of the windows along a sequence.

    Attributes:
        window: letters in a window.
        stride: letters from the start of one window to that of the next.
        forward: (N,) or (N, outputs), scores of the windows as they stand, from the start of the sequence on.
        reverse: the same of the windows' reverse complements; None where the alphabet has no complements.
        forward_spread: of an ensemble, whose mean the scores are, the standard deviation over its members; of a single
            model None.
        reverse_spread: the same of `reverse`.
    """

    window: int
    stride: int
    forward: FloatArray
    reverse: FloatArray | None
    forward_spread: FloatArray | None = None
    reverse_spread: FloatArray | None = None

    @property
    def starts(self) -> npt.NDArray[np.int64]:
        """Where each window begins, from 0, in letters (white space is none): (N,)."""
        return np.arange(len(self.forward), dtype=np.int64) * self.stride


class Predictor:
    """Scores sequences with a model.

    Args:
        model: a shipped name ("lyra-cas9"), a folder, or a model.
        device: where to compute; a GPU if there is one, unless told.
        batch_size: most sequences in a batch; chosen by length unless told.
        level: the share of labels that intervals shall hold, of a model that has them.

    Raises:
        UserError: the model cannot be loaded, there is no such device, or the level is not above 0 and below 1.
    """

    def __init__(
        self,
        model: str | Path | LyraPreTrainedModel,
        device: str | torch.device | None = None,
        batch_size: int | None = None,
        level: float = LEVEL,
    ) -> None:
        with as_user_error():
            level_index(level)
        if batch_size is not None and batch_size < 1:
            raise UserError(f"batch_size must be at least 1, not {batch_size}")
        if isinstance(model, str | Path):
            model = load_model(str(model))
            self.device = choose_device(device)
        else:
            self.device = model.device if device is None else choose_device(device)
        if not isinstance(model, LyraForSequenceClassification | LyraForTokenClassification):
            raise UserError(f"a {type(model).__name__} has no head to predict with")
        self.model = model.to(self.device).eval()
        self.level = level
        self.config = self.model.config
        self.encoder = SequenceEncoder(self.config.alphabet)
        self.per_residue = isinstance(self.model, LyraForTokenClassification)
        self._workers = Workers(torch.get_num_threads() if self.device.type == "cpu" else 1)
        self._batches = Batches(batch_size, _by_device(_LETTERS_PER_BATCH, self.device), self._workers.threads)
        self._scores: Scorer | None = None
        self._snapshot: list[Tensor] = []

    def __call__(self, sequences: Iterable[str]) -> FloatArray | list[FloatArray]:
        """Score sequences.

        Returns:
            For a head per sequence an array (N,), or (N, outputs) where there are several; for a head per residue a
            list of N arrays (L,) or (L, outputs). Regression is in the labels' own units, classes are logits. Of an
            ensemble the members' mean; `predict_encoded` tells how far they are apart, too.

        Raises:
            UserError: a single text is given, a sequence is empty, or, for a model of pairs, has an odd number of
                letters.
        """
        if isinstance(sequences, str):
            raise UserError("give a list of sequences, not a single text: predictor([sequence])")
        parts: list[FloatArray] = []
        results: list[FloatArray] = []
        remaining = iter(sequences)
        rows = 0
        while window := list(islice(remaining, _WINDOW)):
            encoded = encode_texts(self.encoder, window)
            fault = find_fault(
                self.encoder,
                encoded,
                window.__getitem__,
                pair_input=self.config.pair_input,
                pair_context=self.config.pair_context,
                unknown_letters=False,
            )
            if fault is not None:
                raise UserError(f"sequence {rows + fault.row + 1}: {fault.problem}")
            predictions = self.predict_encoded(encoded)
            if self.per_residue:
                results += predictions.per_sequence()
            else:
                parts.append(predictions.logits)
            rows += len(window)
        if self.per_residue:
            return results
        return self._without_single_output(np.concatenate([np.empty((0, self.config.num_labels), np.float32), *parts]))

    def check_pairs(self, pair_column: str | None) -> None:
        """Refuse a second column for a model of single sequences, and its absence for a model of pairs.

        Raises:
            UserError: the model and the columns do not fit.
        """
        if pair_column is not None and not self.config.pair_input:
            raise UserError("the model takes no pairs of sequences; leave --pair-column out")
        if pair_column is None and self.config.pair_input:
            raise UserError("the model takes pairs of sequences; name the column of the second ones with --pair-column")

    def predict_encoded(self, encoded: EncodedSequences) -> Predictions:
        """Outputs of sequences given as token ids, in order."""
        with torch.autocast(self.device.type, enabled=False):
            return self._predict(encoded)

    def _predict(self, encoded: EncodedSequences) -> Predictions:
        scorer = self._scorer()
        rows = Rows(encoded, pairs=self.config.pair_input, context=self.config.pair_context)
        offsets = offsets_of(rows.lengths) if self.per_residue else None
        total = len(encoded) if offsets is None else int(offsets[-1])
        results = self._room(total)

        def predict(chosen: Indices) -> None:
            outputs = scorer.batch(*rows.padded(chosen))
            if offsets is None:
                results[:, chosen] = outputs
                return
            for place, index in enumerate(chosen.tolist()):
                results[:, offsets[index] : offsets[index + 1]] = outputs[:, place, : rows.lengths[index]]

        scorer.engine.expect(int(rows.lengths.sum()))
        is_long = rows.lengths > scorer.block_length
        self._run(predict, self._batches.plan(rows.lengths, np.flatnonzero(~is_long)))
        for index in np.flatnonzero(is_long).tolist():
            place = slice(index, index + 1) if offsets is None else slice(offsets[index], offsets[index + 1])
            scorer.long(rows.one(index), results[:, place])
        means, spread = _means_and_spread(results)
        return Predictions(means, offsets, spread, *self._ends(means))

    def scan(self, sequence: str, window: int, stride: int = 1) -> WindowScores:
        """Score every window of a long sequence, on both strands where the alphabet has complements.

        Args:
            sequence: the sequence, a chromosome perhaps.
            window: letters in a window, 30 for a guide with its context.
            stride: letters from one window's start to the next.

        Raises:
            UserError: the sequence is shorter than the window, a number is below 1, or the model does not give one
                result per sequence of one kind (a head per residue, a model of pairs).
        """
        if self.per_residue:
            raise UserError("the model scores each residue; call it with the whole sequence: predictor([sequence])")
        if self.config.pair_input:
            raise UserError("the model takes pairs of sequences, and a window is a single one")
        if window < 1 or stride < 1:
            raise UserError(f"window and stride must be at least 1, not {window} and {stride}")
        ids = encode_texts(self.encoder, [sequence]).ids
        if ids.size < window:
            raise UserError(f"a window of {window:,} letters is longer than the sequence, which has {ids.size:,}")
        scorer = self._scorer()
        letters = torch.from_numpy(ids)
        strands = [letters.unfold(0, window, stride)]  # (N, window) each, views
        complements = get_alphabet(self.config.alphabet).complements
        if complements and not self.config.reverse_complement:
            strands.append(scorer.complement(letters).unfold(0, window, stride))
        count = len(strands[0])
        scores = self._room(len(strands), count)

        def predict(chosen: Indices) -> None:
            for strand, windows in enumerate(strands):
                part = windows[chosen[0] : chosen[-1] + 1]
                scores[:, strand, chosen] = scorer.batch(part.flip(1) if strand else part)

        scorer.engine.expect(len(strands) * count * window)
        with torch.autocast(self.device.type, enabled=False):
            self._run(predict, self._batches.plan_windows(count, window))
        # A model that averages over the strands scores both alike.
        results = self._without_single_output(scores)  # (S, strands, N)
        forward, forward_spread = _means_and_spread(results[:, 0])
        reverse, reverse_spread = _means_and_spread(results[:, -1]) if complements else (None, None)
        return WindowScores(window, stride, forward, reverse, forward_spread, reverse_spread)

    def _scorer(self) -> Scorer:
        """What scores with the model's present weights."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        if self._scores is None or not all(map(identical, tensors, self._snapshot)):
            engine = LyraEngine(self.model.members(), self.device)
            self._scores = Scorer(engine, self._workers, _by_device(_LETTERS_PER_BLOCK, self.device))
            self._snapshot = [tensor.detach().clone() for tensor in tensors]
        return self._scores

    @torch.inference_mode()
    def _ends(self, means: FloatArray) -> tuple[FloatArray | None, FloatArray | None]:
        """The ends of the intervals around predictions (rows, outputs), of a model that has them."""
        head = self.model.classifier
        if head.intervals is None:
            return None, None
        lower, upper = np.empty_like(means), np.empty_like(means)
        for start in range(0, len(means), _WINDOW):
            piece = slice(start, start + _WINDOW)
            predictions = torch.from_numpy(means[piece]).to(self.device)
            ends = head.intervals(predictions, head.label_scale, self.level)
            lower[piece], upper[piece] = (end.float().cpu().numpy() for end in ends)
        return lower, upper

    def _run(self, predict: Callable[[Indices], None], batches: Iterator[Indices]) -> None:
        """Predict some rows, batch by batch."""
        for _ in self._workers.map(self._batches.halving(predict), batches):
            pass

    def _room(self, *shape: int) -> FloatArray:
        """An array for what a `Scorer` gives: (S, ..., outputs)."""
        return np.empty((min(self.config.ensemble_size, 2), *shape, self.config.num_labels), dtype=np.float32)

    def _without_single_output(self, outputs: FloatArray) -> FloatArray:
        return outputs[..., 0] if self.config.num_labels == 1 else outputs


def _means_and_spread(results: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """What a `Scorer` gives (S, ...), apart: the outputs, and of an ensemble their spread."""
    return results[0], results[1] if len(results) > 1 else None


def _by_device(numbers: dict[str, int], device: torch.device) -> int:
    return numbers.get(device.type, numbers["cpu"])
