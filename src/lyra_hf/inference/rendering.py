"""Record batches as the text of CSV, TSV and JSON Lines files.

Whole columns become text at once and are then joined to rows, so that writing keeps up with the model. Numbers are
written in the fewest digits that read back as the same number of the column's own precision.
"""

import json
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import UserError

_TEXT = pa.large_string()  # the text of a batch may be longer than the 2 GB that 32 bits count
_NEEDS_ESCAPE = r'[\x00-\x1f"\\]'


def delimited_header(names: Sequence[str], delimiter: str) -> bytes:
    """The line of column names that begins a CSV or TSV file; nothing if there are no columns."""
    if not names:
        return b""
    return delimiter.join(_quoted(pa.array(names, _TEXT), delimiter).to_pylist()).encode() + b"\n"


def delimited_rows(batch: pa.RecordBatch, delimiter: str) -> memoryview:
    """The rows as lines of a CSV or TSV file.

    Values are quoted where they must be. Missing values and NaN are left empty, lists are written as JSON.

    Raises:
        UserError: a column is of a type that has no form as text.
    """
    columns = [_quoted(column, delimiter) for column in _rendered(batch, _cell_texts)]
    if len(columns) == 1:
        # An empty line would be a blank one, which readers skip.
        columns = [pc.if_else(pc.equal(columns[0].fill_null(""), ""), _scalar('""'), columns[0])]
    separators = [delimiter] * (len(columns) - 1) + ["\n"]
    return _characters(_joined(*chain.from_iterable(zip(columns, separators, strict=True))))


def json_rows(batch: pa.RecordBatch) -> memoryview:
    """The rows as lines of a JSON Lines file, an object each; missing values, NaN and infinities are null.

    Raises:
        UserError: a column is of a type that has no form as text.
    """
    objects = _json_objects(batch.schema.names, _rendered(batch, _json_texts))
    return _characters(_joined(objects, "\n"))


def _rendered(batch: pa.RecordBatch, render: Callable[[pa.Array], pa.Array]) -> list[pa.Array]:
    columns = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        try:
            columns.append(render(column))
        except pa.ArrowException as error:
            raise UserError(
                f"the column {field.name!r} holds {field.type}, which cannot be written as text; "
                "choose an output that ends in .parquet"
            ) from error
    return columns


def _cell_texts(array: pa.Array) -> pa.Array:
    """What stands in the cells of a CSV file, before quoting; null where nothing does."""
    array = _plain(array)
    if pa.types.is_floating(array.type):
        return pc.if_else(pc.is_nan(array), None, array).cast(_TEXT)
    if pa.types.is_nested(array.type):
        return pc.if_else(array.is_valid(), _json_texts(array), None)
    return array.cast(_TEXT)


def _quoted(texts: pa.Array, delimiter: str) -> pa.Array:
    special = pc.match_substring_regex(texts, f'["\r\n{delimiter}]')
    if not pc.any(special).as_py():
        return texts
    return pc.if_else(special, _joined('"', pc.replace_substring(texts, '"', '""'), '"'), texts)


def _json_texts(array: pa.Array) -> pa.Array:
    """Each value as JSON, without nulls: a missing value is the text "null"."""
    array = _plain(array)
    kind = array.type
    if pa.types.is_floating(kind):
        texts = pc.if_else(pc.is_finite(array), array, None).cast(_TEXT)
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind):
        texts = array.cast(_TEXT)
    elif pa.types.is_struct(kind):
        texts = _json_objects([field.name for field in kind], [_json_texts(field) for field in array.flatten()])
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        texts = _json_lists(array)
    else:
        texts = _json_strings(array.cast(_TEXT))
    return pc.if_else(array.is_valid(), texts, None).fill_null("null")


def _json_lists(array: pa.Array) -> pa.Array:
    lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
    ends = pa.array(np.concatenate([[0], lengths.cumsum(dtype=np.int64)]), pa.int64())
    items = pa.LargeListArray.from_arrays(ends, _json_texts(array.flatten()))
    return _joined("[", pc.binary_join(items, _scalar(",")), "]")


def _json_objects(names: Sequence[str], columns: Sequence[pa.Array]) -> pa.Array:
    parts: list[pa.Array | str] = []
    for index, (name, column) in enumerate(zip(names, columns, strict=True)):
        parts += [("," if index else "{") + json.dumps(name, ensure_ascii=False) + ":", column]
    return _joined(*parts, "}")


def _json_strings(texts: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(texts, _NEEDS_ESCAPE)).as_py():
        return pa.array([json.dumps(text, ensure_ascii=False) for text in texts.to_pylist()], _TEXT)
    return _joined('"', texts, '"')


def _plain(array: pa.Array) -> pa.Array:
    """The array itself, free of encodings that the functions here know nothing of."""
    if pa.types.is_dictionary(array.type):
        return array.dictionary_decode()
    if pa.types.is_float16(array.type):
        return array.cast(pa.float32())
    return array


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _TEXT)


def _joined(*parts: pa.Array | str) -> pa.Array:
    """Texts put together row by row; a null counts as an empty text."""
    scalars = [_scalar(part) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, _scalar(""), null_handling="replace", null_replacement="")


def _characters(texts: pa.Array) -> memoryview:
    """All texts of an array, one after the other: they lie so in memory already."""
    if not len(texts):
        return memoryview(b"")
    _, offsets, characters = texts.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(characters)[int(ends[0]) : int(ends[-1])]
