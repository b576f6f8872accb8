"""`lyra-hf optimize`: substitutions that raise a sequence's score."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .console import counting, messages
from .sequences import read_records

if TYPE_CHECKING:
    from ..analysis.optimization import Optimization


def optimize(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A shipped name or a folder.")],
    sequence: Annotated[
        str, typer.Argument(metavar="SEQUENCE", help="The letters, or a FASTA file with one sequence; - for stdin.")
    ],
    mutations: Annotated[int, typer.Option("--mutations", help="Most substitutions.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help=".csv .tsv .parquet .jsonl; else CSV on standard output.")
    ] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Draw the path, as .png or .svg.")] = None,
    label: Annotated[
        str | None, typer.Option("--label", help="Which of the model's outputs to raise, where it has several.")
    ] = None,
    beam: Annotated[int, typer.Option("--beam", help="Variants kept of each number; 1 is a greedy search.")] = 10,
    keep: Annotated[
        str | None, typer.Option("--keep", help="Positions that stay as they are, from 1: 39-41,54.")
    ] = None,
    only: Annotated[str | None, typer.Option("--only", help="The only positions that may change.")] = None,
    minimize: Annotated[bool, typer.Option("--minimize", help="Look for low scores.")] = False,
    cautious: Annotated[
        bool,
        typer.Option(
            "--cautious", help="Compare lower ends of intervals, less the spread of an ensemble: what is certain."
        ),
    ] = False,
) -> None:
    """Search for the substitutions that raise a sequence's score most, and show the path there."""
    import pyarrow as pa

    from ..analysis.optimization import optimize as search
    from ..analysis.optimization import path_columns
    from ..analysis.plotting import check_picture, save
    from ..analysis.positions import parse_positions
    from ..analysis.scores import SequenceScore
    from ..inference.writers import open_writer

    records = read_records(sequence)
    if len(records) > 1:
        raise UserError(f"{sequence} has {len(records):,} sequences; give one at a time")
    if picture is not None:
        check_picture(picture)
    record = records[0]
    with record.named(), open_writer(output) as writer:
        score = SequenceScore(model, label)
        length = score.read(record.sequence).size
        kept = set(parse_positions(keep, length)) if keep is not None else set()
        if only is not None:
            kept |= set(range(1, length + 1)) - set(parse_positions(only, length))
        with counting("scoring") as on_progress:
            found = search(
                score,
                record.sequence,
                mutations,
                beam_size=beam,
                keep=kept,
                minimize=minimize,
                cautious=cautious,
                on_progress=on_progress,
            )
        writer.write(pa.RecordBatch.from_pydict(path_columns(found)))
    if picture is not None:
        from ..analysis.optimization_picture import plot_path

        save(plot_path(found, f"{record.name or 'sequence'}, {Path(model).name}"), picture)
    messages.print(_told(found))


def _told(found: "Optimization") -> str:
    """What was found, in a line."""
    from ..analysis.variants import format_variant

    before, best = found.path[0], found.best
    if not best.variant:
        return f"none of the variants tried is better than the sequence itself, {before.score:.4g} {found.quantity}"
    return f"{format_variant(sorted(best.variant))}: {found.quantity} {before.score:.4g} -> {best.score:.4g}"
