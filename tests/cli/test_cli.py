"""The command as people run it, in this process: status, standard output, standard error, files."""

import csv
import io
import pickle
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
import yaml
from commands import SITES, only_json, predictions, succeed, write_table
from reference import PublishedLyra, compositions
from scipy.stats import pearsonr
from small_models import REPOSITORY, build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    Predictor,
    checkpoint_names,
    checkpoint_path,
)
from lyra_hf.tasks.recipe import recipe_names


class TestPredict:
    def test_to_standard_output(self, lyra):
        write_table("guides.csv", name=["a", "b, c", "d"], sequence=SITES)
        out = succeed(lyra("predict", "lyra-cas9", "guides.csv"))
        rows = list(csv.DictReader(out.splitlines()))
        assert [row["name"] for row in rows] == ["a", "b, c", "d"]
        assert [row["sequence"] for row in rows] == SITES
        np.testing.assert_allclose(predictions(out), Predictor("lyra-cas9")(SITES), rtol=1e-5)

    def test_to_a_file(self, lyra):
        write_table("guides.csv", site=SITES)
        out = succeed(lyra("predict", "lyra-cas9", "guides.csv", "-o", "scores.parquet", "--column", "site"))
        assert out == ""
        found = pyarrow.parquet.read_table("scores.parquet").to_pydict()
        assert found["site"] == SITES
        np.testing.assert_allclose(found["prediction"], Predictor("lyra-cas9")(SITES), rtol=1e-5)

    @pytest.mark.parametrize("form", ["csv", "fasta"])
    def test_from_standard_input(self, lyra, monkeypatch, form):
        lines = ["sequence", *SITES] if form == "csv" else [f">{number}\n{site}" for number, site in enumerate(SITES)]
        stdin = io.TextIOWrapper(io.BytesIO("\n".join(lines).encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        out = succeed(lyra("predict", "lyra-cas9", "-"))
        np.testing.assert_allclose(predictions(out), Predictor("lyra-cas9")(SITES), rtol=1e-5)

    def test_batch_size_and_device(self, lyra):
        write_table("guides.csv", sequence=SITES)
        folder = checkpoint_path("lyra-cas9")
        out = succeed(lyra("predict", folder, "guides.csv", "--batch-size", "1", "--device", "cpu"))
        np.testing.assert_allclose(predictions(out), Predictor("lyra-cas9")(SITES), rtol=1e-5)

    def test_pairs(self, lyra):
        build(LyraForRegression, pair_input=True).save_pretrained("model")
        write_table("pairs.csv", sequence=["ACGT", "GG"], other=["ACCT", "AG"])
        out = succeed(lyra("predict", "model", "pairs.csv", "--pair-column", "other"))
        np.testing.assert_allclose(predictions(out), Predictor("model")(["ACGTACCT", "GGAG"]), rtol=1e-5)

    @pytest.mark.parametrize("name", ["scores[bold].csv", "runs[/x].csv"])
    def test_brackets_in_names_are_no_markup(self, lyra, name):
        Path(name).parent.mkdir(exist_ok=True)
        write_table("guides.csv", sequence=SITES)
        status, out, err = lyra("predict", "lyra-cas9", "guides.csv", "-o", name)
        assert (status, out) == (0, "")
        assert name in err
        assert Path(name).is_file()


class TestEvaluate:
    @pytest.fixture
    def scores(self, lyra):
        """A model of two outputs, a table with a column for each, and the model's predictions."""
        model = build(LyraForRegression, id2label={0: "on", 1: "off"})
        model.save_pretrained("model")
        generator = np.random.default_rng(1)
        sequences = ["".join(generator.choice(list("ACGT"), size=8)) for _ in range(20)]
        columns = {"y_on": generator.random(20).round(4), "y_off": generator.random(20).round(4)}
        write_table("table.csv", sequence=sequences, part=["test", "train"] * 10, **columns)
        return Predictor(model)(sequences), columns

    def test_every_output(self, lyra, scores):
        predicted, columns = scores
        metrics = only_json(succeed(lyra("evaluate", "model", "table.csv", "--target", "y_on", "--target", "y_off")))
        assert list(metrics["outputs"]) == ["on", "off"]
        for index, (output, labels) in enumerate(zip(("on", "off"), columns.values(), strict=True)):
            expected = pearsonr(predicted[:, index], labels).statistic
            assert metrics["outputs"][output]["pearson"] == pytest.approx(expected, abs=1e-5)
        assert metrics["n"] == 20

    def test_one_output_of_several(self, lyra, scores):
        predicted, columns = scores
        command = ("evaluate", "model", "table.csv", "--target", "y_off", "--label", "off")
        metrics = only_json(succeed(lyra(*command, "--split", "test", "--split-column", "part")))
        expected = pearsonr(predicted[::2, 1], columns["y_off"][::2]).statistic
        assert metrics["pearson"] == pytest.approx(expected, abs=1e-5)
        assert metrics["n"] == 10
        assert "outputs" not in metrics

    @pytest.mark.parametrize("outputs", [1, 2])
    def test_a_model_whose_kind_of_problem_is_undecided(self, lyra, outputs):
        """It is measured as `predict` reads it: one output as a number, several as classes."""
        build(LyraForSequenceClassification, num_labels=outputs).save_pretrained("model")
        write_table("table.csv", sequence=["ACGT", "AAAA", "CCGG", "TTTT"], y=[0, 1, 1, 0])
        metrics = only_json(succeed(lyra("evaluate", "model", "table.csv", "--target", "y")))
        assert ("rmse" if outputs == 1 else "accuracy") in metrics


class TestListing:
    def test_tasks(self, lyra):
        out = succeed(lyra("tasks"))
        for name in recipe_names():
            assert name in out

    @pytest.mark.parametrize("name", recipe_names())
    def test_a_task_in_full(self, lyra, name):
        shown = yaml.safe_load(succeed(lyra("tasks", name)))
        assert shown["name"] == name
        assert set(shown) >= {"area", "title", "tables", "targets", "sources", "metric", "size", "paper", "training"}

    def test_checkpoints(self, lyra):
        lines = succeed(lyra("checkpoints")).splitlines()
        assert [line.split()[0] for line in lines if not line.startswith(" ")] == checkpoint_names()
        assert max(map(len, lines)) <= 100
        place = next(index for index, line in enumerate(lines) if line.startswith("lyra-cas9 "))
        assert "SpCas9 indel frequency" in lines[place]
        assert lines[place + 1].strip() == "-> percent indels"


class TestConvert:
    @pytest.mark.parametrize("outputs", [1, 3])
    def test_the_authors_model_predicts_the_same(self, lyra, outputs):
        torch.manual_seed(0)
        published = PublishedLyra(4, outputs, d_model=8, state_size=4, pgc_widths=(4, 6)).eval()
        torch.save({"state_dict": published.state_dict()}, "authors.pt")
        assert succeed(lyra("convert", "authors.pt", "-o", "model", "--alphabet", "rna")) == ""
        assert {path.name for path in Path("model").iterdir()} == REPOSITORY
        sequences = ["ACGU", "GGGCAUACG", "N", "UU"]
        with torch.no_grad():
            expected = np.concatenate([published(compositions(sequence, "rna")).numpy() for sequence in sequences])
        results = Predictor("model")(sequences)
        np.testing.assert_allclose(results.reshape(4, outputs), expected, atol=1e-5)


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self):
        return Path.mkdir, (Path("sprung"),)


def prepare(folder):
    """The files that the bad commands below are given."""
    write_table(folder / "good.csv", sequence=SITES, y=[1.5, 2.5, 3.5], split=["train", "validation", "test"])
    write_table(folder / "other.csv", guide=SITES, score=[1, 2, 3])
    write_table(folder / "letter.csv", sequence=[SITES[0], "ACGTJ", SITES[1]], y=[1.5, 2.5, 3.5])
    write_table(folder / "blank.csv", sequence=[*SITES[:2], ""], y=[1.5, 2.5, 3.5])
    write_table(folder / "words.csv", sequence=SITES, y=[1.5, "much", 3.5])
    write_table(folder / "unlabelled.csv", sequence=SITES, y=["", "", ""])
    splits = ["train", "train", "test"]
    write_table(folder / "untested.csv", sequence=SITES, y=[1.5, 2.5, ""], split=splits)
    write_table(folder / "splits.csv", sequence=SITES, y=[1, 2, 3], split=["train", "holdout", "test"])
    write_table(folder / "header.csv", sequence=[])
    (folder / "ragged.csv").write_text("sequence,y\nACGT,1\nACGT,1,2\n")
    (folder / "empty.csv").touch()
    (folder / "lines.fasta").write_text("ACGT\n")
    (folder / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08\x00")
    (folder / "cut.parquet").write_bytes(b"PAR1")
    pyarrow.parquet.write_table(pa.table({"sequence": ["ACGT"], "number": [3]}), folder / "numbers.parquet")
    weights = checkpoint_path("lyra-cas9") / "model.safetensors"
    build(LyraForRegression, id2label={0: "on", 1: "off"}).save_pretrained(folder / "two")
    build(LyraForRegression).save_pretrained(folder / "cut")
    (folder / "cut" / "model.safetensors").write_bytes(weights.read_bytes()[:1000])
    build(LyraForRegression).save_pretrained(folder / "pickled")
    (folder / "pickled" / "model.safetensors").unlink()
    (folder / "pickled" / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    (folder / "model.pkl").write_bytes(pickle.dumps(Trap()))
    torch.save({"encoder.weight": Trap()}, folder / "trap.pt")
    torch.save({"encoder.weight": torch.zeros(8, 4)}, folder / "part.pt")
    torch.save([torch.zeros(3)], folder / "list.pt")
    published = PublishedLyra(4, 1, d_model=8, state_size=4, pgc_widths=(4, 6))
    torch.save(published.state_dict(), folder / "authors.pt")


PREDICT, EVALUATE, TRAIN = "predict lyra-cas9", "evaluate lyra-cas9", "train good.csv --target y"
BAD_COMMANDS = [
    # The input.
    (f"{PREDICT} nowhere.csv -o out.csv", r"nowhere\.csv: there is no such file"),
    (f"{PREDICT} . -o out.csv", "is a directory"),
    (f"{PREDICT} empty.csv -o out.csv", r"empty\.csv is empty"),
    (f"{PREDICT} header.csv -o out.csv", r"header\.csv has no sequences"),
    (f"{PREDICT} other.csv -o out.csv", r"other\.csv has no column 'sequence'; its columns are: guide, score"),
    (
        f"{PREDICT} letter.csv -o out.csv",
        r"letter\.csv, row 2: the letter 'J' at position 5 is not in the dna alphabet",
    ),
    (f"{PREDICT} letter.csv", r"letter\.csv, row 2: the letter 'J' at position 5"),
    (f"{PREDICT} blank.csv -o out.csv", r"blank\.csv, row 3: the sequence is empty"),
    (f"{PREDICT} ragged.csv -o out.csv", r"ragged\.csv, row 2: 3 columns where the header has 2"),
    (f"{PREDICT} lines.fasta -o out.csv", r"lines\.fasta, line 1: a FASTA file begins with a header line"),
    (f"{PREDICT} cut.csv.gz -o out.csv", r"cut\.csv\.gz is not a gzip file, or is damaged or cut off"),
    (f"{PREDICT} cut.parquet -o out.csv", r"cut\.parquet is not a Parquet file, or is damaged or cut off"),
    (f"{PREDICT} numbers.parquet -o out.csv --column number", "'number' holds int64, not sequences"),
    (f"{PREDICT} good.csv -o out.csv --pair-column other", "no column 'other'; its columns are: sequence, y, split"),
    (f"{PREDICT} authors.pt -o out.csv", r"authors\.pt: the ending of the name tells no format that can be read"),
    # The words of the command.
    ("predict lyra-cas9", "Missing argument 'INPUT'"),
    ("predict lyra-cas9 good.csv --colour red", "No such option: --colour"),
    ("train good.csv --target y -o out --epochs two", "Invalid value for '--epochs'"),
    ("train good.csv --target y -o out --seed -1", "seed must be at least 0"),
    ("train good.csv --target y --target y -o out", "a target column is named twice"),
    ("train --task kim2019_spcas9 --target y -o out", "--task says what its table holds"),
    ("train good.csv --target y -o good.csv", r"good\.csv is a file; name a folder"),
    ("evaluate lyra-cas9 good.csv --target y --pair-column split", "the model takes no pairs"),
    ("dream", "No such command 'dream'"),
    # The output.
    (f"{PREDICT} good.csv -o out.xlsx", r"out\.xlsx: the ending of the name tells no format that can be written"),
    (f"{PREDICT} good.csv -o missing/out.csv", "there is no directory missing"),
    (f"{PREDICT} good.csv -o good.csv", r"good\.csv is the input itself"),
    (f"{PREDICT} good.csv -o two", "the ending of the name|not a file"),
    # The model.
    ("predict lyra-cas8 good.csv -o out.csv", "no checkpoint is called 'lyra-cas8'.*lyra-cas9"),
    ("predict nothing good.csv -o out.csv", "no checkpoint is called 'nothing'.*the package has .*lyra-cas9"),
    ("predict cut good.csv -o out.csv", r"model\.safetensors: not a safetensors file, or cut short"),
    ("predict pickled good.csv -o out.csv", r"pytorch_model\.bin: a pickle, which can run any code"),
    ("predict model.pkl good.csv -o out.csv", r"model\.pkl: a model is a folder"),
    (f"{PREDICT} good.csv -o out.csv --device nonsense", "device 'nonsense' is not available here"),
    (f"{PREDICT} good.csv -o out.csv --batch-size 0", "batch_size must be at least 1, not 0"),
    # Evaluation.
    (f"{EVALUATE} nowhere.csv --target y", r"nowhere\.csv: there is no such file"),
    (f"{EVALUATE} good.csv", "--target"),
    (f"{EVALUATE} good.csv --target z", r"good\.csv has no column 'z'; its columns are: sequence, y, split"),
    (f"{EVALUATE} words.csv --target y", r"words\.csv, row 2: 'y' is 'much', which is not a number"),
    (f"{EVALUATE} letter.csv --target y", r"letter\.csv, row 2: the letter 'J' at position 5"),
    (f"{EVALUATE} good.csv --target y --split holdout", r"no row has the split 'holdout'; there are test, train, val"),
    (f"{EVALUATE} splits.csv --target y --split test", r"splits\.csv, row 2: the split 'holdout' is none of train"),
    (f"{EVALUATE} letter.csv --target y --split test", "has no column 'split'; its columns are: sequence, y"),
    (f"{EVALUATE} good.csv --target y --target y", r"the model has 1 output.*--target names 2"),
    (f"{EVALUATE} good.csv --target y --label on", "no output 'on'; its outputs are: percent indels"),
    ("evaluate two good.csv --target y", r"the model has 2 output.*\(on, off\).*--target names 1"),
    ("evaluate two good.csv --target y --label of", "the model has no output 'of'; its outputs are: on, off"),
    ("evaluate cut good.csv --target y", "not a safetensors file, or cut short"),
    # Training.
    ("train nowhere.csv --target y -o out", r"nowhere\.csv: there is no such file"),
    ("train empty.csv --target y -o out", r"empty\.csv is empty"),
    ("train good.csv -o out", "name the column to predict, with --target"),
    ("train good.csv --target y", "with -o"),
    ("train -o out", "give either a table and --target, or --task"),
    ("train good.csv --target y --task kim2019_spcas9 -o out", "give either a table and --target, or --task"),
    ("train good.csv --target z -o out", r"good\.csv has no column 'z'; its columns are: sequence, y, split"),
    ("train words.csv --target y -o out", r"words\.csv, row 2: 'y' is 'much', which is not a number"),
    ("train letter.csv --target y --alphabet dna -o out", r"letter\.csv, row 2: the letter 'J' at position 5"),
    ("train blank.csv --target y -o out", r"blank\.csv, row 3: the sequence is empty"),
    ("train unlabelled.csv --target y -o out", r"unlabelled\.csv: no row has a label in y"),
    ("train unlabelled.csv --target y --problem classification -o out", r"unlabelled\.csv: .*label"),
    (
        "train untested.csv --target y -o out",
        r"untested\.csv: no row of the split 'test' has a label in y \(it has 1 row",
    ),
    ("train untested.csv --target y -o out --seeds 2", r"untested\.csv: no row of the split 'test' has a label in y"),
    (f"{TRAIN} --pooling sum -o out", "--pooling is one of mean, max, last, attention, position, not 'sum'"),
    (f"{TRAIN} --pooling max --per-residue -o out", "a model with --per-residue has no use for it"),
    (f"{TRAIN} --pair-context 2 -o out", "name the column of the second sequences with --pair-column"),
    (f"{TRAIN} --pair-column sequence --pair-context -1 -o out", "--pair-context must be at least 0, not -1"),
    ("train --task kim2019_spcas9 --pair-context 2 -o out", "--task says what its table holds"),
    ("train --task kim2019_spcas9 --zeros-are-missing -o out", "--task says what its table holds"),
    (f"{TRAIN} --zeros-are-missing -o out", "only where each residue has a label"),
    (f"{TRAIN} --problem ranking -o out", "--problem is one of regression, classification, multi-label"),
    (f"{TRAIN} --alphabet DNA -o out", "alphabet 'DNA': the name is 'dna', in lower case"),
    ("train splits.csv --target y -o out", r"splits\.csv, row 2: the split 'holdout' is none of train"),
    ("train --task kim2019_spcas -o out", "no task is called 'kim2019_spcas'; did you mean kim2019_spcas9"),
    (
        "train --task kim2019_spcas9 -o out",
        r"cas9/kim2019_spcas9\.parquet is needed: name the folder that holds it with --data-dir or LYRA_HF_DATA; "
        "its public source is PeterDeWeirdt/sgrna_modeler at [0-9a-f]{40}",
    ),
    ("train --task kim2019_spcas9 --data-dir two -o out", r"two/cas9/kim2019_spcas9\.parquet: no such file"),
    ("train --task kim2019_spcas9 --configuration papers -o out", "--configuration is best or paper, not 'papers'"),
    ("train --task kim2019_spcas9 --fold 0 -o out", "task kim2019_spcas9 is no cross-validation; leave out --fold"),
    (
        "train --task proteingym_tcrg1_tsuboyama_modulo --fold 5 -o out",
        "folds are numbered from 0 to 4; there is no fold 5",
    ),
    (f"{TRAIN} --fold 0 -o out", "--fold and --configuration are for tasks of the catalogue; give them with --task"),
    (f"{TRAIN} --configuration paper -o out", "--fold and --configuration are for tasks of the catalogue"),
    (f"{TRAIN} -o out --seeds 0", "--seeds must be at least 1, not 0"),
    (f"{TRAIN} -o out --seeds 2 --jobs 0", "--jobs must be at least 1, not 0"),
    (f"{TRAIN} -o out --jobs 2", "--jobs says how many of the --seeds"),
    (f"{TRAIN} -o out --seeds 2 --epochs 0", "epochs must be at least 1, not 0"),
    (f"{TRAIN} -o good.csv --seeds 2", r"good\.csv is a file; name a folder"),
    ("train good.csv -o out --seeds 2", "name the column to predict, with --target"),
    # The rest.
    ("tasks nonsense", "no task is called 'nonsense'; did you mean"),
    ("convert nowhere.pt -o out --alphabet dna", r"nowhere\.pt: no such file"),
    ("convert model.pkl -o out --alphabet dna", r"model\.pkl: not a PyTorch file of tensors alone"),
    ("convert trap.pt -o out --alphabet dna", r"trap\.pt: not a PyTorch file of tensors alone"),
    ("convert good.csv -o out --alphabet dna", r"good\.csv: not a PyTorch file of tensors alone"),
    ("convert list.pt -o out --alphabet dna", r"list\.pt: holds no state dict"),
    ("convert part.pt -o out --alphabet dna", "the checkpoint has no tensor 'decoder.weight'"),
    ("convert authors.pt -o out --alphabet protein", "encoder takes 4 letters; the alphabet 'protein' has 20"),
    ("convert authors.pt -o out --alphabet DNA", "alphabet 'DNA': the name is 'dna', in lower case"),
    ("convert authors.pt -o good.csv --alphabet dna", r"good\.csv"),
]


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    prepare(folder)
    return folder


@pytest.mark.parametrize(("command", "message"), BAD_COMMANDS, ids=[command for command, _ in BAD_COMMANDS])
def test_bad_input_ends_with_one_line(lyra, monkeypatch, bad_files, command, message):
    monkeypatch.delenv("LYRA_HF_DATA", raising=False)
    monkeypatch.chdir(bad_files)
    before = {path: path.read_bytes() for path in bad_files.rglob("*") if path.is_file()}
    status, out, err = lyra(*command.split())
    assert out == ""
    assert [line for line in err.splitlines() if line.strip()] == [err.strip()], err
    assert err.startswith("lyra-hf: ")
    assert re.search(message, err), err
    assert status == 2
    after = {path: path.read_bytes() for path in bad_files.rglob("*") if path.is_file()}
    assert after == before
    assert not (bad_files / "sprung").exists()
    assert not (bad_files / "out").exists()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--epochs 0", "epochs must be at least 1, not 0"),
        ("--learning-rate 0", "learning_rate must be above 0 and finite, not 0"),
        ("--metric auroc", "no metric 'auroc' for this kind of labels; there are spearman"),
        ("--label-transform sqrt", "label_transform"),
    ],
)
def test_options_that_do_not_fit_are_told_of_last(lyra, option, message):
    """What the table was taken for is said before."""
    write_table("good.csv", sequence=SITES, y=[1.5, 2.5, 3.5], split=["train", "validation", "test"])
    status, out, err = lyra("train", "good.csv", "--target", "y", "-o", "out", *option.split())
    assert (status, out) == (2, "")
    lines = [line for line in err.splitlines() if not line.startswith("good.csv: ")]
    assert len(lines) == 1
    assert re.search(f"^lyra-hf: .*{message}", lines[0])
    assert not Path("out").exists()


def test_what_was_there_stays(lyra):
    write_table("letter.csv", sequence=[SITES[0], "ACGTJ"])
    Path("out.csv").write_text("mine")
    assert lyra("predict", "lyra-cas9", "letter.csv", "-o", "out.csv")[0] == 2
    assert Path("out.csv").read_text() == "mine"
    assert {path.name for path in Path().iterdir()} == {"letter.csv", "out.csv"}


def test_ctrl_c_is_status_130(lyra, monkeypatch):
    def interrupted(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("lyra_hf.inference.files.predict_file", interrupted)
    assert lyra("predict", "lyra-cas9", "-")[0] == 130
