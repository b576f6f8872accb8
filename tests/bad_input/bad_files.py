"""Files that are not there, not what their names say, or damaged."""

import pyarrow as pa
from case import DNA, Case
from contents import GOOD, cut, fasta, folder, link_to, model, one_long_line, parquet, table, unreadable, zipped

PREDICT, SMALL = "predict lyra-cas9", "predict model"
_ROWS = parquet(sequence=[DNA] * 1000)
_BOTH = table(f"{DNA},1", header="sequence,y")

FILES = [
    # Not there, or not to be read.
    Case("missing", f"{PREDICT} none.csv -o out.csv", ("none.csv: there is no such file",)),
    Case("missing parquet", f"{PREDICT} none.parquet -o out.csv", ("none.parquet: there is no such file",)),
    Case("no name", f"{PREDICT} '' -o out.csv", ("directory",)),
    Case("a name of 300 letters", f"{PREDICT} {'a' * 300}.csv -o out.csv", ("File name too long",)),
    Case("a directory", f"{PREDICT} there.csv -o out.csv", ("there.csv is a directory",), {"there.csv": folder}),
    Case("under a file", f"{PREDICT} a.csv/b.csv -o out.csv", ("a.csv/b.csv", "Not a directory"), {"a.csv": GOOD}),
    Case(
        "a link to nowhere", f"{PREDICT} a.csv -o out.csv", ("a.csv: there is no such file",), {"a.csv": link_to("b")}
    ),
    Case("a link to itself", f"{PREDICT} a.csv -o out.csv", ("a.csv", "symbolic links"), {"a.csv": link_to("a.csv")}),
    # Empty.
    Case("empty csv", f"{PREDICT} a.csv -o out.csv", ("a.csv is empty",), {"a.csv": b""}),
    Case("empty gzip", f"{PREDICT} a.csv.gz -o out.csv", ("a.csv.gz",), {"a.csv.gz": b""}),
    Case("gzip of nothing", f"{PREDICT} a.csv.gz -o out.csv", ("a.csv.gz is empty",), {"a.csv.gz": zipped(b"")}),
    Case("empty parquet", f"{PREDICT} a.parquet -o out.csv", ("a.parquet is not a Parquet file",), {"a.parquet": b""}),
    Case(
        "parquet without rows",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet has no sequences",),
        {"a.parquet": parquet(sequence=pa.array([], pa.string()))},
    ),
    Case("empty fasta", f"{PREDICT} a.fasta -o out.csv", ("a.fasta is empty",), {"a.fasta": b""}),
    Case("only newlines", f"{PREDICT} a.csv -o out.csv", ("a.csv is empty",), {"a.csv": b"\r\n\n\n"}),
    Case("only a byte order mark", f"{PREDICT} a.csv -o out.csv", ("a.csv is empty",), {"a.csv": b"\xef\xbb\xbf"}),
    Case("only a header", f"{PREDICT} a.csv -o out.csv", ("a.csv has no sequences",), {"a.csv": b"sequence\n"}),
    Case("empty standard input", f"{PREDICT} - -o out.csv", ("standard input is empty",)),
    # Not what the ending says.
    Case("no ending", f"{PREDICT} a -o out.csv", ("a: the ending of the name tells no format",), {"a": GOOD}),
    Case("excel", f"{PREDICT} a.xlsx -o out.csv", ("a.xlsx: the ending", ".csv"), {"a.xlsx": b"PK\3\4"}),
    Case("csv as gzip", f"{PREDICT} a.csv.gz -o out.csv", ("a.csv.gz is not a gzip file",), {"a.csv.gz": GOOD}),
    Case("csv as parquet", f"{PREDICT} a.parquet -o out.csv", ("not a Parquet file",), {"a.parquet": GOOD}),
    Case("parquet as csv", f"{PREDICT} a.csv -o out.csv", ("a.csv", "is not UTF-8"), {"a.csv": _ROWS}),
    Case("gzip as csv", f"{PREDICT} a.csv -o out.csv", ("a.csv", "is not UTF-8"), {"a.csv": zipped(GOOD)}),
    Case(
        "fasta as txt",
        f"{PREDICT} a.txt -o out.csv",
        ("a.txt is a FASTA file by its contents",),
        {"a.txt": fasta(a="ACGT")},
    ),
    Case(
        "csv as fasta",
        f"{PREDICT} a.fasta -o out.csv",
        ("a.fasta, line 1", "begins with a header line"),
        {"a.fasta": GOOD},
    ),
    Case(
        "fasta as csv", f"{PREDICT} a.csv -o out.csv", ("a.csv has no column 'sequence'",), {"a.csv": fasta(a="ACGT")}
    ),
    Case(
        "tabs in csv",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv has no column 'sequence'", "by commas"),
        {"a.csv": _BOTH.replace(b",", b"\t")},
    ),
    Case(
        "semicolons in csv",
        f"{PREDICT} a.csv -o out.csv",
        ("no column 'sequence'", "by commas"),
        {"a.csv": _BOTH.replace(b",", b";")},
    ),
    Case(
        "html",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv has no column 'sequence'",),
        {"a.csv": b"<!DOCTYPE html>\n<html></html>\n"},
    ),
    # Damaged.
    Case(
        "truncated gzip",
        f"{PREDICT} a.csv.gz -o out.csv",
        ("a.csv.gz", "cut off"),
        {"a.csv.gz": cut(zipped(GOOD * 99))},
    ),
    Case(
        "flipped gzip",
        f"{PREDICT} a.csv.gz -o out.csv",
        ("a.csv.gz", "damaged"),
        {"a.csv.gz": zipped(GOOD)[:-8] + b"\1" * 8},
    ),
    Case("truncated parquet", f"{PREDICT} a.parquet -o out.csv", ("a.parquet", "cut off"), {"a.parquet": cut(_ROWS)}),
    Case(
        "parquet damaged inside",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet", "damaged"),
        {"a.parquet": _ROWS[:8] + b"\xff" * 60 + _ROWS[68:]},
    ),
    Case(
        "Latin-1",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, line 3", "0xE9 is not UTF-8"),
        {"a.csv": table(f"{DNA},a", f"{DNA},b", header="sequence,n").replace(b",b", b",\xe9")},
    ),
    Case(
        "Latin-1 header",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, line 1", "0xE9 is not UTF-8"),
        {"a.csv": b"s\xe9quence\nACGT\n"},
    ),
    Case(
        "Latin-1 fasta",
        f"{PREDICT} a.fa -o out.csv",
        ("a.fa, record 1", "0xE9 is not UTF-8"),
        {"a.fa": b">caf\xe9\nACGT\n"},
    ),
    Case(
        "UTF-16",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, line 1", "0xFF is not UTF-8"),
        {"a.csv": GOOD.decode().encode("utf-16")},
    ),
    Case(
        "NUL in a sequence",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, row 1", "position 3"),
        {"a.csv": b"sequence\nAC\0GT\n"},
    ),
    Case("NUL in the header", f"{PREDICT} a.csv -o out.csv", ("a.csv",), {"a.csv": b"seq\0uence\nACGT\n"}),
    Case("nothing but NUL", f"{PREDICT} a.csv -o out.csv", ("a.csv",), {"a.csv": bytes(4096)}),
    Case(
        "open quotation mark",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, line 3", "never closed"),
        {"a.csv": b'sequence\nACGT\n"ACGT\nACGT\n'},
    ),
    Case(
        "a line of 100 MB",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, row 1", "'!' at position 100000001"),
        {"a.csv": one_long_line},
    ),
    # Columns and rows.
    Case(
        "duplicate headers",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv has two columns named 'sequence'",),
        {"a.csv": b"sequence,sequence\nA,C\n"},
    ),
    Case(
        "ragged, more",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, row 2: 2 columns where the header has 1",),
        {"a.csv": b"sequence\nACGT\nACGT,1\n"},
    ),
    Case(
        "ragged, fewer",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv, row 2: 1 column where the header has 2",),
        {"a.csv": b"sequence,y\nACGT,1\nACGT\n"},
    ),
    Case(
        "ragged labels",
        "train a.csv --target y -o out",
        ("a.csv, row 2: 3 columns where",),
        {"a.csv": b"sequence,y\nACGT,1\nACGT,1,5\n"},
    ),
    Case(
        "another column",
        f"{PREDICT} a.csv --column seq -o out.csv",
        ("a.csv has no column 'seq'; its columns are: sequence",),
        {"a.csv": GOOD},
    ),
    Case(
        "numbers for sequences",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet: the column 'sequence' holds int64",),
        {"a.parquet": parquet(sequence=[1, 2])},
    ),
    Case(
        "lists for sequences",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet: the column 'sequence' holds list",),
        {"a.parquet": parquet(sequence=[["A"]])},
    ),
    Case(
        "missing values",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet, row 2: the sequence is empty",),
        {"a.parquet": parquet(sequence=[DNA, None])},
    ),
    # Other commands' files.
    Case("a scan of a table", "scan lyra-cas9 a.csv -o out.csv", ("a.csv is no FASTA file",), {"a.csv": GOOD}),
    Case("a scan of nothing", "scan lyra-cas9 a.fa -o out.csv", ("a.fa is empty",), {"a.fa": b""}),
    Case("a scan of a missing file", "scan lyra-cas9 none.fa -o out.csv", ("none.fa: there is no such file",)),
    Case("epistasis of a missing file", "epistasis lyra-gb1 none.fa -o out.csv", ("none.fa: there is no such file",)),
    Case(
        "optimizing two at once",
        "optimize lyra-cas9 a.fa --mutations 1 -o out.csv",
        ("a.fa has 2 sequences",),
        {"a.fa": fasta(a=DNA, b=DNA)},
    ),
    Case(
        "measured that is missing", "epistasis lyra-gb1 MKV --measured none.csv", ("none.csv: there is no such file",)
    ),
    Case(
        "a genome of half a gzip",
        "design a.fa.gz --model lyra-cas9 -o out.tsv",
        ("a.fa.gz", "cut off"),
        {"a.fa.gz": cut(zipped(fasta(a=DNA * 99)))},
    ),
    Case("a genome that is a folder", "design a.fa --model lyra-cas9 -o out.tsv", ("a.fa",), {"a.fa": folder}),
    Case(
        "a genome without a header",
        "design a.fa --model lyra-cas9 -o out.tsv",
        ("a.fa, line 1",),
        {"a.fa": DNA.encode()},
    ),
    Case(
        "a BED file of nothing",
        "design a.fa --model lyra-cas9 --bed a.bed -o out.tsv",
        ("a.bed",),
        {"a.fa": fasta(a=DNA), "a.bed": b""},
    ),
    Case(
        "a BED file of binary",
        "design a.fa --model lyra-cas9 --bed a.bed -o out.tsv",
        ("a.bed",),
        {"a.fa": fasta(a=DNA), "a.bed": _ROWS},
    ),
    Case("guides in an empty file", "score-guides lyra-cas9 a.csv -o out.csv", ("a.csv is empty",), {"a.csv": b""}),
    Case(
        "guides in Latin-1",
        "score-guides lyra-cas9 a.csv -o out.csv",
        ("a.csv", "0xE9"),
        {"a.csv": b"sequence,n\nACGT,\xe9\n"},
    ),
    Case(
        "labels in a cut Parquet",
        "evaluate lyra-cas9 a.parquet --target y",
        ("a.parquet", "cut off"),
        {"a.parquet": cut(_ROWS)},
    ),
    Case("training on a folder", "train a.csv --target y -o out", ("a.csv is a directory",), {"a.csv": folder}),
    Case(
        "training on a cut gzip",
        "train a.csv.gz --target y -o out",
        ("a.csv.gz", "cut off"),
        {"a.csv.gz": cut(zipped(_BOTH * 99))},
    ),
    # What looks bad and is not.
    Case(
        "a byte order mark",
        f"{SMALL} a.csv -o out.csv",
        ("2 sequences scored: out.csv",),
        {"a.csv": b"\xef\xbb\xbf" + GOOD, "model": model()},
        status=0,
    ),
    Case(
        "CRLF",
        f"{SMALL} a.csv -o out.csv",
        ("2 sequences scored",),
        {"a.csv": GOOD.replace(b"\n", b"\r\n"), "model": model()},
        status=0,
    ),
    Case(
        "CR alone",
        f"{SMALL} a.csv -o out.csv",
        ("2 sequences scored",),
        {"a.csv": GOOD.replace(b"\n", b"\r"), "model": model()},
        status=0,
    ),
    Case(
        "no newline at the end",
        f"{SMALL} a.csv -o out.csv",
        ("2 sequences scored",),
        {"a.csv": GOOD.rstrip(), "model": model()},
        status=0,
    ),
    Case(
        "blank lines",
        f"{SMALL} a.csv -o out.csv",
        ("2 sequences scored",),
        {"a.csv": GOOD.replace(b"\n", b"\n\n"), "model": model()},
        status=0,
    ),
    Case(
        "CRLF in fasta",
        f"{SMALL} a.fa -o out.csv",
        ("1 sequences scored",),
        {"a.fa": fasta(a=DNA).replace(b"\n", b"\r\n"), "model": model()},
        status=0,
    ),
]

# As the owner of everything (root), every file can be read.
UNREADABLE = [
    Case(
        "an unreadable csv",
        f"{PREDICT} a.csv -o out.csv",
        ("a.csv cannot be read: Permission denied",),
        {"a.csv": unreadable(GOOD)},
    ),
    Case(
        "an unreadable parquet",
        f"{PREDICT} a.parquet -o out.csv",
        ("a.parquet cannot be read: Permission denied",),
        {"a.parquet": unreadable(_ROWS)},
    ),
    Case(
        "unreadable labels",
        "train a.csv --target y -o out",
        ("a.csv cannot be read: Permission denied",),
        {"a.csv": unreadable(_BOTH)},
    ),
]
