"""Pushed repositories where lyra_hf cannot be imported: with every Auto class, bit for bit as with the package."""

import json

import pytest
import torch
from small_models import REPOSITORY, build
from support.elsewhere import run_without_package
from support.without_package import encoded, exact
from transformers import AutoTokenizer, pipeline

from lyra_hf import LyraForRegression, checkpoint_path
from lyra_hf.hub import push
from lyra_hf.inference.loading import load_model

# Of the client's own making, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

GUIDES = ["GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC", "ACGTNCGTACGTACGTRCGTACGTACGGTT"]
RNA = ["GGGAAACGUCUUCGGACGUUUCCC", "ACGUNACGUUU"]
PAIRS = [
    {"text": "A" * 8 + "ACGUACGUGGCAUUCGAUCGUAGCUAGC" + "U" * 8, "text_pair": "ACGUACGUGGCAUUCGAUCGUAGCUAGC"},
]
PROTEINS = ["MEEPQSDPSVEPPLSQETFSDLWKLLPENN", "MKXLLVVAAB"]


def shipped(name, task, inputs):
    return load_model(name), task, inputs


@pytest.fixture(scope="module")
def models():
    """Ensembles, a head per residue, pairs, transformed labels, site weights, and other ways to pool."""
    fitted = {}
    for transform in ("log", "rank"):
        fitted[transform] = build(LyraForRegression, label_transform=transform)
        fitted[transform].classifier.label_scale.fit(torch.rand(60, 1) * 9 + 1)
    return {
        "cas9": shipped("lyra-cas9", "text-classification", GUIDES),
        "rna-paired": shipped("lyra-rna-paired", "token-classification", RNA),
        "disorder": shipped("lyra-disorder", "token-classification", PROTEINS),
        "cas13a": shipped("lyra-cas13a", "text-classification", PAIRS),
        "log": (fitted["log"], "text-classification", GUIDES),
        "rank": (fitted["rank"], "text-classification", GUIDES),
        "sites": (build(LyraForRegression, site_weights=True), "text-classification", GUIDES),
        "both-strands": (build(LyraForRegression, reverse_complement=True), "text-classification", GUIDES),
        "positions": (build(LyraForRegression, pooling="position", ensemble_size=2), "text-classification", GUIDES),
    }


@torch.no_grad()
def expected(model, task, inputs, folder):
    """What the package gives."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = encoded(tokenizer, inputs)
    outputs = model(**batch)
    run = pipeline(task, model=model, tokenizer=tokenizer)
    return {
        "pooled": exact(model.lyra(**batch).pooler_output),
        "logits": exact(outputs.logits),
        "spread": exact(outputs.spread),
        "pipeline": json.loads(json.dumps(run(inputs[0]), default=float)),
    }


def test_it_is_the_same_everywhere(names, models, tmp_path, monkeypatch):
    monkeypatch.setattr(push, "add_serving", lambda model, folder, name: None)
    repositories, wanted = [], {}
    for word, (model, task, inputs) in models.items():
        folder, name = tmp_path / word, names.new(word)
        model.save_pretrained(folder)
        push.push_model(str(folder), name)
        repositories.append((name, task, inputs))
        wanted[name] = expected(model, task, inputs, folder)

    found = run_without_package(repositories, tmp_path)
    assert found.pop("package") == "No module named 'lyra_hf'"
    assert found.pop("loaded") == []
    assert found.keys() == wanted.keys()
    for name, of_name in found.items():
        assert set(of_name["files"]) == REPOSITORY
        for where in ("hub", "saved again"):
            result = of_name[where]
            assert result["modules"] == ["transformers_modules"], name
            assert {part: result[part] for part in wanted[name]} == wanted[name], (name, where)
            assert result["classes"][:2] == ["LyraConfig", "LyraModel"]


def test_shipped_folders_hold_no_code():
    for name in ("lyra-cas9", "lyra-disorder"):
        assert list(checkpoint_path(name).glob("*.py")) == []
