"""Has a job done on a Ray cluster, by Ray Data: actors hold the model, a lost machine's pieces go to the others."""

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..extras import needs
from .jobs import Job, Work, identity
from .pieces import Piece
from .shards import ShardFolder, rows_of

_SECONDS_TO_ANSWER = 10


class ShardWorker:
    """Makes shards; an actor of Ray Data.

    Args:
        job: what to do.
        folder: where the shards are.
    """

    def __init__(self, job: Job, folder: Path) -> None:
        self._folder = folder
        self._work: Work | None = None
        try:
            self._work = job.worker()
        except UserError as error:
            self._fault = str(error)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Make the shards of some pieces that are not there yet; tells the rows of each, and what was wrong."""
        rows, faults = [], []
        for name, *piece in zip(batch["shard"], batch["file"], batch["first"], batch["size"], strict=True):
            found, fault = self._shard(self._folder / str(name), _piece(*piece))
            rows.append(found)
            faults.append(fault)
        return {"rows": rows, "fault": faults}

    def _shard(self, path: Path, piece: Piece) -> tuple[int, str]:
        if self._work is None:
            return 0, self._fault
        if path.is_file():  # made before the machine was lost on which Ray kept that it was
            return rows_of(path), ""
        try:
            return self._work(piece, path), ""
        except UserError as error:
            return 0, str(error)


def run_on_ray(
    job: Job,
    pieces: list[Piece],
    output: Path,
    *,
    address: str | None = None,
    on_progress: Callable[[int], Any] | None = None,
) -> int:
    """Do a job on all machines of a Ray cluster, and leave a folder of Parquet shards with a manifest.

    Shards that are there already are not made again. Input, model and output folder must be seen by all machines.

    Args:
        job: what to do.
        pieces: what to do it with.
        output: the folder.
        address: of the cluster, as of `ray.init`; else this machine alone, or what RAY_ADDRESS says.
        on_progress: called with the number of rows made since the last call.

    Returns:
        The rows of all shards.

    Raises:
        UserError: Ray is not installed or not reached, a piece cannot be worked on (the others' shards stay), or the
            folder holds something else.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody else is told of what runs here
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with needs("ray", "scoring on a cluster"):
        import ray.data  # noqa: F401
    shards = ShardFolder(output, identity(job), pieces)
    try:
        if shards.unfinished():
            _connect(address)
            _make(job, shards, on_progress)
    except UserError:
        shards.leave()
        raise
    return shards.finish()


def _make(job: Job, shards: ShardFolder, on_progress: Callable[[int], Any] | None) -> None:
    """Make the shards that are not there."""
    import ray
    import ray.data

    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    rows = []
    for number in shards.unfinished():
        piece = shards.pieces[number]
        rows.append({"shard": shards.path(number).name, **piece._asdict(), "size": piece.size or 0})
    resources = ray.cluster_resources()
    on_gpus = "cuda" in job.device if job.device is not None else resources.get("GPU", 0) >= 1
    most = max(1, int(resources.get("GPU" if on_gpus else "CPU", 1)))
    made = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        ShardWorker,
        fn_constructor_args=(job, shards.folder),
        batch_size=1,
        num_gpus=1 if on_gpus else None,
        num_cpus=None if on_gpus else 1,
        compute=ray.data.ActorPoolStrategy(size=min(most, len(rows))),
    )
    for done in made.iter_rows():
        if done["fault"]:
            raise UserError(done["fault"])
        if on_progress is not None:
            on_progress(int(done["rows"]))


def _piece(file: Any, first: Any, size: Any) -> Piece:
    return Piece(str(file), int(first), int(size) or None)


def _connect(address: str | None) -> None:
    """Join a cluster, unless the process is in one.

    Raises:
        UserError: nothing answers there.
    """
    import ray

    if ray.is_initialized():
        return
    place = address or os.environ.get("RAY_ADDRESS", "")
    try:
        host, colon, port = place.removeprefix("ray://").rpartition(":")
        if colon and port.isdecimal():  # Ray itself would try for minutes
            socket.create_connection((host, int(port)), timeout=_SECONDS_TO_ANSWER).close()
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", include_dashboard=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"no Ray cluster is reached at {place or 'this machine'}: {error}") from error
