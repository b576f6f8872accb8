"""`lyra-hf pull` with huggingface_hub's own client: what it takes, and what it refuses."""

import json

import pytest
from small_models import build
from support.loopback_hub import Fault
from transformers import AutoTokenizer, BertConfig

from lyra_hf import LyraForRegression, LyraForTokenClassification, LyraModel, Predictor
from lyra_hf.hub import push

KEPT = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md"}
NAME = "lyra-org/guides"


@pytest.fixture
def files(tmp_path):
    """The files of a whole repository, by name."""
    build(LyraForRegression).save_pretrained(tmp_path / "whole")
    return {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}


def refused(result):
    """The one line on standard error of a command that failed by the user's or the Hub's fault."""
    status, out, err = result
    assert (status, out) == (2, ""), err
    assert err.count("\n") == 1, err
    return err


def write(folder, files):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
@pytest.mark.parametrize("fields", [{"ensemble_size": 2}, {"num_labels": 2}])
def test_what_was_pushed_predicts_the_same_with_no_network(names, lyra, monkeypatch, fields):
    monkeypatch.setattr(push, "add_serving", lambda model, folder, name: None)
    name = names.new("pulled")
    build(LyraForTokenClassification, **fields).save_pretrained("mine")
    assert lyra("push", "mine", name)[0] == 0
    status, out, err = lyra("pull", name)
    assert (status, out) == (0, ""), err
    folder = name.split("/")[1]
    assert f"lyra-hf predict {folder}" in err
    sequences = ["ACGT", "GGN"]
    with monkeypatch.context() as offline:
        offline.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        found = Predictor(folder)(sequences)
    for one, expected in zip(found, Predictor("mine")(sequences), strict=True):
        assert (one == expected).all()


def test_code_and_whatever_else_is_there_stays_there(loopback, files, lyra, tmp_path):
    loopback.put(NAME, {**files, "evil.py": b"", "handler.py": b"", "model.onnx": b"", "../up": b"", "a/b": b""})
    assert lyra("pull", NAME, "-o", "deep/inside")[0] == 0
    assert {path.name for path in (tmp_path / "deep" / "inside").iterdir()} == KEPT
    assert not (tmp_path / "deep" / "up").exists()
    asked = {request.rsplit("/", 1)[-1] for request in loopback.requests if "/resolve/" in request}
    assert asked == {"config.json", "model.safetensors", "README.md"}


def test_the_tokenizer_is_that_of_the_alphabet(loopback, files, lyra):
    """One with letters exchanged would give other numbers without a word."""
    swapped = json.loads(files["tokenizer.json"])
    vocabulary = swapped["model"]["vocab"]
    vocabulary["A"], vocabulary["C"] = vocabulary["C"], vocabulary["A"]
    loopback.put(NAME, {**files, "tokenizer.json": json.dumps(swapped).encode(), "tokenizer_config.json": b"[" * 10**5})
    assert lyra("pull", NAME)[0] == 0
    assert AutoTokenizer.from_pretrained("guides")("ACGT")["input_ids"] == [2, 3, 4, 5]


def test_a_revision(loopback, files, lyra):
    first = loopback.put(NAME, files).find("main")
    loopback.put(NAME, {**files, "model.safetensors": b"damaged since"})
    assert lyra("pull", NAME, "--revision", first)[0] == 0
    assert "model.safetensors" in refused(lyra("pull", NAME, "-o", "other"))
    assert "no such revision" in refused(lyra("pull", NAME, "-o", "other", "--revision", "v2"))


class TestRefusals:
    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, tmp_path, monkeypatch):
        work = tmp_path / "work"
        work.mkdir()
        yield
        assert list(work.iterdir()) == []

    @pytest.fixture
    def pull(self, lyra, tmp_path):
        return lambda name=NAME: refused(lyra("pull", name, "-o", tmp_path / "work" / "deep" / "guides"))

    @pytest.mark.parametrize("name", ["../guides", "lyra-org/..", "a b/c", "guides", "https://x/a/b", "/etc/passwd"])
    def test_names_that_are_not_allowed(self, loopback, pull, name):
        assert "give ORG/NAME" in pull(name)
        assert loopback.requests == []

    def test_what_is_not_there(self, loopback, pull):
        assert f"{NAME}: there is no such repository" in pull()

    def test_what_is_private(self, loopback, files, pull, monkeypatch):
        loopback.put(NAME, files).private = True
        monkeypatch.delenv("HF_TOKEN")
        assert "or it is private" in pull()

    def test_no_model(self, loopback, pull):
        loopback.put(NAME, {"README.md": b"hello"})
        assert f"{NAME} has no config.json, so it holds no model" in pull()

    def test_another_model(self, loopback, files, pull, tmp_path):
        BertConfig().save_pretrained(tmp_path / "bert")
        loopback.put(NAME, {**files, "config.json": (tmp_path / "bert" / "config.json").read_bytes()})
        assert f"{NAME}/config.json: model_type is 'bert'; this package runs 'lyra' models" in pull()
        assert not [request for request in loopback.requests if "safetensors" in request]

    def test_no_head(self, loopback, pull, tmp_path):
        build(LyraModel).save_pretrained(tmp_path / "base")
        loopback.put(NAME, {path.name: path.read_bytes() for path in (tmp_path / "base").iterdir()})
        assert f"{NAME}/config.json: architectures is ['LyraModel']" in pull()

    @pytest.mark.parametrize("pickle", ["pytorch_model.bin", "weights.pt", "last.ckpt"])
    def test_a_pickle(self, loopback, files, pull, pickle):
        del files["model.safetensors"]
        loopback.put(NAME, {**files, pickle: b"\x80\x04."})
        assert f"{NAME}/{pickle}: a pickle, which can run any code" in pull()
        assert not [request for request in loopback.requests if pickle in request]

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"num_hidden_layers": 10**7}, "num_hidden_layers must be at most"),
            ({"ensemble_size": 10**7}, "ensemble_size must be at most"),
            ({"num_labels": 10**9, "id2label": None, "label2id": None}, "num_labels must be at most"),
            ({"hidden_size": 10**6, "state_size": 10**6}, "hidden_size must be at most"),
            ({"hidden_size": 60_000, "state_size": 60_000, "pgc_hidden_sizes": [60_000] * 9}, "it does not fit"),
            ({"num_hidden_layers": 500}, "it does not fit"),
            ({"id2label": {"0": "<b>\u001b[31mred"}}, "control character"),
            ({"id2label": {"0": "a\u202eb"}}, "control character"),
        ],
        ids=str,
    )
    def test_what_would_take_all_memory_or_all_day(self, loopback, files, pull, fields, words):
        config = json.loads(files["config.json"]) | fields
        loopback.put(NAME, {**files, "config.json": json.dumps(config).encode()})
        said = pull()
        assert words in said or "its config.json asks for" in said
        assert said[:-1].isprintable()

    def test_a_configuration_without_a_bottom(self, loopback, files, pull):
        loopback.put(NAME, {**files, "config.json": b"[" * 10**5})
        assert f"{NAME}/config.json: cannot be read as JSON" in pull()

    def test_no_weights(self, loopback, files, pull):
        del files["model.safetensors"]
        loopback.put(NAME, files)
        assert f"{NAME} has no model.safetensors" in pull()

    @pytest.mark.parametrize("damage", [lambda content: content[:-5], lambda content: b"../../../etc/passwd"])
    def test_damaged_weights(self, loopback, files, pull, damage):
        """Cut short, or what git has in place of a link to elsewhere."""
        loopback.put(NAME, {**files, "model.safetensors": damage(files["model.safetensors"])})
        assert f"{NAME}/model.safetensors: not a safetensors file, or cut short" in pull()

    def test_weights_of_another_shape(self, loopback, files, pull):
        config = json.loads(files["config.json"]) | {"hidden_size": 12}
        loopback.put(NAME, {**files, "config.json": json.dumps(config).encode()})
        assert "its config.json asks for" in pull()

    @pytest.mark.parametrize("fault", [Fault("GET .*/resolve/.*safetensors", drop=True), Fault("GET /api", status=503)])
    def test_a_hub_that_fails(self, loopback, files, pull, fault, lyra):
        loopback.put(NAME, files)
        loopback.faults = [fault]
        said = pull()
        assert "run the same command again later" in said
        assert "nothing was written" in said

    def test_a_hub_that_is_down(self, loopback, pull, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        assert "the Hub at http://127.0.0.1:9 cannot be reached" in pull()


@pytest.mark.parametrize("kind", ["folder", "file", "link to nowhere"])
def test_nothing_is_written_over(loopback, files, lyra, tmp_path, kind):
    loopback.put(NAME, files)
    target = tmp_path / "guides"
    {
        "folder": target.mkdir,
        "file": target.touch,
        "link to nowhere": lambda: target.symlink_to(tmp_path / "elsewhere"),
    }[kind]()
    assert "guides exists: name another folder with -o" in refused(lyra("pull", NAME))
    assert loopback.requests == []
    assert not (tmp_path / "elsewhere").exists()


def test_predict_asks_nothing_of_the_hub_and_says_how_to_fetch(loopback, files, lyra, tmp_path):
    loopback.put(NAME, files)
    (tmp_path / "in.txt").write_text("ACGT\n")
    said = refused(lyra("predict", NAME, "in.txt"))
    assert f"there is no folder {NAME}; if it is a model on the Hub, fetch it first: lyra-hf pull {NAME}" in said
    assert loopback.requests == []
