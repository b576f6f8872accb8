"""Ensembles: one model that is to the last detail a list of single models, here run one by one."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import REPOSITORY, Model, build, random_ids, small_config
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification, pipeline

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
    build_tokenizer,
    fused,
    members,
    ssm,
    words,
)
from lyra_hf.modeling_lyra import LyraPreTrainedModel, LyraS4DLayer

REGRESSION, SINGLE, MULTI = "regression", "single_label_classification", "multi_label_classification"
HEADS: dict[str, tuple[type[LyraPreTrainedModel], dict[str, Any]]] = {
    "number": (LyraForRegression, {}),
    "numbers": (LyraForRegression, {"num_labels": 2}),
    "classes": (LyraForSequenceClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "labels": (LyraForSequenceClassification, {"num_labels": 2, "problem_type": MULTI}),
    "undecided": (LyraForSequenceClassification, {"num_labels": 3}),
    "residue numbers": (LyraForTokenClassification, {"num_labels": 2, "problem_type": REGRESSION}),
    "residue classes": (LyraForTokenClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "residue label": (LyraForTokenClassification, {"problem_type": MULTI}),
}
SHAPES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "three layers": {"num_hidden_layers": 3},
    "both directions": {"bidirectional": True, "num_hidden_layers": 2},
    "no convolution": {"pgc_hidden_sizes": []},
    "wide convolution": {"conv_kernel": 5, "pgc_hidden_sizes": [4, 6, 5]},
    "max": {"pooling": "max"},
    "last": {"pooling": "last", "alphabet": "protein"},
    "attention": {"pooling": "attention"},
    "pairs with context": {"pair_input": True, "pair_context": 1},
    "position": {"pooling": "position", "num_positions": 9},
    "pairs": {"pair_input": True},
    "both strands": {"reverse_complement": True, "pooling": "attention"},
}
every_head = pytest.mark.parametrize("head", HEADS)
every_shape = pytest.mark.parametrize("shape", SHAPES)


def make(head: str, size: int, **fields: Any) -> LyraPreTrainedModel:
    cls, of_head = HEADS[head]
    return build(cls, ensemble_size=size, **{**of_head, **fields})


def inputs(model: LyraPreTrainedModel, batch: int, length: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Token ids, some of them padding, and labels, some of them missing."""
    config, generator = model.config, torch.Generator().manual_seed(seed)
    width = 2 * (length - config.pair_context) if config.pair_input else length
    ids = random_ids(batch, width, seed=seed, vocab_size=config.vocab_size)
    if length > 2:
        ids[0, :2] = 0
        ids[-1, -2:] = 0
    rows = (batch, length) if isinstance(model, LyraForTokenClassification) else (batch,)
    is_missing = torch.rand(rows, generator=generator) < 0.3
    if config.problem_type in (SINGLE, None) and config.num_labels > 1:
        return ids, torch.randint(config.num_labels, rows, generator=generator).masked_fill(is_missing, -100)
    labels = torch.randint(2, (*rows, config.num_labels), generator=generator).to(model.dtype)
    return ids, labels.masked_fill(is_missing.unsqueeze(-1), math.nan)


def gradients(model: LyraPreTrainedModel) -> dict[str, Tensor | None]:
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def assert_is_its_members(ensemble: LyraPreTrainedModel, ids: Tensor, labels: Tensor, tolerance: float) -> None:
    """Outputs, losses and gradients of an ensemble without dropout against those of its members, run one by one."""
    singles = ensemble.members()
    size = ensemble.config.ensemble_size
    assert len(singles) == size
    for training in (True, False):
        outputs = [single.train(training)(ids, labels=labels) for single in singles]
        output = ensemble.train(training)(ids, labels=labels)
        logits = torch.stack([one.logits for one in outputs])
        losses = torch.stack([one.loss for one in outputs])
        close = {"rtol": tolerance, "atol": tolerance}
        torch.testing.assert_close(output.logits, logits.mean(0), **close)
        torch.testing.assert_close(output.spread, (logits - logits.mean(0)).square().mean(0).sqrt(), **close)
        torch.testing.assert_close(output.loss, losses.sum() if training else losses.mean(), **close)
        if training:
            ensemble.zero_grad()
            output.loss.backward()
            for index, (single, one) in enumerate(zip(singles, outputs, strict=True)):
                single.zero_grad()
                one.loss.backward()
                own = gradients(single)
                for name, gradient in gradients(ensemble).items():
                    assert (gradient is None) == (own[name] is None), name
                    if gradient is not None:
                        torch.testing.assert_close(gradient[index], own[name], **close, msg=f"{name} of {index}")


class TestAgainstSingleModels:
    @settings(max_examples=60)
    @given(
        head=st.sampled_from([*HEADS]),
        shape=st.sampled_from([*SHAPES]),
        size=st.integers(2, 4),
        batch=st.integers(1, 5),
        length=st.integers(1, 40),
        dtype=st.sampled_from([torch.float32, torch.float64]),
        by_words=st.booleans(),
        seed=st.integers(0, 2**16),
    )
    @example("number", "one layer", 3, 1, 1, torch.float64, True, 0)
    def test_outputs_losses_and_gradients(
        self,
        head: str,
        shape: str,
        size: int,
        batch: int,
        length: int,
        dtype: torch.dtype,
        by_words: bool,
        seed: int,
    ) -> None:
        ensemble = make(head, size, dtype=dtype, seed=seed, **SHAPES[shape])
        # The maximum has no gradient where two positions are equal; float32 cannot tell nearly equal ones apart.
        if dtype == torch.float32 and ensemble.config.pooling == "max":
            ensemble.double()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(words, "MIN_POSITIONS", 0 if by_words else 2**60)
            patch.setattr(fused, "MIN_SIZE", 0 if by_words else 2**60)
            tolerance = 1e-4 if ensemble.dtype == torch.float32 else 1e-10
            assert_is_its_members(ensemble, *inputs(ensemble, batch, length, seed), tolerance)

    @every_head
    @pytest.mark.parametrize("length", [130, 300])  # the FFT, also without gradients
    def test_long_sequences(self, head: str, length: int) -> None:
        ensemble = make(head, 2, dtype=torch.float64, bidirectional=True)
        assert_is_its_members(ensemble, *inputs(ensemble, 2, length), 1e-10)

    def test_very_long_sequences(self) -> None:
        ensemble = make("numbers", 2)
        ids = random_ids(1, ssm.FFT_MAX_LENGTH + 100)
        with torch.no_grad():
            logits = torch.stack([single(ids).logits for single in ensemble.members()])
            torch.testing.assert_close(ensemble(ids).logits, logits.mean(0), rtol=0, atol=1e-5)

    @pytest.mark.parametrize("transform", ["log", "rank"])
    def test_the_mean_is_in_the_units_of_the_labels(self, transform: str) -> None:
        ensemble = make("numbers", 3, label_transform=transform, dtype=torch.float64)
        ensemble.classifier.label_scale.fit(torch.rand(50, 2, generator=torch.Generator().manual_seed(0)).exp())
        ids, labels = inputs(ensemble, 4, 20)
        assert_is_its_members(ensemble, ids, 1 + labels, 1e-10)

    @pytest.mark.parametrize("head", ["classes", "labels", "residue classes"])
    def test_class_weights(self, head: str) -> None:
        ensemble = make(head, 3, dtype=torch.float64)
        ids, labels = inputs(ensemble, 6, 12)
        weights = torch.tensor([1.0, 4.0, 0.25])[: ensemble.config.num_labels]
        losses = [single(ids, labels=labels, class_weights=weights).loss for single in ensemble.members()]
        expected = torch.stack(losses).mean()
        torch.testing.assert_close(ensemble(ids, labels=labels, class_weights=weights).loss, expected)

    @every_shape
    def test_vectors_stand_side_by_side(self, shape: str) -> None:
        ensemble = build(LyraModel, ensemble_size=3, **SHAPES[shape])
        ids, _ = inputs(ensemble, 3, 14)
        outputs = [single(ids, output_hidden_states=True) for single in ensemble.members()]
        output = ensemble(ids, output_hidden_states=True)
        assert output.last_hidden_state.shape == (3, 14, 24)
        assert output.pooler_output.shape == (3, 24)
        assert len(output.hidden_states) == 1 + ensemble.config.num_hidden_layers
        for name in ("last_hidden_state", "pooler_output"):
            expected = torch.cat([one[name] for one in outputs], dim=-1)
            torch.testing.assert_close(output[name], expected, rtol=0, atol=1e-5)
        for depth, states in enumerate(output.hidden_states):
            expected = torch.cat([one.hidden_states[depth] for one in outputs], dim=-1)
            torch.testing.assert_close(states, expected, rtol=0, atol=1e-5)

    def test_embeddings_in_place_of_ids(self) -> None:
        ensemble, ids = make("number", 3), random_ids(2, 30)
        embeddings = ensemble.get_input_embeddings()(ids)
        assert embeddings.shape == (2, 30, 24)
        torch.testing.assert_close(ensemble(inputs_embeds=embeddings).logits, ensemble(ids).logits, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    @every_head
    def test_half_precision(self, head: str, dtype: torch.dtype) -> None:
        ensemble = make(head, 2, dtype=dtype)
        ids, labels = inputs(ensemble, 4, 20)
        output = ensemble(ids, labels=labels)
        singles = [single(ids, labels=labels) for single in ensemble.members()]
        assert {output.logits.dtype, output.spread.dtype} == {singles[0].logits.dtype}
        expected = torch.stack([one.logits for one in singles]).float().mean(0)
        torch.testing.assert_close(output.logits.float(), expected, rtol=0, atol=8 * torch.finfo(dtype).eps)

    @pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
    def test_gradient_checkpointing(self) -> None:
        ensemble = make("numbers", 3, dtype=torch.float64, num_hidden_layers=2, bidirectional=True)
        ensemble.gradient_checkpointing_enable()
        assert_is_its_members(ensemble, *inputs(ensemble, 3, 20), 1e-10)

    def test_a_single_model_has_no_spread(self) -> None:
        model, ids = make("number", 1), random_ids(2, 12)
        output = model(ids, labels=torch.zeros(2))
        assert output.spread is None
        assert list(output) == ["loss", "logits"]
        assert list(make("number", 2)(ids, labels=torch.zeros(2))) == ["loss", "logits", "spread"]

    def test_the_order_of_a_tuple(self) -> None:
        ensemble, ids = make("number", 2), random_ids(2, 12)
        expected = ensemble(ids, labels=torch.zeros(2))
        loss, logits, spread = ensemble(ids, labels=torch.zeros(2), return_dict=False)
        for got, wanted in ((loss, expected.loss), (logits, expected.logits), (spread, expected.spread)):
            assert torch.equal(got, wanted)


class TestParameters:
    @every_shape
    @every_head
    def test_each_has_the_members_as_its_first_dimension(self, head: str, shape: str) -> None:
        single, ensemble = make(head, 1, **SHAPES[shape]), make(head, 3, **SHAPES[shape])
        of_single = dict(single.named_parameters())
        assert {name: (3, *tensor.shape) for name, tensor in of_single.items()} == {
            name: tuple(tensor.shape) for name, tensor in ensemble.named_parameters()
        }
        buffers = {name: tensor.shape for name, tensor in single.named_buffers()}
        assert buffers == {name: tensor.shape for name, tensor in ensemble.named_buffers()}
        assert single.state_dict().keys() == ensemble.state_dict().keys()
        assert ensemble.num_parameters() == 3 * single.num_parameters()

    def test_initial_values_are_those_of_single_models(self) -> None:
        fields = {"hidden_size": 32, "pgc_hidden_sizes": [16, 48], "state_size": 16, "pooling": "attention"}
        torch.manual_seed(0)
        ensemble, single = (LyraForRegression(small_config(**fields, ensemble_size=size)) for size in (4, 1))
        of_single = dict(single.named_parameters())
        for name, stacked in ensemble.named_parameters():
            kind = name.rpartition(".")[2]
            if "norm" in name or kind in ("log_A_real", "A_imag"):
                assert torch.equal(stacked, of_single[name].expand_as(stacked)), name
                continue
            assert stacked.unique().numel() > 0.98 * stacked.numel(), name  # no two members have drawn the same
            if kind in ("weight", "bias") and stacked[0].numel() > 100:
                bound = of_single[name].abs().max()
                assert (stacked.abs().amax(tuple(range(1, stacked.dim()))) / bound - 1).abs().max() < 0.1, name
            elif stacked[0].numel() > 100:
                assert (stacked.std() / of_single[name].std() - 1).abs() < 0.2, name
        assert 0.1 < ensemble.classifier.linear.weight.abs().max() <= 32**-0.5

    def test_dropout_is_drawn_for_each_member(self) -> None:
        single = build(LyraModel, dropout=0.4, hidden_size=32)
        ensemble, ids = LyraModel.from_members([single, single, single]), random_ids(4, 20)
        vectors = ensemble(ids).pooler_output.unflatten(-1, (3, 32))
        assert torch.equal(vectors[:, 0], vectors[:, 1])
        one, two, three = ensemble.train()(ids).last_hidden_state.chunk(3, dim=-1)
        assert not torch.equal(one, two)
        assert not torch.equal(one, three)
        assert not torch.equal(two, three)

    def test_inside_a_layer_whole_channels_of_a_member_are_dropped(self) -> None:
        ensemble, ids = build(LyraModel, dropout=0.25, hidden_size=32, ensemble_size=3), random_ids(8, 20)
        seen: list[Tensor] = []
        ensemble.layers[0].output_linear.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].unflatten(1, (8, 20)))
        )
        ensemble(ids)
        ensemble.train()(ids)
        without, with_dropout = seen  # (3, 8, 20, 32)
        strongest = without.abs().argmax(2, keepdim=True)
        factor = with_dropout.gather(2, strongest) / without.gather(2, strongest)  # (3, 8, 1, 32)
        torch.testing.assert_close(with_dropout, factor * without)
        assert torch.equal((0.75 * factor).round(decimals=4).unique(), torch.tensor([0.0, 1.0]))
        assert all(0.15 < share < 0.35 for share in (factor == 0).float().mean((1, 2, 3)).tolist())
        assert not torch.equal(factor[0], factor[1])

    def test_weights_decay_and_norms_do_not(self) -> None:
        """Which parameters decay is told from their names, and these are the same."""
        layers = [LyraS4DLayer(small_config(ensemble_size=size)) for size in (1, 3)]
        names = [[name for name, _ in layer.named_parameters()] for layer in layers]
        assert names[0] == names[1]


class TestTakingApartAndPuttingTogether:
    @every_shape
    @pytest.mark.parametrize("cls", [LyraModel, LyraForRegression, LyraForTokenClassification])
    def test_round_trip_changes_no_bit(self, cls: type[Model], shape: str) -> None:
        ensemble = build(cls, ensemble_size=3, **SHAPES[shape])
        again = cls.from_members(ensemble.members())
        assert type(again) is cls
        assert again.config.ensemble_size == 3
        for name, tensor in ensemble.state_dict().items():
            assert torch.equal(again.state_dict()[name], tensor), name
        ids, _ = inputs(ensemble, 2, 12)
        assert torch.equal(again(ids)[0], ensemble(ids)[0])

    def test_models_that_were_trained_apart(self, tmp_path: Path) -> None:
        singles = [build(LyraForRegression, seed=seed) for seed in range(3)]
        for single in singles:
            single.classifier.label_scale.fit(torch.linspace(-1, 5, 20).unsqueeze(-1))
        LyraForRegression.from_members(singles).save_pretrained(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == REPOSITORY  # and one file of weights
        loaded, ids = LyraForRegression.from_pretrained(tmp_path), random_ids(4, 20)
        logits = torch.stack([single(ids).logits for single in singles])
        torch.testing.assert_close(loaded(ids).logits, logits.mean(0), rtol=0, atol=1e-5)
        for single, member in zip(singles, loaded.members(), strict=True):
            assert torch.equal(member(ids).logits, single(ids).logits)

    def test_ensembles_are_joined_member_by_member(self) -> None:
        pair, single = build(LyraForRegression, ensemble_size=2), build(LyraForRegression, seed=7)
        for name in ("mean", "std"):
            getattr(single.classifier.label_scale, name).copy_(getattr(pair.classifier.label_scale, name))
        three = LyraForRegression.from_members([pair, single])
        assert three.config.ensemble_size == 3
        ids = random_ids(2, 20)
        expected = [*(member(ids).logits for member in pair.members()), single(ids).logits]
        assert all(torch.equal(m(ids).logits, one) for m, one in zip(three.members(), expected, strict=True))

    def test_a_single_model_is_its_only_member(self) -> None:
        model = build(LyraForRegression)
        assert model.members() == [model]

    def test_members_are_copies(self) -> None:
        ensemble, ids = make("number", 2), random_ids(2, 12)
        expected = ensemble(ids).logits
        with torch.no_grad():
            for member in ensemble.members():
                for tensor in [*member.parameters(), *member.buffers()]:
                    tensor.zero_()
        assert torch.equal(ensemble(ids).logits, expected)
        singles = ensemble.members()
        again = LyraForRegression.from_members(singles)
        with torch.no_grad():
            for tensor in [*singles[0].parameters(), *singles[0].buffers()]:
                tensor.zero_()
        assert torch.equal(again(ids).logits, expected)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
    def test_what_else_is_kept(self, dtype: torch.dtype) -> None:
        ensemble = make("classes", 2, dtype=dtype, reverse_complement=True).train()
        ensemble.lyra.requires_grad_(requires_grad=False)
        for model in (*ensemble.members(), LyraForSequenceClassification.from_members(ensemble.members())):
            assert model.training
            assert model.config.num_labels == 3
            assert not any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()])
            wanted = {name: (tensor.dtype, tensor.requires_grad) for name, tensor in ensemble.named_parameters()}
            assert {name: (tensor.dtype, tensor.requires_grad) for name, tensor in model.named_parameters()} == wanted
            buffers = dict(ensemble.named_buffers())
            assert all(torch.equal(buffer, buffers[name]) for name, buffer in model.named_buffers())
            assert model.state_dict().keys() == ensemble.state_dict().keys()

    def test_nothing_random_is_drawn(self) -> None:
        ensemble = make("number", 2)
        before = torch.get_rng_state()
        LyraForRegression.from_members(ensemble.members())
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({"pooling": "max"}, "pooling"),
            ({"hidden_size": 4}, "hidden_size"),
            ({"num_labels": 2}, "id2label"),
            ({"label_transform": "log"}, "label_transform"),
        ],
    )
    def test_models_that_differ_are_refused(self, fields: dict[str, Any], name: str) -> None:
        with pytest.raises(ValueError, match=f"differ in {name}"):
            LyraForRegression.from_members([build(LyraForRegression), build(LyraForRegression, **fields)])

    def test_other_label_scales_are_refused(self) -> None:
        one = build(LyraForRegression)
        other = copy.deepcopy(one)
        other.classifier.label_scale.mean.add_(1)
        with pytest.raises(ValueError, match=r"label scale; these differ in classifier\.label_scale\.mean"):
            LyraForRegression.from_members([one, other])

    def test_models_with_another_kind_of_head_are_refused(self) -> None:
        residue = [build(LyraForTokenClassification, problem_type="regression") for _ in range(2)]
        with pytest.raises(ValueError, match="LyraForTokenClassification is no member of a LyraForRegression"):
            LyraForRegression.from_members(residue)
        general = [build(LyraForSequenceClassification, problem_type="regression") for _ in range(2)]
        assert isinstance(LyraForRegression.from_members(general), LyraForRegression)

    @pytest.mark.parametrize("number", [0, 1])
    def test_fewer_than_two_are_refused(self, number: int) -> None:
        with pytest.raises(ValueError, match=f"at least two members, not {number}"):
            LyraForRegression.from_members([build(LyraForRegression)] * number)


class TestInTransformers:
    @every_head
    def test_auto_classes(self, head: str, tmp_path: Path) -> None:
        ensemble, ids = make(head, 3), random_ids(2, 12)
        ensemble.save_pretrained(tmp_path)
        auto = (
            AutoModelForTokenClassification
            if isinstance(ensemble, LyraForTokenClassification)
            else AutoModelForSequenceClassification
        )
        loaded = auto.from_pretrained(tmp_path)
        assert loaded.config.ensemble_size == 3
        assert torch.equal(loaded(ids).logits, ensemble(ids).logits)
        assert torch.equal(loaded(ids).spread, ensemble(ids).spread)
        assert torch.equal(AutoModel.from_pretrained(tmp_path)(ids).pooler_output, ensemble.lyra(ids).pooler_output)

    def test_text_classification(self) -> None:
        ensemble, tokenizer = make("classes", 3), build_tokenizer("dna")
        (found,) = pipeline("text-classification", ensemble, tokenizer=tokenizer, top_k=None)(["ACGTACGGT"])
        logits = ensemble(**tokenizer("ACGTACGGT", return_tensors="pt")).logits[0]
        expected = {f"LABEL_{index}": value for index, value in enumerate(logits.softmax(-1).tolist())}
        assert {entry["label"]: entry["score"] for entry in found} == pytest.approx(expected)

    def test_text_classification_of_a_number(self) -> None:
        ensemble, tokenizer = make("number", 3), build_tokenizer("dna")
        (found,) = pipeline("text-classification", ensemble, tokenizer=tokenizer)("ACGTACGGT")
        logits = ensemble(**tokenizer("ACGTACGGT", return_tensors="pt")).logits
        assert found["score"] == pytest.approx(logits.item())

    def test_token_classification(self) -> None:
        ensemble, tokenizer = make("residue classes", 3), build_tokenizer("dna")
        found = pipeline("token-classification", ensemble, tokenizer=tokenizer)("ACGTACGGT")
        logits = ensemble(**tokenizer("ACGTACGGT", return_tensors="pt")).logits[0]
        assert [entry["entity"] for entry in found] == [f"LABEL_{index}" for index in logits.argmax(-1).tolist()]
        assert [entry["score"] for entry in found] == pytest.approx(logits.softmax(-1).amax(-1).tolist())

    def test_feature_extraction(self) -> None:
        ensemble, tokenizer = build(LyraModel, ensemble_size=3), build_tokenizer("dna")
        found = pipeline("feature-extraction", ensemble, tokenizer=tokenizer, return_tensors="pt")("ACGTACGGT")
        assert found.shape == (1, 9, 24)


@given(size=st.integers(1, 4), shape=st.lists(st.integers(1, 4), max_size=3), channels=st.integers(1, 5))
def test_split_and_join(size: int, shape: list[int], channels: int) -> None:
    x = torch.randn(*shape, size * channels, generator=torch.Generator().manual_seed(0))
    apart = members.split_members(x, size)
    assert apart.shape == members.member_shape(size, *shape, channels)
    if size > 1:
        assert torch.equal(torch.stack(x.chunk(size, dim=-1)), apart)
    assert torch.equal(members.join_members(apart, size), x)


class TestModules:
    @pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 1, 3)])
    @pytest.mark.parametrize("bias", [False, True])
    def test_linear(self, shape: tuple[int, ...], *, bias: bool) -> None:
        linear = members.linear(3, 6, 2, bias=bias)
        nn.init.normal_(linear.weight)
        if linear.bias is not None:
            nn.init.normal_(linear.bias)
        x = torch.randn(3, *shape, 6)
        biases = [None] * 3 if linear.bias is None else linear.bias
        expected = [F.linear(*of_member) for of_member in zip(x, linear.weight, biases, strict=True)]
        torch.testing.assert_close(linear(x), torch.stack(expected))
        assert (linear.bias is not None) == bias

    @pytest.mark.parametrize("size", [1, 3, 5])
    def test_convolution(self, size: int) -> None:
        convolution = members.depthwise_convolution(3, 4, size)
        nn.init.normal_(convolution.weight)
        nn.init.normal_(convolution.bias)
        x = torch.randn(2, 12, 9)
        expected = [
            F.conv1d(part, weight, bias, padding=size // 2, groups=4)
            for part, weight, bias in zip(x.chunk(3, dim=1), convolution.weight, convolution.bias, strict=True)
        ]
        torch.testing.assert_close(convolution(x), torch.cat(expected, dim=1))

    def test_a_single_model_is_made_of_the_usual_modules(self) -> None:
        assert type(members.linear(1, 3, 2)) is nn.Linear
        assert type(members.depthwise_convolution(1, 3, 3)) is nn.Conv1d
