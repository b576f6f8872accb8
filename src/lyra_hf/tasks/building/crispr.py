"""Tables of Cas12 and Cas13 guides, and of what guides do off target."""

from collections import Counter
from collections.abc import Sequence

from ...extras import needs
from .fetch import SourceFiles
from .guides import beside_test, tidy_columns
from .shared import dealt
from .splits import kmer_groups, kmers

with needs("tables", "building a table"):
    import pandas as pd

_GUIDE = 28  # letters of a Cas13a guide
_TILED_ABOVE = 200
_TILES = 10
# Where on CD33, in percent of the protein, validation and test begin; of the targets at the latter place one is test.
_CD33_VALIDATION = 41.21
_CD33_TEST = 46.43
_CD33_FIRST_TEST_TARGET = "GGGTGTTCCCTGCTCACAGG"


def kim2018_ascas12a(files: SourceFiles) -> pd.DataFrame:
    """AsCas12a indel frequencies of Kim 2018."""
    parts = [
        tidy_columns(files.table(f"sgrna_modeler/data/datasets/Kim_2018_{part}.csv.zip")) for part in ("Train", "Test")
    ]
    source = pd.concat([part[["Context Sequence", "Indel frequency"]] for part in parts], ignore_index=True)
    table = source.set_axis(["sequence", "label"], axis=1)
    tested = [row >= len(parts[0]) for row in range(len(table))]
    groups, near, splits = beside_test(table["sequence"].str[8:31].tolist(), tested, 16, "kim18")
    table = table.assign(split=splits, guide=table["sequence"].str[8:28], pam=table["sequence"].str[4:8], group=groups)
    return table[[not dropped for dropped in near]]


def metsky2022_lwacas13a(files: SourceFiles) -> pd.DataFrame:
    """LwaCas13a activities of pairs of guide and target, of Metsky 2022."""
    source = files.table("data/CCF-curated/CCF_merged_pairs_annotated.curated.median.tsv.gz")
    positions = source["guide_pos_nt"]
    validation, test = positions.quantile([0.7, 0.8])
    at_border = [any(border - _GUIDE < position < border for border in (validation, test)) for position in positions]
    table = pd.DataFrame(
        {
            "sequence": source["target_before"] + source["target_at_guide"] + source["target_after"],
            "label": source["out_logk_measurement"],
            "split": [_stretch(position, validation, test) for position in positions],
            "guide": source["guide_seq"],
            "target": source["target_at_guide"],
            "guide_pos": positions,
            "hamming": source["guide_target_hamming_dist"],
            "pair_type": source["type"],
        }
    )
    return table[[not dropped for dropped in at_border]]


def _stretch(position: float, validation: float, test: float) -> str:
    if position < validation:
        return "train"
    return "validation" if position < test else "test"


def wei2023_cas13d(files: SourceFiles) -> pd.DataFrame:
    """RfxCas13d guides of DeepCas13."""
    table = files.table("data/training_data.csv", header=None, names=["sequence", "label"])
    sequences = table["sequence"].str.rstrip("N").tolist()
    blocks = _blocks(kmer_groups(sequences, 16))
    splits = [dealt(f"deepcas13:{block}", (0.7, 0.8)) for block in blocks]
    return table.assign(sequence=sequences, split=splits, block=blocks)[_far_from_later(sequences, splits, 16)]


def _blocks(groups: list[int]) -> list[str]:
    """The groups' numbers; those of large groups with a colon and the tile, a tenth of the group."""
    sizes, seen, blocks = Counter(groups), Counter[int](), []
    for group in groups:
        tile = seen[group] * _TILES // sizes[group]
        blocks.append(f"{group}:{tile}" if sizes[group] > _TILED_ABOVE else str(group))
        seen[group] += 1
    return blocks


def doench2016_cd33(files: SourceFiles) -> pd.DataFrame:
    """Guides against CD33 with a changed base or PAM, of Doench 2016."""
    source = files.table("data/cas9/doench2016-nbt.supp-table-18.curated.with-context.tsv")
    table = pd.DataFrame(
        {
            "sequence": source["guide_wt_context_5"] + source["guide_wt"] + source["guide_wt_context_3"],
            "label": source["day21_minus_etp"],
            "split": list(map(_cd33_split, source["protein_pos_pct"], source["guide_wt"])),
            "guide": source["guide_mutated"],
            "target": source["guide_wt"],
            "annotation": source["annotation"],
            "category": source["category"],
            "protein_pos_pct": source["protein_pos_pct"],
        }
    )
    return table[_far_from_later(table["target"].tolist(), table["split"].tolist(), 12, both_strands=True)]


def _cd33_split(position: float, target: str) -> str:
    if position < _CD33_VALIDATION:
        return "train"
    return "test" if position > _CD33_TEST or target == _CD33_FIRST_TEST_TARGET else "validation"


def _far_from_later(sequences: Sequence[str], splits: Sequence[str], k: int, both_strands: bool = False) -> list[bool]:
    """Whether each row shares no word of k letters with a later split: test, and for train validation too."""
    words = [kmers(sequence, k, both_strands) for sequence in sequences]
    of_split = {
        name: set().union(*(own for own, split in zip(words, splits, strict=True) if split == name))
        for name in ("validation", "test")
    }
    later = {"train": of_split["validation"] | of_split["test"], "validation": of_split["test"], "test": set()}
    return [own.isdisjoint(later[split]) for own, split in zip(words, splits, strict=True)]


BUILDERS = {
    "cas12/kim2018_ascas12a": kim2018_ascas12a,
    "cas13/metsky2022_lwacas13a": metsky2022_lwacas13a,
    "cas13/wei2023_cas13d": wei2023_cas13d,
    "offtarget/doench2016_cd33": doench2016_cd33,
}
