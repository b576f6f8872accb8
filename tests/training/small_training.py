"""A small model, rows and arguments for the tests of the Trainer."""

import numpy as np
import torch
from transformers import TrainingArguments

from lyra_hf import LyraConfig, LyraForRegression


def small_model(seed=0, **options):
    torch.manual_seed(seed)
    options = {"alphabet": "dna", "hidden_size": 8, "pgc_hidden_sizes": [4], "state_size": 8, "num_labels": 1} | options
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
