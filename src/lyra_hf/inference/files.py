"""From a file of sequences to a file of predictions: one thread reads and encodes, one computes, one writes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ..errors import UserError
from ..intervals import LEVEL
from .encoding import EncodedSequences, encode_rows
from .pipeline import Background, Prefetched
from .predictor import Predictor
from .readers import TableReader, open_table
from .results import Predictions, result_columns
from .writers import TableWriter, open_writer


def predict_file(
    model: str,
    input_path: str,
    output_path: str | None,
    *,
    column: str = "sequence",
    pair_column: str | None = None,
    device: str | None = None,
    batch_size: int | None = None,
    level: float = LEVEL,
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
        level: the share of labels that intervals shall hold, of a model that has them.
        on_progress: called with the number of sequences done since the last call.

    Returns:
        The number of sequences.

    Raises:
        UserError: anything that the user can mend; no output is written then.
    """
    predictor = Predictor(model, device, batch_size, level)
    with (
        open_table(input_path, sequence_column=column) as reader,
        open_writer(output_path, input_path=input_path) as writer,
    ):
        return predict_table(predictor, reader, writer, pair_column=pair_column, on_progress=on_progress)


def predict_table(
    predictor: Predictor,
    reader: TableReader,
    writer: TableWriter,
    *,
    pair_column: str | None = None,
    on_progress: Callable[[int], Any] | None = None,
) -> int:
    """Score the sequences of an open table and write its rows with the predictions added.

    Args:
        predictor: the model.
        reader: the table.
        writer: where to.
        pair_column: as of `predict_file`, as is `on_progress`.
        on_progress: called with the number of sequences done since the last call.

    Returns:
        The number of sequences.

    Raises:
        UserError: anything that the user can mend.
    """
    rows = 0
    no_rows = np.empty((0, predictor.config.num_labels), dtype=np.float32)
    spread = no_rows if predictor.config.ensemble_size > 1 else None
    ends = no_rows if predictor.config.intervals else None
    nothing = Predictions(no_rows, spread=spread, lower=ends, upper=ends)
    names = free_names(result_columns(predictor.config, nothing), reader.column_names)
    if pair_column is not None:
        reader.check_text(pair_column)
    predictor.check_pairs(pair_column)

    def write(scored: tuple[pa.RecordBatch, Predictions]) -> None:
        batch, predictions = scored
        columns = result_columns(predictor.config, predictions)
        writer.write(
            pa.RecordBatch.from_arrays([*batch.columns, *columns.values()], names=[*batch.schema.names, *names])
        )

    with Background(write) as output, Prefetched(_encoded(predictor, reader, pair_column)) as batches:
        for batch, encoded in batches:
            output.put((batch, predictor.predict_encoded(encoded)))
            rows += len(encoded)
            if on_progress is not None:
                on_progress(len(encoded))
            del batch, encoded  # a chromosome would be kept while the next one is waited for
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


def _encoded(
    predictor: Predictor, reader: TableReader, pair_column: str | None
) -> Iterator[tuple[pa.RecordBatch, EncodedSequences]]:
    """The table's batches, each with its sequences as token ids.

    Raises:
        UserError: a sequence cannot be read; the message names its row.
    """
    rows_before = reader.first_row

    def describe_row(row: int) -> str:
        return reader.describe_row(rows_before + row)

    for batch in reader:
        second = None if pair_column is None else batch.column(pair_column)
        first = batch.column(reader.sequence_column)
        yield batch, encode_rows(predictor.encoder, first, second, describe_row, predictor.config.pair_context)
        rows_before += batch.num_rows
