"""Tables of the structure, solubility and localisation of proteins."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ...extras import needs
from .fetch import SourceFiles
from .shared import archived, fasta, held_out, numbers

with needs("tables", "building a table"):
    import pandas as pd

_STATES = {"H": 0, "E": 1, "C": 2}
_LIGANDS = {str(sum_): sum_ for sum_ in range(8)}
_LOCATIONS = (
    "Nucleus",
    "Cytoplasm",
    "Extracellular",
    "Mitochondrion",
    "Cell.membrane",
    "Endoplasmic.reticulum",
    "Plastid",
    "Golgi.apparatus",
    "Lysosome/Vacuole",
    "Peroxisome",
)
_DEEPLOC_FILES = {
    "data_files/deeploc_test_set.fasta": "train",
    "data_files/deeploc_our_val_set.fasta": "validation",
    "data_files/setHARD.fasta": "test",
}


def ss3_netsurfp(files: SourceFiles) -> pd.DataFrame:
    """Helix, strand or coil of each residue."""
    archive = "splits/secondary_structure/splits.zip"
    resolved = _by_name(archived(files, archive, "mask.fasta"))
    rows = []
    for name, split, sequence, states in _flip(files, archive, "sampled.fasta"):
        label = numbers(states, _STATES)
        label[[mark == "0" for mark in resolved[name]]] = -1
        rows.append({"sequence": sequence, "label": label, "split": split, "id": name})
    return pd.DataFrame(rows)


def bind_flip(files: SourceFiles) -> pd.DataFrame:
    """Which ligands each residue binds."""
    rows = [
        {"sequence": sequence, "label": numbers(ligands, _LIGANDS), "split": split, "id": name}
        for name, split, sequence, ligands in _flip(files, "splits/bind/splits.zip", "from_publication.fasta")
    ]
    return pd.DataFrame(rows).drop_duplicates("sequence", ignore_index=True)


def _flip(files: SourceFiles, archive: str, labels: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, split, sequence and labels of each protein of a FLIP archive, in the order of its file of labels."""
    sequences = _by_name(archived(files, archive, "sequences.fasta"))
    for header, letters in fasta(archived(files, archive, labels)):
        name, *marks = header.split()
        split = "test" if "SET=test" in marks else "validation" if "VALIDATION=True" in marks else "train"
        yield name, split, sequences[name], letters


def _by_name(text: str) -> dict[str, str]:
    return {header.split()[0]: letters for header, letters in fasta(text)}


def esol(files: SourceFiles) -> pd.DataFrame:
    """Soluble fraction of E. coli's proteins."""
    test = files.table("Data/eSol_test.csv").assign(split="test")
    rest = files.table("Data/eSol_train.csv")
    rest["split"] = [held_out("val" + sequence, 0.1, "sha1") for sequence in rest["sequence"]]
    table = pd.concat([test, rest]).drop_duplicates("sequence", ignore_index=True)
    return table.rename(columns={"solubility": "label"})[["sequence", "label", "split", "gene"]]


def deeploc_small(files: SourceFiles) -> pd.DataFrame:
    """Where in the cell a protein is."""
    return pd.DataFrame(
        [
            {
                "sequence": sequence,
                "label": _LOCATIONS.index(location),
                "split": split,
                "location": location,
                "solubility": solubility,
                "id": name,
                "source_file": PurePosixPath(path).stem,
            }
            for path, split in _DEEPLOC_FILES.items()
            for name, location, solubility, sequence in _deeploc(files.text(path))
            if location in _LOCATIONS
        ]
    )


def _deeploc(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Name, location, solubility and sequence of each protein; headers are `NAME LOCATION-SOLUBILITY ...`."""
    for header, sequence in fasta(text):
        name, where, *_ = header.split()
        location, _, solubility = where.rpartition("-")
        yield name, location, solubility, sequence


BUILDERS = {
    "structure/bind_flip": bind_flip,
    "structure/ss3_netsurfp": ss3_netsurfp,
    "solubility/esol": esol,
    "localisation/deeploc_small": deeploc_small,
}
