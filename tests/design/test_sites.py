import numpy as np
import pytest
from genomes import made_up, naive_sites, other_strand
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_hf import UserError, build_tokenizer
from lyra_hf.design import sites as module
from lyra_hf.design.genome import Contig
from lyra_hf.design.guides import guide_letters, texts
from lyra_hf.design.nucleases import Nuclease
from lyra_hf.design.sites import find_sites
from lyra_hf.tokenization_lyra import SequenceEncoder

CAS9 = Nuclease("SpCas9", guide=20, before=4, after=3, pam="NGG", cut=17)
CAS12 = Nuclease("AsCas12a", guide=23, before=4, after=3, pam="TTTV", pam_side="5'", cut=18)
CAS13 = Nuclease("RfxCas13d", guide=23, before=5, after=5, target="rna", reads="guide")


def found_in(sequence, nuclease, intervals=None):
    contig = Contig("c", SequenceEncoder("dna").encode(sequence))
    places = np.array([[0, len(sequence)]] if intervals is None else intervals)
    rows = []
    for sites in find_sites(contig, nuclease, places):
        parts = (guide_letters(nuclease, sites.windows), sites.windows[:, nuclease.pam_place], sites.windows)
        columns = [texts(part).to_pylist() for part in parts]
        strands = ["-" if is_reverse else "+" for is_reverse in sites.is_reverse]
        rows += zip(sites.starts.tolist(), strands, *columns, strict=True)
    return rows


@pytest.fixture(params=[1 << 20, 97])
def blocks(request, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", request.param)
    monkeypatch.setattr(module, "_SITES", 5)


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("nuclease", [CAS9, CAS12, CAS9.with_pam("NRG"), CAS12.with_pam("YTTN")])
def test_every_site_and_no_other(nuclease):
    sequence = made_up(1, 5000)
    found = [row[:4] for row in found_in(sequence, nuclease)]
    expected = naive_sites(sequence, nuclease.guide, nuclease.pam, nuclease.pam_side)
    assert len(expected) > 30
    assert found == expected


def test_of_rna_the_transcript_alone():
    sequence = made_up(2, 400)
    found = [row[:3] for row in found_in(sequence, CAS13)]
    expected = naive_sites(sequence, 23, "", "3'", strands="+")
    assert found == [(start, strand, other_strand(site)) for start, strand, site, _ in expected]


@settings(deadline=None, max_examples=60)
@given(
    sequence=st.text("ACGTN", max_size=80),
    guide=st.integers(1, 9),
    before=st.integers(0, 5),
    after=st.integers(0, 5),
    pam=st.text("ACGTNRYV", max_size=3),
    side=st.sampled_from(["3'", "5'"]),
)
def test_windows_are_the_contig_with_n_beyond_its_ends(sequence, guide, before, after, pam, side):
    nuclease = Nuclease("any", guide, before, after, pam, side)
    padded = "N" * 10 + sequence + "N" * 10
    rows = found_in(sequence, nuclease)
    assert [row[:4] for row in rows] == naive_sites(sequence, guide, pam, side)
    for start, strand, _, _, window in rows:
        left = before if strand == "+" else after
        letters = padded[10 + start - left :][: nuclease.window]
        assert window == (letters if strand == "+" else other_strand(letters))


def test_intervals_hold_whole_sites_and_context_may_reach_out():
    sequence = made_up(3, 3000, unknown=0)
    whole = found_in(sequence, CAS9)
    some = found_in(sequence, CAS9, [[100, 150], [1000, 2000], [2990, 3000]])
    assert some == [row for row in whole if (100 <= row[0] <= 127) or (1000 <= row[0] <= 1977)]
    assert some


def test_token_ids_are_the_tokenizers():
    text = "ACGTNRACGGTACGATTAGGCATGACGGTT"
    assert SequenceEncoder("dna").encode(text).tolist() == build_tokenizer("dna")(text)["input_ids"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"guide": 0}, "numbers of letters"),
        ({"pam": "NGX"}, "letter 3, 'X', is no IUPAC code"),
        ({"pam_side": "left"}, "pam_side is 3' or 5'"),
        ({"reads": "both"}, "reads is protospacer or guide"),
        ({"cut": 21}, "cut is at most the 20 letters"),
    ],
)
def test_what_is_no_nuclease(change, message):
    with pytest.raises(UserError, match=message):
        Nuclease(**{"name": "any", "guide": 20, "before": 4, "after": 3, **change})


@pytest.mark.parametrize("pam", ["NG", "NGGN", ""])
def test_another_pam_has_as_many_letters(pam):
    with pytest.raises(UserError, match=f"has {len(pam)} letters; the model of SpCas9 reads one of 3, such as NGG"):
        CAS9.with_pam(pam)
