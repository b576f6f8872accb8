"""A repository served over HTTP by the emulator of Inference Endpoints, in a process without this package."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Ask = Callable[[Any], tuple[int, Any]]
_START = """\
import sys
sys.modules["lyra_hf"] = None
from hf_endpoints_emulator.emulator import emulate
emulate(handler="handler.py", port={port})
"""
_PATIENCE = 120  # seconds until it listens


@contextmanager
def serving(folder: Path) -> Iterator[Ask]:
    """Serve a folder with a handler; yields a function that takes a request and gives status and answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home")}
    command = [sys.executable, "-c", _START.format(port=port)]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            _wait(server, port, folder / "server.log")
            yield lambda request: _ask(f"http://127.0.0.1:{port}/predict", request)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if server.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(log.read_text()[-2000:])


def _ask(address: str, request: Any) -> tuple[int, Any]:
    body = urllib.request.Request(
        address, data=json.dumps(request).encode(), headers={"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(body, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
