"""A folder of shards: which there shall be, and which are done. A shard has its name only when it is whole."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet

from .. import __version__
from ..checkpoints.folders import write_text
from ..errors import UserError
from .pieces import Piece

MANIFEST = "manifest.json"


class ShardFolder:
    """The shards of a job, numbered as its pieces are; work that broke off goes on with those that are not done.

    Args:
        folder: where they are; made if it is not there.
        job: what they depend on.
        pieces: what they are made of.

    Raises:
        UserError: the folder holds something else, or shards of another job or of other input.
    """

    def __init__(self, folder: Path, job: dict[str, Any], pieces: Sequence[Piece]) -> None:
        self.folder, self.pieces = folder.resolve(), pieces
        told = json.loads(json.dumps({"job": job, "pieces": pieces}))  # as it reads when it has been written
        self._told = {"lyra_hf": __version__, **told, "stamps": [piece.stamp() for piece in pieces]}
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file; name a folder to write the shards to")
        path = self.folder / MANIFEST
        before: dict[str, Any] = {}
        if path.is_file():
            before = json.loads(path.read_text(encoding="utf-8"))
            different = [name for name in ("job", "pieces") if before.get(name) != told[name]]
            if different:
                other = "input" if different == ["pieces"] else "model, or other options"
                raise UserError(f"{folder} holds shards of another {other}; delete it, or name another folder")
        elif folder.is_dir() and any(self.folder.iterdir()):
            raise UserError(f"{folder} holds something else than shards; name another folder")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._remove_stale(before.get("stamps", []))
        self._write(rows=None)

    def path(self, number: int) -> Path:
        """The file of a shard."""
        return self.folder / f"part-{number:06}.parquet"

    def unfinished(self) -> list[int]:
        """The shards that are not there."""
        return [number for number in range(len(self.pieces)) if not self.path(number).is_file()]

    def finish(self) -> int:
        """Write down how many rows each shard has, now that all are there.

        Returns:
            The rows of all of them.
        """
        rows = [rows_of(self.path(number)) for number in range(len(self.pieces))]
        self._remove_stale(self._told["stamps"])
        self._write(rows)
        return sum(rows)

    def leave(self) -> None:
        """Of work that cannot be done: a folder without a single shard goes again."""
        if len(self.unfinished()) == len(self.pieces):
            (self.folder / MANIFEST).unlink()
            with suppress(OSError):  # something else is in it by now
                self.folder.rmdir()

    def _write(self, rows: list[int] | None) -> None:
        shards = [self.path(number).name for number in range(len(self.pieces))]
        content = {**self._told, "complete": rows is not None, "shards": shards, "rows": rows}
        write_text(self.folder / MANIFEST, json.dumps(content, indent=1) + "\n")

    def _remove_stale(self, stamps: list[list[int]]) -> None:
        """Remove what broke off while it was written, and shards whose input has changed since."""
        for path in self.folder.glob(".part-*.partial"):
            path.unlink(missing_ok=True)
        for number, (before, now) in enumerate(zip(stamps, self._told["stamps"], strict=False)):
            if before != now:
                self.path(number).unlink(missing_ok=True)


def rows_of(shard: Path) -> int:
    """How many rows a shard has."""
    return int(pyarrow.parquet.read_metadata(shard).num_rows)
