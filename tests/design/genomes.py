"""Genomes that are made up, and sites found in them letter by letter."""

import re

import numpy as np

COMPLEMENTS = str.maketrans("ACGTRYKMBDHVSWN", "TGCAYRMKVHDBSWN")
CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip


def other_strand(text):
    return text.translate(COMPLEMENTS)[::-1]


def made_up(seed, length, unknown=0.02):
    """Letters at random, with runs of N and some in lower case."""
    generator = np.random.default_rng(seed)
    letters = generator.choice(list("ACGTacgt"), size=length, p=[0.2] * 4 + [0.05] * 4)
    for _ in range(round(unknown * length / 20)):
        start = generator.integers(0, length)
        letters[start : start + generator.integers(1, 40)] = generator.choice(["N", "n", "R"])
    return "".join(letters)


def write_fasta(path, contigs, width=60):
    lines = []
    for name, sequence in contigs.items():
        lines += [f">{name}", *(sequence[start : start + width] for start in range(0, len(sequence), width))]
    path.write_text("\n".join(lines) + "\n")
    return path


def naive_sites(sequence, guide, pam, side, strands="+-"):
    """(start, strand, guide, PAM) of all sites: every place of both strands is looked at."""
    sequence = sequence.upper().replace("U", "T")
    pattern = "".join(f"[{CODES[code]}]" for code in pam)
    spacer = f"[ACGT]{{{guide}}}"
    whole = re.compile(f"(?=({pattern}{spacer}))" if side == "5'" else f"(?=({spacer}{pattern}))")
    found = []
    for strand in strands:
        letters = sequence if strand == "+" else other_strand(sequence)
        for match in whole.finditer(letters):
            site = match[1]
            start = match.start() if strand == "+" else len(sequence) - match.start() - len(site)
            parts = (site[len(pam) :], site[: len(pam)]) if side == "5'" else (site[:guide], site[guide:])
            found.append((start, strand, *parts))
    return sorted(found, key=lambda site: (site[0], site[1] == "-"))
