# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""The card of any Lyra: what its configuration tells, and plainly what it does not."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from transformers import PreTrainedModel

from .alphabets import NAMED_ALPHABETS, get_alphabet
from .configuration_lyra import LyraConfig

CARD = "README.md"
# Stands where the repository's name belongs, until that is known.
PLACEHOLDER = "ORG/NAME"
# A card with this line is written anew when its model is saved; one without it is somebody's own.
MARK = "<!-- lyra_hf writes this card anew when the model is saved. Delete this line to keep your changes. -->"

# A card with this line has the placeholder, too, though it is not written anew.
UNNAMED = f"<!-- {PLACEHOLDER} stands for the repository's name, which a push puts in. -->\n"

# The pipeline and the Auto class that suit each class of model.
PIPELINES = {
    "LyraForRegression": "text-classification",
    "LyraForSequenceClassification": "text-classification",
    "LyraForTokenClassification": "token-classification",
    "LyraModel": "feature-extraction",
}
_AUTO_CLASSES = {
    "text-classification": "AutoModelForSequenceClassification",
    "token-classification": "AutoModelForTokenClassification",
    "feature-extraction": "AutoModel",
}
_UNKNOWN = "Not told in the model's files."
_UNMEASURED = (
    "Unknown: no measurement is told in the model's files. Measure it on data of your own, with `lyra-hf evaluate DIR "
    "TABLE --target COLUMN`, before you rely on it."
)
CITATION = (
    "Ramesh, Siddiqui, Gu, Mitzenmacher, Sabeti: Lyra: An Efficient and Expressive Subquadratic Architecture for "
    "Modeling Biological Sequences, arXiv 2503.16351 (2025)."
)
_MOST_NAMES = 12  # of outputs


@dataclass(frozen=True)
class Told:
    """What is known of a model beyond its configuration.

    Attributes:
        data: what it was trained on, in Markdown; None where it is not known, as are the two that follow.
        training: how.
        results: what was measured, and on what.
        evaluations: the results as the Hub reads them.
        metadata: further front matter, such as `license` ("unknown" unless told), `language`, `datasets` or `widget`
            (a sequence that is made up, without an output, unless told).
        tags: further tags.
    """

    data: str | None = None
    training: str | None = None
    results: str | None = None
    evaluations: Sequence[EvalResult] = ()
    metadata: Mapping[str, Any] | None = None
    tags: Sequence[str] = ()


def general_card(config: LyraConfig, pipeline: str, parameters: int, told: Told | None = None) -> str:
    """The card of a model, with a placeholder where the name of its repository belongs (see `named`).

    Args:
        config: of the model.
        pipeline: "text-classification", "token-classification" or "feature-extraction".
        parameters: how many it has, of all members together.
        told: what is known beside.
    """
    told = told or Told()
    sections = {
        "Use": _use(config, pipeline),
        "Limits": _limits(config),
        "Data": told.data or _UNKNOWN,
        "Training": told.training or _UNKNOWN,
        "Results": told.results or _UNMEASURED,
        "Parameters": _parameters(config, parameters),
        "Citation": CITATION,
    }
    front_matter = f"---\n{_front_matter(config, pipeline, told)}\n---"
    parts = [front_matter, MARK, f"# A Lyra for {_letters_in_words(config)}", _summary(config, pipeline)]
    return "\n\n".join([*parts, *(f"## {head}\n\n{text}" for head, text in sections.items())]) + "\n"


def pipeline_of(model: PreTrainedModel) -> str:
    """The task of the pipeline that suits a Lyra, also one of a subclass of somebody's own."""
    return next(PIPELINES[cls.__name__] for cls in type(model).__mro__ if cls.__name__ in PIPELINES)


def metrics_table(columns: Mapping[str, Mapping[str, float | None]]) -> str:
    """A table in Markdown: a line for each metric, a column for each kind of rows; what is undefined is left blank."""
    names = list(dict.fromkeys(name for metrics in columns.values() for name in metrics))
    rows = []
    for name in names:
        values = [metrics.get(name) for metrics in columns.values()]
        rows.append([name, *("" if value is None else f"{value:.4f}" for value in values)])
    return "\n".join(markdown_table(["metric", *columns], rows))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    return ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *rows)]


def on_members(members: int, *, is_regression: bool) -> str:
    """What the predictions of an ensemble are, and where it says how far its members are apart."""
    if is_regression:
        mean, place = "", "`sd` in the file, `spread` in the model's output,"
    else:
        mean, place = " (of their logits)", "`spread` in the model's output"
    return (
        f"A prediction is the mean over the {members} members{mean}. {place} is their standard deviation: where it is "
        "large, the members disagree."
    )


def changed(values: Mapping[str, Any], defaults: object) -> str:
    """Those of some values that differ from the defaults, in words."""
    return ", ".join(f"{name} {value}" for name, value in values.items() if getattr(defaults, name) != value)


def listed(value: str | Sequence[str] | None) -> list[str]:
    """Tags or names, where one may be given as a text by itself."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def is_own(folder: Path) -> bool:
    """Whether a folder has a card that somebody wrote, which is not to be replaced."""
    path = folder / CARD
    return path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace")


def named(card: str, name: str) -> str:
    """A card that was written before the name of its repository was known, with the name; another as it is."""
    if MARK not in card and UNNAMED not in card:
        return card
    return re.sub(rf"\b{PLACEHOLDER}\b", name, card.replace(UNNAMED, ""))


def _front_matter(config: LyraConfig, pipeline: str, told: Told) -> str:
    tags = ["biology", "lyra", *([config.alphabet] if config.alphabet in NAMED_ALPHABETS else [])]
    tags += ["regression"] if _is_regression(config, pipeline) else []
    metadata = {
        "license": "unknown",
        "widget": [{"text": " ".join(_example(config)), "example_title": "a sequence that is made up"}],
        **(told.metadata or {}),
    }
    data = ModelCardData(
        library_name="transformers",
        pipeline_tag=pipeline,
        tags=list(dict.fromkeys([*tags, *told.tags])),
        model_name=PLACEHOLDER if told.evaluations else None,
        eval_results=list(told.evaluations) or None,
        **metadata,
    )
    return data.to_yaml()


def _summary(config: LyraConfig, pipeline: str) -> str:
    """What goes in and what comes out, in a sentence or two."""
    kind = f"an ensemble of {config.ensemble_size} Lyras in one model" if config.ensemble_size > 1 else "a Lyra"
    reads = f"pairs of {_letters_in_words(config)} sequences" if config.pair_input else _letters_in_words(config)
    text = f"This is {kind} (Ramesh et al. 2025, arXiv 2503.16351), which reads {reads}"
    if pipeline == "feature-extraction":
        width = config.hidden_size * config.ensemble_size
        return (
            f"{text} and gives a vector of {width} numbers for each residue and one for the sequence. It has no head."
        )
    each = "each residue" if pipeline == "token-classification" else "each sequence"
    names = list((config.id2label or {}).values())
    listed = ", ".join(f"`{name}`" for name in names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    if _is_regression(config, pipeline):
        return f"{text} and predicts for {each}, in the units of the labels it was trained on: {listed}."
    many = "any of" if config.problem_type == "multi_label_classification" else "one of"
    return f"{text} and predicts for {each} {many} {len(names)} labels: {listed}."


def _use(config: LyraConfig, pipeline: str) -> str:
    auto_class = _AUTO_CLASSES[pipeline]
    example = _example(config)
    given = json.dumps(dict(zip(("text", "text_pair"), example, strict=True)) if config.pair_input else example[0])
    if pipeline == "text-classification" and config.num_labels > 1:
        given += ", top_k=None"  # every output, not the highest alone
    lines = [
        "With transformers alone, which runs the code in this repository:",
        "```python\n"
        f"from transformers import {auto_class}, AutoTokenizer, pipeline\n\n"
        f'model = {auto_class}.from_pretrained("{PLACEHOLDER}", trust_remote_code=True)\n'
        f'tokenizer = AutoTokenizer.from_pretrained("{PLACEHOLDER}", trust_remote_code=True)\n\n'
        f'run = pipeline("{pipeline}", model="{PLACEHOLDER}", trust_remote_code=True)\n'
        f"run({given})\n"
        "```",
        "With the package (`pip install lyra-hf`, then `import lyra_hf`) the same lines need no `trust_remote_code`, "
        "and no code of this repository runs.",
    ]
    if pipeline != "feature-extraction":
        lines.append(
            f"For files: `lyra-hf pull {PLACEHOLDER} -o DIR`, once, and `lyra-hf predict DIR sequences.csv -o "
            "scores.csv`."
        )
    if config.ensemble_size > 1 and pipeline != "feature-extraction":  # its vectors stand side by side
        lines.append(on_members(config.ensemble_size, is_regression=_is_regression(config, pipeline)))
    return "\n\n".join(lines)


def _example(config: LyraConfig) -> list[str]:
    """A sequence, or the two of a pair, as the model takes them: all letters of the alphabet, twelve at least."""
    letters = get_alphabet(config.alphabet).letters
    size = max(12, len(letters))
    if not config.pair_input:
        return [_repeated(letters, size)]
    return [_repeated(letters, size + 2 * config.pair_context), _repeated(letters, size)]


def _repeated(letters: str, size: int) -> str:
    return (letters * (size // len(letters) + 1))[:size]


def _limits(config: LyraConfig) -> str:
    lines = [
        "- What is predicted holds for sequences like those of the training data, and for what was measured there.",
        f"- Letters other than {_spelled(config)} are refused by `lyra-hf`, endpoints and pages; the tokenizer by "
        "itself reads them as unknown.",
    ]
    if config.num_positions:
        lines.append(
            f"- Sequences must be aligned with those of training: the model tells the first {config.num_positions} "
            "positions apart."
        )
    if config.pair_input:
        context = f", the first {config.pair_context} letters longer on either side" if config.pair_context else ""
        lines.append(f"- The two sequences of a pair are read letter by letter side by side{context}.")
    return "\n".join(lines)


def _parameters(config: LyraConfig, parameters: int) -> str:
    text = f"{parameters:,}"
    if config.ensemble_size > 1:
        text += f", of {config.ensemble_size} members together"
    names = [name for name in LyraConfig.__annotations__ if name not in ("model_type", "keys_to_ignore_at_inference")]
    fields = changed({name: getattr(config, name) for name in names}, LyraConfig())
    return f"{text}. Configuration: {fields or 'the defaults, those of the paper'}."


def _is_regression(config: LyraConfig, pipeline: str) -> bool:
    return pipeline != "feature-extraction" and config.effective_problem_type == "regression"


def _letters_in_words(config: LyraConfig) -> str:
    if config.alphabet not in NAMED_ALPHABETS:
        return "another alphabet"
    return config.alphabet if config.alphabet == "protein" else config.alphabet.upper()


def _spelled(config: LyraConfig) -> str:
    alphabet = get_alphabet(config.alphabet)
    codes = "".join(alphabet.ambiguity)
    return f"`{alphabet.letters}`" + (f" and the ambiguity codes `{codes}`" if codes else "")
