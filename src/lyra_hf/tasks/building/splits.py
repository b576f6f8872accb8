"""Rules that put rows into groups and groups into splits, the same on every machine."""

import hashlib
from collections.abc import Sequence

_COMPLEMENT = str.maketrans("ACGTU", "TGCAA")


def place(text: str, method: str = "sha256") -> float:
    """Where a text falls between 0 and 1: the first 32 bits of its digest as a share of 2**32.

    Args:
        text: what is placed.
        method: the digest, as hashlib names it.
    """
    return int.from_bytes(hashlib.new(method, text.encode()).digest()[:4], "big") / 2**32


def deal(shares: Sequence[float], names: Sequence[str], at: float) -> str:
    """The name whose stretch of 0 to 1 holds a place.

    Args:
        shares: where each stretch ends, rising; the last ends at 1.
        names: of the stretches.
        at: the place.
    """
    return next(name for end, name in zip(shares, names, strict=True) if at < end)


def reverse_complement(sequence: str) -> str:
    """The other strand of a DNA or RNA sequence, in DNA letters."""
    return sequence.translate(_COMPLEMENT)[::-1]


def kmers(sequence: str, k: int, both_strands: bool = False) -> set[str]:
    """The words of k letters in a sequence.

    Args:
        sequence: letters.
        k: length of a word.
        both_strands: give the lesser of a word and its reverse complement.
    """
    words = {sequence[start : start + k] for start in range(len(sequence) - k + 1)}
    return {min(word, reverse_complement(word)) for word in words} if both_strands else words


def kmer_groups(sequences: Sequence[str], k: int, both_strands: bool = False) -> list[int]:
    """The group of each row; rows that share any word of k letters are in one, directly or through others.

    Args:
        sequences: one for each row.
        k: length of a word.
        both_strands: a word and its reverse complement are the same.

    Returns:
        For each row the number of its group's first row.
    """
    parents = list(range(len(sequences)))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    first_with: dict[str, int] = {}
    for row, sequence in enumerate(sequences):
        for word in kmers(sequence, k, both_strands):
            one, other = root(row), root(first_with.setdefault(word, row))
            parents[max(one, other)] = min(one, other)
    return [root(row) for row in range(len(sequences))]
