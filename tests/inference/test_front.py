"""Tables over k-mers against the layers they stand for."""

import string

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import build, small_config

from lyra_hf import LyraConfig, LyraModel
from lyra_hf.alphabets import PAD_ID, UNK_ID, get_alphabet
from lyra_hf.inference.front import Front
from lyra_hf.inference.tables import (
    LETTERS_BEFORE_LARGE_TABLES,
    MAX_TABLE_ROWS,
    HalvesTable,
    KmerTable,
    find_symbols,
    table_depth,
    table_letters,
)

LONG = string.ascii_letters + string.digits
ALPHABETS = ["dna", "rna", "protein", "01", "ABCDEFG", LONG]
CPU = torch.device("cpu")
every_alphabet = pytest.mark.parametrize("alphabet", ALPHABETS)


def symbols_of(alphabet, *, common_only):
    """Padding, the letters and the unknown one; or all."""
    return find_symbols(alphabet)[1 if common_only else -1]


def random_letters(config, length, *, rare, seed=0):
    """Token ids, uint8, of all symbols or only of letters and [UNK]."""
    largest = config.vocab_size if rare else UNK_ID + 1 + config.num_letters
    return np.random.default_rng(seed).integers(UNK_ID, largest, length).astype(np.uint8)


def expected_of(models, rows):
    """What the encoder and the PGCs give for rows of letters (L,), of pairs (2, L): (M, H, L) each."""
    results = []
    for row in rows:
        ids = torch.from_numpy(row).long()
        members = ids.unsqueeze(1) if ids.ndim == 2 else (ids.unsqueeze(0), None)
        mask = torch.ones(1, ids.shape[-1], dtype=torch.bool)
        with torch.no_grad():
            each = [model.gate(model.encoder(members[0], members[1]), mask)[0].T for model in models]
        results.append(torch.stack(each))
    return results


def columns_of(row, length, reach):
    """A row of letters with what is outside of it, as a column (P, 1)."""
    return torch.from_numpy(np.pad(row, (reach, reach + length - row.size), constant_values=PAD_ID)).unsqueeze(1)


def hidden_of(front, rows):
    """The same by the front: rows of letters are columns, padded at the end."""
    length = max(row.shape[-1] for row in rows)
    table = front.table_for(np.concatenate([row.ravel() for row in rows]))
    with torch.inference_mode():
        if front.config.pair_input:
            ids, others = (
                torch.cat([columns_of(row[member], length, front.reach) for row in rows], dim=1) for member in (0, 1)
            )
        else:
            ids, others = torch.cat([columns_of(row, length, front.reach) for row in rows], dim=1), None
        hidden = front.hidden(table, table.codes(ids, others), ids != PAD_ID)  # (M, H, L, S)
    assert hidden.shape[2:] == (length, len(rows))
    if isinstance(table, KmerTable) and table.is_whole:
        assert all((hidden[:, :, row.shape[-1] :, index] == 0).all() for index, row in enumerate(rows))
    return [hidden[:, :, : row.shape[-1], index] for index, row in enumerate(rows)]


def check(alphabet, *, lengths, rare=True, pairs=False, members=1, dtype=torch.float64, **fields):
    models = [
        build(LyraModel, seed=seed, dtype=torch.float64, alphabet=alphabet, pair_input=pairs, **fields)
        for seed in range(members)
    ]
    config = models[0].config
    rows = [
        random_letters(config, (2, length) if pairs else length, rare=rare, seed=seed)
        for seed, length in enumerate(lengths)
    ]
    front = Front(models, CPU, dtype)
    for got, expected in zip(hidden_of(front, rows), expected_of(models, rows), strict=True):
        assert got.dtype == dtype
        tolerance = 1e-11 if dtype == torch.float64 else 1e-5
        torch.testing.assert_close(got.double(), expected, rtol=0, atol=tolerance)
    return front


@settings(max_examples=80)
@given(
    alphabet=st.sampled_from(ALPHABETS),
    widths=st.lists(st.integers(1, 7), max_size=3),
    conv_kernel=st.sampled_from([1, 3, 5]),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    rare=st.booleans(),
    pairs=st.booleans(),
    members=st.integers(1, 3),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@example(
    alphabet="dna",
    widths=[4, 6],
    conv_kernel=3,
    lengths=[1, 2, 9],
    rare=False,
    pairs=False,
    members=1,
    dtype=torch.float64,
)
def test_equals_encoder_and_convolutions(alphabet, widths, conv_kernel, lengths, rare, pairs, members, dtype):
    check(
        alphabet,
        lengths=lengths,
        rare=rare,
        pairs=pairs,
        members=members,
        dtype=dtype,
        pgc_hidden_sizes=widths,
        conv_kernel=conv_kernel,
    )


@settings(max_examples=40)
@given(
    alphabet=st.sampled_from(["dna", "protein", "01", "ABCDEFG"]),
    widths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    conv_kernel=st.sampled_from([1, 3, 5]),
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    members=st.integers(1, 3),
)
@example(alphabet="protein", widths=[4, 6], conv_kernel=3, lengths=[1, 2, 9], members=2)
def test_tables_in_two_halves_give_the_same(alphabet, widths, conv_kernel, lengths, members):
    fields = {"alphabet": alphabet, "pgc_hidden_sizes": widths, "conv_kernel": conv_kernel}
    models = [build(LyraModel, seed=seed, dtype=torch.float64, **fields) for seed in range(members)]
    front = Front(models, CPU, torch.float64)
    front.letters_seen = LETTERS_BEFORE_LARGE_TABLES
    rng = np.random.default_rng(0)
    rows = [rng.integers(2, 2 + front.config.num_letters, length).astype(np.uint8) for length in lengths]
    for got, expected in zip(hidden_of(front, rows), expected_of(models, rows), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)


def test_halves_serve_proteins_of_letters_alone_once_many_have_been_seen():
    front = Front([build(LyraModel, alphabet="protein", dtype=torch.float64)], CPU, torch.float64)
    letters, unknown = np.array([2, 21], dtype=np.uint8), np.array([2, UNK_ID], dtype=np.uint8)
    assert isinstance(front.table_for(letters), KmerTable)
    front.letters_seen = LETTERS_BEFORE_LARGE_TABLES
    assert isinstance(front.table_for(letters), HalvesTable)
    assert isinstance(front.table_for(unknown), KmerTable)


@pytest.mark.parametrize(("alphabet", "rare"), [("dna", False), ("dna", True), ("protein", False)])
def test_the_released_shape(alphabet, rare):
    fields = {"hidden_size": 64, "pgc_hidden_sizes": [16, 128], "state_size": 64}
    check(alphabet, lengths=[1, 2, 3, 4, 5, 40], rare=rare, dtype=torch.float32, **fields)


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_one_front_serves_common_letters_and_rare_codes_in_turn(alphabet):
    models = [build(LyraModel, dtype=torch.float64, alphabet=alphabet)]
    front = Front(models, CPU, torch.float64)
    for rare in (False, True, False, True):
        rows = [random_letters(models[0].config, 30, rare=rare, seed=int(rare))]
        torch.testing.assert_close(hidden_of(front, rows)[0], expected_of(models, rows)[0], rtol=0, atol=1e-11)


@every_alphabet
def test_symbols_stand_for_what_enters_the_model(alphabet):
    composition = np.array(get_alphabet(alphabet).composition)
    letters = len(get_alphabet(alphabet).letters)
    for common_only in (False, True):
        symbols = symbols_of(alphabet, common_only=common_only)
        assert symbols.token_ids[0] == PAD_ID
        assert symbols.of_token.shape == (256,)
        assert (symbols.of_token[len(composition) :] == -1).all()
        for token, symbol in enumerate(symbols.of_token[: len(composition)].tolist()):
            if symbol != -1:
                np.testing.assert_array_equal(composition[symbols.token_ids[symbol]], composition[token])
        different = {tuple(composition[token]) for token in symbols.token_ids}
        assert len(different) == len(symbols.token_ids)
        assert symbols.count(pairs=False) == len(symbols.token_ids)
        assert symbols.count(pairs=True) == len(symbols.token_ids) ** 2
        common = np.array([PAD_ID, UNK_ID, *range(UNK_ID + 1, UNK_ID + 1 + letters)], dtype=np.uint8)
        assert symbols.cover(common)
        everything = np.arange(len(composition), dtype=np.uint8)
        rare = len({tuple(row) for row in composition}) > letters + 2
        assert symbols.cover(everything) == (not common_only or not rare)


def test_codes_that_are_a_letter_by_another_name_are_common():
    ids = get_alphabet("protein").vocabulary
    symbols = symbols_of("protein", common_only=True)
    assert symbols.cover(np.array([ids["U"], ids["O"], ids["X"]], dtype=np.uint8))
    assert not symbols.cover(np.array([ids["A"], ids["B"]], dtype=np.uint8))
    assert symbols.of_token[ids["U"]] == symbols.of_token[ids["C"]]
    assert symbols.of_token[ids["X"]] == symbols.of_token[UNK_ID]


@pytest.mark.parametrize(
    ("conv_kernel", "depth", "letters"), [(3, 0, 1), (3, 1, 3), (3, 2, 5), (5, 1, 5), (5, 2, 9), (1, 3, 1)]
)
def test_letters_that_convolutions_reach_over(conv_kernel, depth, letters):
    assert table_letters(small_config(conv_kernel=conv_kernel), depth) == letters


@given(
    alphabet=st.sampled_from([*ALPHABETS, "".join(map(chr, range(0x4E00, 0x4E00 + 120)))]),
    convolutions=st.integers(0, 4),
    conv_kernel=st.sampled_from([1, 3, 5, 7]),
    pairs=st.booleans(),
    common_only=st.booleans(),
)
def test_tables_are_of_bearable_size_and_as_deep_as_that_allows(
    alphabet, convolutions, conv_kernel, pairs, common_only
):
    config = small_config(
        alphabet=alphabet, pgc_hidden_sizes=[4] * convolutions, conv_kernel=conv_kernel, pair_input=pairs
    )
    symbols = symbols_of(alphabet, common_only=common_only)
    depth = table_depth(config, symbols)
    base = symbols.count(pairs=pairs)
    assert 0 <= depth <= convolutions
    assert not depth or base ** table_letters(config, depth) <= MAX_TABLE_ROWS
    assert depth == convolutions or base ** table_letters(config, depth + 1) > MAX_TABLE_ROWS


@pytest.mark.parametrize(
    ("alphabet", "common_only", "depth"),
    [
        ("dna", True, 2),
        ("dna", False, 1),
        ("rna", True, 2),
        ("protein", True, 1),
        ("protein", False, 1),
        (LONG, True, 0),
    ],
)
def test_depth_of_the_released_shape(alphabet, common_only, depth):
    assert table_depth(LyraConfig(alphabet=alphabet), symbols_of(alphabet, common_only=common_only)) == depth


def rows_of(table):
    """The largest number of rows of anything that a table holds."""
    return max(max(tensor.shape) for tensor in vars(table).values() if isinstance(tensor, torch.Tensor))


@pytest.mark.parametrize("pairs", [False, True], ids=["singles", "pairs"])
def test_a_long_alphabet_has_small_tables(pairs):
    assert len(LONG) > 60
    front = check(LONG, lengths=[1, 2, 30], pairs=pairs)
    table = front.table_for(np.arange(2 + len(LONG), dtype=np.uint8))
    assert isinstance(table, KmerTable)
    assert table.depth == 0
    assert rows_of(table) <= MAX_TABLE_ROWS


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
def test_tables_are_kept(alphabet):
    front = Front([build(LyraModel, dtype=torch.float64, alphabet=alphabet)], CPU, torch.float32)
    common, rare = np.array([2, 3, 4], dtype=np.uint8), np.arange(front.config.vocab_size, dtype=np.uint8)
    one, other = front.table_for(common), front.table_for(rare)
    assert one is front.table_for(common)
    assert other is front.table_for(rare)
    assert one is not other
    assert max(rows_of(one), rows_of(other)) <= MAX_TABLE_ROWS
