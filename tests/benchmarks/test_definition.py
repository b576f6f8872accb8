"""The definition that speeds are compared with is the published model."""

import pytest
import torch
from reference import PublishedLyra as Reference

from benchmarks.agreement import largest_differences
from benchmarks.definition import PublishedLyra, one_hot
from benchmarks.models import num_parameters, random_ids, released_model


@pytest.fixture
def reference() -> Reference:
    torch.manual_seed(0)
    return Reference(letters=20, outputs=3).eval()


@pytest.mark.parametrize("length", [1, 2, 30, 56, 300])
def test_equals_the_reference_in_float64(reference: Reference, length: int) -> None:
    definition = PublishedLyra(num_letters=20, num_outputs=3).double().eval()
    definition.load_state_dict(reference.state_dict())
    letters = one_hot(torch.from_numpy(random_ids("protein", 4, length)), 20).double()
    with torch.no_grad():
        torch.testing.assert_close(definition(letters), reference(letters), rtol=0, atol=1e-10)


def test_gradients_equal_the_reference_in_float64(reference: Reference) -> None:
    definition = PublishedLyra(num_letters=20, num_outputs=3).double().eval()
    definition.load_state_dict(reference.state_dict())
    letters = one_hot(torch.from_numpy(random_ids("protein", 4, 40)), 20).double()
    for model in (definition, reference):
        model(letters).square().sum().backward()
    expected = dict(reference.named_parameters())
    for name, parameter in definition.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name].grad, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_our_model_and_the_engine_agree_with_it(alphabet: str) -> None:
    differences = largest_differences(alphabet, (1, 30, 56, 300))
    assert set(differences) == {"forward", "engine"}
    assert max(differences.values()) <= 1e-5


@pytest.mark.parametrize(("alphabet", "expected"), [("dna", 46_145), ("protein", 47_169)])
def test_takes_every_parameter_of_our_model(alphabet: str, expected: int) -> None:
    model = released_model(alphabet)
    definition = PublishedLyra.from_model(model)
    assert num_parameters(definition) == num_parameters(model) == expected
    sums = sorted(parameter.double().sum().item() for parameter in model.parameters())
    assert sorted(parameter.double().sum().item() for parameter in definition.parameters()) == pytest.approx(sums)


def test_takes_the_mode_of_our_model() -> None:
    model = released_model("dna")
    assert not PublishedLyra.from_model(model).training
    assert PublishedLyra.from_model(model.train()).training


def test_dropout_is_tied_along_the_length() -> None:
    torch.manual_seed(0)
    s4d = PublishedLyra(num_letters=4).train().s4d
    dropped = s4d.dropout(torch.ones(8, 64, 30))
    assert ((dropped == 0).all(-1) == (dropped == 0).any(-1)).all()
    assert 0.1 < (dropped == 0).double().mean().item() < 0.3


def test_one_hot_of_our_ids() -> None:
    assert one_hot(torch.tensor([[2, 5, 3]]), 4).tolist() == [[[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]]
