"""What tests of the commands share: tables, and what a command says."""

import csv
import json
from pathlib import Path

import numpy as np

SITES = ["GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC", "ACGTACGTACGTACGTACGTACGTACGGTT", "acgtnacgunacgtnacgtnacgtnacggt"]


def succeed(result):
    status, out, err = result
    assert status == 0, err
    return out


def write_table(path, **columns):
    with Path(path).open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def predictions(text):
    rows = list(csv.DictReader(text.splitlines()))
    return np.array([float(row["prediction"]) for row in rows])


def only_json(out):
    """The one object on standard output, with nothing around it."""
    assert out.endswith("\n")
    assert out.count("\n") == 1
    return json.loads(out)
