"""The files that a table is made of: found in a folder, or downloaded once into the user's cache."""

import gzip
import io
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from ...errors import UserError
from ...extras import needs
from ..sources import FileOrigin, Source

RAW_FILES = "https://raw.githubusercontent.com"
_TABS = (".tsv", ".tab")
_TIMEOUT = 60


class SourceFiles:
    """A table's source files, by the names that the catalogue gives them.

    Args:
        source: where the table comes from.
        folder: holds source files as OWNER/NAME/COMMIT/PATH; what is not in it is downloaded.
    """

    def __init__(self, source: Source, folder: Path | None = None) -> None:
        self._source = source
        self._folder = folder

    def path(self, name: str) -> Path:
        """A source file on this machine.

        Raises:
            UserError: it is neither here nor to be had.
        """
        if name not in self._source.paths:
            raise ValueError(f"{name} is no source file of {self._source.table}")
        origin = self._source.file_origin(name)
        if self._folder is not None and (given := self._folder / origin.place).is_file():
            return given
        if origin.in_package:
            return self._installed(origin)
        cached = Path(constants.HF_HOME) / "lyra_hf" / "sources" / origin.place
        if not cached.is_file():
            self._download(origin, cached)
        return cached

    def data(self, name: str) -> bytes:
        """What is in a source file, unpacked if it is a .gz."""
        content = self.path(name).read_bytes()
        return gzip.decompress(content) if name.endswith(".gz") and not name.endswith(".tar.gz") else content

    def text(self, name: str) -> str:
        """What is in a source file of UTF-8 text, unpacked if it is a .gz."""
        return self.data(name).decode("utf-8")

    def table(self, name: str, **options: Any) -> Any:
        """A source file as pandas reads it: .csv, .tsv or .tab, also as .gz, or as the only file of a .zip.

        Args:
            name: the file.
            **options: of `pandas.read_csv`.
        """
        with needs("tables", "building a table"):
            import pandas as pd
        content = self._only_member(name) if name.endswith(".zip") else self.data(name)
        plain = name.removesuffix(".gz").removesuffix(".zip")
        return pd.read_csv(io.BytesIO(content), **{"sep": "\t" if plain.endswith(_TABS) else ",", **options})

    def member(self, name: str, member: str) -> bytes:
        """A file in a source file that is an archive: .zip, or .tar with any compression.

        Raises:
            UserError: it is not in there.
        """
        try:
            if name.endswith(".zip"):
                with zipfile.ZipFile(self.path(name)) as archive:
                    return archive.read(member)
            with tarfile.open(self.path(name)) as archive:
                stream = archive.extractfile(member)
                assert stream is not None, f"{member} is a folder"
                return stream.read()
        except KeyError:
            raise UserError(f"{self.path(name)}: there is no {member} in it") from None

    def _only_member(self, name: str) -> bytes:
        with zipfile.ZipFile(self.path(name)) as archive:
            files = [
                info.filename
                for info in archive.infolist()
                if not info.is_dir() and not info.filename.startswith("__MACOSX/")
            ]
            if len(files) != 1:
                raise UserError(f"{self.path(name)}: one file was to be in it, there are {len(files)}")
            return archive.read(files[0])

    def _installed(self, origin: FileOrigin) -> Path:
        package, version = origin.repository, origin.commit
        try:
            distribution = metadata.distribution(package)
        except metadata.PackageNotFoundError:
            distribution = None
        if distribution is None or distribution.version != version:
            raise UserError(f"{self._source.table} is made of a file of {package}: pip install {package}=={version}")
        return Path(str(distribution.locate_file(origin.path)))

    def _download(self, origin: FileOrigin, target: Path) -> None:
        url = f"{RAW_FILES}/{urllib.parse.quote(origin.place)}"
        partial = target.with_name(target.name + ".part")
        try:
            if constants.HF_HUB_OFFLINE:
                raise OSError("HF_HUB_OFFLINE is set")
            target.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, partial.open("wb") as stream:
                shutil.copyfileobj(answer, stream)
            partial.replace(target)
        except OSError as error:
            raise UserError(
                f"{self._source.table}: a source file cannot be downloaded ({error}); fetch {url} by other means and "
                f"put it at {target}, or at {origin.place} in a folder of your own and name that with --sources"
            ) from error
        finally:
            partial.unlink(missing_ok=True)
