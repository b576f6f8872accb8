"""The model as a function: its size, the published model's numbers, causality, strands, pairs, saving."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError
from reference import COLUMNS, UNKNOWN, PublishedLyra, compositions
from small_models import build, random_ids, small_config
from torch import Tensor
from transformers import AutoModelForSequenceClassification

from lyra_hf import (
    LyraConfig,
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
)
from lyra_hf.alphabets import get_alphabet
from lyra_hf.convert import convert_state_dict

HEADS = [LyraForSequenceClassification, LyraForRegression, LyraForTokenClassification]


def num_parameters(**fields: Any) -> int:
    return sum(parameter.numel() for parameter in LyraForRegression(LyraConfig(**fields)).parameters())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 47_169),
        ({"alphabet": "dna"}, 46_145),
        ({"alphabet": "rna"}, 46_145),
        ({"state_size": 32}, 43_073),
        ({"state_size": 128}, 55_361),
        ({"state_size": 256}, 71_745),
        ({"num_hidden_layers": 2}, 63_873),
        ({"num_hidden_layers": 4}, 97_281),
        ({"num_labels": 3}, 47_169 + 2 * 65),
        ({"pooling": "max"}, 47_169),
        ({"pooling": "attention"}, 47_169 + 64),
        ({"bidirectional": True}, 47_169 + 64 * (1 + 1 + 4 * 32)),
        ({"pair_input": True}, 47_169 + 64 * 20),
        ({"alphabet": "dna", "reverse_complement": True}, 46_145),
        ({"label_transform": "rank"}, 47_169),
    ],
)
def test_number_of_parameters(fields: dict[str, Any], expected: int) -> None:
    assert num_parameters(**fields) == expected


@pytest.mark.parametrize("cls", [LyraModel, *HEADS])
def test_nothing_is_complex(cls: type[LyraModel]) -> None:
    model = build(cls, bidirectional=True)
    tensors = [*model.parameters(), *model.buffers()]
    assert tensors
    assert not any(tensor.is_complex() for tensor in tensors)


class TestPublishedModel:
    """Equality with the released model, its weights converted."""

    LENGTHS = (*range(1, 65), 127, 128, 129, 255, 256, 257, 511, 513, 1024, 4099)

    @staticmethod
    def pair(
        alphabet: str, dtype: torch.dtype = torch.float64, outputs: int = 1, **fields: Any
    ) -> tuple[PublishedLyra, LyraForSequenceClassification]:
        """The published model with random weights, and ours with the same."""
        torch.manual_seed(0)
        published = PublishedLyra(len(COLUMNS[alphabet]), outputs, **fields).eval()
        names = {"d_model": "hidden_size", "pgc_widths": "pgc_hidden_sizes", "state_size": "state_size"}
        config = LyraConfig(
            alphabet=alphabet,
            num_labels=outputs,
            problem_type="regression",
            **{names[field]: value for field, value in fields.items()},
        )
        model = LyraForSequenceClassification(config).to(dtype).eval()
        missing, unexpected = model.load_state_dict(convert_state_dict(published.state_dict(), config), strict=False)
        assert unexpected == []
        assert all("label_scale" in name for name in missing)
        return published, model

    @staticmethod
    def sequence(alphabet: str, length: int, *, with_unknown: bool) -> str:
        letters = COLUMNS[alphabet] + (2 * UNKNOWN[alphabet] if with_unknown else "")
        picks = torch.randint(len(letters), (length,), generator=torch.Generator().manual_seed(length))
        return "".join(letters[pick] for pick in picks)

    @staticmethod
    def encode(sequence: str, alphabet: str) -> Tensor:
        vocabulary = get_alphabet(alphabet).vocabulary
        return torch.tensor([[vocabulary[letter] for letter in sequence]])

    @pytest.mark.parametrize(
        ("with_unknown", "lengths"),
        [(False, LENGTHS), (True, (1, 2, 5, 33, 64, 129, 257))],
        ids=["letters", "mixtures"],
    )
    @pytest.mark.parametrize("alphabet", COLUMNS)
    def test_same_numbers(self, alphabet: str, lengths: tuple[int, ...], *, with_unknown: bool) -> None:
        published, single = self.pair(alphabet, torch.float32)
        double = self.pair(alphabet, torch.float64)[1]
        for length in lengths:
            sequence = self.sequence(alphabet, length, with_unknown=with_unknown)
            ids = self.encode(sequence, alphabet)
            with torch.no_grad():
                expected = published(compositions(sequence, alphabet))
            for model, tolerance in ((single, 1e-5), (double, 1e-10)):
                fresh_kernel = model(ids).logits.detach()
                with torch.no_grad():
                    kept_kernel = model(ids).logits
                for logits in (fresh_kernel, kept_kernel):
                    assert logits.dtype == model.dtype
                    error = (logits.double() - expected).abs().max().item()
                    assert error <= tolerance, (length, model.dtype)

    @pytest.mark.parametrize("length", [1, 40, 300])
    def test_same_vector_at_every_position(self, length: int) -> None:
        published, model = self.pair("protein")
        sequence = self.sequence("protein", length, with_unknown=False)
        with torch.no_grad():
            expected = published.features(compositions(sequence, "protein"))
            got = model.lyra(self.encode(sequence, "protein")).last_hidden_state
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize(
        "fields",
        [{"state_size": 2}, {"state_size": 128}, {"d_model": 24, "pgc_widths": (8, 40)}, {"outputs": 3}],
        ids=str,
    )
    def test_same_numbers_in_other_sizes(self, fields: dict[str, Any]) -> None:
        published, model = self.pair("dna", **fields)
        sequence = self.sequence("dna", 150, with_unknown=True)
        with torch.no_grad():
            expected = published(compositions(sequence, "dna"))
            got = model(self.encode(sequence, "dna")).logits
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("length", [20, 200])
    def test_same_gradients(self, length: int) -> None:
        published, model = self.pair("protein")
        sequence = self.sequence("protein", length, with_unknown=False)
        published(compositions(sequence, "protein")).sum().backward()
        model(self.encode(sequence, "protein")).logits.sum().backward()
        gradients = {name: parameter.grad for name, parameter in published.named_parameters()}
        expected = convert_state_dict(gradients, model.config)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-9, atol=1e-10, msg=name)

    def test_same_initial_state_space(self) -> None:
        # log_dt ~ U(log 0.001, log 0.1); A = -0.5 + i pi n; C complex normal of variance 1; D standard normal.
        torch.manual_seed(0)
        convolution = LyraModel(LyraConfig(hidden_size=512, pgc_hidden_sizes=[4])).layers[0].convolution
        assert -6.908 <= convolution.log_dt.min() < -6.8
        assert -2.4 < convolution.log_dt.max() <= -2.302
        torch.testing.assert_close(convolution.log_A_real.exp(), torch.full((512, 32), 0.5))
        torch.testing.assert_close(convolution.A_imag, torch.pi * torch.arange(32.0).expand(512, 32))
        assert convolution.C.square().sum(-1).mean().item() == pytest.approx(1, abs=0.05)
        assert convolution.C.mean().item() == pytest.approx(0, abs=0.05)
        assert convolution.D.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("length", [40, 200])
def test_unidirectional_outputs_see_two_letters_ahead(length: int) -> None:
    # Two depthwise convolutions see one letter ahead each, and S4D none.
    model = build(LyraModel, dtype=torch.float64, num_hidden_layers=2)
    ids = random_ids(1, length)
    changed_at = length // 2
    changed = ids.clone()
    changed[0, changed_at] = ids[0, changed_at] % 4 + 2
    difference = (model(ids).last_hidden_state - model(changed).last_hidden_state).abs().amax(-1)[0]
    assert difference[: changed_at - 2].max() < 1e-12
    assert (difference[changed_at - 2 :] > 1e-9).all()


def test_bidirectional_outputs_see_every_letter() -> None:
    model = build(LyraModel, dtype=torch.float64, bidirectional=True)
    ids = random_ids(1, 40)
    changed = ids.clone()
    changed[0, 20] = ids[0, 20] % 4 + 2
    difference = (model(ids).last_hidden_state - model(changed).last_hidden_state).abs().amax(-1)[0]
    assert (difference > 1e-9).all()


def test_backward_kernel_reads_from_the_end() -> None:
    model = build(LyraModel, dtype=torch.float64)
    convolution = model.layers[0].convolution
    u = torch.randn(2, 30, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(convolution(u, reverse=True), convolution(u.flip(1)).flip(1), rtol=0, atol=1e-14)
    assert not torch.allclose(convolution(u, reverse=True), convolution(u))


class TestReverseComplement:
    @pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention"])
    @pytest.mark.parametrize("cls", [LyraForSequenceClassification, LyraForRegression])
    def test_both_strands_score_the_same(self, cls: type[LyraForSequenceClassification], pooling: str) -> None:
        model = build(cls, reverse_complement=True, pooling=pooling, num_labels=2)
        complement = dict(zip("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN", strict=True))
        sequence = "ACGTTTRYAGGCNNKMBDHVSWATTA"
        other = "".join(complement[letter] for letter in reversed(sequence))
        vocabulary = get_alphabet("dna").vocabulary
        ids, other_ids = (torch.tensor([[vocabulary[letter] for letter in text]]) for text in (sequence, other))
        torch.testing.assert_close(model(ids).logits, model(other_ids).logits, rtol=0, atol=1e-6)
        # Without the averaging the strands differ.
        model.lyra.config.reverse_complement = False
        assert not torch.allclose(model(ids).logits, model(other_ids).logits, rtol=0, atol=1e-3)

    def test_residues_are_mirrored(self) -> None:
        model = build(LyraForTokenClassification, reverse_complement=True, alphabet="rna", num_labels=3)
        ids = random_ids(2, 30)
        other = torch.tensor(get_alphabet("rna").complement_ids)[ids].flip(1)
        torch.testing.assert_close(model(ids).logits, model(other).logits.flip(1), rtol=0, atol=1e-6)

    def test_is_the_mean_of_both_strands(self) -> None:
        both = build(LyraModel, reverse_complement=True)
        one = build(LyraModel)
        one.load_state_dict(both.state_dict())
        ids = random_ids(2, 30)
        other = torch.tensor(get_alphabet("dna").complement_ids)[ids].flip(1)
        expected = (one(ids).pooler_output + one(other).pooler_output) / 2
        torch.testing.assert_close(both(ids).pooler_output, expected, rtol=0, atol=1e-6)

    def test_embeddings_are_refused(self) -> None:
        model = build(LyraModel, reverse_complement=True)
        with pytest.raises(ValueError, match="reverse_complement"):
            model(inputs_embeds=torch.zeros(1, 5, 8))


class TestPairs:
    def test_letters_are_aligned(self) -> None:
        # The embedding of a pair is the sum of two linear maps; everything after it is the model of one sequence.
        pairs = build(LyraForRegression, pair_input=True, dtype=torch.float64)
        first, second = random_ids(3, 23, seed=1), random_ids(3, 23, seed=2)
        got = pairs(torch.cat([first, second], dim=1)).logits
        encoder = pairs.lyra.encoder
        table = torch.tensor(get_alphabet("dna").composition, dtype=torch.float64)
        letters = torch.cat([table[first], table[second]], dim=-1)
        embeddings = letters @ encoder.weight.T + encoder.bias
        torch.testing.assert_close(got, pairs(inputs_embeds=embeddings).logits, rtol=0, atol=1e-7)

    def test_members_have_their_places(self) -> None:
        model = build(LyraForRegression, pair_input=True)
        first, second = random_ids(1, 23, seed=1), random_ids(1, 23, seed=2)
        swapped = model(torch.cat([second, first], dim=1)).logits
        assert not torch.allclose(model(torch.cat([first, second], dim=1)).logits, swapped, atol=1e-4)

    def test_each_residue_of_the_pair_has_one_output(self) -> None:
        model = build(LyraForTokenClassification, pair_input=True, num_labels=3)
        output = model(random_ids(2, 24), labels=torch.zeros(2, 12, dtype=torch.long))
        assert output.logits.shape == (2, 12, 3)
        assert output.loss.isfinite()

    def test_both_strands_are_refused(self) -> None:
        with pytest.raises(StrictDataclassClassValidationError, match="pair_input"):
            small_config(pair_input=True, reverse_complement=True)


class TestInputs:
    def test_embeddings_in_place_of_ids(self) -> None:
        model = build(LyraModel)
        ids = random_ids(2, 30)
        embeddings = model.get_input_embeddings()(ids)
        torch.testing.assert_close(
            model(inputs_embeds=embeddings).last_hidden_state, model(ids).last_hidden_state, rtol=0, atol=0
        )

    def test_exactly_one_kind_of_input(self) -> None:
        model = build(LyraModel)
        ids = random_ids(1, 5)
        with pytest.raises(ValueError, match="exactly one"):
            model()
        with pytest.raises(ValueError, match="exactly one"):
            model(ids, inputs_embeds=torch.zeros(1, 5, 8))

    def test_embedding_is_linear_in_the_composition(self) -> None:
        encoder = build(LyraModel, dtype=torch.float64).encoder
        ids = {symbol: torch.tensor([[index]]) for symbol, index in get_alphabet("dna").vocabulary.items()}
        mixture = (encoder(ids["C"]) + encoder(ids["G"]) + encoder(ids["T"])) / 3
        torch.testing.assert_close(encoder(ids["B"]), mixture, rtol=0, atol=1e-14)
        torch.testing.assert_close(encoder(ids["N"]), encoder(ids["[UNK]"]), rtol=0, atol=0)
        torch.testing.assert_close(encoder(ids["[PAD]"])[0, 0], encoder.bias, rtol=0, atol=0)


class TestOutputs:
    @pytest.mark.parametrize("fields", [{}, {"reverse_complement": True}, {"bidirectional": True}], ids=str)
    @pytest.mark.parametrize("cls", [LyraModel, *HEADS])
    def test_hidden_states(self, cls: type[LyraModel], fields: dict[str, Any]) -> None:
        model = build(cls, num_hidden_layers=3, **fields)
        ids = random_ids(2, 12)
        output = model(ids, output_hidden_states=True)
        assert [state.shape for state in output.hidden_states] == [(2, 12, 8)] * 4  # before the layers, after each
        last = model(ids).last_hidden_state if cls is LyraModel else model.lyra(ids).last_hidden_state
        torch.testing.assert_close(output.hidden_states[-1], last, rtol=0, atol=0)
        assert model(ids).hidden_states is None

    def test_hidden_states_are_those_of_the_layers(self) -> None:
        model = build(LyraModel, num_hidden_layers=2)
        ids = random_ids(2, 12)
        before, between, after = model(ids, output_hidden_states=True).hidden_states
        mask = torch.ones(2, 12, 1)
        torch.testing.assert_close(model.layers[0](before, mask), between, rtol=0, atol=0)
        torch.testing.assert_close(model.layers[1](between, mask), after, rtol=0, atol=0)

    @pytest.mark.parametrize("cls", [LyraModel, *HEADS])
    def test_tuples(self, cls: type[LyraModel]) -> None:
        model = build(cls)
        ids = random_ids(2, 12)
        for output in (model(ids, return_dict=False), model(ids, return_dict=False, output_hidden_states=True)):
            assert isinstance(output, tuple)
            torch.testing.assert_close(output[0], model(ids)[0], rtol=0, atol=0)

    @pytest.mark.parametrize("cls", [LyraModel, *HEADS])
    def test_tuples_by_configuration(self, cls: type[LyraModel]) -> None:
        model = build(cls, return_dict=False)
        ids = random_ids(2, 12)
        output = model(ids)
        assert isinstance(output, tuple)
        torch.testing.assert_close(output[0], model(ids, return_dict=True)[0], rtol=0, atol=0)


class TestSaving:
    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"num_labels": 3, "problem_type": "regression", "label_transform": "rank"},
            {"num_labels": 2, "problem_type": "regression", "label_transform": "log"},
            {"bidirectional": True, "num_hidden_layers": 2, "pooling": "attention"},
            {"reverse_complement": True},
            {"pair_input": True},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("cls", HEADS)
    def test_round_trip_changes_no_bit(
        self, cls: type[LyraForRegression], fields: dict[str, Any], tmp_path: Path
    ) -> None:
        model = build(cls, **fields)
        model.classifier.label_scale.fit(torch.rand(50, model.config.num_labels) * 7 + 1)
        model.save_pretrained(tmp_path)
        loaded = cls.from_pretrained(tmp_path)
        assert loaded.training is False
        ids = random_ids(3, 26)
        assert torch.equal(loaded(ids).logits, model(ids).logits)
        before, after = model.state_dict(), loaded.state_dict()
        assert before.keys() == after.keys()
        for name, tensor in before.items():
            assert tensor.dtype == after[name].dtype
            assert torch.equal(tensor, after[name]), name

    def test_buffers_that_are_not_saved_are_made_again(self, tmp_path: Path) -> None:
        model = build(LyraForRegression, reverse_complement=True)
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path)
        buffers = dict(model.named_buffers())
        assert {"lyra.encoder.composition", "lyra.complement_ids"} <= buffers.keys()
        assert not {"lyra.encoder.composition", "lyra.complement_ids"} & model.state_dict().keys()
        for name, buffer in loaded.named_buffers():
            assert torch.equal(buffer, buffers[name]), name

    def test_regression_through_the_auto_class(self, tmp_path: Path) -> None:
        model = build(LyraForRegression, num_labels=2)
        model.save_pretrained(tmp_path)
        ids = random_ids(3, 26)
        for loaded in (
            LyraForSequenceClassification.from_pretrained(tmp_path),
            AutoModelForSequenceClassification.from_pretrained(tmp_path),
        ):
            assert loaded.config.problem_type == "regression"
            assert torch.equal(loaded(ids).logits, model(ids).logits)
            labels = torch.randn(3, 2)
            assert torch.equal(loaded(ids, labels=labels).loss, model(ids, labels=labels).loss)

    @pytest.mark.parametrize("cls", HEADS)
    def test_head_on_weights_of_the_base(self, cls: type[LyraForRegression], tmp_path: Path) -> None:
        base = build(LyraModel, pooling="attention")
        base.save_pretrained(tmp_path)
        torch.manual_seed(1)
        model = cls.from_pretrained(tmp_path, num_labels=2)
        for name, tensor in base.state_dict().items():
            assert torch.equal(model.lyra.state_dict()[name], tensor), name
        # The head is new: small random weights, and a scale that does nothing.
        weight = model.classifier.linear.weight
        assert 0 < weight.abs().max() <= 8**-0.5
        assert weight.unique().numel() == weight.numel()
        assert model.classifier.linear.bias.abs().max() <= 8**-0.5
        scores = torch.randn(4, 2)
        assert torch.equal(model.classifier.label_scale(scores), scores)
        assert model(random_ids(2, 20)).logits.isfinite().all()

    def test_base_of_a_head(self, tmp_path: Path) -> None:
        model = build(LyraForRegression)
        model.save_pretrained(tmp_path)
        ids = random_ids(2, 20)
        assert torch.equal(LyraModel.from_pretrained(tmp_path)(ids).pooler_output, model.lyra(ids).pooler_output)

    def test_head_of_another_kind(self, tmp_path: Path) -> None:
        model = build(LyraForRegression)
        model.save_pretrained(tmp_path)
        other = LyraForTokenClassification.from_pretrained(
            tmp_path, num_labels=3, problem_type="single_label_classification", ignore_mismatched_sizes=True
        )
        assert torch.equal(other.lyra.encoder.weight, model.lyra.encoder.weight)
        assert other.classifier.linear.weight.shape == (3, 8)
        assert other.classifier.linear.weight.abs().max() > 0
        assert other(random_ids(2, 20)).logits.isfinite().all()

    def test_regression_class_refuses_a_classifier(self) -> None:
        with pytest.raises(ValueError, match="regression"):
            LyraForRegression(small_config(num_labels=2, problem_type="single_label_classification"))

    def test_copies_are_independent(self) -> None:
        model = build(LyraForRegression)
        ids = random_ids(2, 20)
        with torch.no_grad():
            expected = model(ids).logits
            other = copy.deepcopy(model)
            assert torch.equal(other(ids).logits, expected)
            for parameter in other.parameters():
                parameter.mul_(1.1)
            assert not torch.allclose(other(ids).logits, expected)
            assert torch.equal(model(ids).logits, expected)


class TestGradientCheckpointing:
    @pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated:FutureWarning")
    @pytest.mark.parametrize("dropout", [0.0, 0.3])
    def test_gradients_are_the_same(self, dropout: float) -> None:
        model = build(LyraForRegression, num_hidden_layers=2, bidirectional=True, dropout=dropout).train()
        ids, labels = random_ids(3, 40), torch.randn(3)
        gradients = []
        for checkpointing in (False, True):
            if checkpointing:
                model.gradient_checkpointing_enable()
                assert all(layer.gradient_checkpointing for layer in model.lyra.layers)
            model.zero_grad()
            torch.manual_seed(5)
            model(ids, labels=labels).loss.backward()
            gradients.append({name: parameter.grad.clone() for name, parameter in model.named_parameters()})
        for name, gradient in gradients[0].items():
            torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-7, msg=name)


class TestDropout:
    def test_only_in_training(self) -> None:
        model = build(LyraModel, dropout=0.5)
        ids = random_ids(2, 20)
        assert torch.equal(model(ids).pooler_output, model(ids).pooler_output)
        model.train()
        assert not torch.equal(model(ids).pooler_output, model(ids).pooler_output)

    def test_every_layer_has_a_gradient_in_training(self) -> None:
        model = build(
            LyraForRegression, dropout=0.2, num_hidden_layers=2, bidirectional=True, pooling="attention"
        ).train()
        model(random_ids(8, 20), labels=torch.randn(8)).loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
