"""A page for the browser: models as ONNX files, the runtime that computes them there, and what the page shows of each.

The folder is a website as it stands, and a static Space. Nothing in it asks another host for anything.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from huggingface_hub import SpaceCardData

from ..checkpoints import model_folder
from ..checkpoints.folders import folder_beside
from ..errors import UserError
from ..extras import needs
from ..inference.loading import load_model
from ..inference.outputs import explained
from ..modeling_lyra import LyraPreTrainedModel
from .cards import CardFacts, read_card
from .description import describe
from .manifest import check_replaceable, write_manifest

MODELS = "models.json"
_BROWSER = Path(__file__).with_name("browser")
_README = "README.md"


class Page(NamedTuple):
    """What was written.

    Attributes:
        folder: the page.
        models: how many it has.
        size: bytes of all its files.
    """

    folder: Path
    models: int
    size: int


def write_page(names: Sequence[str], folder: Path) -> Page:
    """Write the page of some models.

    All is written beside and renamed at the end. A page that is there is replaced, unless somebody has added or changed
    a file; hidden files in it, such as those of git, stay.

    Args:
        names: shipped names or folders, in the order in which the page offers them.
        folder: the folder to write.

    Raises:
        UserError: no model is named, or one twice; a model cannot be loaded or has no head; the folder is a file,
            or holds something else than a page as it was written.
    """
    folders = _model_folders(names)
    target = folder.resolve()
    if target.exists() and not target.is_dir():
        raise UserError(f"{folder} is a file; name a folder to write the page to")
    check_replaceable(folder)
    models = {name: load_model(str(path)) for name, path in folders.items()}  # all, before the first is exported
    with explained(str(folder)), folder_beside(target) as beside:
        _copy_browser(beside)
        entries = [_write_model(model, name, folders[name], beside) for name, model in models.items()]
        licences = [entry.pop("terms") for entry in entries]
        _write_json(beside / MODELS, {"runtime": _runtime(), "models": entries})
        (beside / _README).write_text(_readme(target.name, entries, licences), encoding="utf-8")
        write_manifest(beside)
        size = sum(path.stat().st_size for path in beside.rglob("*") if path.is_file())
        _replace(target, beside)
    return Page(folder, len(folders), size)


def _model_folders(names: Sequence[str]) -> dict[str, Path]:
    """What each model is called on the page, and where it lies."""
    if not names:
        raise UserError("name the models of the page: shipped names (see lyra-hf checkpoints) or folders")
    folders: dict[str, Path] = {}
    for name in names:
        path = model_folder(name).resolve()
        if path in folders.values():
            raise UserError(f"the model {name} is named twice; a page has each once")
        if path.name in folders:
            raise UserError(
                f"{folders[path.name]} and {path} have one name, {path.name}; rename a folder so that the page can "
                "tell the models apart"
            )
        folders[path.name] = path
    return folders


def _copy_browser(folder: Path) -> None:
    """Copy what runs in the browser: the files alone, whose package may be write-protected."""
    for source in sorted(_BROWSER.rglob("*")):
        if source.is_file():
            copy = folder / source.relative_to(_BROWSER)
            copy.parent.mkdir(exist_ok=True)
            shutil.copyfile(source, copy)


def _write_model(model: LyraPreTrainedModel, name: str, source: Path, folder: Path) -> dict[str, Any]:
    """Write a model's ONNX file; returns what the page has to know of it, and under "terms" the licence."""
    with needs("onnx", "a page for the browser"):
        from .onnx import export_onnx
    file = folder / "models" / f"{name}.onnx"
    file.parent.mkdir(exist_ok=True)
    export_onnx(model, file, name)
    facts = read_card(source)
    return {
        **describe(model, name),
        "file": f"models/{file.name}",
        "bytes": file.stat().st_size,
        "title": facts.title or name,
        "task": facts.task,
        "use": facts.use,
        "limits": facts.limits,
        "license": facts.license_name or facts.license,
        "example": _example(facts, model.config.pair_input, model.config.pair_context),
        "terms": {name: value for name, value in facts._asdict().items() if name.startswith("license")},
    }


def _example(facts: CardFacts, pair_input: bool, pair_context: int) -> list[str]:
    """The example's sequences, two of a pair, or none."""
    letters = "".join((facts.example or "").split())
    if not letters:
        return []
    if not pair_input:
        return [letters]
    first = len(letters) // 2 + pair_context
    return [letters[:first], letters[first:]]


def _runtime() -> dict[str, Any]:
    """What computes in the browser, and how much there is to load before it can."""
    folder = _BROWSER / "runtime"
    described = json.loads((folder / "runtime.json").read_text(encoding="utf-8"))
    return {
        "package": described["package"],
        "version": described["version"],
        "bytes": (folder / "ort-wasm-simd-threaded.wasm.gz").stat().st_size,
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _readme(folder: str, entries: Sequence[dict[str, Any]], licences: Sequence[dict[str, Any]]) -> str:
    """The card of a static Space; with a licence if all models have the same."""
    shared = licences[0] if all(licence == licences[0] for licence in licences) else {}
    names = [entry["name"] for entry in entries]
    title = entries[0]["title"] if len(entries) == 1 else "Lyra in the browser"
    front_matter = SpaceCardData(
        title=title,
        sdk="static",
        app_file="index.html",
        tags=["biology", "lyra"],
        **shared,
    ).to_yaml()
    listed = "\n".join(
        f"- {entry['name']}: {entry['task'] or ', '.join(entry['outputs'])}"
        + (f" (licence: {entry['license']})" if entry["license"] else "")
        for entry in entries
    )
    return (
        f"---\n{front_matter}\n---\n\n# {title}\n\n"
        f"A page that runs {'this model' if len(names) == 1 else 'these models'} in the browser; sequences never leave "
        f"it.\n\n{listed}\n\n"
        "To look at it: `python -m http.server` in this folder, or any web server, or a static Space. Written by "
        f"`lyra-hf page {' '.join(names)} -o {folder}`.\n"
    )


def _replace(target: Path, beside: Path) -> None:
    """Give the new folder its name; hidden files of the old one move into it."""
    if not target.exists():
        beside.replace(target)
        return
    old = beside.with_name(beside.name + ".old")
    target.replace(old)
    try:
        beside.replace(target)
    except BaseException:
        old.replace(target)
        raise
    for path in old.iterdir():
        if path.name.startswith("."):
            path.replace(target / path.name)
    shutil.rmtree(old)
