"""How messages name rows and cells."""

from pathlib import Path

import pytest

from lyra_hf.training.places import JoinedColumn, JoinedPlaces, TablePlaces


def test_of_one_table():
    places = TablePlaces(Path("data") / "table.csv")
    assert str(places) == "data/table.csv"
    assert places.row(0) == "data/table.csv, row 1"
    assert places.cell(2, "y") == "data/table.csv, row 3: 'y'"


@pytest.fixture
def joined():
    """Three rows: the first table has the second and the third of them, the other the first and the third."""
    return JoinedPlaces(
        {"a": JoinedColumn(Path("a.csv"), "y", [None, 0, 1]), "b": JoinedColumn(Path("b.csv"), "z", [4, None, 2])}
    )


def test_of_joined_tables(joined):
    assert str(joined) == "a.csv + b.csv"
    assert [joined.row(index) for index in range(3)] == ["b.csv, row 5", "a.csv, row 1", "a.csv, row 2"]


@pytest.mark.parametrize(
    ("index", "column", "expected"),
    [
        (2, "a", "a.csv, row 2: 'y'"),
        (2, "b", "b.csv, row 3: 'z'"),
        (2, "sequence", "a.csv, row 2: 'sequence'"),
        (0, "a", "b.csv, row 5: 'a'"),
    ],
)
def test_a_target_is_told_as_in_its_own_table(joined, index, column, expected):
    assert joined.cell(index, column) == expected
