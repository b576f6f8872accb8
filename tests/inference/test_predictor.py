import numpy as np
import pytest
import torch
from small_models import build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    Predictor,
    UserError,
    build_tokenizer,
)
from lyra_hf.inference import predictor as predictor_module
from lyra_hf.tokenization_lyra import UnknownLettersWarning

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
CASES = {
    "number": (LyraForRegression, {}),
    "numbers": (LyraForRegression, {"num_labels": 3}),
    "classes": (LyraForSequenceClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "label": (LyraForSequenceClassification, {"problem_type": MULTI}),
    "labels": (LyraForSequenceClassification, {"num_labels": 2, "problem_type": MULTI}),
    "pairs": (LyraForRegression, {"pair_input": True}),
    "strands": (LyraForRegression, {"reverse_complement": True, "num_labels": 2}),
    "residue number": (LyraForTokenClassification, {"problem_type": "regression"}),
    "residue numbers": (LyraForTokenClassification, {"problem_type": "regression", "num_labels": 3}),
    "residue classes": (LyraForTokenClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "residue pairs": (LyraForTokenClassification, {"problem_type": "regression", "pair_input": True}),
    "residue strands": (LyraForTokenClassification, {"problem_type": "regression", "reverse_complement": True}),
}
every_case = pytest.mark.parametrize("case", CASES)


def make(case):
    cls, fields = CASES[case]
    return build(cls, **fields)


def random_sequences(number=11, seed=0):
    """Sequences of very different, even lengths; some lower case, ambiguity codes and U among them."""
    generator = np.random.default_rng(seed)
    lengths = 2 * generator.permutation(np.geomspace(1, 120, number).astype(int))
    return ["".join(generator.choice(list("ACGTacgtNRU"), size=length)) for length in lengths]


def plain(model, sequences):
    """What transformers alone gives: the tokenizer and the model on one sequence at a time."""
    tokenizer = build_tokenizer(model.config.alphabet)
    with torch.no_grad():
        logits = [model(**tokenizer(sequence, return_tensors="pt")).logits[0].numpy() for sequence in sequences]
    return [row[..., 0] if model.config.num_labels == 1 else row for row in logits]


def assert_equal(results, expected):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == np.float32
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-5)


@every_case
def test_equals_the_plain_model_one_sequence_at_a_time(tmp_path, case):
    model = make(case)
    model.save_pretrained(tmp_path)
    sequences = random_sequences()
    expected = plain(model, sequences)
    assert len({row.tobytes() for row in expected}) == len(sequences)  # so that another order would show
    assert_equal(Predictor(str(tmp_path))(sequences), expected)


@every_case
def test_any_iterable_is_read_window_by_window(monkeypatch, case):
    monkeypatch.setattr(predictor_module, "_WINDOW", 4)
    model, sequences = make(case), random_sequences()
    assert_equal(Predictor(model)(sequence for sequence in sequences), plain(model, sequences))


@every_case
def test_no_sequences(case):
    model = make(case)
    results = Predictor(model)(iter(()))
    if case.startswith("residue"):
        assert results == []
    else:
        outputs = model.config.num_labels
        assert results.shape == ((0, outputs) if outputs > 1 else (0,))
        assert results.dtype == np.float32


def test_shapes():
    sequences = ["ACGT", "AC"]
    assert Predictor(make("number"))(sequences).shape == (2,)
    assert Predictor(make("numbers"))(sequences).shape == (2, 3)
    assert [rows.shape for rows in Predictor(make("residue number"))(sequences)] == [(4,), (2,)]
    assert [rows.shape for rows in Predictor(make("residue numbers"))(sequences)] == [(4, 3), (2, 3)]
    assert [rows.shape for rows in Predictor(make("residue pairs"))(sequences)] == [(2,), (1,)]


@pytest.fixture
def batches(monkeypatch):
    """The shapes of the batches that models are run on."""
    shapes = []
    forward = LyraForSequenceClassification.forward

    def spy(self, input_ids, **keywords):
        shapes.append(tuple(input_ids.shape))
        return forward(self, input_ids, **keywords)

    monkeypatch.setattr(LyraForSequenceClassification, "forward", spy)
    return shapes


@pytest.mark.parametrize(("batch_size", "expected"), [(1, [1] * 11), (4, [4, 4, 3]), (11, [11]), (None, [11])])
def test_batch_size_is_kept_to_and_changes_nothing(batches, batch_size, expected):
    model, sequences = make("numbers"), random_sequences()
    results = Predictor(model, batch_size=batch_size)(sequences)
    assert [rows for rows, _ in batches] == expected
    assert_equal(results, plain(model, sequences))


def test_letters_per_batch_are_bounded(monkeypatch, batches):
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BATCH", 200)
    model, sequences = make("number"), random_sequences()
    assert max(map(len, sequences)) > 200
    results = Predictor(model)(sequences)
    assert sum(rows for rows, _ in batches) == len(sequences)
    assert any(rows > 1 for rows, _ in batches)
    assert all(rows == 1 or rows * length <= 200 for rows, length in batches)
    assert_equal(results, plain(model, sequences))


def test_unknown_letters_warn_and_are_read_as_unknown():
    model = make("number")
    predictor = Predictor(model)
    with pytest.warns(UnknownLettersWarning, match="'J'"):
        results = predictor(["ACGTJ", "JACGT"])
    ids = torch.tensor([[2, 3, 4, 5, 1], [1, 2, 3, 4, 5]])
    with torch.no_grad():
        np.testing.assert_allclose(results, model(ids).logits[:, 0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_an_empty_sequence_is_counted_out(monkeypatch, blank):
    monkeypatch.setattr(predictor_module, "_WINDOW", 2)
    with pytest.raises(UserError, match=r"^sequence 4: the sequence is empty$"):
        Predictor(make("number"))(["A", "AC", "ACG", blank, "ACGT"])


@pytest.mark.parametrize("case", ["pairs", "residue pairs"])
def test_a_pair_of_odd_length_is_counted_out(monkeypatch, case):
    monkeypatch.setattr(predictor_module, "_WINDOW", 2)
    with pytest.raises(UserError, match=r"^sequence 3: 5 letters cannot be a pair of equal length$"):
        Predictor(make(case))(["ACGT", "AC", "ACGTA"])


@pytest.mark.parametrize("device", ["nonsense", "cpu:x", "cuda:99"])
@pytest.mark.parametrize("given", ["a folder", "a model"])
def test_a_device_that_is_not_there(tmp_path, device, given):
    model = make("number")
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"device '{device}' is not available here") as caught:
        Predictor(str(tmp_path) if given == "a folder" else model, device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_of_none(batch_size):
    with pytest.raises(UserError, match=rf"batch_size must be at least 1, not {batch_size}"):
        Predictor(make("number"), batch_size=batch_size)


def test_a_model_in_training_is_switched_to_evaluation():
    model = build(LyraForRegression, dropout=0.5)
    sequences = random_sequences()
    expected = plain(model, sequences)
    assert_equal(Predictor(model.train())(sequences), expected)


def test_a_shipped_name():
    site = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"
    expected = plain(LyraForRegression.from_pretrained("lyra-cas9").eval(), [site])
    assert_equal(Predictor("lyra-cas9")([site]), expected)
