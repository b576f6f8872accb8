"""Where a table's bytes go: standard output, or a file that has its name only when it is whole."""

import glob
import gzip
import io
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol, cast

from safetensors import SafetensorError

from ..errors import UserError

if sys.platform != "win32":
    import fcntl

STANDARD_OUTPUT = "standard output"


class Output(Protocol):
    """Where the bytes go: `commit` when all are there, or `discard`."""

    name: str
    stream: IO[bytes]

    def after_write(self) -> None:
        """Called when something has been written to the stream."""

    def commit(self) -> None:
        """All is written."""

    def discard(self) -> None:
        """Something has failed."""


class StandardOutput:
    """Standard output, which is flushed but never closed."""

    def __init__(self) -> None:
        self.name = STANDARD_OUTPUT
        sys.stdout.flush()  # what was printed before comes first
        self.stream = _own_standard_output()

    def after_write(self) -> None:
        """The next program in a pipeline need not wait."""
        self.stream.flush()

    def commit(self) -> None:
        """What is held goes out."""
        self.stream.flush()

    def discard(self) -> None:
        """What is written is written."""


def _own_standard_output() -> IO[bytes]:
    """A writer to standard output that shares no lock with Python's own.

    When the program ends, Python wants that lock, and would fail where a thread waits in it for somebody to read.
    """
    try:
        return open(sys.stdout.fileno(), "wb", closefd=False)
    except io.UnsupportedOperation:  # something in memory stands in for it
        return sys.stdout.buffer


class NewFile:
    """A hidden file that takes its name when it is whole.

    While it is written it is locked. What a program that was killed has left behind is not, and is removed by the next
    that writes a file of the same name.

    Args:
        path: the name that it takes.
        gzipped: whether what is written is compressed.

    Attributes:
        name: the file as messages call it.
        stream: where to write.

    Raises:
        UserError: no file of that name can be written.
    """

    def __init__(self, path: Path, *, gzipped: bool) -> None:
        self.name = str(path)
        with suppress(FileNotFoundError):
            path.stat()  # links that lead in a circle
        self._target = path.resolve()  # through a symbolic link to the file it names
        if not self._target.parent.is_dir():
            raise UserError(f"{path} cannot be written: there is no directory {path.parent}; make it first")
        if self._target.exists() and not self._target.is_file():
            raise UserError(f"{path} cannot be written: it is not a file")
        if self._target.exists() and not os.access(self._target, os.W_OK):
            raise UserError(f"{path} cannot be written: it is write-protected")
        self._remove_abandoned()
        self._partial = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.partial")
        self._file = self._partial.open("xb")
        _lock(self._file)
        self.stream: IO[bytes] = self._file
        if gzipped:
            self.stream = self._zipped()

    def _remove_abandoned(self) -> None:
        """Remove what others have begun to write of this file, and are not there any more to finish."""
        for path in self._target.parent.glob(f".{glob.escape(self._target.name)}.*.partial"):
            with suppress(OSError), path.open("rb") as file:
                if _lock(file):
                    path.unlink()

    def _zipped(self) -> IO[bytes]:
        try:
            # Neither the name nor the time, so that the same rows give the same file.
            return cast(IO[bytes], gzip.GzipFile("", "wb", fileobj=self._file, compresslevel=6, mtime=0))
        except BaseException:
            self.discard()
            raise

    def after_write(self) -> None:
        """Files are written when their buffers are full."""

    def commit(self) -> None:
        """Close the file, which is whole, and give it its name."""
        self.stream.close()
        self._file.close()
        self._partial.replace(self._target)

    def discard(self) -> None:
        """Close the file and remove it."""
        for stream in (self.stream, self._file):
            with suppress(OSError, ValueError):
                stream.close()
        self._partial.unlink(missing_ok=True)


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Put the system's refusals in words; a broken pipe is no error of the user's and stays as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UserError(f"{name} cannot be written: {error.strerror or error}") from error
    except SafetensorError as error:  # what a disk refuses while tensors are saved comes as this
        raise UserError(f"{name} cannot be written: {error}") from error


def _lock(file: IO[bytes]) -> bool:
    """Lock a file for as long as it is open; False if somebody else has, or the system knows no such locks."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # taken, or no locks on this file system
        return False
    return True
