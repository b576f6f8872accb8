"""Character tokenizers for protein, DNA, RNA and alphabets of one's own, and a byte table that does the same faster.

`build_tokenizer` makes a tokenizer that `AutoTokenizer.from_pretrained` loads without any code of ours.
`SequenceEncoder` gives the same ids from a table of bytes, tens of times faster; prediction and training use it.

Both read a sequence alike: white space is dropped, case is folded, U and T are one letter in nucleotides, and any other
character is [UNK], one for one.
"""

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
        self._table = np.full(256, UNK_ID, dtype=np.uint8)
        for character, index in self._ids.items():
            if character.isascii():
                self._table[ord(character)] = index
        self._warned = False

    def encode(self, sequence: str) -> npt.NDArray[np.uint8]:
        """Token ids of one sequence: (L,), without what was white space."""
        if sequence.isascii():
            ids = self._table[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
        else:  # each character is one letter, however many bytes it takes
            ids = np.array([self._ids.get(character, UNK_ID) for character in sequence], dtype=np.uint8)
        return ids[ids != _DROPPED] if (ids == _DROPPED).any() else ids

    def encode_all(self, sequences: Iterable[str]) -> list[npt.NDArray[np.uint8]]:
        """Token ids of many sequences.

        Warns once, naming them, if more than 5 % of the letters are unknown.
        """
        texts = list(sequences)
        encoded = [self.encode(text) for text in texts]
        letters = sum(ids.size for ids in encoded)
        unknown = sum(int(np.count_nonzero(ids == UNK_ID)) for ids in encoded)
        if unknown > MAX_UNKNOWN_SHARE * letters and not self._warned:
            self._warned = True
            named = ", ".join(f"{letter!r}" for letter, _ in self.unknown_letters(texts).most_common(10))
            warnings.warn(
                f"{unknown / letters:.0%} of the letters are not in the {self.alphabet.name} alphabet and are read as "
                f"unknown: {named}. Is this the right alphabet, the right column?",
                UnknownLettersWarning,
                stacklevel=2,
            )
        return encoded

    def unknown_letters(self, sequences: Iterable[str]) -> Counter[str]:
        """How often each character that is not in the alphabet occurs."""
        counts = Counter(character for sequence in sequences for character in sequence)
        return Counter({character: count for character, count in counts.items() if character not in self._ids})

    def has_unknown(self, ids: npt.NDArray[np.uint8]) -> bool:
        """Whether some letter of an encoded sequence is not in the alphabet."""
        return bool((ids == UNK_ID).any())

    def first_unknown(self, sequence: str) -> tuple[int, str] | None:
        """Position (from 1) and character of the first letter that is not in the alphabet, or None."""
        for position, character in enumerate(sequence, start=1):
            if character not in self._ids:
                return position, character
        return None


def pad_ids(encoded: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.int64]:
    """Rows of token ids padded on the right to the longest: (B, L), with L at least 1."""
    length = max([1, *(ids.size for ids in encoded)])
    padded = np.full((len(encoded), length), PAD_ID, dtype=np.int64)
    for row, ids in zip(padded, encoded, strict=True):
        row[: ids.size] = ids
    return padded
