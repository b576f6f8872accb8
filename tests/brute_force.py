"""What a model gives mutants, one string at a time, by the model itself in float64."""

import json

import numpy as np
import torch

from lyra_hf import build_tokenizer
from lyra_hf.inference.loading import load_model


def example(repository, checkpoint):
    """A sequence that a shipped checkpoint takes, and the output to look at."""
    sequence = json.loads((repository / "tests" / "golden" / f"{checkpoint}.json").read_text())[0]["sequence"]
    config = load_model(checkpoint).config
    output = None if config.num_labels == 1 else config.id2label[config.num_labels - 1]
    return (sequence if config.pair_input else sequence[:24]), output


def scores_in_float64(checkpoint, sequences, output=None):
    """(N,), of sequences of one length: the prediction, or the log-odds of the last class."""
    model = load_model(checkpoint).double().eval()
    config = model.config
    index = config.num_labels - 1 if output is None else config.label2id[output]
    ids = build_tokenizer(config.alphabet)(sequences, return_tensors="pt")
    with torch.no_grad():
        logits = torch.cat([model(input_ids=part).logits for part in ids["input_ids"].split(128)])
    if config.problem_type == "single_label_classification":
        odds = torch.logit(logits.softmax(-1)[..., index])
    else:
        odds = logits[..., index]
    return (odds.mean(1) if odds.dim() == 2 else odds).numpy()


def changed(sequence, changes):
    """The sequence with the letters of `changes` at their positions, from 0."""
    letters = list(sequence)
    for position, letter in changes.items():
        letters[position] = letter
    return "".join(letters)


def tolerance(values):
    """What float32 leaves of differences of such values."""
    return 2e-5 * max(1.0, float(np.abs(values).max()))
