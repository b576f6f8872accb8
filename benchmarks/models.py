"""The contestants: the definition, our model's forward pass, our engine, and ESM-2."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import EsmConfig, EsmModel

from lyra_hf import LyraConfig, LyraForSequenceClassification, Predictor
from lyra_hf.alphabets import get_alphabet
from lyra_hf.inference.encoding import EncodedSequences, offsets_of

from .cases import EsmSize
from .definition import FIRST_LETTER_ID, PublishedLyra, one_hot

Ids = npt.NDArray[np.uint8]


def released_model(alphabet: str) -> LyraForSequenceClassification:
    """Our model in the released configuration, with one output and random weights, in evaluation mode."""
    torch.manual_seed(0)
    model = LyraForSequenceClassification(LyraConfig(alphabet=alphabet, num_labels=1))
    with torch.no_grad():  # the norms' weights, too, so that no two parameters agree
        for name, parameter in model.named_parameters():
            if name.endswith("norm.weight"):
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model.eval()


def random_ids(alphabet: str, sequences: int, length: int, seed: int = 0) -> Ids:
    """Token ids of random letters: (sequences, length)."""
    letters = len(get_alphabet(alphabet).letters)
    draw = np.random.default_rng(seed).integers(letters, size=(sequences, length), dtype=np.uint8)
    return draw + np.uint8(FIRST_LETTER_ID)


def encoded(ids: Ids) -> EncodedSequences:
    """Sequences of one length (N, L) as the engine takes them."""
    sequences, length = ids.shape
    return EncodedSequences(ids.ravel(), offsets_of(np.full(sequences, length, dtype=np.int64)))


def engine_outputs(predictor: Predictor, sequences: EncodedSequences) -> npt.NDArray[np.float32]:
    """The engine's outputs: (N, outputs)."""
    return predictor.predict_encoded(sequences).logits


Forward = Callable[[Tensor], Tensor]


def definition_forward(
    model: LyraForSequenceClassification, device: torch.device, dtype: torch.dtype = torch.float32
) -> Forward:
    """From int64 ids (B, L) to outputs (B, O) by the definition; below float32 as autocast does it."""
    definition = PublishedLyra.from_model(model).to(device)
    letters = definition.encoder.in_features

    def forward(ids: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            return definition(one_hot(ids, letters))

    return forward


def model_forward(model: LyraForSequenceClassification) -> Forward:
    """From int64 ids (B, L) to outputs (B, O) by our model's forward pass."""

    def forward(ids: Tensor) -> Tensor:
        logits = model(ids).logits
        assert isinstance(logits, Tensor)
        return logits

    return forward


@torch.inference_mode()
def run_batches(forward: Forward, ids: Tensor, batch: int) -> Tensor:
    """Outputs (N, O) of ids (N, L), read in batches; on the CPU, so that they are there when this returns."""
    return torch.cat([forward(part) for part in ids.split(batch)]).cpu()


def esm_model(size: EsmSize) -> EsmModel:
    """An ESM-2 model of this size with random weights, in evaluation mode."""
    config = EsmConfig(
        vocab_size=33,
        pad_token_id=1,
        mask_token_id=32,
        hidden_size=size.hidden_size,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        intermediate_size=size.intermediate_size,
        position_embedding_type="rotary",
        token_dropout=False,
        attn_implementation="sdpa",
    )
    return EsmModel(config, add_pooling_layer=False).eval()


def esm_ids(sequences: int, length: int) -> Tensor:
    """Random residues between the start and end tokens of ESM's own tokenizer: (sequences, length + 2)."""
    ids = torch.randint(4, 24, (sequences, length + 2), generator=torch.Generator().manual_seed(0))
    ids[:, 0], ids[:, -1] = 0, 2
    return ids


def num_parameters(model: torch.nn.Module) -> int:
    """Trained numbers in a model."""
    return sum(parameter.numel() for parameter in model.parameters())
