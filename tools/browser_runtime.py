"""Gets the runtime of the browser's page: onnxruntime-web, by npm, checked and laid where the page is made from.

    python tools/browser_runtime.py

Nothing is written unless the package has the integrity that is pinned here. The WebAssembly is compressed without name
and time, so that the same package gives the same bytes. npm's package holds no copy of its licence: that is taken from
the `onnxruntime` of this environment, made of the same sources, with the notices of what is compiled in.
"""

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "onnxruntime-web"
VERSION = "1.30.0"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
FOLDER = Path(__file__).parents[1] / "src" / "lyra_hf" / "export" / "browser" / "runtime"
# File of the package -> file of the page. Every web server knows what .js is; not every one knows .mjs.
FILES = {
    "dist/ort.wasm.bundle.min.mjs": "ort.wasm.bundle.min.js",
    "dist/ort-wasm-simd-threaded.wasm": "ort-wasm-simd-threaded.wasm.gz",
}
NOTICES = ("LICENSE", "ThirdPartyNotices.txt")


def main() -> None:
    """Download, check, write."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--pack-destination", folder, "--silent"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (archive,) = Path(folder).glob("*.tgz")
        check(archive.read_bytes())
        with tarfile.open(archive) as package:
            contents = {target: read(package, source) for source, target in FILES.items()}
    contents |= {name: notice(name) for name in NOTICES}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        FOLDER.joinpath(name).write_bytes(content)
    FOLDER.joinpath("runtime.json").write_text(json.dumps(provenance(contents), indent=2) + "\n", encoding="utf-8")


def check(archive: bytes) -> None:
    """End the program if the package is another than the one pinned."""
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if found != INTEGRITY:
        sys.exit(f"{PACKAGE} {VERSION}: the integrity is {found}, and {INTEGRITY} is pinned; nothing was written")


def read(package: tarfile.TarFile, source: str) -> bytes:
    """A file of the package, WebAssembly compressed."""
    stream = package.extractfile(f"package/{source}")
    assert stream is not None
    content = stream.read()
    return gzip.compress(content, 9, mtime=0) if source.endswith(".wasm") else content


def notice(name: str) -> bytes:
    """A licence text of the `onnxruntime` that is installed."""
    spec = find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        sys.exit("the licence texts are taken from onnxruntime: pip install onnxruntime")
    return Path(spec.origin).with_name(name).read_bytes()


def provenance(contents: dict[str, bytes]) -> dict[str, object]:
    """What the runtime is, and the digests of its files."""
    return {
        "package": PACKAGE,
        "version": VERSION,
        "license": "MIT",
        "integrity": INTEGRITY,
        "files": {
            target: {"from": source, "sha256": hashlib.sha256(contents[target]).hexdigest()}
            for source, target in FILES.items()
        },
    }


if __name__ == "__main__":
    main()
