"""The prediction engine against the plain model, one sequence at a time."""

import copy
import string

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_models import build, random_ids

from lyra_hf import LyraForRegression, LyraForSequenceClassification, LyraForTokenClassification
from lyra_hf.alphabets import UNK_ID
from lyra_hf.checkpoints import checkpoint_names, model_folder
from lyra_hf.inference.engine import LyraEngine
from lyra_hf.inference.loading import load_model
from lyra_hf.inference.state_space import SEGMENT_LENGTH, WHOLE_LENGTH

REGRESSION, SINGLE, MULTI = "regression", "single_label_classification", "multi_label_classification"
LONG = string.ascii_letters + string.digits
ALPHABETS = ["dna", "rna", "protein", "01", "ABCDEFG", LONG]
POOLS = ["mean", "max", "last", "attention", "position"]
RELEASED = {"hidden_size": 64, "pgc_hidden_sizes": [16, 128], "state_size": 64}
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}

HEADS = {
    "number": (LyraForRegression, {}),
    "numbers": (LyraForRegression, {"num_labels": 3}),
    "numbers and site weights": (LyraForRegression, {"num_labels": 3, "site_weights": True}),
    "number of a general head": (LyraForSequenceClassification, {}),
    "classes": (LyraForSequenceClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "label": (LyraForSequenceClassification, {"problem_type": MULTI}),
    "labels": (LyraForSequenceClassification, {"num_labels": 2, "problem_type": MULTI}),
    "undecided": (LyraForSequenceClassification, {"num_labels": 3}),
    "residue number": (LyraForTokenClassification, {"problem_type": REGRESSION}),
    "residue numbers": (LyraForTokenClassification, {"problem_type": REGRESSION, "num_labels": 3}),
    "residue classes": (LyraForTokenClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "residue label": (LyraForTokenClassification, {"problem_type": MULTI}),
    "residue labels": (LyraForTokenClassification, {"num_labels": 2, "problem_type": MULTI}),
}
SHAPES = {
    "one layer": {},
    "two layers": {"num_hidden_layers": 2},
    "three layers, both directions": {"num_hidden_layers": 3, "bidirectional": True},
    "both directions": {"bidirectional": True},
    "no convolution": {"pgc_hidden_sizes": []},
    "wide convolution": {"conv_kernel": 5, "pgc_hidden_sizes": [4, 6, 5]},
    "convolution of one letter": {"conv_kernel": 1},
    **{pooling: {"pooling": pooling} for pooling in POOLS[1:]},
    "pairs": {"pair_input": True},
    "pairs, both directions, attention": {"pair_input": True, "bidirectional": True, "pooling": "attention"},
    "pairs, position": {"pair_input": True, "pooling": "position"},
}
THRESHOLDS = sorted(
    {1, 2, 3, 4, 5, 6, 8}
    | {multiple * SEGMENT_LENGTH + offset for multiple in (1, 2, 3, 5) for offset in (-1, 0, 1)}
    | {WHOLE_LENGTH - 1, WHOLE_LENGTH, WHOLE_LENGTH + 1, 2 * WHOLE_LENGTH, 2 * WHOLE_LENGTH + 1}
)
every_head = pytest.mark.parametrize("head", HEADS)
every_shape = pytest.mark.parametrize("shape", SHAPES)
lengths_of_batches = st.lists(st.one_of(st.sampled_from(THRESHOLDS), st.integers(1, 330)), min_size=1, max_size=5)


def make(head="number", *, seed=0, dtype=torch.float32, **fields):
    cls, of_head = HEADS[head]
    return build(cls, seed=seed, dtype=dtype, **{**of_head, **fields})


def random_rows(config, lengths, *, rare=True, seed=0):
    """Token ids (L,), of pairs (2, L), of every symbol, or of letters and [UNK] alone."""
    largest = config.vocab_size if rare else UNK_ID + 1 + config.num_letters
    shape = (2,) if config.pair_input else ()
    rows = [random_ids(*shape, length, seed=seed + index, vocab_size=largest) for index, length in enumerate(lengths)]
    if config.pair_context:  # there the second of a pair is unknown
        for row in rows:
            row[1, : config.pair_context] = row[1, row.shape[1] - config.pair_context :] = UNK_ID
    return rows


def plain(model, rows):
    """What the plain model gives each row by itself: (O,), or per residue (L, O)."""
    context = model.config.pair_context
    if context:
        rows = [torch.cat([row[0], row[1, context : row.shape[1] - context]]) for row in rows]
    with torch.no_grad():
        return [model(row.reshape(1, -1)).logits[0] for row in rows]


def by_engine(engine, rows, *, say_lengths=None):
    """What an engine's members give rows that are one batch: a list of (M, O), or per residue (M, L, O)."""
    lengths = torch.tensor([row.shape[-1] for row in rows])
    longest = int(lengths.max())
    padded = [torch.nn.functional.pad(row, (0, longest - row.shape[-1])).to(torch.uint8) for row in rows]
    ragged = bool((lengths < longest).any()) if say_lengths is None else say_lengths
    ids = torch.stack(padded, dim=-2)
    with torch.inference_mode():
        batch = engine.lay_out(engine.table_for(ids), ids, lengths if ragged else None)
        outputs = engine.in_units(engine.scores(batch))
    if engine.per_residue:
        return [outputs[:, index, :length] for index, length in enumerate(lengths.tolist())]
    return list(outputs.unbind(1))


def assert_equal(got, expected, dtype):
    assert len(got) == len(expected)
    tolerance = TOLERANCE[dtype]
    for one, wanted in zip(got, expected, strict=True):
        assert one.dtype == dtype
        assert one.shape == wanted.shape
        torch.testing.assert_close(one, wanted.to(dtype), rtol=tolerance, atol=tolerance)


def check(model, lengths, *, rare=True, seed=0, say_lengths=None):
    rows = random_rows(model.config, lengths, rare=rare, seed=seed)
    got = by_engine(LyraEngine([model]), rows, say_lengths=say_lengths)
    assert_equal([one[0] for one in got], plain(model, rows), model.dtype)


@settings(max_examples=100)
@given(
    head=st.sampled_from([*HEADS]),
    alphabet=st.sampled_from(ALPHABETS),
    widths=st.lists(st.integers(1, 7), max_size=3),
    conv_kernel=st.sampled_from([1, 3, 5]),
    layers=st.integers(1, 3),
    bidirectional=st.booleans(),
    pooling=st.sampled_from(POOLS),
    pairs=st.booleans(),
    rare=st.booleans(),
    lengths=lengths_of_batches,
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 100),
)
def test_equals_the_plain_model(
    head, alphabet, widths, conv_kernel, layers, bidirectional, pooling, pairs, rare, lengths, dtype, seed
):
    model = make(
        head,
        seed=seed,
        dtype=dtype,
        alphabet=alphabet,
        pgc_hidden_sizes=widths,
        conv_kernel=conv_kernel,
        num_hidden_layers=layers,
        bidirectional=bidirectional,
        pooling=pooling,
        pair_input=pairs,
    )
    check(model, lengths, rare=rare, seed=seed)


@every_shape
@pytest.mark.parametrize(
    ("head", "dtype"),
    [
        ("numbers", torch.float32),
        ("numbers and site weights", torch.float32),
        ("residue numbers", torch.float64),
    ],
)
def test_around_every_threshold(head, shape, dtype):
    model = make(head, dtype=dtype, **SHAPES[shape])
    engine = LyraEngine([model])
    for length in THRESHOLDS:
        rows = random_rows(model.config, [length, length], seed=length)
        assert_equal([one[0] for one in by_engine(engine, rows)], plain(model, rows), dtype)


@every_shape
@every_head
def test_every_head_on_a_ragged_batch(head, shape):
    check(make(head, **SHAPES[shape]), [161, 1, 65, 7])


@every_shape
@pytest.mark.parametrize("rare", [False, True])
@pytest.mark.parametrize("lengths", [[7, 7, 7], [170, 170]])
def test_lengths_need_not_be_told_where_there_is_no_padding(shape, rare, lengths):
    model = make("numbers", **SHAPES[shape])
    check(model, lengths, rare=rare, say_lengths=False)
    check(model, lengths, rare=rare, say_lengths=True)


@pytest.mark.parametrize("transform", [None, "log", "rank"])
@pytest.mark.parametrize("head", ["number", "numbers", "residue numbers"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_label_transforms(head, transform, dtype):
    model = make(head, dtype=dtype, label_transform=transform, problem_type=REGRESSION)
    labels = 3 * torch.randn(200, model.config.num_labels, generator=torch.Generator().manual_seed(0))
    model.classifier.label_scale.fit(labels.exp() if transform == "log" else labels)
    check(model, [40, 3, 170])


@pytest.mark.parametrize("alphabet", ["dna", "rna", "protein"])
@pytest.mark.parametrize("rare", [False, True])
def test_every_code_alone_and_among_its_neighbours(alphabet, rare):
    model = make("numbers", alphabet=alphabet)
    symbols = torch.arange(1, model.config.vocab_size if rare else UNK_ID + 1 + model.config.num_letters)
    rows = [*symbols.split(1), symbols, symbols.flip(0), symbols.repeat_interleave(3)]
    for head in ("numbers", "residue numbers"):
        model = make(head, alphabet=alphabet)
        got = by_engine(LyraEngine([model]), rows)
        assert_equal([one[0] for one in got], plain(model, rows), torch.float32)


@pytest.mark.parametrize("alphabet", ["dna", "protein"])
@pytest.mark.parametrize("fields", [{}, {"bidirectional": True, "num_hidden_layers": 2, "pooling": "attention"}])
@pytest.mark.parametrize("head", ["number", "residue classes"])
def test_the_released_shape(alphabet, fields, head):
    model = make(head, alphabet=alphabet, **RELEASED, **fields)
    engine = LyraEngine([model])
    for lengths in ([30] * 4, [159, 12, 1, 160], [400, 161]):
        rows = random_rows(model.config, lengths, rare=False)
        assert_equal([one[0] for one in by_engine(engine, rows)], plain(model, rows), torch.float32)


@pytest.mark.parametrize("name", checkpoint_names())
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rare", [False, True])
def test_every_shipped_checkpoint(name, dtype, rare):
    member = load_model(str(model_folder(name))).to(dtype).eval().members()[-1]
    context = 2 * member.config.pair_context
    for batch in ([30, 1, 23, 170, 64, 300], [30] * 5):
        check(member, [length + context for length in batch], rare=rare)


@every_head
def test_models_in_half_precision_are_computed_better(head):
    model = make(head, **RELEASED).to(torch.bfloat16)
    rows = random_rows(model.config, [30, 170, 3])
    got = [one[0] for one in by_engine(LyraEngine([model]), rows)]
    # The weights as they are, and everything between them in float32.
    assert_equal(got, plain(copy.deepcopy(model).float(), rows), torch.float32)
    for one, wanted in zip(got, plain(model, rows), strict=True):
        torch.testing.assert_close(one, wanted.float(), rtol=0.05, atol=0.05)


@pytest.mark.parametrize("fields", [{}, {"bidirectional": True, "num_hidden_layers": 2, "pgc_hidden_sizes": []}])
@pytest.mark.parametrize("pooling", POOLS)
def test_norms_without_an_epsilon(pooling, fields):
    """Zero is allowed; padding must not make a number of 0 / 0."""
    check(make("number", rms_norm_eps=0.0, pooling=pooling, **fields), [9, 1, 170], rare=False)


@settings(max_examples=25)
@given(
    head=st.sampled_from([*HEADS]),
    shape=st.sampled_from([*SHAPES]),
    members=st.integers(2, 3),
    lengths=lengths_of_batches,
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
@example(head="numbers", shape="one layer", members=3, lengths=[9, 200], dtype=torch.float32)
def test_members_of_an_ensemble_score_as_they_do_alone(head, shape, members, lengths, dtype):
    models = [make(head, seed=seed, dtype=dtype, **SHAPES[shape]) for seed in range(members)]
    rows = random_rows(models[0].config, lengths)
    together = by_engine(LyraEngine(models), rows)
    for index, model in enumerate(models):
        alone = [one[0] for one in by_engine(LyraEngine([model]), rows)]
        assert_equal([one[index] for one in together], alone, dtype)
        assert_equal(alone, plain(model, rows), dtype)


@every_shape
@pytest.mark.parametrize(
    "head", ["numbers", "numbers and site weights", "labels", "residue numbers", "residue classes"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_ensemble_that_is_one_model(head, shape, dtype):
    ensemble = make(head, dtype=dtype, ensemble_size=3, **SHAPES[shape])
    rows = random_rows(ensemble.config, [9, 1, 170, 65])
    of_members = by_engine(LyraEngine(ensemble.members()), rows)
    assert_equal([one.mean(0) for one in of_members], plain(ensemble, rows), dtype)
    with torch.no_grad():
        spread = [ensemble(row.reshape(1, -1)).spread[0] for row in rows]
    assert_equal([one.std(0, correction=0) for one in of_members], spread, dtype)


@pytest.mark.parametrize("transform", ["log", "rank"])
def test_members_have_their_own_label_scales(transform):
    models = [make("numbers", seed=seed, label_transform=transform) for seed in range(3)]
    for seed, model in enumerate(models):
        labels = (1 + seed) * torch.randn(100, 3, generator=torch.Generator().manual_seed(seed)).abs()
        model.classifier.label_scale.fit(labels)
    rows = random_rows(models[0].config, [9, 30])
    together = by_engine(LyraEngine(models), rows)
    for index, model in enumerate(models):
        assert_equal([one[index] for one in together], plain(model, rows), torch.float32)


@every_shape
@pytest.mark.parametrize(
    ("head", "lengths"),
    [("numbers", [40] * 130), ("numbers and site weights", [40, 3] * 65), ("residue numbers", [170, 3, 64] * 9)],
)
def test_large_batches(head, shape, lengths):
    check(make(head, **SHAPES[shape]), lengths)


@every_shape
def test_an_engine_is_a_snapshot(shape):
    model = make("numbers and site weights", **SHAPES[shape])
    rows = random_rows(model.config, [30, 170])
    expected = plain(model, rows)
    engine = LyraEngine([model])
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.add_(1)
    assert_equal([one[0] for one in by_engine(engine, rows)], expected, torch.float32)


@every_shape
def test_the_models_stay_as_they_are(shape):
    model = make("numbers and site weights", **SHAPES[shape]).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    by_engine(LyraEngine([model]), random_rows(model.config, [30, 170]))
    assert model.training
    assert model.dtype == torch.float32
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_dropout_is_off_though_the_model_is_in_training():
    model = make("numbers", dropout=0.5)
    rows = random_rows(model.config, [30, 170])
    expected = plain(model, rows)
    assert_equal([one[0] for one in by_engine(LyraEngine([model.train()]), rows)], expected, torch.float32)


@every_shape
def test_one_batch_after_another_gives_the_same(shape):
    """Tables, operators and matrices that grow with what is asked for."""
    model = make("numbers", **SHAPES[shape])
    engine = LyraEngine([model])
    batches = [[3], [30, 2], [160], [1], [161, 5], [64], [300], [100, 100]]
    for number, lengths in enumerate([*batches, *reversed(batches)]):
        rows = random_rows(model.config, lengths, rare=bool(number % 3), seed=number)
        assert_equal([one[0] for one in by_engine(engine, rows)], plain(model, rows), torch.float32)


@pytest.mark.parametrize("head", ["number", "numbers and site weights", "residue number"])
def test_scores_have_no_gradients_outside_of_inference_mode_either(head):
    model = make(head)
    ids = random_rows(model.config, [30])[0].to(torch.uint8).unsqueeze(-2)
    engine = LyraEngine([model])
    assert not engine.scores(engine.lay_out(engine.table_for(ids), ids)).requires_grad
