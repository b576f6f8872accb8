"""Scores of guides that a user has.

Letters in shapes: N guides, W letters that the model reads of each (`Nuclease.window`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from ..alphabets import DNA
from ..errors import UserError
from ..inference.encoding import EncodedSequences, encode_rows
from ..inference.files import free_names
from ..inference.readers import open_table
from ..inference.writers import open_writer
from ..tokenization_lyra import SequenceEncoder
from .genome import Ids
from .guides import GuideScorer, reverse_complement
from .nucleases import Nuclease

_UNKNOWN = DNA.vocabulary["N"]
_COLUMNS = ("score", "lower", "upper")


def score_guides(
    scorer: GuideScorer,
    input_path: str,
    output_path: str | None,
    *,
    column: str = "sequence",
    on_progress: Callable[[int], Any] | None = None,
) -> int:
    """Score the guides of a file and write its rows with `score`, `lower` and `upper` added.

    Args:
        scorer: the model.
        input_path: a table or a FASTA file, or "-".
        output_path: the file to write, whole or not at all; CSV on standard output where it is None or "-".
        column: the column that holds the guides: with their context, or with the PAM alone.
        on_progress: called with the number of guides done since the last call.

    Returns:
        The number of guides.

    Raises:
        UserError: a guide has a length or a letter that the model does not take; the message names its row.
    """
    encoder, rows = SequenceEncoder(DNA.name), 0
    with open_table(input_path, sequence_column=column) as reader:
        names = free_names(_COLUMNS, reader.column_names)
        with open_writer(output_path, input_path=input_path) as writer:
            for batch in reader:
                before = rows

                def describe(row: int, before: int = before) -> str:
                    return reader.describe_row(before + row)

                encoded = encode_rows(encoder, batch.column(reader.sequence_column), None, describe)
                found = scorer.scores(windows_of(scorer.nuclease, encoded, describe))
                added = [pa.array(values, pa.float32(), from_pandas=True) for values in found]
                columns = [*batch.columns, *added]
                writer.write(pa.RecordBatch.from_arrays(columns, names=[*batch.schema.names, *names]))
                rows += len(encoded)
                if on_progress is not None:
                    on_progress(len(encoded))
            if not rows:
                raise UserError(f"{reader.name} has no guides")
    return rows


def windows_of(nuclease: Nuclease, encoded: EncodedSequences, describe_row: Callable[[int], str]) -> Ids:
    """Windows (N, W) of guides as `design` writes them: the whole context, or guide and PAM with N around them.

    Raises:
        UserError: a guide has another length.
    """
    lengths = encoded.lengths
    is_whole = lengths == nuclease.window
    wrong = np.flatnonzero(~is_whole & (lengths != nuclease.site))
    if wrong.size:
        raise UserError(f"{describe_row(int(wrong[0]))}: the guide has {lengths[wrong[0]]} letters; {takes(nuclease)}")
    windows = np.full((len(lengths), nuclease.window), _UNKNOWN, np.uint8)
    whole = encoded.filter(is_whole).ids.reshape(-1, nuclease.window)
    windows[is_whole] = whole if nuclease.reads == "protospacer" else reverse_complement(whole)
    sites = encoded.filter(~is_whole).ids.reshape(-1, nuclease.site)
    inside = slice(nuclease.before, nuclease.before + nuclease.site)
    windows[~is_whole, inside] = sites if nuclease.target == "dna" else reverse_complement(sites)
    return windows


def takes(nuclease: Nuclease) -> str:
    """What guides a model takes, in words."""
    pam = f" and PAM ({nuclease.pam})" if nuclease.pam else ""
    site = f"the guide's {nuclease.guide}{pam}"
    if nuclease.pam_side == "5'" and pam:
        site = f"the PAM ({nuclease.pam}) and the guide's {nuclease.guide}"
    sides = (nuclease.before, nuclease.after) if nuclease.reads == "protospacer" else (nuclease.after, nuclease.before)
    strand = "" if nuclease.target == "dna" or nuclease.reads == "guide" else ", in the target's sense"
    whole = f"context of {sides[0]}, {site}, context of {sides[1]}{strand}"
    return f"{nuclease.name}'s model takes {nuclease.window} ({whole}) or {nuclease.site} ({site} alone)"
