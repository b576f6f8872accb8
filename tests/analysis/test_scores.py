import numpy as np
import pytest
import torch
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, Predictor, UserError
from lyra_hf.analysis.scores import SequenceScore

SEQUENCES = ["ACGTAC", "TTGCAN", "GGGGGG"]
SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def score_all(score, sequences=SEQUENCES):
    return score(np.stack([score.read(sequence) for sequence in sequences]))


def outputs(score, sequences=SEQUENCES):
    return np.stack(score.predictor(sequences)).astype(np.float64)


def test_a_regression_is_its_prediction():
    score = SequenceScore(build(LyraForRegression))
    np.testing.assert_array_equal(score_all(score).value, outputs(score))
    assert (score.column, score.quantity) == ("prediction", "LABEL_0")
    assert score_all(score)[1:] == (None, None, None)


def test_one_of_several_outputs():
    score = SequenceScore(build(LyraForRegression, num_labels=3, ensemble_size=2), "LABEL_2")
    scores = score_all(score)
    np.testing.assert_array_equal(scores.value, outputs(score)[:, 2])
    assert scores.sd.shape == (3,)
    assert (scores.sd > 0).all()
    with pytest.raises(UserError, match=r"several outputs; name one \(--label\): LABEL_0, LABEL_1, LABEL_2"):
        SequenceScore(score.predictor)


def test_intervals_are_those_of_the_predictor():
    score = SequenceScore("lyra-sirna")
    sequences = ["UUAGCUAGCUAGGAUCGAUCU", "ACGUACGUACGUACGUACGUA"]
    scores = score_all(score, sequences)
    encoded = [score.read(sequence) for sequence in sequences]
    assert (scores.lower < scores.value).all()
    assert (scores.value < scores.upper).all()
    np.testing.assert_array_equal(score.values(np.stack(encoded)), scores.value)


@pytest.mark.parametrize("labels", [2, 4])
def test_a_class_is_its_log_odds(labels):
    model = build(LyraForSequenceClassification, num_labels=labels, problem_type=SINGLE)
    score = SequenceScore(model, "LABEL_1")
    probability = torch.from_numpy(outputs(score)).softmax(-1)[:, 1]
    np.testing.assert_allclose(score_all(score).value, torch.logit(probability), rtol=1e-10)
    assert (score.column, score.quantity) == ("log_odds", "log-odds of LABEL_1")


def test_of_two_classes_the_second_unless_told():
    model = build(LyraForSequenceClassification, num_labels=2, problem_type=SINGLE)
    second, first = SequenceScore(model), SequenceScore(model, "LABEL_0")
    np.testing.assert_allclose(score_all(second).value, -score_all(first).value)


def test_a_label_is_its_logit():
    score = SequenceScore(build(LyraForSequenceClassification, num_labels=2, problem_type=MULTI), "LABEL_0")
    np.testing.assert_array_equal(score_all(score).value, outputs(score)[:, 0])


def test_a_head_per_residue_gives_the_mean_over_positions():
    model = build(LyraForTokenClassification, num_labels=3, problem_type=SINGLE)
    score = SequenceScore(model, "LABEL_2")
    logits = outputs(score)  # (N, L, outputs)
    odds = torch.logit(torch.from_numpy(logits).softmax(-1)[..., 2])
    np.testing.assert_allclose(score_all(score).value, odds.mean(1), rtol=1e-10)
    assert score.quantity == "mean over positions of log-odds of LABEL_2"


def test_of_pairs_the_second_part_is_told():
    score = SequenceScore(build(LyraForRegression, pair_input=True, pair_context=2))
    assert score.second_part(16) == 10
    assert SequenceScore(build(LyraForRegression)).second_part(16) is None
    with pytest.raises(UserError, match="5 letters cannot be a pair"):
        score.read("ACGTA")


def test_at_once_bounds_the_memory():
    score = SequenceScore(build(LyraForRegression))
    per_residue = SequenceScore(build(LyraForTokenClassification, num_labels=16, problem_type=MULTI), "LABEL_0")
    assert score.at_once(64) > per_residue.at_once(64) > 1000
    assert score.at_once(1 << 40) == 1


@pytest.mark.parametrize(
    ("sequence", "message"),
    [("", "the sequence is empty"), ("ACGE", "the letter 'E' at position 4 is not in the dna alphabet")],
)
def test_what_cannot_be_read(sequence, message):
    with pytest.raises(UserError, match=message):
        SequenceScore(build(LyraForRegression)).read(sequence)


def test_a_predictor_is_taken_as_it_is():
    predictor = Predictor(build(LyraForRegression))
    assert SequenceScore(predictor).predictor is predictor
    with pytest.raises(UserError, match="LABEL_7"):
        SequenceScore(predictor, "LABEL_7")
