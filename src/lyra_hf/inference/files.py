"""From a file of sequences to a file of predictions, a window at a time."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..errors import UserError
from .predictor import Predictor
from .readers import TableReader, open_table
from .results import result_columns
from .writers import open_writer


def predict_file(
    model: str,
    input_path: str,
    output_path: str | None,
    *,
    column: str = "sequence",
    pair_column: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    on_progress: Callable[[int], Any] | None = None,
) -> int:
    """Score the sequences of a file and write its rows with the predictions added.

    Args:
        model: a shipped name or a folder.
        input_path: the file, or "-" for standard input.
        output_path: the file to write, whole or not at all; CSV on standard output where it is None or "-".
        column: the column that holds the sequences.
        pair_column: the column of the second sequences, for models of pairs.
        device: where to compute.
        batch_size: most sequences in a batch.
        on_progress: called with the number of sequences done since the last call.

    Returns:
        The number of sequences.

    Raises:
        UserError: anything that the user can mend; no output is written then.
    """
    predictor = Predictor(model, device, batch_size)
    rows = 0
    with open_table(input_path, sequence_column=column) as reader:
        names = free_names(result_columns(predictor.config, []), reader.column_names)
        if pair_column is not None:
            reader.check_text(pair_column)
        predictor.check_pairs(pair_column)
        with open_writer(output_path, input_path=input_path) as writer:
            for batch in reader:
                results = predictor.predict_encoded(_encode(predictor, reader, batch, pair_column, rows))
                columns = result_columns(predictor.config, results)
                writer.write(
                    pa.RecordBatch.from_arrays([*batch.columns, *columns.values()], names=[*batch.schema.names, *names])
                )
                rows += batch.num_rows
                if on_progress is not None:
                    on_progress(batch.num_rows)
            if rows == 0:
                raise UserError(f"{reader.name} has no sequences")
    return rows


def free_names(names: Iterable[str], taken: Sequence[str]) -> list[str]:
    """The names of the columns to add; `predicted_` goes before one that the input has already (a table of labels)."""
    free: list[str] = []
    for name in names:
        while name in taken:
            name = f"predicted_{name}"
        free.append(name)
    return free


def _encode(
    predictor: Predictor, reader: TableReader, batch: pa.RecordBatch, pair_column: str | None, rows_before: int
) -> list[npt.NDArray[np.uint8]]:
    """Token ids of a batch's sequences.

    Raises:
        UserError: one cannot be read; the message names its row.
    """
    sequences = [value or "" for value in batch.column(reader.sequence_column).to_pylist()]
    encoded = [predictor.encoder.encode(sequence) for sequence in sequences]
    if pair_column is not None:
        others = [value or "" for value in batch.column(pair_column).to_pylist()]
        encoded_others = [predictor.encoder.encode(other) for other in others]
        for index, (ids, other) in enumerate(zip(encoded, encoded_others, strict=True)):
            if ids.size != other.size:
                raise UserError(
                    f"{reader.describe_row(rows_before + index)}: the pair has {ids.size} and {other.size} letters; "
                    "aligned pairs are of equal length"
                )
        sequences = [one + other for one, other in zip(sequences, others, strict=True)]
        encoded = [np.concatenate(pair) for pair in zip(encoded, encoded_others, strict=True)]
    fault = predictor.find_fault(sequences, encoded)
    if fault is not None:
        raise UserError(f"{reader.describe_row(rows_before + fault.row)}: {fault.problem}")
    return encoded
