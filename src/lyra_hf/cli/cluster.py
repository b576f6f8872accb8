"""`--engine ray` of the commands that can be done in pieces: a folder of Parquet shards in place of one file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .console import counting, messages

if TYPE_CHECKING:
    from ..cluster.jobs import Job
    from ..cluster.pieces import Piece

EngineOption = Annotated[
    str, typer.Option("--engine", help="local, or ray: on a Ray cluster, which writes a folder of Parquet shards.")
]
AddressOption = Annotated[
    str | None, typer.Option("--address", help="Of --engine ray: the cluster's; else RAY_ADDRESS, or this machine.")
]


def is_for_cluster(engine: str, address: str | None) -> bool:
    """Whether a cluster is to do it.

    Raises:
        UserError: there is no such engine, or an address is told for none.
    """
    if engine not in ("local", "ray"):
        raise UserError(f"--engine is local or ray, not {engine!r}")
    if engine == "local" and address is not None:
        raise UserError("--address is of a Ray cluster; give --engine ray too")
    return engine == "ray"


def run_in_pieces(
    job: "Job",
    cut: "Callable[[], list[Piece]]",
    output: str | Path | None,
    address: str | None,
    not_in_pieces: Mapping[str, object] | None = None,
) -> None:
    """Have a job done on a cluster, and say where the shards are.

    Args:
        job: what to do.
        cut: gives the pieces of the input.
        output: the folder.
        address: of the cluster.
        not_in_pieces: by option what was given, of those that need all results at once; nothing, 0 or None.

    Raises:
        UserError: there is no folder to write to, or such an option; and as of `run_on_ray`.
    """
    from ..cluster.engine import run_on_ray

    told = [option for option, value in (not_in_pieces or {}).items() if value]
    if told:
        raise UserError(f"--engine ray works on pieces by themselves; leave out {', '.join(told)}")
    if output is None or str(output) == "-":
        raise UserError("--engine ray writes a folder of shards; name it with -o")
    pieces = cut()
    with counting("done") as on_progress:
        rows = run_on_ray(job, pieces, Path(output), address=address, on_progress=on_progress)
    messages.print(f"{rows:,} rows in {len(pieces):,} shards: {output}")
