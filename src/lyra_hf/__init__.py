"""Lyra for Hugging Face transformers: a tiny, exact model of protein, DNA and RNA sequences.

Importing this package registers the model with transformers' Auto classes and makes the names of the shipped
checkpoints known to them: `AutoModel.from_pretrained("lyra-cas9")`.
"""

from .checkpoints import checkpoint_names, checkpoint_path, tokenizer_path
from .checkpoints.names import install
from .configuration_lyra import LyraConfig
from .errors import UserError
from .inference.predictor import Predictor
from .modeling_lyra import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
)
from .registration import register
from .tokenization_lyra import SequenceEncoder, build_tokenizer

__version__ = "0.1.0"

__all__ = [
    "LyraConfig",
    "LyraForRegression",
    "LyraForSequenceClassification",
    "LyraForTokenClassification",
    "LyraModel",
    "Predictor",
    "SequenceEncoder",
    "UserError",
    "build_tokenizer",
    "checkpoint_names",
    "checkpoint_path",
    "tokenizer_path",
]

register()
install()
