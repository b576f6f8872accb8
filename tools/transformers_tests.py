"""Gets the model tests of the installed transformers: they are in its source distribution, not in the wheel.

    python tools/transformers_tests.py [FOLDER]

They are written as a package `transformers_tests` into the folder, .cache/transformers unless told, with stand-ins for
what the distribution leaves out. Where they are there already, nothing is done; where there is no network, it says so
and ends with status 1.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import transformers

ROOT = Path(__file__).parents[1]
PACKAGE = "transformers_tests"
# What the tests import and the distribution lacks; none of it is about models such as ours.
STAND_INS = {
    "exporters/test_export.py": "class ExportTesterMixin:\n    pass\n",
    "generation/test_utils.py": "class GenerationTesterMixin:\n    pass\n",
    "utils/test_configuration_utils.py": "config_common_kwargs = {}\n",
}


def fetch(folder: Path) -> Path:
    """Write the package of the installed version's tests, unless it is there; returns its folder.

    Raises:
        subprocess.CalledProcessError: the distribution cannot be fetched.
    """
    version = transformers.__version__
    package = folder / version / PACKAGE
    if package.is_dir():
        return package
    with tempfile.TemporaryDirectory() as temporary:
        command = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "transformers", "--dest", temporary]
        subprocess.run([sys.executable, *command, f"transformers=={version}"], check=True)
        (archive,) = Path(temporary).glob("transformers-*.tar.gz")
        beside = package.with_name(f".{PACKAGE}")
        beside.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for member in tar.getmembers():
                parts = Path(member.name).parts
                if member.isfile() and len(parts) == 3 and parts[1] == "tests" and parts[2].endswith(".py"):
                    content = tar.extractfile(member)
                    assert content is not None
                    (beside / parts[2]).write_bytes(content.read())
    for name, text in {"__init__.py": "", **STAND_INS}.items():
        path = beside / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        (path.parent / "__init__.py").touch()
    beside.replace(package)
    return package


def main() -> None:
    """Fetch them, or say why not."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".cache" / "transformers"
    try:
        fetch(folder)
    except subprocess.CalledProcessError:
        sys.exit("transformers' own model tests cannot be fetched (no network?); tests/transformers is skipped")


if __name__ == "__main__":
    main()
