import csv
import shutil

import numpy as np
import pytest
from genomes import made_up, naive_sites, other_strand, write_fasta
from small_models import build

from lyra_hf import LyraForSequenceClassification, Predictor
from lyra_hf.design import offtargets as module

needs_bowtie = pytest.mark.skipif(shutil.which("bowtie") is None, reason="needs bowtie")
REPEAT = "GAGTCCGAGCAGAAGAAGAAGGG"


def mutated(text, places):
    letters = list(text)
    for place in places:
        letters[place] = "C" if letters[place] != "C" else "T"
    return "".join(letters)


def genome_with_repeats():
    """A site, and others like it on both strands with up to five mismatches, and with another PAM."""
    parts = [made_up(7, 300)]
    for number, places in enumerate([(), (0,), (19,), (3, 9), (1, 5, 10), (2, 4, 6, 8), (0, 1, 2, 3, 4), (22,), (21,)]):
        copy = mutated(REPEAT, places)
        parts += [copy if number % 2 else other_strand(copy), made_up(number, 60)]
    return {"chr1": "".join(parts), "chr2": REPEAT.lower() + made_up(9, 200) + other_strand(REPEAT), "short": "ACGT"}


def brute_force(contigs, guide, pam, side, strands, mismatches):
    """By (contig, start, strand) of each site the other sites like it, with their mismatches."""
    sites = [
        (contig, start, strand, letters)
        for contig, sequence in contigs.items()
        for start, strand, letters, _ in naive_sites(sequence, guide, pam, side, strands)
    ]
    found = {}
    for *place, letters in sites:
        others = [
            (*other, sum(a != b for a, b in zip(letters, theirs, strict=True)))
            for *other, theirs in sites
            if other != place
        ]
        found[tuple(place)] = sorted(hit for hit in others if hit[-1] <= mismatches)
    return found


@pytest.fixture
def design(lyra, tmp_path):
    def run(contigs, *arguments, model="lyra-cas9"):
        genome, output = write_fasta(tmp_path / "genome.fa", contigs), tmp_path / "guides.tsv"
        arguments = ("--offtargets", "bowtie", *arguments)
        status, out, err = lyra("design", genome, "--model", model, "-o", output, *arguments)
        assert (status, out) == (0, ""), err
        return list(csv.DictReader(output.read_text().splitlines(), delimiter="\t"))

    return run


@needs_bowtie
@pytest.mark.parametrize(
    ("model", "site", "mismatches"),
    [("lyra-cas9", (20, "NGG", "3'"), 3), ("lyra-cas9", (20, "NGG", "3'"), 1), ("lyra-cas12a", (23, "TTTV", "5'"), 3)],
)
def test_counts_are_those_of_brute_force(design, model, site, mismatches):
    contigs = genome_with_repeats()
    if model == "lyra-cas12a":
        target = "TTTACGATCGGATTACGCCGATAGCAT"
        copies = [target, mutated(target, (5,)), other_strand(mutated(target, (10, 20, 26)))]
        contigs = {"a": made_up(3, 500) + copies[0] + made_up(4, 90), "b": copies[1] + made_up(5, 300) + copies[2]}
    expected = brute_force(contigs, *site, "+-", mismatches)
    rows = design(contigs, "--mismatches", str(mismatches), model=model)
    assert len(rows) == len(expected)
    assert max(map(len, expected.values())) >= 2
    for row in rows:
        hits = expected[row["contig"], int(row["start"]), row["strand"]]
        counts = [sum(hit[-1] == number for hit in hits) for number in range(mismatches + 1)]
        assert [int(row[f"offtargets_{number}"]) for number in range(mismatches + 1)] == counts
        assert f"offtargets_{mismatches + 1}" not in row
        worst = [part.split(":") for part in row["worst_offtargets"].split(";") if part]
        told = [(contig, int(start), strand, int(number)) for contig, start, strand, number in worst]
        assert set(told) <= set(hits)
        assert len(told) == min(3, len(hits))
        if model == "lyra-cas12a":  # without a model those with the fewest mismatches come first
            assert [hit[-1] for hit in told] == sorted(hit[-1] for hit in hits)[:3]


@needs_bowtie
def test_of_transcripts_one_strand(design):
    target = "ACGATCGGATTACGCCGATAGCA"
    contigs = {"a": made_up(3, 60, 0) + target, "b": made_up(4, 60, 0) + other_strand(target), "c": "AC" + target}
    rows = design(contigs, model="lyra-cas13d")
    row = next(row for row in rows if (row["contig"], row["start"]) == ("a", "60"))
    assert (row["offtargets_0"], row["worst_offtargets"]) == ("1", "c:2:+:0")


@needs_bowtie
@pytest.mark.parametrize("model", ["lyra-offtarget", "pairs"])  # that of Cas9 unless told, and one's own
def test_the_score_of_the_worst_is_the_models(design, tmp_path, model):
    contigs = genome_with_repeats()
    if model == "pairs":
        model = str(tmp_path / model)
        build(LyraForSequenceClassification, pair_input=True, num_labels=2).save_pretrained(model)
        rows = design(contigs, "--offtarget-model", model)
    else:
        rows = design(contigs)
    row = next(row for row in rows if row["contig"] == "chr2" and row["start"] == "0")
    hits = brute_force(contigs, 20, "NGG", "3'", "+-", 3)["chr2", 0, "+"]
    pairs = []
    for contig, start, strand, _ in hits:
        letters = contigs[contig][start : start + 23].upper()
        pairs.append((letters if strand == "+" else other_strand(letters)) + REPEAT)
    logits = Predictor(model)(pairs)
    chances = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    assert float(row["offtarget_score"]) == pytest.approx(chances.max(), rel=1e-4)
    worst = row["worst_offtargets"].split(";")[0]
    assert worst == ":".join(map(str, hits[int(chances.argmax())]))


@needs_bowtie
def test_an_index_is_kept_and_used_again(design, tmp_path, monkeypatch):
    contigs = {"chr1": REPEAT + made_up(1, 100) + REPEAT}
    rows = design(contigs, "--index", str(tmp_path / "kept"))
    assert (tmp_path / "kept.1.ebwt").is_file()
    run = module._run

    def watched(command):
        assert command[0] != "bowtie-build"
        run(command)

    monkeypatch.setattr(module, "_run", watched)
    assert design(contigs, "--index", str(tmp_path / "kept")) == rows
    assert rows[0]["offtargets_0"] == "1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--offtargets", "blast"], "--offtargets is done by bowtie, not 'blast'"),
        (["--offtargets", "bowtie", "--mismatches", "4"], "bowtie looks for 0 to 3 mismatches, not 4"),
        (["--offtargets", "bowtie", "--offtarget-model", "lyra-amp"], "lyra-amp is no classifier of pairs"),
        (["--offtargets", "bowtie", "--index", "none/genome"], "there is no directory none for the index"),
    ],
)
@needs_bowtie
def test_what_cannot_be_looked_for(lyra, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    write_fasta(tmp_path / "genome.fa", {"a": made_up(1, 100)})
    status, out, err = lyra("design", "genome.fa", "--model", "lyra-cas9", "-o", "guides.tsv", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert [path.name for path in tmp_path.iterdir()] == ["genome.fa"]


def test_without_bowtie_it_is_named(lyra, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    write_fasta(tmp_path / "genome.fa", {"a": made_up(1, 100)})
    output = tmp_path / "guides.tsv"
    arguments = ["--model", "lyra-cas9", "-o", output, "--offtargets", "bowtie"]
    status, _, err = lyra("design", tmp_path / "genome.fa", *arguments)
    assert status == 2
    assert "off-targets need bowtie, which is not installed" in err
    assert not output.exists()
