import csv
import functools
import gzip
import json
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from small_models import build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    Predictor,
    UserError,
)
from lyra_hf.inference import files
from lyra_hf.inference.encoding import encode_texts
from lyra_hf.inference.files import predict_file
from lyra_hf.inference.loading import load_model
from lyra_hf.inference.readers import open_table
from lyra_hf.inference.writers import TableWriter
from lyra_hf.tokenization_lyra import UnknownLettersWarning

SEQUENCES = ["ACGTACGT", "GG", "TTTTTTTTTTTTTTTT", "acgun", "CATCATCAT", "A", "GATTACA"]
NAMES = [f"row {number}, of many" for number in range(len(SEQUENCES))]


@pytest.fixture
def save(tmp_path):
    """Save a small model; returns its folder as text."""

    def save_model(cls=LyraForRegression, **fields):
        build(cls, **fields).save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return save_model


@pytest.fixture
def small_batches(monkeypatch):
    """Files are read two rows at a time."""
    monkeypatch.setattr(files, "open_table", functools.partial(open_table, rows_per_batch=2))


def write_delimited(path, columns, delimiter=","):
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return str(path)


def write_input(folder, ending):
    """The sequences in a file; returns its path and its columns as the output should have them."""
    path = folder / f"input{ending}"
    columns = {"name": NAMES, "sequence": SEQUENCES, "count": [str(number) for number in range(len(NAMES))]}
    if ending in (".csv", ".tsv"):
        write_delimited(path, columns, "," if ending == ".csv" else "\t")
    elif ending == ".parquet":
        pyarrow.parquet.write_table(pa.table(columns), path)
    elif ending == ".fasta.gz":
        columns = {"id": [f"seq{n}" for n in range(len(NAMES))], "description": NAMES, "sequence": SEQUENCES}
        records = (f">{id_} {text}\n{sequence}\n" for id_, text, sequence in zip(*columns.values(), strict=True))
        path.write_bytes(gzip.compress("".join(records).encode()))
    else:
        columns = {"sequence": SEQUENCES}
        path.write_text("\n".join(SEQUENCES) + "\n")
    return str(path), columns


def read_output(path):
    """The columns of an output, by other means than the package's."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path).to_pydict()
    with path.open(newline="") as stream:
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in stream]
        else:
            rows = list(csv.DictReader(stream, delimiter="," if path.suffix == ".csv" else "\t"))
    return {name: [row[name] for row in rows] for name in rows[0]}


def assert_predictions(values, expected):
    np.testing.assert_allclose(np.array(values, dtype=np.float64), expected, rtol=1e-5, atol=1e-6)


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def other_threads():
    """How many threads there are beside those that a predictor keeps."""
    return sum(not thread.name.startswith("lyra_") for thread in threading.enumerate())


@pytest.mark.parametrize("output_ending", [".csv", ".tsv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("input_ending", [".csv", ".tsv", ".parquet", ".fasta.gz", ".txt"])
@pytest.mark.usefixtures("small_batches")
def test_columns_and_order_are_kept_and_predictions_added(tmp_path, save, input_ending, output_ending):
    model = save()
    source, columns = write_input(tmp_path, input_ending)
    output = tmp_path / f"output{output_ending}"
    done = []
    assert predict_file(model, source, str(output), on_progress=done.append) == len(SEQUENCES)
    assert done == [2, 2, 2, 1]
    found = read_output(output)
    assert list(found) == [*columns, "prediction"]
    assert_predictions(found.pop("prediction"), Predictor(model)(SEQUENCES))
    assert found == columns
    assert names_in(tmp_path) == {"model", f"input{input_ending}", output.name}


@pytest.mark.parametrize("output", [None, "-"])
def test_standard_output_is_csv(tmp_path, save, capsys, output):
    model = save()
    source = write_delimited(tmp_path / "input.csv", {"sequence": SEQUENCES})
    capsys.readouterr()
    predict_file(model, source, output)
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["sequence"] for row in rows] == SEQUENCES
    assert_predictions([row["prediction"] for row in rows], Predictor(model)(SEQUENCES))


@pytest.mark.usefixtures("small_batches")
def test_other_column_and_other_types_are_kept(tmp_path, save):
    model = save()
    table = pa.table(
        {
            "position": pa.array(range(len(SEQUENCES)), pa.int16()),
            "guide": pa.array(SEQUENCES).dictionary_encode(),
            "reads": pa.array([[1, 2], None, [], [3], [4], [5], [6]], pa.list_(pa.int32())),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "input.parquet")
    predict_file(model, str(tmp_path / "input.parquet"), str(tmp_path / "output.parquet"), column="guide")
    output = pyarrow.parquet.read_table(tmp_path / "output.parquet")
    assert output.drop_columns("prediction").equals(table)
    assert output.schema.field("prediction").type == pa.float32()


@pytest.mark.usefixtures("small_batches")
def test_classes_have_a_label_and_a_score(tmp_path, save):
    names = ["low", "middle", "high"]
    model = save(
        LyraForSequenceClassification, problem_type="single_label_classification", id2label=dict(enumerate(names))
    )
    source = write_delimited(tmp_path / "input.csv", {"sequence": SEQUENCES})
    predict_file(model, source, str(tmp_path / "output.jsonl"))
    found = read_output(tmp_path / "output.jsonl")
    logits = Predictor(model)(SEQUENCES)
    powers = np.exp(logits)
    assert list(found) == ["sequence", "label", "score"]
    assert found["label"] == [names[place] for place in logits.argmax(1)]
    assert_predictions(found["score"], (powers / powers.sum(1, keepdims=True)).max(1))


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".jsonl"])
@pytest.mark.usefixtures("small_batches")
def test_residues_have_lists(tmp_path, save, ending):
    model = save(LyraForTokenClassification, problem_type="regression")
    source = write_delimited(tmp_path / "input.csv", {"sequence": SEQUENCES})
    predict_file(model, source, str(tmp_path / f"output{ending}"))
    values = read_output(tmp_path / f"output{ending}")["prediction"]
    lists = [json.loads(value) for value in values] if ending == ".csv" else values
    for value, expected in zip(lists, Predictor(model)(SEQUENCES), strict=True):
        assert_predictions(value, expected)


@pytest.mark.parametrize("output_ending", [".csv", ".tsv", ".parquet", ".jsonl"])
@pytest.mark.usefixtures("small_batches")
def test_an_ensemble_adds_its_sd(tmp_path, save, output_ending):
    predictor = Predictor(save(ensemble_size=3))
    source, columns = write_input(tmp_path, ".csv")
    output = tmp_path / f"output{output_ending}"
    predict_file(str(tmp_path / "model"), source, str(output))
    found = read_output(output)
    assert list(found) == [*columns, "prediction", "sd"]
    expected = predictor.predict_encoded(encode_texts(predictor.encoder, SEQUENCES))
    assert_predictions(found["prediction"], expected.logits[:, 0])
    assert_predictions(found["sd"], expected.spread[:, 0])
    assert expected.spread.min() > 0


FAULTS = {
    "a letter": ("ACGX!", r"input\.csv, row 6: the letter 'X' at position 4 is not in the dna alphabet"),
    "nothing": ("", r"input\.csv, row 6: the sequence is empty"),
    "blanks": ("  ", r"input\.csv, row 6: the sequence is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("ending", [".csv", ".tsv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.usefixtures("small_batches")
def test_a_fault_in_a_late_row_leaves_no_output(tmp_path, save, fault, ending, existing):
    sequence, message = FAULTS[fault]
    source = write_delimited(
        tmp_path / "input.csv", {"sequence": [*SEQUENCES[:5], sequence, "A"], "name": [*NAMES[:5], "bad", "good"]}
    )
    output = tmp_path / f"output{ending}"
    if existing:
        output.write_bytes(b"what was there")
    before, model, done = names_in(tmp_path), save(), []
    with pytest.raises(UserError, match=message):
        predict_file(model, source, str(output), on_progress=done.append)
    assert done == [2, 2]  # rows before the fault had been scored
    assert names_in(tmp_path) == before | {"model"}
    if existing:
        assert output.read_bytes() == b"what was there"


@pytest.mark.usefixtures("small_batches")
def test_a_fault_in_a_record_is_named_with_it(tmp_path, save):
    (tmp_path / "input.fasta").write_text(">one\nACGT\n>two\nAC\n>three of them\nAC\nG*T\n")
    with pytest.raises(UserError, match=r"record 3 \(three\): the letter '\*' at position 4"):
        predict_file(save(), str(tmp_path / "input.fasta"), str(tmp_path / "output.csv"))
    assert not (tmp_path / "output.csv").exists()


def test_a_missing_sequence_is_an_empty_one(tmp_path, save):
    pyarrow.parquet.write_table(pa.table({"sequence": ["ACGT", None]}), tmp_path / "input.parquet")
    with pytest.raises(UserError, match="row 2: the sequence is empty"):
        predict_file(save(), str(tmp_path / "input.parquet"), str(tmp_path / "output.csv"))


def test_a_table_without_rows(tmp_path, save):
    source = write_delimited(tmp_path / "input.csv", {"sequence": []})
    with pytest.raises(UserError, match=r"input\.csv has no sequences"):
        predict_file(save(), source, str(tmp_path / "output.csv"))
    assert names_in(tmp_path) == {"input.csv", "model"}


@pytest.mark.parametrize(
    ("fields", "column"),
    [
        ({}, "prediction"),
        ({"id2label": {0: "on", 1: "off"}}, "prediction_off"),
        ({"id2label": {0: "no", 1: "yes"}, "problem_type": "single_label_classification"}, "label"),
        ({"id2label": {0: "no", 1: "yes"}, "problem_type": "single_label_classification"}, "score"),
        ({"id2label": {0: "a", 1: "b"}, "problem_type": "multi_label_classification"}, "score_b"),
        ({"ensemble_size": 2}, "prediction"),
        ({"ensemble_size": 2}, "sd"),
        ({"ensemble_size": 2, "id2label": {0: "on", 1: "off"}}, "sd_off"),
    ],
)
def test_a_column_of_the_input_is_not_overwritten(tmp_path, save, fields, column):
    model = save(LyraForSequenceClassification, **{"problem_type": "regression", **fields})
    source = write_delimited(tmp_path / "input.csv", {"sequence": SEQUENCES, column: NAMES})
    predict_file(model, source, str(tmp_path / "output.csv"))
    with (tmp_path / "output.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row[column] for row in rows] == [str(name) for name in NAMES]
    assert all(row[f"predicted_{column}"] for row in rows)


class Broken(Exception):
    pass


def break_at(monkeypatch, error, call):
    """Let the engine fail at its call of that number."""
    predict, calls = Predictor.predict_encoded, []

    def fail(self, encoded):
        calls.append(encoded)
        if len(calls) == call:
            raise error
        return predict(self, encoded)

    monkeypatch.setattr(Predictor, "predict_encoded", fail)


@pytest.mark.parametrize("error", [Broken, KeyboardInterrupt])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.usefixtures("small_batches")
def test_an_end_in_the_middle_leaves_no_output_and_no_thread(tmp_path, save, monkeypatch, ending, error):
    source = write_delimited(tmp_path / "input.csv", {"sequence": SEQUENCES})
    model = save()
    break_at(monkeypatch, error, call=3)
    threads = other_threads()
    with pytest.raises(error):
        predict_file(model, source, str(tmp_path / f"output{ending}"))
    assert names_in(tmp_path) == {"input.csv", "model"}
    assert other_threads() == threads


@pytest.mark.usefixtures("small_batches")
def test_what_fails_first_in_the_file_is_told(tmp_path, save, monkeypatch):
    """The writer's failure at rows 1 and 2, before the fault in row 4; and the engine's before that in row 6."""
    model = save()
    early = write_delimited(tmp_path / "early.csv", {"sequence": ["A", "C", "G", "!"]})
    with monkeypatch.context() as patch:
        patch.setattr(TableWriter, "write", lambda self, batch: (_ for _ in ()).throw(UserError("the disk is full")))
        with pytest.raises(UserError, match="the disk is full"):
            predict_file(model, early, str(tmp_path / "output.csv"))
    late = write_delimited(tmp_path / "late.csv", {"sequence": ["A", "C", "G", "T", "A", "!"]})
    break_at(monkeypatch, Broken, call=2)
    with pytest.raises(Broken):
        predict_file(model, late, str(tmp_path / "output.csv"))
    assert names_in(tmp_path) == {"early.csv", "late.csv", "model"}


def test_a_wait_for_input_is_broken_off(tmp_path):
    """Standard input stays open and silent: Ctrl-C ends the program all the same, without a file left behind."""
    code = "from lyra_hf.cli import main; print('ready', flush=True); main()"
    arguments = [sys.executable, "-c", code, "predict", "lyra-cas9", "-", "-o", "output.csv"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(arguments, cwd=tmp_path, **pipes) as program:
        assert program.stdout.readline() == b"ready\n"
        # More than a pipe holds: when all is written, it is being read.
        program.stdin.write(b"sequence\n" + b"GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC\n" * 40_000)
        program.stdin.flush()
        time.sleep(1)  # a signal between two reads is seen after the second one, which waits for ever
        program.send_signal(signal.SIGINT)
        status = program.wait(60)
        messages = program.stderr.read().decode()
    assert status == 130, messages
    assert "Fatal" not in messages
    assert names_in(tmp_path) == set()


class TestPairs:
    GUIDES = ("ACGT", "GG", "TTTTTT", "acg")
    TARGETS = ("ACGA", "GC", "TTTTTA", "ACU")

    def source(self, folder, **changes):
        columns = {"guide": list(self.GUIDES), "target": list(self.TARGETS), **changes}
        return write_delimited(folder / "input.csv", columns)

    @pytest.mark.usefixtures("small_batches")
    def test_second_sequences_come_from_their_column(self, tmp_path, save):
        model, output = save(pair_input=True), tmp_path / "output.csv"
        predict_file(model, self.source(tmp_path), str(output), column="guide", pair_column="target")
        found = read_output(output)
        joined = [one + other for one, other in zip(self.GUIDES, self.TARGETS, strict=True)]
        assert_predictions(found.pop("prediction"), Predictor(model)(joined))
        assert found == {"guide": list(self.GUIDES), "target": list(self.TARGETS)}

    def refused(self, folder, model, message, **columns):
        source = self.source(folder, **columns)
        with pytest.raises(UserError, match=message):
            predict_file(model, source, str(folder / "output.csv"), column="guide", pair_column="target")
        assert not (folder / "output.csv").exists()

    @pytest.mark.usefixtures("small_batches")
    def test_unequal_lengths(self, tmp_path, save):
        targets = ["ACGA", "GC", "TTTTT", "ACU"]
        message = r"input\.csv, row 3: the pair has 6 and 5 letters; aligned pairs are of equal length"
        self.refused(tmp_path, save(pair_input=True), message, target=targets)

    @pytest.mark.usefixtures("small_batches")
    def test_context_on_either_side(self, tmp_path, save):
        model, output = save(pair_input=True, pair_context=1), tmp_path / "output.csv"
        targets = ["AC", "G", "TTTA", "AC"]
        guides = ["ACGA", "GCA", "TTTTTA", "ACGA"]
        source = self.source(tmp_path, guide=guides, target=targets)
        predict_file(model, source, str(output), column="guide", pair_column="target")
        with_unknown = [one + "?" + other + "?" for one, other in zip(guides, targets, strict=True)]
        plain = load_model(model)
        plain.config.pair_context = 0
        with pytest.warns(UnknownLettersWarning):
            expected = Predictor(plain)(with_unknown)
        assert_predictions(read_output(output)["prediction"], expected)
        message = r"row 1: the pair has 4 and 4 letters; the first of a pair has 1 letters more than the second on"
        output.unlink()
        self.refused(tmp_path, model, message, guide=guides, target=["ACGT", "G", "TTTA", "AC"])

    @pytest.mark.usefixtures("small_batches")
    def test_a_letter_of_the_second_sequence(self, tmp_path, save):
        message = r"input\.csv, row 4: the letter 'E' at position"
        self.refused(tmp_path, save(pair_input=True), message, target=["ACGA", "GC", "TTTTTA", "ACE"])

    def test_a_column_that_is_not_there(self, tmp_path, save):
        source = self.source(tmp_path)
        with pytest.raises(UserError, match="has no column 'off'; its columns are: guide, target"):
            predict_file(save(pair_input=True), source, None, column="guide", pair_column="off")

    def test_a_column_that_is_not_text(self, tmp_path, save):
        pyarrow.parquet.write_table(pa.table({"sequence": ["ACGT"], "other": [3]}), tmp_path / "input.parquet")
        with pytest.raises(UserError, match=r"'other'.*int64, not sequences"):
            predict_file(save(pair_input=True), str(tmp_path / "input.parquet"), None, pair_column="other")

    def test_a_model_that_is_not_of_pairs(self, tmp_path, save):
        self.refused(tmp_path, save(), "not a model of pairs|no model of pairs|pair_input|takes no pairs")
