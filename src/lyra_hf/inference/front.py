"""Everything before the first S4D layer, folded into tables over k-mers.

What a PGC gives at a position depends on the letters within `conv_kernel // 2` of it. So the first PGCs of a trained
model, norms included, are functions of k letters, and a table over all k-mers holds them exactly: for nucleotides both
PGCs of the released model (k = 5), for proteins the first one and the second's projection and norm (k = 3). What is
outside a sequence is a letter of its own, so that ends are rows of the table like any other.

Letters in shapes: M members (models of one shape, evaluated together), H hidden_size, E width of a PGC, P positions
with what reaches into them from both sides, S columns (segments of sequences), n = P * S, V symbols. Positions come
before columns, so that every shift along a sequence is a slice, and channels before both, so that every product is one
of matrices.
"""

from collections.abc import Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ..configuration_lyra import LyraConfig
from ..modeling_lyra import LyraModel
from .gates import Gate
from .tables import LETTERS_BEFORE_LARGE_TABLES, MAX_HALF_SIZE, HalvesTable, KmerTable, Table, find_symbols, table_depth


class Front:
    """The first layers of some models of one shape, as tables and what is left to compute after them.

    A table of the letters alone is smaller, or reaches deeper, than one that has the unknown letter or every code, too.
    Each batch takes the first that has all its letters; each table is made when it is first needed.

    Attributes:
        letters_seen: letters that there have been to score; they tell whether large tables are worth their making.

    Args:
        members: the models, in float64 on the CPU, so that the tables are exact to the last digit of float32.
        device: where to compute.
        dtype: float32 or float64.
    """

    def __init__(self, members: Sequence[LyraModel], device: torch.device, dtype: torch.dtype) -> None:
        self.config: LyraConfig = members[0].config
        self.device, self.dtype = device, dtype
        self.reach = (self.config.conv_kernel // 2) * len(self.config.pgc_hidden_sizes)
        self._members = members
        stages = [Gate.of(members, index) for index in range(len(members[0].pgc))]
        self.gates = [Gate(*(tensor.to(device, dtype) for tensor in stage)) for stage in stages]
        self._symbols = find_symbols(self.config.alphabet)
        self._tables: dict[int, KmerTable] = {}
        self._halves: HalvesTable | None = None
        self.letters_seen = 0
        self._making = Lock()

    def table_for(self, ids: npt.NDArray[np.uint8]) -> Table:
        """The deepest table that has all of some token ids, and is worth its making."""
        last = len(self._symbols) - 1
        index = next(i for i, symbols in enumerate(self._symbols) if i == last or symbols.cover(ids))
        with self._making:
            if index not in self._tables:
                symbols = self._symbols[index]
                table = KmerTable(self._members, symbols, table_depth(self.config, symbols))
                self._tables[index] = table.tensors_to(self.device, self.dtype)
            table = self._tables[index]
            if index == 0 and self.letters_seen >= LETTERS_BEFORE_LARGE_TABLES and self._can_be_halved(table):
                self._halves = self._halves or HalvesTable(table, self.gates[-1])
                return self._halves
        return table

    def _can_be_halved(self, table: KmerTable) -> bool:
        k = table.k + self.config.conv_kernel // 2
        width = len(self._members) * self.config.hidden_size
        return table.depth == len(self.gates) - 1 and table.base**k * width <= MAX_HALF_SIZE

    def look_up(self, columns: Tensor, codes: Tensor) -> Tensor:
        """Columns (M * C, V ** k) of a table for codes (...): (M, C, ...)."""
        found = columns.index_select(1, codes.reshape(-1))  # (M * C, n)
        return found.view(len(self._members), -1, *codes.shape)

    def hidden(self, table: Table, codes: Tensor, is_letter: Tensor) -> Tensor:
        """The input of the first S4D layer.

        Args:
            table: the table that the codes are of.
            codes: (P - k + 1, ...), rows of it.
            is_letter: (P, ...), false outside the sequences; `reach` positions on either side of those wanted.

        Returns:
            (M, H, P - 2 * reach, ...); zero at padding if the table is whole, anything if not.
        """
        columns, eps = codes.shape[1:], self.config.rms_norm_eps
        if isinstance(table, HalvesTable):
            return table.hidden(codes.flatten(1), self.gates[-1], eps).unflatten(3, columns)
        if table.is_whole:
            return self.look_up(table.hidden, codes)
        gate, *others = self.gates[table.depth :]
        projected = table.projected.index_select(1, codes.reshape(-1))  # (M, n, 2E)
        hidden = gate.combine(projected.unflatten(1, (codes.shape[0], -1)), eps)  # (M, H, P, S)
        for gate in others:
            outer = (is_letter.shape[0] - hidden.shape[2]) // 2
            letters = is_letter[outer : is_letter.shape[0] - outer].flatten(1)  # (P, S)
            projected = gate.project(hidden.flatten(2), letters.flatten().to(hidden.dtype), eps)
            hidden = gate.combine(projected.unflatten(1, letters.shape), eps)
        return hidden.unflatten(3, columns)
