"""What the first positions of a sequence add to its mean, as a table over its first letters.

In a model that reads in one direction, the output of the S4D layer at a position depends on the letters up to a few
behind it, and on nothing that follows. So the first positions of all sequences that begin alike are alike, and there
are few enough beginnings of a handful of letters to compute them once. It saves a fifth of the work on guides.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .tables import KmerTable

# Beginnings that are told apart at the most; of four letters these are eight.
MAX_PREFIXES = 100_000
_PREFIXES_AT_ONCE = 8192  # while the table is made


class PrefixSums:
    """Sums over the first positions for all beginnings of sequences.

    Args:
        table: the table whose codes batches have; it folds all PGCs.
        reach: letters that a position depends on behind it.
        change: what a layer's output adds to the residual, (M, H, Q, 1, B), for codes (Q, 1, B) of sequences.

    Attributes:
        positions: how many positions are summed.
        letters: letters of a beginning.
    """

    def __init__(self, table: KmerTable, reach: int, change: Callable[[Tensor], Tensor]) -> None:
        self._letters_of_alphabet = table.base - 1  # all symbols but the one for what is outside
        self._base, self._reach = table.base, reach
        self.letters = prefix_letters(table)
        self.positions = self.letters - reach
        ids = torch.tensor(table.symbols.token_ids[1:], dtype=torch.uint8, device=table.of_token.device)
        powers = self._letters_of_alphabet ** torch.arange(self.letters - 1, -1, -1, device=ids.device)
        outside = ids.new_zeros(reach)
        sums = []
        for numbers in torch.arange(self._letters_of_alphabet**self.letters, device=ids.device).split(
            _PREFIXES_AT_ONCE
        ):
            letters = ids[(numbers[:, None] // powers % self._letters_of_alphabet).int()]  # (B, letters)
            around = outside.expand(len(letters), -1)
            wide = torch.cat([around, letters, around], dim=1).T.unsqueeze(1)  # (letters + 2 reach, 1, B)
            changes = change(table.codes(wide, None))  # (M, H, letters, 1, B)
            sums.append(changes[:, :, : self.positions, 0].sum(2).flatten(0, 1).T)  # (B, M * H)
        self.sums = torch.cat(sums)

    def __call__(self, codes: Tensor) -> Tensor:
        """The sums (B, M * H) for codes (Q, 1, B) of sequences of at least `letters` letters."""
        codes = codes[:, 0]
        # The first row is of the first letters alone, as what is before them is the symbol 0.
        digits = [codes[0] // self._base**place % self._base for place in range(self._reach, 0, -1)]
        digits += [codes[position] % self._base for position in range(self.positions)]
        number = torch.zeros_like(codes[0])
        for digit in digits:
            number = number * self._letters_of_alphabet + (digit - 1)
        return self.sums.index_select(0, number)


def prefix_letters(table: KmerTable) -> int:
    """Letters of the beginnings that a table of bearable size tells apart."""
    letters = 0
    while (table.base - 1) ** (letters + 1) <= MAX_PREFIXES:
        letters += 1
    return letters
