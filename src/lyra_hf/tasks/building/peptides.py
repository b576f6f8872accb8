"""Tables of peptides, and of the beginnings of proteins."""

import io
import math

import numpy as np
import numpy.typing as npt

from ...extras import needs
from .fetch import SourceFiles
from .proteins import STANDARD, around_test, each_once, hashed, similar_groups, split_groups, unambiguous
from .shared import fasta, fasta_lines

with needs("tables", "building a table"):
    import pandas as pd

_CODES = np.array(list("-ARNDCQEGHILKMFPSTWYV"))
"""The amino acids by their numbers in peptide-dashboard's arrays."""
_SIGNALS = {"NO_SP": 0, "SP": 1, "LIPO": 2, "TAT": 3, "TATLIPO": 4, "PILIN": 5}
_PARTITIONS = ("train", "validation", "test")


def acp_anticp2_alternate(files: SourceFiles) -> pd.DataFrame:
    """Anticancer peptides against pieces of Swiss-Prot proteins."""
    return _workbooks(files, "8. ACP Anticancer activity-alternative/alternative_ACP")


def acp_anticp2_main(files: SourceFiles) -> pd.DataFrame:
    """Anticancer peptides against antimicrobial ones."""
    return _workbooks(files, "8. ACP Anticancer activity-main/main_ACP")


def dppiv_inhibitory(files: SourceFiles) -> pd.DataFrame:
    """Peptides that inhibit DPP-IV."""
    return _workbooks(files, "2. DPPIV inhibitory activity/DPPIV")


def amp_dbaasp_capecchi(files: SourceFiles) -> pd.DataFrame:
    """Antimicrobial peptides of DBAASP, of L-amino acids only."""
    source = files.table("data/DAASP_RNN_dataset.csv").rename(columns={"Sequence": "sequence", "activity": "label"})
    source = source[source["sequence"].str.fullmatch(f"[{STANDARD}]{{4,}}")]
    return pd.DataFrame(
        {
            "sequence": source["sequence"],
            "label": source["label"],
            "split": around_test(source["sequence"], source["Set"] == "test"),
            "n_term": source["N terminus"],
            "c_term": source["C terminus"],
        }
    )


def amp_modlamp(files: SourceFiles) -> pd.DataFrame:
    """Antimicrobial peptides of APD3 against fragments of UniProt proteins."""
    source = files.table("modlamp/data/AMPvsUniProt.csv", skiprows=1, names=["sequence", "label"])
    return _clustered(each_once(source))


def cpp924(files: SourceFiles) -> pd.DataFrame:
    """The cell-penetrating peptides of CPPred-FL."""
    return _reactor(files, "cpp_cppredfl")


def cpp_mlcpp(files: SourceFiles) -> pd.DataFrame:
    """The cell-penetrating peptides of MLCPP."""
    return _reactor(files, "cpp_mlcpp")


def cpp_plm4cpps(files: SourceFiles) -> pd.DataFrame:
    """The cell-penetrating peptides of pLM4CPPs and of KELM-CPPpred."""
    main = _workbook(files, "embedded_data/Final_non_redundant_sequences.xlsx")
    main["split_publisher"] = np.where(_random_fifth(len(main), seed=123), "test", "train")
    kelm = [files.table(f"dataset/kelm_dataset_{part}.csv", na_filter=False) for part in ("CPP", "Non-CPP")]
    table = pd.concat([main, *(part.assign(split_publisher="kelm_independent") for part in kelm)])
    table = _clustered(table[table["sequence"].str.fullmatch(f"[{STANDARD}]+")].reset_index(drop=True))
    return table[["sequence", "label", "split", "split_publisher", "cluster"]]


def cpp_pmo_delivery(files: SourceFiles) -> pd.DataFrame:
    """Delivery of an antisense oligomer into cells by peptides that are built of modules."""
    source = files.table("dataset/data_cpp/cpp_predictor_dataset.csv")
    source = source[source["sequences"].str.fullmatch(f"[{STANDARD}23]+")]
    rows = pd.DataFrame(
        {
            "sequence": source["sequences"].str.replace("[23]", "X", regex=True),
            "label": source["Intensity"],
            "module_cpp": source["sequences"].str.split("3").str[-1],
            "modular": source["sequences"].str.contains("3"),
        }
    )
    peptides = rows.groupby("sequence")
    table = peptides.agg({"label": "mean", "module_cpp": "first", "modular": "first"})
    table = table.assign(n_replicates=peptides.size()).reset_index()
    table.insert(2, "split", [hashed(f"pmo{module}") for module in table["module_cpp"]])
    return table


def hemopi1(files: SourceFiles) -> pd.DataFrame:
    """Haemolytic peptides against pieces of Swiss-Prot proteins."""
    return _hemopi(files, "HemoPI-1")


def hemopi3(files: SourceFiles) -> pd.DataFrame:
    """Highly against poorly haemolytic peptides."""
    return _hemopi(files, "HemoPI-3")


def nonfouling(files: SourceFiles) -> pd.DataFrame:
    """Peptides that proteins do not stick to."""
    parts = [
        pd.DataFrame({"sequence": _decoded(files.data(f"ml/data/human-{name}.npz")), "label": label})
        for name, label in (("positive", 1), ("negative", 0))
    ]
    table = each_once(pd.concat(parts))
    table["split"] = [hashed(sequence) for sequence in table["sequence"]]
    table["cluster"] = np.array(similar_groups(table["sequence"].tolist(), 3, 0.6), np.int32)
    return table


def signalp6(files: SourceFiles) -> pd.DataFrame:
    """Signal peptides of five types, with the region of each residue."""
    rows = [
        (sequence, *header.split("|"), regions)
        for header, (sequence, regions) in fasta_lines(files.text("data/train_set.fasta"))
    ]
    table = pd.DataFrame(rows, columns=["sequence", "id", "kingdom", "sp_type", "partition", "residue_label"])
    table = unambiguous(table.astype({"partition": int}), "sp_type")
    last = table.groupby("sequence")["partition"].transform("max")
    table = table[(table["partition"] == last) | (last != _PARTITIONS.index("test"))]
    table = table.drop_duplicates("sequence", ignore_index=True)
    table["label"] = table["sp_type"].map(_SIGNALS)
    table["split"] = [_PARTITIONS[partition] for partition in table["partition"]]
    return table[["sequence", "label", "split", "sp_type", "kingdom", "partition", "residue_label", "id"]]


def _workbooks(files: SourceFiles, stem: str) -> pd.DataFrame:
    """Peptides of the publisher's workbooks for training and for testing."""
    parts = [_workbook(files, f"{stem}_{part}.xlsx").assign(test=part == "test") for part in ("train", "test")]
    table = each_once(pd.concat(parts))
    table["split"] = around_test(table["sequence"], table["test"])
    return table[["sequence", "label", "split"]]


def _workbook(files: SourceFiles, name: str) -> pd.DataFrame:
    """The peptides of a workbook's only sheet."""
    with needs("tables", "reading a workbook"):
        import openpyxl
    header, *rows = openpyxl.load_workbook(files.path(name)).active.values
    table = pd.DataFrame(rows, columns=header)[["sequence", "label"]].dropna()
    return table.assign(sequence=table["sequence"].str.strip(), label=table["label"].astype(int))


def _reactor(files: SourceFiles, name: str) -> pd.DataFrame:
    """Peptides of a data set of PEPTIDE REACToR."""
    sequences = [sequence for _, sequence in fasta(files.text(f"data/{name}/seqs.fasta"))]
    labels = [int(label) for label in files.text(f"data/{name}/classes.txt").split()]
    return _clustered(each_once(pd.DataFrame({"sequence": sequences, "label": labels})))


def _hemopi(files: SourceFiles, name: str) -> pd.DataFrame:
    """Peptides of a data set of HemoPI, which calls its test rows validation."""
    table = pd.DataFrame(
        [
            (sequence, label, part == "validation")
            for part in ("model", "validation")
            for label in (0, 1)
            for _, sequence in fasta(files.text(f"Data/Hemolytik_datasets/{name}/{name}_{part}_class{label}.fasta"))
        ],
        columns=["sequence", "label", "split"],
    )
    return table.assign(split=around_test(table["sequence"], table["split"]))


def _clustered(table: pd.DataFrame) -> pd.DataFrame:
    """Rows with their groups of alike sequences, which go whole into a split."""
    sequences = table["sequence"].tolist()
    groups = similar_groups(sequences, 3, 0.4)
    return table.assign(split=split_groups(sequences, groups), cluster=np.array(groups, np.int32))


def _random_fifth(rows: int, seed: int) -> npt.NDArray[np.bool_]:
    """The rows that `train_test_split` of scikit-learn takes for testing with test_size 0.2 and this random_state."""
    chosen = np.zeros(rows, bool)
    chosen[np.random.RandomState(seed).permutation(rows)[: math.ceil(0.2 * rows)]] = True
    return chosen


def _decoded(archive: bytes) -> list[str]:
    """Sequences of the first array in a .npz: numbers of amino acids, padded with 0."""
    with np.load(io.BytesIO(archive)) as arrays:
        return ["".join(_CODES[row[row > 0]]) for row in arrays[arrays.files[0]].astype(int)]


BUILDERS = {
    f"peptides/{builder.__name__}": builder
    for builder in (
        acp_anticp2_alternate,
        acp_anticp2_main,
        amp_dbaasp_capecchi,
        amp_modlamp,
        cpp924,
        cpp_mlcpp,
        cpp_plm4cpps,
        cpp_pmo_delivery,
        dppiv_inhibitory,
        hemopi1,
        hemopi3,
        nonfouling,
        signalp6,
    )
}
