"""Teaches the Auto classes and `pipeline` the names of the shipped checkpoints.

transformers has no registry of names: a name that is no folder is a repository on the Hub, asked for over the network.
So the public entry points are wrapped: an exact shipped name becomes the folder in the package, before anything is
asked; every other argument passes untouched.
"""

import functools
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import transformers
from transformers import pipelines
from transformers.models.auto import auto_factory, configuration_auto, modeling_auto, processing_auto, tokenization_auto

from ..cards import PIPELINES
from ..configuration_lyra import LyraConfig
from ..modeling_lyra import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
)
from . import shipped_folder

_MARK = "_lyra_hf_names"  # on what is wrapped already


def resolve(name: Any) -> Any:
    """The folder of a shipped name, as text; anything else as it is."""
    folder = shipped_folder(name)
    return name if folder is None else str(folder)


def pipeline_task(folder: str) -> str:
    """The pipeline that suits a shipped checkpoint."""
    config = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    return PIPELINES[config["architectures"][0]]


def install() -> None:
    """Wrap the entry points. Calling it again changes nothing."""
    auto_models = [
        entry
        for entry in vars(modeling_auto).values()
        if inspect.isclass(entry) and issubclass(entry, auto_factory._BaseAutoModelClass)
    ]
    for auto_class in [
        configuration_auto.AutoConfig,
        tokenization_auto.AutoTokenizer,
        processing_auto.AutoProcessor,
        *auto_models,
        LyraConfig,
        LyraModel,
        LyraForRegression,
        LyraForSequenceClassification,
        LyraForTokenClassification,
    ]:
        _wrap_from_pretrained(auto_class)
    _wrap_pipeline()


def _wrap_from_pretrained(owner: Any) -> None:
    original = owner.__dict__.get("from_pretrained")
    if original is not None and getattr(original.__func__, _MARK, False):
        return
    # An inherited method is looked up when it is called, so that a class that gets its own later keeps it.
    inherited = original is None

    def from_pretrained(cls: Any, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        method = super(owner, cls).from_pretrained if inherited else original.__get__(None, cls)
        return method(resolve(pretrained_model_name_or_path), *args, **kwargs)

    wrapped = original.__func__ if original is not None else owner.from_pretrained.__func__
    functools.update_wrapper(from_pretrained, wrapped)
    setattr(from_pretrained, _MARK, True)
    owner.from_pretrained = classmethod(from_pretrained)


def _wrap_pipeline() -> None:
    if getattr(pipelines.pipeline, _MARK, False):
        return
    original: Callable[..., Any] = pipelines.pipeline

    @functools.wraps(original)
    def pipeline(task: str | None = None, model: Any = None, *args: Any, **kwargs: Any) -> Any:
        folder = resolve(model)
        if folder is not model and task is None:
            task = pipeline_task(folder)
        for name in ("config", "tokenizer"):
            if name in kwargs:
                kwargs[name] = resolve(kwargs[name])
        return original(task, folder, *args, **kwargs)

    setattr(pipeline, _MARK, True)
    pipelines.pipeline = transformers.pipeline = pipeline
    # A `pipeline` that was imported before this package is the original: what it asks the Hub about a name, it asks
    # through these two.
    _answer_for_shipped(pipelines, "resolve_revision", lambda folder: None)
    _answer_for_shipped(pipelines, "get_task", pipeline_task)


def _answer_for_shipped(module: Any, function: str, answer: Callable[[str], Any]) -> None:
    original = getattr(module, function, None)
    if original is None:  # another version of transformers asks in another way
        return

    @functools.wraps(original)
    def answered(name: Any, *args: Any, **kwargs: Any) -> Any:
        folder = shipped_folder(name)
        return original(name, *args, **kwargs) if folder is None else answer(str(folder))

    setattr(module, function, answered)
