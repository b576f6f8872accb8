"""Sums over the first positions: the same scores, whichever way the first letters are read."""

import itertools

import pytest
import torch
from small_models import build, random_ids

from lyra_hf import LyraForRegression
from lyra_hf.inference import engine as engine_module
from lyra_hf.inference.engine import LyraEngine
from lyra_hf.inference.prefixes import MAX_PREFIXES, prefix_letters


@pytest.fixture(autouse=True)
def large_tables_at_once(monkeypatch):
    monkeypatch.setattr(engine_module, "LETTERS_BEFORE_LARGE_TABLES", 0)


def scores(engine, ids):
    with torch.inference_mode():
        return engine.scores(engine.lay_out(engine.table_for(ids), ids))


@pytest.mark.parametrize("fields", [{"conv_kernel": 1}, {"conv_kernel": 3}, {"site_weights": True}], ids=str)
@pytest.mark.parametrize("members", [1, 3])
def test_beginnings_from_the_table_change_no_score(fields, members, monkeypatch):
    models = [build(LyraForRegression, seed=seed, **fields) for seed in range(members)]
    engine, plain = LyraEngine(models), LyraEngine(models)
    monkeypatch.setattr(plain, "_prefixes_for", lambda batch: None)
    for length in (1, 6, 7, 8, 9, 30, 100):
        ids = random_ids(40, length, vocab_size=6).byte()  # [UNK] and the four letters
        assert torch.allclose(scores(engine, ids), scores(plain, ids), atol=1e-6)
    assert engine._prefixes


@pytest.mark.parametrize("fields", [{}, {"site_weights": True}], ids=str)
def test_all_beginnings_are_told_apart(fields):
    model = build(LyraForRegression, **fields)
    engine = LyraEngine([model])
    beginnings = torch.tensor(list(itertools.product(range(1, 6), repeat=3)), dtype=torch.uint8)
    ids = torch.cat([beginnings, random_ids(len(beginnings), 20, vocab_size=6).byte()], dim=1)
    with torch.inference_mode():
        expected = model(ids.long()).logits
    assert torch.allclose(engine.in_units(scores(engine, ids))[0], expected, atol=1e-5)
    assert engine._prefixes


def test_models_of_two_directions_and_padded_batches_do_without():
    ids = random_ids(4, 30, vocab_size=6).byte()
    both = LyraEngine([build(LyraForRegression, bidirectional=True)])
    scores(both, ids)
    assert not both._prefixes
    engine = LyraEngine([build(LyraForRegression)])
    with torch.inference_mode():
        engine.scores(engine.lay_out(engine.table_for(ids), ids, torch.tensor([30, 30, 30, 29])))
    assert not engine._prefixes


def test_the_table_is_bounded():
    engine = LyraEngine([build(LyraForRegression)])
    table = engine.table_for(random_ids(1, 5, vocab_size=6).byte())
    assert (table.base - 1) ** prefix_letters(table) <= MAX_PREFIXES
