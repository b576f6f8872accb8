"""The endpoint's handler: called by itself, and served over HTTP by the emulator of Inference Endpoints."""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_models import build
from support.endpoint import Ask, serving

import lyra_hf
from lyra_hf import LyraForTokenClassification, Predictor
from lyra_hf.hub.endpoint import requirements, write_endpoint
from lyra_hf.inference.loading import load_model

GUIDE = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"


def repository(name: str, folder: Path) -> Path:
    """A shipped checkpoint as it is pushed, with its endpoint."""
    load_model(name).save_pretrained(folder)
    write_endpoint(folder)
    return folder


def handler_of(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("handler", folder / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.EndpointHandler(str(folder))


@pytest.fixture(scope="module")
def guides(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return handler_of(repository("lyra-cas9", tmp_path_factory.mktemp("cas9")))


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A head per residue on pairs of which the first is longer by a letter on either side."""
    folder = tmp_path_factory.mktemp("pairs")
    build(LyraForTokenClassification, pair_input=True, pair_context=1).save_pretrained(folder)
    write_endpoint(folder)
    return handler_of(folder)


class TestAnswers:
    def test_a_number_in_its_unit(self, guides: Any) -> None:
        (entry,) = guides({"inputs": GUIDE})
        assert entry["label"] == entry["unit"] == "percent indels"
        assert entry["score"] == pytest.approx(Predictor("lyra-cas9")([GUIDE])[0], rel=1e-5)
        assert entry["spread"] > 0

    def test_a_batch_of_several_lengths(self, guides: Any) -> None:
        sequences = [GUIDE, GUIDE[:23].lower(), GUIDE + "NNN", GUIDE.replace("T", "U")]
        found = guides({"inputs": sequences})
        expected = Predictor("lyra-cas9")(sequences)
        np.testing.assert_allclose([entry["score"] for (entry,) in found], expected, rtol=1e-5)

    def test_classes(self, tmp_path: Path) -> None:
        handler = handler_of(repository("lyra-ncrna", tmp_path))
        answer = handler({"inputs": "GGGCCCGUAGCUCAGUUGGUAGAGC", "parameters": {"top_k": 3}})
        assert len(answer) == 3
        scores = [entry["score"] for entry in answer]
        assert scores == sorted(scores, reverse=True)
        assert 0 < sum(scores) <= 1 + 1e-6
        assert all(set(entry) == {"label", "score"} for entry in answer)

    def test_pairs(self, tmp_path: Path) -> None:
        handler = handler_of(repository("lyra-cas13a", tmp_path))
        target = "GAAGGAGCTTGAGCTCAAAAGCTCTGAAAACAAGCGCATCTCTAGAGACAAATAATCTCCATGACTAG"
        guide = "GCTCTGAAAACAAGCGCACCTCTAGAGA"
        (entry,) = handler({"inputs": {"text": target, "text_pair": guide}})
        assert entry["score"] == pytest.approx(Predictor("lyra-cas13a")([target + guide])[0], rel=1e-5)
        with pytest.raises(ValueError, match="first sequence has 30 letters and the second 28; the first must have 40"):
            handler({"inputs": {"text": target[:30], "text_pair": guide}})
        with pytest.raises(ValueError, match="the model takes pairs"):
            handler({"inputs": target})

    @pytest.mark.parametrize("name", ["lyra-disorder", "lyra-rna-reactivity", "lyra-rna-paired"])
    def test_residues(self, name: str, tmp_path: Path) -> None:
        handler = handler_of(repository(name, tmp_path))
        sequence = "MKTAYIAKQR" if name == "lyra-disorder" else "GGGAAACUUC"
        answer = handler({"inputs": [sequence, sequence[:4]]})[0]
        logits = Predictor(name)([sequence])[0]
        assert [entry["word"] for entry in answer if entry["index"] == 3] == [sequence[3]] * (len(answer) // 10)
        scores = np.array([entry["score"] for entry in answer]).reshape(10, -1)
        if name == "lyra-rna-paired":
            names = list(lyra_hf.LyraConfig.from_pretrained(name).id2label.values())
            assert [entry["label"] for entry in answer] == [names[index] for index in logits.argmax(1)]
        else:
            expected = 1 / (1 + np.exp(-logits)) if name == "lyra-disorder" else logits
            np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)

    def test_residues_of_pairs(self, pairs: Any) -> None:
        given = [("a CGTAC", "CGTA"), ("ACG", "T")]
        answers = pairs({"inputs": [{"text": first, "text_pair": second} for first, second in given]})
        expected = Predictor(pairs.model)([first + second for first, second in given])
        for (first, _), answer, numbers in zip(given, answers, expected, strict=True):
            assert [entry["word"] for entry in answer] == list(first.replace(" ", ""))
            assert [entry["word"] for entry in answer] == [first[entry["start"] : entry["end"]] for entry in answer]
            np.testing.assert_allclose([entry["score"] for entry in answer], numbers, rtol=1e-4, atol=1e-5)


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "message"),
        [
            ({"inputs": ""}, "the input: the sequence is empty"),
            ({"inputs": [GUIDE, " "]}, "input 2: the sequence is empty"),
            ({"inputs": [GUIDE, "ACG!T"]}, "input 2: letter 4 is '!', which is not in the model's alphabet (dna)"),
            ({"inputs": 3}, "the input: a sequence is a text, not int"),
            ({}, "the input: a sequence is a text, not NoneType"),
            ({"inputs": GUIDE, "parameters": {"top_k": 0}}, "top_k must be a whole number of at least 1, not 0"),
            ({"inputs": GUIDE, "parameters": {"temperature": 1}}, "unknown parameter 'temperature'; there is top_k"),
            ({"inputs": GUIDE, "parameters": [1]}, "parameters are an object, not list"),
            ([GUIDE], 'a request is an object with "inputs", not list'),
            (
                {"inputs": {"text": GUIDE, "text_pair": GUIDE}},
                "the input: the model takes single sequences; leave out text_pair",
            ),
            ({"inputs": "A\ud800"}, "the input: character 2 is not valid Unicode"),
            ({"inputs": ["A" * 600_000] * 2}, "1,200,000 letters in one request; send at most 1,000,000"),
            ({"inputs": [GUIDE] * 10_001}, "10,001 sequences in one request; send at most 10,000"),
        ],
        ids=lambda value: str(value)[:40],
    )
    def test_says_what_is_wrong(self, guides: Any, request_: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            guides(request_)

    @pytest.mark.parametrize(
        ("pair", "message"),
        [
            ({"text": None, "text_pair": None}, "the input, text: a sequence is a text, not NoneType"),
            ({"text": "ACGT", "text_pair": "AC1T"}, "the input, text_pair: letter 3 is '1', which is not in the"),
            ({"text": "ACGT", "text_pair": ""}, "the input, text_pair: the sequence is empty"),
            ({"text": "ACGT"}, "the input: the model takes pairs"),
        ],
    )
    def test_of_pairs(self, pairs: Any, pair: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            pairs({"inputs": pair})

    def test_no_sequences_at_all(self, guides: Any) -> None:
        assert guides({"inputs": []}) == []


class TestRequirements:
    def test_are_those_of_the_package(self) -> None:
        names = [re.split("[<>=]", line)[0] for line in requirements()]
        assert names == ["huggingface-hub", "numpy", "safetensors", "tokenizers", "torch", "transformers"]
        assert all(">=" in line for line in requirements())


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Requests to a server of lyra-cas9."""
    with serving(repository("lyra-cas9", tmp_path_factory.mktemp("endpoint"))) as ask:
        yield ask


class TestEmulator:
    def test_over_http(self, ask: Ask) -> None:
        expected = Predictor("lyra-cas9")([GUIDE, GUIDE[:20]])
        status, answer = ask({"inputs": [GUIDE, GUIDE[:20]]})
        assert status == 200
        np.testing.assert_allclose([entries[0]["score"] for entries in answer], expected, rtol=1e-5)
        status, answer = ask({"inputs": GUIDE})
        assert (status, answer[0]["label"]) == (200, "percent indels")
        status, answer = ask({"inputs": "ACGTÄ"})
        assert status == 400
        assert answer == {"error": "the input: letter 5 is 'Ä', which is not in the model's alphabet (dna)"}
