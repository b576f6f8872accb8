"""Metrics against scipy, scikit-learn and definitions spelt out; the `evaluate` modules with the network cut off."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from lyra_hf.errors import UserError
from lyra_hf.extras import needs
from lyra_hf.tasks import metrics
from lyra_hf.tasks.metrics import classification, compute_metrics, regression

Array: TypeAlias = NDArray[Any]

NAMES = ["spearman", "pearson", "rmse", "r2", "auroc", "ap", "mcc", "accuracy", "f1"]
SINGLE, MULTI = "single_label_classification", "multi_label_classification"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pair_counting_auroc(scores: Array, positive: Array) -> float:
    """The probability that a positive row scores above a negative one; half where they tie."""
    above = scores[positive][:, None] - scores[~positive][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())


def step_by_step_ap(scores: Array, positive: Array) -> float:
    """Precision times the gain in recall at every threshold, from the highest score down."""
    total, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = scores >= threshold
        recall = (chosen & positive).sum() / positive.sum()
        total += (recall - recall_before) * (chosen & positive).sum() / chosen.sum()
        recall_before = recall
    return float(total)


def close(value: Any) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# Regression


def test_regression_is_what_scipy_and_sklearn_say(rng: np.random.Generator) -> None:
    true = rng.normal(size=60).round(1)  # with ties
    predicted = (true + rng.normal(size=60)).round(1).astype(np.float32)
    wide = predicted.astype(float)
    assert compute_metrics(predicted, true, "regression") == {
        "spearman": close(np.corrcoef(scipy.stats.rankdata(wide), scipy.stats.rankdata(true))[0, 1]),
        "pearson": close(np.corrcoef(wide, true)[0, 1]),
        "rmse": close(sklearn.metrics.root_mean_squared_error(true, wide)),
        "r2": close(sklearn.metrics.r2_score(true, wide)),
        "n": 60,
    }


@pytest.mark.parametrize("missing", [[0], [3, 7, 19], list(range(1, 20))])
def test_rows_without_reference_do_not_count(missing: list[int], rng: np.random.Generator) -> None:
    predicted, true = rng.normal(size=(2, 20))
    kept = np.setdiff1d(np.arange(20), missing)
    expected = compute_metrics(predicted[kept], true[kept], "regression")
    true[missing] = np.nan
    assert compute_metrics(predicted[:, None], true, "regression") == expected
    assert expected["n"] == len(kept)


def test_minus_100_is_a_number_in_regression() -> None:
    result = compute_metrics(np.array([-90.0, 0.0, 10.0]), np.array([-100, 0, 10]), "regression")
    assert result["n"] == 3
    assert result["rmse"] == close(np.sqrt(100 / 3))


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        ([1.0, 1.0], [1.0, 3.0], {"spearman": None, "pearson": None, "rmse": close(2**0.5), "r2": -1.0, "n": 2}),
        ([1.0, 3.0], [1.0, 1.0], {"spearman": None, "pearson": None, "rmse": close(2**0.5), "r2": None, "n": 2}),
        ([1.0], [2.0], {"spearman": None, "pearson": None, "rmse": 1.0, "r2": None, "n": 1}),
        ([1.0], [np.nan], {"spearman": None, "pearson": None, "rmse": None, "r2": None, "n": 0}),
        ([], [], {"spearman": None, "pearson": None, "rmse": None, "r2": None, "n": 0}),
    ],
)
def test_undefined_regression_metrics_are_none(predicted: Any, true: Any, expected: dict[str, Any]) -> None:
    assert compute_metrics(np.array(predicted), np.array(true), "regression") == expected


def test_a_correlation_of_rounding_errors_is_undefined() -> None:
    nearly = 1e8 + np.array([0.0, 1.5e-8, 0.0, 1.5e-8])
    assert regression.pearson(nearly, np.arange(4.0)) is None


@given(arrays.arrays(np.float64, 12, elements=st.integers(-50, 50)), st.permutations(range(12)))
def test_spearman_knows_only_the_order(values: Array, order: list[int]) -> None:
    true = np.array(order, dtype=float)
    expected = regression.spearman(values, true)
    assert regression.spearman(np.exp(values), true) == expected
    assert regression.spearman(values, true**3) == expected
    if expected is not None:
        assert regression.spearman(-values, true) == close(-expected)


@given(arrays.arrays(np.float64, 12, elements=st.integers(-50, 50)), st.floats(0.01, 100), st.floats(-100, 100))
def test_pearson_ignores_scale_and_r2_does_not(values: Array, scale: float, shift: float) -> None:
    true = np.arange(12.0)
    expected = regression.pearson(values, true)
    if expected is None:
        return
    assert regression.pearson(scale * values + shift, true) == pytest.approx(expected, abs=1e-6)
    r2 = regression.r2(values, true)
    assert r2 is not None
    assert r2 <= expected**2 + 1e-9  # the best line reaches the squared correlation
    slope, intercept = np.polyfit(values, true, 1)
    assert regression.r2(slope * values + intercept, true) == pytest.approx(expected**2, abs=1e-6)


@given(
    arrays.arrays(np.float64, (6, 2), elements=st.floats(-1e150, 1e150, exclude_min=True, exclude_max=True)),
    arrays.arrays(
        np.float64, 6, elements=st.floats(-1e150, 1e150, exclude_min=True, exclude_max=True) | st.just(np.nan)
    ),
)
def test_any_numbers_give_valid_json(predicted: Any, true: Any) -> None:
    result = compute_metrics(predicted, np.stack([true, true[::-1]], axis=1), "regression")
    json.dumps(result, allow_nan=False)
    for name in ("spearman", "pearson"):
        assert result[name] is None or abs(result[name]) <= 1 + 1e-9


def test_several_outputs_are_named_and_averaged(rng: np.random.Generator) -> None:
    predicted, true = rng.normal(size=(2, 30, 2))
    true[:4] = np.nan
    true[4:9, 1] = np.nan
    result = compute_metrics(predicted, true, "regression", ["binding", "expression"])
    assert list(result["outputs"]) == ["binding", "expression"]
    for index, output in enumerate(result["outputs"].values()):
        assert output == compute_metrics(predicted[:, index], true[:, index], "regression")
    for name in ("spearman", "pearson", "rmse", "r2"):
        assert result[name] == close(np.mean([output[name] for output in result["outputs"].values()]))
    assert (result["n"], [output["n"] for output in result["outputs"].values()]) == (26, [26, 21])
    assert list(compute_metrics(predicted, true, "regression")["outputs"]) == ["LABEL_0", "LABEL_1"]


def test_an_output_without_a_metric_is_left_out_of_the_mean(rng: np.random.Generator) -> None:
    predicted, true = rng.normal(size=(2, 10, 2))
    true[:, 1] = 3.0
    result = compute_metrics(predicted, true, "regression")
    assert result["spearman"] == result["outputs"]["LABEL_0"]["spearman"]
    assert result["outputs"]["LABEL_1"]["spearman"] is None
    assert result["rmse"] == close(np.mean([output["rmse"] for output in result["outputs"].values()]))


# Classification


def test_two_classes_are_what_the_definitions_say(rng: np.random.Generator) -> None:
    true = rng.integers(0, 2, 50)
    logits = (rng.normal(size=(50, 2)) + np.eye(2)[true]).round(1).astype(np.float32)
    scores = logits[:, 1].astype(float) - logits[:, 0]
    positive, chosen = true == 1, logits.argmax(1) == 1
    tp, tn = (positive & chosen).sum(), (~positive & ~chosen).sum()
    fp, fn = (~positive & chosen).sum(), (positive & ~chosen).sum()
    assert compute_metrics(logits, true, SINGLE) == {
        "auroc": close(pair_counting_auroc(scores, positive)),
        "ap": close(step_by_step_ap(scores, positive)),
        "mcc": close((tp * tn - fp * fn) / np.sqrt(float((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))),
        "accuracy": close((tp + tn) / 50),
        "f1": close(2 * tp / (2 * tp + fp + fn)),
        "n": 50,
    }


def test_many_classes_are_what_sklearn_says(rng: np.random.Generator) -> None:
    true = rng.integers(0, 4, 80)
    logits = rng.normal(size=(80, 4)) + np.eye(4)[true]
    probabilities, chosen = scipy.special.softmax(logits, axis=1), logits.argmax(1)
    one_hot = np.eye(4)[true]
    assert compute_metrics(logits, true, SINGLE) == {
        "auroc": close(sklearn.metrics.roc_auc_score(true, probabilities, multi_class="ovr", average="macro")),
        "ap": close(sklearn.metrics.average_precision_score(one_hot, probabilities, average="macro")),
        "mcc": close(sklearn.metrics.matthews_corrcoef(true, chosen)),
        "accuracy": close((true == chosen).mean()),
        "f1": close(sklearn.metrics.f1_score(true, chosen, average="macro")),
        "n": 80,
    }


def test_only_classes_that_are_present_are_averaged(rng: np.random.Generator) -> None:
    true = np.array([0, 1, 0, 1, 1, 0])
    logits = rng.normal(size=(6, 3))
    scores = classification.log_odds(logits)
    expected = np.mean([pair_counting_auroc(scores[:, one], true == one) for one in (0, 1)])
    assert compute_metrics(logits, true, SINGLE)["auroc"] == close(expected)


def test_f1_of_three_classes_is_a_mean_even_where_two_occur() -> None:
    true, chosen = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    result = compute_metrics(np.eye(3)[chosen], true, SINGLE)
    assert result["f1"] == close((0.8 + 2 / 3) / 2) == classification.f1(chosen, true, num_classes=3)
    assert classification.f1(chosen, true) == close(2 / 3)


def test_saturated_logits_are_not_tied() -> None:
    logits = np.array([[0, 50], [0, 60], [0, 70], [0, 80]], dtype=np.float32)  # each softmax rounds to 0 and 1
    assert compute_metrics(logits, np.array([0, 0, 1, 1]), SINGLE)["auroc"] == 1.0
    three = np.concatenate([logits, logits[:, :1]], axis=1)
    assert compute_metrics(three, np.array([0, 0, 1, 1]), SINGLE)["auroc"] == 1.0
    assert compute_metrics(logits[:, 1], np.array([0, 0, 1, 1]), MULTI)["auroc"] == 1.0


@given(arrays.arrays(np.float64, (8, 3), elements=st.floats(-20, 20)))
def test_log_odds_are_those_of_the_softmax(logits: Array) -> None:
    probabilities = scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(scipy.special.expit(classification.log_odds(logits)), probabilities, atol=1e-12)


@given(
    arrays.arrays(np.float64, 14, elements=st.integers(-5, 5)),
    arrays.arrays(np.int64, 14, elements=st.integers(0, 1)),
)
def test_auroc_and_ap_know_only_the_order(scores: Array, true: Any) -> None:
    auroc, ap = classification.auroc(scores, true), classification.ap(scores, true)
    assert classification.auroc(np.exp(scores), true) == auroc
    assert classification.ap(scores**3, true) == ap
    if auroc is None:
        assert len(set(true)) == 1
        assert ap is None
        return
    assert auroc == close(pair_counting_auroc(scores, true == 1))
    assert ap == close(step_by_step_ap(scores, true == 1))
    assert classification.auroc(-scores, true) == close(1 - auroc)


@pytest.mark.parametrize("missing", [[2], [0, 4, 9], list(range(1, 12))])
@pytest.mark.parametrize("mark", [-100, np.nan])
def test_rows_without_class_do_not_count(missing: list[int], mark: float, rng: np.random.Generator) -> None:
    logits, true = rng.normal(size=(12, 3)), rng.integers(0, 3, 12).astype(float)
    kept = np.setdiff1d(np.arange(12), missing)
    expected = compute_metrics(logits[kept], true[kept], SINGLE)
    true[missing] = mark
    assert compute_metrics(logits, true[:, None], SINGLE) == expected
    assert expected["n"] == len(kept)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("only", [0, 1])
@pytest.mark.parametrize("chosen", [0, 1])
def test_one_class_only(classes: int, only: int, chosen: int) -> None:
    result = compute_metrics(np.eye(classes)[[chosen] * 3], np.full(3, only), SINGLE)
    f1 = float(chosen == only)
    assert result == {
        "auroc": None,
        "ap": None,
        "mcc": None,
        "accuracy": float(chosen == only),
        "f1": None if classes == 2 and chosen == only == 0 else f1,
        "n": 3,
    }


def test_a_model_that_always_chooses_one_class_has_no_correlation() -> None:
    assert compute_metrics(np.eye(2)[[1, 1, 1]], np.array([0, 1, 1]), SINGLE)["mcc"] == 0.0


@pytest.mark.parametrize(("shape", "problem"), [((0, 2), SINGLE), ((0, 3), SINGLE), ((0, 1), MULTI)])
def test_no_rows(shape: tuple[int, ...], problem: str) -> None:
    result = compute_metrics(np.zeros(shape), np.zeros(0), problem)
    assert result == {"auroc": None, "ap": None, "mcc": None, "accuracy": None, "f1": None, "n": 0}


def test_one_label_is_two_classes(rng: np.random.Generator) -> None:
    logits, true = rng.normal(size=40), rng.integers(0, 2, 40)
    as_classes = compute_metrics(np.stack([np.zeros(40), logits], axis=1), true, SINGLE)
    assert compute_metrics(logits, true, MULTI) == as_classes == compute_metrics(logits[:, None], true[:, None], MULTI)


def test_labels_are_judged_one_by_one(rng: np.random.Generator) -> None:
    logits, true = rng.normal(size=(30, 3)), rng.integers(0, 2, (30, 3)).astype(float)
    true[:5, 0], true[5:9, 1], true[9] = -100, np.nan, [-100, np.nan, np.nan]
    true[:, 2] = np.where(np.isnan(true[:, 2]), np.nan, 0.0)
    names = ["DNA", "RNA", "lipid"]
    result = compute_metrics(logits, true, MULTI, names)
    assert result["n"] == 29
    for index, name in enumerate(names):
        assert result["outputs"][name] == compute_metrics(logits[:, index], true[:, index], MULTI)
    assert [output["n"] for output in result["outputs"].values()] == [24, 25, 29]
    assert result["outputs"]["lipid"]["auroc"] is None
    for metric in ("auroc", "ap", "mcc"):
        assert result[metric] == close(np.mean([result["outputs"][name][metric] for name in names[:2]]))
    for metric in ("accuracy", "f1"):
        assert result[metric] == close(np.mean([result["outputs"][name][metric] for name in names]))


@given(
    arrays.arrays(np.float32, (6, 3), elements=st.floats(width=32, allow_nan=False, allow_infinity=False)),
    arrays.arrays(np.int64, (6, 3), elements=st.sampled_from([-100, 0, 1])),
)
def test_any_logits_give_valid_json_between_bounds(logits: Array, true: Any) -> None:
    classes = np.where(true[:, 0] < 0, -100, true[:, 0] + true[:, 1].clip(0))
    for result in (compute_metrics(logits, true, MULTI), compute_metrics(logits, classes, SINGLE)):
        json.dumps(result, allow_nan=False)
        for name in ("auroc", "ap", "accuracy", "f1"):
            assert result[name] is None or 0 <= result[name] <= 1
        assert result["mcc"] is None or -1 - 1e-9 <= result["mcc"] <= 1 + 1e-9


@given(st.permutations(range(10)), st.sampled_from(["regression", SINGLE, MULTI]))
def test_the_order_of_rows_does_not_matter(order: list[int], problem: str) -> None:
    rng = np.random.default_rng(1)
    predicted = rng.normal(size=(10, 3))
    true = {"regression": rng.normal(size=(10, 3)), SINGLE: rng.integers(0, 3, 10), MULTI: rng.integers(0, 2, (10, 3))}
    expected = compute_metrics(predicted, true[problem], problem)
    shuffled = compute_metrics(predicted[order], true[problem][order], problem)
    assert {k: v for k, v in shuffled.items() if k != "outputs"} == {
        k: close(v) for k, v in expected.items() if k != "outputs"
    }


# Bad input


@pytest.mark.parametrize("problem", ["regression", SINGLE, MULTI])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_model_that_fails_gets_no_score(problem: str, bad: float) -> None:
    predicted = np.ones((4, 2))
    predicted[2, 1] = bad
    with pytest.raises(ValueError, match="1 of 8 predictions are not finite"):
        compute_metrics(predicted, np.zeros(4 if problem == SINGLE else (4, 2)), problem)


@pytest.mark.parametrize(
    ("predicted", "true", "problem", "message"),
    [
        (np.zeros(3), np.zeros(4), "regression", "do not fit"),
        (np.zeros((3, 2)), np.zeros(3), "regression", "do not fit"),
        (np.zeros(3), np.array([0, 1, np.inf]), "regression", "finite numbers"),
        (np.zeros((3, 2, 1)), np.zeros((3, 2)), "regression", "must have the shape"),
        (np.zeros((3, 2)), np.zeros(4), SINGLE, "do not fit"),
        (np.zeros((3, 1)), np.zeros(3), SINGLE, r"\(rows, classes\)"),
        (np.zeros((3, 2)), np.zeros((3, 2)), SINGLE, r"\(rows, classes\)"),
        (np.zeros((3, 2)), np.array([0, 1, 2]), SINGLE, "references have class 2"),
        (np.zeros((3, 2)), np.array([0, 1, -1]), SINGLE, "references must be class numbers"),
        (np.zeros((3, 2)), np.array([0, 1, 0.5]), SINGLE, "references must be class numbers"),
        (np.zeros((3, 2)), np.array([0, 1, np.inf]), SINGLE, "references must be class numbers"),
        (np.zeros(3), np.array([0, 1, 2]), MULTI, "references have class 2"),
        (np.zeros(3), np.zeros(3), "ranking", "unknown problem type 'ranking'"),
    ],
)
def test_what_does_not_fit_is_refused(predicted: Any, true: Any, problem: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compute_metrics(predicted, true, problem)


@pytest.mark.parametrize("names", [["one"], ["one", "one"], ["one", "two", "three"]])
def test_every_output_needs_its_own_name(names: list[str]) -> None:
    with pytest.raises(ValueError, match="2 outputs need as many different names"):
        compute_metrics(np.zeros((3, 2)), np.zeros((3, 2)), "regression", names)


# Modules of `evaluate`

EXAMPLES: dict[str, tuple[list[Any], list[Any]]] = {
    "numbers": ([0.1, 0.9, 0.3, 2.0, 1.0], [0.0, 1.0, 0.5, None, 3.0]),
    "scores": ([0.1, 0.9, 0.8, 0.7, 0.2], [0, 1, 0, 1, -100]),
    "class scores": ([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.6, 0.25, 0.15]], [0, 1, 2, 1]),
    "classes": ([0, 1, 2, 2, 0, 1], [0, 1, 1, 2, 0, -100]),
    "two classes": ([0, 1, 1, 0], [0, 1, 0, 1]),
    "probabilities": ([0.2, 0.9, 0.8, 0.1], [0, 1, 0, 1]),
    "one class": ([1, 0, 1], [1, 1, 1]),
}
KINDS = {
    ("spearman", "pearson", "rmse", "r2"): ["numbers"],
    ("auroc", "ap"): ["scores", "class scores", "one class"],
    ("mcc", "accuracy", "f1"): ["classes", "two classes", "one class", "probabilities"],
}
WORKER = """
import json, sys, warnings

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise RuntimeError(f"the network was asked: {event} {arguments}")

sys.addaudithook(refuse)
warnings.simplefilter("error")
import evaluate
from lyra_hf.tasks import metrics

examples, kinds = json.load(sys.stdin)
results = {}
for name, wanted in kinds.items():
    module = evaluate.load(metrics.metric_path(name))
    for kind in wanted:
        predictions, references = examples[kind]
        try:
            results[f"{name} {kind}"] = module.compute(predictions=predictions, references=references)
        except ValueError as error:
            results[f"{name} {kind}"] = str(error)
    assert module.description and module.inputs_description
kept = metrics.load_metric("f1", keep_in_memory=True)
kept.add_batch(predictions=[0], references=[0])
kept.add_batch(predictions=[1, 1], references=[1, 0])
results["batches"] = kept.compute(num_classes=3)
both = evaluate.combine([metrics.metric_path("mcc"), metrics.metric_path("accuracy")])
results["both"] = both.compute(predictions=[0, 1, 1], references=[0, 1, 0])
json.dump(results, sys.stdout, allow_nan=False)
"""


def module_results(cache: Path) -> dict[str, Any]:
    """What two processes that start at once, offline, with one empty cache between them, say of the examples."""
    offline = {"HF_HUB_OFFLINE": "1", "HF_EVALUATE_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "XDG_"))}
    environment = {**kept, **offline, "HF_HOME": str(cache)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    question = json.dumps([EXAMPLES, {name: kinds for names, kinds in KINDS.items() for name in names}])
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(question)
        worker.stdin.close()
        worker.stdin = None
    answers = [worker.communicate() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], answers
    first, second = (json.loads(output) for output, _ in answers)
    assert first == second
    return dict(first)


def test_names_are_those_of_the_scripts() -> None:
    scripts = Path(metrics.metric_path("spearman")).parent.glob("*.py")
    assert sorted(path.stem for path in scripts if path.stem != "__init__") == sorted(NAMES)
    assert list(metrics.METRIC_NAMES) == NAMES
    with pytest.raises(UserError, match="there is no metric 'auprc'"):
        metrics.metric_path("auprc")


def test_modules_say_what_the_functions_say(tmp_path: Path) -> None:
    def expect(problem: str, predicted: Any, true: Any) -> dict[str, Any]:
        return compute_metrics(np.array(predicted), np.array(true, dtype=float), problem)

    results = module_results(tmp_path)
    log_probabilities = np.log(EXAMPLES["class scores"][0])
    for name in ("spearman", "pearson", "rmse", "r2"):
        assert results[f"{name} numbers"] == {name: expect("regression", *EXAMPLES["numbers"])[name]}
    for name in ("auroc", "ap"):
        assert results[f"{name} scores"] == {name: expect(MULTI, *EXAMPLES["scores"])[name]}
        of_classes = expect(SINGLE, log_probabilities, EXAMPLES["class scores"][1])
        assert results[f"{name} class scores"] == {name: close(of_classes[name])}
        assert results[f"{name} one class"] == {name: None}
    for name in ("mcc", "accuracy", "f1"):
        for kind, classes in [("classes", 3), ("two classes", 2), ("one class", 2)]:
            chosen, true = EXAMPLES[kind]
            assert results[f"{name} {kind}"] == {name: expect(SINGLE, np.eye(classes)[chosen], true)[name]}
        assert results[f"{name} probabilities"] == "predictions must be class numbers 0, 1, ..."
    assert results["batches"] == {"f1": close(2 / 3)}
    assert results["both"] == {"mcc": close(0.5), "accuracy": close(2 / 3)}


# Optional libraries

BARE = """
import sys
import numpy as np
import lyra_hf

for library in ("scipy", "sklearn", "evaluate", "datasets", "pandas"):
    for loaded in [name for name in sys.modules if name.partition(".")[0] == library]:
        del sys.modules[loaded]
    sys.modules[library] = None
from lyra_hf.errors import UserError
from lyra_hf.tasks import metrics

for use in (
    lambda: metrics.compute_metrics(np.arange(3.0), np.arange(3.0), "regression"),
    lambda: metrics.compute_metrics(np.arange(3.0), np.array([0, 1, 1]), "multi_label_classification"),
    lambda: metrics.load_metric("spearman"),
):
    try:
        use()
    except UserError as error:
        print(error)
"""


def test_without_the_extra_it_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", BARE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "computing metrics needs scipy: pip install 'lyra-hf[train]'",
        "computing metrics needs sklearn: pip install 'lyra-hf[train]'",
        "loading a metric needs evaluate: pip install 'lyra-hf[train]'",
    ]


def test_needs_leaves_other_errors_alone() -> None:
    with (
        pytest.raises(UserError, match=r"reading needs no_such_library: pip install 'lyra-hf\[train\]'"),
        needs("train", "reading"),
    ):
        importlib.import_module("no_such_library.part")
    with pytest.raises(KeyError), needs("train", "reading"):
        raise KeyError("another")
