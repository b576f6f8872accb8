"""Gradients written by hand: those of the formulas, and only where they are meant to serve."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lyra_hf import fused

EPS = 1e-8


@pytest.fixture(autouse=True)
def at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused, "MIN_SIZE", 0)


def doubles(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


def formula(x: Tensor, weight: Tensor, eps: float = EPS) -> Tensor:
    return x / torch.sqrt(torch.mean(x**2, dim=-1, keepdim=True) + eps) * weight


def member_by_member(x: Tensor, weight: Tensor, eps: float = EPS) -> Tensor:
    return torch.stack([formula(*of_member, eps) for of_member in zip(x, weight, strict=True)])


class TestNorm:
    @pytest.mark.parametrize("shape", [(1,), (7,), (1, 1), (5, 3), (2, 3, 4), (2, 0, 4)], ids=str)
    def test_gradients(self, shape: tuple[int, ...]) -> None:
        x, weight = doubles(*shape), doubles(shape[-1], seed=1)
        assert torch.autograd.gradcheck(lambda x, weight: fused.rms_norm(x, weight, 0.1), (x, weight))
        assert torch.autograd.gradgradcheck(lambda x, weight: fused.rms_norm(x, weight, 0.1), (x, weight))
        torch.testing.assert_close(fused.rms_norm(x, weight, EPS), formula(x, weight), rtol=0, atol=1e-14)

    @pytest.mark.parametrize("shape", [(2, 1), (1, 3, 7), (3, 5, 3), (2, 2, 3, 4), (2, 0, 4)], ids=str)
    def test_gradients_of_members(self, shape: tuple[int, ...]) -> None:
        x, weight = doubles(*shape), doubles(shape[0], shape[-1], seed=1)
        assert torch.autograd.gradcheck(lambda x, weight: fused.rms_norm(x, weight, 0.1), (x, weight))
        assert torch.autograd.gradgradcheck(lambda x, weight: fused.rms_norm(x, weight, 0.1), (x, weight))
        torch.testing.assert_close(fused.rms_norm(x, weight, EPS), member_by_member(x, weight), rtol=0, atol=1e-14)

    @given(rows=st.integers(0, 40), size=st.integers(1, 40), scale=st.sampled_from([1e-6, 1.0, 1e4]))
    def test_agrees_in_single_precision(self, rows: int, size: int, scale: float) -> None:
        x = (scale * doubles(rows, size).detach()).float().requires_grad_()
        weight, incoming = doubles(size, seed=1).detach().float().requires_grad_(), torch.ones(rows, size)
        got, expected = fused.rms_norm(x, weight, EPS), formula(x, weight)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
        for one, other in zip(
            torch.autograd.grad(got, (x, weight), incoming),
            torch.autograd.grad(expected, (x, weight), incoming),
            strict=True,
        ):
            torch.testing.assert_close(
                one, other, rtol=2e-4, atol=1e-5 * max(1.0, float(other.abs().max())) if other.numel() else 0
            )

    def test_channel_by_channel(self) -> None:
        # A gradient, or an input, whose channels are apart in memory.
        x, weight, incoming = doubles(4, 2, 3), doubles(4, seed=1), doubles(4, 2, 3, seed=2).detach()
        turned = x.permute(1, 2, 0)
        for one, other in zip(
            torch.autograd.grad(fused.rms_norm(turned, weight, EPS), (x, weight), incoming.permute(1, 2, 0)),
            torch.autograd.grad(formula(turned, weight), (x, weight), incoming.permute(1, 2, 0)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)

    def test_members_channel_by_channel(self) -> None:
        x, weight, incoming = doubles(3, 4, 2, 5), doubles(3, 4, seed=1), doubles(3, 4, 2, 5, seed=2).detach()
        turned = x.permute(0, 2, 3, 1)
        for one, other in zip(
            torch.autograd.grad(fused.rms_norm(turned, weight, EPS), (x, weight), incoming.permute(0, 2, 3, 1)),
            torch.autograd.grad(member_by_member(turned, weight), (x, weight), incoming.permute(0, 2, 3, 1)),
            strict=True,
        ):
            torch.testing.assert_close(one, other, rtol=0, atol=1e-12)

    @pytest.mark.parametrize("frozen", ["x", "weight"])
    def test_of_one_input_alone(self, frozen: str) -> None:
        x, weight = doubles(3, 4), doubles(4, seed=1)
        (x if frozen == "x" else weight).requires_grad_(False)
        other = weight if frozen == "x" else x
        for create_graph in (False, True):
            got = torch.autograd.grad(fused.rms_norm(x, weight, EPS).sin().sum(), other, create_graph=create_graph)
            expected = torch.autograd.grad(formula(x, weight).sin().sum(), other)
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)

    def test_a_row_of_zeros(self) -> None:
        x, weight = torch.zeros(2, 5, dtype=torch.float64, requires_grad=True), doubles(5)
        fused.rms_norm(x, weight, EPS).sum().backward()
        assert x.grad is not None
        torch.testing.assert_close(x.grad, (weight * EPS**-0.5).expand(2, 5).detach())


class TestMemberLinear:
    @pytest.mark.parametrize("channels_first", [False, True])
    @pytest.mark.parametrize("rows", [0, 1, 5])
    def test_gradients(self, rows: int, *, channels_first: bool) -> None:
        x, weight, bias = doubles(2, rows, 3), doubles(2, 4, 3, seed=1), doubles(2, 4, seed=2)
        if channels_first:
            x = doubles(2, 3, rows)

        def function(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
            return fused.member_linear(x.mT if channels_first else x, weight, bias)

        assert torch.autograd.gradcheck(function, (x, weight, bias))
        assert torch.autograd.gradgradcheck(function, (x, weight, bias))
        expected = [F.linear(*of_member) for of_member in zip(x.mT if channels_first else x, weight, bias, strict=True)]
        torch.testing.assert_close(function(x, weight, bias), torch.stack(expected), rtol=0, atol=1e-14)

    def test_a_gradient_lies_as_what_it_is_of(self) -> None:
        weight, bias = doubles(2, 4, 3), doubles(2, 4)
        seen: list[tuple[int, ...]] = []
        for x in (doubles(2, 5, 3), doubles(2, 3, 5).mT):
            between = x * 1
            between.register_hook(lambda gradient: seen.append(gradient.stride()))
            fused.member_linear(between, weight, bias).square().sum().backward()
        assert seen == [(15, 3, 1), (15, 1, 5)]

    @pytest.mark.parametrize("frozen", [0, 1, 2])
    def test_of_some_inputs_alone(self, frozen: int) -> None:
        tensors = [doubles(2, 5, 3), doubles(2, 4, 3, seed=1), doubles(2, 4, seed=2)]
        tensors[frozen].requires_grad_(False)
        trained = [tensor for tensor in tensors if tensor.requires_grad]
        x, weight, bias = tensors
        expected = torch.autograd.grad((x @ weight.mT + bias.unsqueeze(1)).sin().sum(), trained)
        for create_graph in (False, True):
            got = torch.autograd.grad(
                fused.member_linear(x, weight, bias).sin().sum(), trained, create_graph=create_graph
            )
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


class TestServes:
    def test_where(self) -> None:
        assert fused.serves(torch.zeros(1))
        assert fused.serves(torch.zeros(1, dtype=torch.float64))
        assert not fused.serves(torch.zeros(1, dtype=torch.bfloat16))
        assert not fused.serves(torch.zeros(1, device="meta"))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert not fused.serves(torch.zeros(1))

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_is_the_formula(self, dtype: torch.dtype) -> None:
        x, weight = doubles(5, 8).to(dtype), doubles(8, seed=1).to(dtype)
        got = fused.rms_norm(x, weight, EPS)
        assert got.dtype == dtype
        torch.testing.assert_close(got.double(), formula(x.double(), weight.double()), rtol=0.02, atol=0.02)
