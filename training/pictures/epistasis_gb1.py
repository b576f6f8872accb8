"""The pictures and figures of the tutorial on epistasis: that of GB1 by lyra-gb1, beside the measured landscape.

Half a million double mutants of the whole domain are scored, which takes some minutes. The measured fitness is read
from the folder of tables (LYRA_HF_DATA).
"""

from pathlib import Path

import numpy as np

from lyra_hf.analysis import (
    Epistasis,
    MeasuredMutants,
    SequenceScore,
    agreement,
    epistasis,
    epistasis_map,
    measured_epistasis,
)
from lyra_hf.analysis.epistasis_picture import plot_epistasis
from lyra_hf.analysis.measured import MeasuredEpistasis
from lyra_hf.analysis.plotting import save
from lyra_hf.cli.console import counting
from lyra_hf.inference.encoding import encode_column
from lyra_hf.inference.readers import read_columns
from lyra_hf.tasks.recipe import load_recipe
from lyra_hf.tasks.sources import find_table

BEGIN, END = "<!-- figures: made by `make pictures` -->\n", "<!-- end of figures -->\n"
CHECKPOINT, TASK = "lyra-gb1", "gb1_wu_relso"
# The four sites that were varied, as the field numbers them, and where they stand in the sequences of the table.
SITES = {39: 40, 40: 41, 41: 42, 54: 55}

_ROOT = Path(__file__).parents[2]
_PAGE = _ROOT / "docs" / "tutorials" / "read_an_epistasis_map.md"
_IMAGES = _ROOT / "docs" / "images"


def main() -> None:
    """Make the pictures, and write the figures into the page."""
    recipe = load_recipe(TASK)
    score = SequenceScore(CHECKPOINT)
    table = read_columns(find_table(recipe.tables[0]), ["sequence", "label", "split", "n_mutations"])
    encoded = encode_column(score.predictor.encoder, table["sequence"])
    labels = table["label"].to_numpy().astype(np.float64)
    # Test rows alone among the double mutants: those that the model has not seen.
    is_seen = (table["n_mutations"].to_numpy() == 2) & (table["split"].to_numpy() != "test")
    wild_type = str(recipe.example)

    at_sites = epistasis(score, wild_type, list(SITES.values()))
    measured = measured_epistasis(at_sites, MeasuredMutants(encoded, labels), score.alphabet)
    unseen = measured_epistasis(at_sites, MeasuredMutants(encoded, np.where(is_seen, np.nan, labels)), score.alphabet)
    with counting("scoring the double mutants of the whole domain") as on_progress:
        whole = epistasis(score, wild_type, on_progress=on_progress)

    save(plot_epistasis(at_sites, measured, "GB1 at its four sites, lyra-gb1"), _IMAGES / "epistasis_gb1.png")
    save(plot_epistasis(whole, title="GB1, the whole domain, lyra-gb1"), _IMAGES / "epistasis_gb1_domain.png")
    before, rest = _PAGE.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    lines = figures(at_sites, measured, unseen, whole)
    _PAGE.write_text(before + BEGIN + "\n".join(lines) + "\n" + END + after, encoding="utf-8")


def figures(at_sites: Epistasis, measured: MeasuredEpistasis, unseen: MeasuredEpistasis, whole: Epistasis) -> list[str]:
    """A table of the pairs of sites, and below it what holds for all of them.

    Args:
        at_sites: of the four sites.
        measured: the same measured.
        unseen: the same of the double mutants alone that are test rows.
        whole: of all positions.
    """
    names = {place: f"{at_sites.sequence[place - 1]}{site}" for site, place in SITES.items()}
    strengths = epistasis_map(whole)
    every = np.sort(strengths[np.triu_indices(len(strengths), 1)])[::-1]
    predicted, true = epistasis_map(at_sites), epistasis_map(at_sites, measured.interactions)
    lines = [
        "| sites | letters of the input | predicted rms | rank among all pairs | measured rms | mutants "
        "| Spearman | test rows | Spearman of these |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    places = list(at_sites.positions)
    for one, other in sorted(at_sites.sets(), key=lambda pair: -true[places.index(pair[0]), places.index(pair[1])]):
        cell = places.index(one), places.index(other)
        rank = 1 + int((every > strengths[one - 1, other - 1]).sum())
        seen, new = (agreement(at_sites, labels, [(one, other)]) for labels in (measured, unseen))
        cells = [
            *(
                f"{names[one]}, {names[other]}",
                f"{one}, {other}",
                f"{predicted[cell]:.2f}",
                f"{rank} of {every.size:,}",
            ),
            *(f"{true[cell]:.2f}", seen.number, _rounded(seen.spearman), new.number, _rounded(new.spearman)),
        ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    seen, new = agreement(at_sites, measured), agreement(at_sites, unseen)
    others = np.delete(np.arange(len(strengths)), np.array(places) - 1)
    lines += [
        "",
        f"All six pairs together: Spearman {_rounded(seen.spearman)} over {seen.number:,} double mutants, "
        f"{_rounded(new.spearman)} over the {new.number:,} that are test rows. In the whole domain, the median over "
        f"all pairs is {np.median(every):.3f}; the strongest pair without any of the four sites has "
        f"{np.nanmax(strengths[np.ix_(others, others)]):.2f}. The wild type is predicted at {at_sites.wild_type:.2f}, "
        f"and was measured at {measured.wild_type:.2f}.",
    ]
    return lines


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


if __name__ == "__main__":
    main()
