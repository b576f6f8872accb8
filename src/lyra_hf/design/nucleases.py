"""What a nuclease needs of its target, and what a model reads of it.

A site is the protospacer and, where the nuclease wants one, the PAM beside it. It is written 5' to 3' on the strand of
the protospacer: of nucleases that cut DNA that is the strand with the letters of the guide; of those that cut RNA it is
the RNA, of which the guide is the reverse complement.
"""

from dataclasses import dataclass, replace
from typing import Literal

from ..alphabets import DNA
from ..errors import UserError


@dataclass(frozen=True)
class Nuclease:
    """A nuclease and the model of it; of the catalogue's recipes the section `nuclease`.

    Attributes:
        name: what people call it.
        guide: letters of the guide, and of the protospacer.
        before: letters of context that the model reads before the site, on the strand of the protospacer.
        after: letters that it reads after the site.
        pam: the PAM in IUPAC codes; empty if it needs none.
        pam_side: on which end of the protospacer the PAM is.
        cut: after how many letters of the protospacer it cuts that strand; None if nowhere in particular.
        target: what it cuts. RNA is looked for on one strand, that of the transcript.
        reads: which strand the model reads: that of the protospacer, or that of the guide.
        lower_is_better: whether a low score tells an active guide.
        offtarget_model: the shipped model of its off-targets, if there is one.
    """

    name: str
    guide: int
    before: int
    after: int
    pam: str = ""
    pam_side: Literal["3'", "5'"] = "3'"
    cut: int | None = None
    target: Literal["dna", "rna"] = "dna"
    reads: Literal["protospacer", "guide"] = "protospacer"
    lower_is_better: bool = False
    offtarget_model: str | None = None

    def __post_init__(self) -> None:
        if self.guide < 1 or self.before < 0 or self.after < 0:
            raise UserError(f"nuclease {self.name}: guide, before and after are numbers of letters")
        if self.pam_side not in ("3'", "5'") or self.target not in ("dna", "rna"):
            raise UserError(f"nuclease {self.name}: pam_side is 3' or 5', and target dna or rna")
        if self.reads not in ("protospacer", "guide"):
            raise UserError(f"nuclease {self.name}: reads is protospacer or guide, not {self.reads!r}")
        if self.cut is not None and not 0 <= self.cut <= self.guide:
            raise UserError(f"nuclease {self.name}: cut is at most the {self.guide} letters of the guide")
        known = {*DNA.letters, *DNA.ambiguity}
        for place, letter in enumerate(self.pam):
            if letter not in known:
                raise UserError(
                    f"the PAM {self.pam!r}: letter {place + 1}, {letter!r}, is no IUPAC code of DNA ({DNA.letters}"
                    f"{''.join(DNA.ambiguity)})"
                )

    @property
    def site(self) -> int:
        """Letters of the protospacer and the PAM."""
        return self.guide + len(self.pam)

    @property
    def window(self) -> int:
        """Letters of the site and the context on either side, which the model reads."""
        return self.before + self.site + self.after

    @property
    def protospacer(self) -> slice:
        """Where the protospacer is in a window, on its own strand."""
        start = self.before + (len(self.pam) if self.pam_side == "5'" else 0)
        return slice(start, start + self.guide)

    @property
    def pam_place(self) -> slice:
        """Where the PAM is in a window, on the strand of the protospacer."""
        start = self.before + (0 if self.pam_side == "5'" else self.guide)
        return slice(start, start + len(self.pam))

    def with_pam(self, pam: str) -> "Nuclease":
        """The same with another PAM, of as many letters, as the model reads it with the rest.

        Raises:
            UserError: it has another number of letters, or one that is no IUPAC code.
        """
        pam = pam.upper().replace("U", "T")
        if len(pam) != len(self.pam):
            raise UserError(
                f"the PAM {pam!r} has {len(pam)} letters; the model of {self.name} reads one of {len(self.pam)}"
                + (f", such as {self.pam}" if self.pam else "")
            )
        return replace(self, pam=pam)
