# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Character tokenizers for protein, DNA, RNA and alphabets of one's own, and a byte table that does the same faster.

`build_tokenizer` makes a tokenizer that `AutoTokenizer.from_pretrained` loads without any code of ours.
`SequenceEncoder` gives the same ids from a table of bytes, tens of times faster; prediction and training use it.

Both read a sequence alike: white space is dropped, case is folded, U and T are one letter in nucleotides, and any other
character is [UNK], one for one.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
from transformers import TokenizersBackend

from tokenizers import Regex, Tokenizer, decoders, models, normalizers

from .alphabets import PAD_ID, PAD_TOKEN, UNK_ID, UNK_TOKEN, WHITE_SPACE, Alphabet, get_alphabet

# Above this share of unknown letters something is probably wrong: another alphabet, another column.
MAX_UNKNOWN_SHARE = 0.05

_DROPPED = 255  # marks white space in the byte table; no alphabet has so many letters that it is also an id
_PIECE = 1 << 20  # bytes of text encoded at a time, so that long texts are not copied whole


class UnknownLettersWarning(UserWarning):
    """Many letters of the given sequences are not in the alphabet."""


def build_tokenizer(alphabet: str) -> TokenizersBackend:
    """The character tokenizer of an alphabet ("protein", "dna", "rna", or letters of one's own).

    It gives `input_ids` and `attention_mask`, adds no start and end tokens, and reports offsets in the original text.
    """
    letters = get_alphabet(alphabet)
    # A BPE without merges is the fastest way to one token per character that the tokenizers library has.
    tokenizer = Tokenizer(models.BPE(vocab=letters.vocabulary, merges=[], unk_token=UNK_TOKEN, fuse_unk=False))
    spaces = "".join(f"\\x{{{ord(space):x}}}" for space in WHITE_SPACE)
    steps = [normalizers.Replace(Regex(f"[{spaces}]+"), "")]
    steps += [normalizers.Replace(spelling, letter) for spelling, letter in letters.foldings.items()]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.decoder = decoders.Fuse()
    return TokenizersBackend(
        tokenizer_object=tokenizer,
        pad_token=PAD_TOKEN,
        unk_token=UNK_TOKEN,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        # The literal text "[PAD]" in a sequence is five characters, not padding.
        split_special_tokens=True,
    )


class SequenceEncoder:
    """Token ids of sequences through a table from bytes to ids.

    Equal to the tokenizer of the same alphabet on every text.
    """

    def __init__(self, alphabet: str) -> None:
        self.alphabet: Alphabet = get_alphabet(alphabet)
        vocabulary = self.alphabet.vocabulary
        self._ids = {symbol: vocabulary[symbol] for symbol in [*self.alphabet.letters, *self.alphabet.ambiguity]}
        self._ids |= {spelling: vocabulary[symbol] for spelling, symbol in self.alphabet.foldings.items()}
        self._ids |= dict.fromkeys(WHITE_SPACE, _DROPPED)
        table = bytearray([UNK_ID]) * 256
        table[0x80:0xC0] = bytes([_DROPPED]) * 0x40  # a character of several bytes is one letter: its first byte
        for character, index in self._ids.items():
            if character.isascii():
                table[ord(character)] = index
        self._table = bytes(table)
        wide = sorted(character for character in self._ids if not character.isascii())
        self._wide_codes = np.array([ord(character) for character in wide], dtype=np.int64)
        self._wide_ids = np.array([self._ids[character] for character in wide], dtype=np.uint8)
        self._unknown = re.compile(f"[^{re.escape(''.join(self._ids))}]")
        self._warned = False

    def encode(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Token ids of one sequence: (L,), without what was white space."""
        text = np.frombuffer(sequence.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        return self.encode_utf8(text, np.array([0, text.size], dtype=np.int64))[0]

    def encode_utf8(
        self, text: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Token ids of many sequences that stand one behind the other, without a step in Python for each.

        Args:
            text: their UTF-8: (B,).
            offsets: where each begins in it, and the last one ends, from 0 to B: (N + 1,).

        Returns:
            Their ids, one sequence behind the other, and the offsets in these.
        """
        ids = np.empty(text.size, dtype=np.uint8)
        is_ascii, has_dropped = True, False
        for start in range(0, text.size, _PIECE):
            piece = text[start : start + _PIECE].tobytes()
            translated = piece.translate(self._table)  # several times faster than indexing an array
            ids[start : start + _PIECE] = np.frombuffer(translated, dtype=np.uint8)
            is_ascii = is_ascii and piece.isascii()
            has_dropped = has_dropped or _DROPPED in translated
        if not is_ascii:
            self._encode_wide(text, ids)
        if not has_dropped:
            return ids, offsets
        dropped = np.flatnonzero(ids == _DROPPED)
        return ids[ids != _DROPPED], offsets - np.searchsorted(dropped, offsets)

    def _encode_wide(self, text: npt.NDArray[np.uint8], ids: npt.NDArray[np.uint8]) -> None:
        """Set the ids of characters of several bytes at their first bytes."""
        first = np.flatnonzero(text >= 0xC0)
        codes = text[first].astype(np.int64)
        widths = 2 + (codes >= 0xE0) + (codes >= 0xF0)
        codes &= 0x7F >> widths
        for step in (1, 2, 3):
            goes_on = widths > step
            codes[goes_on] = codes[goes_on] << 6 | text[first[goes_on] + step] & 0x3F
        places = np.minimum(np.searchsorted(self._wide_codes, codes), self._wide_codes.size - 1)
        ids[first] = np.where(self._wide_codes[places] == codes, self._wide_ids[places], UNK_ID)

    def warn_of_unknown(self, ids: npt.NDArray[np.uint8], sequences: Iterable[str]) -> None:
        """Warn once, naming them, if more than 5 % of the letters are unknown.

        Args:
            ids: token ids of all the sequences.
            sequences: their texts.
        """
        unknown = np.count_nonzero(ids == UNK_ID)
        if self._warned or unknown <= MAX_UNKNOWN_SHARE * ids.size:
            return
        self._warned = True
        named = ", ".join(f"{letter!r}" for letter, _ in self.unknown_letters(sequences).most_common(10))
        warnings.warn(
            f"{unknown / ids.size:.0%} of the letters are not in the {self.alphabet.name} alphabet and are read as "
            f"unknown: {named}. Is this the right alphabet, the right column?",
            UnknownLettersWarning,
            stacklevel=3,
        )

    def unknown_letters(self, sequences: Iterable[str]) -> Counter[str]:
        """How often each character that is not in the alphabet occurs."""
        return Counter(letter for sequence in sequences for letter in self._unknown.findall(sequence))

    def has_unknown(self, ids: npt.NDArray[np.uint8]) -> bool:
        """Whether some letter of an encoded sequence is not in the alphabet."""
        return bool((ids == UNK_ID).any())

    def first_unknown(self, sequence: str) -> tuple[int, str] | None:
        """Position (from 1) and character of the first letter that is not in the alphabet, or None."""
        found = self._unknown.search(sequence)
        return None if found is None else (found.start() + 1, found[0])


def pad_ids(encoded: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.int64]:
    """Rows of token ids padded on the right to the longest: (B, L), with L at least 1."""
    length = max([1, *(ids.size for ids in encoded)])
    padded = np.full((len(encoded), length), PAD_ID, dtype=np.int64)
    for row, ids in zip(padded, encoded, strict=True):
        row[: ids.size] = ids
    return padded
