import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, LyraModel
from lyra_hf.cards import MARK, PLACEHOLDER, Told, is_own, metrics_table, named, pipeline_of
from lyra_hf.publishing import card_of

SECTIONS = ["Use", "Limits", "Data", "Training", "Results", "Parameters", "Citation"]


def sections(card):
    return {part.split("\n", 1)[0]: part.split("\n", 1)[1].strip() for part in card.split("\n## ")[1:]}


def front_matter(card):
    return yaml.safe_load(card.split("---\n")[1])


def test_the_sections_and_the_front_matter_of_a_regression():
    model = build(LyraForRegression)
    card = card_of(model)
    assert list(sections(card)) == SECTIONS
    assert front_matter(card) == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "tags": ["biology", "lyra", "dna", "regression"],
        "license": "unknown",
        "widget": [{"text": "ACGTACGTACGT", "example_title": "a sequence that is made up"}],
    }
    assert sections(card)["Parameters"].startswith(f"{model.num_parameters():,}. Configuration: alphabet dna, ")
    assert sections(card)["Results"].startswith("Unknown")
    assert sections(card)["Data"] == sections(card)["Training"] == "Not told in the model's files."
    assert "in the units of the labels it was trained on: `LABEL_0`." in card


@pytest.mark.parametrize(
    ("cls", "fields", "pipeline", "words"),
    [
        (LyraModel, {"hidden_size": 8}, "feature-extraction", "a vector of 8 numbers for each residue"),
        (LyraForSequenceClassification, {"num_labels": 3}, "text-classification", "each sequence one of 3 labels"),
        (
            LyraForTokenClassification,
            {"num_labels": 2, "problem_type": "multi_label_classification"},
            "token-classification",
            "each residue any of 2 labels",
        ),
        (LyraForRegression, {"ensemble_size": 3}, "text-classification", "an ensemble of 3 Lyras"),
        (LyraForRegression, {"pair_input": True}, "text-classification", "reads pairs of DNA sequences"),
        (LyraForRegression, {"pooling": "position"}, "text-classification", "tells the first 7 positions apart"),
        (LyraForRegression, {"alphabet": "01"}, "text-classification", "Letters other than `01` are refused"),
    ],
)
def test_what_the_configuration_tells(cls, fields, pipeline, words):
    model = build(cls, **fields)
    card = card_of(model)
    assert pipeline_of(model) == front_matter(card)["pipeline_tag"] == pipeline
    assert words in card


def test_the_example_suits_the_input_and_the_outputs():
    card = card_of(build(LyraForSequenceClassification, num_labels=3))
    assert 'run("ACGTACGTACGT", top_k=None)' in card
    assert '"text_pair": "ACGTACGTACGT"' in card_of(build(LyraForRegression, pair_input=True))
    card = card_of(build(LyraForRegression, pair_input=True, pair_context=1))
    assert '{"text": "ACGTACGTACGTAC", "text_pair": "ACGTACGTACGT"}' in card
    (widget,) = ModelCard(card).data.widget
    assert widget == {"text": "ACGTACGTACGTAC ACGTACGTACGT", "example_title": "a sequence that is made up"}


def test_what_is_told_beside(tmp_path):
    evaluation = EvalResult("text-classification", "custom", "rows", "r2", 0.5)
    told = Told("Guides.", "By hand.", "Good.", [evaluation], {"license": "mit"}, ["biology", "cas9"])
    card = card_of(build(LyraForRegression), told)
    found = sections(card)
    assert (found["Data"], found["Training"], found["Results"]) == ("Guides.", "By hand.", "Good.")
    assert front_matter(card)["license"] == "mit"
    assert front_matter(card)["tags"] == ["biology", "lyra", "dna", "regression", "cas9"]
    (read,) = ModelCard(named(card, "org/guides")).data.eval_results
    assert (read.metric_type, read.metric_value) == ("r2", 0.5)


def test_the_name_comes_in_when_it_is_known():
    card = card_of(build(LyraForRegression))
    assert PLACEHOLDER in card
    complete = named(card, "org/guides")
    assert PLACEHOLDER not in complete
    assert 'from_pretrained("org/guides", trust_remote_code=True)' in complete
    assert named(f"mine, of {PLACEHOLDER}", "org/guides") == f"mine, of {PLACEHOLDER}"


def test_whose_a_card_is(tmp_path):
    assert not is_own(tmp_path)
    (tmp_path / "README.md").write_text(card_of(build(LyraForRegression)))
    assert not is_own(tmp_path)
    (tmp_path / "README.md").write_text((tmp_path / "README.md").read_text().replace(MARK, ""))
    assert is_own(tmp_path)


def test_a_table_of_metrics():
    assert metrics_table({"validation": {"r2": 0.5, "rmse": 2.0}, "test": {"r2": None, "mcc": 1.0}}) == (
        "| metric | validation | test |\n| --- | --- | --- |\n"
        "| r2 | 0.5000 |  |\n| rmse | 2.0000 |  |\n| mcc |  | 1.0000 |"
    )
