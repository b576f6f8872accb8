"""Batches of a table's rows: gathered from flat arrays for speed, or collated row by row from any data set."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from ..alphabets import PAD_ID
from ..inference.encoding import offsets_of
from ..labels import IGNORE_INDEX
from ..tokenization_lyra import pad_ids
from .data import Rows
from .sharing import Share

Indices = npt.NDArray[np.int64]


class LyraCollator:
    """Rows of token ids and labels -> a batch padded on the right.

    Labels per residue are padded with what does not count: -100 for classes, NaN for numbers. What already is a batch,
    as a `TableDataset` gives it, passes unchanged.
    """

    def __call__(self, rows: list[dict[str, Any]] | dict[str, Tensor]) -> dict[str, Tensor]:
        """Make a batch of rows with `input_ids` and, where there are any, `labels`."""
        if isinstance(rows, dict):
            return rows
        input_ids = torch.from_numpy(pad_ids([np.asarray(row["input_ids"], dtype=np.uint8) for row in rows]))
        batch = {"input_ids": input_ids, "attention_mask": (input_ids != PAD_ID).long()}
        if "labels" in rows[0]:
            batch["labels"] = torch.from_numpy(stack_labels([np.asarray(row["labels"]) for row in rows]))
        return batch


def stack_labels(labels: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Labels of different lengths as one array, padded with what does not count."""
    dtype, fill = _kind_of(labels)
    shape = [max(sizes) for sizes in zip(*(array.shape for array in labels), strict=True)]
    stacked = np.full([len(labels), *shape], fill, dtype=dtype)
    for row, array in enumerate(labels):
        corner: Any = (row, *(slice(size) for size in array.shape))
        stacked[corner] = array
    return stacked


class TableDataset(Dataset[dict[str, Any]]):
    """The rows of a split: one by one as any data set, or a whole batch in one step, equal to that of `LyraCollator`.

    A model of this size takes milliseconds for a step; padding rows one by one in Python would take as long.

    Args:
        rows: token ids and labels.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.lengths: list[int] = rows.encoded.lengths.tolist()
        dtype, self.fill = _kind_of(rows.labels)
        # Labels of one shape stand in one array; others one behind the other, like the ids.
        self.label_offsets: Indices | None = None
        if len({labels.shape for labels in rows.labels}) == 1:
            self.labels = np.stack(rows.labels).astype(dtype)
        else:
            self.labels = np.concatenate(rows.labels).astype(dtype)
            self.label_offsets = offsets_of(np.array([len(labels) for labels in rows.labels]))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def no_labels(self) -> npt.NDArray[Any]:
        """Labels of no rows."""
        return self.labels[:0]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One row: token ids (L,), and its labels."""
        return {"input_ids": self.rows.encoded[index], "labels": self.rows.labels[index]}

    def __getitems__(self, indices: Sequence[int] | Share) -> dict[str, Any]:
        """A batch; torch's DataLoader asks for this in place of the single rows.

        A share of a batch is as long as the whole batch's longest row, and has an entry more, `rows_of_batch`.
        """
        if isinstance(indices, Share):
            held = indices.batch[indices.rows.held]
            shared = self._batch(held, max(self.lengths[index] for index in indices.batch))
            if not indices.counts:
                shared["labels"].fill_(self.fill)
            return {**shared, "rows_of_batch": indices.rows}
        return self._batch(indices)

    def _batch(self, indices: Sequence[int], length: int = 1) -> dict[str, Tensor]:
        """Rows, padded to the longest of them and at least to a length."""
        chosen = np.asarray(indices, dtype=np.int64)
        encoded = self.rows.encoded
        input_ids = torch.from_numpy(_padded(encoded.ids, encoded.offsets, chosen, PAD_ID, np.int64, length))
        if self.label_offsets is None:
            labels = self.labels[chosen]
        else:
            labels = _padded(self.labels, self.label_offsets, chosen, self.fill, self.labels.dtype, length)
        return {
            "input_ids": input_ids,
            "attention_mask": (input_ids != PAD_ID).long(),
            "labels": torch.from_numpy(labels),
        }


class LetterBatches(Sampler[list[int]]):
    """All rows in batches of like length, the longest first: for evaluation, where the order does not matter.

    Args:
        lengths: letters of each row.
        letters: letters of a batch at most, padding included; a longer row is a batch of its own.
    """

    def __init__(self, lengths: Sequence[int], letters: int) -> None:
        self.batches: list[list[int]] = []
        room = 0
        for index in np.argsort(lengths, kind="stable")[::-1].tolist():
            if room == 0:  # the first of a batch is its longest
                self.batches.append([])
                room = max(1, letters // max(1, lengths[index]))
            self.batches[-1].append(index)
            room -= 1

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


def _kind_of(labels: Sequence[npt.NDArray[Any]]) -> tuple[npt.DTypeLike, float]:
    """The type in which the model takes such labels, and what stands where there is none."""
    if np.issubdtype(np.result_type(*{array.dtype for array in labels}), np.integer):
        return np.int64, IGNORE_INDEX
    return np.float32, np.nan


def _padded(
    flat: npt.NDArray[Any], offsets: Indices, chosen: Indices, fill: float, dtype: npt.DTypeLike, length: int
) -> npt.NDArray[Any]:
    """Rows of a flat array (total, ...), padded on the right to the longest: (B, L, ...), with L at least `length`."""
    starts, lengths = offsets[chosen], offsets[chosen + 1] - offsets[chosen]
    positions = np.arange(max(1, length, lengths.max()))
    is_real = positions < lengths[:, None]
    padded = np.full((*is_real.shape, *flat.shape[1:]), fill, dtype=dtype)
    padded[is_real] = flat[(starts[:, None] + positions)[is_real]]
    return padded
