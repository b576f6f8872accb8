"""Tables over k-mers of what the first layers give.

Letters in shapes: M members (models of one shape, evaluated together), H hidden_size, E width of a PGC, P positions
with what reaches into them from both sides, S columns (segments of sequences), n = P * S, V symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ..alphabets import PAD_ID, UNK_ID, get_alphabet
from ..configuration_lyra import LyraConfig
from ..modeling_lyra import LyraModel
from .gates import Gate, normalize

# Rows of a table: as many as a processor's cache holds of one channel, with all 3-mers of proteins among them.
MAX_TABLE_ROWS = 20_000
# Numbers in each half of a divided table, which lies in main memory: 64 MB in float32.
MAX_HALF_SIZE = 16_000_000
# A large table takes some tenths of a second to make; it is made once so many letters have been scored.
LETTERS_BEFORE_LARGE_TABLES = 2_000_000
_ROWS_AT_ONCE = 16_384  # while it is made


@dataclass(frozen=True)
class Symbols:
    """The different letters that a table tells apart; token ids of equal composition (UNK and N) are one symbol.

    Attributes:
        token_ids: for each symbol a token id that it stands for; the first is that of [PAD].
        of_token: (256,) token id -> symbol, -1 where the table has none.
    """

    token_ids: list[int]
    of_token: npt.NDArray[np.int32]

    def count(self, *, pairs: bool) -> int:
        """How many there are; of pairs, one for each two."""
        return len(self.token_ids) ** 2 if pairs else len(self.token_ids)

    def cover(self, ids: npt.NDArray[np.uint8]) -> bool:
        """Whether every one of some token ids has a symbol."""
        return bool((self.of_token[ids] >= 0).all())


def find_symbols(alphabet: str) -> list[Symbols]:
    """The symbols of an alphabet, in sets of rising size: padding and letters; the unknown letter too; all codes."""
    letters = {PAD_ID, *range(UNK_ID + 1, UNK_ID + 1 + len(get_alphabet(alphabet).letters))}
    sets = [letters, letters | {UNK_ID}]
    if get_alphabet(alphabet).ambiguity:
        sets.append(set(range(len(get_alphabet(alphabet).vocabulary))))
    return [_symbols_of(alphabet, tokens) for tokens in sets]


def _symbols_of(alphabet: str, tokens: set[int]) -> Symbols:
    """The symbols of some token ids, and of others that have the composition of one of them."""
    composition = get_alphabet(alphabet).composition
    of_token = np.full(256, -1, dtype=np.int32)
    token_ids: list[int] = []
    known: dict[tuple[float, ...], int] = {}
    for token, row in enumerate(composition):
        key = tuple(row)
        if key not in known:
            if token not in tokens:
                continue
            known[key] = len(token_ids)
            token_ids.append(token)
        of_token[token] = known[key]
    return Symbols(token_ids, of_token)


class KmerTable:
    """What the first layers give for every k-mer.

    Args:
        members: the models.
        symbols: the letters the table tells apart.
        depth: PGCs that are folded whole. If there are more, the next one's projection is folded, too.

    Attributes:
        k: letters that a row is a function of, an odd number.
        is_whole: whether all PGCs are folded.
        hidden: (M * H, V ** k), if `is_whole`: the input of the first S4D layer, zero where the middle is padding.
        hidden_rows: the same, a row per k-mer (V ** k, M * H).
        normed: `hidden` divided by its root mean square.
        projected: (M, V ** k, 2E), what the next PGC convolves, zero where the middle letter is padding, and what that
            is multiplied with; if not `is_whole`.
    """

    def __init__(self, members: Sequence[LyraModel], symbols: Symbols, depth: int) -> None:
        config: LyraConfig = members[0].config
        self.symbols = symbols
        self.pairs = config.pair_input
        self.depth = depth
        self.k = table_letters(config, depth)
        self.is_whole = depth == len(config.pgc_hidden_sizes)
        self.base = symbols.count(pairs=self.pairs)
        hidden, mask = zip(*map(self._middle, members), strict=True)
        columns, eps = torch.stack(hidden).transpose(1, 2), config.rms_norm_eps  # (M, H, V ** k)
        if self.is_whole:
            self.hidden = columns.flatten(0, 1)
            self.hidden_rows = self.hidden.T.contiguous()
            # Where nothing is, the norm divides by epsilon, which may be 0.
            self.normed = normalize(columns, eps).masked_fill(mask[0] == 0, 0).flatten(0, 1)
        else:
            self.projected = Gate.of(members, depth).project(columns, mask[0], eps)
        self.of_token = torch.from_numpy(symbols.of_token)

    def _middle(self, member: LyraModel) -> tuple[Tensor, Tensor]:
        """The vectors (V ** k, H) of the k-mers' middle letters after `depth` PGCs, and where these are letters."""
        ids, pair_ids = self._kmers()
        mask = (ids != PAD_ID).to(member.dtype).unsqueeze(-1)  # (V ** k, k, 1)
        hidden = member.encoder(ids) if pair_ids is None else member.encoder(ids, pair_ids)  # (V ** k, k, H)
        for pgc in member.pgc[: self.depth]:
            hidden = pgc(hidden, mask)
        is_letter = mask[:, self.k // 2]
        return hidden[:, self.k // 2] * is_letter, is_letter[:, 0]

    def _kmers(self) -> tuple[Tensor, Tensor | None]:
        """Token ids of all k-mers in the order of their codes: (V ** k, k), and those of the pairs' second members."""
        tokens = torch.tensor(self.symbols.token_ids)
        codes = torch.arange(self.base**self.k).unsqueeze(-1)
        digits = codes // self.base ** torch.arange(self.k - 1, -1, -1) % self.base  # (V ** k, k)
        if not self.pairs:
            return tokens[digits], None
        return tokens[digits // len(tokens)], tokens[digits % len(tokens)]

    def codes(self, ids: Tensor, pair_ids: Tensor | None) -> Tensor:
        """Rows of the table for token ids (P + k - 1, ...): (P, ...), int32."""
        return self.codes_of(self.k, ids, pair_ids)

    def codes_of(self, k: int, ids: Tensor, pair_ids: Tensor | None) -> Tensor:
        """Numbers of the k-mers in token ids (P + k - 1, ...): (P, ...), int32."""
        digits = self._symbols_of(ids)
        if pair_ids is not None:
            digits = digits * len(self.symbols.token_ids) + self._symbols_of(pair_ids)
        positions = digits.shape[0] - k + 1
        codes = digits[:positions]
        for letter in range(1, k):
            codes = torch.add(digits[letter : letter + positions], codes, alpha=self.base)
        return codes

    def _symbols_of(self, ids: Tensor) -> Tensor:
        return self.of_token.index_select(0, ids.reshape(-1).int()).view(ids.shape)

    def tensors_to(self, device: torch.device, dtype: torch.dtype) -> "KmerTable":
        """Move the tables; returns itself."""
        for name in ("hidden", "hidden_rows", "normed", "projected"):
            if hasattr(self, name):
                setattr(self, name, getattr(self, name).to(device, dtype).contiguous())
        self.of_token = self.of_token.to(device)
        return self


class HalvesTable:
    """The last PGC as a sum of two rows, one for the letters up to the middle's right, one for those after it.

    What a PGC puts out before its norm is linear in its convolution, and the convolution is a sum over taps. So it
    parts in two: the taps up to the middle one, and the others. Either half depends on fewer letters than the whole,
    few enough for a table where a table of the whole would be too large.

    Args:
        table: one that holds the projections of the last PGC.
        gate: that PGC's weights.

    Attributes:
        k: letters that each row is a function of.
        count: rows of either half, V ** k.
        halves: (2 * V ** k, M * H), the rows of the first half and then of the second.
    """

    def __init__(self, table: KmerTable, gate: Gate) -> None:
        arm = gate.conv_weight.shape[1] // 2  # letters that the last PGC reaches to either side
        self.arm = arm
        self.table = table
        self.k = table.k + arm
        self.count = table.base**self.k
        members, size = gate.out_weight.shape[:2]
        self.halves = gate.out_weight.new_empty(2 * self.count, members * size)
        for rows in torch.arange(self.count, device=self.halves.device).split(_ROWS_AT_ONCE):
            # Codes of the k-mers within a longer one, from the left to the right.
            parts = [rows // table.base ** (arm - tap) % table.base**table.k for tap in range(arm + 1)]
            x, v = zip(*(table.projected.index_select(1, part).chunk(2, dim=-1) for part in parts), strict=True)
            weight = gate.conv_weight[:, :, 0]  # (M, conv_kernel, 1, E)
            left = sum((x[tap] * weight[:, tap] for tap in range(arm + 1)), gate.conv_bias[:, 0])
            right = sum((x[tap] * weight[:, arm + tap] for tap in range(1, arm + 1)), torch.zeros_like(left))
            first = torch.baddbmm(gate.out_bias, gate.out_weight, (left * v[arm]).transpose(1, 2))  # (M, H, rows)
            second = torch.bmm(gate.out_weight, (right * v[0]).transpose(1, 2))
            self.halves[rows] = first.flatten(0, 1).T
            self.halves[rows + self.count] = second.flatten(0, 1).T

    def codes(self, ids: Tensor, pair_ids: Tensor | None) -> Tensor:
        """Rows of the first half for token ids (P + k - 1, ...): (P, ...), int32."""
        return self.table.codes_of(self.k, ids, pair_ids)

    def hidden(self, codes: Tensor, gate: Gate, eps: float) -> Tensor:
        """What the last PGC puts out: (M, H, P - arm, S) for codes (P, S)."""
        positions = codes.shape[0] - self.arm
        pairs = torch.stack([codes[:positions], codes[self.arm :] + self.count], dim=-1)  # (Q, S, 2)
        rows = F.embedding_bag(pairs.flatten(0, -2), self.halves, mode="sum")  # (n, M * H)
        out = rows.T.contiguous().view(*gate.out_weight.shape[:2], -1)  # (M, H, n)
        return normalize(out, eps).mul_(gate.out_scale).unflatten(2, (positions, -1))


Table = KmerTable | HalvesTable


def table_letters(config: LyraConfig, depth: int) -> int:
    """Letters that `depth` PGCs reach over."""
    return 2 * (config.conv_kernel // 2) * depth + 1


def table_depth(config: LyraConfig, symbols: Symbols) -> int:
    """Most PGCs that a table of bearable size can fold."""
    base = symbols.count(pairs=config.pair_input)
    depths = range(len(config.pgc_hidden_sizes) + 1)
    return max(depth for depth in depths if not depth or base ** table_letters(config, depth) <= MAX_TABLE_ROWS)
