"""Checks that tests of builders share."""

import pandas as pd
import pyarrow as pa
from made_up_sources import source_files

from lyra_hf.tasks.building.tables import digest
from lyra_hf.tasks.sources import load_source


def published(data_folder, name):
    """A table of the catalogue as it lies in the data folder."""
    return pd.read_parquet(data_folder / f"{name}.parquet")


def gives_published_table(builder, folder, name, contents):
    """Whether source files that hold a published table's own rows give that very table."""
    frame = builder(source_files(folder, name, contents))
    return digest(pa.Table.from_pandas(frame, preserve_index=False)) == load_source(name).digest


def fasta(records, width=60):
    """FASTA text of headers and sequences, in lines of a width."""
    lines = []
    for header, sequence in records:
        lines += [f">{header}", *(sequence[start : start + width] for start in range(0, len(sequence), width))]
    return "\n".join(lines) + "\n"
