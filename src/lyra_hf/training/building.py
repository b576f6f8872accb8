"""A model for a labelled table before it is trained: of the options' shape, or from the weights of another."""

from typing import Any

import numpy as np
import torch

from ..configuration_lyra import LyraConfig
from ..errors import UserError, reason
from ..inference.loading import load_model
from ..modeling_lyra import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraPreTrainedModel,
)
from .data import LabelledTable

_SHAPE = (
    "hidden_size", "pgc_hidden_sizes", "conv_kernel", "state_size", "num_hidden_layers", "bidirectional", "pooling",
    "num_positions", "site_weights", "pair_input", "pair_context", "reverse_complement", "dropout", "ensemble_size",
)  # fmt: skip


def build_model(
    table: LabelledTable, model_options: dict[str, Any], output_names: list[str], start: str | None = None
) -> LyraPreTrainedModel:
    """A new model for a table, its label scale set from the training rows.

    Args:
        table: the data.
        model_options: fields of `LyraConfig` that differ from the defaults.
        output_names: names of the outputs.
        start: a checkpoint to take weights and shape from, all but the head's; of an ensemble as many members as the
            model has.

    Raises:
        UserError: the options make no sense, or do not fit the checkpoint.
    """
    base = load_model(start) if start is not None else None
    if base is not None:
        model_options = {**_shape_of(base, table, str(start)), **model_options}
    try:
        config = LyraConfig(
            alphabet=table.alphabet,
            problem_type=table.problem_type,
            id2label=dict(enumerate(output_names)),
            label2id={name: index for index, name in enumerate(output_names)},
            **model_options,
        )
    except Exception as error:  # strict dataclasses raise several kinds of errors, all with a message for the reader
        raise UserError(f"model options: {reason(error)}") from error
    if table.head == "residue":
        model: LyraPreTrainedModel = LyraForTokenClassification(config)
    elif table.problem_type == "regression":
        model = LyraForRegression(config)
    else:
        model = LyraForSequenceClassification(config)
    if table.problem_type == "regression":
        labels = np.concatenate([np.reshape(row, (-1, len(output_names))) for row in table.splits["train"].labels])
        model.classifier.label_scale.fit(torch.from_numpy(labels))
    if base is not None:
        try:
            model.lyra.load_state_dict(_first_members(base, config.ensemble_size).lyra.state_dict())
        except RuntimeError as error:
            raise UserError(f"{start} is of another shape than the model options ask for: {error}") from error
    return model


def _shape_of(base: LyraPreTrainedModel, table: LabelledTable, start: str) -> dict[str, Any]:
    """The model options that make a model of the same shape."""
    if base.config.alphabet != table.alphabet:
        raise UserError(f"{start} reads {base.config.alphabet}, and the sequences are {table.alphabet}")
    return {name: getattr(base.config, name) for name in _SHAPE}


def _first_members(ensemble: LyraPreTrainedModel, number: int) -> LyraPreTrainedModel:
    """The ensemble of the first members of one, or the first member alone."""
    if number >= ensemble.config.ensemble_size:
        return ensemble
    members = ensemble.members()[:number]
    return members[0] if number == 1 else type(ensemble).from_members(members)
