"""The model as a function: causality, strands, pairs, inputs and outputs, dropout, gradient checkpointing."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from huggingface_hub.errors import StrictDataclassClassValidationError
from small_models import build, random_ids, small_config
from torch import Tensor

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
)
from lyra_hf.alphabets import PAD_ID, UNK_ID, get_alphabet

HEADS = [LyraForSequenceClassification, LyraForRegression, LyraForTokenClassification]


@pytest.mark.parametrize("cls", [LyraModel, *HEADS])
def test_nothing_is_complex(cls: type[LyraModel]) -> None:
    model = build(cls, bidirectional=True)
    tensors = [*model.parameters(), *model.buffers()]
    assert tensors
    assert not any(tensor.is_complex() for tensor in tensors)


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
    @pytest.mark.parametrize("pooling", ["mean", "max", "last", "attention", "position"])
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
        torch.testing.assert_close(got, pairs(inputs_embeds=embeddings).logits, rtol=0, atol=1e-10)

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

    @pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
    @pytest.mark.parametrize("padding", [(0, 0), (0, 5), (4, 0), (3, 2)], ids=str)
    def test_in_its_context_the_second_is_unknown(self, cls: type[LyraForRegression], padding: tuple[int, int]) -> None:
        with_context = build(cls, pair_input=True, pair_context=3, dtype=torch.float64)
        plain = build(cls, pair_input=True, dtype=torch.float64)
        plain.load_state_dict(with_context.state_dict())
        first, second = random_ids(2, 16, seed=1), random_ids(2, 10, seed=2)
        unknown = torch.full((2, 3), UNK_ID)
        expected = plain(torch.cat([first, unknown, second, unknown], dim=1)).logits
        left, right = padding
        got = with_context(F.pad(torch.cat([first, second], dim=1), (left, right), value=PAD_ID)).logits
        if cls is LyraForTokenClassification:
            got = got[:, :16]
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)

    def test_pairs_with_context_of_different_lengths(self) -> None:
        model = build(LyraForRegression, pair_input=True, pair_context=2, dtype=torch.float64)
        rows = [random_ids(1, size, seed=size) for size in (8, 26, 14)]
        batch = torch.cat([F.pad(row, (0, 26 - row.shape[1]), value=PAD_ID) for row in rows])
        expected = torch.cat([model(row).logits for row in rows])
        torch.testing.assert_close(model(batch).logits, expected, rtol=0, atol=1e-12)
        nothing = torch.full((1, 12), PAD_ID)
        assert model.lyra(nothing).pooler_output.abs().max() == 0

    def test_context_is_for_pairs(self) -> None:
        with pytest.raises(StrictDataclassClassValidationError, match="pair_context needs pair_input"):
            small_config(pair_context=2)

    def test_both_strands_are_refused(self) -> None:
        with pytest.raises(StrictDataclassClassValidationError, match="pair_input"):
            small_config(pair_input=True, reverse_complement=True)


class TestPositions:
    def test_begins_as_a_mean(self) -> None:
        by_position = LyraForRegression(small_config(pooling="position", num_positions=9)).eval()
        mean = LyraForRegression(small_config()).eval()
        missing = mean.load_state_dict(by_position.state_dict(), strict=False)
        assert missing.unexpected_keys == ["lyra.pooler.position_weight"]
        ids = random_ids(3, 12)
        torch.testing.assert_close(by_position(ids).logits, mean(ids).logits, rtol=0, atol=1e-6)

    @pytest.mark.parametrize("length", [3, 7, 20])
    def test_each_position_has_its_weights(self, length: int) -> None:
        pooler = build(LyraModel, pooling="position", num_positions=7, dtype=torch.float64).pooler
        vectors = torch.randn(2, length, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        expected = torch.zeros(2, 8, dtype=torch.float64)
        for position in range(length):
            weight = 1 + pooler.position_weight[position] if position < 7 else torch.ones(8, dtype=torch.float64)
            expected += weight * vectors[:, position] / length
        everywhere = torch.ones(2, length, 1)
        torch.testing.assert_close(pooler(vectors, everywhere), expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"pooling": "position", "num_positions": 0}, "pooling 'position' and site_weights go with num_positions"),
            ({"pooling": "mean", "num_positions": 3}, "pooling 'position' and site_weights go with num_positions"),
            ({"pooling": "position", "num_positions": -1}, "num_positions must be at least 0"),
        ],
    )
    def test_sizes_that_make_no_sense(self, fields: dict[str, Any], message: str) -> None:
        with pytest.raises(StrictDataclassClassValidationError, match=message):
            small_config(**fields)


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

    def test_inside_a_layer_whole_channels_are_dropped(self) -> None:
        model, ids = build(LyraModel, dropout=0.25, hidden_size=32), random_ids(8, 20)
        seen: list[Tensor] = []
        model.layers[0].output_linear.register_forward_pre_hook(
            lambda module, args: seen.append(args[0].unflatten(0, (8, 20)))
        )
        model(ids)
        model.train()(ids)
        without, with_dropout = seen
        strongest = without.abs().argmax(1, keepdim=True)  # where a channel is zero, it tells nothing
        factor = with_dropout.gather(1, strongest) / without.gather(1, strongest)  # (B, 1, H)
        torch.testing.assert_close(with_dropout, factor * without)  # the same at every position
        assert torch.equal((0.75 * factor).round(decimals=4).unique(), torch.tensor([0.0, 1.0]))
        assert 0.15 < (factor == 0).float().mean() < 0.35

    def test_after_a_layer_single_values_are_dropped(self) -> None:
        model, ids = build(LyraModel, dropout=0.25, hidden_size=32).train(), random_ids(8, 20)
        before, after = model(ids, output_hidden_states=True).hidden_states
        dropped = before == after  # nothing was added to the residual
        assert 0.15 < dropped.float().mean() < 0.35
        assert not torch.equal(dropped, dropped[:, :1].expand_as(dropped))

    def test_every_layer_has_a_gradient_in_training(self) -> None:
        model = build(
            LyraForRegression, dropout=0.2, num_hidden_layers=2, bidirectional=True, pooling="attention"
        ).train()
        model(random_ids(8, 20), labels=torch.randn(8)).loss.backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.abs().max() > 0, name
