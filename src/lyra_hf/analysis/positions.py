"""Chosen positions of a sequence, as people write them."""

import re

from ..errors import UserError

_PART = re.compile(r"([0-9]+)(?:-([0-9]+))?")


def parse_positions(text: str, length: int) -> tuple[int, ...]:
    """Positions of a sequence of so many letters, from 1, in order and once each, of a text such as "39-41,54".

    Raises:
        UserError: a part is no position or range, or lies outside the sequence.
    """
    positions: set[int] = set()
    for part in text.split(","):
        found = _PART.fullmatch(part.strip())
        if found is None:
            raise UserError(f"{part.strip()!r} in {text!r} is no position; write numbers and ranges, as 39-41,54")
        first = int(found[1])
        last = first if found[2] is None else int(found[2])
        if last < first:
            raise UserError(f"the range {part.strip()} ends before it begins")
        for position in (first, last):
            if not 1 <= position <= length:
                raise UserError(f"position {position} is none of the sequence's: it has {length} letters, from 1")
        positions.update(range(first, last + 1))
    return tuple(sorted(positions))
