import io
import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_models import build

from lyra_hf import LyraForRegression, LyraForTokenClassification, UserError
from lyra_hf.inference.loading import choose_device, load_config, load_model

WEIGHTS = "model.safetensors"


@pytest.fixture
def folder(tmp_path):
    build(LyraForRegression).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def assert_refused(folder, message):
    with pytest.raises(UserError, match=message) as caught:
        load_model(str(folder))
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def change_config(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def change_weights(folder, **tensors):
    """Set tensors by name; None drops one."""
    changed = {**load_file(folder / WEIGHTS), **tensors}
    kept = {name: tensor for name, tensor in changed.items() if tensor is not None}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.mkdir, (self.mark,)


@pytest.mark.parametrize("cls", [LyraForRegression, LyraForTokenClassification])
def test_a_good_folder(tmp_path, cls):
    model = build(cls, problem_type="regression")
    model.save_pretrained(tmp_path)
    loaded = load_model(str(tmp_path))
    assert type(loaded) is cls
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_folder_without_configuration(folder):
    (folder / "config.json").unlink()
    assert_refused(folder, r"no config\.json in this folder")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"config\.json: cannot be read as JSON"),
        (b'{\n"model_type": "lyra",\n', r"config\.json: cannot be read as JSON"),
        (b'{"model_type": "\xff"}', r"config\.json: cannot be read as JSON"),
        (b"[1, 2]", r"config\.json: model_type is None"),
        (b"{}", r"config\.json: model_type is None; this package runs 'lyra' models"),
        (b'{"model_type": "bert"}', r"config\.json: model_type is 'bert'; this package runs 'lyra' models"),
    ],
)
def test_a_file_that_is_no_configuration(folder, content, message):
    (folder / "config.json").write_bytes(content)
    assert_refused(folder, message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": "many"}, "'hidden_size' expected int, got str"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, not 0"),
        ({"state_size": 3}, "state_size must be even"),
        ({"pooling": "median"}, "'pooling'"),
        ({"alphabet": "DNA"}, "alphabet 'DNA': the name is 'dna', in lower case"),
        ({"alphabet": 4}, "'alphabet' expected str, got int"),
        ({"pgc_hidden_sizes": [4, "x"]}, "'pgc_hidden_sizes'"),
        ({"problem_type": "ranking"}, "problem_type must be one of"),
        ({"problem_type": "single_label_classification"}, "single_label_classification"),
    ],
    ids=str,
)
def test_a_field_that_makes_no_sense(folder, fields, message):
    change_config(folder, **fields)
    assert_refused(folder, message)
    with pytest.raises(UserError, match=message):
        load_config(folder)


@pytest.mark.parametrize("names", [{"0": "a", "2": "b"}, {"0": "a", "1": "a"}, {"zero": "a"}], ids=str)
def test_outputs_without_a_name_each(folder, names):
    build(LyraForRegression, num_labels=len(names)).save_pretrained(folder)
    change_config(folder, id2label=names)
    assert_refused(folder, r"config\.json: .*id2label|config\.json: .*zero")


@pytest.mark.parametrize(
    "architectures", [["LyraModel"], None, [], ["BertForMaskedLM"], "LyraForRegression", [["x"]], 5]
)
def test_a_model_without_a_head(folder, architectures):
    change_config(folder, architectures=architectures)
    assert_refused(folder, r"config\.json: .*architectures")


def test_no_weights(folder):
    (folder / WEIGHTS).unlink()
    assert_refused(folder, r"no model\.safetensors in this folder")


@pytest.mark.parametrize("kept", [0, 4, 200, -1])
def test_weights_that_are_cut_short(folder, kept):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:kept])
    assert_refused(folder, r"model\.safetensors: not a safetensors file, or cut short")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "weights.pth", "best.ckpt", "model.pkl", WEIGHTS])
@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_pickle_is_refused_unopened(folder, tmp_path, name, how):
    (folder / WEIGHTS).unlink()
    mark = tmp_path / "sprung"
    if how == "pickle":
        (folder / name).write_bytes(pickle.dumps(Trap(mark)))
    else:
        torch.save({"lyra.encoder.weight": Trap(mark)}, folder / name)
    expected = "not a safetensors file" if name == WEIGHTS else f"{name}: a pickle, which can run any code"
    assert_refused(folder, expected)
    assert not mark.exists()
    # The trap is a real one.
    if how == "pickle":
        pickle.loads((folder / name).read_bytes())
    else:
        torch.load(io.BytesIO((folder / name).read_bytes()), weights_only=False)
    assert mark.exists()


def test_safetensors_are_read_where_a_pickle_lies_beside_them(folder, tmp_path):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    assert isinstance(load_model(str(folder)), LyraForRegression)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "name", ["lyra.encoder.weight", "lyra.layers.0.convolution.log_dt", "classifier.label_scale.std"]
)
def test_a_tensor_is_missing(folder, name):
    change_weights(folder, **{name: None})
    assert_refused(folder, rf"model\.safetensors: has no tensor '{name}'; it does not fit its config\.json")


def test_a_tensor_too_many(folder):
    change_weights(folder, **{"lyra.colour": torch.zeros(3)})
    assert_refused(folder, r"model\.safetensors: has an unknown tensor 'lyra\.colour'")


def test_a_tensor_of_another_shape(folder):
    change_weights(folder, **{"classifier.linear.bias": torch.zeros(2)})
    assert_refused(folder, r"model\.safetensors: .*classifier\.linear\.bias")


def test_a_configuration_of_another_size(folder):
    change_config(folder, hidden_size=16)
    assert_refused(folder, r"model\.safetensors: .*'[a-z0-9_.]+'.*8.*16")


@pytest.mark.parametrize("name", ["no-such-model", "lyra-cas"])
def test_a_name_that_is_not_there(name):
    with pytest.raises(UserError, match=rf"no checkpoint is called '{name}': .*lyra-cas9") as caught:
        load_model(name)
    assert "\n" not in str(caught.value)


def test_a_file_is_no_model(folder):
    with pytest.raises(UserError, match="a model is a folder"):
        load_model(str(folder / WEIGHTS))


def test_devices():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UserError, match="device 'gpu' is not available here"):
        choose_device("gpu")
