"""Figures, goals, tables and the command's options."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import SECTIONS, parse
from benchmarks.cases import INFERENCE
from benchmarks.endtoend import write_guides
from benchmarks.floor import activation_bytes, linear_operations, state_space_operations
from benchmarks.machine import Neighbours
from benchmarks.models import encoded, random_ids
from benchmarks.report import Section, as_json, figure, goal_text, markdown
from benchmarks.results import Goal, Result, rate_result
from benchmarks.timing import Summary
from benchmarks.worker import own_peak_memory
from lyra_hf import LyraConfig, SequenceEncoder


def result(**fields: object) -> Result:
    given = {"case": "guides", "contestant": "engine", "value": 2.0, "unit": "s", **fields}
    return Result(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (12_345.6, "sequences/s", ("12,346", "sequences/s")),
        (99.94, "x", ("99.9", "x")),
        (5.0, "x", ("5", "x")),
        (1.234, "x", ("1.23", "x")),
        (0.01234, "x", ("0.0123", "x")),
        (1.2e-7, "", ("1.2e-07", "")),
        (0.0, "", ("0", "")),
        (2.5e9, "bytes", ("2.50", "GB")),
        (640_000_000, "bytes", ("640", "MB")),
        (0.0123, "s", ("12.3", "ms")),
    ],
)
def test_figures(value: float, unit: str, expected: tuple[str, str]) -> None:
    assert figure(value, unit) == expected


@pytest.mark.parametrize(
    ("goal", "fields", "met"),
    [
        (None, {}, None),
        (Goal("value", at_most=2), {}, True),
        (Goal("value", at_most=1.9), {}, False),
        (Goal("value", at_least=2), {}, True),
        (Goal("value", at_least=2), {"value": None}, None),
        (Goal("ratio", at_least=64), {"ratio": 70}, True),
        (Goal("ratio", at_most=4.4), {"ratio": 4.5}, False),
        (Goal("ratio", at_most=4.4), {}, None),
    ],
)
def test_goals(goal: Goal | None, fields: dict[str, object], met: bool | None) -> None:
    assert result(goal=goal, **fields).goal_is_met is met


def test_goals_in_words() -> None:
    assert goal_text(Goal("value", at_most=1e9), "bytes") == "≤ 1 GB"
    assert goal_text(Goal("ratio", at_least=64), "sequences/s") == "≥ 64 x"


def test_rates() -> None:
    rate = rate_result("guides", "engine", Summary(10, 20, 30), 5, first=Summary(4, 5, 6))
    assert (rate.value, rate.quartiles, rate.letters_per_second, rate.ratio) == (20, (10, 30), 100, 4)


def test_markdown_leaves_out_empty_columns_and_repeated_cases() -> None:
    section = Section("speed", "Speed", [result(), result(contestant="other", goal=Goal("value", at_most=1))])
    assert markdown({"threads": "2"}, [section]).splitlines() == [
        "threads: 2",
        "",
        "### Speed",
        "",
        "| case | who | figure | goal | met |",
        "|---|---|---:|---:|---:|",
        "| guides | engine | 2 s |  |  |",
        "|  | other | 2 s | ≤ 1 s | NO |",
    ]


@pytest.mark.parametrize(
    ("share", "unit", "warns"),
    [
        (None, "s", False),
        (0.0, "s", False),
        (0.03, "s", False),
        (0.2, "s", True),
        (0.2, "guides/s", True),
        (0.2, "bytes", False),
    ],
)
def test_a_disturbed_table_says_so(share: float | None, unit: str, *, warns: bool) -> None:
    section = Section("speed", "Speed", [result(unit=unit, neighbours=share)])
    assert bool(section.warning) is warns
    assert ("Disturbed" in markdown({}, [section])) is warns


def test_neighbours_have_a_share() -> None:
    share = Neighbours().share()
    assert share is None or 0 <= share <= 1


def test_json_holds_everything() -> None:
    content = json.loads(json.dumps(as_json({"threads": "2"}, [Section("speed", "Speed", [result()])])))
    assert content["machine"] == {"threads": "2"}
    assert content["sections"]["speed"][0]["value"] == 2
    assert content["sections"]["speed"][0]["goal_is_met"] is None


def test_options() -> None:
    options = parse(["--quick", "--only", "esm", "memory", "--threads", "1"])
    assert options.quick
    assert options.only == ["esm", "memory"]
    assert options.threads == 1
    assert parse([]).only is None
    with pytest.raises(SystemExit):
        parse(["--only", "nothing"])


def test_every_goal_belongs_to_a_contestant() -> None:
    for case in INFERENCE:
        assert set(case.goals) <= set(case.contestants)
        assert case.contestants[0] in ("definition", "forward")
    assert len(SECTIONS) == len({title for title, _ in SECTIONS.values()})


def test_operations_of_the_released_model() -> None:
    config = LyraConfig(alphabet="dna")
    # PGC(16): 64 x 32, a convolution of 3, a gate, 16 x 64; PGC(128) alike; S4D's mix 64 x 128.
    products = (2_048 + 48 + 16 + 1_024) + (16_384 + 384 + 128 + 8_192) + 8_192
    assert linear_operations(config) == 2 * products
    assert state_space_operations(config, 30) == 64 * (31 + 2)
    assert state_space_operations(config, 4_096) == 64 * (10 * 13 + 6 + 2)
    assert activation_bytes(config) == 8 * (64 + (64 + 32 + 128) + (512 + 256 + 128) + 512)


def test_guides_are_written_as_the_engine_reads_them(tmp_path: Path) -> None:
    ids = random_ids("dna", 50, 30)
    write_guides(tmp_path / "guides.csv", ids)
    header, *lines = (tmp_path / "guides.csv").read_text().splitlines()
    assert header == "id,sequence"
    read = [SequenceEncoder("dna").encode(line.split(",")[1]).tolist() for line in lines]
    assert read == ids.tolist()


def test_encoded_sequences() -> None:
    ids = random_ids("protein", 4, 7)
    sequences = encoded(ids)
    assert [row.tolist() for row in sequences] == ids.tolist()
    assert ids.min() >= 2
    assert ids.max() < 22


def test_own_peak_memory_is_in_bytes() -> None:
    assert 50e6 < own_peak_memory() < 100e9
