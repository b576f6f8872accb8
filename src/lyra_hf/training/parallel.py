"""Many runs beside each other: commands in processes of one thread each, as many at a time as there are cores.

The steps of a small model are too short to be shared among cores; several runs fill them, and one thread per run gives
equal bits on machines of any size. To import the libraries takes longer than many a run, so that runs are forked from a
process that has done it, where the system is made for that.
"""

import hashlib
import json
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from ..checkpoints.folders import write_text
from ..errors import UserError
from .finetune import REPORT_FILE
from .server import ServedProcess, Server, python_command

LOG_FILE = "log.txt"
DATA_FILE = "data.json"  # the digest of each file that a run reads, as it was when the run started
_TOLD = "lyra-hf: "  # begins the line in which the command line says what is wrong
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
# Windows cannot fork, and system libraries of macOS that numpy and torch use may crash where they are used in a fork.
_FORKS = sys.platform == "linux"
_RUN_MODULE = "import runpy; del sys.argv[0]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
_Process: TypeAlias = ServedProcess | subprocess.Popen[str]


@dataclass(frozen=True)
class Run:
    """A run to be made.

    Attributes:
        name: what it is called in messages.
        command: a module, run as by `python -m`, and its arguments; it writes a training report into the folder as the
            last thing it does.
        folder: where it writes; what it says on standard error is kept there too.
        data: the files that it reads; a finished run is not taken for one on other contents.
    """

    name: str
    command: tuple[str, ...]
    folder: Path
    data: tuple[Path, ...] = ()

    @property
    def is_finished(self) -> bool:
        """Whether the folder holds the report."""
        return (self.folder / REPORT_FILE).is_file()

    def report(self) -> dict[str, Any]:
        """The report of the finished run."""
        report: dict[str, Any] = json.loads((self.folder / REPORT_FILE).read_text(encoding="utf-8"))
        return report


class Watcher(Protocol):
    """Is told how the runs get on, from several threads."""

    def started(self, run: Run) -> None:
        """A run starts, or goes on."""

    def said(self, run: Run, line: str) -> None:
        """A run has written a line to standard error."""

    def ended(self, run: Run, failure: str | None) -> None:
        """A run is finished, or has failed for a reason told in one line."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(runs: Sequence[Run], watcher: Watcher, jobs: int | None = None) -> dict[str, str]:
    """Make the runs. What is finished is not done again; what was broken off is started again, to go on by itself.

    Args:
        runs: the runs, each with a name and a folder of its own.
        watcher: is told how they get on.
        jobs: how many at a time; as many as there are cores unless told.

    Returns:
        Of the runs that failed, by name, the reason in one line.

    Raises:
        UserError: a folder holds a finished run of another command, or on another content of its files.
    """
    digests = {path: _digest(path) for run in runs for path in run.data}
    for run in runs:
        if run.is_finished:
            _check_finished(run, digests)
    failures: dict[str, str] = {}
    with _Processes() as processes, ThreadPoolExecutor(jobs or cores()) as pool:
        futures = {pool.submit(_make, run, watcher, processes, digests): run.name for run in runs}
        try:
            for future in as_completed(futures):
                failure = future.result()
                if failure is not None:
                    failures[futures[future]] = failure
        except BaseException:  # Ctrl-C above all
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise
    return failures


class _Processes:
    """The processes that are running; once they have been ended, no further one starts. A context around their use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: list[_Process] = []
        self._server: Server | None = None
        self.ended = False

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *error: object) -> None:
        self._close_server()

    def start(self, command: Sequence[str]) -> _Process | None:
        with self._lock:
            if self.ended:
                return None
            environment = {**os.environ, **_THREADS}
            if _FORKS:
                self._server = self._server or Server(environment)
                process: _Process = self._server.start(command)
            else:
                process = _start_afresh(command, environment)
            self._running.append(process)
            return process

    def end(self) -> None:
        with self._lock:
            self.ended = True
            for process in self._running:
                process.terminate()
            self._close_server()  # it may still be importing, and the runs be waiting for that

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def _start_afresh(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*python_command(_RUN_MODULE), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env=environment,
        start_new_session=True,  # Ctrl-C is for this process alone, which then ends the others
    )


def _check_finished(run: Run, digests: Mapping[Path, str]) -> None:
    """Refuse a finished run that the command and the files of today would not give again."""
    rest = "delete that folder, or name another one"
    if _logged_command(run) != _title(run):
        raise UserError(f"{run.folder} holds a finished run of another command; {rest}")
    try:
        known = json.loads((run.folder / DATA_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:  # a run from before there was such a file
        return
    for path in run.data:
        if known.get(str(path), digests[path]) != digests[path]:
            raise UserError(f"{run.folder} holds a finished run on {path} as it was before it changed; {rest}")


def _digest(path: Path) -> str:
    """Of a file's content; of a file that cannot be read, which the run will say, the empty string."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()


def _make(run: Run, watcher: Watcher, processes: _Processes, digests: Mapping[Path, str]) -> str | None:
    """Make a run unless it is finished; the reason if it fails."""
    failure = None
    if not run.is_finished:
        watcher.started(run)
        run.folder.mkdir(parents=True, exist_ok=True)
        write_text(run.folder / DATA_FILE, json.dumps({str(path): digests[path] for path in run.data}) + "\n")
        try:
            process = processes.start(run.command)
        except OSError as error:
            failure = f"{run.command[0]}: {error.strerror}"
        else:
            failure = _follow(run, watcher, process) if process is not None else "not started"
    if not processes.ended:  # what the user has broken off has not failed
        watcher.ended(run, failure)
    return failure


def _follow(run: Run, watcher: Watcher, process: _Process) -> str | None:
    """Pass on and log what a run says until it ends; the reason if it fails."""
    last = ""
    with process, (run.folder / LOG_FILE).open("w", encoding="utf-8") as log:
        try:
            log.write(_title(run) + "\n")
            for line in process.stderr or ():
                log.write(line)
                log.flush()
                last = line.strip() or last
                watcher.said(run, line.strip())
        except BaseException:
            process.terminate()  # or leaving it would wait for its end
            raise
    if isinstance(process, ServedProcess):
        last = last or process.note
    if process.returncode == 0 and run.is_finished:
        return None
    if last.startswith(_TOLD):
        return last.removeprefix(_TOLD)
    return f"ended with status {process.returncode} and without a report" + (f" ({last})" if last else "")


def _title(run: Run) -> str:
    """The first line of a run's log; without the interpreter, which may lie elsewhere the next time."""
    return "$ " + shlex.join(("-m", *run.command)).replace("\n", "\\n")


def _logged_command(run: Run) -> str | None:
    try:
        with (run.folder / LOG_FILE).open(encoding="utf-8") as log:
            return log.readline().rstrip("\n")
    except FileNotFoundError:
        return None
