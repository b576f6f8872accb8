"""`lyra-hf scan` and `lyra-hf epistasis`: what substitutions do, alone and together."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .cluster import AddressOption, EngineOption, is_for_cluster, run_in_pieces
from .console import counting, messages
from .sequences import Record, read_records

if TYPE_CHECKING:
    import pyarrow as pa

    from ..analysis.interactions import Epistasis
    from ..analysis.measured import MeasuredEpistasis
    from ..analysis.scores import SequenceScore
    from ..inference.writers import TableWriter

_ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="A shipped name (see `lyra-hf checkpoints`) or a folder.")
]
_SequenceArgument = Annotated[
    str, typer.Argument(metavar="SEQUENCE|FASTA", help="The letters of a sequence, a FASTA file, or - for one.")
]
_LabelOption = Annotated[
    str | None, typer.Option("--label", help="Of a model with several outputs, the one to look at.")
]
_DeviceOption = Annotated[str | None, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, mps.")]


def scan(
    model: _ModelArgument,
    sequence: _SequenceArgument,
    output: Annotated[
        str | None, typer.Option("-o", "--output", help=".csv .tsv .parquet .jsonl; else CSV on standard output.")
    ] = None,
    picture: Annotated[Path | None, typer.Option("--picture", help="Draw the scan, as .png or .svg.")] = None,
    variants: Annotated[
        str | None,
        typer.Option("--variants", help="Only these, of one or more substitutions each: A24G,A24G:K30R,p.Ala24Gly."),
    ] = None,
    label: _LabelOption = None,
    device: _DeviceOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Score every single substitution of a sequence, or chosen variants, against the sequence itself."""
    from ..analysis.plotting import check_picture, save
    from ..analysis.scan import mutation_scan, scan_columns
    from ..analysis.scan_picture import check_drawable, plot_scan
    from ..analysis.scores import SequenceScore
    from ..analysis.variant_effects import variant_columns, variant_effects
    from ..analysis.variants import check_variant, parse_variant
    from ..inference.writers import open_writer

    if is_for_cluster(engine, address):
        from ..cluster.jobs import ScanJob
        from ..cluster.pieces import SCANNED_LETTERS_PER_PIECE, record_pieces

        told = {"--picture": picture, "--variants": variants}
        job = ScanJob(model, label, device)
        run_in_pieces(job, lambda: record_pieces(Path(sequence), SCANNED_LETTERS_PER_PIECE), output, address, told)
        return
    records = read_records(sequence)
    chosen = None if variants is None else [parse_variant(text) for text in variants.split(",")]
    if picture is not None:
        if chosen is not None:
            raise UserError("a picture shows every substitution; leave out --variants or --picture")
        _check_single(records, {"--picture": picture})
        check_picture(picture)
    score = SequenceScore(model, label, device)
    for record, letters in zip(records, _read(score, records), strict=True):
        if picture is not None:
            check_drawable(len(letters))
        with record.named():
            for variant in chosen or ():
                check_variant(variant, letters, score.alphabet)
    with open_writer(output) as writer, counting("scoring") as on_progress:
        for record in records:
            if chosen is not None:
                effects = variant_effects(score, record.sequence, chosen, on_progress=on_progress)
                _write(writer, record, variant_columns(effects))
                continue
            found = mutation_scan(score, record.sequence, on_progress=on_progress)
            _write(writer, record, scan_columns(found))
            if picture is not None:
                save(plot_scan(found, _title(model, record)), picture)


def epistasis(
    model: _ModelArgument,
    sequence: _SequenceArgument,
    positions: Annotated[
        str | None, typer.Option("--positions", help="Only these, from 1: 39-41,54; all unless told.")
    ] = None,
    order: Annotated[int, typer.Option("--order", help="How many substitutions interact: 2 for pairs.")] = 2,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", help="Every combination of substitutions, as .csv .tsv .parquet .jsonl, in a file."
        ),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the map of all pairs of positions, as .png or .svg.")
    ] = None,
    measured: Annotated[
        str | None, typer.Option("--measured", help="A table of measured mutants to compare with: .csv .tsv .parquet.")
    ] = None,
    column: Annotated[str, typer.Option("--column", help="Its column of whole mutant sequences.")] = "sequence",
    target: Annotated[str, typer.Option("--target", help="Its column of labels.")] = "label",
    wild_type_label: Annotated[
        float | None, typer.Option("--wild-type-label", help="The sequence's own label, if the table has no row of it.")
    ] = None,
    label: _LabelOption = None,
    device: _DeviceOption = None,
) -> None:
    """Find which substitutions do more together than each alone; the sets of positions, the strongest first, as CSV."""
    from ..analysis.epistasis_picture import plot_epistasis
    from ..analysis.epistasis_tables import interaction_columns, position_columns
    from ..analysis.interactions import epistasis as interactions
    from ..analysis.measured import measured_epistasis, read_measured
    from ..analysis.plotting import save
    from ..analysis.scores import SequenceScore
    from ..inference.writers import open_writer

    records = read_records(sequence)
    _check_single(records, {"--picture": picture, "--measured": measured})
    if measured is None and (column, target, wild_type_label) != ("sequence", "label", None):
        raise UserError("--column, --target and --wild-type-label tell of a table; name it with --measured")
    if output == "-":
        raise UserError("standard output has the table of positions; with -o name a file for that of substitutions")
    score = SequenceScore(model, label, device)
    chosen, total = _chosen_positions(score, records, positions, order, picture)
    mutants = None if measured is None else read_measured(measured, score.alphabet, column, target)
    labels = None
    with ExitStack() as stack:
        summary = stack.enter_context(open_writer(None))
        full = None if output is None else stack.enter_context(open_writer(output))
        on_progress = stack.enter_context(counting("scoring", total))
        for record, places in zip(records, chosen, strict=True):
            found = interactions(score, record.sequence, places, order, on_progress=on_progress)
            if mutants is not None:
                labels = measured_epistasis(found, mutants, score.alphabet, wild_type_label)
                _tell_agreement(found, labels)
            if full is not None:
                for columns in interaction_columns(found, labels):
                    _write(full, record, columns)
            if picture is not None:
                save(plot_epistasis(found, labels, _title(model, record)), picture)
            _write(summary, record, position_columns(found, labels))


def _chosen_positions(
    score: "SequenceScore", records: list[Record], positions: str | None, order: int, picture: Path | None
) -> tuple[list[Sequence[int]], int]:
    """The positions of each sequence, from 1, and how many mutants there are in all.

    Raises:
        UserError: the model cannot read a sequence, or it has no such positions, or too many for scoring or a picture.
    """
    from ..analysis.epistasis_picture import check_drawable
    from ..analysis.interactions import check_size, number_of_mutants
    from ..analysis.plotting import check_picture
    from ..analysis.positions import parse_positions

    if picture is not None:
        check_picture(picture)
    chosen: list[Sequence[int]] = []
    total = 0
    for record, letters in zip(records, _read(score, records), strict=True):
        with record.named():
            length = len(letters)
            places = range(1, length + 1) if positions is None else parse_positions(positions, length)
            check_size(letters, score.alphabet.letters, places, order)
        if picture is not None:
            check_drawable(len(places), order)
        chosen.append(places)
        total += number_of_mutants(letters, score.alphabet.letters, places, order)
    return chosen, total


def _tell_agreement(found: "Epistasis", measured: "MeasuredEpistasis") -> None:
    from ..analysis.measured import agreement

    number, spearman = agreement(found, measured)
    figure = "not defined" if spearman is None else f"{spearman:.3f}"
    messages.print(f"Spearman of predicted and measured epistasis of {number:,} mutants: {figure}")


def _check_single(records: list[Record], options: Mapping[str, object]) -> None:
    """Refuse options that were given, and are of one sequence, for several."""
    for option, told in options.items():
        if told is not None and len(records) > 1:
            raise UserError(f"{option} is of one sequence, and the file has {len(records):,}; give one at a time")


def _read(score: "SequenceScore", records: list[Record]) -> list[str]:
    """The sequences as the model's alphabet spells them.

    Raises:
        UserError: the model cannot read one; the message tells which.
    """
    from ..analysis.scan import spell

    sequences = []
    for record in records:
        with record.named():
            sequences.append(spell(score.read(record.sequence), score.alphabet))
    return sequences


def _write(writer: "TableWriter", record: Record, columns: "dict[str, pa.Array]") -> None:
    """Write rows, with the name of the sequence before them where it has one."""
    import pyarrow as pa

    if record.name is not None:
        number = len(next(iter(columns.values())))
        columns = {"name": pa.array([record.name] * number, pa.string()), **columns}
    writer.write(pa.RecordBatch.from_pydict(columns))


def _title(model: str, record: Record) -> str:
    names = [record.name] if record.name else []
    return ", ".join([*names, Path(model).name])
