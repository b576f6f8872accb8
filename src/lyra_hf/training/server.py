"""Runs of Python modules that start at once: a server has the libraries loaded and forks itself for each of them.

Three processes take part in a run. The program that wants it, by way of `Server`; the server, which is `main` here and
forks for every order; and that fork, the keeper of the run, which forks once more, for the run itself. The keeper
waits for the run's end and tells its status over a socket. Where the other end of that socket closes first, because it
was asked to or because the program that held it has died of whatever signal, the keeper ends the run. The server holds
nothing but imports, so that runs share no state, and the run leaves through the interpreter as any program does.

The server is no `multiprocessing` "forkserver": of that there is one per program, in the process group of the terminal,
with the environment that its first user had, and it imports the caller's script again for each process.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

_PRELOADED = (
    "lyra_hf.cli.app",
    "lyra_hf.cli.training",
    "lyra_hf.training.finetune",
    "scipy.stats",  # this and the next are else imported when the first metrics are computed
    "sklearn.metrics",
)
_LAST_BREATH = 1.0  # seconds
_LAST_BYTES = 4096
_UNKNOWN_STATUS = 255  # of a run whose keeper, or the server before it, was killed


def python_command(program: str) -> list[str]:
    """The command of a Python process that finds modules where this one finds them.

    Python itself would look in the current folder first, and take a user's `random.py` for the library.

    Args:
        program: the text of the program, after which its arguments may follow.
    """
    places = [place for place in sys.path if isinstance(place, str)]
    return [sys.executable, "-c", f"import sys; sys.path[:] = {places!r}; {program}"]


class ServedProcess:
    """A run as its parent sees it; has what `subprocess.Popen` has of the same names, and is a context as that is.

    Args:
        link: the socket to the keeper; nothing is sent on it after the command.
        stderr: file descriptor of what the run writes to standard error.
        last_words: gives the line with which the server has ended, if it has.

    Attributes:
        note: what is known of the end of a run that could not say it itself.
    """

    def __init__(self, link: socket.socket, stderr: int, last_words: Callable[[], str]) -> None:
        self._link, self._last_words = link, last_words
        self.stderr = os.fdopen(stderr, encoding="utf-8", errors="replace")
        self.returncode: int | None = None
        self.note = ""

    def terminate(self) -> None:
        """End the run with SIGTERM, unless it has ended."""
        with suppress(OSError):  # the link is closed, or its keeper gone
            self._link.shutdown(socket.SHUT_WR)  # the status is still to come the other way

    def __enter__(self) -> "ServedProcess":
        return self

    def __exit__(self, *error: object) -> None:
        """Wait for the end."""
        self.stderr.close()
        with self._link:
            try:
                status = self._link.recv(16)
            except ConnectionResetError:  # nobody has read the command
                status = b""
        if not status:
            self.note = self._last_words()
        self.returncode = int(status or _UNKNOWN_STATUS)


class Server:
    """The server as its parent sees it.

    Args:
        environment: environment variables of the runs, there before any library is loaded.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # no pipe, which would have to be read lest it fill up
        with theirs:
            self._process = subprocess.Popen(
                [*python_command(f"from {__name__} import main; main()"), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def start(self, command: Sequence[str]) -> ServedProcess:
        """Start a run, as soon as the libraries are loaded.

        Args:
            command: a module, run as by `python -m`, and its arguments.

        Raises:
            OSError: there are too many open files.
        """
        link, theirs = socket.socketpair()
        reader, writer = os.pipe()
        process = ServedProcess(link, reader, self._last_words)
        with (
            theirs,
            os.fdopen(writer, "wb"),
            suppress(ConnectionError),
        ):  # if it has died, the run ends before it starts
            socket.send_fds(self._control, [b"!"], [theirs.fileno(), writer])
            link.sendall(json.dumps(command).encode() + b"\n")
        return process

    def close(self) -> None:
        """End the server, but not the runs."""
        self._control.close()
        self._process.terminate()
        self._process.wait()
        self._said.close()

    def _last_words(self) -> str:
        """The last line that the server has written to standard error, if it has ended; else nothing."""
        try:
            self._process.wait(_LAST_BREATH)  # its sockets close before it ends
        except subprocess.TimeoutExpired:
            return ""
        said = os.pread(self._said.fileno(), _LAST_BYTES, max(0, os.fstat(self._said.fileno()).st_size - _LAST_BYTES))
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        return lines[-1] if lines else ""


def _serve(control: socket.socket) -> list[str] | None:
    """Fork a keeper for every order; None when the parent has gone. In a run, return: its command."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
    while True:
        _, descriptors, _, _ = socket.recv_fds(control, 1, 2)
        if not descriptors:
            return None
        if os.fork() == 0:
            control.close()
            link, stderr = descriptors
            return _keep(socket.socket(fileno=link), stderr)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(link: socket.socket, stderr: int) -> list[str]:
    """Fork a run and wait for its end; only in the run does this return, with its command."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # or the system would throw the status away
    with link.makefile(encoding="utf-8") as lines:
        command: list[str] = json.loads(lines.readline())
    run = os.fork()
    if run == 0:
        link.close()
        _settle(stderr)
        return command
    os.close(stderr)
    threading.Thread(target=_end_with, args=(link, run), daemon=True).start()
    _, status = os.waitpid(run, 0)
    with suppress(OSError):  # there may be nobody left to tell
        link.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _end_with(link: socket.socket, run: int) -> None:
    """End a run when the other end of its link closes."""
    link.recv(1)
    os.kill(run, signal.SIGTERM)


def _settle(stderr: int) -> None:
    """Give this process a session and standard streams of its own."""
    os.setsid()
    os.dup2(stderr, 2)
    os.close(stderr)


class _Leave:
    """Ends this process when all that was to be done at exit is done.

    To take the libraries apart object by object, as the interpreter does then, takes a fork seconds: memory that it
    shares with the server is copied as it is written to.
    """

    status = 1  # of a run that an exception ends

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(self.status)


def main() -> None:
    """Serve until the parent goes; in a run, do its work."""
    leave = _Leave()
    atexit.register(leave)  # before the libraries register anything: what comes first is called last
    for name in _PRELOADED:
        with suppress(Exception):  # a run that needs it will say what is wrong
            importlib.import_module(name)
    gc.freeze()  # or runs would look through all of that for garbage, which copies it
    command = _serve(socket.socket(fileno=int(sys.argv[1])))
    if command is not None:
        sys.argv = command
        try:
            runpy.run_module(command[0], run_name="__main__", alter_sys=True)
            leave.status = 0
        except SystemExit as end:
            leave.status = end.code if isinstance(end.code, int) else int(end.code is not None)
            raise
