import numpy as np
import pytest
from commands import write_table
from hypothesis import given
from hypothesis import strategies as st
from small_models import build

from lyra_hf import LyraForRegression, Predictor, UserError
from lyra_hf.alphabets import DNA
from lyra_hf.analysis.interactions import epistasis, epistasis_map
from lyra_hf.analysis.measured import MeasuredMutants, agreement, measured_epistasis, read_measured
from lyra_hf.inference.encoding import encode_texts
from lyra_hf.tokenization_lyra import SequenceEncoder

MODEL = Predictor(build(LyraForRegression))
FOUND = epistasis(MODEL, "ACGTA", (1, 3, 4))


def mutants(**labels):
    return MeasuredMutants(encode_texts(SequenceEncoder("dna"), list(labels)), np.array(list(labels.values()), float))


@given(st.randoms(use_true_random=False))
def test_a_cycle_is_what_four_labels_make(random):
    labels = {"ACGTA": random.random(), "TCGTA": random.random(), "ACCTA": random.random(), "TCCTA": random.random()}
    measured = measured_epistasis(FOUND, mutants(**labels), DNA)
    wild_type, one, other, both = labels.values()
    assert measured.number == 1
    assert measured.interactions[1, 3][3, 1] == pytest.approx(both - one - other + wild_type)
    assert np.nansum(np.abs(measured.interactions[1, 4])) == 0
    strengths = epistasis_map(FOUND, measured.interactions)
    assert strengths[0, 1] == pytest.approx(abs(both - one - other + wild_type))
    assert np.isnan(strengths[2]).all()


def test_what_does_not_belong_does_not_count():
    counted = {"ACGTA": 1.0, "TCGTA": 2.0, "ACCTA": 3.0, "TCCTA": 5.0}
    others = {"ACGTC": 9.0, "TCCAA": 9.0, "NCGTA": 9.0, "TCCTAA": 9.0, "TCCTC": 9.0, "CCCTA": np.nan}
    measured = measured_epistasis(FOUND, mutants(**counted, **others), DNA)
    assert measured.number == 1
    assert measured.interactions[1, 3][3, 1] == 1.0


def test_repeated_rows_count_by_their_mean():
    encoded = encode_texts(SequenceEncoder("dna"), ["ACGTA", "TCGTA", "TCGTA", "ACCTA", "TCCTA", "ACGTA"])
    measured = measured_epistasis(FOUND, MeasuredMutants(encoded, np.array([1.0, 2, 4, 3, 5, 3])), DNA)
    assert measured.wild_type == 2.0
    assert measured.interactions[1, 3][3, 1] == 5 - 3 - 3 + 2


def test_the_wild_type_may_be_told():
    table = mutants(TCGTA=2.0, ACCTA=3.0, TCCTA=5.0)
    with pytest.raises(UserError, match="the table has no row of the sequence itself"):
        measured_epistasis(FOUND, table, DNA)
    assert measured_epistasis(FOUND, table, DNA, 1.5).interactions[1, 3][3, 1] == 1.5
    with pytest.raises(UserError, match="lets no interaction be measured"):
        measured_epistasis(FOUND, mutants(TCGTA=2.0, TCCTA=5.0), DNA, 1.5)


def test_a_triple_needs_all_that_is_in_it():
    found = epistasis(MODEL, "ACG", order=3)
    labels = {"ACG": 0.0, "CCG": 1.0, "AAG": 1.0, "ACA": 1.0, "CAG": 2.0, "CCA": 2.0, "AAA": 2.0, "CAA": 7.0}
    measured = measured_epistasis(found, mutants(**labels), DNA)
    assert measured.number == 1
    assert measured.interactions[1, 2, 3][1, 0, 0] == 4.0
    del labels["CCA"]
    with pytest.raises(UserError, match="no mutant of 3 of the chosen positions"):
        measured_epistasis(found, mutants(**labels), DNA)


def test_agreement_is_of_what_both_have(tmp_path):
    every = epistasis(MODEL, "ACG")
    labels = {"ACG": 0.0}
    for pair in every.sets():
        for places in np.argwhere(np.ones((4, 4), bool)).tolist():
            letters = list("ACG")
            for position, place in zip(pair, places, strict=True):
                letters[position - 1] = "ACGT"[place]
            labels["".join(letters)] = -2.0 * float(every.effects(pair)[tuple(places)])
    write_table(tmp_path / "table.csv", sequence=list(labels), label=list(labels.values()))
    measured = measured_epistasis(every, read_measured(tmp_path / "table.csv", DNA), DNA)
    assert agreement(every, measured) == (27, pytest.approx(-1.0))
    assert agreement(every, measured, [(1, 3)]).number == 9
    del labels["CAG"]
    measured = measured_epistasis(every, mutants(**labels), DNA)
    assert agreement(every, measured, [(1, 2)]).number == 8
    for name in [name for name in labels if name[0] != "A" and name[1] != "C"]:
        del labels[name]
    assert agreement(every, measured_epistasis(every, mutants(**labels), DNA), [(1, 2)]) == (0, None)
