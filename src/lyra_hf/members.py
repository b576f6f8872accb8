# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Ensembles as one model: what the members' parameters, vectors and linear maps look like.

Of an ensemble every parameter has the members as its first dimension, and so have the vectors inside the model. Where
vectors enter or leave the model, members stand side by side in the last dimension, so that the rows of a batch come
first as in any model. A single model has no such dimension anywhere, and is made of PyTorch's own modules.

Letters in shapes: M members, B batch, L length, H channels of a member, n rows.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel

from .configuration_lyra import LyraConfig
from .fused import member_linear

Model = TypeVar("Model", bound=PreTrainedModel)


def member_shape(members: int, *shape: int) -> tuple[int, ...]:
    """The shape of a tensor of which each member has one; of a single model as it is."""
    return shape if members == 1 else (members, *shape)


def split_members(x: Tensor, members: int) -> Tensor:
    """Members side by side, taken apart: (..., M * H) -> (M, ..., H), a view."""
    return x if members == 1 else x.unflatten(-1, (members, -1)).movedim(-2, 0)


def join_members(x: Tensor, members: int) -> Tensor:
    """Members put side by side: (M, ..., H) -> (..., M * H)."""
    return x if members == 1 else x.movedim(0, -2).flatten(-2)


def linear(members: int, inputs: int, outputs: int, *, bias: bool = True) -> "nn.Linear | MemberLinear":
    """A linear map (..., inputs) -> (..., outputs), or one for each member, (M, ..., inputs) -> (M, ..., outputs)."""
    return nn.Linear(inputs, outputs, bias) if members == 1 else MemberLinear(members, inputs, outputs, bias=bias)


def depthwise_convolution(members: int, channels: int, size: int) -> "nn.Conv1d | MemberConv1d":
    """A centred convolution of each channel by itself: (B, channels, L), or of all members' (B, M * channels, L)."""
    if members == 1:
        return nn.Conv1d(channels, channels, size, padding=size // 2, groups=channels)
    return MemberConv1d(members, channels, size)


class MemberLinear(nn.Module):
    """A linear map for each member, as one batched product."""

    def __init__(self, members: int, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, outputs, inputs))
        self.bias = nn.Parameter(torch.empty(members, outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Map (M, ..., inputs) to (M, ..., outputs)."""
        rows = x.flatten(1, -2)  # (M, ..., inputs) -> (M, n, inputs)
        y = torch.bmm(rows, self.weight.mT) if self.bias is None else member_linear(rows, self.weight, self.bias)
        return y.unflatten(1, x.shape[1:-1])


class MemberConv1d(nn.Module):
    """A depthwise convolution for each member, all members' channels as groups of one convolution."""

    def __init__(self, members: int, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, channels, 1, size))
        self.bias = nn.Parameter(torch.empty(members, channels))
        self.kernel_size = (size,)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, M * channels, L) along L."""
        weight, bias = self.weight.flatten(0, 1), self.bias.flatten()
        return F.conv1d(x, weight, bias, padding=self.kernel_size[0] // 2, groups=len(bias))


def take_apart(ensemble: Model) -> list[Model]:
    """The members of an ensemble as single models, with copies of their parameters and of the buffers they share."""
    config = copy.deepcopy(ensemble.config)
    config.ensemble_size, config.intervals = 1, False  # the intervals are of the members' mean
    members = []
    for index in range(ensemble.config.ensemble_size):
        tensors: dict[str, Tensor] = {name: buffer.clone() for name, buffer in _shared_buffers(ensemble)}
        for name, stacked in ensemble.named_parameters():
            tensors[name] = nn.Parameter(stacked[index].detach().clone(), stacked.requires_grad)
        member = _assembled(type(ensemble), copy.deepcopy(config), tensors)
        members.append(member.train(ensemble.training))
    return members


def put_together(cls: type[Model], models: Sequence[PreTrainedModel]) -> Model:
    """The ensemble whose members are some single models.

    Raises:
        ValueError: they are fewer than two, have another kind of head, or differ in more than their parameters.
    """
    if len(models) < 2:
        raise ValueError(f"an ensemble has at least two members, not {len(models)}")
    first = models[0]
    for model in models:
        if not (isinstance(model, cls) or issubclass(cls, type(model))):
            raise ValueError(f"a {type(model).__name__} is no member of a {cls.__name__}: its head is another one")
    for name in (*LyraConfig.__annotations__, "problem_type", "id2label"):
        if name != "intervals" and any(getattr(model.config, name) != getattr(first.config, name) for model in models):
            raise ValueError(f"the members of an ensemble are of one configuration; these differ in {name}")
    tensors: dict[str, Tensor] = {}
    for name, buffer in _shared_buffers(first):
        if not all(torch.equal(model.get_buffer(name), buffer) for model in models):
            shared = "site weights" if name.startswith("site_weights.") else "label scale"
            raise ValueError(f"the members of an ensemble share their {shared}; these differ in {name}")
        tensors[name] = buffer.clone()
    for name, parameter in first.named_parameters():
        stacked = torch.stack([model.get_parameter(name).detach() for model in models])
        tensors[name] = nn.Parameter(stacked, parameter.requires_grad)
    config = copy.deepcopy(first.config)
    config.ensemble_size, config.intervals = len(models), False  # each member's own are not those of the mean
    return _assembled(cls, config, tensors).train(first.training)


def _shared_buffers(model: PreTrainedModel) -> list[tuple[str, Tensor]]:
    """The buffers that members share with their ensemble: all but the intervals, which are of one model alone."""
    return [(name, buffer) for name, buffer in model.named_buffers() if ".intervals." not in name]


def _assembled(cls: type[Model], config: LyraConfig, tensors: Mapping[str, Tensor]) -> Model:
    """A model of some parameters and buffers, in their number types and on their device."""
    with torch.device("meta"):  # without initial values, and so without a draw from the random generator
        model = cls(config)
    for name, tensor in tensors.items():
        owner, _, key = name.rpartition(".")
        setattr(model.get_submodule(owner), key, tensor)
    return model
