"""What a checkpoint shows of itself on its card: what it gives for its example, and how fast it is."""

import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..alphabets import get_alphabet
from ..checkpoints.folders import write_text
from ..inference.predictor import Predictor
from ..inference.results import output_names, problem_type, sigmoid, softmax

_LETTERS = 200_000  # scored for a rate: enough that the tables of the engine are made
_TIMES = 3


@dataclass(frozen=True)
class Shown:
    """What is shown of a checkpoint.

    Attributes:
        outputs: what it gives for its example, {"label", "score"} each: numbers in their units, or probabilities; of
            a head per residue their means over the residues.
        letters: in the example.
        rate: sequences as long as the example that it scores in a second of one thread.
        thread: what that thread ran on.
    """

    outputs: list[dict[str, Any]]
    letters: int
    rate: float
    thread: str


def show(predictor: Predictor, example: str, thread: str) -> Shown:
    """Score an example, and measure the rate on random sequences of its length.

    Args:
        predictor: the checkpoint's.
        example: a sequence; of a pair both, with a space between.
        thread: what it runs on, in words.
    """
    letters = len(predictor.encoder.encode(example))
    return Shown(example_outputs(predictor, example), letters, _rate(predictor, letters), thread)


def example_outputs(predictor: Predictor, example: str) -> list[dict[str, Any]]:
    """The outputs for a sequence as `Shown` has them, classes with the likeliest first."""
    logits = np.asarray(predictor([example])[0]).reshape(-1, predictor.config.num_labels)  # (L or 1, outputs)
    kind = problem_type(predictor.config)
    values = {"regression": lambda x: x, "single_label_classification": softmax}.get(kind, sigmoid)(logits)
    names = output_names(predictor.config)
    if predictor.per_residue:
        names = [f"{name}, mean of {len(logits)} residues" for name in names]
    outputs = [
        {"label": name, "score": float(f"{score:.4g}")} for name, score in zip(names, values.mean(0), strict=True)
    ]
    return outputs if kind == "regression" else sorted(outputs, key=lambda output: -output["score"])


def _rate(predictor: Predictor, letters: int) -> float:
    """Sequences of so many letters that are scored in a second of one thread's time, to two digits."""
    generator = np.random.default_rng(0)
    known = list(get_alphabet(predictor.config.alphabet).letters)
    count = max(1, _LETTERS // letters)
    sequences = ["".join(generator.choice(known, size=letters)) for _ in range(count)]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = Predictor(predictor.model)  # which takes its number of threads when it is made
        alone(sequences)
        seconds = []
        for _ in range(_TIMES):
            started = time.process_time()  # other programs may be at work
            alone(sequences)
            seconds.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    rate = count / min(seconds)
    return round(rate, 1 - math.floor(math.log10(rate)))


def read_shown(path: Path) -> Shown:
    """What was written down of a checkpoint."""
    return Shown(**json.loads(path.read_text(encoding="utf-8")))


def write_shown(shown: Shown, path: Path) -> None:
    """Write down what a checkpoint shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(asdict(shown), indent=1) + "\n")
