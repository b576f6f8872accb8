"""The demonstration behind `make demo`: score real Cas9 targets, then fine-tune on real peptides."""

import csv
import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

import lyra_hf
from lyra_hf.cli.training import TrainRequest, run_training
from lyra_hf.tasks.metrics import compute_metrics

GUIDES = Path(__file__).with_name("demo_guides.csv")
OUTPUT = Path("demo")
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
console = Console(highlight=False, soft_wrap=True)


def score_guides() -> None:
    """Rank well-known SpCas9 target sites (30 nt: 4 before, protospacer, PAM, 3 after) by predicted indels."""
    with GUIDES.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    scores = lyra_hf.Predictor("lyra-cas9")(row["sequence"] for row in rows)
    table = Table(title="SpCas9 targets ranked by lyra-cas9")
    for title in ("target", "protospacer", "PAM", "percent indels"):
        table.add_column(title, justify="right" if title.startswith("percent") else "left")
    for score, row in sorted(zip(scores, rows, strict=True), key=lambda pair: -pair[0]):
        table.add_row(row["target"], row["sequence"][4:24], row["sequence"][24:27], f"{score:.1f}")
    console.print(table)


def write_peptides() -> Path:
    """Write modlamp's table of antimicrobial peptides (APD3) and UniProt peptides, with a split by 3-mer families."""
    package = importlib.util.find_spec("modlamp")
    if package is None or package.origin is None:
        raise lyra_hf.UserError("the demonstration needs modlamp: pip install 'lyra-hf[demo]'")
    labels: dict[str, set[str]] = {}
    source = Path(package.origin).parent / "data" / "AMPvsUniProt.csv"
    for line in source.read_text(encoding="utf-8").splitlines()[1:]:
        sequence, label = line.replace(";", ",").split(",")[-2:]
        if set(sequence) <= set(LETTERS):
            labels.setdefault(sequence, set()).add(label.strip())
    path = OUTPUT / "peptides.csv"
    OUTPUT.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sequence", "antimicrobial", "split"])
        for sequence, found in labels.items():
            if len(found) == 1:
                writer.writerow([sequence, found.pop(), split_of(sequence)])
    return path


def split_of(sequence: str) -> str:
    """A split by the first letters of the smallest hash of a peptide's 4-mers: near-copies mostly stay together."""
    words = [sequence[start : start + 4] for start in range(max(1, len(sequence) - 3))]
    place = min(hashlib.sha256(word.encode()).hexdigest() for word in words)
    number = int(hashlib.sha256(place.encode()).hexdigest()[:8], 16) / 16**8
    return "test" if number < 0.2 else "validation" if number < 0.3 else "train"


def baseline(path: Path) -> dict[str, float]:
    """Logistic regression on the composition of the peptides, on the same rows."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    features = np.array([[row["sequence"].count(letter) / len(row["sequence"]) for letter in LETTERS] for row in rows])
    labels = np.array([int(row["antimicrobial"]) for row in rows])
    train = np.array([row["split"] != "test" for row in rows])
    model = LogisticRegression(max_iter=1000).fit(features[train], labels[train])
    logits = np.stack([np.zeros((~train).sum()), model.decision_function(features[~train])], axis=1)
    return compute_metrics(logits, labels[~train], "single_label_classification")


def finetune_peptides() -> None:
    """Fine-tune a Lyra on the peptides for about a minute and hold it against the baseline."""
    path = write_peptides()
    request = TrainRequest(
        data=str(path),
        targets=("antimicrobial",),
        changes={"epochs": 8, "batch_size": 64, "learning_rate": 0.004, "patience": 0},
    )
    report = run_training(request, OUTPUT / "lyra-peptides")
    simple = baseline(path)
    table = Table(title=f"Antimicrobial or not: {report['test']['n']} test peptides")
    for title in ("model", "AUROC", "AP", "MCC", "accuracy"):
        table.add_column(title)
    names = ("auroc", "ap", "mcc", "accuracy")
    table.add_row("composition, logistic regression", *(f"{simple[name]:.3f}" for name in names))
    table.add_row(f"Lyra, {report['parameters']:,} parameters", *(f"{report['test'][name]:.3f}" for name in names))
    console.print(table)
    (OUTPUT / "metrics.json").write_text(json.dumps({"lyra": report["test"], "baseline": simple}), encoding="utf-8")


if __name__ == "__main__":
    score_guides()
    finetune_peptides()
    console.print("Next: score your own file      .venv/bin/lyra-hf predict lyra-cas9 guides.csv -o scores.csv")
    console.print("      train on your own table  .venv/bin/lyra-hf train mydata.csv --target fitness -o my-model")
    console.print("      and read README.md.")
