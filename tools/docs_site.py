"""Hooks of mkdocs: files of the repository that pages link to become part of the site.

Pages link to each other by relative paths, which work where the repository is read. The site has the folder docs/ at
its root; whatever else a page links to (README, model cards, recipes) is taken in at its path in the repository, and
links are turned to it. A link to a folder leads to its README, and is plain text if it has none.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[1]
_DOCS = "docs/"
_START = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
# Code is matched first, so that what looks like a link in it is left alone.
_LINK = re.compile(r"^```.*?^```|`[^`\n]*`|(?P<text>!?\[(?:`[^`]*`|[^\]])*\])\((?P<target>[^)\s]+)\)", re.S | re.M)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in what pages link to, and what that links to."""
    waiting = [*_START, *(_DOCS + file.src_uri for file in files.documentation_pages())]
    known = set(waiting)
    while waiting:
        path = waiting.pop()
        if not path.startswith(_DOCS):
            files.append(File(path, str(_ROOT), config.site_dir, config.use_directory_urls))
        if path.endswith(".md"):
            found = (_linked(match["target"], path) for match in _LINK.finditer((_ROOT / path).read_text("utf-8")))
            new = {link for link in found if link and not link.startswith(_DOCS)} - known
            known |= new
            waiting += sorted(new)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to where the site has what they lead to."""
    here = page.file.src_uri
    path = here if page.file.src_dir == str(_ROOT) else _DOCS + here

    def turned(match: re.Match[str]) -> str:
        target = match["target"]
        if target is None or _is_elsewhere(target):
            return match[0]
        linked = _linked(target, path)
        if linked is None:
            return match["text"][1:-1] if _is_folder(target, path) else match[0]  # a broken one is told by mkdocs
        place = posixpath.relpath(linked.removeprefix(_DOCS), posixpath.dirname(here) or ".")
        _, mark, anchor = target.partition("#")
        return f"{match['text']}({place}{mark}{anchor})"

    return _LINK.sub(turned, markdown)


def _is_elsewhere(target: str) -> bool:
    return target.startswith("#") or ":" in target.split("/")[0]


def _place(target: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target.partition("#")[0]))


def _is_folder(target: str, path: str) -> bool:
    return (_ROOT / _place(target, path)).is_dir()


def _linked(target: str | None, path: str) -> str | None:
    """The file of the repository that a link of a page leads to, if there is one."""
    if target is None or _is_elsewhere(target):
        return None
    place = _place(target, path)
    if (_ROOT / place).is_dir():
        place = posixpath.join(place, "README.md")
    return place if (_ROOT / place).is_file() else None
