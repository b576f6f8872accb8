import csv
import datetime
import io
import json
import math
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf.errors import UserError
from lyra_hf.inference.rendering import delimited_header, delimited_rows, json_rows

FLOATS32 = st.floats(width=32)
TEXTS = st.text(max_size=8)


def batch_of(**columns: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(columns)


def csv_cells(batch: pa.RecordBatch, delimiter: str = ",") -> list[list[str]]:
    text = bytes(delimited_rows(batch, delimiter)).decode()
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def json_objects(batch: pa.RecordBatch) -> list[dict[str, object]]:
    return [json.loads(line) for line in bytes(json_rows(batch)).split(b"\n")[:-1]]


def as_float32(text: str) -> bytes:
    return struct.pack("f", float(text))


@given(values=st.lists(FLOATS32 | st.none(), min_size=1, max_size=10))
def test_float32_is_written_in_its_own_fewest_digits(values: list[float | None]) -> None:
    batch = batch_of(id=pa.array(["x"] * len(values)), y=pa.array(values, pa.float32()))
    for value, (_, cell), row in zip(values, csv_cells(batch), json_objects(batch), strict=True):
        if value is None or math.isnan(value):
            assert (cell, row["y"]) == ("", None)
            continue
        assert as_float32(cell) == struct.pack("f", value)
        digits = len(cell.partition("e")[0].replace("-", "").replace(".", "").strip("0"))
        assert digits <= len(np.format_float_scientific(np.float32(value), trim="-").partition("e")[0].replace("-", ""))
        assert row["y"] == (None if math.isinf(value) else float(cell))


@given(values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=10))
def test_float64_reads_back_as_itself(values: list[float]) -> None:
    batch = batch_of(id=pa.array(["x"] * len(values)), y=pa.array(values))
    assert [float(cell) for _, cell in csv_cells(batch)] == values


def test_numbers_look_as_expected() -> None:
    batch = batch_of(a=pa.array([45.123455, 0.1, 1e-9], pa.float32()), b=pa.array([0.1, 1 / 3, 5e-324]))
    assert bytes(delimited_rows(batch, ",")) == b"45.123455,0.1\n0.1,0.3333333333333333\n1e-9,5e-324\n"


@given(
    rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=6),
    delimiter=st.sampled_from(",\t"),
    names=st.lists(TEXTS.filter(bool), min_size=2, max_size=2, unique=True),
)
def test_any_text_reads_back_with_the_standard_library(
    rows: list[tuple[str, str]], delimiter: str, names: Sequence[str]
) -> None:
    schema = pa.schema([(name, pa.string()) for name in names])
    batch = pa.record_batch([pa.array([row[index] for row in rows], pa.string()) for index in (0, 1)], schema=schema)
    assert json_objects(batch) == [dict(zip(names, row, strict=True)) for row in rows]
    if not any("\0" in cell for row in [names, *rows] for cell in row):  # older csv modules refuse it
        text = delimited_header(names, delimiter) + delimited_rows(batch, delimiter)
        read = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=delimiter)
        assert list(read) == [list(names), *map(list, rows)]


def test_only_what_must_be_is_quoted() -> None:
    batch = batch_of(a=pa.array(["plain", "a,b", 'say "A"', "a\nb", "", None]), b=pa.array(["x\ty"] * 6))
    assert bytes(delimited_rows(batch, ",")).decode() == (
        'plain,x\ty\n"a,b",x\ty\n"say ""A""",x\ty\n"a\nb",x\ty\n,x\ty\n,x\ty\n'
    )
    assert bytes(delimited_rows(batch.slice(0, 2), "\t")) == b'plain\t"x\ty"\na,b\t"x\ty"\n'
    assert delimited_header(["id", "a,b"], ",") == b'id,"a,b"\n'


def test_an_empty_value_alone_in_its_row_is_no_blank_line() -> None:
    assert bytes(delimited_rows(batch_of(a=pa.array(["", "A", None])), ",")) == b'""\nA\n""\n'


def test_lists_are_json_in_cells_and_arrays_in_json() -> None:
    per_residue = pa.array([[0.1, float("nan"), 2.5], [], None, [None]], pa.list_(pa.float32()))
    several = pa.array([[[0.5, 1.5], []], [], None, [None]], pa.large_list(pa.list_(pa.float64())))
    labels = pa.array([["a", 'b"c'], ["d"], None, ["e\n", None]])
    batch = batch_of(p=per_residue, s=several, t=labels)
    parsed = [
        {"p": [0.1, None, 2.5], "s": [[0.5, 1.5], []], "t": ["a", 'b"c']},
        {"p": [], "s": [], "t": ["d"]},
        {"p": None, "s": None, "t": None},
        {"p": [None], "s": [None], "t": ["e\n", None]},
    ]
    assert json_objects(batch) == parsed
    cells = csv_cells(batch)
    assert cells[0] == ["[0.1,null,2.5]", "[[0.5,1.5],[]]", '["a","b\\"c"]']
    assert cells[2] == ["", "", ""]
    assert [json.loads(cell) for cell in cells[3]] == list(parsed[3].values())


def test_slices_of_batches_are_written_as_what_they_show() -> None:
    batch = batch_of(
        t=pa.array(["a", "b", "c", "d"]),
        p=pa.array([[1], None, [2, 3], [4]]),
        f=pa.array([[1, 1], None, [2, 3], [4, 4]], pa.list_(pa.int8(), 2)),
        s=pa.array([{"x": 1, "y": "u"}, None, {"x": None, "y": "v"}, {"x": 4, "y": "w"}]),
    )
    expected = [
        {"t": "b", "p": None, "f": None, "s": None},
        {"t": "c", "p": [2, 3], "f": [2, 3], "s": {"x": None, "y": "v"}},
    ]
    assert json_objects(batch.slice(1, 2)) == expected
    assert csv_cells(batch.slice(1, 2))[1] == ["c", "[2,3]", "[2,3]", '{"x":null,"y":"v"}']
    assert bytes(json_rows(batch.slice(1, 0))) == bytes(delimited_rows(batch.slice(1, 0), ",")) == b""


def test_further_types_have_a_form() -> None:
    batch = batch_of(
        i=pa.array([1, None]),
        b=pa.array([True, None]),
        d=pa.array([datetime.date(2024, 2, 29), None]),
        c=pa.array(["x", None]).dictionary_encode(),
        n=pa.nulls(2),
        h=pa.array([np.float16(0.5), None], pa.float16()),
    )
    assert csv_cells(batch) == [["1", "true", "2024-02-29", "x", "", "0.5"], [""] * 6]
    assert json_objects(batch) == [
        {"i": 1, "b": True, "d": "2024-02-29", "c": "x", "n": None, "h": 0.5},
        dict.fromkeys("ibdcnh"),
    ]


@pytest.mark.parametrize("render", [json_rows, lambda batch: delimited_rows(batch, ",")])
def test_a_column_without_a_form_as_text_is_named(render: object) -> None:
    assert callable(render)
    with pytest.raises(UserError, match="the column 'raw' holds binary, which cannot be written as text; choose"):
        render(batch_of(raw=pa.array([b"\xff\xfe"])))
