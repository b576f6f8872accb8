"""Outputs that cannot be written: names, full disks, disks and files that are write-protected."""

from case import DNA, Case
from contents import GOOD, fasta, folder, labelled, link_to

PREDICT = "predict lyra-cas9 a.csv"
_MANY = labelled(*range(30_000))
_CONTIG = fasta(a=(DNA + "CCATAGGTTGCA") * 60)
_TABLE = labelled(*[place + 0.5 for place in range(12)])
_TRAIN = "train a.csv --target y --epochs 1"
_LINES_OF_TRAINING = ("a.csv: ", "epoch ")

OUTPUTS = [
    Case("no folder for the output", f"{PREDICT} -o no/out.csv", ("there is no directory no",), {"a.csv": GOOD}),
    Case("an output that is a folder", f"{PREDICT} -o out.csv", ("not a file",), {"a.csv": GOOD, "out.csv": folder}),
    Case("an output of no format", f"{PREDICT} -o out.xlsx", ("out.xlsx: the ending",), {"a.csv": GOOD}),
    Case("an output without ending", f"{PREDICT} -o out", ("out: the ending",), {"a.csv": GOOD}),
    Case("a gzipped Parquet", f"{PREDICT} -o out.parquet.gz", ("out.parquet.gz: the ending",), {"a.csv": GOOD}),
    Case("an output that is the input", f"{PREDICT} -o a.csv", ("a.csv is the input itself",), {"a.csv": GOOD}),
    Case(
        "an output linked to the input",
        f"{PREDICT} -o out.csv",
        ("out.csv is the input itself",),
        {"a.csv": GOOD, "out.csv": link_to("a.csv")},
    ),
    Case(
        "an output linked to itself",
        f"{PREDICT} -o out.csv",
        ("out.csv",),
        {"a.csv": GOOD, "out.csv": link_to("out.csv")},
    ),
    Case("an output under a file", f"{PREDICT} -o a.csv/out.csv", ("a.csv/out.csv",), {"a.csv": GOOD}),
    Case("an output with a long name", f"{PREDICT} -o {'a' * 300}.csv", ("File name too long",), {"a.csv": GOOD}),
    Case("a picture of no format", "scan lyra-gb1 MKV --picture out.gif -o out.csv", ("out.gif",)),
    Case("a picture in no folder", "scan lyra-gb1 MKV --picture no/out.png -o out.csv", ("no/out.png",)),
    Case("a model into a file", f"{_TRAIN} -o a.csv", ("a.csv is a file",), {"a.csv": _TABLE}),
    Case("a model under a file", f"{_TRAIN} -o a.csv/out", ("a.csv/out",), {"a.csv": _TABLE}, said=_LINES_OF_TRAINING),
    Case("a page under a file", "page lyra-cas9 -o a.csv/out", ("a.csv",), {"a.csv": GOOD}),
    Case("a page over somebody's folder", "page lyra-cas9 -o mine", ("mine",), {"mine/a.csv": GOOD}),
]

# In the folder `small`, which has room for a few kilobytes.
FULL = [
    *(
        Case(
            f"a full disk under {ending}",
            f"{PREDICT} -o small/out{ending}",
            (f"small/out{ending} cannot be written", "No space left"),
            {"a.csv": _MANY},
        )
        for ending in (".csv", ".tsv", ".jsonl", ".parquet")
    ),
    Case(
        "a full disk under a scan",
        "scan lyra-gb1 " + "MKVAWG" * 20 + " -o small/out.csv",
        ("small/out.csv", "No space left"),
    ),
    Case("a full disk under epistasis", "epistasis lyra-gb1 MKVA -o small/out.csv", ("small/out.csv", "No space left")),
    Case(
        "a full disk under a picture",
        "scan lyra-gb1 MKV -o out.csv --picture small/out.png",
        ("small/out.png", "No space left"),
    ),
    Case(
        "a full disk under design",
        "design a.fa --model lyra-cas9 -o small/out.tsv",
        ("small/out.tsv", "No space left"),
        {"a.fa": _CONTIG},
    ),
    Case(
        "a full disk under training",
        f"{_TRAIN} -o small/out",
        ("small", "No space left"),
        {"a.csv": _TABLE},
        leaves="small/out",
        said=_LINES_OF_TRAINING,
    ),
    Case("a full disk under an export", "export lyra-cas9 -o small", ("small", "No space left")),
    Case("a full disk under a page", "page lyra-cas9 -o small/out", ("small", "No space left")),
]

# The same folder, mounted so that nothing can be written.
READ_ONLY = [
    Case(
        "a read-only disk",
        f"{PREDICT} -o small/out.csv",
        ("small/out.csv cannot be written", "Read-only"),
        {"a.csv": GOOD},
    ),
    Case(
        "a read-only disk under design",
        "design a.fa --model lyra-cas9 -o small/out.tsv",
        ("small/out.tsv", "Read-only"),
        {"a.fa": _CONTIG},
    ),
    Case(
        "a read-only disk under training",
        f"{_TRAIN} -o small/out",
        ("small", "Read-only"),
        {"a.csv": _TABLE},
        said=_LINES_OF_TRAINING,
    ),
    Case("a read-only disk under a page", "page lyra-cas9 -o small/out", ("small", "Read-only")),
]
