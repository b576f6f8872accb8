import csv
import gzip
import shutil
import subprocess

import numpy as np
import pytest
from genomes import made_up, naive_sites, other_strand, write_fasta

from lyra_hf import Predictor
from lyra_hf.design.models import nucleases

COLUMNS = "contig start end strand guide pam context score lower upper gc poly_t self_complementarity cut_position"
CONTIGS = {"chr1": made_up(1, 3000), "chr2": made_up(2, 1500), "tiny": "ACGT" * 5 + "AGG", "empty": ""}


@pytest.fixture
def genome(tmp_path):
    return write_fasta(tmp_path / "genome.fa", CONTIGS)


@pytest.fixture
def design(lyra, genome, tmp_path):
    def run(*arguments, path=genome, model="lyra-cas9", name="guides.tsv"):
        output = tmp_path / name
        status, out, err = lyra("design", path, "--model", model, "-o", output, *arguments)
        assert (status, out) == (0, ""), err
        return list(csv.DictReader(output.read_text().splitlines(), delimiter="\t")) if name.endswith("tsv") else output

    return run


def assert_alike(rows, others):
    """Equal but for the last digit of scores, which depends on what else is in a batch."""
    assert [row["start"] for row in rows] == [row["start"] for row in others]
    for row, other in zip(rows, others, strict=True):
        for name, value in row.items():
            if name in ("score", "lower", "upper"):
                assert float(value) == pytest.approx(float(other[name]), rel=1e-5, abs=1e-5)
            else:
                assert value == other[name]


@pytest.mark.parametrize("model", ["lyra-cas9", "lyra-cas12a", "lyra-cas13a", "lyra-cas13d"])
def test_every_site_with_the_score_that_its_context_has(design, tmp_path, model):
    rows = design("--region", "chr2:1-400", model=model)
    nuclease = nucleases()[model]
    strands = "+-" if nuclease.target == "dna" else "+"
    sites = naive_sites(CONTIGS["chr2"][:400], nuclease.guide, nuclease.pam, nuclease.pam_side, strands)
    if nuclease.target == "rna":
        sites = [(start, strand, other_strand(guide), pam) for start, strand, guide, pam in sites]
    assert sites
    assert [(int(row["start"]), row["strand"], row["guide"], row["pam"]) for row in rows] == sites
    assert list(rows[0]) == COLUMNS.split()
    contexts = [row["context"] for row in rows]
    if model == "lyra-cas13a":
        contexts = [context + other_strand(row["guide"]) for context, row in zip(contexts, rows, strict=True)]
    predictor = Predictor(model)
    assert [float(row["score"]) for row in rows] == pytest.approx(predictor(contexts).tolist(), abs=1e-4, rel=1e-4)
    assert all(float(row["lower"]) < float(row["score"]) < float(row["upper"]) for row in rows)


def test_positions_point_at_guide_and_pam_and_the_cut(design):
    for row in design():
        start, end, cut = (int(row[name]) for name in ("start", "end", "cut_position"))
        site = CONTIGS[row["contig"]][start:end].upper()
        if row["strand"] == "-":
            site, cut = other_strand(site), start + end - cut
        assert site == row["guide"] + row["pam"]
        assert site[: cut - start] == row["guide"][:17]
    assert row["contig"] == "tiny"


def test_of_cas12a_the_cut_is_behind_the_pam(design):
    for row in design(model="lyra-cas12a"):
        start, end, cut = (int(row[name]) for name in ("start", "end", "cut_position"))
        assert cut - start == 4 + 18 if row["strand"] == "+" else end - cut == 4 + 18


@pytest.mark.parametrize("kind", ["gzip", "bgzip", "lines of one letter", "carriage returns"])
def test_the_same_of_a_compressed_genome(design, genome, tmp_path, kind):
    path = tmp_path / "other.fa.gz"
    data = genome.read_bytes()
    if kind == "gzip":
        path.write_bytes(gzip.compress(data))
    elif kind == "bgzip":  # blocks one behind the other
        path.write_bytes(b"".join(gzip.compress(data[start : start + 500]) for start in range(0, len(data), 500)))
    elif kind == "carriage returns":
        path.write_bytes(data.replace(b"\n", b"\r\n"))
    else:
        write_fasta(path, CONTIGS, width=1)
    assert design(path=path) == design(name="plain.tsv")


def test_regions_of_a_bed_file(design, tmp_path):
    bed = tmp_path / "regions.bed"
    bed.write_text("# a comment\nchr1\t100\t300\nchr1\t250\t400\tname\nchr2\t0\t100\n")
    rows = design("--bed", bed)
    whole = design(name="whole.tsv")
    inside = {"chr1": (100, 400), "chr2": (0, 100), "tiny": (0, 0)}
    wanted = [row for row in whole if inside[row["contig"]][0] <= int(row["start"])]
    assert_alike(rows, [row for row in wanted if int(row["end"]) <= inside[row["contig"]][1]])
    assert_alike(design("--region", "chr1:101-400") + design("--region", "chr2:1-100"), rows)


def test_filters_and_the_best(design):
    whole = design()
    wanted = [row for row in whole if 0.4 <= float(row["gc"]) <= 0.6 and int(row["poly_t"]) < 3]
    wanted = [row for row in wanted if float(row["score"]) >= 40]
    options = ("--gc", "0.4-0.6", "--max-poly-t", "2", "--score", "40")
    assert design(*options) == wanted
    ordered = sorted(wanted, key=lambda row: -float(row["score"]))
    best = design(*options, "--top", "3")
    assert sorted(best, key=lambda row: -float(row["score"])) == ordered[:3]
    apart = design("--top", "9", "--spacing", "100")
    for contig in ("chr1", "chr2"):
        starts = [int(row["start"]) for row in apart if row["contig"] == contig]
        assert min(np.diff(starts)) >= 100
    low = design("--top", "1", model="lyra-cas13d")
    assert float(low[0]["score"]) == min(float(row["score"]) for row in design(model="lyra-cas13d"))


def test_another_pam(design):
    rows = design("--pam", "nag", "--region", "chr1")
    assert [int(row["start"]) for row in rows] == [site[0] for site in naive_sites(CONTIGS["chr1"], 20, "NAG", "3'")]


def test_bed_and_gff(design):
    rows = design()
    bed = [line.split("\t") for line in design(name="guides.bed").read_text().splitlines()]
    assert [(line[0], line[1], line[2], line[3], line[5]) for line in bed] == [
        (row["contig"], row["start"], row["end"], row["guide"], row["strand"]) for row in rows
    ]
    assert [float(line[6]) for line in bed] == pytest.approx([float(row["score"]) for row in rows], rel=1e-5)
    head, *gff = design(name="guides.gff3").read_text().splitlines()
    assert head == "##gff-version 3"
    for line, row in zip(gff, rows, strict=True):
        fields = line.split("\t")
        assert fields[:2] == [row["contig"], "lyra_hf"]
        assert (int(fields[3]) - 1, int(fields[4])) == (int(row["start"]), int(row["end"]))
        attributes = dict(part.split("=") for part in fields[8].split(";"))
        assert (attributes["guide"], attributes["pam"]) == (row["guide"], row["pam"])


def test_a_genome_without_sites_has_a_header(design, tmp_path):
    path = write_fasta(tmp_path / "none.fa", {"a": "ACGT", "b": "N" * 100})
    assert design(path=path) == []
    assert (tmp_path / "guides.tsv").read_text().split() == COLUMNS.split()


FAULTS = {
    "beyond": (
        ["--region", "chr1:2990-3001"],
        "the region 'chr1:2990-3001' reaches beyond chr1, which has 3,000",
    ),
    "backwards": (["--region", "chr1:20-10"], "the start is at least 1 and at most the end"),
    "unknown": (["--region", "chrl:1-50"], "has no contig 'chrl'; did you mean chr"),
    "bed": (["--bed", "bad.bed"], "bad.bed, line 2: a line of BED is contig, start and end"),
    "both": (["--bed", "bad.bed", "--region", "chr1"], "give --region or --bed, not both"),
    "pam": (["--pam", "NGX"], "letter 3, 'X', is no IUPAC code"),
    "gc": (["--gc", "many"], "--gc is two shares with a hyphen between"),
    "gc order": (["--gc", "0.8-0.3"], "from 0 to 1, the lowest first"),
    "spacing": (["--spacing", "5"], "--spacing is for --top"),
    "ending": (["-o", "guides.xls"], "guides.xls"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_done_is_told_in_a_line_and_nothing_is_written(lyra, genome, tmp_path, monkeypatch, fault):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.bed").write_text("chr1\t1\t50\nchr1 1 50\n")
    arguments, message = FAULTS[fault]
    refuse(lyra, tmp_path, ["genome.fa", "--model", "lyra-cas9", "-o", "guides.tsv", *arguments], message)


def refuse(lyra, folder, arguments, message):
    before = {path.name for path in folder.iterdir()}
    status, out, err = lyra("design", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("lyra-hf: ")
    assert err.count("\n") == 1
    assert {path.name for path in folder.iterdir()} == before


BAD_GENOMES = {
    "protein": (b">p\nMKLVAAA\n", "contig p: the letter 'L' at position 3 is no nucleotide"),
    "text": (b"ACGT\n", "a FASTA file begins with a header line"),
    "empty": (b"", "is empty"),
    "twice": (b">a\nACGT\n>a\nACGT\n", "two contigs are called 'a'"),
    "cut gzip": (gzip.compress(b">a\n" + b"ACGT" * 9999)[:-9], "is not a gzip file, or is damaged or cut off"),
}


@pytest.mark.parametrize("fault", BAD_GENOMES)
def test_a_genome_that_cannot_be_read(lyra, tmp_path, fault):
    content, message = BAD_GENOMES[fault]
    (tmp_path / "bad.fa").write_bytes(content)
    refuse(lyra, tmp_path, [tmp_path / "bad.fa", "--model", "lyra-cas9", "-o", tmp_path / "guides.tsv"], message)


@pytest.mark.parametrize(
    ("model", "further", "message"),
    [
        ("lyra-gb1", [], "lyra-gb1 is no shipped model of guides (lyra-cas12a, lyra-cas13a, lyra-cas13d, lyra-cas9)"),
        ("lyra-gb1", ["--nuclease", "SpCas9"], "lyra-gb1 reads protein; guides are designed by models of dna"),
        ("lyra-cas9", ["--nuclease", "Cas7"], "no nuclease is called 'Cas7'; there are"),
        ("lyra-cas9-variants", ["--nuclease", "SpCas9"], "does not give one number for a site"),
    ],
)
def test_a_model_of_something_else(lyra, genome, tmp_path, model, further, message):
    refuse(lyra, tmp_path, [genome, "--model", model, "-o", tmp_path / "guides.tsv", *further], message)


def test_a_genome_that_is_not_there(lyra, tmp_path):
    refuse(lyra, tmp_path, [tmp_path / "none.fa", "--model", "lyra-cas9"], "none.fa: there is no such file")


@pytest.mark.skipif(shutil.which("bgzip") is None, reason="needs bgzip")
def test_a_file_of_bgzips_own(design, genome):
    subprocess.run(["bgzip", "-k", genome], check=True)
    assert design(path=genome.with_suffix(".fa.gz")) == design(name="plain.tsv")
