"""Registers Lyra's classes with the Auto classes of transformers."""

from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    TokenizersBackend,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
from transformers.pipelines import PIPELINE_REGISTRY

from .configuration_lyra import LyraConfig
from .modeling_lyra import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
)
from .pipeline_lyra import LyraTokenClassificationPipeline


def register() -> None:
    """Make AutoConfig, AutoModel, AutoTokenizer, the heads' Auto classes and pipelines know `model_type = "lyra"`.

    Raises:
        ImportError: another package has registered another model under that name in this process.
    """
    model_type = LyraConfig.model_type
    if model_type in CONFIG_MAPPING:
        other = CONFIG_MAPPING[model_type]
        if (other.__module__, other.__qualname__) != (LyraConfig.__module__, LyraConfig.__qualname__):
            raise ImportError(
                f"{other.__module__}.{other.__qualname__} is registered with transformers as model_type "
                f"{model_type!r} already, and is another model; use it and lyra_hf in different processes"
            )
    AutoConfig.register(model_type, LyraConfig, exist_ok=True)
    AutoModel.register(LyraConfig, LyraModel, exist_ok=True)
    AutoModelForSequenceClassification.register(LyraConfig, LyraForSequenceClassification, exist_ok=True)
    AutoModelForTokenClassification.register(LyraConfig, LyraForTokenClassification, exist_ok=True)
    # A configuration has one class per Auto class; this one is beside it. Pipelines know it by its name.
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES[model_type] = (LyraForRegression.__name__,)
    PIPELINE_REGISTRY.supported_tasks["token-classification"]["impl"] = LyraTokenClassificationPipeline
    AutoTokenizer.register(LyraConfig, tokenizer_class=TokenizersBackend, exist_ok=True)
