"""`lyra-hf design` and `lyra-hf score-guides`: guides of a genome, and one's own."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import UserError
from .cluster import AddressOption, EngineOption, is_for_cluster, run_in_pieces
from .console import counting, messages

if TYPE_CHECKING:
    from ..design.regions import Regions

_ModelOption = Annotated[
    str, typer.Option("--model", help="lyra-cas9, lyra-cas12a, lyra-cas13a, lyra-cas13d, or a folder.")
]
_NucleaseOption = Annotated[
    str | None, typer.Option("--nuclease", help="Of a model in a folder, whose sites it reads: SpCas9, AsCas12a ...")
]
_DeviceOption = Annotated[str | None, typer.Option("--device", help="Where to compute: cpu, cuda, cuda:1, mps.")]


def design(
    genome: Annotated[Path, typer.Argument(metavar="GENOME", help="A FASTA file, plain, gzipped or bgzipped.")],
    model: _ModelOption,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help=".tsv .bed .gff .csv .parquet .jsonl; else CSV on standard output."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="chr, or chr:start-end, counted from 1 with both ends, as browsers write it.")
    ] = None,
    bed: Annotated[Path | None, typer.Option(help="A BED file of regions, in place of --region.")] = None,
    pam: Annotated[str | None, typer.Option(help="Another PAM than the model's own, in IUPAC codes: NAG.")] = None,
    nuclease: _NucleaseOption = None,
    top: Annotated[int, typer.Option(help="Only so many of all, the best; 0 for every site.")] = 0,
    spacing: Annotated[
        int, typer.Option(help="With --top: bases at least between the starts of two guides; 0 for any.")
    ] = 0,
    score: Annotated[
        float | None, typer.Option(help="The score wanted at least (at most, where low scores are good: Cas13d).")
    ] = None,
    gc: Annotated[str, typer.Option(help="The share of G and C wanted: 0.3-0.8.")] = "0-1",
    max_poly_t: Annotated[int | None, typer.Option(help="How long a run of T may be: 3.")] = None,
    offtargets: Annotated[
        str | None, typer.Option(help="Count other sites that each guide fits, by an aligner: bowtie.")
    ] = None,
    mismatches: Annotated[int, typer.Option(help="With --offtargets: most mismatches, up to 3.")] = 3,
    offtarget_pam: Annotated[str | None, typer.Option(help="The PAM of off-targets, if another: NRG.")] = None,
    offtarget_model: Annotated[
        str | None, typer.Option(help="A classifier of pairs of site and target; of Cas9 lyra-offtarget unless told.")
    ] = None,
    index: Annotated[
        Path | None, typer.Option(help="Where bowtie's index of the genome is, or is to be kept for the next time.")
    ] = None,
    device: _DeviceOption = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
) -> None:
    """Find every site of a nuclease in a genome, on both strands (of RNA on one), and score its guides."""
    from contextlib import nullcontext

    from ..design.best import BestGuides
    from ..design.designing import GuideFilter, write_guides
    from ..design.designing import design as find
    from ..design.guides import GuideScorer
    from ..design.models import nuclease_of
    from ..design.offtargets import OffTargetSearch
    from ..design.outputs import open_guide_writer

    if spacing and not top:
        raise UserError("--spacing is for --top: say how many guides to keep")
    if offtargets not in (None, "bowtie"):
        raise UserError(f"--offtargets is done by bowtie, not {offtargets!r}")
    wanted = GuideFilter(_shares(gc), max_poly_t, score)
    kind = nuclease_of(model, nuclease)
    kind = kind if pam is None else kind.with_pam(pam)
    if is_for_cluster(engine, address):
        from ..cluster.jobs import DesignJob
        from ..cluster.pieces import LETTERS_PER_PIECE, record_pieces

        told = {
            "--region": region is not None,
            "--bed": bed is not None,
            "--top": top > 0,
            "--offtargets": bool(offtargets),
        }
        job = DesignJob(model, kind, wanted, device)
        run_in_pieces(job, lambda: record_pieces(genome, LETTERS_PER_PIECE), output, address, told)
        return
    best = BestGuides(top, spacing, lower_is_better=kind.lower_is_better) if top else None
    regions = _regions(region, bed)
    scorer = GuideScorer(model, kind, device)
    others = kind if offtarget_pam is None else kind.with_pam(offtarget_pam)
    search = OffTargetSearch(genome, others, mismatches, index) if offtargets else None
    if search is not None and (offtarget_model or kind.offtarget_model):
        search.load_model(offtarget_model or str(kind.offtarget_model), device)
    with (
        open_guide_writer(output, input_path=genome) as writer,
        counting("scoring") as on_progress,
        search or nullcontext(),
    ):
        guides = find(genome, scorer, regions, wanted, best, on_progress)
        rows = write_guides(writer, scorer, guides, search)
    if output not in (None, Path("-")):
        messages.print(f"{rows:,} guides of {kind.name}: {output}")


def score_guides(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="lyra-cas9, lyra-cas12a, lyra-cas13d or a folder.")],
    guides: Annotated[
        str,
        typer.Argument(metavar="GUIDES", help="A table or FASTA file of guides with context, or with PAM alone; -."),
    ],
    output: Annotated[
        str | None, typer.Option("-o", "--output", help=".csv .tsv .parquet .jsonl; else CSV on standard output.")
    ] = None,
    column: Annotated[str, typer.Option("--column", help="The column that holds the guides.")] = "sequence",
    nuclease: _NucleaseOption = None,
    device: _DeviceOption = None,
) -> None:
    """Score one's own guides. Columns and order are kept, and score, lower and upper added."""
    from ..design.guides import GuideScorer
    from ..design.models import nuclease_of
    from ..design.own_guides import score_guides as score

    scorer = GuideScorer(model, nuclease_of(model, nuclease), device)
    with counting("scoring") as on_progress:
        rows = score(scorer, guides, output, column=column, on_progress=on_progress)
    if output not in (None, "-"):
        messages.print(f"{rows:,} guides scored: {output}")


def _regions(region: str | None, bed: Path | None) -> "Regions":
    """Where to look."""
    from ..design.regions import Regions, parse_region, read_bed

    if region is not None and bed is not None:
        raise UserError("give --region or --bed, not both")
    if bed is not None:
        return read_bed(bed)
    return Regions() if region is None else parse_region(region)


def _shares(text: str) -> tuple[float, float]:
    """Two shares with a hyphen between."""
    try:
        low, high = map(float, text.split("-"))
    except ValueError:
        raise UserError(f"--gc is two shares with a hyphen between, such as 0.3-0.8, not {text!r}") from None
    return low, high
