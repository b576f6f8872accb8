"""Makes the files of the cases."""

import gzip
import io
import json
import os
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from case import DNA
from safetensors.torch import load_file, save_file
from small_models import build

from lyra_hf import LyraForRegression

WEIGHTS = "model.safetensors"


def table(*rows: str, header: str = "sequence") -> bytes:
    """A CSV file."""
    return "\n".join([header, *rows, ""]).encode()


def fasta(**records: str) -> bytes:
    """A FASTA file of named records."""
    return "".join(f">{name}\n{sequence}\n" for name, sequence in records.items()).encode()


def parquet(**columns: Any) -> bytes:
    """A Parquet file."""
    stream = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), stream)
    return stream.getvalue()


def labelled(*labels: Any, split: bool = True) -> bytes:
    """A table of targets with a column `y`; splits in turn, of which the test rows come last."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), size=12)) for _ in labels]
    splits = ["train", "train", "validation", "test"]
    rows = [
        f"{sequence},{label},{splits[place % 4]}"
        for place, (sequence, label) in enumerate(zip(sequences, labels, strict=True))
    ]
    return (
        table(*rows, header="sequence,y,split")
        if split
        else table(*(row.rsplit(",", 1)[0] for row in rows), header="sequence,y")
    )


def cut(content: bytes, share: float = 0.5) -> bytes:
    """The beginning of a file."""
    return content[: int(len(content) * share)]


def zipped(content: bytes) -> bytes:
    """The same, gzipped."""
    return gzip.compress(content, mtime=0)


def unreadable(content: bytes) -> Callable[[Path], None]:
    """A file that its owner may not read."""

    def write(path: Path) -> None:
        path.write_bytes(content)
        path.chmod(0)

    return write


def folder(path: Path) -> None:
    """An empty folder."""
    path.mkdir()


def link_to(target: str) -> Callable[[Path], None]:
    """A symbolic link."""
    return lambda path: path.symlink_to(target)


def fifo(path: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(path)


def one_long_line(path: Path) -> None:
    """A table whose only row is of 100 MB, and holds a letter of no alphabet at its end."""
    with path.open("wb") as stream:
        stream.write(b"sequence\n")
        for _ in range(100):
            stream.write(b"ACGT" * 250_000)
        stream.write(b"!\n")


class Trap:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.mkdir, (Path("sprung"),)


TRAP = pickle.dumps(Trap())


def trapped_tensors(path: Path) -> None:
    """A file as PyTorch writes it, with a trap in place of a tensor."""
    torch.save({"encoder.weight": Trap()}, path)


def saved(content: Any) -> Callable[[Path], None]:
    """A file as PyTorch writes it."""
    return lambda path: torch.save(content, path)


@cache
def _model(**fields: Any) -> dict[str, bytes]:
    """The files of a small model."""
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        build(LyraForRegression, **fields).save_pretrained(temporary)
        return {path.name: path.read_bytes() for path in Path(temporary).iterdir()}


def model(
    config: dict[str, Any] | bytes | None = None,
    weights: bytes | Callable[[bytes], bytes] | None = None,
    tensors: dict[str, Any] | None = None,
    extra: dict[str, bytes] | None = None,
    without: tuple[str, ...] = (),
    **fields: Any,
) -> Callable[[Path], None]:
    """The folder of a small regression of DNA, with something wrong in it.

    Args:
        config: fields of its configuration to set, those that are None left out; or the bytes of the whole file.
        weights: the bytes of the file of weights, or what makes them of the right ones.
        tensors: weights to set by name; None drops one.
        extra: further files.
        without: files left out.
        fields: the configuration that the model is built with.
    """

    def write(path: Path) -> None:
        path.mkdir(parents=True)
        for name, content in (_model(**fields) | (extra or {})).items():
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_bytes(content)
        file, stored = path / "config.json", path / WEIGHTS
        if isinstance(config, bytes):
            file.write_bytes(config)
        elif config is not None:
            file.write_text(json.dumps(json.loads(file.read_text()) | config))
        if tensors is not None:
            changed = load_file(stored) | tensors
            save_file({name: value for name, value in changed.items() if value is not None}, stored)
        if weights is not None:
            stored.write_bytes(weights(stored.read_bytes()) if callable(weights) else weights)
        for name in without:
            (path / name).unlink()

    return write


def model_with_links(**links: str) -> Callable[[Path], None]:
    """A model some of whose files are symbolic links; '__' stands for the point of a name."""

    def write(path: Path) -> None:
        model()(path)
        for name, target in links.items():
            file = path / name.replace("__", ".")
            file.unlink()
            file.symlink_to(target)

    return write


GOOD = table(DNA, DNA[::-1])
