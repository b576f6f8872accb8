"""Golden predictions: what the shipped weights give for a few made-up sequences, so that a test can tell a change.

Written when a checkpoint is shipped, to tests/golden/NAME.json.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from lyra_hf import Predictor
from lyra_hf.alphabets import get_alphabet

_LONGEST = 64  # letters; of a head per residue there is a prediction for each
_LONGER_BY = (0, 0, 0, 10, 30)  # even numbers: pairs stay pairs


def made_up_sequences(alphabet: str, example: str) -> list[str]:
    """A few random sequences, as long as an example or longer; one of them has an ambiguous letter in its middle.

    Args:
        alphabet: name of the alphabet.
        example: a sequence, or a pair with a space between, of which the two are written one behind the other.
    """
    generator = np.random.default_rng(0)
    symbols = get_alphabet(alphabet)
    length = min(len(example.replace(" ", "")), _LONGEST)
    sequences = ["".join(generator.choice(list(symbols.letters), size=length + more)) for more in _LONGER_BY]
    unknown = max(symbols.ambiguity, key=lambda code: len(symbols.ambiguity[code]), default=symbols.letters[0])
    sequences[1] = sequences[1][: length // 2] + unknown + sequences[1][length // 2 + 1 :]
    return sequences


def golden_predictions(predictor: Predictor, sequences: list[str]) -> list[Any]:
    """What a model gives for each sequence: a number, a list of its outputs, or such a list for every residue."""
    return [_numbers(np.asarray(prediction)) for prediction in predictor(sequences)]


def write_golden(path: Path, predictor: Predictor, sequences: list[str]) -> None:
    """Write down what a model gives for some sequences."""
    rows = zip(sequences, golden_predictions(predictor, sequences), strict=True)
    content = [{"sequence": sequence, "prediction": prediction} for sequence, prediction in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_golden(path: Path) -> tuple[list[str], list[Any]]:
    """The sequences of a file, and the predictions of each."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [row["sequence"] for row in content], [row["prediction"] for row in content]


def _numbers(values: Any) -> Any:
    """An array as nested lists, of as many digits as a float32 has."""
    return [_numbers(value) for value in values] if values.ndim else float(f"{values:.8g}")
