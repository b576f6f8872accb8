"""Variants of a protein: from the names of their mutations to sequences."""

import re
from collections.abc import Iterable

from ...errors import UserError

_MUTATION = re.compile(r"([A-Z])(\d+)([A-Z])")


def mutated(parent: str, mutations: Iterable[str], first: int = 0) -> str:
    """A protein with mutations.

    Args:
        parent: the sequence that is mutated.
        mutations: each its letter in the parent, position and new letter, such as A104E.
        first: number of the parent's first position.

    Raises:
        UserError: a mutation does not fit the parent.
    """
    letters = list(parent)
    for mutation in mutations:
        parts = _MUTATION.fullmatch(mutation)
        position = int(parts[2]) - first if parts else -1
        if not parts or not 0 <= position < len(parent) or parent[position] != parts[1]:
            raise UserError(f"the mutation {mutation!r} does not fit its protein ({parent[:10]}...)")
        letters[position] = parts[3]
    return "".join(letters)


def differences(sequence: str, parent: str) -> int:
    """How many letters of a sequence differ from its parent's."""
    return sum(one != other for one, other in zip(sequence, parent, strict=True))
