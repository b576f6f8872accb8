"""Tables of Cas9 guides."""

import io

from ...extras import needs
from .fetch import SourceFiles
from .guides import beside_test, tidy_columns
from .shared import dealt, held_out
from .splits import kmer_groups

with needs("tables", "building a table"):
    import pandas as pd

_SGRNA_MODELER = "sgrna_modeler/data/datasets"
_DOENCH_SPLITS = {
    **dict.fromkeys(("CD45", "NF2", "TADA2B", "CD33", "THY1", "HPRT1", "CD28"), "test"),
    **dict.fromkeys(("CD43", "CUL3", "CCDC101"), "validation"),
}
# Genes that go with another one; what joined them is not on record.
_JOINED_GENES = {"ENSDARG00000074474": "ENSDARG00000029472", "ENSDARG00000074919": "ENSDARG00000071150"}
_DEEPHF_LABELS = ["Wt_Efficiency", "eSpCas 9_Efficiency", "SpCas9-HF1_Efficiency"]
_DEEPCRISPR_LINES = ("hct116", "hek293t", "hela", "hl60")
_DEEPCRISPR_TRACKS = ["ctcf", "dnase", "h3k4me3", "rrbs"]


def kim2019_spcas9(files: SourceFiles) -> pd.DataFrame:
    """SpCas9 indel frequencies of Kim 2019."""
    train = tidy_columns(files.table(f"{_SGRNA_MODELER}/Kim_2019_Train.csv.zip"))
    test = tidy_columns(files.table(f"{_SGRNA_MODELER}/Kim_2019_Test.csv.zip"))
    window = "Target context sequence (4+20+3+3)"
    train = train[~train[window].isin(test[window])].sort_values(window)
    columns = ["sequence", "label", "read_count"]
    parts = [
        train[[window, "Background subtracted indel (%)", "Total read count (Day 2.9)"]],
        test[[window, "Background subtracted indel frequencies (average, %)", "Total read count (average, Day 2.9)"]],
    ]
    table = pd.concat([part.set_axis(columns, axis=1) for part in parts], ignore_index=True)
    tested = [row >= len(train) for row in range(len(table))]
    groups, near, splits = beside_test(table["sequence"].tolist(), tested, 16, "kim")
    table = table.assign(
        split=splits,
        guide=table["sequence"].str[4:24],
        pam=table["sequence"].str[24:27],
        read_count=table["read_count"].astype("int64"),
        group=groups,
    )
    return table.loc[
        [not dropped for dropped in near], ["sequence", "label", "split", "guide", "pam", "read_count", "group"]
    ]


def doench2016_fc_res(files: SourceFiles) -> pd.DataFrame:
    """The sets FC and RES of Doench 2016."""
    source = files.table(f"{_SGRNA_MODELER}/Doench_2016.csv.zip").drop_duplicates(["30mer", "drug"])
    return pd.DataFrame(
        {
            "sequence": source["30mer"],
            "label": source["score_drug_gene_rank"],
            "split": [_DOENCH_SPLITS.get(gene, "train") for gene in source["Target gene"]],
            "guide": source["30mer"].str[4:24],
            "gene": source["Target gene"],
            "drug": source["drug"],
            "percent_peptide": source["Percent Peptide"],
            "aa_cut_position": source["Amino Acid Cut position"],
            "published_rs2_prediction": source["predictions"],
        }
    )


def meyers2017_gecko(files: SourceFiles) -> pd.DataFrame:
    """Depletion in the GeCKOv2 screens of Meyers 2017."""
    train = tidy_columns(files.table(f"{_SGRNA_MODELER}/Meyers_2017_Train.csv.zip"))
    test = tidy_columns(files.table(f"{_SGRNA_MODELER}/Meyers_2017_Test.csv.zip"))
    source = pd.concat([train, test], ignore_index=True)
    genes = next(source[name] for name in source if source[name].astype(str).str.fullmatch(r"ENSG\d{11}").all())
    splits = [held_out(f"lyra-v1:meyers:{gene}", 0.1) for gene in genes[: len(train)]]
    return pd.DataFrame(
        {
            "sequence": source["sgRNA context sequence"],
            "label": source["mean_activity"],
            "split": [*splits, *["test"] * len(test)],
            "guide": source["sgRNA context sequence"].str[4:24],
            "gene": genes,
            "percent_protein": source["Percent Protein"],
        }
    )


def morenomateos2015_zebrafish(files: SourceFiles) -> pd.DataFrame:
    """Guides of Moreno-Mateos 2015 in zebrafish."""
    source = files.table("effData/morenoMateos2015.scores.tab")
    genes = source["guide"].str.partition("_")[0]
    first_rows = {gene: row for row, gene in reversed(list(enumerate(genes)))}
    leaders = [_JOINED_GENES.get(gene, gene) for gene in genes]
    sequences = source["longSeq100Bp"].str[26:56]
    return pd.DataFrame(
        {
            "sequence": sequences,
            "label": source["modFreq"],
            "split": [dealt(f"moreno:{first_rows[gene]}", (0.65, 0.75)) for gene in leaders],
            "guide": sequences.str[4:24],
            "gene": genes,
        }
    )


def wang2019_wt(files: SourceFiles) -> pd.DataFrame:
    """Indel frequencies of wild-type SpCas9 of Wang 2019."""
    return _deephf(files, _DEEPHF_LABELS[0])


def wang2019_esp(files: SourceFiles) -> pd.DataFrame:
    """Indel frequencies of eSpCas9(1.1) of Wang 2019."""
    return _deephf(files, _DEEPHF_LABELS[1])


def wang2019_hf1(files: SourceFiles) -> pd.DataFrame:
    """Indel frequencies of SpCas9-HF1 of Wang 2019."""
    return _deephf(files, _DEEPHF_LABELS[2])


def _deephf(files: SourceFiles, label: str) -> pd.DataFrame:
    source = files.table("SupplementaryMaterials/DataS1.csv").dropna(subset=_DEEPHF_LABELS, how="all")
    sequences = sorted(set(source["21mer"]))
    groups = dict(zip(sequences, kmer_groups(sequences, 14), strict=True))
    rows = source.dropna(subset=label)
    own_groups = [groups[sequence] for sequence in rows["21mer"]]
    return pd.DataFrame(
        {
            "sequence": rows["21mer"],
            "label": rows[label],
            "split": [dealt(f"deephf:{group}", (0.765, 0.85)) for group in own_groups],
            "guide": rows["21mer"].str[:20],
            "group": own_groups,
        }
    )


def chuai2018_deepcrispr(files: SourceFiles) -> pd.DataFrame:
    """Knockout efficacies that Chuai 2018 collected."""
    columns = ["chrom", "start", "end", "strand", "sequence", *_DEEPCRISPR_TRACKS, "label"]
    parts = []
    for line in _DEEPCRISPR_LINES:
        content = files.member("paper_data-regression.tar.gz", f"paper_data2/ontar/{line}.repisgt")
        part = pd.read_csv(io.BytesIO(content), sep="\t", names=columns)
        parts.append(part.drop_duplicates("sequence").assign(cell_line=line))
    table = pd.concat(parts, ignore_index=True)
    sites = list(dict.fromkeys(table["sequence"]))
    groups = table["sequence"].map(dict(zip(sites, kmer_groups(sites, 14, both_strands=True), strict=True)))
    table = table.assign(
        split=[dealt(f"deepcrispr:{group}", (0.75, 0.85)) for group in groups],
        guide=table["sequence"].str[:20],
        group=groups,
    )
    return table[["sequence", "label", "split", "guide", "cell_line", *columns[:4], *_DEEPCRISPR_TRACKS, "group"]]


def crisprhal_tevspcas9(files: SourceFiles) -> pd.DataFrame:
    """Activities of TevSpCas9 in bacteria, of crisprHAL."""
    parts = [
        files.table(f"data/TevSpCas9_{part}_data.csv", header=None, names=["sequence", "label"])
        for part in ("training", "testing")
    ]
    table = pd.concat(parts, ignore_index=True)
    tested = [row >= len(parts[0]) for row in range(len(table))]
    _, near, splits = beside_test(table["sequence"].tolist(), tested, 25, "tev")
    return table.assign(split=splits, near_test=near)


BUILDERS = {
    "cas9/kim2019_spcas9": kim2019_spcas9,
    "cas9/doench2016_fc_res": doench2016_fc_res,
    "cas9/meyers2017_gecko": meyers2017_gecko,
    "cas9/morenomateos2015_zebrafish": morenomateos2015_zebrafish,
    "cas9/wang2019_wt": wang2019_wt,
    "cas9/wang2019_esp": wang2019_esp,
    "cas9/wang2019_hf1": wang2019_hf1,
    "cas9/chuai2018_deepcrispr": chuai2018_deepcrispr,
    "cas9/crisprhal_tevspcas9": crisprhal_tevspcas9,
}
