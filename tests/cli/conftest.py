"""A table to train on."""

import numpy as np
import pytest


@pytest.fixture
def table():
    """Sixty short sequences with the number of C in them as a label."""
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), size=12)) for _ in range(60)]
    splits = ["train"] * 40 + ["validation"] * 10 + ["test"] * 10
    return {"sequence": sequences, "fitness": [text.count("C") + 0.5 for text in sequences], "split": splits}
