# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The letters of proteins, DNA and RNA: what each stands for, how it may be spelled, what it pairs with.

This file is the one home of these facts: the tokenizers, the encoder of the model, the byte tables and the
reverse complement are all derived from it.

Sources: IUPAC-IUB nucleotide codes (Cornish-Bowden 1985, doi:10.1093/nar/13.9.3021) and IUPAC-IUB amino-acid
codes (1983, doi:10.1111/j.1432-1033.1984.tb07877.x).
"""

from dataclasses import dataclass, field

PAD_TOKEN = "[PAD]"
UNK_TOKEN = "[UNK]"
PAD_ID = 0
UNK_ID = 1
MAX_LETTERS = 200  # token ids fit a byte

# What the tokenizers drop wherever it stands: Unicode's property White_Space, spelled out so that the Rust
# tokenizer and the byte tables cannot disagree about it.
WHITE_SPACE = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True)
class Alphabet:
    """An ordered set of letters and the codes that stand for several of them.

    Attributes:
        name: "protein", "dna", "rna", or the letters themselves for an alphabet of the user's own.
        letters: the letters proper, in the order of their token ids.
        ambiguity: code -> the letters it stands for, in the order of the codes' token ids. A code with one letter
            is one that shares that letter's properties (selenocysteine U counts as cysteine C).
        synonyms: another spelling -> the letter it is read as (U in DNA).
        complements: letter or code -> its complement; empty where there is none.
    """

    name: str
    letters: str
    ambiguity: dict[str, str] = field(default_factory=dict)
    synonyms: dict[str, str] = field(default_factory=dict)
    complements: dict[str, str] = field(default_factory=dict)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Token -> id: [PAD] 0, [UNK] 1, then the letters, then the ambiguity codes."""
        tokens = [PAD_TOKEN, UNK_TOKEN, *self.letters, *self.ambiguity]
        return {token: index for index, token in enumerate(tokens)}

    @property
    def foldings(self) -> dict[str, str]:
        """Spelling -> symbol for every spelling that is read as another symbol: the other case, and synonyms."""
        symbols = [*self.letters, *self.ambiguity]
        folded = {symbol.swapcase(): symbol for symbol in symbols if symbol.isascii() and symbol.isalpha()}
        for spelling, letter in self.synonyms.items():
            folded[spelling] = letter
            folded[spelling.swapcase()] = letter
        return {spelling: symbol for spelling, symbol in folded.items() if spelling not in symbols}

    @property
    def composition(self) -> list[list[float]]:
        """Rows by token id, columns by letter: each symbol's composition over the alphabet, rows summing to 1.

        The row of [PAD] is zero: nothing is there. [UNK] is the even mixture of all letters: something is there,
        and nothing is known about it.
        """
        even = [1.0 / len(self.letters)] * len(self.letters)
        rows = [[0.0] * len(self.letters), even]
        for stands_for in [*self.letters, *self.ambiguity.values()]:
            share = 1.0 / len(stands_for)
            rows.append([share if letter in stands_for else 0.0 for letter in self.letters])
        return rows

    @property
    def complement_ids(self) -> list[int]:
        """Token id -> token id of the complement.

        Raises:
            ValueError: the alphabet has no complements.
        """
        if not self.complements:
            raise ValueError(f"the alphabet {self.name!r} has no complements; only DNA and RNA have")
        ids = self.vocabulary
        return [ids[self.complements.get(token, token)] for token in ids]


_IUPAC = {
    "R": "AG",
    "Y": "CT",
    "S": "CG",
    "W": "AT",
    "K": "GT",
    "M": "AC",
    "B": "CGT",
    "D": "AGT",
    "H": "ACT",
    "V": "ACG",
    "N": "ACGT",
}
_IUPAC_COMPLEMENTS = dict(zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True))


def _as_rna(text: str) -> str:
    return text.replace("T", "U")


PROTEIN = Alphabet(
    name="protein",
    letters="ACDEFGHIKLMNPQRSTVWY",
    ambiguity={"B": "DN", "J": "IL", "O": "K", "U": "C", "X": "ACDEFGHIKLMNPQRSTVWY", "Z": "EQ"},
)
DNA = Alphabet(
    name="dna",
    letters="ACGT",
    ambiguity=_IUPAC,
    synonyms={"U": "T"},
    complements=_IUPAC_COMPLEMENTS,
)
RNA = Alphabet(
    name="rna",
    letters="ACGU",
    ambiguity={code: _as_rna(letters) for code, letters in _IUPAC.items()},
    synonyms={"T": "U"},
    complements={_as_rna(symbol): _as_rna(other) for symbol, other in _IUPAC_COMPLEMENTS.items()},
)

NAMED_ALPHABETS = {alphabet.name: alphabet for alphabet in (PROTEIN, DNA, RNA)}


def get_alphabet(name: str) -> Alphabet:
    """The alphabet called `name` ("protein", "dna", "rna"), or one made of the letters of `name` as they stand.

    Raises:
        ValueError: `name` is neither, or has a repeated letter or white space.
    """
    if name in NAMED_ALPHABETS:
        return NAMED_ALPHABETS[name]
    if name.lower() in NAMED_ALPHABETS:
        raise ValueError(f"alphabet {name!r}: the name is {name.lower()!r}, in lower case")
    if len(name) < 2:
        raise ValueError(f"alphabet {name!r}: give 'protein', 'dna', 'rna', or a string of at least two letters")
    if len(name) > MAX_LETTERS:
        raise ValueError(f"an alphabet of {len(name)} letters; the most is {MAX_LETTERS}")
    for position, letter in enumerate(name):
        if letter in WHITE_SPACE:
            raise ValueError(f"alphabet {name!r}: white space at position {position + 1} cannot be a letter")
        if letter in name[:position]:
            raise ValueError(
                f"alphabet {name!r}: the letter {letter!r} stands twice; "
                "give 'protein', 'dna', 'rna', or a string of different letters"
            )
    return Alphabet(name=name, letters=name)
