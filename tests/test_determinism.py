"""Repeats equal to the bit; golden scores of every checkpoint by every way to compute them, each to its tolerance."""

import numpy as np
import pytest
import torch
from golden import read_golden
from reproduce import GOLDEN
from small_models import build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    Predictor,
    checkpoint_names,
    convolution,
)
from lyra_hf.inference.encoding import encode_texts
from lyra_hf.inference.loading import load_model
from lyra_hf.tokenization_lyra import pad_ids

# How far a way may be from the golden scores, in shares of the scores' largest size.
TOLERANCES = {"toeplitz": 2e-5, "fft": 2e-5, "scan": 2e-5, "tables": 2e-5, "bfloat16": 0.1}
WAYS = [way for way in TOLERANCES if way != "tables"]


def by_forward(name, sequences, dtype=None):
    """Scores of the model's own forward pass, sequence by sequence."""
    model = load_model(name)
    if dtype is not None:
        model = model.to(dtype)
    encoded = encode_texts(Predictor(model).encoder, sequences)
    scores = []
    with torch.inference_mode():
        for number in range(len(sequences)):
            logits = model(torch.from_numpy(pad_ids([encoded[number]]))).logits
            scores.append(logits[0].float().numpy().squeeze(-1) if logits.shape[-1] == 1 else logits[0].float().numpy())
    return scores


def distance(found, expected):
    """The largest difference, in shares of the largest score."""
    pairs = [(np.asarray(one), np.asarray(other)) for one, other in zip(found, expected, strict=True)]
    size = max(float(np.abs(other).max()) for _, other in pairs)
    return max(float(np.abs(one - other).max()) for one, other in pairs) / size


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", checkpoint_names())
def test_golden_scores_by_every_way(name, way, monkeypatch):
    if way != "bfloat16":
        monkeypatch.setattr(convolution, "convolution_path", lambda length, *, gradients: way)
    sequences, expected = read_golden(GOLDEN / f"{name}.json")
    found = by_forward(name, sequences, torch.bfloat16 if way == "bfloat16" else None)
    assert distance(found, expected) <= TOLERANCES[way]


@pytest.mark.parametrize("name", checkpoint_names())
def test_golden_scores_by_tables(name):
    sequences, expected = read_golden(GOLDEN / f"{name}.json")
    assert distance(Predictor(name)(sequences), expected) <= TOLERANCES["tables"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", [LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification])
def test_repeats_are_equal_to_the_bit(kind, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        model = build(kind, bidirectional=True, ensemble_size=2)
        generator = np.random.default_rng(0)
        letters = np.array(list("ACGT"))
        sequences = ["".join(letters[generator.integers(0, 4, size=size)]) for size in generator.integers(1, 400, 64)]
        first, second = (Predictor(model)(sequences) for _ in range(2))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("length", [20, 200, 600])
@pytest.mark.parametrize("kind", [LyraForRegression, LyraForTokenClassification])
def test_nothing_that_is_not_deterministic(kind, length):
    """PyTorch raises where an operation has no deterministic form."""
    torch.use_deterministic_algorithms(True)
    try:
        gradients = []
        for _ in range(2):
            torch.manual_seed(0)
            model = build(kind, bidirectional=True, dropout=0.2).train()
            ids = torch.randint(2, 6, (12, length), generator=torch.Generator().manual_seed(1))
            outputs = model(ids)
            outputs.logits.square().sum().backward()
            gradients.append([parameter.grad for parameter in model.parameters() if parameter.grad is not None])
            Predictor(model.eval())(["ACGT" * 10, "ACG"])
        assert gradients[0]
        assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))
    finally:
        torch.use_deterministic_algorithms(False)
