"""Small models and random sequences for the tests of the model."""

from typing import Any, TypeVar

import torch
from torch import Tensor

from lyra_hf import LyraConfig
from lyra_hf.modeling_lyra import LyraPooler, LyraPreTrainedModel, LyraRMSNorm
from lyra_hf.publishing import FLAT_MODULES

# The names of what a saved model's folder holds.
REPOSITORY = {
    *("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"),
    *(f"{module}.py" for module in FLAT_MODULES),
}

Model = TypeVar("Model", bound=LyraPreTrainedModel)

SMALL = {"alphabet": "dna", "hidden_size": 8, "pgc_hidden_sizes": [4, 6], "state_size": 4, "dropout": 0.0}


def small_config(**fields: Any) -> LyraConfig:
    """A configuration of a few hundred parameters, without dropout."""
    if fields.get("pooling") == "position" or fields.get("site_weights"):
        fields = {"num_positions": 7, **fields}
    return LyraConfig(**{**SMALL, **fields})


def build(cls: type[Model], *, seed: int = 0, dtype: torch.dtype = torch.float32, **fields: Any) -> Model:
    """A small model in evaluation mode, no parameter, label scale or site weight of which is at its initial value."""
    torch.manual_seed(seed)
    model = cls(small_config(**fields))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LyraRMSNorm):
                module.weight.add_(0.2 * torch.randn_like(module.weight))
            if isinstance(module, LyraPooler) and module.position_weight is not None:
                module.position_weight.normal_()
        for name, buffer in model.named_buffers():
            if name.endswith(("label_scale.mean", "label_scale.std")):
                buffer.add_(torch.rand_like(buffer))
            if name == "site_weights.weight":
                buffer.normal_()
    return model.to(dtype).eval()


def random_ids(*shape: int, seed: int = 0, vocab_size: int = 17) -> Tensor:
    """Token ids of real positions, ambiguity codes and [UNK] among them (DNA's vocabulary unless told)."""
    return torch.randint(1, vocab_size, shape, generator=torch.Generator().manual_seed(seed))
