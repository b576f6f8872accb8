"""Files and standard input as streams of bytes, with their failures put in words for the user."""

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import pyarrow as pa

from ..errors import UserError

_CHUNK_BYTES = 4 << 20
BLANK = b" \t\n\r\v\f"
_GZIP = b"\x1f\x8b"
STANDARD_INPUT = "standard input"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # Excel begins its UTF-8 files with it; it is no part of the first column's name


def split_ending(path: Path) -> tuple[str, bool]:
    """The ending that tells the format, and whether the file is gzipped: ("." + format, True) for "x.csv.gz"."""
    name = path.name.lower()
    bare = name.removesuffix(".gz")
    return Path(bare).suffix, bare != name


def is_gzipped(path: Path) -> bool:
    """Whether a file is compressed by gzip or bgzip, which its first bytes tell.

    Raises:
        UserError: it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return stream.read(len(_GZIP)) == _GZIP
    except OSError as error:
        raise unreadable(str(path), error) from error


def unreadable(name: str, error: OSError) -> UserError:
    """What to tell the user when the system refuses to open or read a file."""
    if isinstance(error, FileNotFoundError):
        return UserError(f"{name}: there is no such file")
    return UserError(f"{name} cannot be read: {error.strerror or error}")


def not_utf8(name: str, text: bytes, lines_before: int) -> str:
    """What to tell the user about the first byte that is no UTF-8; nothing if there is none."""
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = lines_before + text.count(b"\n", 0, error.start) + 1
        return f"{name}, line {line}: the byte 0x{text[error.start]:02X} is not UTF-8 text; save the file as UTF-8"
    return ""


def utf8_array(values: pa.Array, describe: Callable[[int], str]) -> pa.Array:
    """The values as text, in the same memory.

    Args:
        values: binary values that should be UTF-8.
        describe: says in words where a value stands.

    Raises:
        UserError: a value is not UTF-8.
    """
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid as error:
        for index, value in enumerate(values):
            try:
                value.as_py().decode()
            except UnicodeDecodeError as reason:
                byte = reason.object[reason.start]
                raise UserError(
                    f"{describe(index)}: the byte 0x{byte:02X} is not UTF-8 text; save the file as UTF-8"
                ) from error
        raise


class Source:
    """A file or standard input, read once from front to back, unzipped on the way.

    Args:
        path: the file; None for standard input.
        gzipped: whether to unzip it.
        chunk_bytes: how much to read at a time.

    Attributes:
        name: what messages call it.
        chunk_bytes: how much to read at a time.
        lines_skipped: how many lines `skip` has dropped, so that messages can count lines as an editor does.
    """

    def __init__(self, path: Path | None, *, gzipped: bool = False, chunk_bytes: int = _CHUNK_BYTES) -> None:
        self.name = STANDARD_INPUT if path is None else str(path)
        self.chunk_bytes = chunk_bytes
        self.lines_skipped = 0
        self._stream = _open_bytes(path, gzipped=gzipped)
        self._closes = path is not None  # standard input is not ours to close
        try:
            self._pending = self._read(max(chunk_bytes, len(_BYTE_ORDER_MARK))).removeprefix(_BYTE_ORDER_MARK)
        except BaseException:
            self.close()
            raise

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(f"{self.name} is not a gzip file, or is damaged or cut off: {error}") from error
        except OSError as error:
            raise unreadable(self.name, error) from error

    def skip(self, blank: bytes) -> bytes:
        """Drop the leading bytes that are among `blank`, and show, without taking them, the bytes that follow.

        Raises:
            UserError: nothing follows.
        """
        while True:
            rest = self._pending.lstrip(blank)
            self.lines_skipped += self._pending.count(b"\n", 0, len(self._pending) - len(rest))
            self._pending = rest or self._read(self.chunk_bytes)
            if rest:
                return rest
            if not self._pending:
                raise UserError(f"{self.name} is empty")

    def read(self, size: int = 0) -> bytes:
        """The next bytes, about `size` or a chunk of them, whichever is more; none at the end."""
        if self._pending:
            chunk, self._pending = self._pending, b""
            return chunk
        return self._read(max(size, self.chunk_bytes))

    def chunks(self) -> Iterator[bytes]:
        """The rest of the stream, piece by piece."""
        while chunk := self.read():
            yield chunk

    def close(self) -> None:
        """Close the file; standard input stays open."""
        if self._closes:
            self._stream.close()

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _open_bytes(path: Path | None, *, gzipped: bool) -> IO[bytes]:
    if path is None:
        return _standard_input()
    try:
        if gzipped:
            return cast(IO[bytes], gzip.open(path))  # reads the concatenated members that bgzip writes, too
        return path.open("rb")
    except OSError as error:
        raise unreadable(str(path), error) from error


def _standard_input() -> IO[bytes]:
    """A reader of standard input of our own.

    When the program ends, Python wants the lock of its own reader, and would fail where a thread waits for input in it.
    """
    try:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    except io.UnsupportedOperation:  # something in memory stands in for it
        return sys.stdin.buffer
