# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""What each token id is made of, for whatever in the model is a linear map of letters.

A letter is one-hot, an ambiguity code the even mixture of what it stands for, padding is zero.

Letters in shapes: V vocabulary, F letters of the alphabet proper.
"""

import torch
from torch import Tensor

from .alphabets import get_alphabet


def membership_of(alphabet: str) -> Tensor:
    """Which letters each token id may stand for: (V, F) of 0 and 1, which every precision holds exactly."""
    return (torch.tensor(get_alphabet(alphabet).composition) > 0).float()


def composition_of(membership: Tensor, dtype: torch.dtype) -> Tensor:
    """The shares of the letters in each token id: (V, F), rows that sum to 1, that of padding to 0."""
    membership = membership.to(dtype)
    return membership / membership.sum(-1, keepdim=True).clamp(min=1)
