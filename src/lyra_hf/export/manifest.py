"""What files a page consists of, kept in its folder, so that a later page takes the place of these and of no others."""

import hashlib
import json
from pathlib import Path

from ..errors import UserError

MANIFEST = "files.json"
_GENERATOR = "lyra-hf page"


def write_manifest(folder: Path) -> None:
    """Write down which files a page's folder holds, and the digest of each."""
    files = {name: _digest(path) for name, path in _files(folder).items()}
    content = json.dumps({"generator": _GENERATOR, "files": files}, indent=1, ensure_ascii=False)
    (folder / MANIFEST).write_text(content + "\n", encoding="utf-8")


def check_replaceable(folder: Path) -> None:
    """Refuse to replace a folder with anything in it that is not as a page was written; hidden files may be there.

    Raises:
        UserError: it holds something else than a page, or a file that somebody has added or changed.
    """
    found = _files(folder)
    if not found:
        return
    written = _written(folder)
    if written is None:
        raise UserError(f"{folder} holds {min(found)}, but is no page that lyra-hf wrote; name a new folder")
    for name, path in sorted(found.items()):
        if name == MANIFEST:
            continue
        if name not in written:
            raise UserError(f"{folder} holds {name}, which is no part of the page; move it away, or name a new folder")
        if _digest(path) != written[name]:
            raise UserError(
                f"{folder} holds {name}, which somebody has changed since the page was written; move it away, or name "
                "a new folder"
            )


def _files(folder: Path) -> dict[str, Path]:
    """The files of a folder by their paths in it, without what is hidden at the top of it, such as git's."""
    found = {path.relative_to(folder): path for path in folder.rglob("*") if not path.is_dir()}
    return {name.as_posix(): path for name, path in found.items() if not name.parts[0].startswith(".")}


def _written(folder: Path) -> dict[str, str] | None:
    """The files that a page was written with and their digests; None if the folder is no page."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("generator") != _GENERATOR:
        return None
    files = content.get("files")
    return files if isinstance(files, dict) else None


def _digest(path: Path) -> str | None:
    """Of a file's content; None of what is no file, such as a link to nothing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
