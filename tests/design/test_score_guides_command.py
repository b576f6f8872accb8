import csv

import pytest
from genomes import made_up, other_strand, write_fasta

from lyra_hf import Predictor

CONTEXT = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"


@pytest.fixture
def score(lyra, tmp_path):
    def run(model, sequences, *arguments):
        path = tmp_path / "guides.csv"
        path.write_text("name,sequence\n" + "".join(f"g{place},{text}\n" for place, text in enumerate(sequences)))
        status, out, err = lyra("score-guides", model, path, *arguments)
        return status, list(csv.DictReader(out.splitlines())), err

    return run


def test_guides_with_context_and_with_the_pam_alone(score):
    status, rows, _ = score("lyra-cas9", [CONTEXT, CONTEXT.lower(), CONTEXT[4:27]])
    assert status == 0
    assert list(rows[0]) == ["name", "sequence", "score", "lower", "upper"]
    expected = Predictor("lyra-cas9")([CONTEXT, CONTEXT, "NNNN" + CONTEXT[4:27] + "NNN"])
    assert [float(row["score"]) for row in rows] == pytest.approx(expected.tolist(), rel=1e-5)
    assert all(float(row["lower"]) < float(row["score"]) < float(row["upper"]) for row in rows)


@pytest.mark.parametrize("model", ["lyra-cas9", "lyra-cas12a", "lyra-cas13a", "lyra-cas13d"])
def test_what_design_writes_has_the_same_score(lyra, tmp_path, model):
    genome = write_fasta(tmp_path / "genome.fa", {"a": made_up(1, 600, unknown=0)})
    guides, again = tmp_path / "guides.tsv", tmp_path / "again.tsv"
    assert lyra("design", genome, "--model", model, "-o", guides)[0] == 0
    assert lyra("score-guides", model, guides, "--column", "context", "-o", again)[0] == 0
    rows = list(csv.DictReader(again.read_text().splitlines(), delimiter="\t"))
    assert rows
    for row in rows:
        assert float(row["predicted_score"]) == pytest.approx(float(row["score"]), rel=1e-4, abs=1e-5)


def test_a_guide_of_rna_alone_is_as_it_is_ordered(score):
    guide = "GCAGAGATCGAATGGGTGGAGAG"
    _, rows, _ = score("lyra-cas13d", [guide])
    expected = Predictor("lyra-cas13d")(["NNNNN" + guide + "NNNNN"])
    assert float(rows[0]["score"]) == pytest.approx(float(expected[0]), rel=1e-5)
    guide = "GCTCTGAAAACAAGCGCACCTCTAGAGA"
    _, rows, _ = score("lyra-cas13a", [guide])
    target = other_strand(guide)
    expected = Predictor("lyra-cas13a")(["N" * 20 + target + "N" * 20 + target])
    assert float(rows[0]["score"]) == pytest.approx(float(expected[0]), rel=1e-5)


@pytest.mark.parametrize(
    ("model", "guide", "message"),
    [
        (
            "lyra-cas9",
            "ACGTACGTACGTACGTACGT",
            "row 2: the guide has 20 letters; SpCas9's model takes 30 (context of 4, the guide's 20 and PAM (NGG), "
            "context of 3) or 23 (the guide's 20 and PAM (NGG) alone)",
        ),
        (
            "lyra-cas12a",
            "ACGT",
            "AsCas12a's model takes 34 (context of 4, the PAM (TTTV) and the guide's 23, context of",
        ),
        ("lyra-cas13a", "ACGT", "takes 68 (context of 20, the guide's 28, context of 20, in the target's sense) or 28"),
        ("lyra-cas9", "ACGTACGTACGTACGTACGTAGJ", "row 2: the letter 'J' at position 23"),
        ("lyra-cas9", "", "row 2: the sequence is empty"),
        ("lyra-amp", CONTEXT, "lyra-amp is no shipped model of guides"),
    ],
)
def test_other_guides_are_told_with_their_row(score, model, guide, message):
    first = {"lyra-cas9": CONTEXT, "lyra-cas12a": "A" * 34, "lyra-cas13a": "A" * 68}.get(model, "")
    status, _, err = score(model, [first, guide])
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
