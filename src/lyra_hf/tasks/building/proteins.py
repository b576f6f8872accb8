"""Rules that tables of proteins and peptides share: which rows stay, which are alike, and how they are split."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...extras import needs
from .shared import held_out
from .splits import deal, kmers, place

with needs("tables", "building a table"):
    import pandas as pd

STANDARD = "ACDEFGHIKLMNPQRSTVWY"
"""The 20 standard amino acids."""


def unambiguous(table: pd.DataFrame, label: str = "label") -> pd.DataFrame:
    """Rows of sequences that have one label only."""
    return table[table.groupby("sequence")[label].transform("nunique") == 1]


def each_once(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of different sequences: those with two labels go, and of equal rows the first stays."""
    return unambiguous(table).drop_duplicates("sequence", ignore_index=True)


def hashed(text: str) -> str:
    """The split of a row or group by the SHA-1 of a text: the lowest fifth is test, the next tenth validation."""
    return deal((0.2, 0.3, 1), ("test", "validation", "train"), place(text, "sha1"))


def around_test(sequences: Iterable[str], test: Iterable[Any], salt: str = "val", share: float = 0.1) -> list[str]:
    """The split of each row where the test rows are known.

    Args:
        sequences: one for each row.
        test: whether a row is test, for each.
        salt: stands before the sequence in what is hashed.
        share: of the other rows, by hash, that is validation; the rest is train.
    """
    return [
        "test" if is_test else held_out(f"{salt}{sequence}", share, "sha1")
        for sequence, is_test in zip(sequences, test, strict=True)
    ]


def similar_groups(sequences: Sequence[str], k: int, at_least: float) -> list[int]:
    """The group of each row; rows whose sets of words are alike are in one, directly or through others.

    Args:
        sequences: one for each row.
        k: length of a word.
        at_least: the cosine of two sets that links them: words in both / sqrt(words in one * words in the other).

    Returns:
        For each row the number of its group, counted from 0 in the order of their first rows.
    """
    words = [kmers(sequence, k) for sequence in sequences]
    rows_with = _rows_with(words)
    sizes = np.array([len(those) for those in words])
    groups = np.full(len(sequences), -1)
    for first in range(len(sequences)):
        if groups[first] >= 0:
            continue
        groups[first] = groups.max() + 1
        waiting = [first]
        while waiting:
            row = waiting.pop()
            sharing = np.concatenate([np.empty(0, int), *(rows_with[word] for word in words[row])])
            shared = np.bincount(sharing, minlength=len(sequences))
            alike = shared / np.sqrt(np.maximum(sizes[row] * sizes, 1)) >= at_least
            reached = np.flatnonzero(alike & (groups < 0))
            groups[reached] = groups[first]
            waiting.extend(reached)
    return groups.tolist()


def split_groups(sequences: Sequence[str], groups: Sequence[int]) -> list[str]:
    """The split of each row, by whole groups: a fifth of them is test, a tenth validation, the rest train.

    A group goes by the hash of its first sequence in the alphabet; one of more than a tenth of all rows is train.
    """
    members = defaultdict(list)
    for group, sequence in zip(groups, sequences, strict=True):
        members[group].append(sequence)
    splits = {
        group: "train" if len(those) > 0.1 * len(sequences) else hashed(min(those)) for group, those in members.items()
    }
    return [splits[group] for group in groups]


def _rows_with(words: Sequence[set[str]]) -> dict[str, npt.NDArray[np.int64]]:
    """The rows that have each word."""
    rows_with = defaultdict(list)
    for row, those in enumerate(words):
        for word in those:
            rows_with[word].append(row)
    return {word: np.array(rows) for word, rows in rows_with.items()}
