"""Tables of promoters and enhancers."""

from collections.abc import Sequence

from ...extras import needs
from .fetch import SourceFiles
from .shared import dealt, fasta
from .splits import kmer_groups

with needs("tables", "building a table"):
    import pandas as pd


def arabidopsis_tata_promoter(files: SourceFiles) -> pd.DataFrame:
    """Promoters of Arabidopsis with a TATA box."""
    return _promoters(files, "arabidopsis_tata_promoter", "Arabidopsis_tata", "Arabidopsis_non_prom")


def bsubtilis_promoter(files: SourceFiles) -> pd.DataFrame:
    """Promoters of Bacillus subtilis."""
    return _promoters(files, "bsubtilis_promoter", "Bacillus_prom", "Bacillus_non_prom")


def ecoli_sigma70_promoter(files: SourceFiles) -> pd.DataFrame:
    """Sigma70 promoters of Escherichia coli."""
    return _promoters(files, "ecoli_sigma70_promoter", "Ecoli_prom", "Ecoli_non_prom")


def gb_enhancers_cohn(files: SourceFiles) -> pd.DataFrame:
    """Human enhancers of Genomic Benchmarks."""
    return _genomic_benchmark(files, "enhancers_cohn")


def gb_promoters_nontata(files: SourceFiles) -> pd.DataFrame:
    """Human promoters without a TATA box, of Genomic Benchmarks."""
    return _genomic_benchmark(files, "promoters_nontata")


def _promoters(files: SourceFiles, name: str, promoters: str, others: str) -> pd.DataFrame:
    rows = [
        (sequence.upper(), label)
        for part, label in ((promoters, 1), (others, 0))
        for _, sequence in fasta(files.text(f"dataset/{part}.fa"))
    ]
    source = pd.DataFrame(rows, columns=["sequence", "label"]).drop_duplicates(ignore_index=True)
    return _grouped(source.drop_duplicates("sequence", keep=False, ignore_index=True), 24, name, (0.7, 0.8))


def _genomic_benchmark(files: SourceFiles, name: str) -> pd.DataFrame:
    source = files.table(f"toy_data/genomics/dna_sequences/{name}/test.tsv")
    return _grouped(source.rename(columns={"seq": "sequence"}), 60, f"gb:{name}", (0.75, 0.85))


def _grouped(source: pd.DataFrame, k: int, name: str, ends: Sequence[float]) -> pd.DataFrame:
    """Rows with their groups of shared words of k letters, dealt by the name and the group's number."""
    groups = kmer_groups(source["sequence"].tolist(), k)
    splits = [dealt(f"{name}:{group}", ends) for group in groups]
    return source[["sequence", "label"]].assign(split=splits, group=groups)


BUILDERS = {
    f"dna_regulatory/{builder.__name__}": builder
    for builder in (
        arabidopsis_tata_promoter,
        bsubtilis_promoter,
        ecoli_sigma70_promoter,
        gb_enhancers_cohn,
        gb_promoters_nontata,
    )
}
