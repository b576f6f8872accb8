"""`lyra-hf pull`: a model on the Hub as a folder that predicts, without running or keeping any code of it."""

import os
import shutil
import tempfile
from pathlib import Path

from huggingface_hub import HfApi

from ..cards import CARD
from ..checkpoints.folders import folder_beside
from ..errors import UserError
from ..inference.loading import PICKLES, WEIGHTS, load_config, load_model
from ..publishing import CONFIG
from ..tokenization_lyra import build_tokenizer
from .requests import check_name, model_info, requests_to_hub


def pull_model(repo_id: str, output: Path | None = None, *, revision: str | None = None) -> Path:
    """Download a model and check it; the folder is there whole, or not at all.

    Only the configuration, the weights and the card are taken, each by its own name: never code, and no other file,
    whatever the repository calls it. The tokenizer is made of the configuration's alphabet: another would give other
    numbers without a word.

    Args:
        repo_id: ORG/NAME.
        output: the folder to write; NAME in the working directory unless told.
        revision: a branch, a tag or a commit; main unless told.

    Returns:
        The folder.

    Raises:
        UserError: the name is not allowed; the folder exists; the repository is not there or holds no model that can be
            used; or the Hub is not reached, or refuses.
    """
    check_name(repo_id)
    folder = Path(repo_id.split("/")[1]) if output is None else output
    if os.path.lexists(folder):
        raise UserError(f"{folder} exists: name another folder with -o")
    with folder_beside(folder) as beside:
        _download(repo_id, beside, revision)
        beside.rename(folder)
    return folder


def _download(repo_id: str, folder: Path, revision: str | None) -> None:
    """Fetch the files of a model into a folder, and check that it can be used."""
    api = HfApi()
    with tempfile.TemporaryDirectory(prefix="lyra-hf-pull-") as temporary:
        cache = Path(temporary)

        def fetch(name: str) -> None:
            with requests_to_hub(f"pulling {repo_id}", "nothing was written"):
                shutil.copyfile(api.hf_hub_download(repo_id, name, revision=commit, cache_dir=cache), folder / name)

        with requests_to_hub(f"pulling {repo_id}", "nothing was written"):
            info = model_info(api, repo_id, revision)
        commit, names = info.sha, {file.rfilename for file in info.siblings or ()}
        if CONFIG not in names:
            raise UserError(f"{repo_id} has no {CONFIG}, so it holds no model")
        try:
            fetch(CONFIG)
            config = load_config(folder)
            if WEIGHTS not in names:
                raise UserError(_no_weights(repo_id, names))
            fetch(WEIGHTS)
            load_model(str(folder))
            if CARD in names:
                fetch(CARD)
            build_tokenizer(config.alphabet).save_pretrained(folder)
        except UserError as error:
            raise UserError(str(error).replace(str(folder), repo_id)) from error


def _no_weights(repo_id: str, names: set[str]) -> str:
    pickles = sorted(name for name in names if any(Path(name).match(pattern) for pattern in PICKLES))
    if pickles:
        return (
            f"{repo_id}/{pickles[0]}: a pickle, which can run any code when it is read, and is refused; weights must "
            f"be in {WEIGHTS}"
        )
    return f"{repo_id} has no {WEIGHTS}, so it holds no weights"
