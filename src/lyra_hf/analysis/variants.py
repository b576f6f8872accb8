"""Substitutions in the field's notation: `A24G:K30R`, and for proteins `p.Ala24Gly` and `p.[Ala24Gly;Lys30Arg]`.

The second is a subset of HGVS (den Dunnen et al. 2016, doi:10.1002/humu.22981). Positions count from 1.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..alphabets import WHITE_SPACE, Alphabet
from ..errors import UserError

_THREE_LETTERS = {
    "Ala": "A",
    "Arg": "R",
    "Asn": "N",
    "Asp": "D",
    "Cys": "C",
    "Gln": "Q",
    "Glu": "E",
    "Gly": "G",
    "His": "H",
    "Ile": "I",
    "Leu": "L",
    "Lys": "K",
    "Met": "M",
    "Phe": "F",
    "Pro": "P",
    "Ser": "S",
    "Thr": "T",
    "Trp": "W",
    "Tyr": "Y",
    "Val": "V",
}
_NAMES = {letter: name for name, letter in _THREE_LETTERS.items()}
_SHORT = re.compile(r"([^\s0-9])([1-9][0-9]*)([^\s0-9])")
_LONG = re.compile(r"([A-Za-z]{3})([1-9][0-9]*)([A-Za-z]{3})")


class Substitution(NamedTuple):
    """One letter in the place of another.

    Attributes:
        position: where, from 1.
        wild_type: the letter that stands there.
        mutant: the letter that comes in its place.
    """

    position: int
    wild_type: str
    mutant: str

    def __str__(self) -> str:
        return f"{self.wild_type}{self.position}{self.mutant}"


Variant = tuple[Substitution, ...]


def parse_variant(text: str) -> Variant:
    """The substitutions of a variant, as they are written: `A24G`, `A24G:K30R`, `p.Ala24Gly`, `p.[Ala24Gly;Lys30Arg]`.

    Whether they fit a sequence is `check_variant`'s to say.

    Raises:
        UserError: a part is no substitution, or two are of one position.
    """
    text = text.strip()
    if text.startswith("p."):
        described = text[2:]
        if described.startswith("[") and described.endswith("]"):
            described = described[1:-1]
        substitutions = tuple(_parse_long(part.strip(), text) for part in described.split(";"))
    else:
        substitutions = tuple(_parse_short(part.strip(), text) for part in text.split(":"))
    positions = [substitution.position for substitution in substitutions]
    for place, position in enumerate(positions):
        if position in positions[:place]:
            raise UserError(f"the variant {text!r} changes position {position} twice")
    return substitutions


def format_variant(substitutions: Sequence[Substitution]) -> str:
    """`A24G:K30R`."""
    return ":".join(map(str, substitutions))


def format_hgvs(substitutions: Sequence[Substitution]) -> str:
    """`p.Ala24Gly`, or `p.[Ala24Gly;Lys30Arg]` of several.

    Raises:
        UserError: a letter is none of the twenty amino acids.
    """
    for substitution in substitutions:
        for letter in (substitution.wild_type, substitution.mutant):
            if letter not in _NAMES:
                raise UserError(f"{substitution}: {letter!r} is none of the twenty amino acids, which HGVS names")
    parts = [f"{_NAMES[wild_type]}{position}{_NAMES[mutant]}" for position, wild_type, mutant in substitutions]
    return f"p.{parts[0]}" if len(parts) == 1 else f"p.[{';'.join(parts)}]"


def read_sequence(sequence: str, alphabet: Alphabet) -> str:
    """A sequence as its alphabet spells it: without white space, in the letters' own case, T or U as it has them.

    Raises:
        UserError: it is empty, or a letter is not in the alphabet.
    """
    letters = "".join(letter for letter in sequence if letter not in WHITE_SPACE)
    if not letters:
        raise UserError("the sequence is empty")
    spelled = {symbol: symbol for symbol in (*alphabet.letters, *alphabet.ambiguity)} | alphabet.foldings
    for index, letter in enumerate(letters):
        if letter not in spelled:
            raise UserError(
                f"the letter {letter!r} at position {index + 1} of the sequence is not in the {alphabet.name} alphabet "
                f"({alphabet.letters})"
            )
    return "".join(spelled[letter] for letter in letters)


def check_variant(substitutions: Sequence[Substitution], sequence: str, alphabet: Alphabet) -> Variant:
    """The substitutions in the alphabet's spelling, which fit the sequence.

    Args:
        substitutions: as they are written.
        sequence: as `read_sequence` gives it: (L,).
        alphabet: of the sequence.

    Raises:
        UserError: a position is beyond the sequence, another letter stands there, a letter is not in the alphabet, or
            nothing is changed; the message names the substitution.
    """
    spelled = {symbol: symbol for symbol in (*alphabet.letters, *alphabet.ambiguity)} | alphabet.foldings
    checked = []
    for substitution in substitutions:
        position, wild_type, mutant = substitution
        for letter in (wild_type, mutant):
            if letter not in spelled:
                raise UserError(
                    f"{substitution}: the letter {letter!r} is not in the {alphabet.name} alphabet ({alphabet.letters})"
                )
        if position > len(sequence):
            raise UserError(f"{substitution}: position {position} is beyond the sequence, of {len(sequence)} letters")
        found = sequence[position - 1]
        if found != spelled[wild_type]:
            raise UserError(f"{substitution}: position {position} of the sequence is {found}, not {spelled[wild_type]}")
        if found == spelled[mutant]:
            raise UserError(f"{substitution} changes nothing; leave it out")
        checked.append(Substitution(position, found, spelled[mutant]))
    return tuple(checked)


def apply_variant(substitutions: Sequence[Substitution], sequence: str, alphabet: Alphabet) -> str:
    """The sequence with the substitutions made.

    Raises:
        UserError: they do not fit it (`check_variant`), or it is none of the alphabet.
    """
    letters = list(read_sequence(sequence, alphabet))
    for position, _, mutant in check_variant(substitutions, "".join(letters), alphabet):
        letters[position - 1] = mutant
    return "".join(letters)


def _parse_short(part: str, text: str) -> Substitution:
    found = _SHORT.fullmatch(part)
    if found is None:
        raise _unreadable(part, text)
    return Substitution(int(found[2]), found[1], found[3])


def _parse_long(part: str, text: str) -> Substitution:
    found = _LONG.fullmatch(part)
    if found is None:
        raise _unreadable(part, text)
    names = [name.capitalize() for name in (found[1], found[3])]
    for name in names:
        if name not in _THREE_LETTERS:
            raise UserError(f"{part!r} in {text!r}: {name} is no amino acid's three letters")
    wild_type, mutant = (_THREE_LETTERS[name] for name in names)
    return Substitution(int(found[2]), wild_type, mutant)


def _unreadable(part: str, text: str) -> UserError:
    where = repr(text) if part == text else f"{part!r} in {text!r}"
    return UserError(
        f"{where} is no substitution; write A24G, several as A24G:K30R, of a protein also p.Ala24Gly and "
        "p.[Ala24Gly;Lys30Arg]"
    )
