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
