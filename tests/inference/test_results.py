from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from small_models import small_config

from lyra_hf import UserError
from lyra_hf.inference.results import (
    Predictions,
    output_index,
    output_names,
    result_columns,
    sigmoid,
    softmax,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
FLOAT, TEXT = pa.float32(), pa.string()


def configuration(problem_type, names):
    return small_config(problem_type=problem_type, id2label=dict(enumerate(names)))


def random_logits(outputs, lengths=None, number=6):
    """Outputs as an engine gives them."""
    rows = number if lengths is None else sum(lengths)
    logits = 3 * np.random.default_rng(0).standard_normal((rows, outputs)).astype(np.float32)
    return Predictions(logits, None if lengths is None else np.concatenate([[0], np.cumsum(lengths)]))


LENGTHS = [3, 1, 0, 7]
per_unit = pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["sequence", "residue"])


def kind(of, lengths):
    return of if lengths is None else pa.list_(of)


def assert_close(column, expected):
    """The numbers of a column, however nested."""
    assert len(column) == len(expected)
    for value, wanted in zip(column.to_pylist(), expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-6, atol=1e-7)


@per_unit
def test_one_number(lengths):
    logits = random_logits(1, lengths)
    columns = result_columns(configuration("regression", ["y"]), logits)
    assert {name: column.type for name, column in columns.items()} == {"prediction": kind(FLOAT, lengths)}
    assert columns["prediction"].to_pylist() == [row.tolist() for row in logits.per_sequence()]


@per_unit
def test_several_numbers(lengths):
    logits = random_logits(2, lengths)
    columns = result_columns(configuration("regression", ["on", "off target"]), logits)
    assert list(columns) == ["prediction_on", "prediction_off target"]
    for index, column in enumerate(columns.values()):
        assert column.type == kind(FLOAT, lengths)
        assert column.to_pylist() == [row[..., index].tolist() for row in logits.per_sequence()]


@per_unit
@pytest.mark.parametrize("names", [["y"], ["on", "off target"]])
def test_the_spread_of_an_ensemble(lengths, names):
    logits = random_logits(len(names), lengths)
    spread = Predictions(np.abs(logits.logits[::-1]), logits.offsets)
    without = result_columns(configuration("regression", names), logits)
    columns = result_columns(configuration("regression", names), logits._replace(spread=spread.logits))
    titles = ["sd"] if len(names) == 1 else ["sd_on", "sd_off target"]
    assert list(columns) == [*without, *titles]
    assert all(columns[name].equals(column) for name, column in without.items())
    for index, title in enumerate(titles):
        assert columns[title].type == kind(FLOAT, lengths)
        expected = [row[..., index] if len(names) > 1 else row for row in spread.per_sequence()]
        assert columns[title].to_pylist() == [row.tolist() for row in expected]


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_classes_have_no_column_for_a_spread(problem_type):
    logits = random_logits(2)
    config = configuration(problem_type, ["a", "b"])
    assert list(result_columns(config, logits._replace(spread=logits.logits))) == list(result_columns(config, logits))


@per_unit
@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c", "d"]])
def test_classes(lengths, names):
    logits = random_logits(len(names), lengths, number=20)
    columns = result_columns(configuration(SINGLE, names), logits)
    assert {name: column.type for name, column in columns.items()} == {
        "label": kind(TEXT, lengths),
        "score": kind(FLOAT, lengths),
    }
    likeliest = [torch.softmax(torch.from_numpy(row), -1).max(-1) for row in logits.per_sequence()]
    assert_close(columns["score"], [best.values.numpy() for best in likeliest])
    places = [best.indices.tolist() for best in likeliest]
    expected = [names[place] if lengths is None else [names[residue] for residue in place] for place in places]
    assert columns["label"].to_pylist() == expected
    assert {name for row in expected for name in ([row] if lengths is None else row)} == set(names)


@per_unit
@pytest.mark.parametrize("names", [["membrane"], ["core", "edge", "surface"]])
def test_several_labels_at_once(lengths, names):
    logits = random_logits(len(names), lengths, number=12)
    columns = result_columns(configuration(MULTI, names), logits)
    assert list(columns) == ["label", *(f"score_{name}" for name in names)]
    assert columns["label"].type == kind(TEXT, lengths)
    rows = [row[..., None] if len(names) == 1 else row for row in logits.per_sequence()]
    for index, name in enumerate(names):
        column = columns[f"score_{name}"]
        assert column.type == kind(FLOAT, lengths)
        assert_close(column, [torch.sigmoid(torch.from_numpy(row[..., index])).numpy() for row in rows])

    def joined(row):
        return ";".join(name for name, logit in zip(names, row, strict=True) if logit > 0)

    expected = [joined(row) if lengths is None else [joined(residue) for residue in row] for row in rows]
    assert columns["label"].to_pylist() == expected


KINDS = [("regression", ["y"]), ("regression", ["a", "b"]), (SINGLE, ["a", "b"]), (MULTI, ["a"]), (MULTI, ["a", "b"])]


@per_unit
@pytest.mark.parametrize(("problem_type", "names"), KINDS)
def test_no_rows_have_the_types_of_some(problem_type, names, lengths):
    config = configuration(problem_type, names)
    some = result_columns(config, random_logits(len(names), lengths))
    none = result_columns(config, random_logits(len(names), None if lengths is None else [], number=0))
    assert {name: column.type for name, column in none.items()} == {name: column.type for name, column in some.items()}
    assert all(len(column) == 0 for column in none.values())


def test_types_do_not_depend_on_what_was_found():
    """No label above one half in a whole batch leaves text columns all the same."""
    config = configuration(MULTI, ["a", "b"])
    low = np.full((2, 2), -9, dtype=np.float32)
    assert result_columns(config, Predictions(low))["label"].type == TEXT
    column = result_columns(config, Predictions(low, np.array([0, 2])))["label"]
    assert column.type == pa.list_(TEXT)
    assert column.to_pylist() == [["", ""]]


def one_row(kind, names, row):
    """What one row of outputs says, without any array of rows."""
    row = np.float64(row)
    if kind == "regression":
        return {
            "prediction" if len(names) == 1 else f"prediction_{name}": x for name, x in zip(names, row, strict=True)
        }
    if kind == SINGLE:
        powers = np.exp(row - row.max())
        return {"label": names[int(row.argmax())], "score": powers.max() / powers.sum()}
    scores = {f"score_{name}": 1 / (1 + np.exp(-x)) for name, x in zip(names, row, strict=True)}
    return {"label": ";".join(name for name, x in zip(names, row, strict=True) if x > 0), **scores}


def same(found, expected):
    if isinstance(expected, list):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == (expected if isinstance(expected, str) else pytest.approx(expected, rel=1e-5, abs=1e-6))


@given(
    kind=st.sampled_from(["regression", SINGLE, MULTI]),
    names=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=5, unique=True),
    lengths=st.none() | st.lists(st.integers(0, 4), max_size=5),
    seed=st.integers(0, 99),
)
def test_columns_are_what_each_row_gives_by_itself(kind, names, lengths, seed):
    assume(kind != SINGLE or len(names) > 1)
    rows = 6 if lengths is None else sum(lengths)
    logits = 4 * np.random.default_rng(seed).standard_normal((rows, len(names))).astype(np.float32)
    offsets = None if lengths is None else np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    config = configuration(kind, names)
    columns = result_columns(config, Predictions(logits, offsets))
    expected = [one_row(kind, names, row) for row in logits]
    for name, column in columns.items():
        values = [row[name] for row in expected]
        if lengths is not None:
            values = [values[start:stop] for start, stop in pairwise(offsets)]
        assert same(column.to_pylist(), values)
    assert not expected or list(columns) == list(expected[0])


@pytest.mark.parametrize("outputs", [1, 3])
def test_arrays_per_sequence(outputs):
    flat = np.arange(4 * outputs, dtype=np.float32).reshape(4, outputs)
    bare = flat[:, 0] if outputs == 1 else flat
    assert [rows.tolist() for rows in Predictions(flat).per_sequence()] == bare.tolist()
    residues = Predictions(flat, np.array([0, 1, 1, 4])).per_sequence()
    assert [rows.tolist() for rows in residues] == [bare[:1].tolist(), [], bare[1:].tolist()]


def test_an_undecided_problem():
    """As the model itself has it: one output is a number, several are classes."""
    logits = random_logits(1)
    assert list(result_columns(configuration(None, ["y"]), logits)) == ["prediction"]
    assert list(result_columns(configuration(None, ["a", "b"]), random_logits(2))) == ["label", "score"]


def test_probabilities_of_extreme_logits():
    logits = np.array([[-3000, 0, 3000], [88, 89, -88], [-0.0, 0.0, 1e-30]], dtype=np.float32)
    np.testing.assert_allclose(softmax(logits), torch.from_numpy(logits).softmax(-1).numpy(), rtol=1e-6)
    np.testing.assert_allclose(sigmoid(logits), torch.from_numpy(logits).sigmoid().numpy(), rtol=1e-6, atol=1e-7)
    assert softmax(logits).dtype == sigmoid(logits).dtype == np.float32


def test_outputs_have_names_and_places():
    config = configuration("regression", ["on", "off"])
    assert output_names(config) == ["on", "off"]
    assert [output_index(config, name) for name in ("on", "off")] == [0, 1]
    with pytest.raises(UserError, match="no output 'of'; its outputs are: on, off"):
        output_index(config, "of")
