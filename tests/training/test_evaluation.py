"""What is reported of a model on labelled rows: metrics, intervals, and those of parts of the rows."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import f1_score, roc_auc_score
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, Predictor, UserError
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.training import evaluation
from lyra_hf.training.data import Rows
from lyra_hf.training.evaluation import Scored, bootstrap_intervals, evaluate_rows, evaluate_test, score_rows

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def first_interval(found: Scored, metric: str) -> list[float] | None:
    """The interval of the metric as a whole."""
    return bootstrap_intervals(found, metric)[0]


def scored(kind="regression", *, lengths=(1,) * 60, outputs=1, seed=0):
    """Made-up outputs that go with made-up labels; `lengths` labels belong to each row."""
    generator = np.random.default_rng(seed)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    truth = generator.normal(size=(rows.size, outputs)) + generator.normal(size=(len(lengths), outputs))[rows]
    guess = (truth + generator.normal(size=truth.shape)).astype(np.float32)
    names = [f"y{output}" for output in range(outputs)]
    if kind == SINGLE:
        return Scored(
            kind, ["no", "yes"], np.stack([-guess[:, 0], guess[:, 0]], 1), (truth[:, 0] > 0).astype(int), rows
        )
    labels = truth.astype(np.float32) if kind == "regression" else (truth > 0).astype(np.float32)
    labels[generator.random(labels.shape) < 0.1] = np.nan
    if outputs == 1:
        return Scored(kind, names, guess[:, 0], labels[:, 0], rows)
    return Scored(kind, names, guess, labels, rows)


def spearman(outputs, labels):
    known = ~np.isnan(labels)
    return stats.spearmanr(outputs[known], labels[known]).statistic


def mean_spearman(outputs, labels):
    return np.mean([spearman(*pair) for pair in zip(outputs.T, labels.T, strict=True)])


def auroc(outputs, labels):
    return roc_auc_score(labels, outputs[:, 1])


def mean_f1(outputs, labels):
    known = ~np.isnan(labels)
    return np.mean(
        [
            f1_score(true[flags], guess[flags] > 0)
            for true, guess, flags in zip(labels.T, outputs.T, known.T, strict=True)
        ]
    )


def plain_interval(found, metric, draws):
    """The interval as it is defined, one sequence after the other."""
    generator = np.random.default_rng(0)
    sequences = sorted(set(found.rows.tolist()))
    values = []
    for _ in range(draws):
        drawn = generator.integers(len(sequences), size=len(sequences))
        places = [place for number in drawn for place in np.flatnonzero(found.rows == sequences[number])]
        values.append(metric(found.outputs[places], found.labels[places]))
    values.sort()
    return [float(np.percentile(values, share)) for share in (2.5, 97.5)]


class TestBootstrap:
    @pytest.mark.parametrize(
        ("found", "name", "metric"),
        [
            (scored(), "spearman", spearman),
            (scored(outputs=3), "spearman", mean_spearman),
            (scored(SINGLE), "auroc", auroc),
            (scored(MULTI, outputs=2), "f1", mean_f1),
            (scored(lengths=range(1, 30)), "spearman", spearman),
            (scored(SINGLE, lengths=(3, 1, 4, 1, 5, 9, 2, 6)), "auroc", auroc),
        ],
        ids=["numbers", "outputs", "classes", "labels", "residues", "residues' classes"],
    )
    def test_is_that_of_a_plain_loop(self, monkeypatch, found, name, metric):
        monkeypatch.setattr(evaluation, "_MOST_DRAWS", 100)
        assert first_interval(found, name) == pytest.approx(plain_interval(found, metric, 100), abs=1e-12)

    def test_is_the_same_in_every_run(self):
        first = first_interval(scored(), "spearman")
        np.random.seed(7)  # noqa: NPY002  # what others draw does not matter
        assert first_interval(scored(), "spearman") == first

    def test_the_order_of_the_rows_parts_no_sequence(self):
        """Residues that do not stand together are drawn together all the same."""
        found = scored(lengths=(4,) * 20)
        order = np.argsort(np.tile(np.arange(4), 20), kind="stable")
        shuffled = found._replace(outputs=found.outputs[order], labels=found.labels[order], rows=found.rows[order])
        assert (np.diff(shuffled.rows) != 0).all()
        assert first_interval(shuffled, "rmse") == pytest.approx(first_interval(found, "rmse"), rel=1e-12)

    def test_residues_are_drawn_together(self):
        """Where the residues of a sequence are all alike, many of them tell no more than one."""
        single = scored()
        places = np.repeat(np.arange(60), 25)
        many = single._replace(outputs=single.outputs[places], labels=single.labels[places], rows=single.rows[places])
        assert first_interval(many, "pearson") == pytest.approx(first_interval(single, "pearson"), rel=1e-9)
        apart = many._replace(rows=np.arange(places.size))
        low, high = first_interval(many, "pearson")
        narrow_low, narrow_high = first_interval(apart, "pearson")
        assert narrow_high - narrow_low < (high - low) / 3

    def test_covers_the_truth_as_often_as_it_says(self, monkeypatch):
        """The root mean squared error of outputs that are off by normal errors of 1, over 200 made-up test sets."""
        monkeypatch.setattr(evaluation, "_MOST_DRAWS", 200)
        generator = np.random.default_rng(1)
        covered = 0
        for _ in range(200):
            labels = generator.normal(size=80).astype(np.float32)
            outputs = (labels + generator.normal(size=80)).astype(np.float32)
            low, high = first_interval(Scored("regression", ["y"], outputs, labels, np.arange(80)), "rmse")
            covered += low <= 1 <= high
        assert 0.9 <= covered / 200 <= 0.98

    def test_holds_the_metric_itself(self):
        for found, metric in ((scored(), "pearson"), (scored(SINGLE), "mcc"), (scored(MULTI, outputs=2), "ap")):
            low, high = first_interval(found, metric)
            assert low < found.metrics()[metric] < high

    @pytest.mark.parametrize("labels", [np.zeros(20), np.full(20, np.nan), np.zeros(0)], ids=["same", "none", "empty"])
    def test_of_an_undefined_metric_there_is_none(self, labels):
        outputs = np.arange(labels.size, dtype=np.float32)
        assert first_interval(Scored("regression", ["y"], outputs, labels, np.arange(labels.size)), "spearman") is None

    def test_draws_that_leave_a_metric_undefined_do_not_count(self):
        """One row of the second class: a third of the draws miss it, the others have an interval."""
        labels = np.zeros(30, dtype=int)
        labels[0] = 1
        outputs = np.stack([np.zeros(30), np.linspace(1, -1, 30)], axis=1).astype(np.float32)
        assert first_interval(Scored(SINGLE, ["a", "b"], outputs, labels, np.arange(30)), "auroc") == pytest.approx(
            [1, 1]
        )

    @pytest.mark.parametrize("kind", ["regression", MULTI])
    def test_of_several_outputs_each_has_its_own(self, kind):
        """As if it were alone; all on the same draws."""
        found = scored(kind, outputs=2)
        metric = "spearman" if kind == "regression" else "auroc"
        _, *of_outputs = bootstrap_intervals(found, metric)
        assert len(of_outputs) == 2
        for index, interval in enumerate(of_outputs):
            single = found._replace(outputs=found.outputs[:, [index]], labels=found.labels[:, [index]], names=["y"])
            assert bootstrap_intervals(single, metric) == [pytest.approx(interval)]

    def test_large_tables_have_fewer_draws(self, monkeypatch):
        monkeypatch.setattr(evaluation, "_BOOTSTRAP_LABELS", 60 * 150)
        found = scored()
        assert first_interval(found, "spearman") == pytest.approx(plain_interval(found, spearman, 150), abs=1e-12)


def sequences(number, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(2, 6, size=generator.integers(3, 9)).astype(np.uint8) for _ in range(number)]


class TestScores:
    def test_of_each_row(self):
        encoded = sequences(12)
        labels = [np.float32(number) for number in range(12)]
        predictor = Predictor(build(LyraForRegression))
        found = score_rows(predictor, Rows(EncodedSequences.from_list(encoded), labels))
        one_by_one = [predictor.predict_encoded(EncodedSequences.from_list([ids])).logits.item() for ids in encoded]
        np.testing.assert_allclose(found.outputs, one_by_one, rtol=1e-4)
        assert found.labels.tolist() == labels
        assert found.rows.tolist() == list(range(12))

    def test_of_each_residue(self):
        encoded = sequences(6)
        labels = [(ids % 3).astype(np.int64) for ids in encoded]
        names = {0: "a", 1: "b", 2: "c"}
        predictor = Predictor(build(LyraForTokenClassification, problem_type=SINGLE, id2label=names))
        found = score_rows(predictor, Rows(EncodedSequences.from_list(encoded), labels))
        assert found.names == ["a", "b", "c"]
        for row, ids in enumerate(encoded):
            part = found.where(np.arange(6) == row)
            alone = predictor.predict_encoded(EncodedSequences.from_list([ids])).logits
            np.testing.assert_allclose(part.outputs, alone.reshape(-1, 3), atol=1e-4)
            assert part.labels.tolist() == labels[row].tolist()
            assert part.rows.tolist() == [row] * ids.size

    @pytest.mark.parametrize("kind", ["regression", MULTI])
    def test_of_one_output_of_several(self, kind):
        encoded = EncodedSequences.from_list(sequences(20))
        generator = np.random.default_rng(3)
        labels = generator.integers(0, 2, size=(20, 2)).astype(np.float32)
        cls = LyraForRegression if kind == "regression" else LyraForSequenceClassification
        predictor = Predictor(build(cls, problem_type=kind, id2label={0: "on", 1: "off"}))
        both = evaluate_rows(predictor, Rows(encoded, list(labels)))
        for place, name in enumerate(("on", "off")):
            assert evaluate_rows(predictor, Rows(encoded, list(labels[:, place])), name) == both["outputs"][name]
        with pytest.raises(UserError, match="no output 'of'; its outputs are: on, off"):
            score_rows(predictor, Rows(encoded, list(labels[:, 0])), "of")

    @pytest.mark.parametrize("kind", ["regression", SINGLE, MULTI])
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_only_one_metric_is_the_same_as_among_all(self, kind, outputs):
        found = scored(kind, outputs=outputs)
        everything = found.metrics()
        for metric in set(everything) - {"n", "outputs"}:
            only = found.metrics(only=metric)
            assert only[metric] == everything[metric]
            assert only["n"] == everything["n"]
            assert set(only) <= {metric, "n", "outputs"}

    def test_outputs_that_are_not_finite_are_told_of(self):
        found = scored()
        found.outputs[3] = np.nan
        with pytest.raises(UserError, match="1 of 60 predictions are not finite"):
            found.metrics()


class TestTestRows:
    @pytest.fixture
    def predictor(self):
        return Predictor(build(LyraForRegression))

    def test_metrics_and_interval_of_all_and_of_each_part(self, predictor):
        encoded = sequences(40)
        labels = [np.float32((ids == 3).mean()) for ids in encoded]
        first = np.arange(40) < 25
        rows = Rows(EncodedSequences.from_list(encoded), labels, {"first": first, "rest": ~first})
        report = evaluate_test(predictor, rows, "spearman")
        subsets = report.pop("subsets")
        interval = report.pop("interval")
        assert report == evaluate_rows(predictor, rows)
        assert interval == first_interval(score_rows(predictor, rows), "spearman")
        assert list(subsets) == ["first", "rest"]
        for name, flags in rows.subsets.items():
            part = Rows(rows.encoded.filter(flags), [labels[row] for row in np.flatnonzero(flags)])
            expected = evaluate_test(predictor, part, "spearman")
            assert subsets[name]["n"] == flags.sum()
            assert subsets[name].pop("interval") == pytest.approx(expected.pop("interval"), rel=1e-4)
            assert subsets[name] == pytest.approx(expected, rel=1e-4)

    def test_without_parts_there_are_none(self, predictor):
        rows = Rows(EncodedSequences.from_list(sequences(5)), [np.float32(number) for number in range(5)])
        assert "subsets" not in evaluate_test(predictor, rows, "spearman")

    def test_a_part_without_rows_is_undefined(self, predictor):
        labels = [np.float32(number) for number in range(5)]
        rows = Rows(EncodedSequences.from_list(sequences(5)), labels, {"nothing": np.zeros(5, dtype=bool)})
        report = evaluate_test(predictor, rows, "spearman")["subsets"]["nothing"]
        assert report == {"spearman": None, "pearson": None, "rmse": None, "r2": None, "n": 0, "interval": None}
