"""Lyra for prediction: the same function as the model's, computed with tables, folded weights and carried states.

The engine takes a snapshot of trained weights and rearranges the work:

- `front`: everything before the first S4D layer is looked up in tables over k-mers;
- `state_space`: the convolution, both directions, skip and norm weight in one matrix product per channel, with states
  carried between segments where sequences are long;
- channels come first throughout, positions before sequences, so that nothing is ever transposed;
- several models of one shape are computed together, as one more dimension of every product.

Letters in shapes: M members, H hidden_size, O outputs, B sequences, L length, R letters that reach in from either side,
Q positions per segment, G segments per sequence.
"""

import copy
import sys
from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..alphabets import PAD_ID
from ..modeling_lyra import LyraForTokenClassification, LyraPooler, LyraPreTrainedModel, LyraS4DLayer
from .front import Front
from .gates import normalize
from .pooling import AttentionPool, LastPool, MaxPool, MeanPool, Partial, Pool, PositionPool, concatenated
from .prefixes import PrefixSums, prefix_letters
from .results import problem_type
from .state_space import SEGMENT_LENGTH, Carry, StateSpace, absorb, emit, segment_length
from .tables import LETTERS_BEFORE_LARGE_TABLES, KmerTable, Table

# Letters that go through the layers together on a CPU: as many as its caches hold the activations of.
_LETTERS_AT_ONCE = 4096

# For each direction of a layer, given what its segments add, the state (M * H, B, N/2) that came before them.
Initial = Callable[[int, list[Carry]], Sequence[Tensor | None]]


class Batch(NamedTuple):
    """Sequences laid out for the engine, segments before sequences.

    Attributes:
        table: the table of what its letters give.
        codes: (Q + 2 R - k + 1, G, B), rows of the table.
        is_letter: (Q + 2 R, G, B): row p of a segment is its letter p - R; false outside the sequence.
        mask: (Q, G, B), 1 at letters and 0 at padding; None where there is none.
        lengths: (B,) letters of each sequence.
        ids: (B, L) their token ids, padded on the right, of pairs (2, B, L).
        start: letters of the sequences before these, if they are blocks of longer ones.
    """

    table: Table
    codes: Tensor
    is_letter: Tensor
    mask: Tensor | None
    lengths: Tensor
    ids: Tensor
    start: int = 0

    def split(self, size: int) -> "list[Batch]":
        """Batches of `size` sequences, and one of the rest."""
        if len(self.lengths) <= size:
            return [self]
        parts = [tensor.split(size, dim=-1) for tensor in (self.codes, self.is_letter, self.lengths)]
        masks = [None] * len(parts[0]) if self.mask is None else self.mask.split(size, dim=-1)
        codes, is_letter, lengths = parts
        rows = zip(codes, is_letter, masks, lengths, self.ids.split(size, dim=-2), strict=True)
        return [Batch(self.table, *part, self.start) for part in rows]


class Layer(NamedTuple):
    """One S4D layer of all members."""

    space: StateSpace
    mix_weight: Tensor  # (M, 2H, H)
    mix_bias: Tensor  # (M, 2H, 1)

    def mix(self, y: Tensor, columns: int) -> Tensor:
        """From the convolution's output (M * H, n) to what is added to the residual (M, H, n), `columns` at a time."""
        parts = [self._mix(part) for part in y.view(self.mix_weight.shape[0], -1, y.shape[-1]).split(columns, dim=-1)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _mix(self, y: Tensor) -> Tensor:
        y = torch.ops.aten.gelu_(y)  # in place, as nothing else needs y; the exact form, with erf
        z = torch.baddbmm(self.mix_bias, self.mix_weight, y.to(self.mix_weight.dtype))
        return F.glu(z, dim=1)


class LyraEngine:
    """A snapshot of trained models of one shape, ready to score.

    Args:
        models: the models with their heads, all of one configuration; one, or the members of an ensemble.
        device: where to compute; that of the models unless told.

    Attributes:
        per_residue: whether the heads score each position.
    """

    def __init__(self, models: Sequence[LyraPreTrainedModel], device: torch.device | None = None) -> None:
        self.config = models[0].config
        self.device = models[0].device if device is None else device
        self.dtype = torch.float64 if models[0].dtype == torch.float64 else torch.float32
        # Products with all channels are the bulk of the work; a GPU does them in half precision where the model is.
        mix_dtype = models[0].dtype if self.device.type != "cpu" else self.dtype
        self.per_residue = isinstance(models[0], LyraForTokenClassification)
        self.label_scales = [copy.deepcopy(model.classifier.label_scale).to(self.device) for model in models]

        exact = [copy.deepcopy(model).cpu().double().eval().requires_grad_(requires_grad=False) for model in models]
        self.front = Front([model.lyra for model in exact], self.device, self.dtype)
        stages = zip(*(model.lyra.layers for model in exact), strict=True)
        self.layers = [self._layer(stage, mix_dtype) for stage in stages]
        self.pool = self._pool([model.lyra.pooler for model in exact])
        heads = [model.classifier.linear for model in exact]
        self.head_weight = self._stack([head.weight for head in heads])  # (M, O, H)
        self.head_bias = self._stack([head.bias for head in heads]).unsqueeze(-1)  # (M, O, 1)
        site_weights = [getattr(model, "site_weights", None) for model in exact]  # heads per residue have none
        self.site_weights = [sites.to(self.device, self.dtype) for sites in site_weights if sites is not None]
        self._making = Lock()
        self._prefixes: dict[KmerTable, PrefixSums] = {}
        self._letters_at_once = _LETTERS_AT_ONCE if self.device.type == "cpu" else sys.maxsize
        # With one layer and a mean, what goes round the layer is a sum of the tables' rows.
        self._residual_is_a_sum = len(self.layers) == 1 and type(self.pool) is MeanPool and not self.per_residue

    def _stack(self, tensors: Sequence[Tensor], dtype: torch.dtype | None = None) -> Tensor:
        return torch.stack([tensor.detach() for tensor in tensors]).to(self.device, dtype or self.dtype)

    def _layer(self, members: Sequence[LyraS4DLayer], mix_dtype: torch.dtype) -> Layer:
        directions = [[member.convolution for member in members]]
        if self.config.bidirectional:
            backward = [member.backward_convolution for member in members]
            directions.append([convolution for convolution in backward if convolution is not None])
        scale = torch.cat([member.norm.weight.detach() for member in members])
        return Layer(
            StateSpace(directions, scale, self.device, self.dtype),
            self._stack([member.output_linear.weight for member in members], mix_dtype),
            self._stack([member.get_parameter("output_linear.bias") for member in members], mix_dtype).unsqueeze(-1),
        )

    def _pool(self, poolers: Sequence[LyraPooler]) -> Pool:
        weights = [pooler.attention.weight for pooler in poolers if pooler.attention is not None]
        if weights:
            return AttentionPool(self._stack(weights))
        of_positions = [pooler.position_weight for pooler in poolers if pooler.position_weight is not None]
        if of_positions:
            return PositionPool(self._stack(of_positions))
        pools: dict[str, Pool] = {"mean": MeanPool(), "max": MaxPool(), "last": LastPool()}
        return pools[self.config.pooling]

    def lay_out(
        self,
        table: Table,
        ids: Tensor,
        lengths: Tensor | None = None,
        around: tuple[Tensor, Tensor] | None = None,
        start: int = 0,
    ) -> Batch:
        """Lay out sequences.

        Args:
            table: one that knows all their letters, from `table_for`.
            ids: (B, L) token ids, uint8, padded on the right; of pairs (2, B, L).
            lengths: (B,), or None where no sequence has padding.
            around: what is before and after, (B, R) or of pairs (2, B, R) each, if the sequences are blocks of longer
                ones; nothing unless told.
            start: letters of these before the blocks.
        """
        reach = self.front.reach
        sequences, length = ids.shape[-2:]
        # The blocks of a longer sequence are cut alike, so that one set of operators serves them all.
        size = segment_length(length) if around is None else SEGMENT_LENGTH
        segments = -(-length // size)
        if around is None:
            around = (ids.new_full((*ids.shape[:-1], reach), PAD_ID),) * 2
        padding = ids.new_full((*ids.shape[:-1], segments * size - length), PAD_ID)
        wide = torch.cat([around[0], ids, around[1], padding], dim=-1).to(self.device)
        windows = wide.unfold(-1, size + 2 * reach, size)  # (..., B, L + 2R) -> (..., B, G, Q + 2R)
        windows = windows.transpose(-1, -3).contiguous()  # (..., Q + 2R, G, B)
        first, second = (windows[0], windows[1]) if self.config.pair_input else (windows, None)
        mask = None
        if lengths is None:
            lengths = torch.full((sequences,), length, device=self.device)
            padded = segments * size > length
        else:
            lengths, padded = lengths.to(self.device), True
        if padded:
            position = torch.arange(segments * size, device=self.device).view(segments, size).T  # (Q, G)
            mask = (position.unsqueeze(-1) < lengths).to(self.dtype)  # (Q, G, B)
        return Batch(table, table.codes(first, second), first != PAD_ID, mask, lengths, ids, start)

    def expect(self, letters: int) -> None:
        """Have so many letters more decide whether large tables are worth their making.

        Said before a job and not counted during it: the way that a sequence takes must not depend on which thread is
        first, or two runs would differ in their last digits.
        """
        self.front.letters_seen += letters

    def table_for(self, ids: Tensor) -> Table:
        """The deepest table that knows all of some token ids (uint8, on the CPU)."""
        return self.front.table_for(ids.numpy())

    def scores(self, batch: Batch) -> Tensor:
        """The heads' scores, before any label scale: (M, B, O), per residue (M, B, G * Q, O), anything at padding."""
        if self.per_residue:
            return torch.cat([self.residue_scores(part) for part in self._parts(batch)], dim=1)
        return self.sequence_scores(self.pooled(batch), batch.lengths, batch.ids)

    def sequence_scores(self, pooled: Partial, lengths: Tensor, ids: Tensor) -> Tensor:
        """The heads' scores (M, B, O) of whole sequences.

        Args:
            pooled: what the pool has of them.
            lengths: (B,) their letters.
            ids: (B, L) token ids, padded on the right, of pairs (2, B, L).
        """
        scores = self.head(self.pool.finish(pooled, lengths).to(self.dtype)).transpose(1, 2)
        return scores + self.site_scores(ids) if self.site_weights else scores

    def site_scores(self, ids: Tensor) -> Tensor:
        """What the members' site weights give token ids (B, L), padded on the right, of pairs (2, B, L): (M, B, O)."""
        ids = ids[..., : self.config.num_positions].to(self.device)  # nothing further on has a weight
        first, second = (ids[0], ids[1]) if self.config.pair_input else (ids, None)
        return torch.stack([sites(first, second, first != PAD_ID) for sites in self.site_weights])

    def _parts(self, batch: Batch) -> list[Batch]:
        """A batch in as many sequences at a time as the caches hold the activations of."""
        positions = batch.is_letter[..., 0].numel()
        return batch.split(max(1, self._letters_at_once // positions))

    def pooled(self, batch: Batch, initial: Initial | None = None) -> Partial:
        """What the pool has of the vectors of a batch."""
        table, parts = batch.table, self._parts(batch)
        if not (self._residual_is_a_sum and isinstance(table, KmerTable) and table.is_whole):
            partials = [
                self.pool.partial(self.hidden(part, initial), part.mask, part.lengths, part.start) for part in parts
            ]
            return concatenated(partials)
        prefixes = self._prefixes_for(batch) if initial is None else None
        skip = prefixes.positions if prefixes is not None else 0
        partials = []
        for part in parts:
            u = self.front.look_up(table.normed, part.codes)  # (M, H, Q, G, B)
            partials.append(self.pool.partial(self.change(0, u, initial, skip), part.mask, part.lengths))
        changes = concatenated(partials)
        # A bag for each segment: it adds one row after the other, and long sums would lose digits.
        rows = batch.codes.permute(2, 1, 0)  # (B, G, Q)
        bags = F.embedding_bag(rows.flatten(0, 1), table.hidden_rows, mode="sum")  # (B * G, M * H)
        sums = bags.view(*rows.shape[:2], -1).sum(1)  # (B, M * H)
        if prefixes is not None:
            sums += prefixes(batch.codes)
        return Partial(changes.vectors + sums.T.reshape(changes.vectors.shape))

    def _prefixes_for(self, batch: Batch) -> PrefixSums | None:
        """The sums over the first positions, if they hold for a batch and are worth their making."""
        table = batch.table
        positions, segments, _ = batch.codes.shape
        if self.config.bidirectional or not isinstance(table, KmerTable) or batch.mask is not None or segments > 1:
            return None
        letters = prefix_letters(table)
        if not self.front.reach < letters < positions or self.front.letters_seen < LETTERS_BEFORE_LARGE_TABLES:
            return None
        with self._making:
            if table not in self._prefixes:

                def change(codes: Tensor) -> Tensor:
                    return self.change(0, self.front.look_up(table.normed, codes), None)

                self._prefixes[table] = PrefixSums(table, self.front.reach, change)
            return self._prefixes[table]

    def hidden(self, batch: Batch, initial: Initial | None = None, layers: int | None = None) -> Tensor:
        """The vectors (M, H, Q, G, B) after some S4D layers, all unless told; anything at padding."""
        hidden = self.front.hidden(batch.table, batch.codes, batch.is_letter)
        for index in range(len(self.layers) if layers is None else layers):
            hidden = self.change(index, self.layer_input(hidden, batch), initial).add_(hidden)
        return hidden

    def layer_input(self, hidden: Tensor, batch: Batch) -> Tensor:
        """What a layer convolves: vectors (M, H, Q, G, B) with a root mean square of 1, zero at padding."""
        u = normalize(hidden, self.config.rms_norm_eps)
        # Not multiplied: without an epsilon the norm of nothing is not a number.
        return u if batch.mask is None else u.masked_fill_(batch.mask == 0, 0)

    def change(self, index: int, u: Tensor, initial: Initial | None, skip: int = 0) -> Tensor:
        """What layer `index` adds to its residual: (M, H, Q - skip, G, B) from its input (M, H, Q, G, B).

        Args:
            index: the layer.
            u: its input.
            initial: what came before, if the batch is a block of a longer sequence.
            skip: first positions whose output is not wanted, of sequences of one segment.
        """
        layer = self.layers[index]
        positions, segments, sequences = u.shape[2:]
        rows = u.view(-1, positions, segments * sequences)  # (M * H, Q, G * B)
        if segments == 1 and initial is None:
            y = torch.bmm(layer.space.whole(positions)[:, skip:], rows)
        else:
            operators = layer.space.operators(positions)
            carries = absorb(rows, operators, sequences)
            before = [None] * len(carries) if initial is None else initial(index, carries)
            y = emit(torch.bmm(operators.inside, rows), operators, carries, before)
        change = layer.mix(y.flatten(1), self._letters_at_once).to(self.dtype)  # (M, H, (Q - skip) * G * B)
        return change.unflatten(2, (positions - skip, segments, sequences))

    def leave(self, index: int, batch: Batch, initial: Initial) -> list[Carry]:
        """The states that the input of layer `index` leaves, given those that came before in the layers below."""
        u = self.layer_input(self.hidden(batch, initial, layers=index), batch)
        rows = u.flatten(3).flatten(0, 1)  # (M * H, Q, G * B)
        return absorb(rows, self.layers[index].space.operators(rows.shape[1]), u.shape[4])

    def residue_scores(self, batch: Batch, initial: Initial | None = None) -> Tensor:
        """The scores of each position: (M, B, G * Q, O)."""
        hidden = self.hidden(batch, initial)
        scores = self.head(hidden.flatten(2)).unflatten(2, hidden.shape[2:])  # (M, O, Q, G, B)
        return scores.permute(0, 4, 3, 2, 1).flatten(2, 3)  # (M, B, G * Q, O)

    def head(self, vectors: Tensor) -> Tensor:
        """The heads' scores of vectors: (M, H, n) to (M, O, n)."""
        return torch.baddbmm(self.head_bias, self.head_weight, vectors)

    def in_units(self, scores: Tensor) -> Tensor:
        """The heads' outputs (M, ..., O) from their scores: of a regression, in the labels' own units."""
        if problem_type(self.config) == "regression":
            return torch.stack([scale(part) for scale, part in zip(self.label_scales, scores, strict=True)])
        return scores
