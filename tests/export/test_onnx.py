"""ONNX files: the model's numbers at every batch and length, and what they say of themselves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from small_models import build, random_ids

import lyra_hf
from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification, LyraModel, UserError
from lyra_hf.export import onnx as onnx_export
from lyra_hf.export.all_lengths import for_all_lengths
from lyra_hf.export.onnx import export_model, export_onnx
from lyra_hf.inference.loading import load_model

CASES: list[tuple[type[LyraForRegression], dict[str, Any]]] = [
    (LyraForRegression, {}),
    (LyraForRegression, {"num_labels": 2, "label_transform": "rank", "bidirectional": True}),
    (LyraForRegression, {"label_transform": "log", "pooling": "attention", "num_hidden_layers": 2}),
    (LyraForRegression, {"pooling": "position", "site_weights": True, "ensemble_size": 2}),
    (LyraForRegression, {"num_labels": 2, "ensemble_size": 2, "intervals": True, "label_transform": "log"}),
    (LyraForTokenClassification, {"problem_type": "regression", "intervals": True}),
    (LyraForRegression, {"pair_input": True, "pair_context": 2, "pooling": "position"}),
    (LyraForRegression, {"reverse_complement": True, "pooling": "max"}),
    (LyraForSequenceClassification, {"num_labels": 3, "pooling": "last", "ensemble_size": 3, "bidirectional": True}),
    (LyraForTokenClassification, {"num_labels": 2, "ensemble_size": 2}),
    (LyraForTokenClassification, {"num_labels": 2, "problem_type": "regression", "pair_input": True}),
]


def session_of(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def padded(rows: int, length: int, letters: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows with padding on the right, on the left, nowhere, and of padding alone."""
    ids = random_ids(rows, length) % letters + 2
    part = length // 6 * 2  # pairs have an even number of letters
    if rows > 1:
        ids[0, length - part :] = 0
        ids[1, :part] = 0
        ids[-1] = 0
    return ids, (ids != 0).long()


def assert_same(model: Any, session: onnxruntime.InferenceSession, ids: torch.Tensor, mask: torch.Tensor) -> None:
    with torch.no_grad():
        expected = model(ids, attention_mask=mask)
    found = session.run(None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()})
    names = [name for name in ("logits", "spread", "lower", "upper") if getattr(expected, name) is not None]
    assert [output.name for output in session.get_outputs()] == names
    for name, values in zip(names, found, strict=True):
        np.testing.assert_allclose(values, expected[name].numpy(), rtol=1e-4, atol=1e-4, err_msg=name)


class TestNumbers:
    @pytest.mark.parametrize(("cls", "fields"), CASES, ids=str)
    def test_every_kind_of_model(self, cls: type[LyraForRegression], fields: dict[str, Any], tmp_path: Path) -> None:
        model = build(cls, **fields)
        model.classifier.label_scale.fit(torch.rand(50, model.config.num_labels) * 7 + 1)
        if model.config.site_weights:
            model.site_weights.weight.normal_()
        if model.config.intervals:
            labels = torch.rand(300, model.config.num_labels) * 7 + 1
            bounds = torch.stack([labels.amin(0), labels.amax(0)])
            model.classifier.intervals.fit(
                labels + torch.randn_like(labels), labels, model.classifier.label_scale, bounds
            )
        export_onnx(model, tmp_path / "model.onnx", "toy")
        session = session_of(tmp_path / "model.onnx")
        for rows, length in ((1, 2), (3, 2), (4, 30), (1, 32), (2, 34), (5, 64), (3, 66), (2, 1000)):
            assert_same(model, session, *padded(rows, length))

    @pytest.mark.parametrize("name", lyra_hf.checkpoint_names())
    def test_every_shipped_checkpoint(self, name: str, exported: Callable[[str], Path]) -> None:
        model, session = load_model(name), session_of(exported(name))
        for rows, length in ((1, 2), (4, 30), (3, 64), (3, 240), (1, 2000)):
            assert_same(model, session, *padded(rows, length, letters=model.config.vocab_size - 2))

    def test_one_letter(self, tmp_path: Path) -> None:
        model = build(LyraForRegression)
        export_onnx(model, tmp_path / "model.onnx", "toy")
        assert_same(model, session_of(tmp_path / "model.onnx"), *padded(1, 1))


class TestFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        export_onnx(build(LyraForRegression, ensemble_size=2), tmp_path / "model.onnx", "toy")
        return tmp_path / "model.onnx"

    def test_inputs_and_outputs(self, path: Path) -> None:
        session = session_of(path)
        assert [(part.name, part.type, part.shape) for part in session.get_inputs()] == [
            ("input_ids", "tensor(int64)", ["batch", "length"]),
            ("attention_mask", "tensor(int64)", ["batch", "length"]),
        ]
        assert [part.name for part in session.get_outputs()] == ["logits", "spread"]

    def test_metadata(self, path: Path) -> None:
        metadata = session_of(path).get_modelmeta().custom_metadata_map
        description = json.loads(metadata["lyra_hf"])
        assert description["vocabulary"]["[PAD]"] == 0
        assert description["ensemble_size"] == 2
        assert metadata["name"] == "toy"
        assert metadata["inputs"] == "input_ids, attention_mask"
        assert metadata["alphabet"] == description["alphabet"]
        assert metadata["outputs"] == ", ".join(description["outputs"])

    def test_says_nothing_of_the_machine(self, path: Path) -> None:
        content = path.read_bytes()
        for word in (str(Path(lyra_hf.__file__).parent), str(Path.home()), "site-packages"):
            assert word.encode() not in content

    def test_the_weights_are_most_of_it(self, path: Path) -> None:
        proto = onnx.load(path)
        in_weights = sum(np.prod(tensor.dims) * 4 for tensor in proto.graph.initializer)
        assert path.stat().st_size < in_weights + 400_000

    def test_the_model_is_not_changed(self, tmp_path: Path) -> None:
        model = build(LyraForRegression).double().train()
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        export_onnx(model, tmp_path / "model.onnx", "toy")
        assert model.training
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


class TestRefusals:
    def test_no_head(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="LyraModel has no head"):
            export_onnx(build(LyraModel), tmp_path / "model.onnx", "toy")

    def test_other_numbers_are_not_written(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        other = for_all_lengths(build(LyraForRegression, seed=9))
        monkeypatch.setattr(onnx_export, "for_all_lengths", lambda model: other)
        with pytest.raises(UserError, match="differs from PyTorch by"):
            export_onnx(build(LyraForRegression), tmp_path / "model.onnx", "toy")
        assert not list(tmp_path.iterdir())

    def test_onnx_is_not_installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
        with pytest.raises(UserError, match=r"exporting to ONNX needs onnxruntime: pip install 'lyra-hf\[onnx\]'"):
            export_onnx(build(LyraForRegression), tmp_path / "model.onnx", "toy")


class TestExportModel:
    def test_folder_that_runs_without_the_package(self, tmp_path: Path) -> None:
        """ONNX Runtime and the library of tokenizers are enough."""
        from tokenizers import Tokenizer

        export_model("lyra-cas12a", tmp_path / "out")
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["model.onnx", "tokenizer.json"]
        tokenizer = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
        sequence = "ACCTTTTCTTTGAATCATGTAGATTTGCTGAAAA"
        ids = np.array([tokenizer.encode(sequence).ids])
        session = session_of(tmp_path / "out" / "model.onnx")
        found = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})
        assert [values.shape for values in found] == [(1, 1)] * len(session.get_outputs())
        assert found[0][0, 0] == pytest.approx(lyra_hf.Predictor("lyra-cas12a")([sequence])[0], rel=1e-4)

    def test_what_cannot_be_exported_leaves_no_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(model: Any, session: Any) -> None:
            raise UserError("other numbers")

        monkeypatch.setattr(onnx_export, "_check", refuse)
        with pytest.raises(UserError, match="other numbers"):
            export_model("lyra-cas12a", tmp_path / "new" / "out")
        assert not list(tmp_path.iterdir())

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("mine")
        with pytest.raises(UserError, match="is a file"):
            export_model("lyra-cas12a", tmp_path / "out")
        assert (tmp_path / "out").read_text() == "mine"
