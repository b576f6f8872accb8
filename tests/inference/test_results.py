import numpy as np
import pyarrow as pa
import pytest
import torch
from small_models import small_config

from lyra_hf import UserError
from lyra_hf.inference.results import output_index, output_names, result_columns, sigmoid, softmax

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
FLOAT, TEXT = pa.float32(), pa.string()


def configuration(problem_type, names):
    return small_config(problem_type=problem_type, id2label=dict(enumerate(names)))


def random_logits(outputs, lengths=None, number=6):
    """Outputs as the predictor gives them: for one output without the last dimension."""
    generator = np.random.default_rng(0)
    shapes = [(length,) for length in lengths] if lengths else [()] * number
    last = () if outputs == 1 else (outputs,)
    return [np.asarray(3 * generator.standard_normal(shape + last), dtype=np.float32) for shape in shapes]


LENGTHS = [3, 1, 7]
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
    assert columns["prediction"].to_pylist() == [row.tolist() for row in logits]


@per_unit
def test_several_numbers(lengths):
    logits = random_logits(2, lengths)
    columns = result_columns(configuration("regression", ["on", "off target"]), logits)
    assert list(columns) == ["prediction_on", "prediction_off target"]
    for index, column in enumerate(columns.values()):
        assert column.type == kind(FLOAT, lengths)
        assert column.to_pylist() == [row[..., index].tolist() for row in logits]


@per_unit
@pytest.mark.parametrize("names", [["no", "yes"], ["a", "b", "c", "d"]])
def test_classes(lengths, names):
    logits = random_logits(len(names), lengths, number=20)
    columns = result_columns(configuration(SINGLE, names), logits)
    assert {name: column.type for name, column in columns.items()} == {
        "label": kind(TEXT, lengths),
        "score": kind(FLOAT, lengths),
    }
    likeliest = [torch.softmax(torch.from_numpy(row), -1).max(-1) for row in logits]
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
    rows = [row[..., None] if len(names) == 1 else row for row in logits]
    for index, name in enumerate(names):
        column = columns[f"score_{name}"]
        assert column.type == kind(FLOAT, lengths)
        assert_close(column, [torch.sigmoid(torch.from_numpy(row[..., index])).numpy() for row in rows])

    def joined(row):
        return ";".join(name for name, logit in zip(names, row, strict=True) if logit > 0)

    expected = [joined(row) if lengths is None else [joined(residue) for residue in row] for row in rows]
    assert columns["label"].to_pylist() == expected


@pytest.mark.parametrize(
    ("problem_type", "names"),
    [("regression", ["y"]), ("regression", ["a", "b"]), (SINGLE, ["a", "b"]), (MULTI, ["a"]), (MULTI, ["a", "b"])],
)
def test_no_rows_have_the_types_of_some(problem_type, names):
    config = configuration(problem_type, names)
    some, none = (result_columns(config, logits) for logits in (random_logits(len(names)), []))
    assert {name: column.type for name, column in none.items()} == {name: column.type for name, column in some.items()}
    assert all(len(column) == 0 for column in none.values())


def test_types_do_not_depend_on_what_was_found():
    """No label above one half in a whole batch leaves text columns all the same."""
    low = np.full(2, -9, dtype=np.float32)
    assert result_columns(configuration(MULTI, ["a", "b"]), [low, low])["label"].type == TEXT
    column = result_columns(configuration(MULTI, ["a", "b"]), [np.stack([low, low])])["label"]
    assert column.type == pa.list_(TEXT)
    assert column.to_pylist() == [["", ""]]


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
