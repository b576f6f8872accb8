"""`lyra-hf train` as people run it: on tables of their own, on tasks of the catalogue, and with several seeds."""

import csv
import json
import re
from pathlib import Path
from typing import get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from commands import SITES, only_json, predictions, succeed, write_table
from huggingface_hub import ModelCard
from scipy.stats import pearsonr, spearmanr
from small_models import build

from lyra_hf import (
    LyraConfig,
    LyraForRegression,
    Predictor,
)
from lyra_hf.cli.training import POOLINGS, train_command


class TestTrain:
    @pytest.fixture
    def trained(self, lyra, table):
        write_table("mydata.csv", **table)
        options = ("--epochs", "2", "--batch-size", "16", "--learning-rate", "0.01", "--seed", "3")
        return lyra("train", "mydata.csv", "--target", "fitness", "-o", "model", *options)

    def test_then_predict_and_evaluate(self, lyra, table, trained):
        report = only_json(succeed(trained))
        assert report == json.loads(Path("model/training_report.json").read_text())
        assert report["rows"] == {"train": 40, "validation": 10, "test": 10}
        chosen = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01, "seed": 3}
        assert {name: report["options"][name] for name in chosen} == chosen
        assert "mydata.csv: dna, regression per sequence" in trained[2]

        scores = predictions(succeed(lyra("predict", "model", "mydata.csv")))
        test = only_json(succeed(lyra("evaluate", "model", "mydata.csv", "--target", "fitness", "--split", "test")))
        labels = np.array(table["fitness"])
        assert test["n"] == 10
        assert test["spearman"] == pytest.approx(spearmanr(scores[50:], labels[50:]).statistic, abs=1e-6)
        assert test["rmse"] == pytest.approx(np.sqrt(np.mean((scores[50:] - labels[50:]) ** 2)), rel=1e-4)
        low, high = report["test"].pop("interval")
        assert low <= test["spearman"] <= high
        assert test == pytest.approx(report["test"], rel=1e-4)

        everything = only_json(succeed(lyra("evaluate", "model", "mydata.csv", "--target", "fitness")))
        assert everything["n"] == 60
        assert everything["pearson"] == pytest.approx(pearsonr(scores, labels).statistic, abs=1e-5)

    def test_the_card_tells_where_the_model_comes_from_but_not_where_files_lie(self, lyra, table, tmp_path):
        write_table("my data.csv", **table)
        data = str(tmp_path / "my data.csv")
        options = ("--epochs", "1", "--license", "cc-by-4.0")
        report = only_json(succeed(lyra("train", data, "--target", "fitness", "-o", "model", *options)))
        command = "lyra-hf train --target=fitness --column=sequence --license=cc-by-4.0 --epochs=1 --output=DIR -- "
        assert report["origin"] == {
            "command": f"{command}'my data.csv'",
            "tables": ["my data.csv"],
            "license": "cc-by-4.0",
        }
        card = ModelCard.load("model/README.md")
        assert card.data.license == "cc-by-4.0"
        assert f"{command}'my data.csv'" in card.text
        assert str(tmp_path) not in card.content + Path("model/training_report.json").read_text()
        (widget,) = card.data.widget
        assert widget["text"] == table["sequence"][40]
        (output,) = widget["output"]
        assert output["score"] == pytest.approx(float(Predictor("model")([widget["text"]])[0]), rel=1e-3)

    def test_classes(self, lyra, table):
        kinds = ["rich" if label > 3 else "poor" for label in table["fitness"]]
        write_table("mydata.tsv.csv", sequence=table["sequence"], kind=kinds, fold=table["split"])
        options = ("--split-column", "fold", "--epochs", "1", "--bidirectional", "--class-weights")
        report = only_json(succeed(lyra("train", "mydata.tsv.csv", "--target", "kind", "-o", "model", *options)))
        assert report["metric"] == "mcc"
        config = json.loads(Path("model/config.json").read_text())
        assert config["id2label"] == {"0": "poor", "1": "rich"}
        assert config["bidirectional"] is True
        out = succeed(lyra("predict", "model", "mydata.tsv.csv"))
        found = [row["label"] for row in csv.DictReader(out.splitlines())]
        metrics = only_json(succeed(lyra("evaluate", "model", "mydata.tsv.csv", "--target", "kind")))
        assert metrics["accuracy"] == pytest.approx(np.mean(np.array(found) == np.array(kinds)))

    @pytest.mark.parametrize("pooling", POOLINGS)
    def test_poolings(self, lyra, table, pooling):
        """The first training sequence is the longest; those to validate and test on count for nothing."""
        table["sequence"][0] += "ACG"
        table["sequence"][-1] += "ACGACGACG"
        write_table("mydata.csv", **table)
        options = ("--epochs", "1", "--pooling", pooling)
        succeed(lyra("train", "mydata.csv", "--target", "fitness", "-o", "model", *options))
        config = Predictor("model").config
        assert (config.pooling, config.num_positions) == (pooling, 15 if pooling == "position" else 0)
        assert predictions(succeed(lyra("predict", "model", "mydata.csv"))).size == 60

    def test_site_weights(self, lyra, table):
        write_table("mydata.csv", **table)
        options = ("--epochs", "1", "--site-weights")
        succeed(lyra("train", "mydata.csv", "--target", "fitness", "-o", "model", *options))
        predictor = Predictor("model")
        assert (predictor.config.pooling, predictor.config.num_positions) == ("mean", 12)
        assert predictor.model.site_weights.weight.any()
        assert predictions(succeed(lyra("predict", "model", "mydata.csv"))).size == 60

    def test_refit(self, lyra, table):
        write_table("mydata.csv", **table)
        report = only_json(
            succeed(lyra("train", "mydata.csv", "--target", "fitness", "-o", "model", "--epochs", "2", "--refit"))
        )
        assert report["options"]["refit"] is True

    def test_site_weights_are_for_numbers(self, lyra, table):
        kinds = ["low" if value < 3 else "high" for value in table["fitness"]]
        write_table("mydata.csv", sequence=table["sequence"], kind=kinds)
        status, out, err = lyra("train", "mydata.csv", "--target", "kind", "-o", "model", "--site-weights")
        assert (status, out) == (2, "")
        assert "mydata.csv has classes for labels, and --site-weights is for numbers; leave it out" in err
        assert not Path("model").exists()

    def test_pairs_with_context(self, lyra, table):
        write_table("mydata.csv", **table, middle=[sequence[2:-2] for sequence in table["sequence"]])
        options = ("--epochs", "1", "--pair-column", "middle", "--pair-context", "2", "--pooling", "position")
        succeed(lyra("train", "mydata.csv", "--target", "fitness", "-o", "model", *options))
        config = Predictor("model").config
        assert (config.pair_input, config.pair_context, config.num_positions) == (True, 2, 12)
        out = succeed(lyra("predict", "model", "mydata.csv", "--pair-column", "middle"))
        assert predictions(out).size == 60

    def test_there_is_nothing_to_pool_per_residue(self, lyra, table):
        labels = [json.dumps([0.5] * len(sequence)) for sequence in table["sequence"]]
        write_table("mydata.csv", sequence=table["sequence"], y=labels)
        status, out, err = lyra("train", "mydata.csv", "--target", "y", "-o", "model", "--pooling", "max")
        assert (status, out) == (2, "")
        assert err.endswith(
            "lyra-hf: mydata.csv has labels per residue, which leave nothing to pool; leave out --pooling\n"
        )
        assert not Path("model").exists()


def test_poolings_are_those_of_the_model():
    assert set(POOLINGS) == set(get_args(LyraConfig.__annotations__["pooling"]))


class TestTrainTask:
    """On a catalogue that is made up: a task, one with a cross-validation, and one with test rows elsewhere."""

    RECIPE = """
        area: made
        title: Number of C
        table: made/counts
        targets: [count]
        outputs: [letters]
        alphabet: dna
        problem_type: regression
        metric: pearson
        size: [40, 10, 10]
        paper: {epochs: 1, batch_size: 20}
        training: {epochs: 2, batch_size: 10, averaging: 0.5}
        model: {hidden_size: 16, bidirectional: true}
    """
    SOURCE = {  # noqa: RUF012
        "repository": "somebody/counts", "commit": "0" * 40, "paths": ["counts.csv"], "terms": "MIT", "paper": "none",
        "weights_licence": "apache-2.0", "unit": "letters", "steps": "none",
    }  # fmt: skip

    @pytest.fixture(autouse=True)
    def catalogue(self, lyra, tmp_path, monkeypatch, table):
        recipes, tables = tmp_path / "recipes", tmp_path / "tables"
        recipe = yaml.safe_load(self.RECIPE)
        variants = {
            "letter_counts": {},
            "letter_counts_folds": {"folds": "part"},
            "letter_counts_elsewhere": {"test": {"table": "made/others", "targets": ["count"]}},
        }
        for path, content in [
            *((recipes / f"{name}.yaml", {**recipe, **changes}) for name, changes in variants.items()),
            *((tables / "made" / f"{name}.yaml", self.SOURCE) for name in ("counts", "others")),
        ]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump(content))
        monkeypatch.setattr("lyra_hf.tasks.recipe._RECIPES", recipes)
        monkeypatch.setattr("lyra_hf.tasks.sources._TABLES", tables)
        monkeypatch.delenv("LYRA_HF_DATA", raising=False)
        columns = {"sequence": table["sequence"], "count": table["fitness"], "split": table["split"]}
        self.write("counts", **columns, part=[row % 5 for row in range(60)])

    @staticmethod
    def write(name, **columns):
        path = Path("data/made") / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pa.table(columns), path)

    def train(self, lyra, task, *options):
        return lyra("train", "--task", task, "--data-dir", "data", "-o", "model", *options)

    def fails(self, result):
        """The one line that it ends with."""
        status, out, err = result
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert not Path("model").exists()
        return err

    def test_the_best_configuration(self, lyra, table):
        report = only_json(succeed(self.train(lyra, "letter_counts")))
        assert report == json.loads(Path("model/training_report.json").read_text())
        assert report["metric"] == "pearson"
        assert report["rows"] == {"train": 40, "validation": 10, "test": 10}
        chosen = {"epochs": 2, "batch_size": 10, "averaging": 0.5}
        assert {name: report["options"][name] for name in chosen} == chosen
        config = Predictor("model").config
        assert (config.hidden_size, config.bidirectional, config.id2label) == (16, True, {0: "letters"})
        scores = Predictor("model")(table["sequence"][50:])
        assert report["test"]["pearson"] == pytest.approx(pearsonr(scores, table["fitness"][50:]).statistic, abs=1e-5)
        low, high = report["test"]["interval"]
        assert low <= report["test"]["pearson"] <= high

    def test_the_papers_configuration(self, lyra):
        report = only_json(succeed(self.train(lyra, "letter_counts", "--configuration", "paper")))
        assert (report["options"]["epochs"], report["options"]["batch_size"]) == (1, 20)
        assert report["options"]["averaging"] == 0
        config, default = Predictor("model").config, LyraConfig(alphabet="dna")
        assert (config.hidden_size, config.bidirectional) == (default.hidden_size, default.bidirectional)

    def test_what_is_told_goes_over_the_recipe(self, lyra):
        options = ("--epochs", "1", "--seed", "3", "--metric", "rmse")
        report = only_json(succeed(self.train(lyra, "letter_counts", *options)))
        assert (report["options"]["epochs"], report["options"]["seed"], report["metric"]) == (1, 3, "rmse")

    @pytest.mark.parametrize("fold", [None, 0, 3])
    def test_a_fold(self, lyra, table, fold):
        options = ("--epochs", "1", *(() if fold is None else ("--fold", fold)))
        result = self.train(lyra, "letter_counts_folds", *options)
        report = only_json(succeed(result))
        assert "rows: 36 train, 12 validation, 12 test" in result[2]
        assert report["rows"] == {"train": 36, "validation": 12, "test": 12}
        tested = slice(fold or 0, None, 5)
        scores = Predictor("model")(table["sequence"][tested])
        expected = pearsonr(scores, table["fitness"][tested]).statistic
        assert report["test"]["pearson"] == pytest.approx(expected, abs=1e-5)

    def test_a_pooling_that_the_recipe_has_not(self, lyra):
        succeed(self.train(lyra, "letter_counts", "--epochs", "1", "--pooling", "position"))
        config = Predictor("model").config
        assert (config.pooling, config.num_positions, config.bidirectional) == ("position", 12, True)

    def test_a_pooling_of_another_shape_than_the_start(self, lyra, tmp_path):
        build(LyraForRegression, hidden_size=16).save_pretrained("begin")
        path = tmp_path / "recipes" / "letter_counts.yaml"
        recipe = yaml.safe_load(path.read_text())
        recipe["training"]["start"], recipe["model"] = str(tmp_path / "begin"), {}
        path.write_text(yaml.safe_dump(recipe))
        status, out, err = self.train(lyra, "letter_counts", "--pooling", "position")
        assert (status, out) == (2, "")
        assert re.search("^lyra-hf: .*begin is of another shape than the model options ask for", err.splitlines()[-1])
        assert not Path("model").exists()

    def test_a_fold_that_is_not_there(self, lyra):
        assert "there is no fold 7" in self.fails(self.train(lyra, "letter_counts_folds", "--fold", "7"))
        assert "is no cross-validation" in self.fails(self.train(lyra, "letter_counts", "--fold", "1"))

    def test_an_unknown_task_is_answered_with_the_nearest(self, lyra):
        message = self.fails(self.train(lyra, "leter_count"))
        assert "no task is called 'leter_count'; did you mean letter_counts or letter_counts_folds" in message
        assert "lists all 3" in message

    def test_a_table_that_is_missing(self, lyra):
        Path("data/made/counts.parquet").unlink()
        message = self.fails(self.train(lyra, "letter_counts"))
        origin = f"its public source is somebody/counts at {'0' * 40} (counts.csv)"
        assert f"data/made/counts.parquet: no such file; {origin}" in message
        message = self.fails(lyra("train", "--task", "letter_counts", "-o", "model"))
        assert (
            f"made/counts.parquet is needed: name the folder that holds it with --data-dir or LYRA_HF_DATA; {origin}"
            in (message)
        )

    def test_test_rows_that_are_missing_are_told_of_before_training(self, lyra):
        message = self.fails(self.train(lyra, "letter_counts_elsewhere"))
        assert "data/made/others.parquet: no such file" in message
        self.write("others", sequence=["ACGT"], split=["test"])
        assert "has no column 'count'" in self.fails(self.train(lyra, "letter_counts_elsewhere"))
        self.write("others", sequence=["ACGT", "CCCA", "GGGC"], split=["test"] * 3, count=[1.5, 3.5, 1.5])
        assert only_json(succeed(self.train(lyra, "letter_counts_elsewhere")))["rows"]["test"] == 3

    def test_a_table_without_a_column_that_the_recipe_needs(self, lyra, table):
        self.write("counts", sequence=table["sequence"], split=table["split"], part=[0] * 60)
        message = self.fails(self.train(lyra, "letter_counts"))
        assert "data/made/counts.parquet has no column 'count'; its columns are: sequence, split, part" in message
        self.write("counts", sequence=table["sequence"], split=table["split"], count=table["fitness"])
        assert "has no column 'part'" in self.fails(self.train(lyra, "letter_counts_folds"))


class TestTrainSeeds:
    def test_every_seed_has_a_folder_and_the_summary_names_the_best(self, lyra, table):
        write_table("mydata.csv", **table)
        command = ("train", "mydata.csv", "--target", "fitness", "-o", "models", "--epochs", "1", "--seed", "4")
        result = lyra(*command, "--seeds", "2")
        summary = only_json(succeed(result))
        assert summary == json.loads(Path("models/summary.json").read_text())
        assert sorted(path.name for path in Path("models").iterdir()) == [
            "ensemble",
            "seed-4",
            "seed-5",
            "summary.json",
        ]
        for seed in (4, 5):
            report = json.loads(Path(f"models/seed-{seed}/training_report.json").read_text())
            assert report["options"]["seed"] == seed
            assert summary["runs"][f"seed-{seed}"] == report
            assert f"seed-{seed}: spearman, validation {report['validation']['spearman']:.4f}" in result[2]
            assert predictions(succeed(lyra("predict", f"models/seed-{seed}", "mydata.csv"))).size == 60
        scores = [report["validation"]["spearman"] for report in summary["runs"].values()]
        assert summary["validation"]["spearman"]["mean"] == pytest.approx(np.mean(scores))
        assert summary["best"] == f"seed-{4 + int(np.argmax(scores))}"

        # The same command again has nothing to do; another one does not take these for its own.
        weights = Path("models/seed-4/model.safetensors").stat().st_mtime_ns
        joined = Path("models/ensemble/model.safetensors").stat().st_mtime_ns
        assert only_json(succeed(lyra(*command, "--seeds", "2"))) == summary
        assert Path("models/seed-4/model.safetensors").stat().st_mtime_ns == weights
        assert Path("models/ensemble/model.safetensors").stat().st_mtime_ns == joined
        status, out, err = lyra(*command, "--seeds", "2", "--batch-size", "8")
        assert (status, out) == (2, "")
        assert "seed-4 holds a finished run of another command" in err

        # Nor does the same command on another table.
        write_table("mydata.csv", **{**table, "fitness": [2 * label for label in table["fitness"]]})
        status, out, err = lyra(*command, "--seeds", "2")
        assert (status, out) == (2, "")
        assert "seed-4 holds a finished run on mydata.csv as it was before it changed" in err

    @pytest.mark.parametrize(("ensemble", "best"), [(0.9, "ensemble"), (0.5, "seed-1"), (0.1, "seed-1")])
    def test_one_model_is_recommended(self, lyra, table, monkeypatch, ensemble, best):
        """The ensemble if it is better on validation than every seed."""
        write_table("mydata.csv", **table)

        def reports(runs, watcher, jobs):
            for seed, run in enumerate(runs):
                run.folder.mkdir(parents=True)
                report = {"metric": "spearman", "validation": {"spearman": 0.4 + seed / 10}, "test": None}
                (run.folder / "training_report.json").write_text(json.dumps(report))
            return {}

        joined = {"metric": "spearman", "validation": {"spearman": ensemble}, "test": None}
        monkeypatch.setattr("lyra_hf.training.parallel.run_all", reports)
        monkeypatch.setattr("lyra_hf.training.joining.joined_report", lambda *arguments: joined)
        result = lyra("train", "mydata.csv", "--target", "fitness", "-o", "models", "--seeds", "2")
        summary = only_json(succeed(result))
        assert (summary["best"], summary["ensemble"]) == ("seed-1", joined)
        lines = result[2].splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(f"models: best on validation is {best}")
        assert lines[1] == f"  lyra-hf predict models/{best} sequences.csv"

    def test_all_seeds_are_joined_into_an_ensemble(self, lyra, table):
        write_table("mydata.csv", **table)
        command = ("train", "mydata.csv", "--target", "fitness", "-o", "models", "--epochs", "1", "--seeds", "2")
        result = lyra(*command)
        summary = only_json(succeed(result))
        report = json.loads(Path("models/ensemble/training_report.json").read_text())
        assert summary["ensemble"] == report
        runs = list(summary["runs"].values())
        assert list(summary["runs"]) == ["seed-0", "seed-1"]  # it counts neither in the mean nor for the best
        assert report["options"] == {**runs[0]["options"], "seed": [0, 1]}
        assert report["origin"]["command"].startswith("lyra-hf train --seeds=2 ")
        assert report["parameters"] == 2 * runs[0]["parameters"]
        assert report["rows"] == runs[0]["rows"]
        assert set(report["test"]) == set(runs[0]["test"])
        best = max([*runs, report], key=lambda one: one["validation"]["spearman"])
        name = "ensemble" if best == report else f"seed-{best['options']['seed']}"
        advice = [line for line in result[2].splitlines() if "lyra-hf predict" in line]
        assert advice == [f"  lyra-hf predict models/{name} sequences.csv"]
        members = [predictions(succeed(lyra("predict", f"models/seed-{seed}", "mydata.csv"))) for seed in (0, 1)]
        out = succeed(lyra("predict", "models/ensemble", "mydata.csv"))
        np.testing.assert_allclose(predictions(out), np.mean(members, axis=0), rtol=1e-4, atol=1e-5)
        spread = [float(row["sd"]) for row in csv.DictReader(out.splitlines())]
        np.testing.assert_allclose(spread, np.std(members, axis=0), rtol=1e-3, atol=1e-5)

    def test_a_single_seed_has_no_ensemble(self, lyra, table):
        write_table("mydata.csv", **table)
        command = ("train", "mydata.csv", "--target", "fitness", "-o", "models", "--epochs", "1", "--seeds", "1")
        assert "ensemble" not in only_json(succeed(lyra(*command)))
        assert sorted(path.name for path in Path("models").iterdir()) == ["seed-0", "summary.json"]

    def test_what_fails_is_told_in_a_line_each(self, lyra, monkeypatch):
        monkeypatch.syspath_prepend(Path.cwd())
        write_table("words.csv", sequence=SITES, y=[1.5, 2.5, 3.5], s=["train", "validation", "test"])
        Path("failing.py").write_text("import sys; sys.exit('lyra-hf: words.csv, row 2: not a number')")
        monkeypatch.setattr("lyra_hf.cli.training.train_command", lambda request, output: ("failing",))
        status, out, err = lyra("train", "words.csv", "--target", "y", "--split-column", "s", "-o", "m", "--seeds", "2")
        assert (status, out) == (2, "")
        lines = sorted(err.splitlines())
        assert re.fullmatch(r"\[1/2\] seed-[01]: words\.csv, row 2: not a number", lines[0])
        assert re.fullmatch(r"\[2/2\] seed-[01]: words\.csv, row 2: not a number", lines[1])
        assert lines[2:] == ["lyra-hf: 2 of 2 runs failed: seed-0, seed-1"]

    @pytest.mark.parametrize(
        "command",
        [
            "train my-data.csv --target y -o out",
            "train --task kim2019_spcas9 --data-dir tables --metric pearson -o out --learning-rate 0.00015 --epochs 7",
            "train --task kim2019_spcas9 --configuration paper --fold 0 -o out",
            "train my-data.csv --target y1 --target y2 --column s --pair-column t --split-column fold --alphabet rna "
            "--problem multi-label --per-residue --label-transform rank --bidirectional --batch-size 5 --patience 0 "
            "--class-weights --zeros-are-missing --metric ap --seed 3 --pooling position --pair-context 0 -o out",
            "train -o out --target=-y -- -table.csv",
        ],
    )
    def test_the_command_of_a_run_asks_for_the_same(self, lyra, monkeypatch, command):
        requests = []
        monkeypatch.setattr(
            "lyra_hf.cli.training.run_training", lambda request, output: requests.append((request, output)) or {}
        )
        succeed(lyra(*command.split()))
        again = train_command(*requests[0])
        assert again[0] == "lyra_hf.cli"
        succeed(lyra(*again[1:]))
        assert requests[0] == requests[1]
