"""A Hub on loopback: what huggingface_hub's client asks of one for models, kept in memory, with faults on request.

    with LoopbackHub() as hub:
        ...  # HF_ENDPOINT=hub.url, HF_TOKEN=hub.token, HF_HUB_DISABLE_XET=1, HF_HOME=an empty folder

Run as a program it serves until it is ended, and writes its address.
"""

import base64
import hashlib
import json
import re
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlparse

import yaml

OWNER = "tester"
ORGANISATIONS = ("lyra-org",)  # where the owner may write, too
TOKEN = "hf_owner"
_LARGE = (".safetensors", ".onnx", ".bin", ".gz")  # what git keeps as LFS objects
_LARGE_SIZE = 10 * 2**20
_NAME = r"(?P<name>[^/]+/[^/]+)"


@dataclass(frozen=True)
class Blob:
    """The content of a file."""

    content: bytes
    is_large: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def git_sha(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_large else self.git_sha


Files = dict[str, Blob]


@dataclass
class Repository:
    """A model's repository: commits by their hash, and the branches and tags that point to them."""

    private: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files, message: str, branch: str = "main") -> str:
        names = sorted((path, blob.sha256) for path, blob in files.items())
        told = json.dumps([len(self.commits), message, names])
        sha = hashlib.sha1(told.encode()).hexdigest()
        self.commits[sha] = files
        self.messages.append(message)
        self.refs[branch] = sha
        return sha

    def find(self, revision: str | None) -> str | None:
        """The hash of a branch, a tag or a commit."""
        revision = revision or "main"
        return self.refs.get(revision, revision if revision in self.commits else None)

    @property
    def files(self) -> Files:
        return self.commits[self.refs["main"]]


@dataclass
class Fault:
    """What goes wrong with requests whose method and path match.

    Attributes:
        pattern: matches "METHOD /path" from its beginning.
        status: answer with this, and with `error` as the message.
        drop: read half of the body, then close the connection.
        delay: seconds before the answer.
        times: how many requests; all unless told.
    """

    pattern: str
    status: int | None = None
    error: str = "out of order"
    drop: bool = False
    delay: float = 0.0
    times: int | None = None

    def strikes(self, request: str) -> bool:
        if self.times == 0 or not re.match(self.pattern, request):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class LoopbackHub:
    """The server, and what it holds; a context in which it serves."""

    def __init__(self, port: int = 0) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, Blob] = {}
        self.faults: list[Fault] = []
        self.requests: list[str] = []  # "METHOD /path", in order
        self.token = TOKEN
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
        self._server.daemon_threads = True
        self._server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "LoopbackHub":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def put(self, name: str, files: dict[str, bytes]) -> Repository:
        """Have a repository hold these files and no others, whatever they are called."""
        repository = self.repositories.setdefault(name, Repository())
        repository.commit(
            {path: Blob(content, _is_large(path, len(content))) for path, content in files.items()}, "put"
        )
        return repository

    def environment(self, home: Any) -> dict[str, str]:
        """What a process needs to take this for the Hub."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.token,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


class _Refusal(Exception):
    """An answer with an error, as the Hub words them."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> LoopbackHub:
        return self.server.hub  # type: ignore[attr-defined]

    @property
    def is_owner(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def log_message(self, *_: Any) -> None:
        """Nothing on standard error."""

    def handle_request(self) -> None:
        """Find what answers a request, after the faults that it shall meet."""
        url = urlparse(self.path)
        request = f"{self.command} {url.path}"
        with self.hub.lock:
            self.hub.requests.append(request)
            fault = next((fault for fault in self.hub.faults if fault.strikes(request)), None)
        if fault is not None and fault.drop:
            self.drop()
            return
        body = self.read_body()
        try:
            if fault is not None:
                self.hub.closing.wait(fault.delay)
                if fault.status is not None:
                    raise _Refusal(fault.status, "", fault.error)
            for pattern, answer in _ROUTES:
                if match := re.fullmatch(pattern, request):
                    with self.hub.lock:
                        answer(self, {key: unquote(value or "") for key, value in match.groupdict().items()}, body)
                    return
            raise _Refusal(404, "NotFound", f"no route {request}")
        except _Refusal as refusal:
            headers = {"X-Error-Message": refusal.message} | ({"X-Error-Code": refusal.code} if refusal.code else {})
            self.answer({"error": refusal.message}, refusal.status, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

    def drop(self) -> None:
        """Take in half of what comes, and hang up."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(pieces)

    def answer(self, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send bytes as they are, and anything else as JSON."""
        is_raw = isinstance(content, bytes)
        body = content if is_raw else json.dumps(content).encode()
        self.send_response(status)
        kind = "application/octet-stream" if is_raw else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def need_owner(self, namespace: str | None = None) -> None:
        """Refuse who is not known, and who is known and has no right to write under a name."""
        if not self.is_owner:
            raise _Refusal(401, "", "Invalid credentials in Authorization header")
        if namespace is not None and namespace not in (OWNER, *ORGANISATIONS):
            raise _Refusal(403, "", f'You don\'t have the rights to write under the namespace "{namespace}"')

    def repository(self, name: str, write: bool = False) -> Repository:
        found = self.hub.repositories.get(name)
        if found is None or (found.private and not self.is_owner):
            raise _Refusal(404 if self.is_owner else 401, "RepoNotFound", "Repository not found")
        if write:
            self.need_owner(name.split("/")[0])
        return found

    def commit_of(self, name: str, revision: str | None) -> tuple[Repository, str]:
        repository = self.repository(name)
        sha = repository.find(revision)
        if sha is None:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return repository, sha


def _whoami(handler: _Handler, _: dict[str, str], __: bytes) -> None:
    handler.need_owner()
    organisations = [{"type": "org", "name": name, "roleInOrg": "admin"} for name in ORGANISATIONS]
    token = {"type": "access_token", "accessToken": {"displayName": "tests", "role": "write"}}
    handler.answer({"type": "user", "id": "1", "name": OWNER, "orgs": organisations, "auth": token})


def _validate_yaml(handler: _Handler, _: dict[str, str], body: bytes) -> None:
    """The front matter is YAML; the rules that the Hub has beside are few here."""
    content = json.loads(body)["content"]
    warnings = [] if content.startswith("---\n") else [{"message": "empty or missing yaml metadata in repo card"}]
    errors = [] if warnings else _card_errors(content)
    told = {"errors": [{"message": error} for error in errors], "warnings": warnings}
    handler.answer(told, 400 if errors else 200)


def _card_errors(content: str) -> list[str]:
    if not content.startswith("---\n") or "\n---" not in content[4:]:
        return ["no front matter"]
    try:
        data = yaml.safe_load(content[4:].split("\n---", 1)[0])
    except yaml.YAMLError as error:
        return [f"bad YAML: {str(error).splitlines()[0]}"]
    if not isinstance(data, dict):
        return ["the front matter is no mapping"]
    errors = [
        f'"{key}" must be a string'
        for key in ("library_name", "pipeline_tag")
        if not isinstance(data.get(key, ""), str)
    ]
    if not all(isinstance(tag, str) for tag in data.get("tags") or []):
        errors.append('"tags" must be strings')
    for model in data.get("model-index") or []:
        for result in model.get("results", []):
            for key in ("task", "dataset", "metrics"):
                if key not in result:
                    errors.append(f'"model-index": a result has no "{key}"')
    return errors


def _create(handler: _Handler, _: dict[str, str], body: bytes) -> None:
    asked = json.loads(body)
    namespace = asked.get("organization") or OWNER
    handler.need_owner(namespace)
    name = f"{namespace}/{asked['name']}"
    address = {"url": f"{handler.hub.url}/{name}", "name": name, "id": name}
    if name in handler.hub.repositories:
        handler.answer({"error": "You already created this model repo", **address}, 409)
        return
    repository = handler.hub.repositories[name] = Repository(private=asked.get("visibility") == "private")
    repository.commit({}, "initial commit")
    handler.answer(address)


def _delete(handler: _Handler, _: dict[str, str], body: bytes) -> None:
    asked = json.loads(body)
    name = f"{asked.get('organization') or OWNER}/{asked['name']}"
    handler.repository(name, write=True)
    del handler.hub.repositories[name]
    handler.answer({})


def _lfs_batch(handler: _Handler, found: dict[str, str], body: bytes) -> None:
    handler.repository(found["name"], write=True)
    objects = []
    for asked in json.loads(body)["objects"]:
        known = asked["oid"] in handler.hub.large
        actions = {} if known else {"actions": {"upload": {"href": f"{handler.hub.url}/lfs/{asked['oid']}"}}}
        objects.append({"oid": asked["oid"], "size": asked["size"], **actions})
    handler.answer({"transfer": "basic", "objects": objects})


def _lfs_put(handler: _Handler, found: dict[str, str], body: bytes) -> None:
    blob = Blob(body, is_large=True)
    if blob.sha256 != found["oid"]:
        raise _Refusal(400, "", "the content has another SHA-256")
    handler.hub.large[blob.sha256] = blob
    handler.answer(b"")


def _preupload(handler: _Handler, found: dict[str, str], body: bytes) -> None:
    repository, sha = handler.commit_of(found["name"], found["revision"])
    handler.repository(found["name"], write=True)
    files = []
    for asked in json.loads(body)["files"]:
        mode = "lfs" if _is_large(asked["path"], asked["size"]) else "regular"
        old = repository.commits[sha].get(asked["path"])
        known = {} if old is None else {"oid": old.etag}
        files.append({"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, **known})
    handler.answer({"files": files})


def _commit(handler: _Handler, found: dict[str, str], body: bytes) -> None:
    """All operations or none: nothing is kept before the last was understood."""
    repository, sha = handler.commit_of(found["name"], found["revision"])
    handler.repository(found["name"], write=True)
    files, message = dict(repository.commits[sha]), ""
    for line in body.splitlines():
        operation = json.loads(line)
        value = operation["value"]
        if operation["key"] == "header":
            message = value["summary"]
        elif operation["key"] == "file":
            files[value["path"]] = Blob(base64.b64decode(value["content"]), is_large=False)
        elif operation["key"] == "lfsFile":
            if value["oid"] not in handler.hub.large:
                raise _Refusal(400, "", f"LFS object {value['oid']} was not uploaded")
            files[value["path"]] = handler.hub.large[value["oid"]]
        elif operation["key"] == "deletedFile":
            files.pop(value["path"], None)
    made = repository.commit(files, message, found["revision"])
    address = f"{handler.hub.url}/{found['name']}/commit/{made}"
    handler.answer({"success": True, "commitOid": made, "commitUrl": address, "hookOutput": ""})


def _branch(handler: _Handler, found: dict[str, str], body: bytes) -> None:
    repository = handler.repository(found["name"], write=True)
    if found["revision"] in repository.refs:
        raise _Refusal(409, "", "Reference already exists")
    start = json.loads(body or b"{}").get("startingPoint")
    repository.refs[found["revision"]] = repository.find(start) or repository.refs["main"]
    handler.answer({})


def _info(handler: _Handler, found: dict[str, str], _: bytes) -> None:
    repository, sha = handler.commit_of(found["name"], found.get("revision"))
    files = repository.commits[sha]
    told = {
        "_id": "0" * 24,
        "id": found["name"],
        "modelId": found["name"],
        "author": found["name"].split("/")[0],
        "sha": sha,
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "siblings": [{"rfilename": path} for path in sorted(files)],
    }
    handler.answer({**told, **_told_by_files(files)})


def _told_by_files(files: Files) -> dict[str, Any]:
    """What the Hub reads in a repository's card and configuration."""
    card: dict[str, Any] = {}
    if "README.md" in files and not _card_errors(text := files["README.md"].content.decode()):
        card = yaml.safe_load(text[4:].split("\n---", 1)[0])
    told = {"cardData": card, "tags": card.get("tags") or []}
    return told | {key: card[key] for key in ("pipeline_tag", "library_name") if key in card}


def _tree(handler: _Handler, found: dict[str, str], _: bytes) -> None:
    repository, sha = handler.commit_of(found["name"], found["revision"])
    entries = []
    for path, blob in sorted(repository.commits[sha].items()):
        entry = {"type": "file", "path": path, "size": len(blob.content), "oid": blob.git_sha}
        if blob.is_large:
            entry["lfs"] = {"oid": blob.sha256, "size": len(blob.content), "pointerSize": 134}
        entries.append(entry)
    handler.answer(entries)


def _commits(handler: _Handler, found: dict[str, str], _: bytes) -> None:
    repository, _sha = handler.commit_of(found["name"], found["revision"])
    made = zip(repository.commits, repository.messages, strict=True)
    told = {"message": "", "authors": [{"user": OWNER}], "date": "2026-01-01T00:00:00.000Z"}
    handler.answer([{"id": sha, "title": message, **told} for sha, message in made][::-1])


def _refs(handler: _Handler, found: dict[str, str], _: bytes) -> None:
    refs = handler.repository(found["name"]).refs
    branches = [{"name": name, "ref": f"refs/heads/{name}", "targetCommit": sha} for name, sha in refs.items()]
    handler.answer({"branches": branches, "converts": [], "tags": []})


def _resolve(handler: _Handler, found: dict[str, str], _: bytes) -> None:
    repository, sha = handler.commit_of(found["name"], found["revision"])
    blob = repository.commits[sha].get(found["path"])
    if blob is None:
        raise _Refusal(404, "EntryNotFound", "Entry not found")
    size, etag = str(len(blob.content)), f'"{blob.etag}"'
    headers = {"ETag": etag, "X-Linked-Etag": etag, "X-Linked-Size": size, "X-Repo-Commit": sha}
    handler.answer(blob.content, headers=headers)


def _is_large(path: str, size: int) -> bool:
    return path.endswith(_LARGE) or size > _LARGE_SIZE


_ROUTES: list[tuple[str, Callable[[_Handler, dict[str, str], bytes], None]]] = [
    (r"GET /api/whoami-v2", _whoami),
    (r"POST /api/validate-yaml", _validate_yaml),
    (r"POST /api/repos/create", _create),
    (r"DELETE /api/repos/delete", _delete),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _lfs_batch),
    (r"PUT /lfs/(?P<oid>[0-9a-f]{64})", _lfs_put),
    (rf"POST /api/models/{_NAME}/preupload/(?P<revision>[^/]+)", _preupload),
    (rf"POST /api/models/{_NAME}/commit/(?P<revision>[^/]+)", _commit),
    (rf"POST /api/models/{_NAME}/branch/(?P<revision>[^/]+)", _branch),
    (rf"GET /api/models/{_NAME}/tree/(?P<revision>[^/]+)(?:/.*)?", _tree),
    (rf"GET /api/models/{_NAME}/commits/(?P<revision>[^/]+)", _commits),
    (rf"GET /api/models/{_NAME}/refs", _refs),
    (rf"GET /api/models/{_NAME}(?:/revision/(?P<revision>[^/]+))?", _info),
    (rf"(?:GET|HEAD) /{_NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _resolve),
]


if __name__ == "__main__":
    with LoopbackHub(int(sys.argv[1]) if len(sys.argv) > 1 else 0) as served:
        sys.stdout.write(served.url + "\n")
        sys.stdout.flush()
        threading.Event().wait()
