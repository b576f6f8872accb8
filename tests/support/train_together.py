"""Trains small models of every kind, in one process or in several that were started together; writes what came of it.

torchrun --nproc-per-node 2 tests/support/train_together.py FOLDER [RUNS_TO_GO_ON_FROM]
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from accelerate import PartialState
from safetensors.torch import save_file
from transformers import TrainingArguments

from lyra_hf import LyraConfig, LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.inference.loading import quiet_transformers
from lyra_hf.training.averaging import WeightAverager
from lyra_hf.training.batches import TableDataset
from lyra_hf.training.data import Rows
from lyra_hf.training.learning import _metrics_of
from lyra_hf.training.trainer import LyraTrainer

ROWS, BATCH, EPOCHS, STOP = 49, 8, 8, 4  # the last batch of an epoch has a single row; 7 steps an epoch, 56 in all


class Case(NamedTuple):
    """A kind of model and of training."""

    kind: Any
    problem_type: str
    outputs: int = 1
    model: dict[str, Any] = {}  # noqa: RUF012 - not changed
    trainer: dict[str, Any] = {}  # noqa: RUF012


CASES = {
    "regression": Case(LyraForRegression, "regression", trainer={"letter_dropout": 0.1}),
    "ensemble, averaged": Case(
        LyraForRegression, "regression", model={"ensemble_size": 2}, trainer={"averager": WeightAverager(0.9)}
    ),
    "classes with weights": Case(
        LyraForSequenceClassification,
        "single_label_classification",
        outputs=2,
        trainer={"class_weights": torch.tensor([0.5, 1.5])},
    ),
    "several labels": Case(LyraForSequenceClassification, "multi_label_classification", outputs=3),
    "per residue, both strands": Case(
        LyraForTokenClassification, "regression", model={"reverse_complement": True, "bidirectional": True}
    ),
}


def table(case: Case, number: int, seed: int) -> TableDataset:
    """Rows whose labels are shares of letters; a fifth of the numbers is missing."""
    generator = np.random.default_rng(seed)
    encoded = [generator.integers(2, 6, size=generator.integers(5, 40)).astype(np.uint8) for _ in range(number)]
    labels = []
    for ids in encoded:
        per_letter = np.stack([(ids == 2 + output).astype(np.float32) for output in range(case.outputs)], axis=-1)
        values = per_letter if case.kind is LyraForTokenClassification else per_letter.mean(0)
        if case.problem_type == "single_label_classification":
            labels.append(np.asarray(values[0] > 0.25, dtype=np.int64))
            continue
        if case.problem_type == "multi_label_classification":
            values = (values > 0.25).astype(np.float32)
        else:
            values[generator.random(values.shape) < 0.2] = np.nan
        labels.append(values)
    return TableDataset(Rows(EncodedSequences.from_list(encoded), labels))


def trainer(case: Case, folder: Path) -> LyraTrainer:
    """A Trainer of a case, whose whole batches are the same in any number of processes."""
    torch.manual_seed(0)
    shape = {"alphabet": "dna", "hidden_size": 16, "pgc_hidden_sizes": [8], "state_size": 8}
    model = case.kind(LyraConfig(**shape, num_labels=case.outputs, problem_type=case.problem_type, **case.model))
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=EPOCHS,
        per_device_train_batch_size=BATCH // PartialState(cpu=True).num_processes,
        learning_rate=0.003,
        train_sampling_strategy="group_by_length",
        logging_steps=1,
        eval_strategy="epoch",
        save_strategy="epoch",
        eval_do_concat_batches=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
        report_to="none",
        use_cpu=True,
        seed=0,
    )
    return LyraTrainer(
        model=model,
        args=arguments,
        train_dataset=table(case, ROWS, seed=1),
        eval_dataset=table(case, 21, seed=2),
        compute_metrics=_metrics_of(model),
        **case.trainer,
    )


def main(folder: Path, begun: Path | None = None) -> None:
    """Train every case, or go on from the middle of runs that are there; leave weights and logs in the folder."""
    for name, case in CASES.items():
        with quiet_transformers():
            one = trainer(case, folder / name)
            start = None if begun is None else str(begun / name / f"checkpoint-{7 * STOP}")
            one.train(resume_from_checkpoint=start)
        if one.is_world_process_zero():
            (folder / f"{name}.json").write_text(json.dumps(one.state.log_history), encoding="utf-8")
            weights = {key: value.clone() for key, value in one.model.state_dict().items()}
            save_file(weights, folder / f"{name}.safetensors")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
