"""A small model, rows, tables and arguments for the tests of training."""

import numpy as np
import torch
from transformers import TrainingArguments

from lyra_hf import LyraConfig, LyraForRegression
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.training.data import LabelledTable, Rows

SMALL = {"hidden_size": 8, "pgc_hidden_sizes": [4], "state_size": 8}


def small_model(seed=0, **options):
    torch.manual_seed(seed)
    options = {"alphabet": "dna", "num_labels": 1} | SMALL | options
    return LyraForRegression(LyraConfig(**options))


def rows(number=48, seed=0):
    generator = np.random.default_rng(seed)
    sequences = [generator.integers(2, 6, size=generator.integers(5, 20)).astype(np.uint8) for _ in range(number)]
    return [{"input_ids": ids, "labels": np.float32((ids == 3).mean())} for ids in sequences]


def arguments(folder, **options):
    return TrainingArguments(
        output_dir=str(folder),
        use_cpu=True,
        disable_tqdm=True,
        report_to="none",
        remove_unused_columns=False,
        **{
            "per_device_train_batch_size": 8,
            "num_train_epochs": 2,
            "learning_rate": 0.01,
            "save_strategy": "epoch",
            **options,
        },
    )


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_equal_weights(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def labelled(head="sequence", problem_type="regression", outputs=1, number=60):
    """A table whose labels are the share of C, of sequences of different lengths."""
    generator = np.random.default_rng(0)

    def rows(number):
        encoded = [generator.integers(2, 6, size=generator.integers(5, 20)).astype(np.uint8) for _ in range(number)]
        labels = []
        for ids in encoded:
            value = (ids == 3).astype(np.float32) if head == "residue" else np.float32((ids == 3).mean())
            if problem_type == "single_label_classification":
                labels.append(np.asarray(value > 0.25, dtype=np.int64))
            else:
                value = np.asarray(value > 0.25 if problem_type == "multi_label_classification" else value, np.float32)
                labels.append(value if outputs == 1 else np.stack([value] * outputs, axis=-1))
        return Rows(EncodedSequences.from_list(encoded), labels)

    names = ["no", "yes"] if problem_type == "single_label_classification" else [f"y{i}" for i in range(outputs)]
    splits = {"train": rows(number), "validation": rows(20), "test": rows(20)}
    return LabelledTable("dna", head, problem_type, names, splits)
