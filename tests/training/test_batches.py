import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lyra_hf import LyraConfig, LyraForRegression, LyraForTokenClassification
from lyra_hf.alphabets import PAD_ID
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.training.batches import LetterBatches, LyraCollator, TableDataset
from lyra_hf.training.data import Rows

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=20)
KINDS = ["number", "numbers", "class", "number per residue", "numbers per residue", "class per residue"]


def rows_of(kind, lengths, pairs=False):
    """Rows with labels of a kind, some of them missing."""
    generator = np.random.default_rng(len(lengths))
    encoded = [generator.integers(1, 20, size=2 * length if pairs else length).astype(np.uint8) for length in lengths]
    labels = []
    for length in lengths:
        shape = ((length,) if "residue" in kind else ()) + ((3,) if "numbers" in kind else ())
        missing = generator.random(shape) < 0.2
        if "class" in kind:
            labels.append(np.where(missing, -100, generator.integers(0, 5, size=shape)).astype(np.int64))
        else:
            labels.append(np.where(missing, np.nan, generator.random(shape)).astype(np.float32))
    return Rows(EncodedSequences.from_list(encoded), labels)


def assert_equal_batches(one, other):
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype, name
        torch.testing.assert_close(tensor, other[name], rtol=0, atol=0, equal_nan=True)


class TestTableDataset:
    @pytest.mark.parametrize("kind", KINDS)
    @given(lengths=LENGTHS, data=st.data(), pairs=st.booleans())
    def test_batches_equal_those_of_the_collator_in_any_order(self, kind, lengths, data, pairs):
        dataset = TableDataset(rows_of(kind, lengths, pairs))
        order = data.draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=30))
        batch = dataset.__getitems__(order)
        assert_equal_batches(batch, LyraCollator()([dataset[index] for index in order]))

    @given(lengths=LENGTHS)
    def test_padding(self, lengths):
        dataset = TableDataset(rows_of("class per residue", lengths))
        batch = dataset.__getitems__(range(len(lengths)))
        assert batch["input_ids"].shape == batch["labels"].shape == (len(lengths), max(lengths))
        for row, length in enumerate(lengths):
            assert batch["input_ids"][row, :length].tolist() == dataset[row]["input_ids"].tolist()
            assert batch["labels"][row, :length].tolist() == dataset[row]["labels"].tolist()
            assert batch["attention_mask"][row].tolist() == [1] * length + [0] * (max(lengths) - length)
            assert (batch["input_ids"][row, length:] == PAD_ID).all()
            assert (batch["labels"][row, length:] == -100).all()

    @pytest.mark.parametrize("kind", KINDS)
    def test_through_the_data_loader_of_torch(self, kind):
        dataset = TableDataset(rows_of(kind, [5, 3, 9, 1, 7]))
        loader = DataLoader(dataset, batch_size=2, collate_fn=LyraCollator())
        single = [LyraCollator()([dataset[index] for index in indices]) for indices in ([0, 1], [2, 3], [4])]
        for batch, expected in zip(loader, single, strict=True):
            assert_equal_batches(batch, expected)

    def test_lengths(self):
        dataset = TableDataset(rows_of("number", [4, 2, 7]))
        assert dataset.lengths == [4, 2, 7]
        assert len(dataset) == 3


@given(lengths=LENGTHS, letters=st.integers(1, 200))
def test_letter_batches_hold_every_row_once_and_no_more_letters_than_told(lengths, letters):
    batches = list(LetterBatches(lengths, letters))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    assert len(LetterBatches(lengths, letters)) == len(batches)
    for batch in batches:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or len(batch) * longest <= letters
    firsts = [lengths[batch[0]] for batch in batches]
    assert firsts == sorted(firsts, reverse=True)


class TestCollator:
    def test_numbers_per_residue_are_padded_with_nan(self):
        batch = LyraCollator()(
            [
                {"input_ids": np.array([2, 3, 4], dtype=np.uint8), "labels": np.array([1.0, 2.0, 3.0])},
                {"input_ids": np.array([2], dtype=np.uint8), "labels": np.array([4.0])},
            ]
        )
        assert batch["input_ids"].tolist() == [[2, 3, 4], [2, PAD_ID, PAD_ID]]
        assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
        assert batch["labels"][0].tolist() == [1, 2, 3]
        assert batch["labels"][1].isnan().tolist() == [False, True, True]

    def test_classes_per_residue_are_padded_with_what_is_ignored(self):
        batch = LyraCollator()(
            [{"input_ids": [2, 3], "labels": np.array([0, 1])}, {"input_ids": [2], "labels": np.array([1])}]
        )
        assert batch["labels"].tolist() == [[0, 1], [1, -100]]
        model = LyraForTokenClassification(LyraConfig(alphabet="dna", hidden_size=8, state_size=8, num_labels=2))
        assert model(**batch).loss.isfinite()

    def test_one_number_per_sequence(self):
        batch = LyraCollator()([{"input_ids": [2], "labels": 1.5}, {"input_ids": [3, 2], "labels": float("nan")}])
        assert batch["labels"].shape == (2,)
        model = LyraForRegression(LyraConfig(alphabet="dna", hidden_size=8, state_size=8, num_labels=1))
        assert model(**batch).loss.isfinite()
