"""The configuration: its defaults, what it refuses and how it says so, and its way through a file."""

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import AutoConfig

from lyra_hf import LyraConfig

NAN, INFINITY = float("nan"), float("inf")


def test_defaults_are_the_published_model() -> None:
    config = LyraConfig()
    assert config.model_type == "lyra"
    assert (config.alphabet, config.vocab_size, config.num_letters, config.pad_token_id) == ("protein", 28, 20, 0)
    assert (config.hidden_size, config.pgc_hidden_sizes, config.conv_kernel) == (64, [16, 128], 3)
    assert (config.state_size, config.num_hidden_layers, config.dropout) == (64, 1, 0.2)
    assert (config.pooling, config.bidirectional, config.pair_input, config.reverse_complement) == (
        "mean",
        False,
        False,
        False,
    )
    assert (config.rms_norm_eps, config.time_step_min, config.time_step_max) == (1e-8, 0.001, 0.1)
    assert (config.num_labels, config.problem_type, config.label_transform) == (1, None, None)
    assert (config.num_positions, config.site_weights) == (0, False)


@pytest.mark.parametrize(
    ("alphabet", "vocab_size", "num_letters"), [("protein", 28, 20), ("dna", 17, 4), ("rna", 17, 4), ("HPC", 5, 3)]
)
def test_sizes_follow_from_the_alphabet(alphabet: str, vocab_size: int, num_letters: int) -> None:
    config = LyraConfig(alphabet=alphabet)
    assert (config.vocab_size, config.num_letters) == (vocab_size, num_letters)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alphabet", 3),
        ("alphabet", None),
        ("hidden_size", "16"),
        ("hidden_size", 16.0),
        ("hidden_size", True),
        ("hidden_size", None),
        ("pgc_hidden_sizes", ["16"]),
        ("pgc_hidden_sizes", [1.5]),
        ("conv_kernel", "3"),
        ("state_size", "64"),
        ("state_size", [64]),
        ("num_hidden_layers", 1.0),
        ("ensemble_size", 2.0),
        ("dropout", "0.2"),
        ("dropout", True),
        ("bidirectional", 1),
        ("site_weights", 1),
        ("bidirectional", "yes"),
        ("pooling", "sum"),
        ("pooling", None),
        ("pair_input", "no"),
        ("reverse_complement", 0),
        ("time_step_min", "0.1"),
        ("time_step_max", None),
        ("rms_norm_eps", "tiny"),
        ("label_transform", "sqrt"),
        ("label_transform", True),
        ("pad_token_id", "0"),
    ],
)
def test_a_wrong_type_is_refused(field: str, value: Any) -> None:
    with pytest.raises(StrictDataclassFieldValidationError, match=field):
        LyraConfig(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alphabet", ""),
        ("alphabet", "A"),
        ("alphabet", "DNA"),
        ("alphabet", "ACGA"),
        ("alphabet", "A C"),
        ("hidden_size", 0),
        ("hidden_size", -8),
        ("pgc_hidden_sizes", [0]),
        ("pgc_hidden_sizes", [16, -1]),
        ("conv_kernel", 0),
        ("conv_kernel", 2),
        ("conv_kernel", -3),
        ("state_size", 0),
        ("state_size", 3),
        ("num_hidden_layers", 0),
        ("ensemble_size", 0),
        ("dropout", -0.1),
        ("dropout", 1.0),
        ("dropout", NAN),
        ("time_step_min", 0.0),
        ("time_step_min", -0.1),
        ("time_step_min", 0.2),
        ("time_step_min", NAN),
        ("time_step_max", 0.0001),
        ("time_step_max", NAN),
        ("time_step_max", INFINITY),
        ("rms_norm_eps", -1e-8),
        ("rms_norm_eps", NAN),
        ("pad_token_id", 1),
        ("pad_token_id", None),
        ("problem_type", "regresion"),
        ("num_labels", 0),
        ("num_labels", -1),
    ],
)
def test_a_wrong_value_is_refused(field: str, value: Any) -> None:
    with pytest.raises(StrictDataclassClassValidationError, match=field):
        LyraConfig(**{field: value})


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"reverse_complement": True}, "reverse_complement"),
        ({"reverse_complement": True, "alphabet": "ACGT"}, "reverse_complement"),
        ({"reverse_complement": True, "alphabet": "dna", "pair_input": True}, "pair_input"),
        (
            {"reverse_complement": True, "alphabet": "dna", "site_weights": True, "num_positions": 9},
            "reverse_complement and site_weights",
        ),
        ({"site_weights": True, "num_positions": 9, "problem_type": "multi_label_classification"}, "problem_type"),
        (
            {"site_weights": True, "num_positions": 9, "problem_type": "single_label_classification", "num_labels": 2},
            "site_weights is for regression",
        ),
        ({"site_weights": True}, "num_positions"),
        ({"label_transform": "log", "problem_type": "multi_label_classification", "num_labels": 2}, "label_transform"),
        ({"label_transform": "rank", "problem_type": "single_label_classification", "num_labels": 2}, "problem_type"),
    ],
)
def test_fields_that_exclude_each_other(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(StrictDataclassClassValidationError, match=named):
        LyraConfig(**fields)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="num_labels"):
        LyraConfig(problem_type="single_label_classification")


def test_a_number_of_labels_must_be_a_number() -> None:
    with pytest.raises((TypeError, StrictDataclassFieldValidationError)):
        LyraConfig(num_labels="2")


def test_a_later_change_is_checked_when_saved(tmp_path: Path) -> None:
    config = LyraConfig()
    config.state_size = 5
    with pytest.raises(StrictDataclassClassValidationError, match="state_size"):
        config.save_pretrained(tmp_path)


def test_a_later_change_of_type_is_refused() -> None:
    config = LyraConfig()
    with pytest.raises(StrictDataclassFieldValidationError, match="hidden_size"):
        config.hidden_size = "16"


NAMES: list[dict[str, Any]] = [
    {},
    {"num_labels": 1},
    {"num_labels": 2},
    {"num_labels": 3},
    {"id2label": {0: "efficiency"}},
    {"id2label": {0: "inactive", 1: "active"}, "label2id": {"inactive": 0, "active": 1}},
    {"id2label": {0: "H", 1: "E", 2: "C"}, "label2id": {"H": 0, "E": 1, "C": 2}},
]


@pytest.mark.parametrize("fields", NAMES, ids=str)
def test_outputs_survive_a_file(fields: dict[str, Any], tmp_path: Path) -> None:
    config = LyraConfig(**fields)
    expected = fields.get("num_labels", len(fields.get("id2label", {0: ""})))
    assert config.num_labels == expected
    config.save_pretrained(tmp_path)
    for loaded in (LyraConfig.from_pretrained(tmp_path), AutoConfig.from_pretrained(tmp_path)):
        assert type(loaded) is LyraConfig
        assert loaded.num_labels == expected
        assert loaded.id2label == config.id2label
        assert loaded.label2id == config.label2id == {name: index for index, name in loaded.id2label.items()}
        if "id2label" in fields:
            assert loaded.id2label == fields["id2label"]


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("second", [1, 2, 3])
def test_outputs_can_be_changed_on_loading(first: int, second: int, tmp_path: Path) -> None:
    LyraConfig(num_labels=first).save_pretrained(tmp_path)
    assert LyraConfig.from_pretrained(tmp_path, num_labels=second).num_labels == second


def test_every_field_survives_a_file(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "alphabet": "rna",
        "hidden_size": 24,
        "pgc_hidden_sizes": [4, 8, 12],
        "conv_kernel": 5,
        "state_size": 10,
        "num_hidden_layers": 3,
        "dropout": 0,
        "bidirectional": True,
        "pooling": "attention",
        "reverse_complement": True,
        "time_step_min": 0.01,
        "time_step_max": 0.5,
        "rms_norm_eps": 1e-6,
        "label_transform": "rank",
        "problem_type": "regression",
    }
    LyraConfig(**fields).save_pretrained(tmp_path)
    loaded = LyraConfig.from_pretrained(tmp_path)
    for field, value in fields.items():
        assert getattr(loaded, field) == value, field
    # The file itself is plain JSON, and saving again changes nothing.
    text = (tmp_path / "config.json").read_text()
    assert json.loads(text)["pgc_hidden_sizes"] == [4, 8, 12]
    loaded.save_pretrained(tmp_path)
    assert (tmp_path / "config.json").read_text() == text


def test_site_weights_survive_a_file(tmp_path: Path) -> None:
    LyraConfig(site_weights=True, num_positions=9).save_pretrained(tmp_path)
    loaded = LyraConfig.from_pretrained(tmp_path)
    assert (loaded.site_weights, loaded.num_positions) == (True, 9)


@pytest.mark.parametrize("sizes", [[4, 8], (4, 8)], ids=["list", "tuple"])
def test_sizes_become_a_list(sizes: list[int] | tuple[int, ...]) -> None:
    given = sizes
    config = LyraConfig(pgc_hidden_sizes=sizes)
    assert config.pgc_hidden_sizes == [4, 8]
    assert isinstance(config.pgc_hidden_sizes, list)
    assert config.pgc_hidden_sizes is not given


def test_defaults_are_not_shared() -> None:
    LyraConfig().pgc_hidden_sizes.append(7)
    assert LyraConfig().pgc_hidden_sizes == [16, 128]


@pytest.mark.parametrize(
    "name", ["to_dict", "vocab_size", "attribute_map", "_auto_class", "__class__", "validate_sizes"]
)
def test_fields_that_would_replace_a_part_of_the_class_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"a field '{name}', which would replace a part of its class"):
        LyraConfig(**{name: "x"})


def test_where_code_is_concerns_copies_alone_and_other_fields_stay() -> None:
    config = LyraConfig(auto_map={"AutoConfig": "a.B"}, custom_pipelines={"x": {}}, of_mine=3)
    assert not hasattr(config, "auto_map")
    assert not hasattr(config, "custom_pipelines")
    assert config.of_mine == 3
    assert LyraConfig.from_dict(config.to_dict()).of_mine == 3
