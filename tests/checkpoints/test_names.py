"""The names of the shipped checkpoints, in a process that cannot reach a network."""

import os
import subprocess
import sys

import pytest

import lyra_hf
from lyra_hf.checkpoints import checkpoint_names, checkpoint_path, model_folder, shipped_folder
from lyra_hf.checkpoints.names import install

OFFLINE = """
import socket, warnings
def refuse(*arguments, **keywords):
    raise AssertionError("a request was made")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
warnings.simplefilter("error")
"""


def run(code, folder, **environment):
    base = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
    return subprocess.run(
        [sys.executable, "-c", OFFLINE + code],
        cwd=folder,
        env={**base, "HF_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("environment", [{}, {"HF_HUB_OFFLINE": "1"}], ids=["online", "offline"])
def test_every_entry_point_knows_the_name(tmp_path, environment):
    code = """
from transformers import pipeline as early
import lyra_hf, transformers
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer
name, site = "lyra-cas9", "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"
assert AutoConfig.from_pretrained(name).model_type == "lyra"
assert type(AutoModel.from_pretrained(name)) is lyra_hf.LyraModel
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForSequenceClassification.from_pretrained(name).eval()
score = model(**tokenizer(site, return_tensors="pt")).logits.item()
own = lyra_hf.LyraForRegression.from_pretrained(name).eval()
assert abs(own(**tokenizer(site, return_tensors="pt")).logits.item() - score) < 1e-4
for pipeline in (early, transformers.pipeline):
    for scorer in (pipeline("text-classification", model=name), pipeline(model=name)):
        for spelling in (site, site.lower(), site.replace("T", "U")):
            ((result),) = scorer(spelling)
            assert result["label"] == "percent indels", result
            assert abs(result["score"] - score) < 1e-4
print("done")
"""
    result = run(code, tmp_path, **environment)
    assert result.stdout == "done\n", result.stderr
    noise = [line for line in result.stderr.splitlines() if "Loading weights" not in line and line.strip()]
    assert noise == []


def test_the_variable_switches_the_names_off(tmp_path):
    code = """
import lyra_hf
from transformers import AutoConfig
try:
    AutoConfig.from_pretrained("lyra-cas9")
except (OSError, AssertionError):
    print("not ours")
"""
    assert run(code, tmp_path, LYRA_HF_DISABLE_NAMES="1", HF_HUB_OFFLINE="1").stdout == "not ours\n"


def test_a_folder_of_that_name_wins(tmp_path, monkeypatch):
    (tmp_path / "lyra-cas9").mkdir()
    monkeypatch.chdir(tmp_path)
    assert shipped_folder("lyra-cas9") is None


def test_installing_again_changes_nothing():
    from transformers import AutoModel, pipelines

    before = AutoModel.__dict__["from_pretrained"], pipelines.pipeline
    install()
    assert (AutoModel.__dict__["from_pretrained"], pipelines.pipeline) == before


def test_paths():
    assert "lyra-cas9" in checkpoint_names()
    folder = checkpoint_path("lyra-cas9")
    assert folder == model_folder("lyra-cas9") == model_folder(str(folder))
    names = {path.name for path in folder.iterdir()}
    assert names == {"README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}


def test_unknown_names_are_answered_with_those_there_are(tmp_path):
    with pytest.raises(lyra_hf.UserError, match=r"did you mean lyra-cas9\?"):
        checkpoint_path("lyra-cas")
    with pytest.raises(lyra_hf.UserError, match=r"config\.json"):
        model_folder(str(tmp_path))
    file = tmp_path / "model.safetensors"
    file.touch()
    with pytest.raises(lyra_hf.UserError, match="not a file"):
        model_folder(str(file))


def test_another_package_with_our_model_type_is_named(tmp_path):
    code = """
from transformers import AutoConfig, PreTrainedConfig
class OtherConfig(PreTrainedConfig):
    model_type = "lyra"
AutoConfig.register("lyra", OtherConfig)
try:
    import lyra_hf
except ImportError as error:
    print(error)
"""
    assert "OtherConfig is registered" in run(code, tmp_path).stdout
