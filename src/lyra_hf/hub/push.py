"""`lyra-hf push`: a model's folder as a whole repository on the Hub, in one commit."""

import json
import tempfile
import warnings
from pathlib import Path

import yaml
from huggingface_hub import HfApi, ModelCard, ModelInfo
from huggingface_hub.errors import RepositoryNotFoundError

from ..cards import CARD
from ..checkpoints import model_folder
from ..checkpoints.folders import save_checkpoint
from ..errors import UserError
from ..inference.loading import load_model
from ..modeling_lyra import LyraPreTrainedModel
from ..publishing import CONFIG, finished_card
from .requests import check_name, model_info, need_token, requests_to_hub

_NOTHING_PUBLISHED = "nothing was published, as that is done in one step at the end, and nothing here has changed"


def push_model(name_or_path: str, repo_id: str, *, private: bool = False, update: bool = False) -> str:
    """Put a model up on the Hub: weights, configuration, tokenizer, card, code, handler and ONNX file.

    Everything is made in a folder of its own, checked, and sent as one commit, so that a repository never holds a part
    of it. The model's own folder is only read.

    Args:
        name_or_path: a shipped name or a folder.
        repo_id: ORG/NAME.
        private: whether a new repository is private.
        update: put a new version into a repository that has a model.

    Returns:
        The address of the repository.

    Raises:
        UserError: the model cannot be loaded; the name is not allowed; the repository has a model already and `update`
            is not given; or the Hub is not reached, or refuses.
    """
    check_name(repo_id)
    folder = model_folder(name_or_path)
    model = load_model(name_or_path)
    need_token()
    api = HfApi()
    with requests_to_hub(f"pushing to {repo_id}", "nothing was sent"):
        api.whoami()  # a token that is not known is told as such, before anything else is
        _check_repository(_repository(api, repo_id), repo_id, private=private, update=update)
    with tempfile.TemporaryDirectory(prefix="lyra-hf-push-") as temporary:
        whole = Path(temporary)
        assemble(model, folder, whole, repo_id)
        with requests_to_hub(f"pushing to {repo_id}", _NOTHING_PUBLISHED):
            _check_card(whole / CARD)
            address = api.create_repo(repo_id, private=private or None, exist_ok=True)
            _upload(api, repo_id, whole, f"Upload {type(model).__name__} with lyra_hf")
    return str(address)


def assemble(model: LyraPreTrainedModel, source: Path, folder: Path, repo_id: str) -> None:
    """Write all the files of a repository.

    Args:
        model: the model.
        source: its own folder, whose card is taken if it has one.
        folder: where to write.
        repo_id: ORG/NAME, for the card and the ONNX file.

    Raises:
        UserError: the card is no text, or the model cannot be exported.
    """
    save_checkpoint(model, folder)
    card = source / CARD if (source / CARD).is_file() else folder / CARD
    try:
        text = card.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{card}: no text in UTF-8 ({error.reason})") from error
    (folder / CARD).write_text(finished_card(text, repo_id), encoding="utf-8")
    add_serving(model, folder, repo_id.split("/")[1])


def add_serving(model: LyraPreTrainedModel, folder: Path, name: str) -> None:
    """Add what serves a model elsewhere: the handler of an endpoint, and the ONNX file."""
    from ..export.onnx import FILE, export_onnx
    from .endpoint import write_endpoint

    write_endpoint(folder)
    export_onnx(model, folder / FILE, name)


def _repository(api: HfApi, repo_id: str) -> ModelInfo | None:
    try:
        return model_info(api, repo_id)
    except RepositoryNotFoundError:
        return None


def _check_repository(found: ModelInfo | None, repo_id: str, *, private: bool, update: bool) -> None:
    """Refuse to write over somebody's model, or to publish what was meant to be private."""
    if found is None:
        return
    # Without a configuration it is empty, or was left by a push that broke off.
    if not update and any(file.rfilename == CONFIG for file in found.siblings or ()):
        raise UserError(f"{repo_id} exists and holds a model: to put a new version there add --update")
    if private and not found.private:
        raise UserError(f"{repo_id} exists and is public: --private is for a new one; change it in its settings")


class _AsSent(ModelCard):
    """A card that is checked as it is sent, and not as the client would write it anew."""

    def __init__(self, content: str) -> None:
        super().__init__(content)
        self.sent = content

    def __str__(self) -> str:
        return self.sent


def _check_card(path: Path) -> None:
    """Have the Hub check a card's front matter."""
    try:
        _AsSent(path.read_bytes().decode()).validate()
    except (yaml.YAMLError, RecursionError) as error:
        raise UserError(f"{path.name}: the front matter is no YAML ({_plain(error)})") from error
    except (ValueError, TypeError) as error:  # the client's own, of fields that it knows
        raise UserError(f"{path.name}: the Hub refuses the front matter ({_plain(error)})") from error


def _upload(api: HfApi, repo_id: str, folder: Path, message: str) -> None:
    """Send a folder as one commit; the card has been checked, so what is told of it again is no news."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Warnings while validating metadata", category=UserWarning)
            api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message)
    except ValueError as error:
        raise UserError(f"pushing to {repo_id}: {_plain(error)}; {_NOTHING_PUBLISHED}") from error


def _plain(error: Exception) -> str:
    """An error in a line; of the Hub's list of them the texts."""
    try:
        return "; ".join(entry["message"] for entry in json.loads(str(error))["errors"])
    except (ValueError, KeyError, TypeError):
        return " ".join(str(error).split())
