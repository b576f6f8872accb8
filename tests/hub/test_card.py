import statistics
from dataclasses import asdict, replace

import pytest
from huggingface_hub import ModelCard, metadata_load

from lyra_hf import UserError
from lyra_hf.hub.card import model_card
from lyra_hf.tasks.recipe import Result, load_recipe
from lyra_hf.training.options import TrainingOptions

METRICS = ("spearman", "pearson", "rmse", "r2")


def report(seed, validation, test):
    """A training report as `finetune` returns it."""
    return {
        "validation": {**dict(zip(METRICS, validation, strict=True)), "n": 200},
        "test": {**dict(zip(METRICS, test, strict=True)), "n": 100},
        "best_epoch": 3.0,
        "metric": "spearman",
        "minutes": 4.0 + 2 * seed,
        "parameters": 46145,
        "rows": {"train": 11570, "validation": 200, "test": 100},
        "options": asdict(TrainingOptions(seed=seed)),
    }


REPORTS = [
    report(0, (0.71, 0.7, 15.25, 0.5), (0.71234, 0.7, 16.5, 0.40004)),
    report(1, (0.72, 0.71, 15.0, 0.52), (0.70111, 0.69, 17.0, 0.38)),
]


@pytest.fixture(scope="module")
def recipe():
    training = TrainingOptions(epochs=40, batch_size=128, averaging=0.998)
    return replace(load_recipe("kim2019_spcas9"), model={}, training=training)


@pytest.fixture(scope="module")
def text(recipe):
    return model_card(recipe, REPORTS, 1, "a laptop")


def table_row(text, beginning):
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {beginning}")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_front_matter(recipe, text, tmp_path):
    card = ModelCard(text)
    data = card.data
    assert data.license == recipe.licence
    assert data.library_name == "transformers"
    assert data.pipeline_tag == "text-classification"
    assert data.model_name == recipe.checkpoint
    assert {"biology", "lyra", "dna", "cas9"} <= set(data.tags)
    card.save(tmp_path / "README.md")
    metadata = metadata_load(tmp_path / "README.md")
    assert metadata["license"] == recipe.licence
    assert [entry["name"] for entry in metadata["model-index"]] == [recipe.checkpoint]


@pytest.mark.parametrize("chosen", [0, 1])
def test_the_model_index_holds_the_test_metrics_of_what_is_shipped(recipe, chosen):
    results = ModelCard(model_card(recipe, REPORTS, chosen, "a laptop")).data.eval_results
    expected = {name: round(REPORTS[chosen]["test"][name], 4) for name in METRICS}
    assert {result.metric_type: result.metric_value for result in results} == expected
    assert {(result.dataset_type, result.dataset_split) for result in results} == {(recipe.table, "test")}
    assert {result.task_type for result in results} == {"text-classification"}


def test_each_seed_has_its_row(text):
    assert table_row(text, "seed 0") == ["seed 0", "0.7100", "0.7123", "0.7000", "16.5000", "0.4000"]
    assert table_row(text, "seed 1") == ["seed 1", "0.7200", "0.7011", "0.6900", "17.0000", "0.3800"]
    header = table_row(text, "| validation")
    assert header[1:] == ["validation spearman", *(f"test {name}" for name in METRICS)]


def test_mean_and_standard_deviation(text):
    label, *cells = table_row(text, "mean")
    assert label == "mean ± standard deviation of 2 seeds"
    columns = [[entry["validation"]["spearman"] for entry in REPORTS]]
    columns += [[entry["test"][name] for entry in REPORTS] for name in METRICS]
    for cell, values in zip(cells, columns, strict=True):
        mean, deviation = map(float, cell.split(" ± "))
        assert mean == pytest.approx(sum(values) / 2, abs=6e-5)
        # Of a sample of two: the difference over the square root of two.
        assert deviation == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=6e-5)
    assert float(cells[0].split(" ± ")[1]) == pytest.approx(statistics.stdev([0.71, 0.72]), abs=6e-5)


def test_one_seed_has_no_spread(recipe):
    text = model_card(recipe, REPORTS[:1], 0, "a laptop")
    assert "seed 0" in text
    assert "±" not in text


def test_other_methods_stand_below_on_their_metric(recipe, text):
    for result in [*recipe.baseline, *recipe.published]:
        cells = table_row(text, result.method)
        assert cells[2 + METRICS.index(result.metric)] == f"{result.value:g}"
        assert [cell for cell in cells[1:] if cell] == [f"{result.value:g}"]


def test_what_a_reader_needs_is_in_it(recipe, text):
    for value in (
        f"# {recipe.checkpoint}",
        recipe.example,
        recipe.limits.strip(),
        recipe.intended_use.strip(),
        recipe.source.paper,
        recipe.source.repository,
        recipe.source.commit,
        recipe.source.licence,
        recipe.source.steps,
        "46,145 parameters",
        "11,570 train, 200 validation, 100 test",
        "best on validation, seed 1",
        "with seeds 0, 1; 5 minutes per seed on a laptop",
        "Training: epochs 40, batch_size 128, averaging 0.998\n",
        "Model: the defaults",
        'pipeline("text-classification", model="lyra-cas9")',
    ):
        assert value in text, value
    assert "{" not in ModelCard(text).text
    assert not any(line != line.rstrip() for line in text.splitlines())


def test_a_head_per_residue_is_another_pipeline(recipe):
    text = model_card(replace(recipe, head="residue", model={"bidirectional": True}), REPORTS, 0, "a laptop")
    assert ModelCard(text).data.pipeline_tag == "token-classification"
    assert 'pipeline("token-classification"' in text
    assert "Model: bidirectional True" in text


def test_a_metric_that_the_data_leave_undefined(recipe):
    undefined = report(2, (0.7, 0.7, 15.0, 0.5), (0.7, None, 16.0, 0.4))
    text = model_card(recipe, [REPORTS[0], undefined], 1, "a laptop")
    assert {result.metric_type for result in ModelCard(text).data.eval_results} == {"spearman", "rmse", "r2"}
    assert table_row(text, "seed 2")[3] == ""


def test_several_outputs_are_measured_by_their_means(recipe):
    several = [{**entry, "test": {**entry["test"], "outputs": {"a": {}, "b": {}}}} for entry in REPORTS]
    results = ModelCard(model_card(recipe, several, 0, "a laptop")).data.eval_results
    assert [result.metric_type for result in results] == list(METRICS)


def test_published_results_on_another_metric_have_no_figure(recipe):
    other = replace(recipe, published=[Result("a method", "auroc", 0.9)], baseline=[])
    assert table_row(model_card(other, REPORTS, 0, "a laptop"), "a method") == ["a method", "", "", "", "", ""]


def test_no_checkpoint_no_card(recipe):
    with pytest.raises(UserError, match="task kim2019_spcas9 ships no checkpoint"):
        model_card(replace(recipe, checkpoint=None), REPORTS, 0, "a laptop")
