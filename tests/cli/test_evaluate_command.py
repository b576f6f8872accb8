"""`lyra-hf evaluate --task`: a model measured on exactly the rows that a recipe chooses."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score
from small_models import build

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, Predictor
from lyra_hf.cli import main
from lyra_hf.tasks.recipe import load_recipe

SPLITS = ["train"] * 6 + ["validation"] * 5 + ["test"] * 7


@pytest.fixture
def evaluate(tmp_path, monkeypatch, capsys):
    """Run the command in an empty folder that is the folder of tables too; returns the JSON, or the error's line."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LYRA_HF_DATA", str(tmp_path))

    def run(*arguments):
        capsys.readouterr()  # of models that were saved
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *map(str, arguments)])
        out, err = capsys.readouterr()
        if ended.value.code:
            assert (ended.value.code, out) == (2, "")
            return err.strip()
        assert err == ""
        return json.loads(out)

    return run


def random_sequences(letters, lengths, seed=0):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list(letters), size=length)) for length in lengths]


def write(name, **columns):
    """A table in the folder of tables."""
    path = f"{name}.parquet"
    pa.parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture
def guides(evaluate, tmp_path):
    """A table like that of lyra-cas9."""
    (tmp_path / "cas9").mkdir()
    labels = np.random.default_rng(1).random(len(SPLITS)) * 100
    sequences = random_sequences("ACGT", [30] * len(SPLITS))
    return write("cas9/kim2019_spcas9", sequence=sequences, label=labels, split=SPLITS)


class TestRows:
    TASK = ("lyra-cas9", "--task", "kim2019_spcas9")

    @pytest.mark.parametrize("split", ["train", "validation", "test"])
    def test_a_split_is_that_of_the_table(self, evaluate, guides, split):
        found = evaluate(*self.TASK, "--split", split)
        assert found == evaluate("lyra-cas9", guides, "--target", "label", "--split", split)
        assert found["n"] == SPLITS.count(split)

    def test_the_test_rows_unless_told(self, evaluate, guides):
        assert evaluate(*self.TASK) == evaluate(*self.TASK, "--split", "test")

    def test_the_folder_of_tables(self, evaluate, guides, tmp_path, monkeypatch):
        expected = evaluate(*self.TASK)
        monkeypatch.delenv("LYRA_HF_DATA")
        assert evaluate(*self.TASK, "--data-dir", tmp_path) == expected
        assert "cas9/kim2019_spcas9.parquet is needed: name the folder" in evaluate(*self.TASK)

    def test_of_real_data(self, evaluate, data_folder):
        path = data_folder / "cas9" / "kim2019_spcas9.parquet"
        found = evaluate(*self.TASK, "--data-dir", data_folder)
        assert found == evaluate("lyra-cas9", path, "--target", "label", "--split", "test")
        assert found["n"] == load_recipe("kim2019_spcas9").size[2]

    def test_a_fold(self, evaluate, tmp_path):
        (tmp_path / "fitness").mkdir()
        recipe = load_recipe("proteingym_tcrg1_tsuboyama_modulo")
        folds = np.repeat(range(5), [4, 5, 6, 7, 8])
        sequences = random_sequences("ACDEFGHIKLMNPQRSTVWY", [20] * len(folds))
        labels = np.random.default_rng(1).random(len(folds))
        write(recipe.tables[0], **{"sequence": sequences, recipe.targets[0]: labels, recipe.folds: folds})
        build(LyraForRegression, alphabet="protein", id2label=dict(enumerate(recipe.outputs))).save_pretrained("model")
        task = ("model", "--task", recipe.name)
        assert evaluate(*task) == evaluate(*task, "--fold", 0)
        assert [evaluate(*task, "--fold", fold)["n"] for fold in range(5)] == [4, 5, 6, 7, 8]
        predicted = Predictor("model")(sequences)[folds == 3]
        expected = spearmanr(predicted, labels[folds == 3]).statistic
        assert evaluate(*task, "--fold", 3)["spearman"] == pytest.approx(expected, abs=1e-6)
        assert "there is no fold 5" in evaluate(*task, "--fold", 5)

    def test_in_another_table(self, evaluate, tmp_path):
        (tmp_path / "disorder").mkdir()
        recipe = load_recipe("caid2_binding")
        sequences = random_sequences("ACDEFGHIKLMNPQRSTVWY", [9] * 10)
        labels = [[0, 1, 0, 1, 1, 0, 0, 1, -1]] * 10
        splits = ["train"] * 8 + ["validation"] * 2
        write(recipe.tables[0], sequence=sequences, protein_binding=labels, split=splits)
        write(
            recipe.test.table,
            sequence=sequences[:3],
            label=labels[:3],
            split=["test"] * 3,
            task=["binding", "linker", "binding"],
        )
        names = dict(enumerate(recipe.outputs))
        build(LyraForTokenClassification, alphabet="protein", id2label=names).save_pretrained("model")
        task = ("model", "--task", recipe.name)
        assert evaluate(*task)["n"] == 2 * 8
        assert evaluate(*task, "--split", "validation")["n"] == 2 * 8

    def test_that_are_joined(self, evaluate, tmp_path):
        (tmp_path / "cas9").mkdir()
        recipe = load_recipe("wang2019_variants")
        sequences = random_sequences("ACGT", [21] * len(SPLITS))
        labels = np.random.default_rng(1).random((3, len(SPLITS)))
        for table, column in zip(recipe.tables, labels, strict=True):
            write(table, sequence=sequences, label=column, split=SPLITS)
        build(LyraForRegression, id2label=dict(enumerate(recipe.outputs))).save_pretrained("model")
        found = evaluate("model", "--task", recipe.name)
        predicted = Predictor("model")(sequences)[-7:]
        for place, name in enumerate(recipe.outputs):
            expected = spearmanr(predicted[:, place], labels[place, -7:]).statistic
            assert found["outputs"][name]["spearman"] == pytest.approx(expected, abs=1e-6)


class TestParts:
    """Of the test rows, and of a joint task."""

    @pytest.fixture
    def proteins(self, evaluate, tmp_path):
        """Sequences, the labels of each target of the joint task, and the parts of the test rows."""
        (tmp_path / "disorder").mkdir()
        recipe = load_recipe("disprot_functions")
        lengths = np.arange(len(SPLITS)) + 8
        sequences = random_sequences("ACDEFGHIKLMNPQRSTVWY", lengths)
        generator = np.random.default_rng(1)
        labels = {target: [generator.integers(-1, 2, length) for length in lengths] for target in recipe.targets}
        parts = ["DP93", "DP94"] * (len(SPLITS) // 2)
        write(recipe.tables[0], sequence=sequences, split=SPLITS, source_set=parts, **labels)
        return sequences, labels, parts

    @pytest.fixture
    def joint(self):
        recipe = load_recipe("disprot_functions")
        build(
            LyraForTokenClassification,
            alphabet="protein",
            id2label=dict(enumerate(recipe.outputs)),
            problem_type=recipe.problem_type,
        ).save_pretrained("joint")
        return "joint"

    def test_the_parts_that_the_recipe_names(self, evaluate, proteins, joint):
        sequences, labels, parts = proteins
        found = evaluate(joint, "--task", "disprot_functions")
        assert list(found["subsets"]) == ["DP93", "DP94"]
        predicted = Predictor(joint)(sequences)
        for part, of_part in found["subsets"].items():
            rows = [row for row in range(11, 18) if parts[row] == part]
            truth = np.concatenate([labels["rna_binding"][row] for row in rows])
            guess = np.concatenate([predicted[row][:, 3] for row in rows])
            expected = roc_auc_score(truth[truth >= 0], guess[truth >= 0])
            assert of_part["outputs"]["rna binding"]["auroc"] == pytest.approx(expected, abs=1e-6)
        assert "subsets" not in evaluate(joint, "--task", "disprot_functions", "--split", "validation")

    def test_a_task_that_is_one_output_of_the_models(self, evaluate, proteins, joint):
        """Its recipe says two classes, and the model has several labels at once."""
        whole = evaluate(joint, "--task", "disprot_functions")
        part = evaluate(joint, "--task", "disprot_rna_binding")
        subsets = part.pop("subsets")
        assert part == whole["outputs"]["rna binding"]
        for name, of_part in subsets.items():
            assert of_part == whole["subsets"][name]["outputs"]["rna binding"]

    def test_a_model_of_such_a_task_alone(self, evaluate, proteins):
        sequences, labels, _ = proteins
        names = dict(enumerate(load_recipe("disprot_rna_binding").outputs))
        build(LyraForTokenClassification, alphabet="protein", id2label=names).save_pretrained("alone")
        predicted = np.concatenate(Predictor("alone")(sequences[-7:]))
        truth = np.concatenate(labels["rna_binding"][-7:])
        expected = roc_auc_score(truth[truth >= 0], (predicted[:, 1] - predicted[:, 0])[truth >= 0])
        assert evaluate("alone", "--task", "disprot_rna_binding")["auroc"] == pytest.approx(expected, abs=1e-6)

    def test_rows_that_were_not_measured(self, evaluate, tmp_path):
        """Labels of a row that are all 0; a single 0 among others counts."""
        (tmp_path / "rna_structure").mkdir()
        recipe = load_recipe("openvaccine_ryos")
        sequences = random_sequences("ACGU", [12] * len(SPLITS))
        values = np.random.default_rng(1).random((len(SPLITS), 12))
        values[-1], values[-2, 0] = 0, 0
        columns = {target: values.tolist() for target in recipe.targets}
        parts = ["107"] * 14 + ["130"] * 4
        write(
            recipe.tables[0],
            sequence=sequences,
            split=SPLITS,
            SN_filter=[1] * len(SPLITS),
            test_part=parts,
            **columns,
        )
        names = dict(enumerate(recipe.outputs))
        build(LyraForTokenClassification, alphabet="rna", id2label=names, problem_type="regression").save_pretrained(
            "model"
        )
        found = evaluate("model", "--task", recipe.name)
        predicted = np.stack(Predictor("model")(sequences))
        for report, rows in ((found, slice(11, 17)), (found["subsets"]["130 nt"], slice(14, 17))):
            errors = predicted[rows, :, 1] - values[rows]
            assert report["outputs"][recipe.outputs[1]]["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
        targets = [word for target in recipe.targets for word in ("--target", target)]
        table = f"{recipe.tables[0]}.parquet"
        del found["subsets"]
        assert evaluate("model", table, *targets, "--split", "test", "--zeros-are-missing") == found
        assert evaluate("model", table, *targets, "--split", "test")["n"] > found["n"]


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("guides.csv",), "leave out DATA"),
            (("--target", "label"), "leave out --target"),
            (("--target", "label", "--column", "guide"), "leave out --target, --column"),
            (("--pair-column", "guide"), "leave out --pair-column"),
            (("--split-column", "part"), "leave out --split-column"),
            (("--label", "percent indels"), "leave out --label"),
            (("--zeros-are-missing",), "leave out --zeros-are-missing"),
            (("--split", "holdout"), "--split is one of train, validation, test, not 'holdout'"),
            (("--fold", "0"), "task kim2019_spcas9 is no cross-validation; leave out --fold"),
        ],
    )
    def test_what_the_recipe_says_itself(self, evaluate, guides, options, message):
        error = evaluate("lyra-cas9", *options, "--task", "kim2019_spcas9")
        assert error.startswith("lyra-hf: ")
        assert error.endswith(message)
        assert "\n" not in error

    @pytest.mark.parametrize("option", ["--data-dir", "--fold"])
    def test_what_only_a_task_has(self, evaluate, guides, option):
        error = evaluate("lyra-cas9", guides, "--target", "label", option, "1")
        assert "--data-dir and --fold are for tasks of the catalogue; give them with --task" in error

    def test_neither_table_nor_task(self, evaluate):
        assert "give either a table and --target, or --task" in evaluate("lyra-cas9")

    def test_a_task_that_is_not_there(self, evaluate):
        error = evaluate("lyra-cas9", "--task", "kim2019_spcas")
        assert "no task is called 'kim2019_spcas'; did you mean kim2019_spcas9" in error

    @pytest.mark.parametrize(
        ("head", "fields", "message"),
        [
            (LyraForRegression, {"alphabet": "rna"}, "the model's alphabet: rna; the task's: dna"),
            (
                LyraForRegression,
                {"pair_input": True, "pair_context": 2},
                "the model's input: pairs of sequences with a context of 2; the task's: single sequences",
            ),
            (
                LyraForTokenClassification,
                {"problem_type": "regression"},
                "the model's labels: regression per residue; the task's: regression per sequence",
            ),
            (
                LyraForSequenceClassification,
                {"num_labels": 2},
                "the model's labels: single label classification per sequence; the task's: regression per sequence",
            ),
            (LyraForRegression, {}, "the model's outputs: LABEL_0; the task's: percent indels"),
            (
                LyraForRegression,
                {"id2label": {0: "percent indels", 1: "reads"}},
                "the model's outputs: percent indels, reads; the task's: percent indels",
            ),
        ],
    )
    def test_a_model_of_something_else(self, evaluate, guides, head, fields, message):
        build(head, **fields).save_pretrained("model")
        error = evaluate("model", "--task", "kim2019_spcas9")
        assert error == f"lyra-hf: model does not fit the task kim2019_spcas9: {message}"

    def test_neither_of_the_task_nor_of_its_joint_task(self, evaluate):
        error = evaluate("lyra-cas9", "--task", "disprot_dna_binding")
        assert error.endswith("the task disprot_dna_binding: the model's alphabet: dna; the task's: protein")
