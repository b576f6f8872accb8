"""The heads: losses over the labels that count, the kinds of problem, and the scale of regression labels."""

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small_models import build, random_ids, small_config
from torch import Tensor

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification
from lyra_hf.labels import LyraLabelScale, piecewise_linear

BOTH_KINDS = [LyraForSequenceClassification, LyraForTokenClassification]


def assert_no_gradient(model: LyraForSequenceClassification, loss: Tensor) -> None:
    """The loss is zero and connected to the model, and pulls at nothing."""
    assert loss.item() == 0
    model.zero_grad()
    loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert gradients
    assert all(torch.equal(gradient, torch.zeros_like(gradient)) for gradient in gradients)


class TestSingleLabel:
    @pytest.mark.parametrize("weights", [None, [1.0, 4.0, 0.25]], ids=["unweighted", "weighted"])
    def test_loss_is_the_cross_entropy(self, weights: list[float] | None) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, problem_type="single_label_classification")
        ids, labels = random_ids(5, 12), torch.tensor([0, 2, 1, 2, 2])
        class_weights = None if weights is None else torch.tensor(weights)
        output = model(ids, labels=labels, class_weights=class_weights)
        torch.testing.assert_close(output.loss, F.cross_entropy(output.logits, labels, weight=class_weights))
        assert torch.equal(output.logits, model(ids).logits)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_class_weights_of_any_precision(self, dtype: torch.dtype) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, dtype=dtype)
        ids, labels = random_ids(5, 12), torch.tensor([0, 2, 1, 2, 2])
        losses = [
            model(ids, labels=labels, class_weights=torch.tensor([1, 4, 2]).to(weight_dtype)).loss.item()
            for weight_dtype in (torch.float32, torch.float64, torch.bfloat16, torch.int64)
        ]
        assert losses == pytest.approx([losses[0]] * 4, rel=1e-6)

    @pytest.mark.parametrize("weights", [None, [1.0, 4.0, 0.25]], ids=["unweighted", "weighted"])
    def test_ignored_residues_do_not_count(self, weights: list[float] | None) -> None:
        model = build(LyraForTokenClassification, num_labels=3, problem_type="single_label_classification")
        ids = random_ids(4, 12)
        labels = torch.randint(3, (4, 12), generator=torch.Generator().manual_seed(0))
        labels[1, 3:] = -100
        labels[2] = -100
        class_weights = None if weights is None else torch.tensor(weights)
        output = model(ids, labels=labels, class_weights=class_weights)
        counted = labels != -100
        expected = F.cross_entropy(output.logits[counted], labels[counted], weight=class_weights)
        torch.testing.assert_close(output.loss, expected)

    @pytest.mark.parametrize("weights", [None, [1.0, 4.0, 0.25]], ids=["unweighted", "weighted"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    @pytest.mark.parametrize("cls", BOTH_KINDS)
    def test_no_label_at_all(
        self, cls: type[LyraForSequenceClassification], dtype: torch.dtype, weights: list[float] | None
    ) -> None:
        model = build(cls, num_labels=3, dtype=dtype)
        ids = random_ids(4, 12)
        labels = torch.full((4, 12) if cls is LyraForTokenClassification else (4,), -100)
        logits_dtype = torch.float64 if dtype == torch.float64 else torch.float32
        class_weights = None if weights is None else torch.tensor(weights, dtype=logits_dtype)
        assert_no_gradient(model, model(ids, labels=labels, class_weights=class_weights).loss)


class TestMultiLabel:
    def test_loss_is_the_binary_cross_entropy(self) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, problem_type="multi_label_classification")
        ids, labels = random_ids(4, 12), torch.randint(2, (4, 3), generator=torch.Generator().manual_seed(0))
        for given_labels in (labels, labels.float(), labels.bool()):
            output = model(ids, labels=given_labels)
            expected = F.binary_cross_entropy_with_logits(output.logits, labels.float())
            torch.testing.assert_close(output.loss, expected)

    @pytest.mark.parametrize("missing", [math.nan, -100.0])
    def test_missing_labels_do_not_count(self, missing: float) -> None:
        model = build(LyraForTokenClassification, num_labels=2, problem_type="multi_label_classification")
        ids = random_ids(3, 12)
        labels = torch.randint(2, (3, 12, 2), generator=torch.Generator().manual_seed(0)).float()
        counted = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) > 0.4
        output = model(ids, labels=labels.where(counted, missing))
        expected = F.binary_cross_entropy_with_logits(output.logits[counted], labels[counted])
        torch.testing.assert_close(output.loss, expected)
        output.loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)

    def test_class_weights_weigh_the_positives(self) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, problem_type="multi_label_classification")
        ids, labels = random_ids(4, 12), torch.randint(2, (4, 3), generator=torch.Generator().manual_seed(0)).float()
        weights = torch.tensor([3.0, 1.0, 0.5])
        output = model(ids, labels=labels, class_weights=weights)
        torch.testing.assert_close(
            output.loss, F.binary_cross_entropy_with_logits(output.logits, labels, pos_weight=weights)
        )

    @pytest.mark.parametrize("missing", [math.nan, -100.0])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_no_label_at_all(self, dtype: torch.dtype, missing: float) -> None:
        model = build(
            LyraForSequenceClassification, num_labels=3, problem_type="multi_label_classification", dtype=dtype
        )
        assert_no_gradient(model, model(random_ids(4, 12), labels=torch.full((4, 3), missing)).loss)


class TestRegression:
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    @pytest.mark.parametrize("num_labels", [1, 3])
    def test_loss_is_on_the_standardised_scale(self, num_labels: int, transform: str | None) -> None:
        model = build(LyraForRegression, num_labels=num_labels, label_transform=transform, problem_type="regression")
        labels = 50 + 20 * torch.randn(40, num_labels, generator=torch.Generator().manual_seed(0))
        scale = model.classifier.label_scale
        scale.fit(labels)
        ids = random_ids(40, 12)
        scores = model.classifier.linear(model.lyra(ids).pooler_output)
        output = model(ids, labels=labels)
        torch.testing.assert_close(output.loss, F.mse_loss(scores, scale.standardize(labels)))
        torch.testing.assert_close(output.logits, scale(scores))
        assert torch.equal(output.logits, model(ids).logits)
        # Before training, predictions are already where the labels are.
        assert output.logits.min() > labels.min() - 25
        assert output.logits.max() < labels.max() + 25

    @pytest.mark.parametrize("shape", [(6,), (6, 1)])
    @pytest.mark.parametrize("label_dtype", [torch.float32, torch.float64, torch.float16, torch.int64])
    def test_shape_and_type_of_one_label(self, shape: tuple[int, ...], label_dtype: torch.dtype) -> None:
        model = build(LyraForRegression)
        ids, labels = random_ids(6, 12), torch.arange(6)
        expected = model(ids, labels=labels.float()).loss
        got = model(ids, labels=labels.to(label_dtype).reshape(shape)).loss
        torch.testing.assert_close(got, expected)
        assert got.dtype == torch.float32

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_missing_labels_do_not_count(self, transform: str | None) -> None:
        model = build(LyraForTokenClassification, num_labels=2, problem_type="regression", label_transform=transform)
        labels = 3 + torch.rand(3, 12, 2, generator=torch.Generator().manual_seed(0))
        counted = torch.rand(labels.shape, generator=torch.Generator().manual_seed(1)) > 0.4
        labels = labels.where(counted, torch.nan)
        scale = model.classifier.label_scale
        scale.fit(labels.flatten(0, 1))
        ids = random_ids(3, 12)
        output = model(ids, labels=labels)
        scores = model.classifier.linear(model.lyra(ids).last_hidden_state)
        expected = (scores - scale.standardize(labels))[counted].square().mean()
        torch.testing.assert_close(output.loss, expected)
        output.loss.backward()
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
    def test_no_label_at_all(self, dtype: torch.dtype, transform: str | None) -> None:
        model = build(LyraForRegression, num_labels=2, label_transform=transform, dtype=dtype)
        assert_no_gradient(model, model(random_ids(4, 12), labels=torch.full((4, 2), torch.nan)).loss)


class TestProblemType:
    @pytest.mark.parametrize(
        ("num_labels", "labels", "expected"),
        [
            (1, torch.tensor([1.5, 2.0]), "regression"),
            (1, torch.tensor([1, 2]), "regression"),
            (3, torch.tensor([1, 2]), "single_label_classification"),
            (3, torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), "multi_label_classification"),
        ],
    )
    def test_is_told_by_outputs_and_labels(self, num_labels: int, labels: Tensor, expected: str) -> None:
        model = build(LyraForSequenceClassification, num_labels=num_labels)
        decided = build(LyraForSequenceClassification, num_labels=num_labels, problem_type=expected)
        decided.load_state_dict(model.state_dict())
        ids = random_ids(2, 12)
        assert model.config.problem_type is None
        before = model(ids).logits
        output = model(ids, labels=labels)
        assert model.config.problem_type == expected
        torch.testing.assert_close(output.loss, decided(ids, labels=labels).loss)
        torch.testing.assert_close(output.logits, before)

    def test_what_is_configured_stands(self) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, problem_type="regression")
        ids, labels = random_ids(2, 12), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
        scores = model.classifier.linear(model.lyra(ids).pooler_output)
        expected = F.mse_loss(scores, model.classifier.label_scale.standardize(labels))
        torch.testing.assert_close(model(ids, labels=labels).loss, expected)
        assert model.config.problem_type == "regression"

    @pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification"])
    def test_classes_have_no_scale(self, problem_type: str) -> None:
        model = build(LyraForSequenceClassification, num_labels=3, problem_type=problem_type)
        ids = random_ids(2, 12)
        scores = model.classifier.linear(model.lyra(ids).pooler_output)
        torch.testing.assert_close(model(ids).logits, scores)


def fitted(labels: Tensor, transform: str | None = None, dtype: torch.dtype = torch.float64) -> LyraLabelScale:
    scale = LyraLabelScale(small_config(num_labels=labels.shape[1], label_transform=transform)).to(dtype)
    scale.fit(labels)
    return scale


class TestLabelScale:
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    @given(seed=st.integers(0, 2**16), rows=st.integers(30, 200), size=st.sampled_from([1e-3, 1.0, 1e4]))
    def test_predictions_invert_the_standardisation(
        self, transform: str | None, seed: int, rows: int, size: float
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        labels = size * torch.randn(rows, 2, generator=generator, dtype=torch.float64).exp()
        labels[:, 1] -= 7 * size
        scale = fitted(labels, transform)
        standardised = scale.standardize(labels)
        assert standardised.isfinite().all()
        back = scale(standardised)
        if transform == "rank":  # beyond the ends of the curve all labels are one
            low, high = scale.knots[0], scale.knots[-1]
            labels = labels.clamp(low, high)
        torch.testing.assert_close(back, labels, rtol=1e-6, atol=1e-6 * size)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_standardised_labels_have_mean_zero_and_deviation_one(
        self, transform: str | None, dtype: torch.dtype
    ) -> None:
        labels = torch.randn(500, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
        labels = labels * torch.tensor([1.0, 100.0, 0.01, 1.0]) + torch.tensor([0.0, -50.0, 3.0, 0.0])
        # Ties at values that float32 rounds up and down: fitted in double precision, trained on in single.
        labels[:, 3] = torch.tensor([0.1, 0.7]).double().repeat(250) + (labels[:, 3] > 2) * labels[:, 3]
        labels[::2, 0], labels[::3, 1] = 0.1, 0.7
        standardised = fitted(labels, transform, dtype).standardize(labels.to(dtype)).double()
        torch.testing.assert_close(standardised.mean(0), torch.zeros(4).double(), rtol=0, atol=2e-4)
        torch.testing.assert_close(standardised.std(0, correction=0), torch.ones(4).double(), rtol=0, atol=2e-4)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_order_is_kept(self, transform: str | None) -> None:
        labels = torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
        scale = fitted(labels, transform)
        scores = torch.linspace(-6, 6, 400, dtype=torch.float64).unsqueeze(-1)
        assert (scale(scores).diff(dim=0) >= 0).all()
        assert (scale.standardize(labels.sort(dim=0).values).diff(dim=0) >= 0).all()

    def test_plain_scale(self) -> None:
        scale = fitted(torch.tensor([[1.0], [3.0], [math.nan], [5.0]]))
        assert scale.mean.item() == pytest.approx(3)
        assert scale.std.item() == pytest.approx(math.sqrt(8 / 3))
        torch.testing.assert_close(
            scale(torch.tensor([[1.0]])), torch.tensor([[3 + math.sqrt(8 / 3)]]), check_dtype=False
        )

    def test_log_scale_turns_factors_into_steps(self) -> None:
        labels = torch.tensor([[0.0], *([10.0**power] for power in range(-1, 4))])
        scale = fitted(labels, "log")
        assert scale.floor.item() < 0
        standardised = scale.standardize(labels)
        steps = standardised.diff(dim=0).flatten()
        assert (steps > 0).all()
        ratio = ((labels[1:] - scale.floor) / (labels[:-1] - scale.floor)).log().flatten()
        torch.testing.assert_close(steps * scale.std, ratio, rtol=1e-5, atol=1e-5)

    def test_rank_scale_makes_any_distribution_normal(self) -> None:
        normal = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        standardised = fitted(normal.exp() ** 2, "rank").standardize(normal.exp() ** 2)
        inner = normal.abs() < 2
        torch.testing.assert_close(standardised[inner], normal[inner], rtol=0, atol=0.1)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_missing_labels_do_not_move_the_scale(self, transform: str | None) -> None:
        labels = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        with_gaps = torch.cat([labels, torch.full((30, 2), torch.nan, dtype=torch.float64)])
        expected = dict(fitted(labels, transform).named_buffers())
        for name, buffer in fitted(with_gaps, transform).named_buffers():
            torch.testing.assert_close(buffer, expected[name], rtol=1e-12, atol=1e-12, msg=name)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_outputs_do_not_mix(self, transform: str | None) -> None:
        labels = torch.rand(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * torch.tensor(
            [1, 9]
        )
        both, second = fitted(labels, transform), fitted(labels[:, 1:], transform)
        scores = torch.randn(20, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        torch.testing.assert_close(both(scores)[:, 1:], second(scores[:, 1:]), rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(both.standardize(labels)[:, 1:], second.standardize(labels[:, 1:]))

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    @pytest.mark.parametrize(("value", "rows"), [(4.0, 1), (0.0, 3), (0.1, 3), (0.7, 3), (1e6, 3)])
    def test_labels_that_are_all_alike(
        self, value: float, rows: int, transform: str | None, dtype: torch.dtype
    ) -> None:
        labels = torch.full((rows, 1), value, dtype=torch.float64)
        scale = fitted(labels, transform, dtype)
        # The only value that was ever seen is what a score of zero means.
        torch.testing.assert_close(scale(torch.zeros(1, 1, dtype=dtype)).item(), value, rtol=1e-6, atol=1e-6)
        standardised = scale.standardize(labels.to(dtype))
        torch.testing.assert_close(standardised, torch.zeros_like(standardised), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_an_output_without_labels(self, transform: str | None) -> None:
        with pytest.raises(ValueError, match="no label"):
            fitted(torch.tensor([[1.0, math.nan], [2.0, math.nan]]), transform)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_predictions_have_gradients(self, transform: str | None) -> None:
        labels = torch.rand(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        scale = fitted(labels, transform)
        scores = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(-1).requires_grad_()
        (gradient,) = torch.autograd.grad(scale(scores).sum(), scores)
        assert (gradient > 0).all()
        assert gradient.isfinite().all()

    def test_rank_of_labels_with_many_ties(self) -> None:
        # Most labels are zero, as editing rates often are.
        generator = torch.Generator().manual_seed(0)
        labels = torch.cat([torch.zeros(300, 1), torch.rand(100, 1, generator=generator) * 50 + 1]).double()
        scale = fitted(labels, "rank")
        standardised = scale.standardize(labels)
        assert standardised.isfinite().all()
        assert standardised[:300].unique().numel() == 1
        torch.testing.assert_close(scale(standardised), labels.clamp(max=scale.knots[-1].item()), rtol=1e-4, atol=1e-4)


class TestPiecewiseLinear:
    @pytest.mark.parametrize(
        ("x", "expected"), [(-5.0, 1.0), (0.0, 1.0), (0.5, 2.0), (1.0, 3.0), (2.5, 3.75), (3.0, 4.0), (9.0, 4.0)]
    )
    def test_values(self, x: float, expected: float) -> None:
        knots_x, knots_y = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([[1.0], [3.0], [4.0]])
        assert piecewise_linear(torch.tensor([x]), knots_x, knots_y).item() == pytest.approx(expected)

    def test_steps(self) -> None:
        knots_x, knots_y = torch.tensor([[0.0], [1.0], [1.0], [2.0]]), torch.tensor([[0.0], [1.0], [5.0], [6.0]])
        x = torch.tensor([[0.9], [1.1], [2.0]])
        torch.testing.assert_close(piecewise_linear(x, knots_x, knots_y), torch.tensor([[0.9], [5.1], [6.0]]))

    def test_leading_dimensions(self) -> None:
        knots: dict[str, Any] = {
            "knots_x": torch.tensor([[0.0], [2.0]]),
            "knots_y": torch.tensor([[0.0, 0.0], [2.0, 20.0]]),
        }
        x = torch.rand(3, 4, 2, generator=torch.Generator().manual_seed(0)) * 2
        torch.testing.assert_close(piecewise_linear(x, **knots), x * torch.tensor([1.0, 10.0]))
