import numpy as np
import pyarrow as pa
from small_models import build

from lyra_hf import LyraForRegression, Predictor
from lyra_hf.analysis import epistasis_tables
from lyra_hf.analysis.epistasis_tables import interaction_columns, position_columns
from lyra_hf.analysis.interactions import epistasis, root_mean_square
from lyra_hf.analysis.measured import MeasuredEpistasis
from lyra_hf.analysis.variants import parse_variant

FOUND = epistasis(Predictor(build(LyraForRegression)), "ACNTA", (1, 3, 4))


def whole(parts):
    return pa.concat_tables([pa.table(columns) for columns in parts]).to_pydict()


def test_the_rows_of_every_combination():
    table = whole(interaction_columns(FOUND))
    assert len(table["variant"]) == 12 + 9 + 12  # at the N any letter is another
    for row, text in enumerate(table["variant"]):
        one, other = parse_variant(text)
        assert (one.position, other.position) == (table["position_1"][row], table["position_2"][row])
        cell = ("ACGT".index(one.mutant), "ACGT".index(other.mutant))
        pair = (one.position, other.position)
        np.testing.assert_allclose(table["epistasis"][row], FOUND.interactions[pair][cell], rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(table["effect"][row], FOUND.effects(pair)[cell], rtol=1e-6, atol=1e-9)


def test_parts_are_the_whole(monkeypatch):
    expected = whole(interaction_columns(FOUND))
    monkeypatch.setattr(epistasis_tables, "_ROWS_AT_ONCE", 10)
    parts = list(interaction_columns(FOUND))
    assert [len(columns["variant"]) for columns in parts] == [12, 21]
    assert whole(parts) == expected


def test_positions_come_by_their_strength_with_the_strongest_of_each():
    table = pa.table(position_columns(FOUND)).to_pydict()
    np.testing.assert_allclose(table["rms"], np.sort(root_mean_square(FOUND))[::-1], rtol=1e-6)
    assert sorted(table["wild_type"]) == ["AN", "AT", "NT"]
    every = whole(interaction_columns(FOUND))
    for one, other, variant, value in zip(
        *(table[name] for name in ("position_1", "position_2", "strongest", "epistasis")), strict=True
    ):
        rows = [row for row in range(33) if (every["position_1"][row], every["position_2"][row]) == (one, other)]
        best = max(rows, key=lambda row: abs(every["epistasis"][row]))
        assert (every["variant"][best], every["epistasis"][best]) == (variant, value)


def test_what_is_not_measured_is_missing():
    interactions = {pair: np.full((4, 4), np.nan) for pair in FOUND.sets()}
    interactions[1, 4][1, 2] = 0.5
    measured = MeasuredEpistasis(interactions, 1.0, 1)
    table = pa.table(position_columns(FOUND, measured)).to_pydict()
    place = list(zip(table["position_1"], table["position_2"], strict=True)).index((1, 4))
    assert [row for row, number in enumerate(table["measured"]) if number] == [place]
    assert [rms for rms in table["measured_rms"] if rms is not None] == [0.5]
    assert table["spearman"] == [None] * 3
    every = whole(interaction_columns(FOUND, measured))
    assert [text for text, value in zip(every["variant"], every["measured"], strict=True) if value is not None] == [
        "A1C:T4G"
    ]
