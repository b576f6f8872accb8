"""Tables of ProteinGym: what mutations do to a protein, with the folds of its first version."""

from functools import partial

from ...extras import needs
from .fetch import SourceFiles

with needs("tables", "building a table"):
    import pandas as pd

_FOLDS = ["fold_random_5", "fold_modulo_5", "fold_contiguous_5"]
_FOLD_SPLITS = {0: "test", 1: "validation"}


# The publisher's name of each assay.
_SINGLES = {
    "proteingym_blat_stiffler": "BLAT_ECOLX_Stiffler_2015",
    "proteingym_r1ab_flynn": "R1AB_SARS2_Flynn_2022",
}
_SINGLES_AND_DOUBLES = {
    "proteingym_bbc1_tsuboyama": "BBC1_YEAST_Rocklin_2023_1TG0",
    "proteingym_csn4_tsuboyama": "CSN4_MOUSE_Rocklin_2023_1UFM",
    "proteingym_dnja1_tsuboyama": "DNJA1_HUMAN_Rocklin_2023_2LO1",
    "proteingym_ephb2_tsuboyama": "EPHB2_HUMAN_Rocklin_2023_1F0M",
    "proteingym_tcrg1_tsuboyama": "TCRG1_MOUSE_Rocklin_2023_1E0L",
}


def _singles(files: SourceFiles, assay: str) -> pd.DataFrame:
    """Single mutants, split by ProteinGym's folds of neighbouring positions."""
    table = _assay(files, "singles", assay)
    split = [_FOLD_SPLITS.get(fold, "train") for fold in table["fold_contiguous_5"]]
    return _arranged(table.assign(split=split), _FOLDS)


def _singles_and_doubles(files: SourceFiles, assay: str) -> pd.DataFrame:
    """Single mutants and, after them, double ones, which are test.

    Some doubles have a mutation that changes nothing, such as H50H. Such a row is left out where the mutant that it is
    has a row by its own name, and is a single where it has none.
    """
    table = _assay(files, "multiples", assay).sort_values("mutation_depth", kind="stable").drop_duplicates("sequence")
    table = table.merge(_assay(files, "singles", assay)[["variant", *_FOLDS]], how="left", on="variant")
    held_out = table["fold_random_5"] == 1
    split = held_out.map({True: "validation", False: "train"}).mask(table["n_mutations"] > 1, "test")
    return _arranged(table.assign(split=split), ["fold_rand_multiples", *_FOLDS])


def _assay(files: SourceFiles, kind: str, assay: str) -> pd.DataFrame:
    """The mutants of a file, with the number of their mutations that change something."""
    source = files.table(f"data/processed/proteingym_cv_folds_{kind}_substitutions/{assay}.csv")
    changes = [sum(mutation[0] != mutation[-1] for mutation in variant.split(":")) for variant in source["mutant"]]
    return source.rename(
        columns={
            "mutant": "variant",
            "mutated_sequence": "sequence",
            "DMS_score": "label",
            "DMS_score_bin": "label_bin",
        }
    ).assign(n_mutations=changes)


def _arranged(table: pd.DataFrame, folds: list[str]) -> pd.DataFrame:
    table = table[["sequence", "label", "split", "label_bin", "variant", "n_mutations", *folds]]
    return table.astype(dict.fromkeys(folds, "Int8")).reset_index(drop=True)


BUILDERS = {
    f"fitness/{name}": partial(build, assay=assay)
    for build, assays in ((_singles, _SINGLES), (_singles_and_doubles, _SINGLES_AND_DOUBLES))
    for name, assay in assays.items()
}
