"""Figures from reports: over seeds and folds, of parts and outputs, and beside those of others."""

import json
import statistics
from dataclasses import replace

import pytest
from made_outcomes import made_ensemble, made_outcome, made_report

from lyra_hf import LyraConfig
from lyra_hf.tasks.outcomes import (
    Spread,
    best_configuration,
    best_of_each_part,
    best_published,
    compare,
    headline,
    outcome_path,
    read_outcome,
    standing,
    write_outcome,
)
from lyra_hf.tasks.recipe import CONFIGURATIONS, Result, load_recipe, recipe_names
from lyra_hf.tasks.sources import LICENCES, load_source, table_names
from lyra_hf.training.options import TrainingOptions


@pytest.fixture(scope="module")
def recipe():
    return replace(load_recipe("kim2019_spcas9"), published=[], baseline=[])


class TestFigures:
    def test_over_seeds(self):
        outcome = made_outcome(made_report(0.5, 0.6), made_report(0.7, 0.5), made_report(0.6, 0.7))
        assert outcome.seeds == [0, 1, 2]
        assert outcome.figure("spearman") == pytest.approx((0.6, statistics.stdev([0.6, 0.5, 0.7])))
        assert outcome.figure("spearman", split="validation") == pytest.approx((0.6, 0.1))

    def test_of_one_seed(self):
        assert made_outcome(made_report(0.5, 0.6)).figure("spearman") == Spread(0.6, None)

    def test_over_folds_first(self):
        reports = [made_report(0.5, test) for test in (0.2, 0.4, 0.6, 0.8)]
        outcome = made_outcome(*reports, folds=2)
        assert (outcome.seeds, outcome.folds) == ([0, 1], 2)
        assert outcome.values("spearman") == pytest.approx({0: 0.3, 1: 0.7})
        assert outcome.figure("spearman") == pytest.approx((0.5, statistics.stdev([0.3, 0.7])))
        assert outcome.minutes == pytest.approx(8.0)

    def test_of_parts_and_outputs(self):
        outputs = {"on": {"spearman": 0.1}, "off": {"spearman": None}}
        subsets = {"old": {"spearman": 0.4, "outputs": {"on": {"spearman": 0.3}}, "interval": [0.3, 0.5]}}
        outcome = made_outcome(made_report(0.5, 0.6, outputs=outputs, subsets=subsets))
        assert outcome.figure("spearman", output="on") == Spread(0.1, None)
        assert outcome.figure("spearman", "old") == Spread(0.4, None)
        assert outcome.figure("spearman", "old", "on") == Spread(0.3, None)
        assert outcome.interval("old") == (0.3, 0.5)
        assert outcome.interval() is None

    @pytest.mark.parametrize(
        "place", [{"output": "off"}, {"output": "absent"}, {"subset": "absent"}, {"subset": "absent", "output": "on"}]
    )
    def test_that_were_not_measured(self, place):
        outcome = made_outcome(made_report(0.5, 0.6, outputs={"off": {"spearman": None}}))
        assert outcome.figure("spearman", **place) is None
        assert outcome.figure("pearson") is None

    def test_undefined_in_one_of_the_seeds_or_folds(self):
        assert made_outcome(made_report(0.5, 0.6), made_report(0.5, None)).figure("spearman") is None
        outcome = made_outcome(*[made_report(0.5, value) for value in (0.1, None, 0.3, 0.5)], folds=2)
        assert outcome.values("spearman") == {0: None, 1: pytest.approx(0.4)}


class TestBestSeed:
    @pytest.mark.parametrize(("metric", "best"), [("spearman", 1), ("rmse", 2)])
    def test_by_validation_in_the_direction_of_the_metric(self, metric, best):
        figures = [(0.5, 0.9), (0.7, 0.1), (0.4, 0.2), (None, 0.3)]
        assert made_outcome(*[made_report(*pair, metric=metric) for pair in figures]).best_seed == best

    def test_the_first_of_equals(self):
        assert made_outcome(made_report(0.5, 0.1), made_report(0.5, 0.9)).best_seed == 0

    def test_over_folds(self):
        outcome = made_outcome(*[made_report(value, 0.1) for value in (0.9, 0.1, 0.6, 0.6)], folds=2)
        assert outcome.best_seed == 1

    def test_its_interval_is_told(self):
        reports = [made_report(0.5, 0.6, interval=[0.1, 0.2]), made_report(0.7, 0.6, interval=[0.3, 0.4])]
        assert made_outcome(*reports).interval() == (0.3, 0.4)

    def test_folds_have_no_one_interval(self):
        reports = [made_report(0.5, 0.6, interval=[0.1, 0.2])] * 2
        assert made_outcome(*reports, folds=2).interval() is None


class TestEnsemble:
    """Two seeds: 0.5 and 0.7 on validation."""

    def outcome(self, validation, test=0.8, metric="spearman", **further):
        reports = [
            made_report(0.5, 0.6, metric=metric, interval=[0.1, 0.2]),
            made_report(0.7, 0.5, metric=metric, interval=[0.4, 0.6]),
        ]
        ensemble = made_ensemble(validation, test, metric=metric, minutes=8.0, **further)
        return made_outcome(*reports, ensemble=ensemble)

    def test_stands_for_the_task_where_it_is_not_worse_than_the_mean(self):
        subsets = {"old": {"spearman": 0.75, "interval": [0.7, 0.8]}}
        outcome = self.outcome(0.65, interval=[0.75, 0.85], subsets=subsets)
        assert outcome.joined == outcome.ensemble
        assert outcome.figure("spearman") == Spread(0.8, None)
        assert outcome.figure("spearman", split="validation") == Spread(0.65, None)
        assert outcome.figure("spearman", "old") == Spread(0.75, None)
        assert (outcome.interval(), outcome.interval("old")) == ((0.75, 0.85), (0.7, 0.8))
        assert (outcome.parameters, outcome.minutes) == (100_000, 8.0)
        assert outcome.figure("pearson") is None
        (comparison,) = compare(outcome, [Result("a", "spearman", 0.7, parameters=1_000_000)])
        assert (comparison.ours.mean, comparison.is_above, comparison.ratio) == (0.8, True, 10)

    def test_of_which_the_seeds_stay(self):
        alone = self.outcome(0.65).of_seeds
        assert alone.joined is None
        assert alone.figure("spearman") == pytest.approx((0.55, statistics.stdev([0.6, 0.5])))
        assert (alone.interval(), alone.parameters, alone.minutes) == ((0.4, 0.6), 50_000, 4.0)
        assert self.outcome(0.65).values("spearman") == {0: 0.6, 1: 0.5}

    def test_does_not_where_it_is_worse_however_good_on_the_test_rows(self):
        outcome = self.outcome(0.55, test=0.99)
        assert outcome.joined is None
        assert outcome.figure("spearman").mean == pytest.approx(0.55)
        assert (outcome.interval(), outcome.parameters, outcome.minutes) == ((0.4, 0.6), 50_000, 4.0)

    @pytest.mark.parametrize(
        ("validation", "metric", "stands", "ships"),
        [
            (0.8, "spearman", True, True),
            (0.7, "spearman", True, False),  # of equals the smaller
            (0.65, "spearman", True, False),
            (0.6, "spearman", True, False),  # as the mean: not worse
            (0.55, "spearman", False, False),
            (None, "spearman", False, False),
            (0.4, "rmse", True, True),
            (0.55, "rmse", True, False),
            (0.65, "rmse", False, False),
        ],
    )
    def test_is_shipped_where_it_is_better_than_the_best_seed(self, validation, metric, stands, ships):
        outcome = self.outcome(validation, metric=metric)
        assert (outcome.joined is not None, outcome.ships_ensemble) == (stands, ships)
        assert outcome.shipped_report == (outcome.ensemble if ships else outcome.best_run.report)

    @pytest.mark.parametrize("validation", [0.4, 0.6, 0.8])
    def test_is_shipped_where_the_validation_rows_were_learned_from(self, validation):
        outcome = self.outcome(validation)
        runs = tuple(replace(run, report={**run.report, "options": {"refit": True}}) for run in outcome.runs)
        refitted = replace(outcome, runs=runs)
        assert refitted.is_refitted
        assert refitted.ships_ensemble
        assert refitted.shipped_report == refitted.ensemble
        assert not replace(refitted, ensemble=None).ships_ensemble

    def test_where_the_mean_over_the_seeds_is_undefined(self):
        outcome = made_outcome(made_report(None, 0.6), made_report(0.7, 0.5), ensemble=made_ensemble(0.6, 0.8))
        assert outcome.figure("spearman") == Spread(0.8, None)
        assert not outcome.ships_ensemble


@pytest.mark.parametrize("ensemble", [None, made_ensemble(0.6, 0.7)])
def test_an_outcome_is_read_as_it_was_written(tmp_path, ensemble):
    folds = 0 if ensemble else 2
    reports = [made_report(0.5, 0.6, interval=None)] * 4
    outcome = made_outcome(*reports, folds=folds, configuration="paper", ensemble=ensemble)
    path = write_outcome(outcome, tmp_path)
    assert path == tmp_path / "paper" / "made_up.json"
    assert json.loads(path.read_text())["ensemble"] == ensemble
    assert read_outcome(path) == outcome


def test_older_files_know_of_no_ensemble(tmp_path):
    path = write_outcome(made_outcome(made_report(0.5, 0.6)), tmp_path)
    content = json.loads(path.read_text())
    del content["ensemble"]
    path.write_text(json.dumps(content))
    assert read_outcome(path) == made_outcome(made_report(0.5, 0.6))


class TestComparisons:
    @pytest.fixture
    def outcome(self):
        subsets = {"old": {"spearman": 0.4}, "new": {"spearman": 0.8}}
        return made_outcome(made_report(0.5, {"spearman": 0.6, "rmse": 2.0}, subsets=subsets))

    def test_the_best_comparable_of_each_part(self, recipe):
        results = [
            Result("weak", "spearman", 0.5),
            Result("strong", "spearman", 0.7),
            Result("of other rows", "spearman", 0.9, comparable=False),
            Result("of another metric", "pearson", 0.9),
            Result("of a part", "spearman", 0.2, subset="old"),
            Result("of an output", "spearman", 0.1, output="on"),
        ]
        found = [result.method for result in best_of_each_part(recipe, results)]
        assert found == ["strong", "of a part", "of an output"]

    def test_of_an_error_the_smallest_is_best(self, recipe, outcome):
        results = [Result("strong", "rmse", 1.5), Result("weak", "rmse", 3.0)]
        (best,) = best_of_each_part(replace(recipe, metric="rmse"), results)
        assert best.method == "strong"
        assert [comparison.is_above for comparison in compare(outcome, results)] == [False, True]
        assert best_published(replace(recipe, metric="rmse", published=results)) == best

    def test_each_is_held_against_ours_of_the_same_part(self, outcome):
        results = [Result("a", "spearman", 0.5), Result("b", "spearman", 0.5, subset="old")]
        ours = [(comparison.ours.mean, comparison.is_above) for comparison in compare(outcome, results)]
        assert ours == [(0.6, True), (0.4, False)]

    def test_a_part_that_was_not_measured_is_left_out(self, outcome):
        assert compare(outcome, [Result("a", "spearman", 0.5, subset="absent")]) == []

    def test_equal_is_not_above(self, outcome):
        assert not compare(outcome, [Result("a", "spearman", 0.6)])[0].is_above

    def test_the_ratio_of_parameters(self, outcome):
        results = [Result("a", "spearman", 0.5, parameters=650_000_000), Result("b", "rmse", 1.0)]
        large, unknown = compare(outcome, results)
        assert large.ratio == pytest.approx(13_000)
        assert unknown.ratio is None

    def test_all_test_rows_count_first(self, outcome):
        results = [Result("whole", "spearman", 0.5), Result("part", "spearman", 0.9, subset="old")]
        assert headline(compare(outcome, results)).result.method == "whole"

    def test_else_the_part_on_which_ours_does_worst(self, outcome):
        results = [Result("new", "spearman", 0.85, subset="new"), Result("old", "spearman", 0.7, subset="old")]
        assert headline(compare(outcome, results)).result.method == "old"
        assert headline([]) is None

    def test_the_best_published_without_ours(self, recipe):
        parts = [Result("old", "spearman", 0.7, subset="old"), Result("new", "spearman", 0.8, subset="new")]
        whole = Result("whole", "spearman", 0.1)
        assert best_published(replace(recipe, published=parts)).method == "new"
        assert best_published(replace(recipe, published=[*parts, whole])).method == "whole"
        assert best_published(recipe) is None


class TestStanding:
    @pytest.fixture
    def with_others(self, recipe):
        return replace(recipe, published=[Result("a", "spearman", 0.6)], baseline=[Result("b", "spearman", 0.4)])

    def test_not_run(self, with_others, tmp_path):
        one = standing(with_others, tmp_path)
        assert one.outcome is one.above_published is one.above_baseline is None

    def test_the_best_configuration_is_what_counts(self, with_others, tmp_path):
        write_outcome(made_outcome(made_report(0.5, 0.3), task=with_others.name, configuration="paper"), tmp_path)
        before = standing(with_others, tmp_path)
        assert (before.best, before.above_published, before.above_baseline) == (None, False, False)
        write_outcome(made_outcome(made_report(0.5, 0.5), task=with_others.name), tmp_path)
        after = standing(with_others, tmp_path)
        assert (after.above_published, after.above_baseline) == (False, True)
        assert after.paper == before.paper

    def test_where_no_better_one_is_known_the_best_is_the_papers(self, with_others, tmp_path):
        plain = replace(with_others, training=None)
        assert (best_configuration(plain), best_configuration(with_others)) == ("paper", "best")
        write_outcome(made_outcome(made_report(0.5, 0.7), task=plain.name, configuration="paper"), tmp_path)
        one = standing(plain, tmp_path)
        assert one.best == one.paper == one.outcome
        assert one.above_published

    def test_the_papers_configuration_stays_single_models(self, with_others, tmp_path):
        outcome = made_outcome(
            made_report(0.5, 0.5),
            made_report(0.5, 0.5),
            task=with_others.name,
            configuration="paper",
            ensemble=made_ensemble(0.6, 0.7),
        )
        write_outcome(outcome, tmp_path)
        before = standing(with_others, tmp_path)
        assert (before.best, before.outcome, before.above_published) == (None, outcome.of_seeds, False)
        as_paper = standing(replace(with_others, training=None), tmp_path)
        assert (as_paper.paper, as_paper.best) == (outcome.of_seeds, outcome)
        assert as_paper.above_published


class TestOneOutputOfAnotherTask:
    """Its best models are those of the whole, of which it shows its own output."""

    def whole(self, **further):
        reports = []
        for seed in range(3):
            output = {"auroc": 0.7 + seed / 100, "interval": [0.6, 0.8]}
            part = {"auroc": 0.5, "outputs": {"dna binding": {**output, "auroc": 0.9}}}
            report = made_report(0.5, 0.5, "auroc", outputs={"dna binding": output}, subsets={"DP93": part})
            report["validation"]["outputs"] = {"dna binding": {"auroc": 0.8}}
            reports.append(report)
        return made_outcome(*reports, task="disprot_functions", configuration="paper", **further)

    def test_of_a_part(self):
        outcome = self.whole().of_output("disprot_dna_binding", "dna binding")
        assert outcome.task == "disprot_dna_binding"
        assert outcome.figure("auroc") == pytest.approx((0.71, 0.01))
        assert outcome.figure("auroc", split="validation").mean == pytest.approx(0.8)
        assert outcome.figure("auroc", "DP93").mean == pytest.approx(0.9)
        assert outcome.interval() == (0.6, 0.8)

    def test_stands_for_the_task(self, tmp_path, monkeypatch):
        recipe = load_recipe("disprot_dna_binding")
        assert (recipe.joint, recipe.joint_output) == ("disprot_functions", "dna binding")
        whole = recipe.trained_as("best")
        assert (whole.name, recipe.trained_as("paper").name) == ("disprot_functions", recipe.name)
        write_outcome(replace(self.whole(), configuration=best_configuration(whole)), tmp_path)
        one = standing(recipe, tmp_path)
        assert one.paper is None
        assert one.best.figure("auroc").mean == pytest.approx(0.71)


@pytest.mark.parametrize(
    ("source", "recalled"),
    [("paper, Table 2", False), ("about; recalled, not re-read", True), ("own split; not re-read", True)],
)
def test_what_was_recalled(source, recalled):
    assert Result("a", "spearman", 0.5, source=source).is_recalled is recalled


def test_weights_are_as_free_as_the_least_free_table():
    assert all(load_source(table).weights_licence in LICENCES for table in table_names())
    assert load_recipe("kim2019_spcas9").weights_licence == "cc-by-nc-4.0"
    assert load_recipe("wang2019_variants").weights_licence == "other"


def test_every_table_has_an_address():
    addresses = [load_source(table).address for table in table_names()]
    assert all(address.startswith(("https://github.com/", "https://pypi.org/project/")) for address in addresses)
    assert not any(" " in address for address in addresses)


@pytest.fixture(scope="module")
def kept(repository):
    """The outcomes in training/results."""
    folder = repository / "training" / "results"
    outcomes = [(path, read_outcome(path)) for path in sorted(folder.glob("*/*.json"))]
    assert outcomes
    assert all(path == outcome_path(folder, outcome.task, outcome.configuration) for path, outcome in outcomes)
    return [outcome for _, outcome in outcomes]


class TestKeptResults:
    """They are those of the recipes as they are."""

    def test_of_known_tasks(self, kept):
        assert {outcome.task for outcome in kept} <= set(recipe_names())
        assert {outcome.configuration for outcome in kept} <= set(CONFIGURATIONS)

    def test_with_the_recipes_options(self, kept):
        for outcome in kept:
            recipe = load_recipe(outcome.task)
            assert outcome.configuration in ("paper", best_configuration(recipe)), outcome.task
            _, options = recipe.configured(outcome.configuration)
            for run in outcome.runs:
                assert TrainingOptions.from_dict(run.report["options"]) == replace(options, seed=run.seed), outcome.task
                assert run.report["metric"] == recipe.metric

    def test_with_an_ensemble_of_just_these_seeds(self, kept):
        for outcome in kept:
            if outcome.ensemble is not None:
                report = outcome.ensemble
                assert not outcome.folds
                assert sorted(report["options"]["seed"]) == outcome.seeds, outcome.task
                assert report["rows"] == outcome.runs[0].report["rows"]
                model, _ = load_recipe(outcome.task).configured(outcome.configuration)
                config = LyraConfig(alphabet=load_recipe(outcome.task).alphabet, **model)
                # Members share the site weights, one for each letter at each site; these tasks have one output.
                letters = config.num_letters * (2 if config.pair_input else 1)
                shared = config.num_positions * letters if config.site_weights else 0
                assert report["parameters"] - shared == sum(run.report["parameters"] - shared for run in outcome.runs)

    def test_on_the_recipes_rows_and_folds(self, kept):
        for outcome in kept:
            recipe = load_recipe(outcome.task)
            folds = range(recipe.number_of_folds) if recipe.folds else [None]
            assert [run.fold for run in outcome.runs] == [*folds] * len(outcome.seeds), outcome.task
            first = outcome.runs[0].report["rows"]
            assert (first["train"], first["validation"], first["test"]) == recipe.size, outcome.task
