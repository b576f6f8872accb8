"""The kernel that evaluation keeps between calls: never stale, never part of a graph, never copied."""

import copy
import io
import itertools
from collections.abc import Callable

import pytest
import torch
from small_models import build, random_ids
from torch import Tensor

from lyra_hf import LyraForRegression, convolution, ssm
from lyra_hf.convolution import LyraS4DConvolution

LENGTHS = [20, 200, 300, 9000]  # Toeplitz, Toeplitz without gradients, FFT, scan
PARAMETERS = ["log_dt", "log_A_real", "A_imag", "C", "D"]


def convolution_of(model: LyraForRegression) -> LyraS4DConvolution:
    return model.lyra.layers[0].convolution


@torch.no_grad()
def kept(model: LyraForRegression, ids: Tensor) -> Tensor:
    """What evaluation says, with the kernel it keeps."""
    return model(ids).logits


def fresh(model: LyraForRegression, ids: Tensor) -> Tensor:
    """What the model says where gradients are to come: the kernel is then made for the call."""
    return model(ids).logits.detach()


def replace(parameter: torch.nn.Parameter) -> None:
    parameter.data = parameter.data + 0.3


CHANGES: dict[str, Callable[[torch.nn.Parameter], object]] = {
    "in place": lambda parameter: parameter.detach().add_(0.3),
    "in place through data": lambda parameter: parameter.data.add_(0.3),
    "one element through data": lambda parameter: parameter.data.view(-1)[3:4].add_(0.5),
    "through numpy": lambda parameter: parameter.detach().numpy().__iadd__(0.3),
    "data replaced": replace,
}


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("size", [1, 2])
def test_a_changed_parameter_is_seen(
    change: Callable[[torch.nn.Parameter], object], name: str, length: int, size: int
) -> None:
    model, ids = build(LyraForRegression, ensemble_size=size), random_ids(1, length)
    before = kept(model, ids)
    change(getattr(convolution_of(model), name))
    after = kept(model, ids)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, fresh(model, ids), rtol=0, atol=1e-6)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("optimizer_class", [torch.optim.AdamW, torch.optim.SGD])
def test_a_step_of_the_optimizer_is_seen(optimizer_class: type[torch.optim.Optimizer], length: int) -> None:
    model, ids = build(LyraForRegression), random_ids(1, length)
    # Only the state space is trained, so that nothing else can move the result.
    optimizer = optimizer_class(convolution_of(model).parameters(), lr=0.1)
    before = kept(model, ids)
    model(ids, labels=torch.tensor([5.0])).loss.backward()
    optimizer.step()
    after = kept(model, ids)
    assert not torch.equal(after, before)
    torch.testing.assert_close(after, fresh(model, ids), rtol=0, atol=1e-6)


@pytest.mark.parametrize("assign", [False, True])
def test_loaded_weights_are_seen(*, assign: bool) -> None:
    model, other, ids = build(LyraForRegression), build(LyraForRegression, seed=1), random_ids(1, 50)
    kept(model, ids)
    model.load_state_dict(other.state_dict(), assign=assign)
    assert torch.equal(kept(model, ids), kept(other, ids))


def test_a_change_of_type_is_seen() -> None:
    model, ids = build(LyraForRegression), random_ids(1, 50)
    single = kept(model, ids)
    model.double()
    double = kept(model, ids)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double, fresh(model, ids), rtol=0, atol=1e-13)
    model.float()
    assert torch.equal(kept(model, ids), single)
    model.to(torch.bfloat16)
    assert kept(model, ids).isfinite().all()


def test_switching_to_training_and_back() -> None:
    model, ids = build(LyraForRegression), random_ids(2, 50)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        torch.testing.assert_close(kept(model.eval(), ids), fresh(model, ids), rtol=0, atol=1e-6)
        optimizer.zero_grad()
        model.train()(ids, labels=torch.tensor([1.0, -1.0])).loss.backward()
        optimizer.step()


def test_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def count(modes: ssm.Modes, length: int) -> Tensor:
        made.append(length)
        return ssm.s4d_kernel(modes, length)

    monkeypatch.setattr(convolution, "s4d_kernel", count)
    model = build(LyraForRegression)
    for length in (50, 50, 20, 1, 50):
        kept(model, random_ids(1, length))
    assert made == [50]
    kept(model, random_ids(1, 60))
    assert made == [50, 60]
    fresh(model, random_ids(1, 50))
    assert made == [50, 60, 50]


@pytest.mark.parametrize("lengths", list(itertools.permutations([5, 70, 300, 9000], 3)), ids=str)
def test_the_order_of_lengths_does_not_matter(lengths: tuple[int, ...]) -> None:
    model = build(LyraForRegression)
    for length in (*lengths, *lengths):
        ids = random_ids(2, length)
        torch.testing.assert_close(kept(model, ids), fresh(model, ids), rtol=0, atol=2e-6)


@pytest.mark.parametrize("length", LENGTHS)
def test_holds_no_graph(length: int) -> None:
    model, ids = build(LyraForRegression), random_ids(1, length)
    kept(model, ids)
    fresh(model, ids)
    cache = convolution_of(model)._cache
    assert cache is not None
    made = [tensor for tensor in (cache.kernel, cache.matrix) if tensor is not None]
    tensors = [*cache.parameters, *cache.modes, *made]
    assert not any(tensor.requires_grad for tensor in tensors)
    assert all(tensor.grad_fn is None for tensor in tensors)
    # It is a copy: the parameters it was made from are not the model's own.
    own = {parameter.data_ptr() for parameter in model.parameters()}
    assert not own & {tensor.data_ptr() for tensor in tensors}


def test_gradients_flow_after_evaluation() -> None:
    model, ids = build(LyraForRegression), random_ids(1, 50)
    kept(model, ids)
    model(ids).logits.sum().backward()
    for name in PARAMETERS:
        assert getattr(convolution_of(model), name).grad.abs().max() > 0


def test_evaluation_in_inference_mode() -> None:
    model, ids = build(LyraForRegression), random_ids(1, 50)
    with torch.inference_mode():
        inside = model(ids).logits.clone()
    assert torch.equal(kept(model, ids), inside)
    model(ids).logits.sum().backward()
    with torch.inference_mode():
        assert torch.equal(model(ids).logits, inside)


def test_is_neither_copied_nor_saved() -> None:
    model, ids = build(LyraForRegression), random_ids(1, 50)
    expected = kept(model, ids)
    assert convolution_of(model)._cache is not None
    assert "cache" not in " ".join(model.state_dict())
    other = copy.deepcopy(model)
    assert convolution_of(other)._cache is None
    assert torch.equal(kept(other, ids), expected)
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    pickled = torch.load(file, weights_only=False)
    assert convolution_of(pickled)._cache is None
    assert torch.equal(kept(pickled, ids), expected)
