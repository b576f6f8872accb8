"""Site weights: a position weight matrix beside the network, against a loop over the letters."""

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
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
from lyra_hf.alphabets import PAD_ID, UNK_ID, get_alphabet
from lyra_hf.site_weights import LyraSiteWeights

POSITIONS = 7
BOTH_HEADS = [LyraForSequenceClassification, LyraForRegression]
KINDS: dict[str, dict[str, Any]] = {
    "single": {},
    "protein": {"alphabet": "protein"},
    "letters of one's own": {"alphabet": "HPC"},
    "pairs": {"pair_input": True},
    "pairs with context": {"pair_input": True, "pair_context": 2},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(**fields: Any) -> LyraForRegression:
    return build(LyraForRegression, **{"site_weights": True, "num_positions": POSITIONS, "num_labels": 2, **fields})


def without_sites(model: LyraForRegression, **fields: Any) -> LyraForRegression:
    """The same model but for its site weights."""
    changes = {"site_weights": False, "num_positions": 0, "num_labels": 2, "problem_type": "regression"}
    other = build(LyraForRegression, dtype=model.dtype, **{**changes, **fields})
    found = other.load_state_dict(model.state_dict(), strict=False)
    assert (found.missing_keys, found.unexpected_keys) == ([], ["site_weights.weight"])
    return other


def size_of(config: LyraConfig, length: int) -> int:
    """Letters in a row: `length` of them, or as many in the second sequence of a pair."""
    return 2 * (length + config.pair_context) if config.pair_input else length


def letters_of(token: int, name: str) -> list[int]:
    """The letters of the alphabet proper that a token stands for, by their numbers."""
    alphabet = get_alphabet(name)
    symbol = {index: symbol for symbol, index in alphabet.vocabulary.items()}[token]
    stands_for = alphabet.letters if token == UNK_ID else alphabet.ambiguity.get(symbol, symbol)
    return [alphabet.letters.index(letter) for letter in stands_for]


def expected_scores(model: LyraForRegression, tokens: list[int]) -> Tensor:
    """What the site weights give the tokens of one sequence, or of a pair: (O,) in float64."""
    config, weight = model.config, model.site_weights.weight.double()
    sequences = [tokens]
    if config.pair_input:
        size = len(tokens) // 2 + config.pair_context if tokens else 0
        unknown = [UNK_ID] * config.pair_context if tokens else []
        sequences = [tokens[:size], [*unknown, *tokens[size:], *unknown]]
    total = torch.zeros(config.num_labels, dtype=torch.float64)
    for number, sequence in enumerate(sequences):
        for position, token in enumerate(sequence[: config.num_positions]):
            letters = letters_of(token, config.alphabet)
            for letter in letters:
                total += weight[position, number * config.num_letters + letter] / len(letters)
    return total


def expected_of(model: LyraForRegression, rows: list[list[int]], **fields: Any) -> Tensor:
    """The model's predictions for some rows, of which each is computed by itself."""
    network, scale = without_sites(model, **fields), model.classifier.label_scale
    logits = []
    for row in rows:
        pooled = network.lyra(torch.tensor([row])).pooler_output
        logits.append(scale(network.classifier.linear(pooled)[0] + expected_scores(model, row)))
    return torch.stack(logits)


class TestScores:
    @every_kind
    @given(lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4), seed=st.integers(0, 2**16), data=st.data())
    def test_are_sums_over_the_letters(self, kind: str, lengths: list[int], seed: int, data: st.DataObject) -> None:
        fields = KINDS[kind]
        model = make(dtype=torch.float64, **fields)
        vocabulary = model.config.vocab_size
        sizes = [size_of(model.config, length) for length in lengths]
        rows = [random_ids(size, seed=seed + index, vocab_size=vocabulary) for index, size in enumerate(sizes)]
        width = max(sizes) + data.draw(st.integers(0, 6))
        before = [data.draw(st.integers(0, width - size)) for size in sizes]
        padded = [
            F.pad(row, (left, width - left - len(row)), value=PAD_ID) for row, left in zip(rows, before, strict=True)
        ]
        ids = torch.stack(padded)
        expected = expected_of(model, [row.tolist() for row in rows], **fields)
        torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=1e-10)
        # The mask alone says so as well.
        masked = model(ids.masked_fill(ids == PAD_ID, 3), attention_mask=ids != PAD_ID).logits
        torch.testing.assert_close(masked, expected, rtol=0, atol=1e-10)

    @every_kind
    @pytest.mark.parametrize("length", [1, POSITIONS - 1, POSITIONS, POSITIONS + 1, 300])
    def test_sequences_shorter_and_longer_than_the_positions(self, kind: str, length: int) -> None:
        fields = KINDS[kind]
        model = make(dtype=torch.float64, **fields)
        ids = random_ids(2, size_of(model.config, length), vocab_size=model.config.vocab_size)
        expected = expected_of(model, ids.tolist(), **fields)
        torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("alphabet", ["dna", "rna", "protein"])
    def test_every_code_at_every_position(self, alphabet: str) -> None:
        sites = make(alphabet=alphabet, dtype=torch.float64).site_weights
        for code, position in itertools.product(range(1, len(sites.membership)), range(POSITIONS)):
            ids = torch.full((1, position + 1), code)
            letters = letters_of(code, alphabet)
            expected = sites.weight[: position + 1, letters].mean(1).sum(0)
            torch.testing.assert_close(sites(ids, None, ids != PAD_ID)[0], expected, rtol=0, atol=1e-12)

    def test_padding_alone_has_none(self) -> None:
        for fields in KINDS.values():
            model = make(**fields)
            ids = torch.full((2, 12), PAD_ID)
            scores = model.classifier.linear.bias.expand(2, -1)
            assert torch.equal(model(ids).logits, model.classifier.label_scale(scores))

    def test_letters_after_a_gap_are_counted_on(self) -> None:
        sites = make().site_weights
        ids = torch.tensor([[PAD_ID, 2, 3, PAD_ID, 5]])
        expected = sites.weight[0, 0] + sites.weight[1, 1] + sites.weight[2, 3]
        torch.testing.assert_close(sites(ids, None, ids != PAD_ID)[0], expected)

    @pytest.mark.parametrize("transform", [None, "log", "rank"])
    def test_are_on_the_scale_of_the_head(self, transform: str | None) -> None:
        model = make(label_transform=transform, dtype=torch.float64)
        labels = torch.rand(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).exp()
        scale = model.classifier.label_scale
        scale.fit(labels)
        ids = random_ids(40, 12)
        scores = model.classifier.linear(model.lyra(ids).pooler_output)
        scores = scores + torch.stack([expected_scores(model, row) for row in ids.tolist()])
        output = model(ids, labels=labels)
        torch.testing.assert_close(output.logits, scale(scores))
        torch.testing.assert_close(output.loss, F.mse_loss(scores, scale.standardize(labels)))
        assert torch.equal(output.logits, model(ids).logits)

    def test_beside_the_pooling_by_position(self) -> None:
        model = make(pooling="position", dtype=torch.float64)
        ids = random_ids(3, 12)
        expected = expected_of(model, ids.tolist(), pooling="position", num_positions=POSITIONS)
        torch.testing.assert_close(model(ids).logits, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("cls", BOTH_HEADS)
    def test_a_new_model_has_none(self, cls: type[LyraForRegression]) -> None:
        model = cls(small_config(site_weights=True)).eval()
        assert model.site_weights.weight.shape == (POSITIONS, 4, 1)
        assert not model.site_weights.weight.any()
        ids = random_ids(3, 12)
        scores = model.classifier.linear(model.lyra(ids).pooler_output)
        assert torch.equal(model(ids).logits, model.classifier.label_scale(scores))

    def test_they_are_not_trained(self) -> None:
        model = make()
        assert not any(name.startswith("site_weights") for name, _ in model.named_parameters())
        model(random_ids(3, 12), labels=torch.zeros(3, 2)).loss.backward()
        assert model.site_weights.weight.grad is None
        assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


class TestEnsembles:
    @every_kind
    def test_members_share_them(self, kind: str) -> None:
        ensemble = make(ensemble_size=3, dtype=torch.float64, **KINDS[kind])
        singles, ids = ensemble.members(), random_ids(4, 12, vocab_size=ensemble.config.vocab_size)
        labels = torch.zeros(4, 2, dtype=torch.float64)
        outputs = [single(ids, labels=labels) for single in singles]
        logits = torch.stack([output.logits for output in outputs])
        for single in singles:
            assert torch.equal(single.site_weights.weight, ensemble.site_weights.weight)
        output = ensemble(ids, labels=labels)
        torch.testing.assert_close(output.logits, logits.mean(0), rtol=0, atol=1e-10)
        torch.testing.assert_close(output.spread, logits.std(0, correction=0), rtol=0, atol=1e-10)
        torch.testing.assert_close(output.loss, torch.stack([one.loss for one in outputs]).mean(), rtol=0, atol=1e-10)
        again = LyraForRegression.from_members(singles)
        assert torch.equal(again(ids).logits, output.logits)
        assert again.state_dict().keys() == ensemble.state_dict().keys()

    def test_other_site_weights_are_refused(self) -> None:
        one = make()
        other = copy.deepcopy(one)
        other.site_weights.weight.add_(1)
        with pytest.raises(ValueError, match=r"share their site weights; these differ in site_weights\.weight"):
            LyraForRegression.from_members([one, other])
        models = [build(LyraForRegression, pooling="position", site_weights=sites) for sites in (True, False)]
        with pytest.raises(ValueError, match="of one configuration; these differ in site_weights"):
            LyraForRegression.from_members(models)

    def test_other_label_scales_are_named_as_before(self) -> None:
        one = make()
        other = copy.deepcopy(one)
        other.classifier.label_scale.mean.add_(1)
        with pytest.raises(ValueError, match="share their label scale"):
            LyraForRegression.from_members([one, other])


class TestPrecision:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_stays_in_float32(self, dtype: torch.dtype, tmp_path: Path) -> None:
        model = make()
        weight = model.site_weights.weight.clone()
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path, dtype=dtype)
        ids = random_ids(3, 12)
        for narrow in (loaded, model.to(dtype)):
            assert narrow.classifier.linear.weight.dtype == dtype
            assert narrow.site_weights.weight.dtype == torch.float32
            assert torch.equal(narrow.site_weights.weight, weight)
            assert narrow(ids).logits.dtype == torch.float32
        assert torch.equal(loaded(ids).logits, model(ids).logits)
        # A score of many digits keeps them.
        model.site_weights.weight.fill_(1000.125)
        scores = model.site_weights(ids, None, ids != PAD_ID)
        assert torch.equal(scores, torch.full((3, 2), POSITIONS * 1000.125))

    def test_saved_in_half_precision(self, tmp_path: Path) -> None:
        model = make().to(torch.bfloat16)
        model.save_pretrained(tmp_path)
        loaded = LyraForRegression.from_pretrained(tmp_path)
        assert loaded.site_weights.weight.dtype == torch.float32
        assert torch.equal(loaded.site_weights.weight, model.site_weights.weight)

    def test_autocast_narrows_nothing(self) -> None:
        sites, ids = make().site_weights, random_ids(3, 12)
        expected = sites(ids, None, ids != PAD_ID)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(sites(ids, None, ids != PAD_ID), expected)

    def test_double_precision_throughout(self) -> None:
        model, ids = make(dtype=torch.float64), random_ids(3, 12)
        assert model.site_weights.weight.dtype == torch.float64
        assert model(ids, labels=torch.zeros(3, 2).double()).loss.dtype == torch.float64


class TestSaving:
    @every_kind
    @pytest.mark.parametrize("size", [1, 3])
    @pytest.mark.parametrize("cls", BOTH_HEADS)
    def test_round_trip_changes_no_bit(
        self, cls: type[LyraForRegression], size: int, kind: str, tmp_path: Path
    ) -> None:
        model = build(cls, site_weights=True, ensemble_size=size, **KINDS[kind])
        model.save_pretrained(tmp_path)
        ids = random_ids(3, 12, vocab_size=model.config.vocab_size)
        for loaded in (cls.from_pretrained(tmp_path), AutoModelForSequenceClassification.from_pretrained(tmp_path)):
            assert torch.equal(loaded(ids).logits, model(ids).logits)
            assert loaded.state_dict().keys() == model.state_dict().keys()
            for name, buffer in model.named_buffers():
                assert torch.equal(loaded.get_buffer(name), buffer), name
        assert "site_weights.weight" in model.state_dict()
        assert "site_weights.membership" not in model.state_dict()

    def test_the_encoder_of_such_a_model(self, tmp_path: Path) -> None:
        model = make()
        model.save_pretrained(tmp_path)
        loaded, info = LyraModel.from_pretrained(tmp_path, output_loading_info=True)
        assert not info["missing_keys"]
        assert not info["unexpected_keys"]
        ids = random_ids(2, 20)
        assert torch.equal(loaded(ids).pooler_output, model.lyra(ids).pooler_output)

    def test_a_checkpoint_without_them(self, tmp_path: Path) -> None:
        model = build(LyraForRegression, num_labels=2)
        model.save_pretrained(tmp_path)
        assert LyraForRegression.from_pretrained(tmp_path).site_weights is None
        loaded = LyraForRegression.from_pretrained(tmp_path, site_weights=True, num_positions=POSITIONS)
        assert loaded.site_weights.weight.shape == (POSITIONS, 4, 2)
        assert not loaded.site_weights.weight.any()
        assert torch.equal(loaded.site_weights.membership, loaded.lyra.encoder.membership)
        ids = random_ids(2, 20)
        assert torch.equal(loaded(ids).logits, model(ids).logits)


@every_kind
@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("frozen", [False, True])
def test_they_are_counted_as_parameters(kind: str, size: int, *, frozen: bool) -> None:
    model = make(ensemble_size=size, **KINDS[kind])
    network = without_sites(model, ensemble_size=size, **KINDS[kind])
    for one in (model, network):
        one.lyra.requires_grad_(requires_grad=not frozen)
    letters = model.config.num_letters * (2 if model.config.pair_input else 1)
    for asked in ({}, {"only_trainable": True}, {"exclude_embeddings": True}):
        assert model.num_parameters(**asked) == network.num_parameters(**asked) + POSITIONS * letters * 2
    assert model.lyra.num_parameters() == network.lyra.num_parameters()


class TestRefusals:
    def test_embeddings(self) -> None:
        model = make()
        embeddings = model.get_input_embeddings()(random_ids(2, 12))
        with pytest.raises(ValueError, match="site weights read letters"):
            model(inputs_embeds=embeddings)
        with pytest.raises(ValueError, match="exactly one"):
            model()

    def test_a_head_per_residue(self) -> None:
        with pytest.raises(ValueError, match="site_weights is for a head per sequence"):
            LyraForTokenClassification(small_config(site_weights=True))

    def test_models_that_say_so_alone_have_them(self) -> None:
        assert build(LyraForRegression).site_weights is None
        assert isinstance(make().site_weights, LyraSiteWeights)
