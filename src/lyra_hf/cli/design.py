"""`lyra-hf design` and `lyra-hf score-guides`: guides of a genome, and one's own."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UserError
from .console import counting, messages

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
    device: _DeviceOption = None,
) -> None:
    """Find every site of a nuclease in a genome, on both strands (of RNA on one), and score its guides."""
    from ..design.best import BestGuides
    from ..design.designing import GuideFilter, guide_batch
    from ..design.designing import design as find
    from ..design.guides import GuideScorer
    from ..design.models import nuclease_of
    from ..design.outputs import open_guide_writer
    from ..design.regions import Regions, parse_region, read_bed

    if region is not None and bed is not None:
        raise UserError("give --region or --bed, not both")
    if spacing and not top:
        raise UserError("--spacing is for --top: say how many guides to keep")
    wanted = GuideFilter(_shares(gc), max_poly_t, score)
    kind = nuclease_of(model, nuclease)
    if pam is not None:
        kind = kind.with_pam(pam)
    best = BestGuides(top, spacing, lower_is_better=kind.lower_is_better) if top else None
    regions = Regions() if region is None else parse_region(region)
    if bed is not None:
        regions = read_bed(bed)
    scorer = GuideScorer(model, kind, device)
    rows = 0
    with open_guide_writer(output, input_path=genome) as writer, counting("scoring") as on_progress:
        for guides in find(genome, scorer, regions, wanted, best, on_progress):
            writer.write(guide_batch(kind, guides))
            rows += len(guides.starts)
        if not rows:
            writer.begin(guide_batch(kind, scorer.no_guides()).schema)
    if output not in (None, Path("-")):
        messages.print(f"{rows:,} guides of {kind.name}: {output}")


def _shares(text: str) -> tuple[float, float]:
    """Two shares with a hyphen between."""
    try:
        low, high = map(float, text.split("-"))
    except ValueError:
        raise UserError(f"--gc is two shares with a hyphen between, such as 0.3-0.8, not {text!r}") from None
    return low, high
