"""Dropout: its gradient, its statistics, and that of a batch that is shared out among processes."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lyra_hf import dropout
from lyra_hf.dropout import RowsOfBatch, drop_channels, gated_dropout, rows_of_batch


@pytest.fixture(autouse=True)
def at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "MIN_SIZE", 0)


def doubles(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


class TestGatedDropout:
    @pytest.mark.parametrize("shape", [(2,), (1, 2), (3, 4), (2, 3, 6)], ids=str)
    def test_gradients(self, shape: tuple[int, ...]) -> None:
        def function(x: Tensor) -> Tensor:
            torch.manual_seed(0)  # the same mask every time
            return dropout.gated_dropout(x, 0.25, training=True)

        assert torch.autograd.gradcheck(function, (doubles(*shape),))
        assert torch.autograd.gradgradcheck(function, (doubles(*shape),))

    @pytest.mark.parametrize("p", [1e-9, 0.2, 0.25, 0.9, 1 - 1e-9])
    def test_is_dropout(self, p: float) -> None:
        x = doubles(200, 64)
        without = F.glu(x, dim=-1)
        torch.manual_seed(0)
        factor = dropout.gated_dropout(x, p, training=True) / without
        assert abs(float((factor == 0).double().mean()) - p) < 0.02
        kept = factor[factor != 0]
        torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)), rtol=2e-4 if p < 0.99 else 1, atol=0)

    @pytest.mark.parametrize("p", [0.2, 0.5, 1 / 3])
    def test_the_mean_stays(self, p: float) -> None:
        torch.manual_seed(0)
        mask, keep = dropout.keep_mask(torch.Size([1_000_001]), p, torch.float32)
        assert torch.equal(mask.unique(), torch.tensor([0.0, 1.0]))
        assert abs(keep - (1 - p)) <= 2**-17
        assert abs(float(mask.double().mean()) - keep) < 5 * (p * (1 - p) / 1e6) ** 0.5
        # Neighbours come from one random number, and know nothing of each other.
        centred = mask - keep
        for distance in (1, 2, 3, 4):
            assert abs(float((centred[distance:] * centred[:-distance]).mean())) < 2e-3

    def test_without_training(self) -> None:
        x = doubles(3, 4)
        for p, training in ((0.5, False), (0.0, True)):
            assert torch.equal(dropout.gated_dropout(x, p, training=training), F.glu(x, dim=-1))


class TestDropChannels:
    def test_all_positions_of_a_row_alike(self) -> None:
        torch.manual_seed(0)
        x = torch.ones(3, 4, 5, 64)  # members, rows, positions, channels
        y = drop_channels(x, 0.25, training=True)
        assert torch.equal(y, y[:, :, :1].expand_as(y))
        assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
        assert not torch.equal(y[:, 0], y[:, 1])
        assert not torch.equal(y[0], y[1])

    def test_without_training(self) -> None:
        x = torch.ones(1, 2, 3, 4)
        assert drop_channels(x, 0.5, training=False) is x
        assert drop_channels(x, 0.0, training=True) is x


class TestSharedBatch:
    """The rows of a process have the masks that they would have in the whole batch."""

    @pytest.mark.parametrize("least", [0, 10**9], ids=["by hand", "formula"])
    @pytest.mark.parametrize("operation", [gated_dropout, drop_channels])
    def test_rows_of_the_whole(self, operation, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(dropout, "MIN_SIZE", least)
        x = torch.ones(2, 7, 3, 8)
        torch.manual_seed(5)
        whole = operation(x, 0.5, training=True)
        for held in (slice(0, None, 2), slice(1, None, 2), slice(0, 1)):
            torch.manual_seed(5)
            with rows_of_batch(RowsOfBatch(7, held)):
                assert torch.equal(operation(x[:, held], 0.5, training=True), whole[:, held])

    def test_ends_with_its_context(self) -> None:
        x = torch.ones(1, 2, 3, 4)
        with pytest.raises(RuntimeError), rows_of_batch(RowsOfBatch(9, slice(0, 2))):
            raise RuntimeError
        torch.manual_seed(5)
        one = drop_channels(x, 0.5, training=True)
        torch.manual_seed(5)
        assert torch.equal(one, x * F.dropout(torch.ones(1, 2, 1, 4), 0.5))
