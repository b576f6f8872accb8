"""Sequences that a model cannot read, in files and on the command line."""

from case import DNA, Case, Content
from contents import fasta, labelled, model, parquet, table

PREDICT, SMALL = "predict lyra-cas9 a.csv -o out.csv", "predict model a.csv -o out.csv"
DESIGN = "design a.fa --model lyra-cas9 -o out.tsv"
_WITH_LETTER = "is not in the dna alphabet"


def _in_table(sequence: str) -> dict[str, Content]:
    return {"a.csv": table(DNA, f'"{sequence}"')}


SEQUENCES = [
    # In a table.
    Case("an empty sequence", PREDICT, ("a.csv, row 2: the sequence is empty",), _in_table("")),
    Case("blanks", PREDICT, ("a.csv, row 2",), _in_table("   ")),
    Case("digits", PREDICT, ("a.csv, row 2: the letter '1' at position 1", _WITH_LETTER), _in_table("12345")),
    Case("an emoji", PREDICT, ("a.csv, row 2", "position 3", _WITH_LETTER), _in_table("AC🧬GT")),
    Case("an emoji of several characters", PREDICT, ("a.csv, row 2", "position 1"), _in_table("👩‍🔬ACGT")),
    Case("an accent of its own", PREDICT, ("a.csv, row 2", "position 2"), _in_table("A\u0301CGT")),
    Case(
        "letters of Cyrillic that look alike", PREDICT, ("a.csv, row 2", "position 1"), _in_table("\u0410\u0421G\u0422")
    ),
    Case("right-to-left text", PREDICT, ("a.csv, row 2", "position 1"), _in_table("שלום")),
    Case("an override of the direction", PREDICT, ("a.csv, row 2", "position 3"), _in_table("AC\u202eGT")),
    Case("a byte order mark inside", PREDICT, ("a.csv, row 2", "position 3"), _in_table("AC\ufeffGT")),
    Case("the padding token literally", PREDICT, ("a.csv, row 2: the letter '['",), _in_table("[PAD]")),
    Case("the unknown token literally", PREDICT, ("a.csv, row 2: the letter '['",), _in_table("ACGT[UNK]ACGT")),
    Case("a gap", PREDICT, ("a.csv, row 2", "'-' at position 3"), _in_table("AC-GT")),
    Case("a stop", PREDICT, ("a.csv, row 2", "'*' at position 5"), _in_table("ACGT*")),
    Case("a protein", PREDICT, ("a.csv, row 2", _WITH_LETTER), _in_table("MKLVEF")),
    Case("a formula of a spreadsheet", PREDICT, ("a.csv, row 2", "'='"), _in_table("=A1+A2")),
    Case("a blank inside", SMALL, ("2 sequences scored",), _in_table("AC GT") | {"model": model()}, status=0),
    Case("a newline inside", SMALL, ("2 sequences scored",), _in_table("AC\nGT") | {"model": model()}, status=0),
    Case("a control character", PREDICT, ("a.csv, row 2", "position 2"), _in_table("A\x1b[31mT")),
    Case(
        "a bad letter in a late batch",
        "predict lyra-cas9 a.csv -o out.parquet",
        ("a.csv, row 70001: the letter 'J' at position 1",),
        {"a.csv": table(*(["ACGT"] * 70_000), "J")},
    ),
    Case(
        "a bad letter at the end of 10 million",
        "predict lyra-cas9 a.fa -o out.csv",
        ("a.fa, record 1 (long)", "'J' at position 10000001"),
        {"a.fa": fasta(long="ACGTACGTAC" * 1_000_000 + "J")},
    ),
    Case(
        "a record without letters",
        "predict lyra-cas9 a.fa -o out.csv",
        ("a.fa, record 2 (none): the sequence is empty",),
        {"a.fa": fasta(a=DNA, none="", b=DNA)},
    ),
    Case(
        "an escape in the name of a record",
        "predict lyra-cas9 a.fa -o out.csv",
        ("a.fa, record 1", "position 5"),
        {"a.fa": b">a\x1b[31m\nACGTJ\n"},
    ),
    # Pairs.
    Case(
        "a pair of two lengths",
        "predict lyra-offtarget a.csv --pair-column target -o out.csv",
        ("a.csv, row 1",),
        {"a.csv": table("ACGT,ACG", header="sequence,target")},
    ),
    Case(
        "a pair without its second",
        "predict lyra-offtarget a.csv --pair-column target -o out.csv",
        ("a.csv, row 1: the pair has 4 and 0 letters",),
        {"a.csv": table("ACGT,", header="sequence,target")},
    ),
    Case(
        "no pair for a model of pairs",
        "predict lyra-offtarget a.csv -o out.csv",
        ("pair",),
        {"a.csv": table("ACGT")},
    ),
    # Typed.
    Case("a scan of nothing typed", "scan lyra-cas9 '' -o out.csv", ("empty",)),
    Case("a scan of one bad letter", "scan lyra-cas9 J -o out.csv", ("'J' at position 1", _WITH_LETTER)),
    Case("a scan of an emoji", "scan lyra-cas9 AC🧬GT -o out.csv", ("position 3", _WITH_LETTER)),
    Case("a variant of another letter", "scan lyra-gb1 MKV --variants A1G -o out.csv", ("A1G",)),
    Case("a variant beyond the end", "scan lyra-gb1 MKV --variants V9G -o out.csv", ("V9G",)),
    Case("a variant of nonsense", "scan lyra-gb1 MKV --variants nonsense -o out.csv", ("nonsense",)),
    Case("a position of 0", "epistasis lyra-gb1 MKV --positions 0 -o out.csv", ("0",)),
    Case("a position beyond the end", "epistasis lyra-gb1 MKV --positions 2-9 -o out.csv", ("9", "3")),
    Case("epistasis of one letter", "epistasis lyra-gb1 M -o out.csv", ("1",)),
    Case("an order of 0", "epistasis lyra-gb1 MKV --order 0 -o out.csv", ("order",)),
    Case("too many combinations", "epistasis lyra-gb1 " + "MKV" * 300 + " --order 4 -o out.csv", ("--positions",)),
    Case("optimizing digits", "optimize lyra-gb1 123 --mutations 1 -o out.csv", ("'1' at position 1",)),
    Case("optimizing by 0 mutations", "optimize lyra-gb1 MKV --mutations 0 -o out.csv", ("mutations",)),
    Case("optimizing what is kept", "optimize lyra-gb1 MKV --mutations 1 --keep 1-3 -o out.csv", ("position",)),
    Case("a beam of 0", "optimize lyra-gb1 MKV --mutations 1 --beam 0 -o out.csv", ("beam",)),
    # Genomes and guides.
    Case("a genome of protein", DESIGN, ("a.fa", "'L' at position 3"), {"a.fa": fasta(p="MKLVAAA")}),
    Case("two contigs of one name", DESIGN, ("a.fa", "two contigs are called 'a'"), {"a.fa": b">a\nAC\n>a\nGT\n"}),
    Case("a region of no contig", DESIGN + " --region chr9:1-5", ("chr9",), {"a.fa": fasta(a=DNA)}),
    Case("a region beyond the end", DESIGN + " --region a:1-999", ("a:1-999", "30"), {"a.fa": fasta(a=DNA)}),
    Case("a PAM of no letters", DESIGN + " --pam ''", ("PAM",), {"a.fa": fasta(a=DNA)}),
    Case(
        "a guide of two letters",
        "score-guides lyra-cas9 a.csv -o out.csv",
        ("a.csv, row 1",),
        {"a.csv": table("AC")},
    ),
    Case(
        "a guide of emojis",
        "score-guides lyra-cas9 a.csv -o out.csv",
        ("a.csv, row 2",),
        {"a.csv": table(DNA, "🧬" * 30)},
    ),
    # Of labelled tables.
    Case(
        "a bad letter among labels",
        "evaluate lyra-cas9 a.csv --target y",
        ("a.csv, row 2", _WITH_LETTER),
        {"a.csv": b"sequence,y\nACGT,1\nACGJ,2\n"},
    ),
    Case(
        "letters of no alphabet to train on",
        "train a.csv --target y -o out",
        ("a.csv",),
        {"a.csv": labelled(1, 2, 3, 4).replace(b"\n", b"\nACGT!,5,train\n", 1)},
    ),
    Case(
        "a number among sequences",
        "train a.parquet --target y -o out",
        ("a.parquet",),
        {"a.parquet": parquet(sequence=[1, 2], y=[1.0, 2.0])},
    ),
    # What looks bad and is not.
    Case("one letter", SMALL, ("2 sequences scored",), _in_table("A") | {"model": model()}, status=0),
    Case("all N", SMALL, ("2 sequences scored",), _in_table("N" * 30) | {"model": model()}, status=0),
    Case("lower case", SMALL, ("2 sequences scored",), _in_table(DNA.lower()) | {"model": model()}, status=0),
    Case("blanks around", SMALL, ("2 sequences scored",), _in_table(f" {DNA} ") | {"model": model()}, status=0),
    Case(
        "10 million letters",
        "predict model a.fa -o out.jsonl",
        ("1 sequences scored",),
        {"a.fa": fasta(long="ACGTACGTAC" * 1_000_000), "model": model()},
        status=0,
    ),
]
