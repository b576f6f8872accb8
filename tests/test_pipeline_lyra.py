"""The pipeline "token-classification": its own entries for numbers and several labels, transformers' for classes."""

import numpy as np
import pytest
from small_models import build
from transformers import TokenClassificationPipeline, pipeline

import lyra_hf
from lyra_hf import LyraForTokenClassification, Predictor, build_tokenizer
from lyra_hf.tasks.recipe import Recipe, load_recipe, recipe_names

SHIPPED = [recipe for recipe in map(load_recipe, recipe_names()) if recipe.checkpoint]
RNA = "GGGAAACUUCGGUUUCCC"
PROTEIN = "MKTAYIAKQR qisfvkshfs"


class TestShippedCheckpoints:
    def test_numbers_in_their_units(self) -> None:
        entries = pipeline("token-classification", model="lyra-rna-reactivity")(RNA)
        expected = Predictor("lyra-rna-reactivity")([RNA])[0]
        assert expected.shape == (18, 5)
        found = np.array([entry["score"] for entry in entries]).reshape(18, 5)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        names = list(lyra_hf.LyraConfig.from_pretrained("lyra-rna-reactivity").id2label.values())
        assert [entry["entity"] for entry in entries[:5]] == names

    def test_several_labels_at_once(self) -> None:
        entries = pipeline("token-classification", model="lyra-disorder")(PROTEIN)
        logits = Predictor("lyra-disorder")([PROTEIN])[0]
        assert logits.shape == (20, 7)
        found = np.array([entry["score"] for entry in entries]).reshape(20, 7)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-logits)), rtol=1e-4, atol=1e-6)
        assert {entry["entity"] for entry in entries} >= {"disorder", "protein binding"}

    def test_classes_as_in_transformers(self) -> None:
        own = pipeline("token-classification", model="lyra-rna-paired")
        stock = TokenClassificationPipeline(model=own.model, tokenizer=own.tokenizer)
        assert own(RNA) == stock(RNA)
        assert own(RNA, aggregation_strategy="simple") == stock(RNA, aggregation_strategy="simple")
        assert {entry["entity"] for entry in own(RNA)} <= {"unpaired", "paired"}


@pytest.mark.parametrize("recipe", SHIPPED, ids=lambda recipe: recipe.checkpoint)
class TestEveryShippedCheckpoint:
    """On the example of its card."""

    def test_its_own_pipeline(self, recipe: Recipe) -> None:
        scorer = pipeline(model=recipe.checkpoint)
        expected = np.asarray(Predictor(recipe.checkpoint)([recipe.example])[0]).reshape(-1, len(recipe.outputs))
        if recipe.problem_type == "multi_label_classification":
            expected = 1 / (1 + np.exp(-expected))
        if recipe.problem_type == "single_label_classification":
            expected = np.exp(expected) / np.exp(expected).sum(-1, keepdims=True)
        if recipe.head == "residue":
            entries = scorer(recipe.example)
            if recipe.problem_type == "single_label_classification":  # the likeliest alone
                expected = expected.max(-1)
        elif recipe.pair is None:
            entries = scorer(recipe.example, top_k=None)
        else:
            entries = scorer(dict(zip(("text", "text_pair"), recipe.example.split(), strict=True)), top_k=None)
        names = "entity" if recipe.head == "residue" else "label"
        assert {entry[names] for entry in entries} <= set(recipe.outputs)
        found = sorted(float(entry["score"]) for entry in entries)
        np.testing.assert_allclose(found, sorted(expected.flatten()), rtol=1e-4, atol=1e-5)

    def test_feature_extraction(self, recipe: Recipe) -> None:
        features = np.array(pipeline("feature-extraction", model=recipe.checkpoint)(recipe.example))
        config = lyra_hf.LyraConfig.from_pretrained(recipe.checkpoint)
        first = recipe.example.split()[0] if recipe.pair else recipe.example.replace(" ", "")
        assert features.shape == (1, len(first), config.hidden_size * config.ensemble_size)
        assert np.isfinite(features).all()


class TestEntries:
    @pytest.fixture
    def numbers(self) -> TokenClassificationPipeline:
        model = build(LyraForTokenClassification, num_labels=2, problem_type="regression", id2label={0: "a", 1: "b"})
        return pipeline("token-classification", model=model, tokenizer=build_tokenizer("dna"))

    def test_places_in_the_text(self, numbers: TokenClassificationPipeline) -> None:
        entries = numbers("ac gT")
        places = [(entry["index"], entry["word"], entry["start"], entry["end"]) for entry in entries[::2]]
        assert places == [(0, "a", 0, 1), (1, "c", 1, 2), (2, "g", 3, 4), (3, "T", 4, 5)]

    def test_batches(self, numbers: TokenClassificationPipeline) -> None:
        alone = [numbers(sequence) for sequence in ("ACGT", "GG")]
        together = numbers(["ACGT", "GG"], batch_size=2)
        for one, other in zip(alone, together, strict=True):
            assert [entry["word"] for entry in one] == [entry["word"] for entry in other]
            np.testing.assert_allclose(
                [entry["score"] for entry in one], [entry["score"] for entry in other], atol=1e-5
            )

    def test_ignored_labels(self, numbers: TokenClassificationPipeline) -> None:
        assert {entry["entity"] for entry in numbers("ACGT", ignore_labels=["a"])} == {"b"}

    def test_no_aggregation_of_numbers(self, numbers: TokenClassificationPipeline) -> None:
        with pytest.raises(ValueError, match="this model gives numbers"):
            numbers("ACGT", aggregation_strategy="simple")


@pytest.mark.parametrize("problem_type", ["regression", "single_label_classification", "multi_label_classification"])
def test_pairs_have_the_residues_of_the_first_sequence(problem_type: str) -> None:
    fields = {"num_labels": 2, "problem_type": problem_type, "pair_input": True, "pair_context": 1}
    model = build(LyraForTokenClassification, **fields)
    scorer = pipeline("token-classification", model=model, tokenizer=build_tokenizer("dna"))
    pairs = [("ACGTAC", "CGTA"), ("ACG", "T")]
    texts = [f"{first} {second}" for first, second in pairs]
    alone, together = [scorer(text) for text in texts], scorer(texts, batch_size=2)
    per_residue = 1 if problem_type == "single_label_classification" else 2
    for (first, _), one, other, logits in zip(pairs, alone, together, Predictor(model)(texts), strict=True):
        assert [entry["word"] for entry in one] == [letter for letter in first for _ in range(per_residue)]
        assert [entry["word"] for entry in other] == [entry["word"] for entry in one]
        scores = [entry["score"] for entry in one]
        np.testing.assert_allclose([entry["score"] for entry in other], scores, rtol=1e-4, atol=1e-5)
        if problem_type == "regression":
            np.testing.assert_allclose(scores, logits.flatten(), rtol=1e-4, atol=1e-5)
