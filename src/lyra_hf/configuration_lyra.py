# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""LyraConfig: the shape of a Lyra model, and the checks that keep it sensible.

No `from __future__ import annotations` here: it would switch off the checks of the fields' types.
"""

import inspect
import math
from collections.abc import Iterable
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict
from transformers import PreTrainedConfig

from .alphabets import PAD_ID, get_alphabet

# Whether this file is the copy in a repository on the Hub, and not the package's own.
_IS_COPY = __name__.split(".")[0] == "transformers_modules"
# Of a configuration file, where the code of its repository is; the package has code of its own, and needs no trust.
_OF_COPIES = ("auto_map", "custom_pipelines")
_NOTHING = object()
_MAY_BE_ZERO = ("pair_context", "num_positions")
# Far beyond any use, and small enough that a hostile file does not take all memory.
_MOST = {
    **dict.fromkeys(("hidden_size", "state_size", "conv_kernel", "num_labels", "pgc_hidden_sizes"), 65_536),
    **dict.fromkeys(("num_hidden_layers", "ensemble_size"), 1_000),
    **dict.fromkeys(_MAY_BE_ZERO, 1_000_000),
}
_MOST_PGCS = 100


@strict
class LyraConfig(PreTrainedConfig):
    r"""Configuration of a Lyra model (Ramesh et al. 2025, arXiv 2503.16351).

    The defaults are the authors' released model: 47,169 parameters for protein with one output, 46,145 for DNA or RNA.

    Args:
        alphabet: "protein", "dna", "rna", or a string of different letters.
        hidden_size: channels of the model, the paper's d_model.
        pgc_hidden_sizes: hidden width of each projected gated convolution (PGC), in order.
        conv_kernel: letters that a PGC's depthwise convolution sees, centred; an odd number.
        state_size: real states per channel of the S4D layer, that is half as many complex pairs; an even number.
        num_hidden_layers: S4D layers, each with its norm before it and a residual around it.
        dropout: probability of dropout in the S4D layers, of whole channels inside and of single values after.
        bidirectional: a second kernel in each S4D layer reads the sequence from its end; the two results are added.
        pooling: how the positions of a sequence become one vector: "mean", "max", "last" (the last real position)
            or "attention" (a learned weighting; one vector of `hidden_size` more), or "position" (a mean in which each
            of the first `num_positions` positions has a learned weight for every channel: for sequences that are
            aligned, such as the variants of a protein, or guides).
        num_positions: positions that the pooling "position" and the site weights tell apart, counted from the first
            letter; those after them have the weight that they have in a mean, and no site weights.
        site_weights: a site-independent term (a position weight matrix) is added to the scores of a regression head
            per sequence: one number for each letter at each of the first `num_positions` positions and each output,
            fitted to the training labels. For sequences that are aligned.
        pair_input: the input is a pair of sequences of equal length, one behind the other (a guide, then its
            target). Letter k of the first and letter k of the second enter the model together, as one position.
        pair_context: letters by which the first sequence of a pair reaches beyond the second on either side; the second
            is unknown there.
        reverse_complement: the model's outputs are averaged over both strands (DNA and RNA only).
        time_step_min: smallest initial step size (dt) of the S4D layers.
        time_step_max: largest initial step size (dt) of the S4D layers.
        rms_norm_eps: added to the mean square in the RMS norms.
        label_transform: scale on which a regression head works: None (standardised labels), "log" (logarithm of
            the distance above a floor) or "rank" (normal scores of the labels' ranks). Predictions are in the
            labels' own units in every case.
        ensemble_size: members of an ensemble that is one model: each has parameters of its own and all see the same
            input. The outputs are the members' mean, and their spread is told beside it.
        intervals: a regression tells for each prediction an interval in which the label lies in 90 % of cases, fitted
            to rows that were not learned from (`LyraHead.set_intervals` sets this).
        num_labels: outputs of the head, 1 unless told. `id2label` names them.
        problem_type: "regression", "single_label_classification" or "multi_label_classification"; where it is None,
            one output means regression, and several are decided by the labels.

    Raises:
        StrictDataclassFieldValidationError: a field has the wrong type.
        StrictDataclassClassValidationError: a field has a value that makes no sense; the message says which.
        ValueError: a field, as of a hostile file, would stand in for a method, or name code or weights elsewhere.
    """

    model_type = "lyra"
    keys_to_ignore_at_inference: ClassVar = [
        "spread",
        "lower",
        "upper",
    ]  # transformers' Trainer gathers the other outputs as predictions

    alphabet: str = "protein"
    hidden_size: int = 64
    pgc_hidden_sizes: list[int] | tuple[int, ...] = (16, 128)
    conv_kernel: int = 3
    state_size: int = 64
    num_hidden_layers: int = 1
    dropout: float | int = 0.2
    bidirectional: bool = False
    pooling: Literal["mean", "max", "last", "attention", "position"] = "mean"
    num_positions: int = 0
    site_weights: bool = False
    pair_input: bool = False
    pair_context: int = 0
    reverse_complement: bool = False
    time_step_min: float = 0.001
    time_step_max: float = 0.1
    rms_norm_eps: float = 1e-8
    label_transform: Literal["log", "rank"] | None = None
    ensemble_size: int = 1
    intervals: bool = False
    pad_token_id: int | None = PAD_ID

    def __post_init__(self, **kwargs: Any) -> None:
        _refuse(kwargs)
        if not _IS_COPY:
            kwargs = {name: value for name, value in kwargs.items() if name not in _OF_COPIES}
        self.pgc_hidden_sizes = list(self.pgc_hidden_sizes)
        _refuse_many(kwargs.get("num_labels"))
        _refuse_names(self.id2label)
        # The base class would choose two outputs.
        if self.id2label is None and kwargs.get("num_labels") is None:
            kwargs["num_labels"] = 1
        super().__post_init__(**kwargs)
        if not self.label2id:
            self.label2id: dict[str, int] = {name: index for index, name in (self.id2label or {}).items()}

    def to_diff_dict(self) -> dict[str, Any]:
        """What differs from the defaults, to be saved; and the outputs always, as their default is not the base's."""
        output = super().to_diff_dict()
        # As strings, because JSON has no other keys.
        output["id2label"] = {str(index): name for index, name in (self.id2label or {}).items()}
        output["label2id"] = dict(self.label2id or {})
        return output

    @property
    def vocab_size(self) -> int:
        """Number of token ids: padding, unknown, the letters, the ambiguity codes."""
        return len(get_alphabet(self.alphabet).vocabulary)

    @property
    def num_letters(self) -> int:
        """Letters of the alphabet proper."""
        return len(get_alphabet(self.alphabet).letters)

    @property
    def effective_problem_type(
        self,
    ) -> Literal["regression", "single_label_classification", "multi_label_classification"]:
        """The kind of problem; where `problem_type` leaves it open, as transformers' pipelines read the outputs."""
        if self.problem_type is not None:
            return self.problem_type
        return "regression" if self.num_labels == 1 else "single_label_classification"

    def validate_alphabet(self) -> None:
        """The alphabet exists, and can do what the other fields ask of it."""
        alphabet = get_alphabet(self.alphabet)
        if self.reverse_complement and not alphabet.complements:
            raise ValueError(f"reverse_complement needs the alphabet 'dna' or 'rna'; this one is {self.alphabet!r}")
        if self.reverse_complement and self.pair_input:
            raise ValueError("reverse_complement and pair_input exclude each other: a pair has its own direction")
        if self.reverse_complement and self.site_weights:
            raise ValueError(
                "reverse_complement and site_weights exclude each other: an aligned sequence has its own direction"
            )
        if self.pair_context and not self.pair_input:
            raise ValueError("pair_context needs pair_input: without it there is no second sequence")
        if self.pad_token_id != PAD_ID:
            raise ValueError(f"pad_token_id is {PAD_ID} in every Lyra tokenizer, not {self.pad_token_id}")

    def validate_sizes(self) -> None:
        """Every size is at least one and not beyond any use, and even or odd where the model needs it so."""
        sizes = {
            "hidden_size": self.hidden_size,
            "conv_kernel": self.conv_kernel,
            "state_size": self.state_size,
            "num_hidden_layers": self.num_hidden_layers,
            "ensemble_size": self.ensemble_size,
            "num_labels": self.num_labels,
            "pair_context": self.pair_context,
            "num_positions": self.num_positions,
            **{
                f"pgc_hidden_sizes[{index}]": size for index, size in enumerate(self.pgc_hidden_sizes[: _MOST_PGCS + 1])
            },
        }
        for name, size in sizes.items():
            least, most = 0 if name in _MAY_BE_ZERO else 1, _MOST[name.partition("[")[0]]
            if size < least:
                raise ValueError(f"{name} must be at least {least}, not {size}")
            if size > most:
                raise ValueError(f"{name} must be at most {most:,}, not {size:,}")
        if len(self.pgc_hidden_sizes) > _MOST_PGCS:
            raise ValueError(
                f"pgc_hidden_sizes has {len(self.pgc_hidden_sizes):,} entries; at most {_MOST_PGCS} may be"
            )
        if (self.pooling == "position" or self.site_weights) != (self.num_positions > 0):
            raise ValueError(
                f"pooling 'position' and site_weights go with num_positions above 0, and nothing else does; here they "
                f"are {self.pooling!r}, {self.site_weights} and {self.num_positions}"
            )
        if self.state_size % 2:
            raise ValueError(f"state_size must be even (real states come in conjugate pairs), not {self.state_size}")
        if self.conv_kernel % 2 == 0:
            raise ValueError(f"conv_kernel must be odd (the convolution is centred), not {self.conv_kernel}")

    def validate_ranges(self) -> None:
        """Probabilities and positive numbers are in their ranges."""
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")
        if not 0 < self.time_step_min <= self.time_step_max < math.inf:
            raise ValueError(
                f"time steps must satisfy 0 < time_step_min <= time_step_max < infinity, not {self.time_step_min} and "
                f"{self.time_step_max}"
            )
        if not 0 <= self.rms_norm_eps < math.inf:
            raise ValueError(f"rms_norm_eps must be a number of at least 0, not {self.rms_norm_eps}")

    def validate_problem_type(self) -> None:
        """The kind of problem is one of the three (the base class accepts any)."""
        known = ("regression", "single_label_classification", "multi_label_classification")
        if self.problem_type is not None and self.problem_type not in known:
            raise ValueError(f"problem_type must be one of {', '.join(known)}, not {self.problem_type!r}")
        if self.label_transform is not None and self.problem_type not in (None, "regression"):
            raise ValueError(f"label_transform is for regression; problem_type is {self.problem_type!r}")
        for name in ("site_weights", "intervals"):
            if getattr(self, name) and self.problem_type not in (None, "regression"):
                raise ValueError(f"{name} is for regression; problem_type is {self.problem_type!r}")


def _refuse(fields: dict[str, Any]) -> None:
    """Refuse what only a hostile or broken file holds beside the fields of a configuration.

    Raises:
        ValueError: a field would stand in for a method or a constant of the class, or names code or weights elsewhere.
    """
    for name in _taken(fields):
        raise ValueError(f"the configuration has a field {name!r}, which would replace a part of its class; delete it")
    if fields.get("transformers_weights") is not None:
        raise ValueError("the configuration has a field 'transformers_weights'; weights are in model.safetensors alone")
    for name in ("attn_implementation", "experts_implementation"):
        if "/" in str(fields.get(name)):
            raise ValueError(f"the configuration has {name} {fields[name]!r}, code of another repository; delete it")


def _refuse_many(num_labels: Any) -> None:
    """Refuse more outputs than are of use before the base class gives each a name.

    Raises:
        ValueError: there are too many.
    """
    if isinstance(num_labels, int) and num_labels > _MOST["num_labels"]:
        raise ValueError(f"num_labels must be at most {_MOST['num_labels']:,}, not {num_labels:,}")


def _refuse_names(id2label: Any) -> None:
    """Refuse names of outputs that the base class would stumble over.

    Raises:
        ValueError: they are not a dictionary of numbers and names.
    """
    is_dict = isinstance(id2label, dict)
    if id2label is not None and not (is_dict and all(str(index).isdecimal() for index in id2label)):
        raise ValueError(f"id2label must give for each output, by its number from 0 on, a name; it is {id2label!r:.60}")


def _taken(names: Iterable[str]) -> list[str]:
    """Those of some names that the class has for something that is no field."""
    taken = []
    for name in names:
        of_class = inspect.getattr_static(LyraConfig, name, _NOTHING)
        is_settable = of_class is _NOTHING or (isinstance(of_class, property) and of_class.fset is not None)
        if name.startswith("__") or not (is_settable or name == "model_type"):
            taken.append(name)
    return sorted(taken)
