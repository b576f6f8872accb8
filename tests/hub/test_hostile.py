"""Repositories that would run code, or break what reads them: nothing runs, and a message says why."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_models import build, random_ids
from support import hostile_loads
from support.hostile_loads import errors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

from lyra_hf import LyraConfig, LyraForRegression, LyraForTokenClassification, UserError
from lyra_hf.hub.pull import pull_model
from lyra_hf.inference.loading import load_model
from lyra_hf.publishing import AUTO_MAP

EVIL, OTHER = "evil/model", "evil/other"
AUTO_CLASSES = [AutoModel, AutoModelForSequenceClassification, AutoModelForTokenClassification]


@pytest.fixture(autouse=True)
def mark(tmp_path, monkeypatch):
    """A file that is there once something foreign has run; nobody is asked anything."""
    path = tmp_path / "mark"
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
    yield path
    assert not path.exists()


@pytest.fixture
def model():
    return build(LyraForRegression)


@pytest.fixture
def honest(model, tmp_path):
    """The files of a whole repository, by name."""
    model.save_pretrained(tmp_path / "honest")
    return {path.name: path.read_bytes() for path in (tmp_path / "honest").iterdir()}


def with_code(files, mark):
    """The same files, all code of which leaves the mark."""
    leaves = f"open({str(mark)!r}, 'w').close()\n".encode()
    return {name: leaves + content if name.endswith(".py") else content for name, content in files.items()}


def with_config(files, **fields):
    """The same files with further fields in the configuration."""
    return files | {"config.json": json.dumps(json.loads(files["config.json"]) | fields).encode()}


class Evil:
    """What leaves the mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def pickled(files, mark):
    """The same files with a pickle in place of the weights."""
    return {name: content for name, content in files.items() if name != "model.safetensors"} | {
        "pytorch_model.bin": pickle.dumps(Evil(mark))
    }


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return str(folder)


def test_the_marks_would_be_left(honest, tmp_path):
    """Else the tests below would show nothing."""
    path = tmp_path / "another mark"
    pickle.loads(pickle.dumps(Evil(path))).close()
    assert path.exists()
    path.unlink()
    exec(with_code(honest, path)["alphabets.py"], {"__name__": "anything"})
    assert path.exists()


class TestCode:
    @pytest.mark.parametrize("trust", [{}, {"trust_remote_code": True}], ids=["unasked", "trusted"])
    @pytest.mark.parametrize("elsewhere", [False, True], ids=["own code", "code of another repository"])
    def test_with_the_package_only_the_package_runs(self, loopback, honest, model, mark, trust, elsewhere):
        """Even for who says that the code may run."""
        files = with_code(honest, mark)
        if elsewhere:
            loopback.put(OTHER, files)
            files = with_config(files, auto_map={name: f"{OTHER}--{place}" for name, place in AUTO_MAP.items()})
        loopback.put(EVIL, files)
        ids = random_ids(2, 9)
        assert type(AutoConfig.from_pretrained(EVIL, **trust)) is LyraConfig
        found = AutoModelForSequenceClassification.from_pretrained(EVIL, **trust)
        assert torch.equal(found(ids).logits, model(ids).logits)
        assert AutoTokenizer.from_pretrained(EVIL, **trust)("AC")["input_ids"] == [2, 3]
        assert pipeline("text-classification", model=EVIL, **trust)("ACGT")[0]["label"] == "LABEL_0"
        assert not [request for request in loopback.requests if OTHER in request or request.endswith(".py")]

    def test_a_class_that_the_package_does_not_have(self, loopback, honest, mark):
        """Which is no reason to take the repository's."""
        auto_map = {**AUTO_MAP, "AutoModelForMaskedLM": "modeling_lyra.LyraModel"}
        loopback.put(EVIL, with_config(with_code(honest, mark), auto_map=auto_map))
        found = errors(EVIL)
        assert found.pop("AutoModelForMaskedLM").startswith("ValueError: Unrecognized configuration class")
        assert set(found.values()) == {None}

    def test_a_pipeline_of_its_own(self, loopback, mark, tmp_path):
        model = build(LyraForTokenClassification, num_labels=2, problem_type="regression")
        model.save_pretrained(tmp_path / "token")
        files = {path.name: path.read_bytes() for path in (tmp_path / "token").iterdir()}
        evil = {task: {"impl": "pipeline_lyra.Evil", "pt": ["AutoModel"]} for task in ("token-classification", "x")}
        loopback.put(EVIL, with_config(with_code(files, mark), custom_pipelines=evil))
        assert len(pipeline("token-classification", model=EVIL)("ACGT")) == 8

    def test_a_tokenizer_of_its_own(self, loopback, honest, mark):
        config = json.loads(honest["tokenizer_config.json"])
        for fields in (
            {"auto_map": {"AutoTokenizer": ["alphabets.Evil", "alphabets.Evil"]}},
            {"auto_map": {"AutoTokenizer": [None, f"{OTHER}--alphabets.Evil"]}, "tokenizer_class": "EvilTokenizer"},
        ):
            files = with_code(honest, mark) | {"tokenizer_config.json": json.dumps(config | fields).encode()}
            loopback.put(EVIL, files)
            assert AutoTokenizer.from_pretrained(EVIL)("ACGT")["input_ids"] == [2, 3, 4, 5]
            assert errors(EVIL)["pipeline"] is None

    def test_without_the_package_and_without_trust_nothing_runs(self, loopback, honest, mark, tmp_path):
        code = with_code(honest, mark)
        other = {name: f"{OTHER}--{place}" for name, place in AUTO_MAP.items()}
        loopback.put(OTHER, code)
        loopback.put("evil/own", code)
        loopback.put("evil/elsewhere", with_config(code, auto_map=other))
        loopback.put("evil/pickle", pickled(code, mark))
        names = ["evil/own", "evil/elsewhere", "evil/pickle"]
        found = errors_without_package(loopback, names, tmp_path)
        assert list(found) == names
        for name in names:
            # A tokenizer needs no code, and loads.
            assert found[name].pop("AutoTokenizer") is None
            for entry, error in found[name].items():
                assert "trust_remote_code=True" in error, (name, entry)
        assert not [request for request in loopback.requests if request.endswith(".py") or OTHER in request]


def errors_without_package(hub, names, folder):
    answer, job = folder / "answer.json", folder / "job.json"
    script = Path(hostile_loads.__file__)
    job.write_text(
        json.dumps({"directory": str(script.parent), "repositories": names, "answer": str(answer)}), encoding="utf-8"
    )
    base = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    result = subprocess.run(
        [sys.executable, "-I", script, job],
        env=base | hub.environment(folder / "home"),
        stdin=subprocess.DEVNULL,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(answer.read_text())


class TestPickles:
    @pytest.mark.parametrize("auto_class", [*AUTO_CLASSES, LyraForRegression])
    @pytest.mark.parametrize("place", ["Hub", "folder"])
    @pytest.mark.parametrize("asked", [{}, {"use_safetensors": False}], ids=str)
    def test_no_class_reads_one(self, loopback, honest, mark, tmp_path, auto_class, place, asked):
        name = EVIL if place == "Hub" else write(tmp_path / "pickled", pickled(honest, mark))
        loopback.put(EVIL, pickled(honest, mark))
        with pytest.raises(OSError, match=r"a pickle, such as pytorch_model\.bin, can run any code"):
            auto_class.from_pretrained(name, **asked)
        assert not [request for request in loopback.requests if "discussions" in request or request.startswith("POST")]

    def test_no_command_reads_one(self, loopback, honest, mark, tmp_path):
        folder = write(tmp_path / "pickled", pickled(honest, mark))
        with pytest.raises(UserError, match="a pickle, which can run any code when it is read, and is refused"):
            load_model(folder)
        loopback.put(EVIL, pickled(honest, mark))
        with pytest.raises(UserError, match="a pickle, which can run any code when it is read, and is refused"):
            pull_model(EVIL, tmp_path / "pulled")

    def test_a_pickle_beside_the_weights_is_not_touched(self, loopback, honest, mark):
        loopback.put(EVIL, pickled(honest, mark) | honest)
        assert set(errors(EVIL).values()) - {None} == {errors(EVIL)["AutoModelForMaskedLM"]}
        assert not [request for request in loopback.requests if ".bin" in request and request.startswith("GET /evil")]

    def test_a_pickle_that_is_called_safetensors(self, loopback, honest, mark, tmp_path):
        files = honest | {"model.safetensors": pickle.dumps(Evil(mark))}
        loopback.put(EVIL, files)
        with pytest.raises(Exception, match="header"):
            AutoModel.from_pretrained(EVIL)
        with pytest.raises(UserError, match="not a safetensors file"):
            load_model(write(tmp_path / "model", files))


class TestConfigurations:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"to_dict": "x"}, "a field 'to_dict', which would replace a part of its class"),
            ({"save_pretrained": {"a": 1}}, "a field 'save_pretrained'"),
            ({"vocab_size": 5}, "a field 'vocab_size'"),
            ({"attribute_map": {"hidden_size": "id2label"}}, "a field 'attribute_map'"),
            ({"_auto_class": "AutoModel"}, "a field '_auto_class'"),
            ({"__class__": "builtins.object"}, "a field '__class__'"),
            ({"__reduce__": "x"}, "a field '__reduce__'"),
            ({"transformers_weights": "pytorch_model.bin"}, "weights are in model.safetensors alone"),
            ({"attn_implementation": "evil/kernel"}, "code of another repository"),
            ({"experts_implementation": "evil/kernel:x"}, "code of another repository"),
            ({"problem_type": "os.system"}, "problem_type must be one of"),
            ({"alphabet": "A" * 10_000}, "alphabet"),
            ({"alphabet": ["A", "C"]}, "alphabet"),
            ({"alphabet": "../../etc/passwd"}, "alphabet"),
            ({"hidden_size": "__import__('os')"}, "hidden_size"),
            ({"hidden_size": -1}, "hidden_size must be at least 1"),
        ],
        ids=str,
    )
    def test_what_makes_no_sense_is_refused(self, loopback, honest, tmp_path, fields, words):
        files = with_config(honest, **fields)
        loopback.put(EVIL, files)
        for load in (AutoConfig, AutoModel, AutoModelForSequenceClassification):
            with pytest.raises(Exception, match=words.replace("(", r"\(")):
                load.from_pretrained(EVIL)
        with pytest.raises(UserError, match=words) as raised:
            load_model(write(tmp_path / "model", files))
        assert "\n" not in str(raised.value)
        with pytest.raises(UserError, match=words):
            pull_model(EVIL, tmp_path / "pulled")
        assert not (tmp_path / "pulled").exists()

    @pytest.mark.parametrize(
        "fields",
        [
            {"_commit_hash": "../../x"},
            {"anything": {"at": ["all"]}},
            {"_attn_implementation_internal": "evil/kernel"},
            {"_name_or_path": "../../x"},
            {"auto_map": {"AutoConfig": "../../x.Y"}},
            {"custom_pipelines": {"text-classification": {"impl": "evil.Evil"}}},
        ],
        ids=str,
    )
    def test_what_does_no_harm_changes_nothing(self, loopback, honest, model, fields):
        loopback.put(EVIL, with_config(honest, **fields))
        ids = random_ids(2, 9)
        found = AutoModelForSequenceClassification.from_pretrained(EVIL)
        assert torch.equal(found(ids).logits, model(ids).logits)
        assert pipeline("text-classification", model=EVIL)("ACGT")


class TestPlaces:
    @pytest.mark.parametrize("name", ["lyra-org/..", "lyra-org/../../x", "../up", "lyra-org/a..b", "lyra-org/-x"])
    def test_names_that_lead_elsewhere_are_never_asked_for(self, loopback, name):
        for entry, error in errors(name).items():
            assert error is not None, entry
        assert [request for request in loopback.requests if ".." in request] == []

    def test_files_that_would_land_elsewhere(self, loopback, honest, tmp_path):
        """A repository's own list of files decides about no place."""
        elsewhere = {"../outside": b"x", "/outside": b"x", "a/../../outside": b"x", "a\\..\\outside": b"x"}
        loopback.put(EVIL, honest | elsewhere)
        assert errors(EVIL)["pipeline"] is None
        pull_model(EVIL, tmp_path / "inside" / "model")
        assert not list(tmp_path.rglob("outside*"))
        assert not Path("/outside").exists()

    def test_links_to_elsewhere(self, honest, tmp_path):
        secret = tmp_path / "secret"
        secret.write_text("{}")
        for linked, words in {
            "config.json": "model_type is None",
            "model.safetensors": "not a safetensors file",
        }.items():
            folder = tmp_path / f"with {linked}"
            write(folder, honest)
            (folder / linked).unlink()
            (folder / linked).symlink_to(secret)
            with pytest.raises(UserError, match=words):
                load_model(str(folder))
