"""Labels that cannot be learned from or measured against, and options that do not fit them."""

from case import Case
from contents import labelled, parquet, table

TRAIN, EVALUATE = "train a.csv --target y -o out", "evaluate lyra-cas9 a.csv --target y"
_GOOD = {"a.csv": labelled(1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5)}


def _labels(*labels: object) -> dict[str, bytes]:
    return {"a.csv": labelled(*labels)}


LABELS = [
    Case("infinite", TRAIN, ("a.csv, row 2", "is infinite"), _labels(1.5, "inf", 2.5, 3.5)),
    Case("minus infinite", TRAIN, ("a.csv, row 3", "is infinite"), _labels(1.5, 2.5, "-inf", 3.5)),
    Case("NaN to measure", EVALUATE, ("a.csv", "label"), _labels("nan", "nan", "nan", "nan")),
    Case("infinite to measure", EVALUATE, ("a.csv, row 2", "is infinite"), _labels(1.5, "inf", 2.5, 3.5)),
    Case("beyond floats", TRAIN, ("a.csv, row 2", "is infinite"), _labels(1.5, "1e999", 2.5, 3.5)),
    Case("text among numbers", TRAIN, ("a.csv, row 3: 'y' is 'much'",), _labels(1.5, 2.5, "much", 3.5)),
    Case("text to measure", EVALUATE, ("a.csv, row 3: 'y' is 'much'",), _labels(1.5, 2.5, "much", 3.5)),
    Case("a decimal comma", TRAIN, ("a.csv, row 1: 'y' is '1,5'",), _labels('"1,5"', "2.5", "3.5", "4.5")),
    Case("no label at all", TRAIN, ("a.csv: no row has a label in y",), _labels("", "", "", "")),
    Case("no label to measure", EVALUATE, ("a.csv: no row has a label in y",), _labels("", "", "", "")),
    Case(
        "all alike",
        TRAIN,
        ("the validation labels leave spearman undefined",),
        _labels(1.5, 1.5, 1.5, 1.5),
        said="a.csv: ",
    ),
    Case(
        "one class only",
        TRAIN + " --problem classification",
        ("a.csv", "one class only, 'on'"),
        _labels("on", "on", "on", "on"),
    ),
    Case(
        "a class of the validation rows alone",
        TRAIN + " --problem classification --metric auroc",
        ("auroc",),
        _labels("on", "off", "on", "on", "on", "off", "on", "on"),
        said="a.csv: ",
    ),
    Case(
        "numbers for several labels",
        TRAIN + " --target z --problem multi-label",
        ("a.csv, row 2", "'z'"),
        {"a.csv": table("ACGT,1,0", "ACGA,0,7", "ACCA,1,1", header="sequence,y,z")},
    ),
    Case("no such column", "train a.csv --target z -o out", ("a.csv has no column 'z'",), _GOOD),
    Case("no such column to measure", "evaluate lyra-cas9 a.csv --target z", ("a.csv has no column 'z'",), _GOOD),
    Case(
        "the sequences as labels",
        "train a.csv --target sequence -o out --problem regression",
        ("a.csv, row 1: 'sequence'",),
        _GOOD,
    ),
    Case(
        "a list too long",
        TRAIN + " --per-residue",
        ("a.csv, row 2: 'y' has 5 labels for 4 residues",),
        {"a.csv": table('ACGT,"[1.5,2,3,4]"', 'ACGT,"[1,2,3,4,5]"', header="sequence,y")},
    ),
    Case(
        "a list that is broken off",
        TRAIN + " --per-residue",
        ("a.csv, row 1",),
        {"a.csv": table('ACGT,"[1.5,2,"', 'ACGT,"[1,2,3,4]"', header="sequence,y")},
    ),
    Case(
        "a number for each residue",
        TRAIN + " --per-residue",
        ("a.csv, row 1",),
        {"a.csv": table("ACGT,1.5", "ACGT,2", header="sequence,y")},
    ),
    Case(
        "brackets without end",
        TRAIN,
        ("a.csv, row 1",),
        {"a.csv": table(f"ACGT,{'[' * 100_000}", "ACGT,2", header="sequence,y")},
    ),
    Case(
        "an infinity in a list",
        TRAIN + " --per-residue",
        ("a.csv, row 1",),
        {"a.csv": table('ACGT,"[1.5,Infinity,3,4]"', 'ACGT,"[1,2,3,4]"', header="sequence,y")},
    ),
    Case(
        "an unknown split", TRAIN, ("a.csv, row 1: the split 'holdout'",), {"a.csv": b"sequence,y,split\nA,1,holdout\n"}
    ),
    Case(
        "no rows to train on",
        TRAIN,
        ("no row is in the split 'train'",),
        {"a.csv": b"sequence,y,split\nA,1.5,test\nC,2,test\n"},
        said="a.csv: ",
    ),
    Case(
        "one row", TRAIN, ("no row is in the split 'validation'",), {"a.csv": b"sequence,y\nACGT,1.5\n"}, said="a.csv: "
    ),
    Case("only a header to train on", TRAIN, ("a.csv: the table has no rows",), {"a.csv": b"sequence,y\n"}),
    Case("only a header to measure", EVALUATE, ("a.csv: the table has no rows",), {"a.csv": b"sequence,y\n"}),
    Case(
        "dates",
        "train a.parquet --target y -o out --problem regression",
        ("a.parquet, row 1",),
        {"a.parquet": parquet(sequence=["ACGT", "ACGA"], y=[b"x", b"y"])},
    ),
    Case(
        "measured without the wild type",
        "epistasis lyra-gb1 MKV --measured a.csv",
        ("a.csv",),
        {"a.csv": table("AKV,1", header="sequence,label")},
    ),
    Case(
        "measured in words",
        "epistasis lyra-gb1 MKV --measured a.csv",
        ("a.csv, row 2",),
        {"a.csv": table("MKV,1", "AKV,much", header="sequence,label")},
    ),
    # Options.
    *(
        Case(
            f"{option} {value}",
            f"{TRAIN} {option} {value}",
            (option.lstrip("-").replace("-", "_"), f"{int(value):,}" if value == "100000" else value),
            _GOOD,
            said="a.csv: ",
        )
        for option, value in (
            ("--epochs", "0"),
            ("--epochs", "-3"),
            ("--batch-size", "0"),
            ("--learning-rate", "0"),
            ("--learning-rate", "-1"),
            ("--learning-rate", "nan"),
            ("--learning-rate", "inf"),
            ("--seed", "-1"),
            ("--seed", "4294967296"),
            ("--calibration-pieces", "1"),
            ("--ensemble-size", "0"),
            ("--ensemble-size", "100000"),
            ("--patience", "-1"),
        )
    ),
    Case("a word for a number", f"{TRAIN} --epochs two", ("--epochs",), _GOOD),
    Case("a number beyond all", f"{TRAIN} --batch-size {10**30}", ("batch",), _GOOD, said="a.csv: "),
    Case("an unknown metric", f"{TRAIN} --metric magic", ("'magic'",), _GOOD, said="a.csv: "),
    Case("an unknown transform", f"{TRAIN} --label-transform sqrt", ("label_transform",), _GOOD, said="a.csv: "),
    Case("an unknown alphabet", f"{TRAIN} --alphabet klingon", ("klingon",), _GOOD),
    Case("an alphabet of twins", f"{TRAIN} --alphabet ACGTA", ("'ACGTA'",), _GOOD),
    Case("an empty alphabet", f"{TRAIN} --alphabet ''", ("alphabet",), _GOOD),
    Case("a level of 2", "predict lyra-cas9 a.csv --level 2 -o out.csv", ("level",), _GOOD),
    Case("a level of NaN", "predict lyra-cas9 a.csv --level nan -o out.csv", ("level",), _GOOD),
]
