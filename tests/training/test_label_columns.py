"""The labels of a table's columns, by themselves: what they are taken for, and what becomes of each cell."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.training.formats import TableFormat
from lyra_hf.training.label_columns import LabelReader
from lyra_hf.training.places import TablePlaces

NAN = float("nan")
FINITE = st.floats(-1e6, 1e6, width=32)


def read(columns, lengths=None, **form):
    """Labels of a table with the columns `columns`, each row of which has 4 residues unless told."""
    rows = len(next(iter(columns.values())))
    lengths = dict(enumerate(lengths)) if lengths is not None else dict.fromkeys(range(rows), 4)
    form = TableFormat(targets=tuple(columns), **form)
    return LabelReader(TablePlaces("table.csv"), form, lengths).read(pa.table(columns))


def values(found):
    """The labels in order of rows, as lists, None where one is missing."""
    return [
        [None if np.isnan(value) or value == -100 else float(value) for value in np.ravel(found.labels[row])]
        for row in sorted(found.labels)
    ]


class TestThreshold:
    @given(numbers=st.lists(st.one_of(FINITE, st.none()), min_size=1), threshold=FINITE)
    def test_one_is_above_it_and_zero_up_to_it(self, numbers, threshold):
        assume(any(number is not None for number in numbers))
        found = read({"y": [*numbers, threshold]}, threshold=threshold, classes=("low", "high"))
        expected = [[None] if number is None else [float(number > threshold)] for number in numbers]
        assert values(found) == [*expected, [0.0]]
        assert (found.problem_type, found.output_names) == ("single_label_classification", ["low", "high"])

    def test_a_threshold_of_zero_is_one(self):
        assert values(read({"y": [0, 1, 5]}, threshold=0)) == [[0], [1], [1]]

    def test_of_each_residue(self):
        found = read({"y": [[0, 3, None], [1, NAN]]}, lengths=[4, 2], threshold=0, head="residue")
        assert values(found) == [[0, 1, None, None], [1, None]]
        assert found.head == "residue"

    def test_in_text(self):
        assert values(read({"y": ["-3.5", "", "-4"]}, threshold=-4, classes=("no", "yes"))) == [[1], [None], [0]]
        assert values(read({"y": ["[1, NaN, 0]"]}, threshold=0, classes=("no", "yes"))) == [[1, None, 0, None]]

    def test_what_is_no_number_is_named(self):
        with pytest.raises(UserError, match=r"table\.csv, row 2: 'y' is 'much', which is not a number"):
            read({"y": ["1", "much"]}, threshold=0)


class TestBits:
    @given(bits=st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=9))
    def test_the_lowest_bit_is_the_first_output(self, bits):
        masks = [sum(2**place for place, bit in enumerate(row) if bit) for row in bits]
        for cells in (masks, list(map(str, masks)), list(map(float, masks))):
            found = read({"y": [*cells, None]}, bits=3)
            assert values(found) == [*(list(map(float, row)) for row in bits), [None] * 3]
            assert found.problem_type == "multi_label_classification"
            assert found.output_names == ["y bit 0", "y bit 1", "y bit 2"]

    def test_of_each_residue(self):
        found = read({"y": [[0, 1, 2, 3], [None, 3]]}, lengths=[4, 3], bits=2, head="residue")
        assert found.labels[0].tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
        assert values(found)[1] == [None, None, 1, 1, None, None]

    @pytest.mark.parametrize("mask", [4, -1, 0.5, "x"])
    def test_what_is_no_mask_is_named(self, mask):
        with pytest.raises(UserError, match=r"row 2: 'y' is .*, which is (no mask of 2 bits|not a number)"):
            read({"y": list(map(str, [3, mask]))}, bits=2)


class TestResidues:
    @given(
        rows=st.lists(st.lists(st.one_of(FINITE, st.none(), st.just(NAN)), max_size=5), min_size=1),
        missing=st.integers(0, 2),
    )
    def test_numbers_in_lists_and_in_text_are_the_same(self, rows, missing):
        assume(any(value is not None and value == value for row in rows for value in row))
        lengths = [len(row) + missing for row in rows]
        expected = [[*(None if value != value else value for value in row), *[None] * missing] for row in rows]
        form = {"lengths": lengths, "head": "residue", "problem_type": "regression"}
        assert values(read({"y": pa.array(rows, pa.list_(pa.float32()))}, **form)) == expected
        assert values(read({"y": [json.dumps(row) for row in rows]}, **form)) == expected

    @pytest.mark.parametrize("gap", [None, NAN, -1, -100])
    def test_a_gap_in_classes_is_no_class(self, gap):
        found = read(
            {"y": [[0, gap, 1], [1]]}, lengths=[3, 2], head="residue", problem_type="single_label_classification"
        )
        assert found.output_names == ["0", "1"]
        assert values(found) == [[0, None, 1], [1, None]]

    def test_several_columns_are_the_last_dimension(self):
        found = read({"a": [[1, 2.5]], "b": [[3, None]]}, lengths=[3])
        assert (found.head, found.problem_type, found.output_names) == ("residue", "regression", ["a", "b"])
        assert found.labels[0].shape == (3, 2)
        assert values(found) == [[1, 3, 2.5, None, None, None]]

    def test_more_labels_than_residues(self):
        with pytest.raises(UserError, match=r"row 2: 'y' has 3 labels for 2 residues"):
            read({"y": [[1, 2], [1, 2, 3]]}, lengths=[2, 2])

    def test_a_list_where_a_label_was_expected_is_named(self):
        with pytest.raises(UserError, match=r"row 2: 'y' is a list; one label per sequence was expected"):
            read({"y": ["1", "[1, 2]"]}, head="sequence")


class TestNumbers:
    @pytest.mark.parametrize(
        ("cell", "problem"), [("inf", "is infinite"), ("-1e300", "is '-1e300', which is too large")]
    )
    def test_what_a_model_cannot_be_trained_on(self, cell, problem):
        with pytest.raises(UserError, match=f"row 2: 'y' {problem}"):
            read({"y": ["1.5", cell]})

    @given(numbers=st.lists(st.one_of(FINITE, st.none()), min_size=1))
    def test_are_kept_as_they_are(self, numbers):
        assume(any(number is not None for number in numbers))
        assert values(read({"y": numbers}, problem_type="regression")) == [[number] for number in numbers]

    def test_only_rows_that_count_are_read(self):
        form = TableFormat(targets=("y",))
        found = LabelReader(TablePlaces("table.csv"), form, {0: 4, 2: 4}).read(pa.table({"y": ["1.5", "much", "2.5"]}))
        assert {row: float(label) for row, label in found.labels.items()} == {0: 1.5, 2: 2.5}

    def test_classes_are_of_one_column(self):
        with pytest.raises(UserError, match="several target columns are numbers or labels of 0 and 1, not classes"):
            read({"a": ["x", "y"], "b": ["x", "y"]}, problem_type="single_label_classification")


ZEROS = [[0, 0.0], [0, 1], [None, 0], [], [-1, 1]]


class TestRowsThatWereNotMeasured:
    """All labels of a row are 0: so the file says that there are none."""

    def test_have_no_labels_where_that_is_told(self):
        found = read({"y": ZEROS}, lengths=[2] * 5, zeros_are_missing=True, head="residue")
        assert values(found) == [[None, None], [0, 1], [None, 0], [None, None], [-1, 1]]

    def test_are_told_of_residues_alone(self):
        with pytest.raises(UserError, match="only where each residue has a label"):
            read({"y": [0.0, 1.5]}, zeros_are_missing=True)

    def test_are_rows_like_others_else(self):
        found = read({"y": ZEROS}, lengths=[2] * 5, head="residue")
        assert values(found)[0] == [0, 0]
