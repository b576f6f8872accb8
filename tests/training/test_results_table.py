"""docs/results.md: that it is up to date, and that it says what the results say."""

from dataclasses import replace

import pytest
from checkpoint_table import with_checkpoints
from made_outcomes import made_ensemble, made_outcome, made_report
from results_table import PAGE, README, RESULTS, page

from lyra_hf.tasks.outcomes import standing, write_outcome
from lyra_hf.tasks.recipe import Result, load_recipe, recipe_names


def test_the_committed_page_is_up_to_date():
    standings = [standing(load_recipe(name), RESULTS) for name in recipe_names()]
    assert PAGE.read_text(encoding="utf-8") == page(standings), "run `make results`"
    text = README.read_text(encoding="utf-8")
    assert text == with_checkpoints(text, standings), "run `make results`"


def test_every_task_has_its_row_or_is_named_as_not_trained_and_every_row_its_cells():
    text = PAGE.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    others = {
        name for line in text.splitlines() if line.startswith("- Not trained yet") for name in line.split("`")[1::2]
    }
    for name in recipe_names():
        assert sum(line.startswith(f"| [{name}](") for line in rows) + (name in others) == 1
    assert {line.count(" | ") for line in rows if line.startswith("| [")} == {10}
    assert len({line.count("|") for line in rows}) == 2  # the areas' tables, and the one beside the published


@pytest.fixture
def recipe():
    return replace(load_recipe("kim2019_spcas9"), published=[], baseline=[])


@pytest.fixture
def page_of(tmp_path):
    """The page of one task with reports in the best configuration."""

    def make(recipe, *reports, **options):
        write_outcome(made_outcome(*reports, task=recipe.name, **options), tmp_path)
        return page([standing(recipe, tmp_path)])

    return make


def cells(text):
    (row,) = [line for line in text.splitlines() if line.startswith("| [kim2019_spcas9](")]
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_figures_with_their_spread_and_interval(recipe, page_of, tmp_path):
    write_outcome(made_outcome(made_report(0.5, 0.4), task=recipe.name, configuration="paper"), tmp_path)
    reports = [made_report(0.5, 0.6, interval=[0.55, 0.65]), made_report(0.4, 0.7, interval=[0.1, 0.2], minutes=8.0)]
    found = cells(page_of(recipe, *reports))
    assert found[1:3] == ["11,570 / 1,241 / 542", "spearman"]
    assert found[3:5] == ["0.400", "0.650 ± 0.071 [0.550, 0.650]"]
    assert found[5:] == ["", "", "50,000", "", "6", "2"]


def test_the_ensemble_stands_before_its_seeds(recipe, page_of):
    reports = [made_report(0.5, 0.6), made_report(0.5, 0.7)]
    others = {"published": [Result("a net", "spearman", 0.7, parameters=650_000_000)]}
    ensemble = made_ensemble(0.6, 0.75, interval=[0.7, 0.8], minutes=9.0)
    text = page_of(replace(recipe, **others), *reports, ensemble=ensemble)
    found = cells(text)
    assert found[3:5] == ["", "0.750 [0.700, 0.800]; seeds 0.650 ± 0.071"]
    assert found[6:] == ["0.700 a net (650 million): above", "100,000", "6,500", "9", "2"]
    assert "Longest training: 9 minutes (`kim2019_spcas9`)" in text


def test_an_ensemble_that_is_worse_on_validation_is_not_shown(recipe, page_of):
    reports = [made_report(0.5, 0.6), made_report(0.5, 0.7)]
    found = cells(page_of(recipe, *reports, ensemble=made_ensemble(0.4, 0.75, interval=[0.7, 0.8])))
    assert found[4] == "0.650 ± 0.071"
    assert found[7] == "50,000"


def test_the_best_may_be_the_ensemble_of_the_papers_seeds(recipe, page_of):
    reports = [made_report(0.5, 0.6), made_report(0.5, 0.7)]
    ensemble = made_ensemble(0.6, 0.75, interval=[0.7, 0.8])
    of_paper = {"configuration": "paper", "ensemble": ensemble}
    found = cells(page_of(replace(recipe, training=None), *reports, **of_paper))
    assert found[3:5] == ["0.650 ± 0.071", "0.750 [0.700, 0.800]; seeds as paper"]
    assert found[7] == "100,000"
    # Where a better configuration is known, and not yet trained, the paper's single models are what there is.
    found = cells(page_of(recipe, *reports, **of_paper))
    assert (found[3], found[4], found[7]) == ("0.650 ± 0.071", "", "50,000")


def test_above_and_below_in_words(recipe, page_of):
    others = {
        "baseline": [Result("ridge", "spearman", 0.5)],
        "published": [Result("a net", "spearman", 0.7, parameters=650_000_000, source="Table 1")],
    }
    text = page_of(replace(recipe, **others), made_report(0.5, 0.6))
    assert cells(text)[5:7] == ["0.500: above", "0.700 a net (650 million): below"]
    assert cells(text)[8] == "13,000"
    assert "Above the best baseline: 1 of the 1" in text
    assert "Above the best comparable published figure: 0 of the 1" in text
    assert "- `kim2019_spcas9`: a net: Table 1" in text
    assert "Longest training: 4 minutes (`kim2019_spcas9`)" in text


def test_what_was_recalled_has_a_dagger(recipe, page_of):
    published = [Result("a net", "spearman", 0.7, source="recalled, not re-read")]
    text = page_of(replace(recipe, published=published), made_report(0.5, 0.6))
    assert cells(text)[6] == "0.700† a net: below"
    assert "- `kim2019_spcas9`: a net†: recalled, not re-read" in text


def test_a_part_is_held_against_ours_of_that_part(recipe, page_of):
    published = [Result("a net", "spearman", 0.7, subset="old"), Result("a net", "spearman", 0.3, subset="new")]
    subsets = {"old": {"spearman": 0.75}, "new": {"spearman": 0.2}}
    text = page_of(replace(recipe, published=published), made_report(0.5, 0.6, subsets=subsets))
    assert cells(text)[6] == "0.300 a net, on new, ours 0.200: below"
    assert "ours is above the best published figure: `kim2019_spcas9` 1 of 2" in text


def test_what_is_below_the_baseline_says_what_was_tried(recipe, page_of):
    below = replace(recipe, baseline=[Result("ridge", "spearman", 0.8)], tried="more layers, 0.61")
    text = page_of(below, made_report(0.5, 0.6))
    assert "- `kim2019_spcas9`: spearman 0.600, baseline 0.8 (ridge). Tried: more layers, 0.61" in text
    above = replace(recipe, baseline=[Result("ridge", "spearman", 0.5)])
    assert "## Below the baseline\n\nNo trained task." in page_of(above, made_report(0.5, 0.6))


def test_figures_that_do_not_compare_stand_by_themselves(recipe, page_of):
    published = [Result("a net", "pearson", 0.7, comparable=False, source="other rows")]
    text = page_of(replace(recipe, published=published), made_report(0.5, {"spearman": 0.6, "pearson": 0.5}))
    assert cells(text)[6] == ""
    assert "| `kim2019_spcas9` | pearson 0.7 | 0.500 | a net | other rows |" in text
    assert "Above the best comparable published figure: 0 of the 0" in text


def test_where_nothing_better_is_known_the_best_is_as_the_paper(recipe, page_of):
    plain = replace(recipe, training=None)
    found = cells(page_of(plain, made_report(0.5, 0.6, minutes=0.2), configuration="paper"))
    assert (found[3], found[4], found[9]) == ("0.600", "as paper", "below 1")


def test_what_is_not_trained_is_named_in_one_line(recipe):
    text = page([standing(replace(recipe, name=name), RESULTS / "nowhere") for name in ("one", "other")])
    assert "## cas9\n\n- Not trained yet: `one`, `other`\n" in text
    assert "Tasks: 2, of which 0 have been trained, 0 with at least 3 seeds" in text


def test_tasks_with_enough_seeds_are_counted(recipe, page_of):
    reports = [made_report(0.5, 0.6)] * 3
    assert "Tasks: 1, of which 1 have been trained, 1 with at least 3 seeds" in page_of(recipe, *reports)
    assert "Tasks: 1, of which 1 have been trained, 0 with at least 3 seeds" in page_of(recipe, *reports[:2])
