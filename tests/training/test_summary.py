import pytest

from lyra_hf.training.summary import best_run, greater_is_better, summarize


def report(metric="spearman", validation=0.5, test=0.4, **further):
    return {
        "metric": metric,
        "validation": {metric: validation, "n": 10, **further},
        "test": None if test is None else {metric: test, "n": 5},
    }


def test_mean_and_standard_deviation_of_every_metric():
    reports = {"a": report(validation=0.5, pearson=0.1), "b": report(validation=0.7, pearson=None)}
    summary = summarize(reports)
    assert summary["validation"]["spearman"]["mean"] == pytest.approx(0.6)
    assert summary["validation"]["spearman"]["std"] == pytest.approx(0.2 / 2**0.5)  # of a sample
    assert summary["validation"]["pearson"] is None  # undefined in a run
    assert summary["validation"]["n"] == 10
    assert summary["test"]["spearman"] == {"mean": 0.4, "std": 0.0}
    assert (summary["best"], summary["metric"]) == ("b", "spearman")
    assert summary["runs"] == reports


def test_each_output_by_itself():
    runs = {name: report(outputs={"on": {"spearman": value}}) for name, value in (("a", 0.2), ("b", 0.4))}
    assert summarize(runs)["validation"]["outputs"]["on"]["spearman"]["mean"] == pytest.approx(0.3)


def test_parts_of_the_test_rows_by_themselves_and_no_intervals():
    """An interval is of one run, and is left to its report."""
    runs = {}
    for name, value in (("a", 0.2), ("b", 0.4)):
        runs[name] = report(test=value)
        part = {"spearman": value / 2, "n": 3, "interval": None}
        runs[name]["test"] |= {"interval": [value - 0.1, value + 0.1], "subsets": {"old": part}}
    summary = summarize(runs)
    assert set(summary["test"]) == {"spearman", "n", "subsets"}
    assert set(summary["test"]["subsets"]["old"]) == {"spearman", "n"}
    assert summary["test"]["subsets"]["old"]["spearman"]["mean"] == pytest.approx(0.15)
    assert summary["test"]["subsets"]["old"]["n"] == 3
    assert summary["runs"] == runs


def test_one_run_and_no_test_rows():
    summary = summarize({"a": report(test=None)})
    assert summary["validation"]["spearman"] == {"mean": 0.5, "std": 0.0}
    assert summary["test"] is None


@pytest.mark.parametrize(("metric", "best"), [("spearman", "high"), ("rmse", "low")])
def test_the_best_by_the_direction_of_the_metric(metric, best):
    reports = {
        "low": report(metric, 1.0),
        "high": report(metric, 2.0),
        "undefined": report(metric, None),
    }
    assert best_run(reports) == best
    assert greater_is_better(metric) == (best == "high")
