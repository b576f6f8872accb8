import numpy as np
import torch
from accelerate import Accelerator
from hypothesis import given
from hypothesis import strategies as st
from small_training import labelled
from torch.utils.data import SequentialSampler

from lyra_hf.training.batches import LetterBatches, TableDataset
from lyra_hf.training.sharing import EvaluationBatches, SharedBatches, gathered


@given(rows=st.integers(0, 40), batch_size=st.integers(1, 12), processes=st.integers(1, 5))
def test_the_shares_of_a_batch_are_its_rows_once_each(rows, batch_size, processes):
    of_each = [list(SharedBatches(SequentialSampler(range(rows)), batch_size, k, processes)) for k in range(processes)]
    assert {len(batches) for batches in of_each} == {-(-rows // batch_size)}
    seen = []
    for shares in zip(*of_each, strict=True):
        whole = list(shares[0].batch)
        assert all(list(share.batch) == whole and share.rows.whole == len(whole) for share in shares)
        assert all(len(whole[share.rows.held]) >= 1 for share in shares)
        assert sorted(row for share in shares if share.counts for row in whole[share.rows.held]) == sorted(whole)
        seen += whole
    assert seen == list(range(rows))


@given(lengths=st.lists(st.integers(1, 50), max_size=40), processes=st.integers(1, 5))
def test_each_row_is_evaluated_once(lengths, processes):
    batches = LetterBatches(lengths, 60)
    of_each = [EvaluationBatches(batches.batches, rank, processes) for rank in range(processes)]
    assert sum(map(len, of_each)) == len(batches)
    assert sorted(row for own in of_each for batch in own for row in batch) == list(range(len(lengths)))


def test_a_share_is_as_long_as_the_whole_batch():
    for head in ("sequence", "residue"):
        table = TableDataset(labelled(head=head).splits["train"])
        whole = table.__getitems__(list(range(9)))
        for rank in (0, 1):
            (share,) = SharedBatches(SequentialSampler(range(9)), 9, rank, 2)
            found = table.__getitems__(share)
            assert found.pop("rows_of_batch") == (9, slice(rank, None, 2))
            for name, tensor in found.items():
                torch.testing.assert_close(tensor, whole[name][rank::2], rtol=0, atol=0, equal_nan=True)


def test_labels_of_a_row_that_stands_in_do_not_count():
    table = TableDataset(labelled().splits["train"])
    (share,) = SharedBatches(SequentialSampler(range(1)), 8, 1, 2)
    found = table.__getitems__(share)
    assert torch.equal(found["input_ids"], table.__getitems__([0])["input_ids"])
    assert found["labels"].isnan().all()
    assert not np.isnan(table.labels).any()


def test_gathered_in_one_process():
    values = torch.arange(6.0).reshape(3, 2)
    assert torch.equal(gathered(values, Accelerator(cpu=True)), values)
    assert gathered(values[:0], Accelerator(cpu=True)).shape == (0, 2)
