import numpy as np
import pytest
from huggingface_hub import ModelCard
from small_models import build

from lyra_hf import LyraForRegression, Predictor
from lyra_hf.cards import MARK
from lyra_hf.hub.trained_card import write_trained_card

TEST = {"spearman": 0.81234, "r2": None, "n": 20, "interval": [0.7, 0.9], "subsets": {"half": {"spearman": 0.8}}}
REPORT = {
    "validation": {"spearman": 0.75, "r2": 0.5, "n": 10},
    "test": TEST,
    "best_epoch": 7.0,
    "metric": "spearman",
    "minutes": 1.5,
    "parameters": 633,
    "rows": {"train": 1200, "validation": 10, "test": 20},
    "options": {"epochs": 9, "start": None, "refit": False, "seed": 3},
}


@pytest.fixture
def card(tmp_path):
    """The card of a model with a report that differs from the one above in some entries."""

    def write(model=None, validation=(), **entries):
        model = model or build(LyraForRegression)
        model.save_pretrained(tmp_path)
        write_trained_card(Predictor(model), {**REPORT, **entries}, tmp_path, validation)
        return ModelCard.load(tmp_path / "README.md")

    return write


def test_what_was_measured_and_how_it_was_trained(card):
    found = card()
    assert "| spearman | 0.7500 | 0.8123 |\n| r2 | 0.5000 |  |" in found.text
    assert "The 95 % interval of the test spearman is 0.7000 to 0.9000" in found.text
    assert "Rows: 1,200 train, 10 validation, 20 test." in found.text
    assert (
        "By `lyra-hf train`, in 1.5 minutes; the weights are those of epoch 7. Options: epochs 9, refit False, seed 3."
        in found.text
    )
    (result,) = found.data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("spearman", 0.8123, "test")
    assert MARK in found.content


def test_no_test_rows(card):
    found = card(test=None, rows={"train": 5, "validation": 10})
    assert "There were no test rows." in found.text
    assert "| spearman | 0.7500 |\n" in found.text
    assert {result.dataset_split for result in found.data.eval_results} == {"validation"}


def test_an_ensemble_that_learned_from_validation_rows_too(card):
    found = card(best_epoch=None, options={"refit": True, "seed": [0, 1]})
    assert "The models of these seeds were joined into one ensemble. Options: refit True, seed [0, 1]." in found.text
    assert "their figures are those from before" in found.text
    assert "the weights are those of epoch" not in found.text


def test_where_somebodys_files_lie_is_not_told(card):
    found = card(options={"seed": 0, "start": "/home/somebody/secret-project/model"})
    assert "Options: seed 0, start model." in found.text
    assert "somebody" not in found.content


def test_the_command_the_table_and_its_licence(card):
    command = "lyra-hf train --target=indels --output=DIR -- guides.csv"
    found = card(origin={"command": command, "tables": ["guides.csv", "two words.tsv"], "license": "mit"})
    assert f"By `{command}`, in 1.5 minutes" in found.text
    assert "The tables `guides.csv`, `two words.tsv`. Rows: 1,200 train" in found.text
    assert (found.data.license, found.data.datasets) == ("mit", ["guides"])


def test_what_is_not_known(card):
    found = card()
    assert "The table is not told here." in found.text
    assert (found.data.license, found.data.datasets) == ("unknown", None)
    assert "output" not in found.data.widget[0]


@pytest.mark.parametrize("fields", [{}, {"pair_input": True, "pair_context": 1}])
def test_the_example_is_the_first_validation_row_that_can_be_shown(card, fields):
    model = build(LyraForRegression, id2label={0: "kcal/mol"}, **fields)
    ids = np.array([2, 3, 4, 5, 6, 7], np.uint8)
    (widget,) = card(model, [np.full(10_000, 2, np.uint8), ids, ids[:4]]).data.widget
    letters = "ACGTRY"
    assert widget["text"] == ("ACGT RY" if fields else letters)
    expected = {"label": "kcal/mol", "score": pytest.approx(float(Predictor(model)([letters])[0]), rel=1e-3)}
    assert widget["output"] == [expected]


def test_a_card_that_somebody_wrote_stays(card, tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\nMine.")
    assert card().text.strip() == "Mine."
