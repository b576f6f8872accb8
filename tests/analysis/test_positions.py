import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.analysis.positions import parse_positions


@given(st.sets(st.integers(1, 30), min_size=1))
def test_single_positions_in_any_order(positions):
    assert parse_positions(",".join(map(str, positions)), 30) == tuple(sorted(positions))


def test_ranges_hold_both_ends():
    assert parse_positions("39-41, 54 ,40", 54) == (39, 40, 41, 54)
    assert parse_positions("7-7", 7) == (7,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' in '' is no position"),
        ("3,", "'' in '3,' is no position"),
        ("A3", "'A3' in 'A3' is no position; write numbers and ranges"),
        ("5-3", "the range 5-3 ends before it begins"),
        ("0", "position 0 is none of the sequence's: it has 9 letters"),
        ("3-10", "position 10 is none"),
    ],
)
def test_what_is_no_position(text, message):
    with pytest.raises(UserError, match=message):
        parse_positions(text, 9)
