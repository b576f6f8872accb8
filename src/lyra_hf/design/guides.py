"""Guides with their scores, and the columns that tell of them.

Letters in shapes: N guides of G letters, W letters that the model reads of each site (`Nuclease.window`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..alphabets import DNA
from ..errors import UserError
from ..inference.encoding import EncodedSequences
from ..inference.predictor import Predictor
from ..inference.results import FloatArray, problem_type
from .features import gc_share, longest_stem, longest_t_run
from .genome import Ids
from .nucleases import Nuclease
from .sites import Sites

_COMPLEMENTS = np.array(DNA.complement_ids, np.uint8)
_LETTERS = np.frombuffer("".join(token[:1] for token in DNA.vocabulary).encode(), np.uint8)  # by token id


class Guides(NamedTuple):
    """Guides of one or several contigs.

    Attributes:
        contigs: (N,), the names of their contigs.
        starts: (N,), of guide and PAM on the contig, from 0.
        is_reverse: (N,), whether the protospacer is on the other strand than the one that the contig tells.
        windows: (N, W), token ids of the site and its context on the strand of the protospacer.
        scores: (N,), in the units of the model's labels.
        lower: (N,), the lower end of the interval at 90 %, NaN where the model has none.
        upper: (N,), the upper end.
    """

    contigs: npt.NDArray[np.object_]
    starts: npt.NDArray[np.int64]
    is_reverse: npt.NDArray[np.bool_]
    windows: Ids
    scores: FloatArray
    lower: FloatArray
    upper: FloatArray

    def take(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Guides":
        """Those marked True, or at the places told."""
        return Guides._make(part[chosen] for part in self)

    @classmethod
    def joined(cls, parts: Sequence["Guides"]) -> "Guides":
        """All of several, in order."""
        return cls._make(np.concatenate(column) for column in zip(*parts, strict=True))


class GuideScorer:
    """A model of a nuclease's activity.

    Args:
        model: a shipped name or a folder.
        nuclease: what the model is of.
        device: where to compute.

    Raises:
        UserError: the model cannot be loaded, or gives no single number for a sequence or a pair of DNA.
    """

    def __init__(self, model: str, nuclease: Nuclease, device: str | None = None) -> None:
        self.nuclease = nuclease
        self._predictor = Predictor(model, device)
        config = self._predictor.config
        if config.alphabet != DNA.name:
            raise UserError(f"{model} reads {config.alphabet}; guides are designed by models of dna, such as lyra-cas9")
        if self._predictor.per_residue or config.num_labels != 1 or problem_type(config) != "regression":
            raise UserError(f"{model} does not give one number for a site, by which guides could be compared")
        if config.pair_input and config.pair_context != nuclease.before:
            raise UserError(
                f"{model} reads {config.pair_context} letters on either side of the protospacer, and what is known of "
                f"{nuclease.name} says {nuclease.before}"
            )

    def __call__(self, sites: Sites) -> Guides:
        """The guides of sites, scored."""
        names = np.full(len(sites.starts), sites.contig, object)
        return Guides(names, sites.starts, sites.is_reverse, sites.windows, *self.scores(sites.windows))

    def scores(self, windows: Ids) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Scores (N,) of windows (N, W), and their intervals' lower and upper ends, NaN of a model without."""
        found = self._predictor.predict_encoded(encoded(self.read(windows)))
        missing = np.full(len(windows), np.nan, np.float32)
        lower, upper = (missing if ends is None else ends[:, 0] for ends in (found.lower, found.upper))
        return found.logits[:, 0], lower, upper

    def no_guides(self) -> Guides:
        """No guides, for the types of their columns."""
        nothing = np.empty(0, np.float32)
        windows = np.empty((0, self.nuclease.window), np.uint8)
        empty = np.empty(0, np.int64), np.empty(0, np.bool_)
        return Guides(np.empty(0, object), *empty, windows, nothing, nothing, nothing)

    def read(self, windows: Ids) -> Ids:
        """What the model reads of windows (N, W): they themselves, or the other strand; of pairs the guide behind."""
        if self._predictor.config.pair_input:
            return np.concatenate([windows, windows[:, self.nuclease.protospacer]], axis=1)
        return context(self.nuclease, windows)


def encoded(ids: Ids) -> EncodedSequences:
    """Sequences (N, L) for a predictor."""
    count, length = ids.shape
    return EncodedSequences(np.ascontiguousarray(ids).reshape(-1), np.arange(count + 1, dtype=np.int64) * length)


def context(nuclease: Nuclease, windows: Ids) -> Ids:
    """Windows (N, W) on the strand that the model reads."""
    return windows if nuclease.reads == "protospacer" else reverse_complement(windows)


def guide_letters(nuclease: Nuclease, windows: Ids) -> Ids:
    """The guides (N, G) of windows (N, W), as they are ordered: of RNA the reverse complement of the protospacer."""
    protospacers = windows[:, nuclease.protospacer]
    return protospacers if nuclease.target == "dna" else reverse_complement(protospacers)


def reverse_complement(ids: Ids) -> Ids:
    """The other strand of sequences (N, L)."""
    return _COMPLEMENTS[ids[:, ::-1]]


def texts(ids: Ids) -> pa.Array:
    """Sequences (N, L) as text."""
    count, length = ids.shape
    if length == 0:
        return pa.array([""] * count, pa.string())
    offsets = np.arange(count + 1, dtype=np.int32) * length
    letters = np.ascontiguousarray(_LETTERS[ids])
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(letters))


def cut_positions(nuclease: Nuclease, guides: Guides) -> pa.Array:
    """Before which letter (N,) of the contig, from 0, the strand of the protospacer is cut; missing if nowhere."""
    count = len(guides.starts)
    if nuclease.cut is None:
        return pa.nulls(count, pa.int64())
    place = nuclease.protospacer.start - nuclease.before + nuclease.cut  # letters of the site before the cut
    return pa.array(np.where(guides.is_reverse, guides.starts + nuclease.site - place, guides.starts + place))


def guide_columns(nuclease: Nuclease, guides: Guides) -> dict[str, pa.Array]:
    """Guides as columns of a table.

    `contig`, `start` and `end` (of guide and PAM, from 0, half-open), `strand` (of the protospacer), `guide`, `pam`,
    `context` (what the model reads), `score`, `lower`, `upper`; then `gc` (a share), `poly_t` (the longest run of T),
    `self_complementarity` (base pairs of the longest stem) and `cut_position`.
    """
    letters = guide_letters(nuclease, guides.windows)
    return {
        "contig": pa.array(guides.contigs, pa.string()),
        "start": pa.array(guides.starts),
        "end": pa.array(guides.starts + nuclease.site),
        "strand": pa.array(np.where(guides.is_reverse, "-", "+")),
        "guide": texts(letters),
        "pam": texts(guides.windows[:, nuclease.pam_place]),
        "context": texts(context(nuclease, guides.windows)),
        "score": pa.array(guides.scores, pa.float32()),
        "lower": pa.array(guides.lower, pa.float32(), from_pandas=True),
        "upper": pa.array(guides.upper, pa.float32(), from_pandas=True),
        "gc": pa.array(gc_share(letters)),
        "poly_t": pa.array(longest_t_run(letters)),
        "self_complementarity": pa.array(longest_stem(letters)),
        "cut_position": cut_positions(nuclease, guides),
    }
