"""Tables of antibodies."""

from ...extras import needs
from .fetch import SourceFiles
from .shared import held_out
from .splits import deal, place

with needs("tables", "building a table"):
    import pandas as pd


def gifford_relso(files: SourceFiles) -> pd.DataFrame:
    """CDR-H3 of the Gifford data, in the split of ReLSO."""
    train, test = (files.table(f"data/gifford_data/{part}_data.csv") for part in ("train", "test"))
    source = pd.concat([train, test], ignore_index=True)
    padded = source["CDR3"]
    splits = [held_out(f"lyra-v1:{sequence}", 0.05) for sequence in train["CDR3"]]
    return pd.DataFrame(
        {
            "sequence": padded.str.replace("J", ""),
            "label": source["enrichment"],
            "in_train": padded.isin(train["CDR3"]),
            "split": [*splits, *["test"] * len(test)],
            "sequence_padded": padded,
        }
    )


def trastuzumab_cdrh3(files: SourceFiles) -> pd.DataFrame:
    """CDR-H3 variants of trastuzumab that bind HER2 or not."""
    parts = (files.table(f"data/mHER_H3_Ag{sort}.csv").assign(label=label) for sort, label in (("Pos", 1), ("Neg", 0)))
    variants = pd.concat(parts).groupby("AASeq")
    table = variants.agg(label=("label", "first"), sorts=("label", "nunique"), count=("Count", "sum")).reset_index()
    table = table[table["sorts"] == 1]
    sequences = table["AASeq"]
    return pd.DataFrame(
        {
            "sequence": sequences,
            "label": table["label"],
            "split": [_dealt(f"tra{sequence}") for sequence in sequences],
            "split_grouped": [_dealt(f"trg{sequence[3:7]}") for sequence in sequences],
            "cdrh3_full": "CSR" + sequences + "YW",
            "count": table["count"],
        }
    )


def _dealt(text: str) -> str:
    return deal((0.2, 0.3, 1), ("test", "validation", "train"), place(text, "sha1"))


BUILDERS = {"antibody/gifford_relso": gifford_relso, "antibody/trastuzumab_cdrh3": trastuzumab_cdrh3}
