"""Tables of what mutations do to a protein, but for those of ProteinGym, and of how stable proteins are."""

import io
from collections.abc import Sequence

from ...extras import needs
from .fetch import SourceFiles
from .proteins import STANDARD, around_test, hashed
from .shared import archived, held_out
from .variants import differences, mutated

with needs("tables", "building a table"):
    import pandas as pd

_AAV2 = "DEEEIRTTNPVATEQYGSVSTNLQRGNR"
_GFP = (
    "SKGEELFTGVVPILVELDGDVNGHKFSVSGEGEGDATYGKLTLKFICTTGKLPVPWPTLVTTLSYGVQCFSRYPDHMKQHDFFKSAMPEGYVQERTIFFKDDGNYKTRAEVKFEGDTLVNRIE"
    "LKGIDFKEDGNILGHKLEYNYNSHNVYIMADKQKNGIKVNFKIRHNIEDGSVQLADHYQQNTPIGDGPVLLPDNHYLSTQSALSKDPNEKRDHMVLLEFVTAAGITHGMDELYK"
)
_BGL3 = (
    "MVPAAQQTAMAPDAALTFPEGFLWGSATASYQIEGAAAEDGRTPSIWDTYARTPGRVRNGDTGDVATDHYHRWREDVALMAELGLGAYRFSLAWPRIQPTGRGPALQKGLDFYRRLADELLAK"
    "GIQPVATLYHWDLPQELENAGGWPERATAERFAEYAAIAADALGDRVKTWTTLNEPWCSAFLGYGSGVHAPGRTDPVAALRAAHHLNLGHGLAVQALRDRLPADAQCSVTLNIHHVRPLTDSD"
    "ADADAVRRIDALANRVFTGPMLQGAYPEDLVKDTAGLTDWSFVRDGDLRLAHQKLDFLGVNYYSPTLVSEADGSGTHNSDGHGRSAHSPWPGADRVAFHQPPGETTAMGWAVDPSGLYELLRR"
    "LSSDFPALPLVITENGAAFHDYADPEGNVNDPERIAYVRDHLAAVHRAIKDGSDVRGYFLWSLLDNFEWAHGYSKRFGAVYVDYPTGTRIPKASARWYAEVARTGVLPTAGDPNSSSVDKLAA"
    "ALEHHHHHH"
)
_UBE4B = "IEKFKLLAEKVEEIVAKNARAEIDYSDAPDEFRDPLMDTLMTDPVRLPSGTVMDRSIILRHLLNSPTDPFNRQMLTESMLEPVPELKEQIQAWMREKQSSDH"
_GB1_WILD_TYPE = "VDGV"
_GB1_LENGTH = 56
_GB1_SITES = (38, 39, 40, 53)
_GB1_SPLITS = ("one_vs_rest", "two_vs_rest", "three_vs_rest", "low_vs_high", "sampled")
_RELSO_PARENT = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVVDGWTYDDATKTFTVVE"
_RELSO_SITES = (39, 40, 41, 54)
_RELSO_TEST = "sameedmsiddiqui/lyra@538bac4f7bfb2e182581852abff0a1c9709ac4ab/datasets/relso_data/GB1_WU_test_data.csv"
_RBD_START = 331
_RESIDUES = "Ala Cys Asp Glu Phe Gly His Ile Lys Leu Met Asn Pro Gln Arg Ser Thr Val Trp Tyr"


def aav_ggs(files: SourceFiles) -> pd.DataFrame:
    """Packaging fitness of variants of the AAV2 capsid."""
    source = files.table("data/AAV/ground_truth.csv")
    table = source.groupby("sequence", sort=False)["target"].mean().rename("label").reset_index()
    mutations = [differences(sequence, _AAV2) for sequence in table["sequence"]]
    return table.assign(
        split=around_test(table["sequence"], (count >= 8 for count in mutations), "aav"),
        split_random=[hashed(f"aav{sequence}") for sequence in table["sequence"]],
        split_low_vs_high=around_test(table["sequence"], table["label"] > table["label"].median(), "aav"),
        n_mutations=mutations,
    )


def gb1_flip(files: SourceFiles) -> pd.DataFrame:
    """Binding of variants at four sites of GB1, with the splits of FLIP."""
    sources = {
        name: pd.read_csv(io.StringIO(archived(files, "splits/gb1/splits.zip", f"{name}.csv"))) for name in _GB1_SPLITS
    }
    splits = {
        f"split_{name}": source["set"]
        .mask(source["validation"].isin([True]), "validation")
        .set_axis(source["sequence"])
        for name, source in sources.items()
    }
    first = sources[_GB1_SPLITS[0]]
    variants = ["".join(sequence[site] for site in _GB1_SITES) for sequence in first["sequence"]]
    table = pd.DataFrame(
        {
            "sequence": first["sequence"].str[:_GB1_LENGTH],
            "label": first["target"],
            "split": first["sequence"].map(splits["split_two_vs_rest"]),
            "variant": variants,
            "n_mutations": [differences(variant, _GB1_WILD_TYPE) for variant in variants],
        }
    )
    return table.assign(**{name: first["sequence"].map(split) for name, split in splits.items()})


def gb1_wu_relso(files: SourceFiles) -> pd.DataFrame:
    """Binding of nearly all variants at four sites of GB1, with the test rows of ReLSO."""
    source = files.table("splits/gb1/four_mutations_full_data.csv.zip")
    test = set(files.table(_RELSO_TEST, header=None)[0])
    sequences = [_with_letters(_RELSO_PARENT, _RELSO_SITES, variant) for variant in source["Variants"]]
    return pd.DataFrame(
        {
            "sequence": sequences,
            "label": source["Fitness"],
            "n_mutations": [differences(variant, _GB1_WILD_TYPE) for variant in source["Variants"]],
            "variant": source["Variants"],
            "split": ["test" if sequence in test else held_out(f"lyra-v1:{sequence}", 0.05) for sequence in sequences],
        }
    )


def gfp_fluorescence(files: SourceFiles) -> pd.DataFrame:
    """Brightness of variants of avGFP."""
    source = files.table("data/amino_acid_genotypes_to_brightness.tsv")
    source = source[~source["aaMutations"].str.contains("*", regex=False, na=False)]
    names = source["aaMutations"].fillna("").str.split(":")
    mutations = [[mutation.removeprefix("S") for mutation in those if mutation] for those in names]
    sequences = [mutated(_GFP, those) for those in mutations]
    counts = [len(those) for those in mutations]
    return pd.DataFrame(
        {
            "sequence": sequences,
            "label": source["medianBrightness"].to_numpy(),
            "split": around_test(sequences, (count >= 4 for count in counts), "gfp", 0.2),
            "n_mutations": counts,
            "unique_barcodes": source["uniqueBarcodes"].to_numpy(),
        }
    )


def meltome_clustered(files: SourceFiles) -> pd.DataFrame:
    """Melting temperatures of proteins, one of each cluster."""
    source = pd.read_csv(io.StringIO(archived(files, "tasks/meltome/tasks.zip", "clustered_task.csv")))
    source = source.drop_duplicates("sequence", ignore_index=True)
    split = around_test(source["sequence"], source["set"] == "test")
    return pd.DataFrame({"sequence": source["sequence"], "label": source["target"], "split": split})


def nn4dms_bgl3(files: SourceFiles) -> pd.DataFrame:
    """Activity of variants of the beta-glucosidase Bgl3."""
    return _nn4dms(files, "bgl3", _BGL3)


def nn4dms_ube4b(files: SourceFiles) -> pd.DataFrame:
    """Activity of variants of the ubiquitin ligase UBE4B."""
    return _nn4dms(files, "ube4b", _UBE4B)


def sarscov2_rbd_ace2(files: SourceFiles) -> pd.DataFrame:
    """Binding to ACE2 and expression of single mutants of the SARS-CoV-2 RBD."""
    binding, expression = (
        files.table(f"MaveDB_upload/score-set_{name}_mut.csv")
        .drop_duplicates("hgvs_pro")
        .set_index("hgvs_pro")["average"]
        for name in ("binding", "expression")
    )
    parts = binding.index.str.extract(r"p\.(?P<old>\D+)(?P<position>\d+)(?P<new>\D+)").set_index(binding.index)
    letters = {"*": "*", **dict(zip(_RESIDUES.split(), STANDARD, strict=True))}
    old, new = (parts[name].map(letters) for name in ("old", "new"))
    position = parts["position"].astype(int) + _RBD_START - 1
    wild_type = "".join(old[~position.duplicated()])
    table = pd.DataFrame({"label": binding, "position": position, "variant": old + position.astype(str) + new})
    table = table[(new != "*") & (new != old) & binding.notna()]
    return pd.DataFrame(
        {
            "sequence": [mutated(wild_type, [variant], _RBD_START) for variant in table["variant"]],
            "label": table["label"].to_numpy(),
            "split": [hashed(f"rbd{(site - _RBD_START) // 10}") for site in table["position"]],
            "label_expression": expression.reindex(table.index).to_numpy(),
            "variant": table["variant"].to_numpy(),
        }
    )


def _nn4dms(files: SourceFiles, name: str, parent: str) -> pd.DataFrame:
    """Variants of a data set of nn4dms, with its main split: numbers of rows, stop codons among them."""
    source = files.table(f"data/{name}/{name}.tsv").rename(columns={"num_mutations": "n_mutations", "score": "label"})
    for part, split in (("train", "train"), ("tune", "validation"), ("stest", "test")):
        rows = [int(row) for row in files.text(f"pub/splits/{name}/main/{part}.txt").split()]
        source.loc[rows, "split"] = split
    table = source[~source["variant"].str.contains("*", regex=False)].reset_index(drop=True)
    table["sequence"] = [mutated(parent, variant.split(",")) for variant in table["variant"]]
    return table[["sequence", "label", "split", "variant", "n_mutations"]]


def _with_letters(parent: str, sites: Sequence[int], letters: str) -> str:
    """A protein with other letters at some sites, counted from 0."""
    changed = list(parent)
    for site, letter in zip(sites, letters, strict=True):
        changed[site] = letter
    return "".join(changed)


BUILDERS = {
    f"fitness/{builder.__name__}": builder
    for builder in (
        aav_ggs,
        gb1_flip,
        gb1_wu_relso,
        gfp_fluorescence,
        meltome_clustered,
        nn4dms_bgl3,
        nn4dms_ube4b,
        sarscov2_rbd_ace2,
    )
}
