"""Reading a batch by distinct words gives the numbers and gradients of reading it position by position."""

import copy
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from small_models import build, random_ids
from torch import Tensor, nn

from lyra_hf import LyraForRegression, LyraForTokenClassification, LyraModel, fused, words
from lyra_hf.members import member_shape

FIELDS: list[dict[str, Any]] = [
    {},
    {"conv_kernel": 1},
    {"conv_kernel": 5},
    {"pgc_hidden_sizes": [3]},
    {"pgc_hidden_sizes": []},
    {"pgc_hidden_sizes": [2, 3, 2]},
    {"bidirectional": True, "num_hidden_layers": 2},
    {"reverse_complement": True, "pooling": "max"},
    {"pair_input": True, "pooling": "last"},
    {"pooling": "attention", "alphabet": "protein"},
    {"ensemble_size": 3},
    {"ensemble_size": 2, "pgc_hidden_sizes": []},
    {"ensemble_size": 2, "bidirectional": True, "conv_kernel": 5},
    {"ensemble_size": 3, "pair_input": True, "pooling": "attention"},
    {"ensemble_size": 2, "reverse_complement": True},
]
every_size = pytest.mark.parametrize("size", [1, 3])


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words and what is written by hand at every size."""
    monkeypatch.setattr(words, "MIN_POSITIONS", 0)
    monkeypatch.setattr(fused, "MIN_SIZE", 0)


def loss_and_gradients(model: LyraForRegression, ids: Tensor, *, by_words: bool) -> list[Tensor]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "MIN_POSITIONS", 0 if by_words else 2**60)
        patch.setattr(fused, "MIN_SIZE", 0 if by_words else 2**60)
        output = model(ids, output_hidden_states=True)
        seeds = torch.randn(output.logits.shape, dtype=output.logits.dtype, generator=torch.Generator().manual_seed(1))
        gradients = torch.autograd.grad((output.logits * seeds).sum(), list(model.parameters()), allow_unused=True)
        zeros = (torch.zeros_like(parameter) for parameter in model.parameters())
        filled = [zero if one is None else one for zero, one in zip(zeros, gradients, strict=True)]
        return [output.logits, output.hidden_states[-1], *filled]


def assert_same(model: LyraForRegression, ids: Tensor, tolerance: float) -> None:
    got, expected = (loss_and_gradients(model, ids, by_words=by_words) for by_words in (True, False))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


def padded(batch: int, length: int, *, seed: int, vocab_size: int = 17) -> Tensor:
    """Random letters with padding at both sides, within, and rows of nothing else."""
    ids = random_ids(batch, length, seed=seed, vocab_size=vocab_size)
    generator = torch.Generator().manual_seed(seed)
    for row in ids:
        start, end = torch.randint(0, length + 1, (2,), generator=generator).sort().values.tolist()
        row[:start], row[end:] = 0, 0
    return ids


class TestModel:
    @pytest.mark.parametrize("fields", FIELDS, ids=str)
    @pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
    @pytest.mark.parametrize("length", [1, 2, 3, 24])
    def test_same_numbers_and_gradients(
        self, cls: type[LyraForRegression], fields: dict[str, Any], length: int
    ) -> None:
        model = build(cls, dtype=torch.float64, num_labels=2, **fields)
        length *= 2 if model.config.pair_input else 1
        vocab_size = model.config.vocab_size
        assert_same(model, random_ids(5, length, vocab_size=vocab_size), 1e-10)
        if not model.config.pair_input:
            assert_same(model, padded(5, length, seed=length, vocab_size=vocab_size), 1e-10)

    @given(batch=st.integers(1, 6), length=st.integers(1, 40), letters=st.integers(2, 17), seed=st.integers(0, 2**16))
    @example(batch=2, length=1, letters=2, seed=0)
    def test_any_batch(self, batch: int, length: int, letters: int, seed: int) -> None:
        model = build(LyraForRegression, dtype=torch.float64)
        assert_same(model, padded(batch, length, seed=seed, vocab_size=letters), 1e-10)

    def test_single_precision_in_training(self) -> None:
        model = build(LyraForRegression, hidden_size=64, pgc_hidden_sizes=[16, 128], state_size=64).train()
        ids = random_ids(64, 30, vocab_size=6)
        assert ids.numel() >= words.MIN_POSITIONS  # as it comes, nothing patched
        assert words.serve(model.lyra.encoder, model.lyra.pgc, ids)
        assert_same(model, ids, 1e-5)

    @every_size
    @pytest.mark.usefixtures("always")
    def test_padding_alone(self, size: int) -> None:
        model = build(LyraForRegression, ensemble_size=size)
        ids = torch.zeros(3, 7, dtype=torch.long)
        output = model(ids, labels=torch.full((3, 1), torch.nan))
        assert torch.isfinite(output.logits).all()
        output.loss.backward()
        for parameter in model.parameters():
            assert parameter.grad is None or torch.equal(parameter.grad, torch.zeros_like(parameter))

    @pytest.mark.usefixtures("always")
    def test_what_stands_under_the_mask_does_not_matter(self) -> None:
        model = build(LyraForRegression)
        ids = padded(4, 20, seed=3)
        mask = (ids != 0).long()
        assert torch.equal(model(ids.where(mask == 1, 5), attention_mask=mask).logits, model(ids).logits)

    @pytest.mark.usefixtures("always")
    @pytest.mark.parametrize("bad", [-1, -100, 17, 1000])
    @pytest.mark.parametrize("fields", [{}, {"pair_input": True}], ids=str)
    def test_ids_beyond_the_vocabulary_are_refused(self, bad: int, fields: dict[str, Any]) -> None:
        ids = random_ids(2, 12)
        ids[1, 3] = bad
        with pytest.raises(IndexError):
            build(LyraModel, **fields)(ids)

    @every_size
    @pytest.mark.usefixtures("always")
    def test_equal_bits_of_two_runs(self, size: int) -> None:
        def run() -> list[Tensor]:
            model = build(LyraForRegression, dropout=0.2, ensemble_size=size).train()
            optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
            torch.manual_seed(1)
            for seed in range(3):
                optimizer.zero_grad()
                model(random_ids(8, 30, seed=seed), labels=torch.ones(8)).loss.backward()
                optimizer.step()
            return [parameter.detach() for parameter in model.parameters()]

        assert all(torch.equal(one, other) for one, other in zip(run(), run(), strict=True))

    @every_size
    @pytest.mark.usefixtures("always")
    def test_deterministic_algorithms(self, size: int) -> None:
        model = build(LyraForRegression, dropout=0.2, ensemble_size=size).train()
        torch.use_deterministic_algorithms(True)
        try:
            model(random_ids(8, 30), labels=torch.ones(8)).loss.backward()
        finally:
            torch.use_deterministic_algorithms(False)

    @every_size
    @pytest.mark.parametrize("frozen", [False, True])
    def test_a_penalty_on_gradients(self, size: int, *, frozen: bool) -> None:
        def penalty_gradients(minimum: int) -> list[Tensor]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(words, "MIN_POSITIONS", minimum)
                patch.setattr(fused, "MIN_SIZE", minimum)
                model = build(LyraForRegression, dtype=torch.float64, ensemble_size=size)
                model.classifier.requires_grad_(not frozen)
                parameters = [
                    model.lyra.encoder.weight,
                    model.lyra.pgc[0].conv.weight,
                    model.lyra.layers[0].norm.weight,
                ]
                (gradient,) = torch.autograd.grad(
                    model(random_ids(8, 30)).logits.sum(), parameters[:1], create_graph=True
                )
                return list(torch.autograd.grad(gradient.square().sum(), parameters))

        for one, other in zip(penalty_gradients(0), penalty_gradients(2**60), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)

    @every_size
    @pytest.mark.usefixtures("always")
    def test_functional_transforms(self, size: int) -> None:
        model, ids = build(LyraForRegression, dtype=torch.float64, ensemble_size=size), random_ids(8, 30)
        parameters = {name: parameter.detach() for name, parameter in model.named_parameters()}

        def score(parameters: dict[str, Tensor], ids: Tensor) -> Tensor:
            return torch.func.functional_call(model, parameters, (ids,)).logits.sum()

        gradients = torch.func.grad(score)(parameters, ids)
        model(ids).logits.sum().backward()
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-10, atol=1e-10)
        each = torch.func.vmap(torch.func.grad(score), in_dims=(None, 0))(parameters, ids.unsqueeze(1))
        for name, gradient in gradients.items():
            torch.testing.assert_close(each[name].sum(0), gradient, rtol=1e-10, atol=1e-10)

    @pytest.mark.usefixtures("always")
    def test_evaluation_without_gradients(self) -> None:
        model, ids = build(LyraForRegression), random_ids(4, 30)
        expected = model(ids).logits.detach()
        with torch.inference_mode():
            torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=1e-6)


class TestServe:
    @pytest.mark.usefixtures("always")
    def test_the_members_of_an_ensemble_are_read_by_words(self) -> None:
        model = build(LyraModel, ensemble_size=2)
        assert words.serve(model.encoder, model.pgc, random_ids(4, 30))

    @pytest.mark.usefixtures("always")
    def test_watched_or_replaced_modules_are_run_by_position(self) -> None:
        model, ids = build(LyraModel), random_ids(4, 30)
        expected = model(ids).last_hidden_state
        seen: list[Tensor] = []
        handle = model.pgc[1].register_forward_hook(lambda module, args, output: seen.append(output))
        torch.testing.assert_close(model(ids).last_hidden_state, expected, rtol=0, atol=1e-5)
        assert seen[0].shape == (4, 30, 8)
        handle.remove()
        assert words.serve(model.encoder, model.pgc, ids)

        class Doubled(nn.Module):
            def __init__(self, inner: nn.Conv1d) -> None:
                super().__init__()
                self.inner, self.weight = inner, inner.weight

            def forward(self, x: Tensor) -> Tensor:
                return 2 * self.inner(x)

        other = copy.deepcopy(model)
        other.pgc[0].conv = Doubled(other.pgc[0].conv)
        assert not words.serve(other.encoder, other.pgc, ids)
        assert not torch.allclose(other(ids).last_hidden_state, expected, atol=1e-3)

    def test_small_batches_and_other_types_are_not(self) -> None:
        model = build(LyraModel)
        few, many = random_ids(2, 30), random_ids(64, 30)
        assert not words.serve(model.encoder, model.pgc, few)
        assert words.serve(model.encoder, model.pgc, many)
        assert not words.serve(model.to(torch.bfloat16).encoder, model.pgc, many)


@given(
    values=st.lists(st.integers(0, 50), max_size=60),
    limit=st.sampled_from([51, 10**6, 2**62]),
)
def test_distinct(values: list[int], limit: int) -> None:
    codes = torch.tensor(values, dtype=torch.long)
    found, index = words.distinct(codes, limit)
    assert found.tolist() == sorted({0, *values})
    assert torch.equal(found[index], codes)


@given(batch=st.integers(1, 4), length=st.integers(1, 12), size=st.sampled_from([1, 3, 5, 7]), seed=st.integers(0, 999))
def test_widen(batch: int, length: int, size: int, seed: int) -> None:
    index = padded(batch, length, seed=seed, vocab_size=4)
    found, where = words.widen(index, 4, size)
    assert found[0].tolist() == [0] * size
    assert len(found.unique(dim=0)) == len(found)
    for row in range(batch):
        letters = [0] * (size // 2) + index[row].tolist() + [0] * (size // 2)
        for position in range(length):
            expected = letters[position : position + size] if index[row, position] else [0] * size
            assert found[where[row, position]].tolist() == expected


@pytest.mark.parametrize("places", [1, 3, 5])
def test_gradients_of_the_gate(places: int) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = ((6, 3), (6, 3), (places, 3), (3,))
    inputs = [torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_() for shape in shapes]
    windows = torch.randint(0, 5, (9, places), generator=generator)  # row 5 is in no word
    assert torch.autograd.gradcheck(lambda *tensors: words.gate(*tensors, windows), inputs)
    assert torch.autograd.gradgradcheck(lambda *tensors: words.gate(*tensors, windows), inputs)
    x, v, weight, bias = inputs
    expected = v[windows[:, places // 2]] * ((x[windows] * weight).sum(1) + bias)
    torch.testing.assert_close(words.gate(x, v, weight, bias, windows), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("size", [1, 3])
def test_gradients_of_the_spread(size: int) -> None:
    rows = torch.randn(*member_shape(size, 5, 3), dtype=torch.float64, requires_grad=True)
    index = torch.tensor([[0, 3, 3], [1, 0, 3]])
    assert torch.autograd.gradcheck(lambda rows: words.spread(rows, index), (rows,))
    assert torch.autograd.gradgradcheck(lambda rows: words.spread(rows, index).sin(), (rows,))
    assert torch.equal(words.spread(rows, index), rows[..., index, :])
