"""What a page shows of a model's card."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from huggingface_hub import metadata_load

from ..cards import CARD, MARK


class CardFacts(NamedTuple):
    """What a card says; None or empty where it says nothing.

    Attributes:
        title: its heading.
        task: what is predicted, in a line.
        use: what it is for and what goes in, one paragraph.
        limits: what to keep in mind, a list of paragraphs.
        license: the licence as the Hub spells it.
        license_name: of a licence that the Hub does not know ("other"), its name.
        license_link: the address of that licence.
        example: a sequence; of pairs both, one behind the other, with white space between them or not.
    """

    title: str | None = None
    task: str | None = None
    use: str | None = None
    limits: tuple[str, ...] = ()
    license: str | None = None
    license_name: str | None = None
    license_link: str | None = None
    example: str | None = None


def read_card(folder: Path) -> CardFacts:
    """Read the card of a model's folder. One that cannot be read, or is not there, says nothing."""
    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8")
        metadata: Any = metadata_load(path) or {}  # front matter may be any YAML
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return CardFacts()
    if not isinstance(metadata, dict):
        return CardFacts()
    sections = _sections(text)
    return CardFacts(
        title=_heading(text),
        task=_text(_first(_first(metadata.get("model-index")).get("results")).get("task"), "name"),
        # The paragraph is on the cards of the catalogue alone, whose models were made for something.
        use=None if MARK in text else _last_paragraph(sections.get("Use", "")),
        limits=tuple(_paragraphs(sections.get("Limits", ""))),
        license=_text(metadata, "license"),
        license_name=_text(metadata, "license_name"),
        license_link=_text(metadata, "license_link"),
        example=_text(_first(metadata.get("widget")), "text"),
    )


def _heading(text: str) -> str | None:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return _plain(found[1]) if found else None


def _sections(text: str) -> dict[str, str]:
    """The sections of the second level by their headings."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {parts[index].strip(): parts[index + 1] for index in range(1, len(parts) - 1, 2)}


def _paragraphs(section: str) -> list[str]:
    """Paragraphs and points of a list as plain text, without code."""
    without_code = re.sub(r"^```.*?^```$", "", section, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"\n\s*\n|\n(?=- )", without_code)
    return [plain for part in parts if (plain := _plain(re.sub(r"^- ", "", part.strip())))]


def _last_paragraph(section: str) -> str | None:
    paragraphs = _paragraphs(section)
    return paragraphs[-1] if paragraphs else None


def _plain(text: str) -> str:
    return " ".join(text.replace("`", "").split())


def _first(values: Any) -> dict[str, Any]:
    """The first mapping of a list of them; an empty one where there is none."""
    value = values[0] if isinstance(values, list) and values else None
    return value if isinstance(value, dict) else {}


def _text(mapping: Any, key: str) -> str | None:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) and value.strip() else None
