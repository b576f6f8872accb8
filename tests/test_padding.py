"""Padding changes nothing: any side, any amount, any head, outputs and gradients."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import build, random_ids
from torch import Tensor

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
    convolution,
    ssm,
)
from lyra_hf.modeling_lyra import LyraPreTrainedModel

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
CLASSES = {
    "regression": LyraForRegression,
    "single_label_classification": LyraForSequenceClassification,
    "multi_label_classification": LyraForSequenceClassification,
}


class Case(NamedTuple):
    """Which model."""

    per_residue: bool = False
    problem_type: str = "regression"
    pooling: str = "mean"
    layers: int = 1
    bidirectional: bool = False
    form: str = "single"  # or "pair", or "both strands"
    dtype: torch.dtype = torch.float32
    num_labels: int = 3
    members: int = 1
    sites: bool = False

    @property
    def is_pair(self) -> bool:
        return self.form == "pair"


class Batch(NamedTuple):
    """Rows of real letters, and where each stands in the padded batch. A pair's row is both members."""

    rows: list[Tensor]
    offsets: list[int]
    width: int

    def ids(self) -> Tensor:
        ids = torch.zeros(len(self.rows), self.width, dtype=torch.long)
        for row, letters, offset in zip(ids, self.rows, self.offsets, strict=True):
            row[offset : offset + len(letters)] = letters
        return ids

    def outputs(self, values: Tensor, index: int, *, is_pair: bool) -> Tensor:
        """The values that belong to the residues of one row: those of a pair begin at the left."""
        length = len(self.rows[index])
        return values[index, : length // 2] if is_pair else values[index, self.offsets[index] :][:length]


@lru_cache(maxsize=64)
def model_for(case: Case) -> LyraPreTrainedModel:
    cls = LyraForTokenClassification if case.per_residue else CLASSES[case.problem_type]
    return build(
        cls,
        dtype=case.dtype,
        problem_type=case.problem_type,
        pooling=case.pooling,
        num_hidden_layers=case.layers,
        bidirectional=case.bidirectional,
        pair_input=case.is_pair,
        reverse_complement=case.form == "both strands",
        num_labels=case.num_labels,
        ensemble_size=case.members,
        site_weights=case.sites,
        num_positions=7 if case.sites or case.pooling == "position" else 0,
    )


def labels_for(case: Case, batch: Batch) -> Tensor:
    """Labels of all rows; missing for rows without letters, and a wrong one at every padding residue."""
    generator = torch.Generator().manual_seed(3)
    size = [len(batch.rows)]
    if case.per_residue:
        size.append((batch.width + 1) // 2 if case.is_pair else batch.width)
    if case.problem_type == "single_label_classification":
        labels = torch.randint(case.num_labels, size, generator=generator)
    elif case.problem_type == "multi_label_classification":
        labels = torch.randint(2, [*size, case.num_labels], generator=generator).to(case.dtype)
    else:
        labels = torch.randn(*size, case.num_labels, generator=generator, dtype=case.dtype)
    for index, letters in enumerate(batch.rows):
        if len(letters) == 0:
            labels[index] = -100 if case.problem_type == "single_label_classification" else torch.nan
    return labels


def gradients(model: LyraPreTrainedModel, loss: Tensor) -> dict[str, Tensor]:
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {
        name: torch.zeros_like(parameter) if gradient is None else gradient
        for name, parameter, gradient in zip(names, parameters, found, strict=True)
    }


def assert_padding_changes_nothing(case: Case, batch: Batch, *, check_gradients: bool = True) -> None:
    model = model_for(case)
    tolerance = TOLERANCE[case.dtype]
    close = partial(torch.testing.assert_close, rtol=tolerance, atol=tolerance)
    ids, labels = batch.ids(), labels_for(case, batch)
    mask = (ids != 0).long()

    with torch.no_grad():
        logits = model(ids).logits
        assert logits.isfinite().all()
        assert torch.equal(model(ids, attention_mask=mask).logits, logits)
        # What letters stand where the mask says padding does not matter either.
        assert torch.equal(model(ids.where(mask == 1, 5), attention_mask=mask).logits, logits)
        for index, letters in enumerate(batch.rows):
            if len(letters) > 0:
                expected = model(letters.unsqueeze(0)).logits[0]
                is_pair = case.is_pair
                got = batch.outputs(logits, index, is_pair=is_pair) if case.per_residue else logits[index]
                close(got, expected, msg=f"row {index}")

    if check_gradients:
        assert_same_gradients(case, batch, labels, close)


def assert_same_gradients(case: Case, batch: Batch, labels: Tensor, close: Callable[..., None]) -> None:
    """The loss of the batch is the mean of the rows' losses, each counted as often as it has labels."""
    model = model_for(case)
    loss = model(batch.ids(), labels=labels).loss
    real_rows = [index for index, letters in enumerate(batch.rows) if len(letters) > 0]
    lengths = [len(batch.rows[index]) // (1 + case.is_pair) if case.per_residue else 1 for index in real_rows]
    expected: Tensor | float = 0.0
    for index, length in zip(real_rows, lengths, strict=True):
        single = batch.outputs(labels, index, is_pair=case.is_pair) if case.per_residue else labels[index]
        row_loss = model(batch.rows[index].unsqueeze(0), labels=single.unsqueeze(0)).loss
        expected = expected + row_loss * (length / sum(lengths))
    assert isinstance(expected, Tensor)
    close(loss, expected)
    expected_gradients = gradients(model, expected)
    for name, gradient in gradients(model, loss).items():
        assert gradient.isfinite().all(), name
        close(gradient, expected_gradients[name], msg=name)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    case = Case(
        per_residue=draw(st.booleans()),
        problem_type=draw(st.sampled_from(sorted(CLASSES))),
        pooling=draw(st.sampled_from(["mean", "max", "last", "attention", "position"])),
        layers=draw(st.integers(1, 3)),
        bidirectional=draw(st.booleans()),
        form=draw(st.sampled_from(["single", "pair", "both strands"])),
        dtype=draw(st.sampled_from([torch.float32, torch.float64])),
        members=draw(st.sampled_from([1, 1, 3])),
    )
    can_have_sites = not case.per_residue and case.problem_type == "regression" and case.form != "both strands"
    return case._replace(sites=can_have_sites and draw(st.booleans()))


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[int], list[int], int]:
    """Lengths of the rows (zero is a row of padding alone), their offsets as a share of the room, and extra width."""
    lengths = draw(st.lists(st.integers(0, 24), min_size=1, max_size=4).filter(any))
    offsets = draw(st.lists(st.integers(0, 100), min_size=len(lengths), max_size=len(lengths)))
    return lengths, offsets, draw(st.integers(0, 40))


def make_batch(lengths: list[int], offsets: list[int], extra: int, *, is_pair: bool, seed: int = 0) -> Batch:
    lengths = [2 * length if is_pair else length for length in lengths]
    width = max(lengths) + extra
    rows = [random_ids(length, seed=seed + index) for index, length in enumerate(lengths)]
    places = [(width - length) * offset // 100 for length, offset in zip(lengths, offsets, strict=True)]
    return Batch(rows, places, width)


@settings(max_examples=80)
@given(case=cases(), batch=batches(), short_paths=st.booleans(), seed=st.integers(0, 2**16))
@example(case=Case(), batch=([9], [100], 7), short_paths=False, seed=0)  # one row, padding on the left
@example(case=Case(), batch=([9], [0], 7), short_paths=False, seed=0)  # on the right
@example(case=Case(), batch=([9], [50], 7), short_paths=False, seed=0)  # on both sides
@example(case=Case(sites=True), batch=([9, 1, 0, 24], [100, 30, 0, 50], 7), short_paths=False, seed=0)
@example(case=Case(sites=True, form="pair", members=3), batch=([9, 1, 0], [30, 70, 0], 1), short_paths=False, seed=0)
@example(case=Case(form="pair"), batch=([9, 1, 0], [30, 70, 0], 1), short_paths=False, seed=0)
@example(case=Case(form="pair", members=3), batch=([9, 1, 0], [30, 70, 0], 1), short_paths=False, seed=0)
@example(case=Case(form="both strands", pooling="last"), batch=([9, 1, 0], [30, 70, 0], 4), short_paths=True, seed=0)
def test_padding_changes_nothing(
    case: Case, batch: tuple[list[int], list[int], int], seed: int, *, short_paths: bool
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if short_paths:  # short sequences then meet all three ways of the convolution, and several chunks
            patch.setattr(ssm, "TOEPLITZ_MAX_LENGTH_WITH_GRADIENTS", 4)
            patch.setattr(ssm, "TOEPLITZ_MAX_LENGTH", 7)
            patch.setattr(ssm, "FFT_MAX_LENGTH", 20)
            patch.setattr(convolution, "chunked_scan", partial(ssm.chunked_scan, chunk_length=6))
        # The maximum has no gradient where two positions are equal; float32 cannot tell nearly equal ones apart.
        check_gradients = case.pooling != "max" or case.per_residue or case.dtype == torch.float64
        made = make_batch(*batch, is_pair=case.is_pair, seed=seed)
        assert_padding_changes_nothing(case, made, check_gradients=check_gradients)


@pytest.mark.parametrize("offset", [0, 40, 100])
@pytest.mark.parametrize(
    ("lengths", "extra"),
    [([120, 1], 20), ([250, 3], 20), ([100], 400), ([2, 0, 5], 300)],  # the way of the convolution changes
    ids=str,
)
@pytest.mark.parametrize("per_residue", [False, True])
def test_padding_across_the_changes_of_path(lengths: list[int], extra: int, offset: int, *, per_residue: bool) -> None:
    case = Case(per_residue=per_residue, bidirectional=True)
    batch = make_batch(lengths, [offset] * len(lengths), extra, is_pair=False)
    assert_padding_changes_nothing(case, batch)


def test_padding_of_long_sequences() -> None:
    batch = make_batch([4099, 8000], [100, 50], 500, is_pair=False)
    assert ssm.convolution_path(batch.width, gradients=True) == "scan"
    assert ssm.convolution_path(4099, gradients=True) == "fft"
    assert_padding_changes_nothing(Case(), batch)


@pytest.mark.parametrize("form", ["single", "pair", "both strands"])
@pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention", "position"])
@pytest.mark.parametrize("per_residue", [False, True])
def test_padding_alone(form: str, pooling: str, *, per_residue: bool) -> None:
    case = Case(form=form, pooling=pooling, per_residue=per_residue, bidirectional=True)
    model = model_for(case)
    head = model.classifier
    nothing = head.label_scale(head.linear.bias)  # the head on a vector of zeros
    for width in (1, 2, 7, 300):
        ids = torch.zeros(2, width, dtype=torch.long)
        logits = model(ids).logits
        torch.testing.assert_close(logits, nothing.expand_as(logits), rtol=0, atol=0)
        labels = torch.full_like(logits, torch.nan)
        output = model(ids, labels=labels)
        assert output.loss.item() == 0
        for name, gradient in gradients(model, output.loss).items():
            assert torch.equal(gradient, torch.zeros_like(gradient)), name


@pytest.mark.parametrize("fields", [{}, {"reverse_complement": True}, {"pair_input": True}], ids=str)
def test_vectors_at_padding_are_zero(fields: dict[str, Any]) -> None:
    model = build(LyraModel, **fields)
    ids = random_ids(2, 20)
    ids[0, :6] = 0
    ids[1, 12:] = 0
    hidden = model(ids).last_hidden_state
    padding = (
        torch.stack([torch.arange(10) >= 7, torch.arange(10) >= 6]) if fields == {"pair_input": True} else ids == 0
    )
    assert torch.equal(hidden[padding], torch.zeros_like(hidden[padding]))
    assert (hidden[~padding].abs().amax(-1) > 0).all()


def test_embeddings_at_padding_do_not_matter() -> None:
    model = build(LyraModel, num_hidden_layers=2)
    ids = random_ids(2, 20)
    mask = torch.ones(2, 20, dtype=torch.long)
    mask[0, 15:] = 0
    mask[1, :3] = 0
    expected = model(ids, attention_mask=mask)
    embeddings = model.encoder(ids).where(mask.unsqueeze(-1) == 1, 1e3)
    for given_mask in (mask, mask.bool(), mask.float()):
        output = model(inputs_embeds=embeddings, attention_mask=given_mask)
        torch.testing.assert_close(output.pooler_output, expected.pooler_output, rtol=0, atol=1e-5)
        torch.testing.assert_close(output.last_hidden_state, expected.last_hidden_state, rtol=0, atol=1e-5)


def test_a_masked_letter_inside_is_the_same_as_padding_inside() -> None:
    model = build(LyraModel)
    ids = random_ids(1, 20)
    mask = torch.ones(1, 20, dtype=torch.long)
    mask[0, 8:10] = 0
    with_gap = ids.masked_fill(mask == 0, 0)
    masked = model(ids, attention_mask=mask).last_hidden_state
    assert torch.equal(masked, model(with_gap).last_hidden_state)
    assert not torch.allclose(masked, model(ids).last_hidden_state * mask.unsqueeze(-1), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_padding_in_half_precision(dtype: torch.dtype) -> None:
    model = build(LyraForRegression).to(dtype)
    ids = random_ids(1, 30)
    padded = torch.cat([torch.zeros(1, 5, dtype=torch.long), ids, torch.zeros(1, 200, dtype=torch.long)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(model(padded).logits, model(ids).logits, rtol=0, atol=2 * torch.finfo(dtype).eps)
