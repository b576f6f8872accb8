import statistics
from dataclasses import replace

import pytest
from huggingface_hub import ModelCard, metadata_load
from made_outcomes import made_ensemble, made_outcome, made_report

from lyra_hf import Predictor, UserError, checkpoint_names, checkpoint_path
from lyra_hf.hub.card import model_card
from lyra_hf.hub.shown import Shown, example_outputs, read_shown
from lyra_hf.tasks.outcomes import best_configuration, outcome_path, read_outcome
from lyra_hf.tasks.recipe import Result, load_recipe, recipe_names
from lyra_hf.training.evaluation import evaluate_rows
from lyra_hf.training.formats import Condition
from lyra_hf.training.options import TrainingOptions

SHOWN = Shown([{"label": "percent indels", "score": 41.25}], letters=30, rate=52000.0, thread="1 CPU thread (a laptop)")
METRICS = ("spearman", "pearson", "rmse", "r2")
VALIDATION = [(0.71, 0.7, 15.25, 0.5), (0.72, 0.71, 15.0, 0.52)]
TEST = [(0.71234, 0.7, 16.5, 0.40004), (0.70111, 0.69, 17.0, 0.38)]


def report(seed, **of_test):
    figures = [dict(zip(METRICS, values[seed], strict=True)) for values in (VALIDATION, TEST)]
    return made_report(*figures, minutes=4.0 + 2 * seed, rows=(11570, 200, 100), **of_test)


@pytest.fixture(scope="module")
def recipe():
    training = TrainingOptions(epochs=40, batch_size=128, averaging=0.998)
    return replace(load_recipe("kim2019_spcas9"), model={}, training=training)


@pytest.fixture(scope="module")
def outcome():
    return made_outcome(report(0, interval=[0.1, 0.2]), report(1, interval=[0.65432, 0.75432]))


@pytest.fixture(scope="module")
def text(recipe, outcome):
    return model_card(recipe, outcome, SHOWN)


def table_rows(text, beginning):
    """Cells of the rows that begin so."""
    lines = [line for line in text.splitlines() if line.startswith(f"| {beginning}")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def table_row(text, beginning):
    (row,) = table_rows(text, beginning)
    return row


class TestFrontMatter:
    def test_what_it_shows_and_learned_from(self, text):
        data = ModelCard(text).data
        assert data.datasets == ["kim2019_spcas9"]
        (widget,) = data.widget
        assert widget["text"] == "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"
        assert widget["output"] == [{"label": "percent indels", "score": 41.25}]

    def test_parameters_and_speed(self, text):
        section = text.partition("## Parameters and speed\n\n")[2].partition("\n\n")[0]
        assert section == (
            "50,000 parameters. 52,000 sequences of 30 letters a second on 1 CPU thread (a laptop), with the engine of "
            "`lyra-hf predict`."
        )

    def test_as_the_hub_reads_it(self, recipe, text, tmp_path):
        card = ModelCard(text)
        data = card.data
        assert data.license == "cc-by-nc-4.0"
        assert data.license_name is data.license_link is None
        assert data.library_name == "transformers"
        assert data.pipeline_tag == "text-classification"
        assert data.model_name == recipe.checkpoint
        assert {"biology", "lyra", "dna", "cas9"} <= set(data.tags)
        card.save(tmp_path / "README.md")
        metadata = metadata_load(tmp_path / "README.md")
        assert metadata["license"] == "cc-by-nc-4.0"
        assert [entry["name"] for entry in metadata["model-index"]] == [recipe.checkpoint]

    def test_the_model_index_holds_the_test_metrics_of_what_is_shipped(self, recipe, text):
        results = ModelCard(text).data.eval_results
        expected = {name: round(value, 4) for name, value in zip(METRICS, TEST[1], strict=True)}
        assert {result.metric_type: result.metric_value for result in results} == expected
        assert {(result.dataset_type, result.dataset_split) for result in results} == {(recipe.tables[0], "test")}
        assert {result.task_type for result in results} == {"text-classification"}

    def test_the_test_rows_may_lie_in_another_table(self, recipe, outcome):
        other = replace(recipe, test=load_recipe("caid2_binding").test)
        results = ModelCard(model_card(other, outcome, SHOWN)).data.eval_results
        assert {result.dataset_type for result in results} == {"disorder/caid2"}

    def test_a_licence_of_its_own_has_a_name_and_an_address(self, recipe, outcome):
        text = model_card(replace(recipe, tables=("cas9/kim2019_spcas9", "cas9/wang2019_wt")), outcome, SHOWN)
        data = ModelCard(text).data
        assert (data.license, data.license_name) == ("other", "research-only")
        assert data.license_link == "https://github.com/South-Walker/AttCRISPR"
        assert "data without a licence" in text

    def test_free_weights_need_no_warning(self, recipe, outcome):
        text = model_card(replace(recipe, tables=("cas9/chuai2018_deepcrispr",)), outcome, SHOWN)
        assert ModelCard(text).data.license == "apache-2.0"
        assert "The weights are under Apache-2.0." in text


class TestResults:
    def test_each_seed_has_its_row(self, text):
        assert table_row(text, "seed 0") == ["seed 0", "0.7100", "0.7123", "0.7000", "16.5000", "0.4000"]
        assert table_row(text, "seed 1") == ["seed 1", "0.7200", "0.7011", "0.6900", "17.0000", "0.3800"]
        header = table_row(text, "run")
        assert header[1:] == ["validation spearman", *(f"test {name}" for name in METRICS)]

    def test_mean_and_standard_deviation(self, text):
        label, *cells = table_row(text, "mean")
        assert label == "mean ± standard deviation of 2 seeds"
        columns = [[values[0] for values in VALIDATION], *zip(*TEST, strict=True)]
        for cell, values in zip(cells, columns, strict=True):
            mean, deviation = map(float, cell.split(" ± "))
            assert mean == pytest.approx(sum(values) / 2, abs=6e-5)
            # Of a sample of two: the difference over the square root of two.
            assert deviation == pytest.approx(abs(values[0] - values[1]) / 2**0.5, abs=6e-5)
        assert float(cells[0].split(" ± ")[1]) == pytest.approx(statistics.stdev([0.71, 0.72]), abs=6e-5)

    def test_one_seed_has_no_spread(self, recipe):
        text = model_card(recipe, made_outcome(report(0)), SHOWN)
        assert "seed 0" in text
        assert "±" not in text

    def test_the_interval_is_that_of_the_shipped_seed(self, text):
        assert "seed 1. The 95 % interval of the test spearman is 0.6543 to 0.7543" in text

    def test_other_methods_stand_beside_ours(self, recipe, outcome):
        others = {
            "published": [
                Result("large", "spearman", 0.8, parameters=650_000_000, source="Table 1"),
                Result("elsewhere", "spearman", 0.9, comparable=False, source="other rows"),
            ],
            "baseline": [Result("ridge", "pearson", 0.5), Result("trees", "auroc", 0.5)],
        }
        text = model_card(replace(recipe, **others), outcome, SHOWN)
        ours = [f"{statistics.mean(values):.4f} ± {statistics.stdev(values):.4f}" for values in zip(*TEST, strict=True)]
        assert table_rows(text, "method") == [
            ["method", "its parameters", "of", "its figure", "ours", "95 % interval of ours"]
        ]
        interval = "0.6543 to 0.7543"
        assert table_row(text, "large")[1:] == ["650,000,000", "all", "spearman 0.8", ours[0], interval]
        assert table_row(text, "ridge")[1:] == ["", "all", "pearson 0.5", ours[1], ""]
        assert table_row(text, "trees")[1:] == ["", "all", "auroc 0.5", "", ""]
        assert table_rows(text, "elsewhere") == []
        assert "- elsewhere: spearman 0.9 (other rows)" in text

    def test_parts_and_outputs_by_themselves(self, recipe):
        def figures(value):
            return dict.fromkeys(METRICS, value)

        outputs = {"on": figures(0.1), "off": figures(0.2)}
        subsets = {
            "old": {**figures(0.3), "outputs": {"on": figures(0.4), "off": figures(0.5)}, "interval": [0.2, 0.4]}
        }
        others = [Result("ridge", "spearman", 0.25, subset="old"), Result("net", "spearman", 0.2, output="on")]
        both = replace(recipe, outputs=["on", "off"], subsets={"old": {}}, published=[], baseline=others)
        text = model_card(both, made_outcome(report(0, outputs=outputs, subsets=subsets)), SHOWN)
        rows = [row[:3] for row in table_rows(text, "all") + table_rows(text, "old")]
        assert rows == [
            ["all", "mean", "0.7123"],
            ["all", "on", "0.1000"],
            ["all", "off", "0.2000"],
            ["old", "mean", "0.3000"],
            ["old", "on", "0.4000"],
            ["old", "off", "0.5000"],
        ]
        assert table_row(text, "ridge")[1:] == ["old", "spearman 0.25", "0.3000", "0.2000 to 0.4000"]
        assert table_row(text, "net")[1:] == ["on", "spearman 0.2", "0.1000", ""]
        assert [result.metric_type for result in ModelCard(text).data.eval_results] == list(METRICS)

    def test_a_metric_that_the_data_leave_undefined(self, recipe):
        undefined = report(1)
        undefined["test"]["pearson"] = None
        text = model_card(recipe, made_outcome(report(0), undefined), SHOWN)
        assert {result.metric_type for result in ModelCard(text).data.eval_results} == {"spearman", "rmse", "r2"}
        assert table_row(text, "seed 1")[3] == ""
        assert table_row(text, "mean")[3] == ""


class TestEnsemble:
    """Of two seeds, shipped or not."""

    BETTER, WORSE, TESTED = (0.73, 0.72, 14.5, 0.55), (0.719, 0.7, 15.5, 0.5), (0.72111, 0.71, 16.0, 0.42)

    def card(self, recipe, validation, options=None, **changes):
        figures = [dict(zip(METRICS, values, strict=True)) for values in (validation, self.TESTED)]
        ensemble = made_ensemble(*figures, rows=(11570, 200, 100), interval=[0.66, 0.76], minutes=10.0)
        reports = [report(0), report(1, interval=[0.65432, 0.75432])]
        outcome = made_outcome(*({**one, "options": options or {}} for one in reports), ensemble=ensemble)
        return model_card(replace(recipe, **changes), outcome, SHOWN)

    def test_that_is_shipped(self, recipe):
        others = {"published": [Result("large", "spearman", 0.8)], "baseline": []}
        text = self.card(recipe, self.BETTER, **others)
        results = ModelCard(text).data.eval_results
        expected = {name: round(value, 4) for name, value in zip(METRICS, self.TESTED, strict=True)}
        assert {result.metric_type: result.metric_value for result in results} == expected
        row = ["ensemble of 2 seeds", "0.7300", "0.7211", "0.7100", "16.0000", "0.4200"]
        assert table_row(text, "ensemble") == row
        assert table_row(text, "mean")[1] == "0.7150 ± 0.0071"
        assert len(table_rows(text, "seed ")) == 2
        assert table_row(text, "large")[1:] == ["all", "spearman 0.8", "0.7211", "0.6600 to 0.7600"]
        for value in (
            "an ensemble of 2 Lyras in one model of 100,000 parameters",
            "A prediction is the mean over the 2 members. `sd` in the file, `spread` in the model's output,",
            "Shipped is the ensemble of the models of seeds 0, 1, joined with nothing trained again: on validation it "
            "was better than the best of them, seed 1",
            "The 95 % interval of the test spearman is 0.6600 to 0.7600",
            "(ours is the ensemble)",
            "with seeds 0, 1; 5 minutes per seed on a laptop. Their models were joined into one, as `--seeds` does.",
        ):
            assert value in text, value
        assert not any(line != line.rstrip() for line in text.splitlines())

    def test_of_models_that_learned_from_the_validation_rows(self, recipe):
        text = self.card(recipe, self.WORSE, {"refit": True})
        assert "with nothing trained again: all learned from the validation rows too in the end" in text
        assert "better than the best of them" not in text

    def test_of_classes_the_file_has_no_spread(self, recipe):
        text = self.card(recipe, self.BETTER, problem_type="single_label_classification", outputs=["on", "off"])
        assert "the 2 members (of their logits). `spread` in the model's output is their" in text

    def test_that_is_not_shipped(self, recipe, text):
        """It is better than the mean over the seeds, and worse than the best of them."""
        told = self.card(recipe, self.WORSE)
        assert table_row(told, "ensemble")[:2] == ["ensemble of 2 seeds", "0.7190"]
        told = told.replace("; the ensemble of all seeds was not better there.", ".")
        rows = [line for line in told.splitlines() if not line.startswith("| ensemble")]
        assert rows == text.splitlines()


class TestExample:
    def usage(self, recipe, outcome, **changes):
        text = model_card(replace(recipe, checkpoint="lyra-made", **changes), outcome, SHOWN)
        return text.split("```python\n")[1].split("\n```")[0]

    def test_of_a_single_output(self, recipe, outcome):
        usage = self.usage(recipe, outcome)
        assert 'pipeline("text-classification", model="lyra-made")' in usage
        assert f'scorer("{recipe.example}")' in usage

    def test_of_several_outputs_all_are_asked_for(self, recipe, outcome):
        assert f'scorer("{recipe.example}", top_k=None)' in self.usage(recipe, outcome, outputs=["on", "off"])

    def test_of_a_pair(self, recipe, outcome):
        changes = {"pair": "guide", "example": "ACGT ACCT"}
        assert 'scorer({"text": "ACGT", "text_pair": "ACCT"})' in self.usage(recipe, outcome, **changes)
        assert "sequences.csv --pair-column guide -o" in model_card(replace(recipe, **changes), outcome, SHOWN)

    def test_of_classes_per_residue(self, recipe, outcome):
        changes = {"head": "residue", "problem_type": "single_label_classification", "outputs": ["on", "off"]}
        assert 'pipeline("token-classification"' in self.usage(recipe, outcome, **changes)
        assert "top_k" not in self.usage(recipe, outcome, **changes)
        card = ModelCard(model_card(replace(recipe, **changes), outcome, SHOWN))
        assert card.data.pipeline_tag == "token-classification"

    @pytest.mark.parametrize(
        ("problem", "outputs", "said"),
        [
            ("regression", ["height"], "with a number for each residue"),
            ("regression", ["height", "width"], "with 2 numbers for each residue"),
            ("multi_label_classification", ["on", "off"], "with 2 numbers (logits) for each residue"),
        ],
    )
    def test_no_pipeline_gives_numbers_per_residue(self, recipe, outcome, problem, outputs, said):
        usage = self.usage(recipe, outcome, head="residue", problem_type=problem, outputs=outputs)
        assert 'lyra_hf.Predictor("lyra-made")' in usage
        assert said in usage
        assert "pipeline" not in usage


class TestCheck:
    """The command that gives the test figures."""

    BY_TASK = "`lyra-hf evaluate lyra-cas9 --task kim2019_spcas9 --data-dir DATA`"

    def check(self, recipe, outcome, **changes):
        text = model_card(replace(recipe, **changes), outcome, SHOWN)
        (line,) = [line for line in text.splitlines() if line.startswith("To check the test figures")]
        return line.split("shipped: ")[1].split(". DATA is")[0]

    def plain(self, options):
        command = f"lyra-hf evaluate lyra-cas9 DATA/cas9/kim2019_spcas9.parquet {options}"
        return f"`{command}` or {self.BY_TASK}"

    @pytest.mark.parametrize(
        ("changes", "options"),
        [
            ({}, "--target label --split test"),
            ({"targets": ("on", "off 1")}, "--target on --target 'off 1' --split test"),
            ({"pair": "guide", "example": "AC GT"}, "--target label --pair-column guide --split test"),
            ({"sequence": "site"}, "--target label --column site --split test"),
            ({"split": "split_random"}, "--target label --split test --split-column split_random"),
            ({"zeros_are_missing": True}, "--target label --split test --zeros-are-missing"),
            ({"train_rows": {"reads": Condition(above=9)}}, "--target label --split test"),
        ],
    )
    def test_on_the_table_itself(self, recipe, outcome, changes, options):
        assert self.check(recipe, outcome, **changes) == self.plain(options)

    @pytest.mark.parametrize(
        "changes",
        [
            {"tables": ("cas9/wang2019_wt", "cas9/wang2019_hf1")},
            {"test": load_recipe("caid2_binding").test},
            {"rows": {"reads": Condition(above=9)}},
            {"threshold": 0.0},
            {"bits": True},
        ],
    )
    def test_where_only_the_recipe_tells_the_rows(self, recipe, outcome, changes):
        assert self.check(recipe, outcome, **changes) == self.BY_TASK

    def test_with_the_parts_of_the_test_rows(self, recipe, outcome):
        told = self.check(recipe, outcome, subsets={"old": {}})
        assert told.endswith(f"{self.BY_TASK}, which tells the parts of the test rows by themselves too")


def test_what_a_reader_needs_is_in_it(recipe, text):
    (source,) = recipe.sources
    for value in (
        f"# {recipe.checkpoint}",
        recipe.example,
        recipe.limits.strip(),
        recipe.intended_use.strip(),
        source.paper,
        source.repository,
        source.commit,
        source.terms,
        source.steps,
        source.remarks,
        source.unit,
        "may not be used commercially",
        "a Lyra of 50,000 parameters",
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


def test_every_table_has_its_source(outcome, recipe):
    several = replace(recipe, tables=("cas9/wang2019_wt", "cas9/wang2019_hf1"))
    text = model_card(several, outcome, SHOWN)
    assert [f"- `{table}`: " in text for table in several.tables] == [True, True]
    assert "the papers of the data, above" in text


def test_an_ensemble_tells_its_members(recipe, outcome):
    text = model_card(replace(recipe, model={"ensemble_size": 5}), outcome, SHOWN)
    assert "an ensemble of 5 Lyras in one model of 50,000 parameters" in text
    assert "Model: ensemble_size 5" in text


def test_the_papers_configuration_may_be_the_best_known(recipe):
    plain = replace(recipe, training=None)
    text = model_card(plain, made_outcome(report(0), configuration="paper"), SHOWN)
    assert f"lyra-hf train --task {plain.name} --configuration paper -o DIR" in text
    assert f"Training: epochs {plain.paper.epochs}, batch_size {plain.paper.batch_size}\n" in text


def test_no_checkpoint_no_card(recipe, outcome):
    with pytest.raises(UserError, match="task kim2019_spcas9 ships no checkpoint"):
        model_card(replace(recipe, checkpoint=None), outcome, SHOWN)


def test_a_cross_validation_has_no_one_model(recipe, outcome):
    with pytest.raises(UserError, match="cross-validation"):
        model_card(replace(recipe, folds="fold"), outcome, SHOWN)


SHIPPED = [name for name in recipe_names() if load_recipe(name).checkpoint]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_cards_are_those_of_the_recipes_and_results(name, repository):
    recipe = load_recipe(name)
    kept = read_outcome(outcome_path(repository / "training" / "results", name, best_configuration(recipe)))
    card = (repository / "model_cards" / f"{recipe.checkpoint}.md").read_text(encoding="utf-8")
    shown = read_shown(repository / "training" / "shown" / f"{recipe.checkpoint}.json")
    assert card == model_card(recipe, kept, shown)
    assert recipe.example_title


def test_every_checkpoint_is_of_a_task():
    assert sorted(load_recipe(name).checkpoint for name in SHIPPED) == checkpoint_names()


@pytest.mark.parametrize("name", SHIPPED)
class TestShippedModel:
    """The card is of the weights that lie beside it."""

    @pytest.fixture
    def predictor(self, name):
        return Predictor(load_recipe(name).checkpoint)

    @pytest.fixture
    def kept(self, name, repository):
        recipe = load_recipe(name)
        return read_outcome(outcome_path(repository / "training" / "results", name, best_configuration(recipe)))

    def test_has_the_members_and_parameters_of_the_card(self, name, predictor, kept):
        card = ModelCard.load(checkpoint_path(load_recipe(name).checkpoint) / "README.md")
        total, members = predictor.model.num_parameters(), predictor.config.ensemble_size
        assert kept.shipped_report["parameters"] == total
        kind = f"an ensemble of {members} Lyras in one model of" if members > 1 else "a Lyra of"
        assert f"{kind} {total:,} parameters" in card.text

    def test_gives_what_the_card_shows(self, name, predictor):
        recipe = load_recipe(name)
        (widget,) = ModelCard.load(checkpoint_path(recipe.checkpoint) / "README.md").data.widget
        assert (widget["text"], widget["example_title"]) == (recipe.example, recipe.example_title)
        found = example_outputs(predictor, widget["text"])
        assert [output["label"] for output in found] == [output["label"] for output in widget["output"]]
        scores = [output["score"] for output in found]
        assert scores == pytest.approx([output["score"] for output in widget["output"]], rel=2e-3, abs=1e-4)

    def test_has_the_figures_of_its_report(self, name, predictor, kept, data_folder):
        """On validation rows, so that test rows are not read again, unless it has learned from those in the end."""
        table, held_out = load_recipe(name).load(data_folder)
        split = "test" if kept.is_refitted else "validation"
        rows = held_out.open(checkpoint_path(load_recipe(name).checkpoint)) if kept.is_refitted else table.splits[split]
        found = evaluate_rows(predictor, rows)
        report = kept.shipped_report[split]
        expected = {metric: report[metric] for metric in found if metric != "outputs"}
        assert {metric: found[metric] for metric in expected} == pytest.approx(expected, rel=1e-4, abs=1e-4)
