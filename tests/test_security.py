"""What SECURITY.md promises: no pickles, no code from data, no network where none is needed."""

import ast
import socket
from pathlib import Path

import pytest

import lyra_hf
from lyra_hf.cli import main

SOURCES = sorted(Path(lyra_hf.__file__).parent.rglob("*.py"))
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def names_imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def called(node):
    """ "torch.load" of torch.load(...), "eval" of eval(...)."""
    return ast.unparse(node.func)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_no_pickles_and_no_code_from_text(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not {name.partition(".")[0] for name in names_imported(tree)} & FORBIDDEN_MODULES
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name, keywords = called(node), {word.arg: word.value for word in node.keywords}
        assert name not in FORBIDDEN_CALLS
        assert name not in ("torch.save", "yaml.load", "yaml.unsafe_load", "os.system")
        assert "allow_pickle" not in keywords
        assert not (isinstance(keywords.get("shell"), ast.Constant) and keywords["shell"].value)
        if name == "torch.load":  # the authors' checkpoints, by `lyra-hf convert`
            assert keywords["weights_only"].value is True


def test_predict_asks_no_network(tmp_path, monkeypatch, capsys):
    def refuse(*args, **kwargs):
        raise AssertionError(f"a connection to {args}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    (tmp_path / "guides.csv").write_text("sequence\n" + "ACGTT" * 6 + "\n")
    with pytest.raises(SystemExit) as ended:
        main(["predict", "lyra-cas9", str(tmp_path / "guides.csv")])
    assert not ended.value.code
    assert len(capsys.readouterr().out.splitlines()) == 2
