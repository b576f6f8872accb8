"""Other sites in a genome that guides fit, found by the aligner bowtie (Langmead et al. 2009, Genome Biology 10:R25).

Letters in shapes: N guides, M most mismatches, H hits.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from ..alphabets import DNA
from ..errors import UserError
from ..inference.predictor import Predictor
from ..inference.results import problem_type, softmax
from .genome import Contig, Ids, contigs
from .guides import Guides, encoded, texts
from .nucleases import Nuclease
from .sites import pam_fits, site_letters

MOST_MISMATCHES = 3  # that bowtie can look for
WORST = 3  # sites that are told of each guide
_INDEX_PART = ".1.ebwt"
_LARGE_INDEX_PART = ".1.ebwtl"
_HITS = pa.schema(
    {"query": pa.int64(), "strand": pa.string(), "contig": pa.string(), "offset": pa.int64(), "changes": pa.string()}
)
_UNSEEN = "5,6,7"  # columns of bowtie's that are not needed: letters, qualities, the number of other hits


class Hits(NamedTuple):
    """Places that protospacers fit with few mismatches, and whose PAM fits.

    Attributes:
        guides: (H,), the guide's number.
        contigs: (H,), names.
        starts: (H,), of protospacer and PAM on the contig, from 0.
        is_reverse: (H,), whether on the other strand than the one that the contig tells.
        mismatches: (H,), letters of the protospacer that differ.
        sites: (H, G + P), token ids of protospacer and PAM, on the strand of the protospacer.
    """

    guides: npt.NDArray[np.int64]
    contigs: npt.NDArray[np.object_]
    starts: npt.NDArray[np.int64]
    is_reverse: npt.NDArray[np.bool_]
    mismatches: npt.NDArray[np.int64]
    sites: Ids

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Hits":
        """Those marked True, or at the places told."""
        return Hits._make(part[chosen] for part in self)

    def describe(self, place: int) -> str:
        """One of them, as contig:start:strand:mismatches."""
        strand = "-" if self.is_reverse[place] else "+"
        return f"{self.contigs[place]}:{self.starts[place]}:{strand}:{self.mismatches[place]}"


class OffTargetSearch:
    """Looks for off-targets in a genome. Use it as a context manager: an index of its own goes when it ends.

    Args:
        genome: a FASTA file.
        nuclease: whose sites to look for; its PAM is the one that off-targets have.
        mismatches: most letters of the protospacer that may differ, up to 3.
        index: where bowtie's index of the genome is, or is to be kept; None to make one for this once.

    Raises:
        UserError: bowtie is not installed, or cannot look for so many mismatches.
    """

    def __init__(
        self, genome: Path, nuclease: Nuclease, mismatches: int = MOST_MISMATCHES, index: Path | None = None
    ) -> None:
        if not 0 <= mismatches <= MOST_MISMATCHES:
            raise UserError(f"bowtie looks for 0 to {MOST_MISMATCHES} mismatches, not {mismatches}")
        for command in ("bowtie", "bowtie-build"):
            if shutil.which(command) is None:
                raise UserError(f"off-targets need {command}, which is not installed (Debian and Ubuntu: bowtie)")
        self._genome, self._nuclease, self._mismatches, self._index = genome, nuclease, mismatches, index
        self._predictor: Predictor | None = None
        self._files = ExitStack()

    def load_model(self, model: str, device: str | None = None) -> None:
        """Have a model score the off-targets.

        Args:
            model: a classifier of pairs of a site and the guide's own target, the last class of which is cleavage.
            device: where to compute.

        Raises:
            UserError: it cannot be loaded, or is none of the kind.
        """
        predictor = Predictor(model, device)
        config = predictor.config
        if not config.pair_input or config.pair_context or problem_type(config) != "single_label_classification":
            raise UserError(f"{model} is no classifier of pairs of a site and a guide's target")
        self._predictor = predictor

    def __enter__(self) -> "OffTargetSearch":
        self._folder = Path(self._files.enter_context(tempfile.TemporaryDirectory(prefix="lyra_hf_")))
        try:
            self._ready = self._make_index()
        except BaseException:
            self._files.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def __call__(self, guides: Guides) -> dict[str, pa.Array]:
        """Columns for guides: `offtargets_0` and so on by mismatches, `worst_offtargets`, and `offtarget_score`.

        The worst are written contig:start:strand:mismatches, from 0, up to three of them, by the model's score or else
        by mismatches. `offtarget_score` is the probability of cleavage of the worst, if there is a model.
        """
        hits = self.find(guides)
        count = len(guides.starts)
        columns = {
            f"offtargets_{number}": pa.array(np.bincount(hits.guides[hits.mismatches == number], minlength=count))
            for number in range(self._mismatches + 1)
        }
        scores = self._scores(guides, hits)
        merit = -hits.mismatches.astype(np.float32) if scores is None else scores
        order = np.lexsort((np.arange(len(merit)), -merit, hits.guides))
        starts = np.searchsorted(hits.guides[order], np.arange(count + 1))
        worst = [order[first : min(first + WORST, last)] for first, last in pairwise(starts.tolist())]
        columns["worst_offtargets"] = pa.array([";".join(map(hits.describe, places.tolist())) for places in worst])
        if scores is not None:
            columns["offtarget_score"] = pa.array(
                [float(scores[places[0]]) if places.size else None for places in worst], pa.float32()
            )
        return columns

    def find(self, guides: Guides) -> Hits:
        """The off-targets of guides, the guides' own sites left out."""
        protospacers = guides.windows[:, self._nuclease.protospacer]
        as_one = np.ascontiguousarray(protospacers).view(f"V{protospacers.shape[1]}")
        unique, place = np.unique(as_one, return_inverse=True)
        queries = unique.view(np.uint8).reshape(len(unique), -1)
        found = self._with_pams(self._aligned(queries), queries)
        # Each guide has the hits of its protospacer.
        order = np.argsort(found.guides, kind="stable")
        first = np.searchsorted(found.guides[order], np.arange(len(unique) + 1))
        place = place.reshape(-1)
        numbers = first[place + 1] - first[place]
        owners = np.repeat(np.arange(len(place)), numbers)
        within = np.arange(numbers.sum()) - np.repeat(np.cumsum(numbers) - numbers, numbers)
        hits = found.take(order[first[place][owners] + within])._replace(guides=owners)
        is_own = (
            (hits.starts == guides.starts[owners])
            & (hits.is_reverse == guides.is_reverse[owners])
            & (hits.contigs == guides.contigs[owners])
        )
        return hits.take(~is_own)

    def _make_index(self) -> str:
        """The index's name for bowtie, which is made unless it is there."""
        prefix = self._index or self._folder / "genome"
        if any(prefix.with_name(prefix.name + part).is_file() for part in (_INDEX_PART, _LARGE_INDEX_PART)):
            return str(prefix)
        if not prefix.parent.is_dir():
            raise UserError(f"{prefix}: there is no directory {prefix.parent} for the index; make it first")
        fasta = self._folder / "genome.fa"  # bowtie reads no bgzip, and wants letters in upper case
        with fasta.open("wb") as stream:
            for contig in contigs(self._genome):
                stream.write(f">{contig.name}\n".encode() + plain_letters(contig) + b"\n")
        _run(["bowtie-build", "--quiet", str(fasta), str(prefix)])
        fasta.unlink()
        return str(prefix)

    def _aligned(self, queries: Ids) -> Iterator[pa.RecordBatch]:
        """Where protospacers (Q, G) lie with few mismatches, whatever is beside them."""
        path = self._folder / "guides.fa"
        lines = (f">{number}\n{text}\n" for number, text in enumerate(texts(queries).to_pylist()))
        path.write_text("".join(lines))
        command = ["bowtie", "-f", "-a", "-v", str(self._mismatches), "--quiet", "--suppress", _UNSEEN]
        if self._nuclease.target == "rna":
            command.append("--norc")
        hits = self._folder / "hits.tsv"
        _run([*command, "-x", self._ready, str(path), str(hits)])
        if not hits.is_file() or hits.stat().st_size == 0:
            return
        parse = pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False)
        read = pyarrow.csv.ReadOptions(column_names=_HITS.names)
        types = pyarrow.csv.ConvertOptions(column_types=_HITS, strings_can_be_null=False)
        with pyarrow.csv.open_csv(hits, read, parse, types) as reader:
            yield from reader

    def _with_pams(self, batches: Iterator[pa.RecordBatch], queries: Ids) -> Hits:
        """The hits whose PAM fits, by contig."""
        nuclease = self._nuclease
        width = nuclease.site
        table = pa.Table.from_batches(list(batches), _HITS)
        names = np.array(table["contig"].to_pylist(), object)
        query = table["query"].to_numpy()
        is_reverse = np.array(table["strand"].to_pylist(), object) == "-"
        # From the protospacer's leftmost letter to the site's.
        pam_first = (nuclease.pam_side == "5'") != is_reverse
        starts = table["offset"].to_numpy() - np.where(pam_first, len(nuclease.pam), 0)
        parts = []
        for contig in contigs(self._genome) if len(names) else ():
            of_contig = np.flatnonzero((names == contig.name) & (starts >= 0) & (starts + width <= contig.ids.size))
            sites = site_letters(contig.ids, nuclease, starts[of_contig], is_reverse[of_contig])
            fits = pam_fits(nuclease, sites)
            chosen, sites = of_contig[fits], sites[fits]
            place = nuclease.protospacer.start - nuclease.before
            differs = sites[:, place : place + nuclease.guide] != queries[query[chosen]]
            found = (query[chosen], names[chosen], starts[chosen], is_reverse[chosen], differs.sum(1), sites)
            parts.append(Hits(*found))
        if not parts:
            nothing = np.empty(0, np.int64)
            return Hits(nothing, names, nothing, is_reverse, nothing, np.empty((0, width), np.uint8))
        return Hits._make(np.concatenate(column) for column in zip(*parts, strict=True))

    def _scores(self, guides: Guides, hits: Hits) -> npt.NDArray[np.float32] | None:
        """The probability (H,) of cleavage, by the model."""
        if self._predictor is None:
            return None
        before = self._nuclease.before
        targets = guides.windows[hits.guides, before : before + self._nuclease.site]
        found = self._predictor.predict_encoded(encoded(np.concatenate([hits.sites, targets], axis=1)))
        return softmax(found.logits)[:, -1]


def plain_letters(contig: Contig) -> bytes:
    """The letters of a contig in upper case, what is ambiguous as N."""
    table = bytearray(b"N" * 256)
    for letter in DNA.letters:
        table[DNA.vocabulary[letter]] = ord(letter)
    return contig.ids.tobytes().translate(bytes(table))


def _run(command: list[str]) -> None:
    """Run an aligner's command.

    Raises:
        UserError: it fails; the message is its own last line.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise UserError(f"{command[0]} failed (status {done.returncode}): {said[-1]}")
