"""Tables of RNA: structure, degradation, families, translation and interference."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ...extras import needs
from .fetch import SourceFiles
from .shared import archived, dealt, fasta, held_out, letters_only
from .splits import kmer_groups

with needs("tables", "building a table"):
    import pandas as pd

_LONGEST = 1024
_FAMILY_SPLITS = {
    "tmRNA": "validation",
    **dict.fromkeys(("RNaseP", "telomerase", "grp1", "grp2", "23s"), "test"),
    **dict.fromkeys(("5s", "16s", "srp", "tRNA"), "train"),
}

_RYOS_TRAIN = (*(f"data/kfold/fold_{fold}/valid.jsonl" for fold in range(5)), "data/valid.jsonl")
_RYOS_TEST = (
    "DasLab/KaggleOpenVaccine@b95af835cc38bd7dc55ed6e7397d124787f86996/"
    "data/Kaggle_RYOS_data/Kaggle_RYOS_testset.json.zip"
)
_DEGRADATION = ("deg_Mg_pH10", "deg_pH10", "deg_Mg_50C", "deg_50C")
_SCORED = {107: 68, 130: 91}


def archiveii_paired(files: SourceFiles) -> pd.DataFrame:
    """Paired bases of ArchiveII."""
    source = files.table("data/archiveII/processed/archiveII_from_bpseq.csv")
    source = source[(source["sequence"].str.len() <= _LONGEST) & source["sequence"].str.fullmatch("[ACGU]+")]
    source = source.drop_duplicates("sequence", ignore_index=True)
    families = [name.partition("_")[0] for name in source["sequence_id"]]
    groups = kmer_groups(source["sequence"].tolist(), 32)
    return pd.DataFrame(
        {
            "sequence": source["sequence"],
            "label": [[int(mark != ".") for mark in marks] for marks in source["dot_bracket"]],
            "split": [_FAMILY_SPLITS[family] for family in families],
            "split_random": [dealt(f"archive:{group}", (0.8, 0.9)) for group in groups],
            "family": families,
            "dot_bracket": source["dot_bracket"],
            "sequence_id": source["sequence_id"],
        }
    )


def openvaccine_ryos(files: SourceFiles) -> pd.DataFrame:
    """Reactivity and degradation of each base, of OpenVaccine."""
    rows = [*_ryos_train_rows(files), *_ryos_test_rows(files)]
    return pd.DataFrame(rows).drop_duplicates("sequence", ignore_index=True)


def _ryos_train_rows(files: SourceFiles) -> Iterator[dict[str, Any]]:
    for name in _RYOS_TRAIN:
        for line in files.text(name).splitlines():
            molecule = json.loads(line)
            split = held_out(f"lyra-v1:ov:{molecule['sequence']}", 0.12)
            yield _ryos_row(molecule, split, "", molecule["signal_to_noise"], molecule["SN_filter"])


def _ryos_test_rows(files: SourceFiles) -> Iterator[dict[str, Any]]:
    text = archived(files, _RYOS_TEST, "*.json")
    for molecule in pd.read_json(io.StringIO(text), lines="}\n{" in text).to_dict("records"):
        yield _ryos_row(molecule, "test", str(len(molecule["sequence"])), None, None)


def _ryos_row(
    molecule: Mapping[str, Any], split: str, part: str, signal_to_noise: float | None, passed: float | None
) -> dict[str, Any]:
    sequence = molecule["sequence"]
    scored = _SCORED[len(sequence)]
    return {
        "sequence": sequence,
        "label": np.array(molecule["reactivity"][:scored], np.float32),
        "split": split,
        "test_part": part,
        "structure": molecule["structure"],
        "seq_scored": scored,
        "signal_to_noise": signal_to_noise,
        "SN_filter": passed,
        **{rate: np.array(molecule[rate][:scored], np.float32) for rate in _DEGRADATION},
    }


def noderer2014_tis(files: SourceFiles) -> pd.DataFrame:
    """Efficiency of all start sites around AUG."""
    source = files.table("Data/TIS/tis_efficiencies_aug.tsv")
    return pd.DataFrame(
        {
            "sequence": source["sequence"],
            "label": source["efficiency"].astype(float),
            "split": [dealt(f"tis:{sequence}", (0.8, 0.9)) for sequence in source["sequence"]],
            "lower_bound": source["lower.bound"],
            "upper_bound": source["upper.bound"],
        }
    )


def nrc_ncrna(files: SourceFiles) -> pd.DataFrame:
    """Families of non-coding RNA."""
    test = _nrc(files, "test")
    tested = {sequence for _, sequence in test}
    rows = [
        (sequence, family, held_out(f"lyra-v1:nrc:{sequence}", 0.1))
        for family, sequence in _nrc(files, "train")
        if sequence not in tested
    ]
    rows += [(sequence, family, "test") for family, sequence in test]
    table = pd.DataFrame(rows, columns=["sequence", "label", "split"])
    return table.drop_duplicates("sequence", ignore_index=True)


def _nrc(files: SourceFiles, part: str) -> list[tuple[str, str]]:
    text = files.text(f"datasets/nRC-public/dataset_nRC_{part}.fasta")
    return [(family, letters_only(sequence.replace("U", "T"), "ACGT", "N")) for family, sequence in fasta(text)]


def sirna_dataset1(files: SourceFiles) -> pd.DataFrame:
    """Knock-down by siRNA."""
    text = files.text("data/raw/dataset_1/sirna_1.fas")
    sequences = {header.split()[0]: letters.upper().replace("T", "U") for header, letters in fasta(text)}
    source = files.table("data/raw/dataset_1/sirna_mrna_efficacy.csv")
    return pd.DataFrame(
        {
            "sequence": [sequences[name] for name in source["siRNA"]],
            "label": source["efficacy"],
            "split": [dealt(f"sirna:{gene}", (0.65, 0.77)) for gene in source["mRNA"]],
            "gene": source["mRNA"],
        }
    )


BUILDERS = {
    "rna_structure/archiveii_paired": archiveii_paired,
    "rna_structure/openvaccine_ryos": openvaccine_ryos,
    "rna_function/noderer2014_tis": noderer2014_tis,
    "rna_function/nrc_ncrna": nrc_ncrna,
    "rna_function/sirna_dataset1": sirna_dataset1,
}
