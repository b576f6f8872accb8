"""Tables of disordered proteins."""

import json
from collections.abc import Iterator

import numpy as np

from ...extras import needs
from .fetch import SourceFiles
from .shared import archived, fasta, fasta_lines, held_out, numbers

with needs("tables", "building a table"):
    import pandas as pd

_FUNCTIONS = ("protein_binding", "dna_binding", "rna_binding", "ion_binding", "lipid_binding", "flexible_linker")
_DISPROT_SETS = {"train_data": "train", "dev_data": "validation", "DP93": "test", "DP94": "test"}
_CAID_TASKS = ("disorder_pdb", "disorder_nox", "binding", "linker")
_MARKS = {"0": 0, "1": 1, "-": -1}
_NO_SCORE = 999


def disprot_functions(files: SourceFiles) -> pd.DataFrame:
    """Disordered residues and six functions of disordered regions, as DisProt annotates them."""
    rows = [
        {
            "sequence": sequence,
            "label": numbers(disorder, _MARKS),
            "split": split,
            "id": name,
            "source_set": source_set,
            **{function: numbers(marks, _MARKS) for function, marks in zip(_FUNCTIONS, functions, strict=True)},
        }
        for source_set, split in _DISPROT_SETS.items()
        for name, (sequence, disorder, *functions) in fasta_lines(files.text(f"dataset/{source_set}.txt"))
    ]
    return pd.DataFrame(rows).drop_duplicates("sequence", ignore_index=True)


def caid2(files: SourceFiles) -> pd.DataFrame:
    """The four blind references of CAID2."""
    trained_on = {
        lines[0] for name in ("train_data", "dev_data") for _, lines in fasta_lines(files.text(f"dataset/{name}.txt"))
    }
    return pd.DataFrame(
        [
            {
                "sequence": sequence,
                "label": numbers(marks, _MARKS),
                "split": "test",
                "task": task,
                "id": name,
                "in_disprot_train": sequence in trained_on,
            }
            for task in _CAID_TASKS
            for name, (sequence, marks) in fasta_lines(archived(files, "dataset/CAID2.zip", f"{task}.fasta"))
        ]
    )


def chezod(files: SourceFiles) -> pd.DataFrame:
    """Order of each residue, as NMR chemical shifts tell it."""
    return pd.DataFrame(_chezod_rows(files))


def _chezod_rows(files: SourceFiles) -> Iterator[dict[str, object]]:
    unlike_test = {name for name, _ in fasta(files.text("datasets/chezod_1159.fasta"))}
    for protein in json.loads(files.text("datasets/1325_dataset_raw.json")):
        if protein["brmid"] in unlike_test:
            sequence = protein["sequence"]
            split = held_out("val" + sequence, 0.1, "sha1")
            yield _chezod_row(protein["brmid"], sequence, protein["z-score"], split)
    for protein in json.loads(files.text("datasets/117_dataset_raw.json")):
        yield _chezod_row(protein["brmid"], protein["sequence"], protein["zscore"], "test")


def _chezod_row(name: str, sequence: str, scores: list[float], split: str) -> dict[str, object]:
    label = [None if score == _NO_SCORE else float(np.float32(score)) for score in scores]
    return {"sequence": sequence, "label": label, "split": split, "id": name}


BUILDERS = {
    "disorder/caid2": caid2,
    "disorder/chezod": chezod,
    "disorder/disprot_functions": disprot_functions,
}
