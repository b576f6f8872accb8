"""Conditions on rows, folds, and which columns a format needs."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.training.formats import NUMBER_OF_FOLDS, Condition, Fold, TableFormat, parse_filter, rows_that_meet


def holds(condition, values):
    return condition.holds(pa.chunked_array([values])).tolist()


NUMBERS = st.one_of(st.none(), st.floats(-9, 9), st.just(float("nan")))


class TestCondition:
    @given(values=st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1), wanted=st.sets(st.sampled_from("abcd")))
    def test_values_that_count(self, values, wanted):
        if wanted:
            assert holds(Condition.parse(sorted(wanted)), values) == [value in wanted for value in values]

    @given(values=st.lists(NUMBERS, min_size=1), low=st.floats(-9, 9), high=st.floats(-9, 9))
    def test_bounds_are_outside(self, values, low, high):
        expected = [value is not None and low < value < high for value in values]
        assert holds(Condition.parse({"above": low, "below": high}), values) == expected
        expected = [value is not None and value > low for value in values]
        assert holds(Condition.parse({"above": low}), values) == expected
        expected = [value is not None and value < high for value in values]
        assert holds(Condition.parse({"below": high}), values) == expected

    @pytest.mark.parametrize(
        ("condition", "typed"),
        [
            ([1], [1, 0, 2, None]),
            ([0.5, 2], [0.5, 2.0, 1.0, None]),
            ([False], [True, False, None]),
            (["Mismatch"], ["Mismatch", "PAM", None]),
            ({"above": -4}, [-4.0, -3.5, None]),
            ({"above": 0, "below": 3}, [0, 1, 2, 3]),
        ],
    )
    def test_the_texts_of_a_file_count_as_the_typed_values_do(self, condition, typed):
        condition = Condition.parse(condition)
        texts = ["" if value is None else str(value) for value in typed]
        flags = holds(condition, typed)
        assert any(flags)
        assert not all(flags)
        assert holds(condition, texts) == flags
        assert holds(condition, [f" {text.upper()} " for text in texts]) == flags

    def test_texts_are_in_no_bounds(self):
        assert holds(Condition.parse({"below": 5}), ["low", "1", "", "nan"]) == [False, True, False, False]

    @pytest.mark.parametrize(
        "content",
        [[], {}, "train", 3, None, {"above": 1, "beyond": 2}, {"above": "high"}, {"above": None}, {"below": True}],
        ids=str,
    )
    def test_what_is_no_condition(self, content):
        with pytest.raises(UserError, match="a condition is a list of values, or has numbers `above` and `below`"):
            Condition.parse(content)


def test_rows_meet_all_conditions():
    table = pa.table({"a": [1, 2, 3, 4], "b": ["x", "x", "y", None]})
    conditions = parse_filter({"a": {"above": 1}, "b": ["x", "y"]})
    assert rows_that_meet(conditions, table).tolist() == [False, True, True, False]
    assert rows_that_meet({}, table).tolist() == [True] * 4


class TestFold:
    def test_each_fold_is_the_test_set_once_and_the_validation_set_once(self):
        splits = np.array(
            [[Fold("f", number).split_of(fold) for fold in range(NUMBER_OF_FOLDS)] for number in range(NUMBER_OF_FOLDS)]
        )
        for split, count in (("test", 1), ("validation", 1), ("train", NUMBER_OF_FOLDS - 2)):
            assert (splits == split).sum(0).tolist() == [count] * NUMBER_OF_FOLDS
            assert (splits == split).sum(1).tolist() == [count] * NUMBER_OF_FOLDS
        assert np.diagonal(splits).tolist() == ["test"] * NUMBER_OF_FOLDS

    def test_a_row_without_a_fold_is_in_no_split(self):
        assert Fold("f", 0).split_of(None) == ""

    @pytest.mark.parametrize("number", [-1, NUMBER_OF_FOLDS])
    def test_a_fold_that_is_not_there(self, number):
        with pytest.raises(UserError, match=rf"folds are numbered from 0 to 4; there is no fold {number}"):
            Fold("f", number)


def test_the_columns_that_are_needed_each_once():
    form = TableFormat(
        targets=("y", "z"),
        sequence="site",
        pair="guide",
        split=Fold("part", 1),
        rows=parse_filter({"y": {"above": 0}, "kind": ["a"]}),
        train_rows=parse_filter({"clean": [True]}),
        subsets={"one": parse_filter({"gene": ["A"]}), "two": parse_filter({"gene": ["B"], "part": [1]})},
    )
    assert sorted(form.columns) == ["clean", "gene", "guide", "kind", "part", "site", "y", "z"]
    assert TableFormat(targets=("y",)).columns == ["sequence", "y"]
    assert TableFormat(targets=("y",), split="fold").columns == ["sequence", "y", "fold"]
