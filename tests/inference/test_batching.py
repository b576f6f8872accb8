import threading
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lyra_hf import UserError
from lyra_hf.alphabets import PAD_ID
from lyra_hf.inference.batching import Batches, Rows, SmallerBatchesWarning, is_out_of_memory
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.inference.workers import Workers

every_kind = pytest.mark.parametrize("pairs", [False, True], ids=["singles", "pairs"])
some_lengths = st.lists(st.integers(1, 40), min_size=1, max_size=30)

OUT_OF_MEMORY = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB"),
    "CPU": RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory: you tried"),
    "numpy": MemoryError("Unable to allocate 1 GiB for an array"),
}
every_error = pytest.mark.parametrize("error", OUT_OF_MEMORY.values(), ids=OUT_OF_MEMORY)


def encode(lengths, *, pairs=False, seed=0):
    generator = np.random.default_rng(seed)
    sizes = [2 * length if pairs else length for length in lengths]
    return EncodedSequences.from_list([generator.integers(1, 17, size, dtype=np.uint8) for size in sizes])


def make(batch_size, letters, workers=1):
    return Batches(batch_size, letters, workers)


def plan(batches, lengths, rows=None):
    lengths = np.asarray(lengths, dtype=np.int64)
    return list(batches.plan(lengths, np.arange(lengths.size) if rows is None else rows))


def run(batches, memory, number, length=5):
    """Computes some rows of one length, batch by batch."""
    compute = batches.halving(memory)
    for rows in batches.plan(np.full(number, length), np.arange(number)):
        compute(rows)


def rows_of(planned):
    return sorted(row for batch in planned for row in batch.tolist())


class TestRows:
    def check(self, encoded, chosen, *, pairs):
        rows = Rows(encoded, pairs=pairs)
        ids, lengths = rows.padded(np.asarray(chosen, dtype=np.int64))
        expected = [encoded[index].reshape(2, -1) if pairs else encoded[index][None] for index in chosen]
        widths = [row.shape[1] for row in expected]
        assert ids.dtype == torch.uint8
        assert ids.shape == ((2,) if pairs else ()) + (len(chosen), max(widths))
        assert rows.lengths[chosen].tolist() == widths
        assert (lengths is None) == (len(set(widths)) == 1)
        if lengths is not None:
            assert lengths.tolist() == widths
        members = ids.numpy() if pairs else ids.numpy()[None]
        for row, (wanted, width) in enumerate(zip(expected, widths, strict=True)):
            np.testing.assert_array_equal(members[:, row, :width], wanted)
            assert (members[:, row, width:] == PAD_ID).all()

    @given(lengths=some_lengths, pairs=st.booleans(), data=st.data())
    def test_any_rows_in_any_order(self, lengths, pairs, data):
        chosen = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=20, unique=True))
        self.check(encode(lengths, pairs=pairs), chosen, pairs=pairs)

    @given(length=st.integers(1, 9), number=st.integers(1, 9), pairs=st.booleans(), data=st.data())
    def test_rows_of_one_length(self, length, number, pairs, data):
        chosen = data.draw(st.permutations(range(number)))[: data.draw(st.integers(1, number))]
        self.check(encode([length] * number, pairs=pairs), chosen, pairs=pairs)

    @every_kind
    @pytest.mark.parametrize("chosen", [[0, 1, 2], [2, 3], [1, 3], [3, 2, 1], [0, 2, 1, 3], [3], [4, 0], [5, 4]])
    def test_consecutive_or_not(self, chosen, pairs):
        self.check(encode([4, 4, 4, 4, 1, 9], pairs=pairs), chosen, pairs=pairs)

    @every_kind
    def test_equal_lengths_with_another_between(self, pairs):
        self.check(encode([4, 7, 4], pairs=pairs), [0, 2], pairs=pairs)

    @every_kind
    @pytest.mark.parametrize("chosen", [[0, 1], [1, 0, 2]])
    def test_what_cannot_be_written_to_is_not_written_to(self, chosen, pairs):
        encoded = encode([4, 4, 2], pairs=pairs)
        ids = np.frombuffer(encoded.ids.tobytes(), dtype=np.uint8)
        assert not ids.flags.writeable
        self.check(EncodedSequences(ids, encoded.offsets), chosen, pairs=pairs)

    @every_kind
    def test_the_sequences_stay_as_they_are(self, pairs):
        encoded = encode([4, 4, 2, 7], pairs=pairs)
        before = encoded.ids.copy()
        self.check(encoded, [0, 2, 3], pairs=pairs)
        np.testing.assert_array_equal(encoded.ids, before)

    @every_kind
    def test_rows_of_a_part_of_many_sequences(self, pairs):
        part = encode([4, 4, 2, 7, 3], pairs=pairs).rows(1, 4)
        for chosen in ([0, 1, 2], [2, 0], [1]):
            self.check(part, chosen, pairs=pairs)

    @every_kind
    def test_one_sequence(self, pairs):
        encoded = encode([4, 1, 6], pairs=pairs)
        rows = Rows(encoded, pairs=pairs)
        for index, length in enumerate([4, 1, 6]):
            one = rows.one(index)
            assert one.shape == ((2, length) if pairs else (length,))
            np.testing.assert_array_equal(one.numpy().ravel(), encoded[index])


class TestPlan:
    @given(lengths=some_lengths, batch_size=st.integers(1, 40))
    def test_every_row_is_in_one_batch_of_the_size_given(self, lengths, batch_size):
        planned = plan(make(batch_size, 1), lengths)
        assert rows_of(planned) == list(range(len(lengths)))
        assert max(map(len, planned)) <= batch_size
        assert len(planned) == -(-len(lengths) // batch_size)

    @given(lengths=some_lengths, letters=st.integers(1, 200), workers=st.integers(1, 4))
    def test_without_a_size_letters_are_bounded(self, lengths, letters, workers):
        planned = plan(make(None, letters, workers), lengths)
        assert rows_of(planned) == list(range(len(lengths)))
        assert all(len(batch) == 1 or len(batch) * max(lengths[row] for row in batch) <= letters for batch in planned)

    @given(lengths=some_lengths)
    def test_the_longest_come_first(self, lengths):
        order = [lengths[row] for batch in plan(make(4, 1), lengths) for row in batch]
        assert order == sorted(lengths, reverse=True)

    @given(lengths=some_lengths, data=st.data())
    def test_only_the_rows_asked_for(self, lengths, data):
        rows = sorted(data.draw(st.sets(st.integers(0, len(lengths) - 1))))
        planned = plan(make(None, 50), lengths, np.array(rows, dtype=np.int64))
        assert rows_of(planned) == rows

    def test_of_equal_lengths_the_order_is_kept(self):
        assert np.concatenate(plan(make(3, 1), [5] * 10)).tolist() == list(range(10))

    def test_batches_of_many_rows_are_as_large_as_the_letters_allow(self):
        assert [len(batch) for batch in plan(make(None, 20), [5] * 102)] == [4] * 25 + [2]

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_each_worker_has_some_of_few_batches(self, workers):
        planned = plan(make(None, 4000, workers), [10] * 1000)
        assert len(planned) >= 2 * workers
        assert rows_of(planned) == list(range(1000))


class Memory:
    """Holds so many rows at once, and says which were computed."""

    def __init__(self, limit, error):
        self.limit, self.error = limit, error
        self.computed = Counter()
        self.sizes = []

    def __call__(self, rows):
        if len(rows) > self.limit:
            raise self.error
        self.computed.update(rows.tolist())
        self.sizes.append(len(rows))


class TestHalving:
    @every_error
    @pytest.mark.parametrize(("number", "limit"), [(8, 4), (8, 3), (7, 1), (2, 1), (33, 5), (100, 99)])
    def test_every_row_is_computed_once_with_one_warning(self, error, number, limit):
        batches, memory = make(None, 10_000), Memory(limit, error)
        with pytest.warns(SmallerBatchesWarning, match=f"a batch of {number} sequences was too big") as caught:
            run(batches, memory, number)
        assert len(caught) == 1
        assert memory.computed == Counter(range(number))

    @every_error
    @pytest.mark.parametrize("batch_size", [None, 64])
    def test_what_is_planned_later_is_smaller(self, error, batch_size):
        batches, memory = make(batch_size, 320), Memory(10, error)
        with pytest.warns(SmallerBatchesWarning) as caught:
            run(batches, memory, 200)
        assert len(caught) == 1
        assert memory.computed == Counter(range(200))
        memory.error = AssertionError("it was known to be too big")
        run(batches, memory, 200)
        assert memory.computed == Counter(dict.fromkeys(range(200), 2))

    def test_later_batches_of_longer_sequences_keep_to_the_letters(self):
        batches, memory = make(None, 1000), Memory(600, MemoryError())
        with pytest.warns(SmallerBatchesWarning):
            run(batches, memory, 5000, length=1)
        assert max(len(batch) * 100 for batch in plan(batches, [100] * 1000)) <= 1000

    def test_batches_of_the_size_given_stay_whole_where_they_fit(self):
        batches, memory = make(16, 1), Memory(16, MemoryError())
        run(batches, memory, 40)
        assert memory.sizes == [16, 16, 8]

    @pytest.mark.parametrize("threads", [2, 4])
    def test_in_several_threads(self, threads):
        lock, memory = threading.Lock(), Memory(3, MemoryError())

        def compute(rows):
            with lock:
                memory(rows)

        batches = make(16, 1)
        with pytest.warns(SmallerBatchesWarning) as caught:
            for _ in Workers(threads).map(batches.halving(compute), batches.plan(np.full(300, 5), np.arange(300))):
                pass
        assert len(caught) == 1
        assert memory.computed == Counter(range(300))

    @every_error
    def test_a_batch_of_one_that_is_too_big(self, error):
        batches = make(None, 1000)
        with pytest.raises(UserError, match="memory") as caught:
            batches.halving(Memory(0, error))(np.array([3]))
        assert caught.value.__cause__ is error
        assert "\n" not in str(caught.value)

    @every_error
    def test_a_batch_that_ends_as_one_that_is_too_big(self, error):
        batches = make(None, 1000)
        with pytest.warns(SmallerBatchesWarning), pytest.raises(UserError, match="memory"):
            batches.halving(Memory(0, error))(np.arange(4))

    @pytest.mark.parametrize(
        "error", [RuntimeError("shapes do not fit"), ValueError("can't allocate memory"), KeyError()]
    )
    @pytest.mark.parametrize("number", [1, 4])
    def test_other_errors_pass_through(self, error, number):
        memory = Memory(0, error)
        with pytest.raises(type(error)) as caught:
            make(None, 1000).halving(memory)(np.arange(number))
        assert caught.value is error
        assert not memory.computed


@every_error
def test_an_error_for_want_of_memory_is_known(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("expected scalar type Float"), ValueError("x")])
def test_another_error_is_known(error):
    assert not is_out_of_memory(error)
