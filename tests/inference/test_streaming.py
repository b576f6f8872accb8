"""Long sequences in small blocks against the plain model on the whole."""

import concurrent.futures
import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_models import build, random_ids

from lyra_hf import LyraForRegression, LyraForTokenClassification
from lyra_hf.alphabets import UNK_ID
from lyra_hf.inference.engine import LyraEngine
from lyra_hf.inference.scoring import Scorer
from lyra_hf.inference.state_space import SEGMENT_LENGTH
from lyra_hf.inference.streaming import Stream
from lyra_hf.inference.workers import Workers

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}
POOLS = ["mean", "max", "last", "attention", "position"]
SHAPES = {
    "one layer": {},
    "two layers": {"num_hidden_layers": 2},
    "three layers, both directions": {"num_hidden_layers": 3, "bidirectional": True},
    "both directions": {"bidirectional": True},
    "no convolution": {"pgc_hidden_sizes": []},
    "wide convolution": {"conv_kernel": 5, "pgc_hidden_sizes": [4, 6, 5]},
    "convolution wider than a block": {"conv_kernel": 61, "pgc_hidden_sizes": [4, 6, 5]},
    **{pooling: {"pooling": pooling} for pooling in POOLS[1:]},
    "pairs": {"pair_input": True},
    "pairs, both directions, attention": {"pair_input": True, "bidirectional": True, "pooling": "attention"},
    "pairs, position": {"pair_input": True, "pooling": "position"},
}
BLOCK = SEGMENT_LENGTH
LENGTHS = [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 3 * BLOCK - 1, 5 * BLOCK, 7 * BLOCK + 5]
POOL = {threads: Workers(threads) for threads in (1, 2, 4)}
every_shape = pytest.mark.parametrize("shape", SHAPES)
every_number = pytest.mark.parametrize("threads", [1, 2, 4])
several = pytest.mark.parametrize("threads", [2, 4])
both_heads = pytest.mark.parametrize("per_residue", [False, True], ids=["sequence", "residue"])


@pytest.fixture(autouse=True)
def nobody_waits_for_ever():
    """What still waits at the end of a test that failed is told that there is nothing to wait for."""
    futures = []
    begin = concurrent.futures.Future.__init__

    def record(self):
        begin(self)
        futures.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concurrent.futures.Future, "__init__", record)
        yield
    for future in futures:
        if not future.done():
            future.set_exception(RuntimeError("still waiting at the end of the test"))


def within_a_minute(function):
    """The result of a function, or its error; a test that hangs fails."""
    outcome = concurrent.futures.Future()

    def call():
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "hangs"
    return outcome.result()


def make(per_residue=False, *, seed=0, dtype=torch.float32, **fields):
    cls = LyraForTokenClassification if per_residue else LyraForRegression
    return build(cls, seed=seed, dtype=dtype, **{"num_labels": 2, "problem_type": "regression", **fields})


def random_row(config, length, *, rare=True, seed=0):
    largest = config.vocab_size if rare else UNK_ID + 1 + config.num_letters
    return random_ids(*((2,) if config.pair_input else ()), length, seed=seed, vocab_size=largest).to(torch.uint8)


def plain(model, row):
    """(1, O), or per residue (L, O)."""
    with torch.no_grad():
        return model(row.long().reshape(1, -1)).logits.view(-1, model.config.num_labels)


def stream(engine, row, workers, block=BLOCK):
    """What the members of an engine give: (M, 1, O), or per residue (M, L, O)."""

    def scores():
        one = Stream(engine, row, workers, block)
        scores = torch.cat(list(one.residue_scores()), dim=1) if engine.per_residue else one.sequence_scores()
        return engine.in_units(scores)

    return within_a_minute(scores)


def assert_close(got, expected, dtype=torch.float32):
    assert got.dtype == dtype
    assert got.shape == expected.shape
    torch.testing.assert_close(got, expected.to(dtype), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@settings(max_examples=80)
@given(
    per_residue=st.booleans(),
    widths=st.lists(st.integers(1, 7), max_size=3),
    conv_kernel=st.sampled_from([1, 3, 5]),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    pooling=st.sampled_from(POOLS),
    pairs=st.booleans(),
    alphabet=st.sampled_from(["dna", "protein", "ABCDEFG"]),
    length=st.one_of(st.sampled_from(LENGTHS), st.integers(1, 600)),
    segments=st.integers(1, 4),
    threads=st.sampled_from([1, 2, 4]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_equals_the_plain_model(
    per_residue,
    widths,
    conv_kernel,
    layers,
    bidirectional,
    pooling,
    pairs,
    alphabet,
    length,
    segments,
    threads,
    dtype,
):
    model = make(
        per_residue,
        dtype=dtype,
        alphabet=alphabet,
        pgc_hidden_sizes=widths,
        conv_kernel=conv_kernel,
        num_hidden_layers=layers,
        bidirectional=bidirectional,
        pooling=pooling,
        pair_input=pairs,
    )
    row = random_row(model.config, length)
    got = stream(LyraEngine([model]), row, POOL[threads], segments * SEGMENT_LENGTH)
    assert_close(got[0], plain(model, row), dtype)


@every_shape
@pytest.mark.parametrize(("per_residue", "threads"), [(False, 1), (False, 4), (True, 2)])
def test_lengths_around_the_borders_of_blocks(per_residue, shape, threads):
    model = make(per_residue, **SHAPES[shape])
    engine = LyraEngine([model])
    for length in LENGTHS:
        row = random_row(model.config, length, rare=False, seed=length)
        assert_close(stream(engine, row, POOL[threads])[0], plain(model, row))


@pytest.mark.parametrize("shape", ["one layer", "both directions", "pairs", "position"])
@pytest.mark.parametrize("positions", [7, 2 * BLOCK + 9, 1000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_site_weights_count_from_the_beginning_of_the_sequence(shape, positions, dtype):
    fields = {"site_weights": True, "num_positions": positions, **SHAPES[shape]}
    models = [make(seed=seed, dtype=dtype, **fields) for seed in range(2)]
    engine = LyraEngine(models)
    for length in LENGTHS:
        row = random_row(models[0].config, length, seed=length)
        got = stream(engine, row, POOL[2])
        for index, model in enumerate(models):
            assert_close(got[index], plain(model, row), dtype)


@both_heads
@pytest.mark.parametrize("shape", ["one layer", "three layers, both directions", "wide convolution", "pairs"])
def test_rare_codes_in_some_blocks_alone(per_residue, shape):
    """Which table serves differs from block to block."""
    model = make(per_residue, **SHAPES[shape])
    row = random_row(model.config, 6 * BLOCK + 9, rare=False)
    for place in (BLOCK - 1, BLOCK, 3 * BLOCK, 5 * BLOCK + 30):
        row[..., place] = model.config.vocab_size - 2
    for threads in (1, 2):
        assert_close(stream(LyraEngine([model]), row, POOL[threads])[0], plain(model, row))


@every_shape
@pytest.mark.parametrize(("per_residue", "threads"), [(False, 2), (True, 1)])
def test_members_of_an_ensemble_score_as_they_do_alone(per_residue, shape, threads):
    models = [make(per_residue, seed=seed, **SHAPES[shape]) for seed in range(3)]
    row = random_row(models[0].config, 4 * BLOCK + 30)
    together = stream(LyraEngine(models), row, POOL[threads])
    for index, model in enumerate(models):
        assert_close(together[index], stream(LyraEngine([model]), row, POOL[threads])[0])
        assert_close(together[index], plain(model, row))


@both_heads
@every_number
@pytest.mark.parametrize("fields", [{}, {"bidirectional": True, "num_hidden_layers": 2}, {"pooling": "last"}])
@pytest.mark.parametrize("length", [BLOCK + 1, 3 * BLOCK, 5 * BLOCK - 7])
def test_both_strands(per_residue, threads, fields, length):
    model = make(per_residue, reverse_complement=True, **fields)
    row = random_row(model.config, length)
    expected = plain(model, row)
    out = torch.empty(1, *expected.shape).numpy()
    scorer = Scorer(LyraEngine([model]), POOL[threads], BLOCK)
    within_a_minute(lambda: scorer.long(row, out))
    assert_close(torch.from_numpy(out[0]), expected)


@both_heads
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("head", [{"num_labels": 1}, {"num_labels": 3, "label_transform": "log"}])
def test_long_sequences_in_the_units_of_the_labels(per_residue, bidirectional, head):
    model = make(per_residue, bidirectional=bidirectional, **head)
    row = random_row(model.config, 3 * BLOCK + 30)
    expected = plain(model, row)
    out = torch.empty(1, *expected.shape).numpy()
    Scorer(LyraEngine([model]), POOL[2], BLOCK).long(row, out)
    assert_close(torch.from_numpy(out[0]), expected)


@both_heads
@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_released_shape(per_residue, bidirectional):
    fields = {"hidden_size": 64, "pgc_hidden_sizes": [16, 128], "state_size": 64}
    model = make(per_residue, bidirectional=bidirectional, **fields)
    row = random_row(model.config, 1500, rare=False)
    assert_close(stream(LyraEngine([model]), row, POOL[2], 4 * BLOCK)[0], plain(model, row))


def assert_all_are_free(workers):
    """No worker is held up by anything."""
    barrier = threading.Barrier(workers.threads, timeout=10)
    assert len(within_a_minute(lambda: list(workers.map(lambda _: barrier.wait(), range(workers.threads))))) > 1


class Failure(Exception):
    pass


def blocks_of(engine, number):
    """A sequence whose blocks are each of one letter, so that a block is known by what it begins with."""
    return torch.arange(2, 2 + number).repeat_interleave(BLOCK).to(torch.uint8)


def number_of(ids):
    return int(ids.flatten()[0]) - 2


@pytest.fixture
def fail_in_block(monkeypatch):
    """Makes one block fail; `before` is called for every block with its number."""
    lay_out = LyraEngine.lay_out

    def install(failing, before=lambda block: None):
        def broken(self, table, ids, *arguments, **keywords):
            block = number_of(ids)
            before(block)
            if block == failing:
                raise Failure(f"block {block}")
            return lay_out(self, table, ids, *arguments, **keywords)

        monkeypatch.setattr(LyraEngine, "lay_out", broken)

    return install


@both_heads
@every_number
@pytest.mark.parametrize("fields", [{}, {"num_hidden_layers": 3}, {"bidirectional": True}])
@pytest.mark.parametrize("failing", [0, 3, 11])
def test_an_error_in_one_block_surfaces_and_the_next_call_works(
    monkeypatch, fail_in_block, per_residue, threads, fields, failing
):
    model = make(per_residue, **fields)
    engine, workers = LyraEngine([model]), Workers(threads)
    row = blocks_of(engine, 12)
    fail_in_block(failing)
    for _ in range(2):
        with pytest.raises(Failure, match=f"block {failing}"):
            stream(engine, row, workers)
    monkeypatch.undo()
    assert_close(stream(engine, row, workers)[0], plain(model, row))


@several
@pytest.mark.parametrize("layers", [1, 2])
def test_the_error_that_surfaces_is_that_of_the_block_that_failed(fail_in_block, threads, layers):
    """Also where blocks before it are computed only afterwards."""
    engine = LyraEngine([make(num_hidden_layers=layers)])
    failed = threading.Event()

    def before(block):
        if block == 1:
            failed.set()
        if block == 0:
            assert failed.wait(60)
            time.sleep(0.1)  # until the error is known to all

    fail_in_block(1, before)
    with pytest.raises(Failure, match="block 1"):
        stream(engine, blocks_of(engine, 12), Workers(threads))


@several
@pytest.mark.parametrize("fields", [{}, {"num_hidden_layers": 2}, {"bidirectional": True}])
def test_a_stream_that_is_given_up_leaves_nobody_waiting(threads, fields):
    model = make(per_residue=True, **fields)
    engine, workers = LyraEngine([model]), Workers(threads)
    row = blocks_of(engine, 12)
    scores = Stream(engine, row, workers, BLOCK).residue_scores()
    within_a_minute(lambda: next(scores))
    within_a_minute(scores.close)
    assert_all_are_free(workers)
    assert_close(stream(engine, row, workers)[0], plain(model, row))


def test_blocks_taken_up_while_others_are_cancelled_do_not_wait_for_these(monkeypatch, fail_in_block):
    """Blocks 1 to 4 are under way and 5 to 7 are not begun when the stream is given up; 5 is cancelled first."""
    model = make(per_residue=True)
    engine, workers = LyraEngine([model]), Workers(4)
    row = blocks_of(engine, 12)
    go_on = threading.Event()
    cancel = concurrent.futures.Future.cancel

    def slowly(self):
        cancelled = cancel(self)
        if cancelled:
            go_on.set()
            time.sleep(0.2)  # the workers come free meanwhile
        return cancelled

    fail_in_block(None, before=lambda block: block == 0 or go_on.wait(60))
    scores = Stream(engine, row, workers, BLOCK).residue_scores()
    within_a_minute(lambda: next(scores))
    monkeypatch.setattr(concurrent.futures.Future, "cancel", slowly)
    within_a_minute(scores.close)
    go_on.set()
    monkeypatch.undo()
    assert_all_are_free(workers)
    assert_close(stream(engine, row, workers)[0], plain(model, row))


@several
@both_heads
def test_several_streams_at_once_with_the_same_workers(threads, per_residue):
    model = make(per_residue, num_hidden_layers=2)
    engine, workers = LyraEngine([model]), Workers(threads)
    rows = [random_row(model.config, 5 * BLOCK + 7 * seed, seed=seed) for seed in range(4)]
    results = {}

    def score(number):
        results[number] = stream(engine, rows[number], workers)

    users = [threading.Thread(target=score, args=(number,), daemon=True) for number in range(4)]
    for user in users:
        user.start()
    for user in users:
        user.join(60)
    assert not any(user.is_alive() for user in users)
    for number, row in enumerate(rows):
        assert_close(results[number][0], plain(model, row))
