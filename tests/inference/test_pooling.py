"""Pools taken piece by piece against the model's own on the whole."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import small_config

from lyra_hf.inference.pooling import AttentionPool, LastPool, MaxPool, MeanPool, PositionPool
from lyra_hf.modeling_lyra import LyraPooler

MEMBERS, CHANNELS = 2, 5
POOLS = ["mean", "max", "last", "attention", "position"]
every_pool = pytest.mark.parametrize("pooling", POOLS)


def make(pooling, dtype=torch.float64):
    """The members' poolers, and the engine's."""
    torch.manual_seed(0)
    config = small_config(hidden_size=CHANNELS, pooling=pooling)
    poolers = [LyraPooler(config).to(dtype).requires_grad_(requires_grad=False) for _ in range(MEMBERS)]
    if pooling == "attention":
        return poolers, AttentionPool(torch.stack([3 * p.attention.weight for p in poolers])), 3
    if pooling == "position":
        for pooler in poolers:
            pooler.position_weight.normal_()
        return poolers, PositionPool(torch.stack([p.position_weight for p in poolers])), 1
    return poolers, {"mean": MeanPool, "max": MaxPool, "last": LastPool}[pooling](), 1


def random_hidden(sequences, length, seed=0, dtype=torch.float64):
    """Vectors (M, B, L, H)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(MEMBERS, sequences, length, CHANNELS, generator=generator, dtype=dtype)


def expected_of(poolers, steepness, hidden, mask):
    if poolers[0].attention is not None:
        for pooler in poolers:
            pooler.attention.weight.mul_(steepness)
    return torch.stack([pooler(part, mask.unsqueeze(-1)) for pooler, part in zip(poolers, hidden, strict=True)])


def piece(pool, hidden, lengths, size, *, masked, start=0):
    """A piece (M, B, L, H), laid out in segments of some size, with rubbish where there is padding."""
    length = hidden.shape[2]
    segments = -(-length // size)
    rubbish = hidden.new_full((*hidden.shape[:2], segments * size - length, CHANNELS), 1e3)
    position = torch.arange(segments * size)
    is_letter = position < lengths.unsqueeze(1)  # (B, G * Q)
    wide = torch.cat([hidden, rubbish], dim=2).masked_fill(~is_letter[None, :, :, None], 1e3)
    columns = wide.unflatten(2, (segments, size)).permute(0, 4, 3, 2, 1)  # (M, H, Q, G, B)
    mask = is_letter.unflatten(1, (segments, size)).permute(2, 1, 0).to(hidden.dtype) if masked else None
    return pool.partial(columns, mask, lengths, start)


def pooled(pool, hidden, lengths, cuts, size):
    """The pool over pieces that are cut somewhere: (M, B, H)."""
    length = hidden.shape[2]
    whole = None
    for start, stop in zip([0, *cuts], [*cuts, length], strict=True):
        inside = (lengths.clamp(max=stop) - start).clamp(min=0)
        masked = bool((inside < -(-(stop - start) // size) * size).any())
        part = piece(pool, hidden[:, :, start:stop], inside, size, masked=masked, start=start)
        whole = part if whole is None else pool.join(whole, part)
    return pool.finish(whole, lengths).transpose(1, 2)


@every_pool
@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=4),
    size=st.integers(1, 32),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_a_ragged_batch_in_one_piece(pooling, lengths, size, dtype):
    poolers, pool, steepness = make(pooling, dtype)
    lengths = torch.tensor(lengths)
    length = max(1, int(lengths.max()))
    hidden = random_hidden(len(lengths), length, dtype=dtype)
    expected = expected_of(poolers, steepness, hidden, (torch.arange(length) < lengths.unsqueeze(1)).to(dtype))
    tolerance = 1e-6 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(pooled(pool, hidden, lengths, [], size), expected, rtol=0, atol=tolerance)


@every_pool
@given(length=st.integers(1, 60), size=st.integers(1, 16), cuts=st.sets(st.integers(1, 59)), ragged=st.booleans())
def test_any_cutting_gives_what_the_whole_gives(pooling, length, size, cuts, ragged):
    poolers, pool, steepness = make(pooling)
    cuts = sorted(cut for cut in cuts if cut < length)
    shortest = 0
    if pooling == "last":  # the last piece tells: what is cut must have letters in it
        shortest = cuts[-1] + 1 if cuts else 1
    lengths = torch.tensor([length, (shortest + length) // 2, shortest] if ragged else [length, length])
    hidden = random_hidden(len(lengths), length)
    expected = expected_of(poolers, steepness, hidden, (torch.arange(length) < lengths.unsqueeze(1)).double())
    torch.testing.assert_close(pooled(pool, hidden, lengths, cuts, size), expected, rtol=0, atol=1e-12)


@every_pool
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rows_of_padding_alone_are_zero(pooling, dtype):
    _, pool, _ = make(pooling, dtype)
    lengths = torch.tensor([0, 3, 0])
    hidden = random_hidden(3, 6, dtype=dtype)
    got = pooled(pool, hidden, lengths, [], 3)
    assert (got[:, [0, 2]] == 0).all()
    assert (got[:, 1] != 0).any()


@pytest.mark.parametrize("pooling", ["mean", "max", "attention", "position"])
def test_rows_of_padding_alone_are_zero_in_pieces_too(pooling):
    _, pool, _ = make(pooling)
    got = pooled(pool, random_hidden(3, 6), torch.tensor([0, 3, 0]), [2, 4], 2)
    assert (got[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("size", [500.0, -500.0])
def test_attention_of_very_large_scores(size, dtype):
    """A softmax over scores far beyond where exponentials overflow, in pieces."""
    poolers, pool, _ = make("attention", dtype)
    hidden = random_hidden(2, 12, dtype=dtype)
    pool.weight *= size / 3
    expected = expected_of(poolers, size, hidden, torch.ones(2, 12, dtype=dtype))
    got = pooled(pool, hidden, torch.tensor([12, 12]), [3, 4, 9], 4)
    assert got.isfinite().all()
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-4 if dtype == torch.float32 else 1e-10)


def test_max_of_negative_values():
    _, pool, _ = make("max")
    hidden = -1 - random_hidden(2, 6).abs()
    got = pooled(pool, hidden, torch.tensor([6, 4]), [2, 4], 2)
    torch.testing.assert_close(got[:, 0], hidden[:, 0].amax(1))
    torch.testing.assert_close(got[:, 1], hidden[:, 1, :4].amax(1))
