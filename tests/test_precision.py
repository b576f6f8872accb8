"""Number types: what stays in float32 in a half-precision model, what float64 reaches, and autocast."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_models import build, random_ids
from torch import Tensor, nn

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, LyraModel
from lyra_hf.alphabets import get_alphabet
from lyra_hf.convolution import LyraS4DConvolution
from lyra_hf.modeling_lyra import LyraRMSNorm
from lyra_hf.precision import Float32Floor

HALVES = [torch.bfloat16, torch.float16]
EVERYTHING: dict[str, Any] = {"num_hidden_layers": 2, "bidirectional": True, "pooling": "attention"}
everything = pytest.mark.parametrize(
    "fields", [EVERYTHING, {**EVERYTHING, "ensemble_size": 3}], ids=["single model", "ensemble"]
)


def protected(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that are never below float32: of the state space, and of the labels' scale."""
    parts = [(name, module) for name, module in model.named_modules() if isinstance(module, Float32Floor)]
    return {f"{name}.{key}": tensor for name, part in parts for key, tensor in part.state_dict().items()}


def assert_dtypes(model: nn.Module, dtype: torch.dtype) -> None:
    kept = protected(model)
    assert {name.rpartition(".")[2] for name in kept} >= {"log_dt", "log_A_real", "A_imag", "C", "D", "mean", "std"}
    for name, tensor in model.state_dict().items():
        assert tensor.dtype == (torch.float32 if name in kept else dtype), name


class TestHalfPrecision:
    @everything
    @pytest.mark.parametrize("dtype", HALVES)
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_cast(self, dtype: torch.dtype, transform: str | None, fields: dict[str, Any]) -> None:
        model = build(LyraForRegression, label_transform=transform, **fields)
        before = {name: tensor.clone() for name, tensor in protected(model).items()}
        assert_dtypes(model.to(dtype), dtype)
        assert_dtypes(model.half() if dtype == torch.float16 else model.bfloat16(), dtype)
        for name, tensor in protected(model).items():
            assert torch.equal(tensor, before[name]), name

    @everything
    @pytest.mark.parametrize("dtype", HALVES)
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_load(self, dtype: torch.dtype, transform: str | None, tmp_path: Path, fields: dict[str, Any]) -> None:
        model = build(LyraForRegression, label_transform=transform, **fields)
        model.classifier.label_scale.fit(1000 + torch.rand(50, 1))
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path, dtype=dtype)
        assert_dtypes(loaded, dtype)
        expected = protected(model)
        for name, tensor in protected(loaded).items():
            assert torch.equal(tensor, expected[name]), name
        # The same as loading and then casting.
        ids = random_ids(3, 30)
        with torch.no_grad():
            torch.testing.assert_close(loaded(ids).logits, model.to(dtype)(ids).logits, rtol=0, atol=0)

    @pytest.mark.parametrize("dtype", HALVES)
    def test_a_half_precision_checkpoint_keeps_what_it_protects(self, dtype: torch.dtype, tmp_path: Path) -> None:
        model = build(LyraForRegression).to(dtype)
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path)
        assert_dtypes(loaded, dtype)
        ids = random_ids(3, 30)
        assert torch.equal(loaded(ids).logits, model(ids).logits)

    @everything
    @pytest.mark.parametrize("dtype", HALVES)
    @pytest.mark.parametrize("cls", [LyraModel, LyraForRegression, LyraForTokenClassification])
    def test_numbers_are_near(self, cls: type[LyraModel], dtype: torch.dtype, fields: dict[str, Any]) -> None:
        model, ids = build(cls, **fields), random_ids(3, 30)
        with torch.no_grad():
            expected = model(ids)[0]
            got = model.to(dtype)(ids)[0]
        tolerance = 32 * torch.finfo(dtype).eps
        torch.testing.assert_close(got.float(), expected, rtol=tolerance, atol=tolerance)

    @pytest.mark.parametrize("dtype", HALVES)
    def test_labels_keep_their_digits(self, dtype: torch.dtype) -> None:
        # Neither 1000.5 nor a deviation of 0.01 about it exists in half precision.
        model = build(LyraForRegression)
        scale = model.classifier.label_scale
        scale.mean.fill_(1000.5)
        scale.std.fill_(0.01)
        model.to(dtype)
        ids, labels = random_ids(4, 20), 1000.5 + 0.01 * torch.randn(4)
        output = model(ids, labels=labels)
        assert output.logits.dtype == output.loss.dtype == torch.float32
        assert (output.logits - 1000.5).abs().max() < 0.1
        assert output.loss < 20

    @everything
    @pytest.mark.parametrize("dtype", HALVES)
    @pytest.mark.parametrize("length", [20, 200])
    def test_training_step(self, dtype: torch.dtype, length: int, fields: dict[str, Any]) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, **fields).to(dtype).train()
        model(random_ids(4, length), labels=torch.tensor([0, 1, 2, 0])).loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.dtype == parameter.dtype
            assert parameter.grad.isfinite().all(), name

    def test_casting_back_restores_the_mixtures(self) -> None:
        model = build(LyraModel)
        model.to(torch.bfloat16).float()
        expected = torch.tensor(get_alphabet("dna").composition)
        embedded = model.encoder(torch.arange(17).unsqueeze(0))[0] - model.encoder.bias
        torch.testing.assert_close(embedded, expected @ model.encoder.weight.T, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("dtype", HALVES)
    @pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
    def test_norms_neither_overflow_nor_vanish(self, dtype: torch.dtype, size: float) -> None:
        # The square of 1e4 is beyond float16, and that of 1e-3, and the norm's epsilon, below what it resolves.
        norm = LyraRMSNorm(64, 1e-8).to(dtype)
        x = size * torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
        got = norm(x.to(dtype))
        assert got.dtype == dtype
        expected = x / x.square().mean(-1, keepdim=True).add(1e-8).sqrt()
        torch.testing.assert_close(got.float(), expected, rtol=0, atol=4 * torch.finfo(dtype).eps)

    def test_narrowing_stops_at_float32(self) -> None:
        model = build(LyraForRegression, dtype=torch.float64)
        assert_dtypes(model.to(torch.bfloat16), torch.bfloat16)


class TestConvolutionIsInFloat32:
    @pytest.mark.parametrize("length", [20, 200])
    @pytest.mark.parametrize("how", ["bfloat16", "float16", "autocast"])
    def test_inside(self, how: str, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[torch.dtype] = []
        original = LyraS4DConvolution.convolve

        def watch(self: LyraS4DConvolution, u: Tensor) -> Tensor:
            y = original(self, u)
            # A product of matrices, which autocast would narrow, if it were on here.
            seen.extend([u.dtype, y.dtype, self.modes().decay.dtype, (u[0] @ u[0].T).dtype])
            return y

        monkeypatch.setattr(LyraS4DConvolution, "convolve", watch)
        model = build(LyraModel)
        if how != "autocast":
            model.to(getattr(torch, how))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "autocast"):
            model(random_ids(2, length))
        assert seen
        assert set(seen) == {torch.float32}

    @pytest.mark.parametrize("length", [20, 200])
    def test_a_slow_decay_survives(self, length: int) -> None:
        # exp(-0.001) is 1 in bfloat16. The output of the convolution is that of a float32 model.
        model = build(LyraModel)
        convolution = model.layers[0].convolution
        u = torch.randn(2, length, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
        expected = convolution(u.float())
        model.to(torch.bfloat16)
        got = convolution(u)
        assert got.dtype == torch.float32
        torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)


class TestAutocast:
    @everything
    @pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
    def test_numbers_and_loss(self, cls: type[LyraForRegression], fields: dict[str, Any]) -> None:
        model, ids = build(cls, **fields), random_ids(3, 30)
        labels = torch.randn((3, 30) if cls is LyraForTokenClassification else 3)
        expected = model(ids, labels=labels)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = model(ids, labels=labels)
        assert output.loss.dtype == output.logits.dtype == torch.float32
        torch.testing.assert_close(output.logits, expected.logits, rtol=0.1, atol=0.1)
        assert not torch.equal(output.logits, expected.logits)
        output.loss.backward()
        for name, parameter in model.named_parameters():
            if cls is LyraForRegression or "pooler" not in name:
                assert parameter.grad.dtype == torch.float32
                assert parameter.grad.isfinite().all(), name


class TestDoublePrecision:
    @everything
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    @pytest.mark.parametrize("length", [20, 200, 400])
    def test_throughout(self, length: int, transform: str | None, fields: dict[str, Any]) -> None:
        model = build(LyraForRegression, dtype=torch.float64, label_transform=transform, **fields)
        seen: set[torch.dtype] = set()
        for module in model.modules():
            module.register_forward_hook(
                lambda module, args, output: seen.update(
                    value.dtype for value in (*args, output) if isinstance(value, Tensor) and value.is_floating_point()
                )
            )
        with torch.no_grad():
            without_gradients = model(random_ids(2, length)).logits
        output = model(random_ids(2, length), labels=torch.zeros(2, dtype=torch.float64))
        assert seen == {torch.float64}
        assert without_gradients.dtype == output.logits.dtype == output.loss.dtype == torch.float64
        torch.testing.assert_close(without_gradients, output.logits, rtol=0, atol=1e-12)

    @everything
    def test_load(self, tmp_path: Path, fields: dict[str, Any]) -> None:
        model = build(LyraForRegression, label_transform="log", **fields)
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path, dtype=torch.float64)
        assert {tensor.dtype for tensor in loaded.state_dict().values()} == {torch.float64}
        ids = random_ids(2, 30)
        torch.testing.assert_close(loaded(ids).logits, model.double()(ids).logits, rtol=0, atol=1e-14)

    @everything
    def test_agrees_with_single_precision(self, fields: dict[str, Any]) -> None:
        model, ids = build(LyraForRegression, **fields), random_ids(3, 300)
        single = model(ids).logits.detach()
        torch.testing.assert_close(single.double(), model.double()(ids).logits.detach(), rtol=0, atol=1e-5)
