"""Where the catalogue's tables come from, and where they lie: one YAML file for each."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from ..errors import UserError

DATA_VARIABLE = "LYRA_HF_DATA"
LICENCES = ("apache-2.0", "cc-by-nc-4.0", "other")
"""Licences of weights, as the Hub names them, from the freest to the least free."""
_TABLES = Path(__file__).parent / "tables"
_ELSEWHERE = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})/(?P<path>.+)")


@dataclass(frozen=True)
class FileOrigin:
    """Where one source file is.

    Attributes:
        repository: owner and name on GitHub, or name of a package on PyPI.
        commit: the commit, or the package's version.
        path: the file in it.
    """

    repository: str
    commit: str
    path: str

    @property
    def in_package(self) -> bool:
        """Whether it comes in a package."""
        return "/" not in self.repository

    @property
    def place(self) -> str:
        """The file's place in a folder of source files, and below the address of GitHub's raw files."""
        return f"{self.repository}/{self.commit}/{self.path}"


@dataclass(frozen=True)
class Source:
    """Where a table comes from, so that anyone can build it.

    Attributes:
        table: the table, `AREA/NAME` in the data folder.
        repository: owner and name on GitHub, or a package or site.
        commit: the commit or version.
        paths: the files in it; one in another repository is OWNER/NAME@COMMIT/PATH.
        terms: what the data may be used for.
        weights_licence: licence of weights trained on these data, one of LICENCES; no freer than the data's own.
        paper: the paper to cite.
        unit: what the label is, with its unit.
        steps: how the table is made of the files.
        remarks: what a reader of results should know.
        rows: how many rows the table has.
        digest: of the table's content, as `building.tables.digest` makes it.
    """

    table: str
    repository: str
    commit: str
    terms: str
    weights_licence: str
    paper: str
    unit: str
    steps: str
    paths: list[str] = field(default_factory=list)
    remarks: str = ""
    rows: int | None = None
    digest: str | None = None

    @property
    def address(self) -> str:
        """Where the table's files are, for a browser."""
        name = self.repository.split()[0]
        return f"https://github.com/{name}" if "/" in name else f"https://pypi.org/project/{name}/"

    @property
    def origin(self) -> str:
        """Where the table's files are, in words."""
        return f"{self.repository} at {self.commit} ({', '.join(self.paths)})"

    def file_origin(self, path: str) -> FileOrigin:
        """Where one of the files is."""
        if elsewhere := _ELSEWHERE.fullmatch(path):
            return FileOrigin(**elsewhere.groupdict())
        return FileOrigin(self.repository.split()[0], self.commit, path)


def table_names() -> list[str]:
    """The tables that the catalogue knows, `AREA/NAME`."""
    return sorted(path.relative_to(_TABLES).with_suffix("").as_posix() for path in _TABLES.glob("*/*.yaml"))


def load_source(table: str) -> Source:
    """Where a table comes from.

    Raises:
        UserError: the catalogue has no such table, or its file makes no sense.
    """
    path = _TABLES / f"{table}.yaml"
    if not path.is_file():
        raise UserError(f"the catalogue has no table {table!r}; it has {', '.join(table_names())}")
    return Source(table=table, **read_mapping(path, Source, but={"table"}))


def find_table(table: str, data_folder: str | Path | None = None) -> Path:
    """The file of a table.

    Args:
        table: `AREA/NAME`.
        data_folder: the folder of tables; the environment variable LYRA_HF_DATA unless told.

    Raises:
        UserError: no folder is given, or the table is not in it; the message says what to put where.
    """
    folder = data_folder or os.environ.get(DATA_VARIABLE)
    origin = f"its public source is {load_source(table).origin}"
    if not folder:
        raise UserError(
            f"{table}.parquet is needed: name the folder that holds it with --data-dir or {DATA_VARIABLE}; {origin}, "
            f"and `lyra-hf tables {table} -o FOLDER` builds it"
        )
    path = Path(folder) / f"{table}.parquet"
    if not path.is_file():
        raise UserError(f"{path}: no such file; {origin}, and `lyra-hf tables {table} -o {folder}` builds it")
    return path


def read_mapping(
    path: Path, kind: Any, but: Collection[str] = (), also: Mapping[str, str] = MappingProxyType({})
) -> dict[str, Any]:
    """A YAML file whose keys are the fields of a dataclass.

    Args:
        path: the file.
        kind: the dataclass.
        but: fields that do not stand in the file.
        also: fields that are called otherwise in the file, by their name there.

    Raises:
        UserError: it is not YAML, or a field is unknown or missing.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{path.name}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    in_file = {name: other for other, name in also.items()}
    known = {in_file.get(entry.name, entry.name): entry for entry in fields(kind) if entry.name not in but}
    if not isinstance(content, dict):
        raise UserError(f"{path.name}: not a mapping of fields; they are {', '.join(known)}")
    unknown = [name for name in content if name not in known]
    if unknown:
        raise UserError(f"{path.name}: there is no field {unknown[0]!r}; fields are {', '.join(known)}")
    missing = [name for name, entry in known.items() if _is_required(entry) and name not in content]
    if missing:
        raise UserError(f"{path.name}: the field {missing[0]!r} is missing")
    return {known[name].name: value for name, value in content.items()}


def _is_required(entry: Any) -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING
