# Copyright 2026 The lyra_hf authors. Licensed under the Apache License, Version 2.0.
"""Makes a saved model a repository that loads without this package, and puts it up on the Hub.

transformers saves weights and a configuration. What is added here: the code (the flat files, of which this is one), the
`auto_map` that says where in it each class is, the tokenizer and a card. All of it works from a copy of these files,
too: a model that was loaded from a repository can be saved and pushed again.
"""

import inspect
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import CommitInfo, HfApi, ModelCard
from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError
from transformers import PreTrainedModel

from .cards import CARD, MARK, Told, general_card, is_own, listed, named, pipeline_of
from .tokenization_lyra import build_tokenizer
from .trainer_cards import keep_cards

# The files that a repository needs to load without this package. Each is reached by relative imports from
# modeling_lyra, which is how transformers finds what to fetch.
FLAT_MODULES = (
    "alphabets",
    "cards",
    "composition",
    "configuration_lyra",
    "convolution",
    "dropout",
    "fused",
    "heads",
    "intervals",
    "labels",
    "members",
    "modeling_lyra",
    "pipeline_lyra",
    "precision",
    "publishing",
    "site_weights",
    "ssm",
    "tokenization_lyra",
    "trainer_cards",
    "words",
)
AUTO_MAP = {
    "AutoConfig": "configuration_lyra.LyraConfig",
    "AutoModel": "modeling_lyra.LyraModel",
    "AutoModelForSequenceClassification": "modeling_lyra.LyraForSequenceClassification",
    "AutoModelForTokenClassification": "modeling_lyra.LyraForTokenClassification",
}
CONFIG = "config.json"
# Else transformers has a service on the Hub convert pickles, and loads what that gives.
_NO_CONVERSION = "DISABLE_SAFETENSORS_CONVERSION"


def code_files() -> list[Path]:
    """The flat files, where this one is."""
    return [Path(__file__).with_name(f"{module}.py") for module in FLAT_MODULES]


def complete(model: PreTrainedModel, folder: Path, told: Told | None = None) -> None:
    """Add to weights and configuration, as transformers saves them, what makes of a folder a whole repository.

    Each file is written beside and renamed. A card that somebody wrote stays.

    Args:
        model: a Lyra.
        folder: where it was saved.
        told: what its card tells beyond the configuration.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
        beside = Path(temporary)
        if (folder / CONFIG).is_file():  # of a model with adapters transformers saves these alone
            (beside / CONFIG).write_text(_config_with_code(folder / CONFIG, model), encoding="utf-8")
        build_tokenizer(model.config.alphabet).save_pretrained(beside)
        for path in code_files():
            (beside / path.name).write_bytes(path.read_bytes())
        if not is_own(folder):
            (beside / CARD).write_text(card_of(model, told), encoding="utf-8")
        for path in beside.iterdir():
            path.replace(folder / path.name)
    keep_cards(card_of)


def card_of(model: PreTrainedModel, told: Told | None = None) -> str:
    """The card of a Lyra, with what is told of it beyond its configuration."""
    return general_card(model.config, pipeline_of(model), model.num_parameters(), told)


def _config_with_code(path: Path, model: PreTrainedModel) -> str:
    """A saved configuration, with where the classes are, and the pipeline where transformers' own does not fit."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["auto_map"] = AUTO_MAP
    config.pop("custom_pipelines", None)
    if pipeline_of(model) == "token-classification" and model.config.problem_type != "single_label_classification":
        from .pipeline_lyra import LyraTokenClassificationPipeline  # late: few need it, and pipelines import slowly

        implementation = f"pipeline_lyra.{LyraTokenClassificationPipeline.__name__}"
        config["custom_pipelines"] = {
            "token-classification": {"impl": implementation, "pt": ["AutoModelForTokenClassification"]}
        }
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def push(
    model: PreTrainedModel,
    repo_id: str,
    *,
    commit_message: str | None = None,
    commit_description: str | None = None,
    private: bool | None = None,
    token: str | bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    max_shard_size: int | str = "50GB",
    tags: str | Sequence[str] | None = None,
    card: str | None = None,
) -> CommitInfo:
    """Create a repository unless it is there, and put up a whole model in one commit.

    Args:
        model: a Lyra.
        repo_id: ORG/NAME, or NAME for one's own.
        commit_message: of the commit, as is the description.
        commit_description: of the commit.
        private: whether a new repository is private; as the account has it unless told.
        token: of the Hub; the saved one unless told.
        revision: the branch; main unless told.
        create_pr: open a pull request in place of a commit on the branch.
        max_shard_size: most bytes of a file of weights.
        tags: further tags of the card.
        card: the card; else that on the Hub if somebody wrote it, or one made of the configuration.
    """
    api = HfApi(token=token)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model.save_pretrained(folder, max_shard_size=max_shard_size)  # first: what fails leaves no empty repository
        repo_id = api.create_repo(repo_id, private=private, exist_ok=True).repo_id
        if revision is not None and not revision.startswith("refs/pr"):
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        text = card or _card_on_hub(api, repo_id, revision) or (folder / CARD).read_text(encoding="utf-8")
        text = finished_card(text, repo_id, [*listed(tags), *listed(model.model_tags)])
        (folder / CARD).write_text(text, encoding="utf-8")
        return api.upload_folder(
            repo_id=repo_id,
            folder_path=folder,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message or f"Upload {type(model).__name__}",
            commit_description=commit_description,
        )


def push_options(folder: str | os.PathLike[str], options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `push`, taken out of those of `save_pretrained`; the repository is named like the folder."""
    of_push = {name: options.pop(name) for name in inspect.signature(push).parameters if name in options}
    if "max_shard_size" in of_push:
        options["max_shard_size"] = of_push["max_shard_size"]
    path = Path(folder)
    card = (path / CARD).read_text(encoding="utf-8") if is_own(path) else None
    return {"repo_id": path.name, "card": card, **of_push}


def finished_card(card: str, repo_id: str, tags: str | Sequence[str] = ()) -> str:
    """A card with the name of its repository, and with further tags."""
    card = named(card, repo_id)
    if not tags:
        return card
    tagged = ModelCard(card)
    tagged.data["tags"] = list(dict.fromkeys([*listed(tagged.data.get("tags")), *listed(tags)]))
    return str(tagged)


def _card_on_hub(api: HfApi, repo_id: str, revision: str | None) -> str | None:
    """A card that somebody wrote, in a repository; None if there is none, or it is one of ours."""
    try:
        card = Path(api.hf_hub_download(repo_id, CARD, revision=revision)).read_text(encoding="utf-8")
    except (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError):
        return None
    return None if MARK in card else card


@contextmanager
def pickles_refused(model: Any) -> Iterator[None]:
    """Say plainly why a model that has no safetensors does not load, and ask no one to convert it."""
    before = os.environ.get(_NO_CONVERSION)
    os.environ[_NO_CONVERSION] = "1"
    try:
        yield
    except OSError as error:
        if "safetensors" not in str(error):
            raise
        raise OSError(
            f"{model}: no model.safetensors. Weights are read from safetensors alone: a pickle, such as "
            "pytorch_model.bin, can run any code when it is read, and is refused"
        ) from error
    finally:
        if before is None:
            os.environ.pop(_NO_CONVERSION, None)
        else:
            os.environ[_NO_CONVERSION] = before
