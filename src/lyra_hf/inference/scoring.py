"""What the engine scores, in the labels' units: batches on one strand or both, and long sequences as streams."""

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..alphabets import get_alphabet
from .engine import LyraEngine
from .graphs import GraphedFunction
from .results import FloatArray
from .streaming import Stream
from .tables import Table
from .workers import Workers


class Scorer:
    """Scores with one engine.

    Outputs have a first dimension S: of a single model 1; of an ensemble 2, the members' mean and their spread, the
    standard deviation over them.

    Args:
        engine: the model.
        workers: what computes the blocks of long sequences.
        block_length: letters in a block of a long sequence; what has no more is not streamed.
    """

    def __init__(self, engine: LyraEngine, workers: Workers, block_length: int) -> None:
        self.engine, self.workers, self.block_length = engine, workers, block_length
        self.both_strands: bool = engine.config.reverse_complement
        # On a GPU, for each table; which one it is decides the way that a batch takes.
        self._graphs: dict[Table, GraphedFunction] | None = {} if engine.device.type == "cuda" else None

    def batch(self, ids: Tensor, lengths: Tensor | None = None) -> FloatArray:
        """Outputs (S, B, O), per residue (S, B, at least L, O), of token ids padded on the right.

        Args:
            ids: the sequences (B, L), of pairs (2, B, L).
            lengths: (B,), or None where there is no padding.
        """
        scores = self._scores(ids, lengths)
        if self.both_strands:
            # Read from its end, a row would begin with its padding: each is turned round by itself.
            length = ids.shape[1]
            last = (length if lengths is None else lengths.unsqueeze(1)) - 1
            turned = (last - torch.arange(length)).remainder(length).expand(ids.shape)  # (B, L)
            other = self._scores(self.complement(ids).gather(1, turned), lengths)
            if self.engine.per_residue:
                index = turned.to(other.device)[None, :, :, None].expand(other.shape[0], -1, -1, other.shape[3])
                scores, other = scores[:, :, :length], other.gather(2, index)
            scores = (scores + other) / 2
        return self._outputs(scores)

    def long(self, ids: Tensor, out: FloatArray) -> None:
        """Put the outputs of a long sequence (L,), or a pair (2, L), into `out` (S, 1, O), per residue (S, L, O)."""
        strands = [ids, self.complement(ids).flip(0)] if self.both_strands else [ids]
        streams = [Stream(self.engine, strand, self.workers, self.block_length) for strand in strands]
        if not self.engine.per_residue:
            out[:] = self._outputs(torch.stack([stream.sequence_scores() for stream in streams]).mean(0))
        elif self.both_strands:
            one, other = (torch.cat(list(stream.residue_scores()), dim=1) for stream in streams)
            out[:] = self._outputs((one + other.flip(1)) / 2)
        else:
            done = 0
            for scores in streams[0].residue_scores():
                out[:, done : done + scores.shape[1]] = self._outputs(scores)
                done += scores.shape[1]

    def complement(self, ids: Tensor) -> Tensor:
        """The complements of token ids (uint8, on the CPU, at least one)."""
        partner = get_alphabet(self.engine.config.alphabet).complement_ids
        table = bytes(partner) + bytes(256 - len(partner))
        turned = bytearray(ids.contiguous().numpy().data).translate(table)  # a byte a letter, however long it is
        return torch.frombuffer(turned, dtype=torch.uint8).view(ids.shape)

    def _scores(self, ids: Tensor, lengths: Tensor | None) -> Tensor:
        table = self.engine.table_for(ids)
        if self._graphs is None or lengths is not None:
            return self._compute(table, ids, lengths)
        if table not in self._graphs:
            self._graphs[table] = GraphedFunction(partial(self._compute, table))
        return self._graphs[table](ids.to(self.engine.device))

    def _compute(self, table: Table, ids: Tensor, lengths: Tensor | None = None) -> Tensor:
        return self.engine.scores(self.engine.lay_out(table, ids, lengths))

    def _outputs(self, scores: Tensor) -> FloatArray:
        """The outputs (S, ..., O), in the labels' units, from the members' scores (M, ..., O)."""
        with torch.inference_mode():
            outputs = self.engine.in_units(scores)
            if len(outputs) > 1:
                outputs = torch.stack([outputs.mean(0), outputs.std(0, correction=0)])
            found: np.ndarray[Any, np.dtype[np.float32]] = outputs.float().cpu().numpy()
        return found
