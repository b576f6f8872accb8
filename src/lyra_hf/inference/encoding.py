"""Many sequences as token ids in one array: made from columns of text, checked and paired a column at a time.

Nothing here takes a step in Python for each sequence or letter; a sequence is looked at as text only to say what is
wrong with it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..alphabets import UNK_ID
from ..errors import UserError
from ..tokenization_lyra import SequenceEncoder

_PIECE = 1 << 20  # letters searched at a time


@dataclass(frozen=True, eq=False)
class EncodedSequences:
    """Token ids of many sequences.

    Attributes:
        ids: uint8 (total,), the sequences one behind the other.
        offsets: int64 (N + 1,), where each begins, and the last one ends: from 0 to total.
    """

    ids: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def from_list(cls, sequences: Sequence[npt.NDArray[np.uint8]]) -> "EncodedSequences":
        """From the token ids (L,) of each sequence."""
        return cls._joined(sequences, np.fromiter(map(len, sequences), np.int64, len(sequences)))

    @classmethod
    def concatenated(cls, parts: Sequence["EncodedSequences"]) -> "EncodedSequences":
        """The sequences of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        lengths = np.concatenate([np.empty(0, dtype=np.int64), *(part.lengths for part in parts)])
        return cls._joined([part.ids for part in parts], lengths)

    @classmethod
    def _joined(cls, ids: Sequence[npt.NDArray[np.uint8]], lengths: npt.NDArray[np.int64]) -> "EncodedSequences":
        return cls(np.concatenate([np.empty(0, dtype=np.uint8), *ids]), offsets_of(lengths))

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Letters of each sequence: (N,)."""
        return np.diff(self.offsets)

    def rows(self, start: int, stop: int) -> "EncodedSequences":
        """The sequences from number `start` up to, not including, `stop`; their ids are a view."""
        offsets = self.offsets[start : stop + 1]
        return EncodedSequences(self.ids[offsets[0] : offsets[-1]], offsets - offsets[0])

    def filter(self, wanted: npt.NDArray[np.bool_]) -> "EncodedSequences":
        """The sequences marked True: (N,)."""
        lengths = self.lengths
        return EncodedSequences(self.ids[np.repeat(wanted, lengths)], offsets_of(lengths[wanted]))

    def __len__(self) -> int:
        return self.offsets.size - 1

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        """The ids of one sequence, a view: (L,)."""
        index = range(len(self))[index]
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        return (self.ids[start:stop] for start, stop in pairwise(self.offsets.tolist()))


def offsets_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where things of these lengths (N,) begin when one is put behind the other, and the last one ends: (N + 1,)."""
    offsets = np.zeros(lengths.size + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def encode_column(encoder: SequenceEncoder, column: pa.Array | pa.ChunkedArray) -> EncodedSequences:
    """Token ids of a column of text, from the bytes in Arrow's own memory; a null is an empty sequence."""
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return EncodedSequences.concatenated([_encode_array(encoder, chunk) for chunk in chunks])


def encode_rows(
    encoder: SequenceEncoder,
    first: pa.Array | pa.ChunkedArray,
    second: pa.Array | pa.ChunkedArray | None,
    describe_row: Callable[[int], str],
    pair_context: int = 0,
) -> EncodedSequences:
    """Token ids of a table's rows, each of which the model can read.

    Args:
        encoder: the alphabet's encoder.
        first: the column of sequences.
        second: the column of the second sequences of pairs, or None.
        describe_row: says in words where a row stands.
        pair_context: letters by which the first of a pair reaches beyond the second on either side.

    Raises:
        UserError: a sequence is empty or has a letter outside the alphabet, or the lengths of a pair do not fit; it
            names the first such row.
    """
    columns = [first] if second is None else [first, second]
    encoded, *others = [encode_column(encoder, column) for column in columns]
    faults = []
    for other in others:
        faults.append(_unequal_pair(encoded, other, pair_context))
        encoded = join_pairs(encoded, other)

    def text_of(row: int) -> str:
        return "".join(column[row].as_py() or "" for column in columns)

    faults.append(find_fault(encoder, encoded, text_of))
    fault = min((fault for fault in faults if fault is not None), key=lambda fault: fault.row, default=None)
    if fault is not None:
        raise UserError(f"{describe_row(fault.row)}: {fault.problem}")
    return encoded


def _encode_array(encoder: SequenceEncoder, array: pa.Array) -> EncodedSequences:
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = array.cast(pa.large_string())
    if array.null_count:
        array = array.fill_null("")  # there may be text beneath a null
    _, offsets_buffer, text_buffer = array.buffers()
    if not len(array) or text_buffer is None:
        return EncodedSequences(np.empty(0, dtype=np.uint8), np.zeros(len(array) + 1, dtype=np.int64))
    width = np.int64 if pa.types.is_large_string(array.type) else np.int32
    offsets = np.frombuffer(offsets_buffer, width)[array.offset : array.offset + len(array) + 1].astype(np.int64)
    text = np.frombuffer(text_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return EncodedSequences(*encoder.encode_utf8(text, offsets - offsets[0]))


def encode_texts(encoder: SequenceEncoder, texts: Sequence[str]) -> EncodedSequences:
    """Token ids of texts.

    Warns once per encoder, naming them, if more than 5 % of the letters are unknown.
    """
    joined = "".join(texts)
    if joined.isascii():
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        text = joined.encode("ascii")
    else:
        pieces = [text.encode("utf-8", "surrogatepass") for text in texts]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        text = b"".join(pieces)
    encoded = EncodedSequences(*encoder.encode_utf8(np.frombuffer(text, dtype=np.uint8), offsets_of(lengths)))
    encoder.warn_of_unknown(encoded.ids, texts)
    return encoded


def join_pairs(first: EncodedSequences, second: EncodedSequences) -> EncodedSequences:
    """Each row the letters of the first sequence, then those of the second, as models of pairs read them."""
    lengths = np.stack([first.lengths, second.lengths], axis=1)  # (N, 2)
    is_first = np.repeat(np.tile([True, False], len(first)), lengths.ravel())
    ids = np.empty(is_first.size, dtype=np.uint8)
    ids[is_first] = first.ids
    ids[~is_first] = second.ids
    return EncodedSequences(ids, first.offsets + second.offsets)


class Fault(NamedTuple):
    """A sequence that a model cannot read.

    Attributes:
        row: its number, from 0.
        problem: what is wrong with it, for a message.
    """

    row: int
    problem: str


def find_fault(
    encoder: SequenceEncoder,
    encoded: EncodedSequences,
    text_of: Callable[[int], str],
    *,
    pair_input: bool = False,
    pair_context: int = 0,
    unknown_letters: bool = True,
) -> Fault | None:
    """The first sequence that a model cannot read, or None.

    Args:
        encoder: what the sequences were encoded with.
        encoded: their token ids.
        text_of: gives the text of a row; asked for one row at most.
        pair_input: whether each row should be a pair, the letters of one sequence and then of the other.
        pair_context: letters by which the first of a pair reaches beyond the second on either side.
        unknown_letters: whether a letter outside the alphabet counts as a fault.
    """
    lengths = encoded.lengths
    row = min(
        _first_true(lengths == 0),
        _row_of_first_unknown(encoded) if unknown_letters else len(encoded),
        _first_true((lengths % 2 == 1) | (lengths <= 2 * pair_context)) if pair_input else len(encoded),
    )
    if row == len(encoded):
        return None
    if not lengths[row]:
        return Fault(row, "the sequence is empty")
    unknown = encoder.first_unknown(text_of(row)) if unknown_letters else None
    if unknown is None:
        rule = f"with {pair_context} letters of context on either side" if pair_context else "of equal length"
        return Fault(row, f"{lengths[row]} letters cannot be a pair {rule}")
    position, letter = unknown
    alphabet = encoder.alphabet
    return Fault(
        row,
        f"the letter {letter!r} at position {position} is not in the {alphabet.name} alphabet "
        f"({alphabet.letters}{', ambiguity codes ' if alphabet.ambiguity else ''}{''.join(alphabet.ambiguity)})",
    )


def _unequal_pair(first: EncodedSequences, second: EncodedSequences, context: int) -> Fault | None:
    """The first pair whose sequences are not of the lengths that they should have, or None."""
    row = _first_true(first.lengths != second.lengths + 2 * context)
    if row == len(first):
        return None
    rule = "aligned pairs are of equal length"
    if context:
        rule = f"the first of a pair has {context} letters more than the second on either side"
    return Fault(row, f"the pair has {first[row].size} and {second[row].size} letters; {rule}")


def pair_positions(letters: npt.NDArray[np.int64], context: int) -> npt.NDArray[np.int64]:
    """Positions (N,) of pairs with so many letters in all: the letters of the first sequences."""
    return letters // 2 + context


def _first_true(flags: npt.NDArray[np.bool_]) -> int:
    """The place of the first True; the length if there is none."""
    return int(flags.argmax()) if flags.any() else flags.size


def _row_of_first_unknown(encoded: EncodedSequences) -> int:
    """The number of the first sequence with an unknown letter; the number of sequences if there is none."""
    for start in range(0, encoded.ids.size, _PIECE):  # in pieces, or the flags would take as much memory as the ids
        piece = encoded.ids[start : start + _PIECE] == UNK_ID
        if piece.any():
            return int(np.searchsorted(encoded.offsets, start + piece.argmax(), side="right")) - 1
    return len(encoded)
