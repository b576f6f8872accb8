"""Made-up source files for builders."""

import gzip
import io
import tarfile
import zipfile

from lyra_hf.tasks.building.fetch import SourceFiles
from lyra_hf.tasks.sources import load_source


def zipped(members):
    """A .zip of members by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(members):
    """A .tar.gz of members by name."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            archive.addfile(info, io.BytesIO(content.encode()))
    return stream.getvalue()


def source_files(folder, table, contents):
    """SourceFiles of a table over made-up files, by their paths in the catalogue; text is packed as the name says."""
    source = load_source(table)
    assert set(contents) == set(source.paths)
    for name, content in contents.items():
        path = folder / source.file_origin(name).place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed(name, content))
    return SourceFiles(source, folder)


def packed(name, content):
    """Text as it stands in a file of this name; bytes as they are."""
    if isinstance(content, bytes):
        return content
    if name.endswith(".zip"):
        return zipped({"data.csv": content})
    return gzip.compress(content.encode()) if name.endswith(".gz") else content.encode()
