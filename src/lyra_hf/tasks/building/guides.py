"""What the tables of CRISPR guides share."""

from collections.abc import Sequence
from typing import Any

from .shared import held_out
from .splits import kmer_groups


def tidy_columns(table: Any) -> Any:
    """A table whose column names have single blanks in place of line breaks."""
    return table.rename(columns=lambda name: " ".join(name.split()))


def beside_test(
    windows: Sequence[str], tested: Sequence[bool], k: int, salt: str
) -> tuple[list[int], list[bool], list[str]]:
    """Split what is not a published test row, keeping windows that share a word of k letters together.

    Args:
        windows: the letters of each row that are compared.
        tested: whether it is a test row.
        k: length of the words.
        salt: of the hash that puts a tenth of the groups into validation.

    Returns:
        Of each row its group, whether it is no test row but in a group with one, and its split.
    """
    groups = kmer_groups(windows, k)
    with_test = {group for group, is_test in zip(groups, tested, strict=True) if is_test}
    near = [not is_test and group in with_test for group, is_test in zip(groups, tested, strict=True)]
    splits = [
        "test" if is_test else held_out(f"lyra-v1:{salt}:{group}", 0.1)
        for group, is_test in zip(groups, tested, strict=True)
    ]
    return groups, near, splits
