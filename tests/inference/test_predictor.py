import copy
from itertools import count

import numpy as np
import pytest
import torch
from small_models import build

from lyra_hf import (
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
    Predictor,
    UserError,
    build_tokenizer,
)
from lyra_hf.checkpoints import checkpoint_names
from lyra_hf.inference import engine as engine_module
from lyra_hf.inference import predictor as predictor_module
from lyra_hf.inference.batching import SmallerBatchesWarning
from lyra_hf.inference.encoding import encode_texts
from lyra_hf.inference.engine import LyraEngine
from lyra_hf.inference.results import Predictions
from lyra_hf.inference.scoring import Scorer
from lyra_hf.inference.workers import Workers
from lyra_hf.tokenization_lyra import UnknownLettersWarning

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
CASES = {
    "number": (LyraForRegression, {}),
    "numbers": (LyraForRegression, {"num_labels": 3}),
    "classes": (LyraForSequenceClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "label": (LyraForSequenceClassification, {"problem_type": MULTI}),
    "labels": (LyraForSequenceClassification, {"num_labels": 2, "problem_type": MULTI}),
    "pairs": (LyraForRegression, {"pair_input": True}),
    "strands": (LyraForRegression, {"reverse_complement": True, "num_labels": 2}),
    "residue number": (LyraForTokenClassification, {"problem_type": "regression"}),
    "residue numbers": (LyraForTokenClassification, {"problem_type": "regression", "num_labels": 3}),
    "residue classes": (LyraForTokenClassification, {"num_labels": 3, "problem_type": SINGLE}),
    "residue pairs": (LyraForTokenClassification, {"problem_type": "regression", "pair_input": True}),
    "residue strands": (LyraForTokenClassification, {"problem_type": "regression", "reverse_complement": True}),
    "ensemble": (LyraForRegression, {"ensemble_size": 3, "num_labels": 2}),
    "ensemble of classifiers": (LyraForSequenceClassification, {"ensemble_size": 2, "num_labels": 3}),
    "ensemble on pairs": (LyraForRegression, {"ensemble_size": 2, "pair_input": True}),
    "ensemble on both strands": (LyraForRegression, {"ensemble_size": 2, "reverse_complement": True}),
    "site weights": (LyraForRegression, {"site_weights": True, "num_labels": 2}),
    "ensemble with site weights, on pairs": (
        LyraForRegression,
        {"ensemble_size": 3, "site_weights": True, "num_positions": 100, "pair_input": True},
    ),
    "residue ensemble": (LyraForTokenClassification, {"ensemble_size": 3, "problem_type": "regression"}),
}
RELEASED = {"hidden_size": 64, "pgc_hidden_sizes": [16, 128], "state_size": 64}
every_case = pytest.mark.parametrize("case", CASES)


def make(case, **more):
    cls, fields = CASES[case]
    return build(cls, **{**fields, **more})


def random_sequences(number=11, seed=0):
    """Sequences of very different, even lengths; some lower case, ambiguity codes and U among them."""
    generator = np.random.default_rng(seed)
    lengths = 2 * generator.permutation(np.geomspace(1, 120, number).astype(int))
    return ["".join(generator.choice(list("ACGTacgtNRU"), size=length)) for length in lengths]


def plain(model, sequences):
    """What transformers alone gives: the tokenizer and the model on one sequence at a time, or all of one length."""
    tokenizer = build_tokenizer(model.config.alphabet)
    with torch.no_grad():
        if len(set(map(len, sequences))) == 1:
            logits = model(**tokenizer(sequences, return_tensors="pt")).logits.numpy()
            return [row[..., 0] if model.config.num_labels == 1 else row for row in logits]
        logits = [model(**tokenizer(sequence, return_tensors="pt")).logits[0].numpy() for sequence in sequences]
    return [row[..., 0] if model.config.num_labels == 1 else row for row in logits]


def assert_equal(results, expected):
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == np.float32
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=1e-6, atol=1e-5)  # a few digits of labels in the tens


@pytest.fixture
def with_threads(monkeypatch):
    """Makes predictors that have so many workers, whatever the machine."""

    def install(threads):
        monkeypatch.setattr(predictor_module, "Workers", lambda _: Workers(threads))

    return install


@every_case
def test_equals_the_plain_model_one_sequence_at_a_time(tmp_path, case):
    model = make(case)
    model.save_pretrained(tmp_path)
    sequences = random_sequences()
    expected = plain(model, sequences)
    assert len({row.tobytes() for row in expected}) == len(sequences)  # so that another order would show
    assert_equal(Predictor(str(tmp_path))(sequences), expected)


@every_case
def test_any_iterable_is_read_window_by_window(monkeypatch, case):
    monkeypatch.setattr(predictor_module, "_WINDOW", 4)
    model, sequences = make(case), random_sequences()
    assert_equal(Predictor(model)(sequence for sequence in sequences), plain(model, sequences))


@every_case
def test_no_sequences(case):
    model = make(case)
    results = Predictor(model)(iter(()))
    if case.startswith("residue"):
        assert results == []
    else:
        outputs = model.config.num_labels
        assert results.shape == ((0, outputs) if outputs > 1 else (0,))
        assert results.dtype == np.float32


def encoded(predictor, sequences):
    return encode_texts(predictor.encoder, sequences)


def plain_spread(model, sequences):
    """The standard deviation over the members, each run by itself on one sequence at a time."""
    of_members = zip(*(plain(member, sequences) for member in model.members()), strict=True)
    return [np.stack(values).std(0) for values in of_members]


ENSEMBLES = [case for case in CASES if "ensemble" in case]


@pytest.mark.parametrize("transform", [None, "log", "rank"])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("case", ENSEMBLES)
def test_the_spread_of_an_ensemble(with_threads, monkeypatch, case, threads, transform):
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BATCH", {"cpu": 300})
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BLOCK", {"cpu": 64})  # longer ones are streamed
    with_threads(threads)
    if "classifiers" in case:
        transform = None
    model, sequences = make(case, label_transform=transform), random_sequences()
    if transform is not None:
        labels = torch.rand(60, model.config.num_labels, generator=torch.Generator().manual_seed(0))
        model.classifier.label_scale.fit(1 + labels)
    predictor = Predictor(model)
    predictions = predictor.predict_encoded(encoded(predictor, sequences))
    assert predictions.spread.shape == predictions.logits.shape
    assert_equal(predictions.per_sequence(), plain(model, sequences))
    spread = Predictions(predictions.spread, predictions.offsets)
    assert_equal(spread.per_sequence(), plain_spread(model, sequences))
    assert max(row.max() for row in spread.per_sequence()) > 0


@pytest.mark.parametrize("case", ["number", "classes", "residue numbers"])
def test_a_single_model_has_no_spread(case):
    predictor = Predictor(make(case))
    assert predictor.predict_encoded(encoded(predictor, ["ACGT"])).spread is None


def test_an_ensemble_of_equal_members_is_any_of_them():
    model, sequences = make("numbers"), random_sequences()
    predictor = Predictor(LyraForRegression.from_members([model] * 3))
    predictions = predictor.predict_encoded(encoded(predictor, sequences))
    assert_equal(list(predictions.logits), plain(model, sequences))
    np.testing.assert_allclose(predictions.spread, 0, rtol=0, atol=1e-5)


def test_shapes():
    sequences = ["ACGT", "AC"]
    assert Predictor(make("number"))(sequences).shape == (2,)
    assert Predictor(make("numbers"))(sequences).shape == (2, 3)
    assert [rows.shape for rows in Predictor(make("residue number"))(sequences)] == [(4,), (2,)]
    assert [rows.shape for rows in Predictor(make("residue numbers"))(sequences)] == [(4, 3), (2, 3)]
    assert [rows.shape for rows in Predictor(make("residue pairs"))(sequences)] == [(2,), (1,)]


@pytest.fixture
def batches(monkeypatch):
    """The shapes of the batches that are scored."""
    shapes = []
    batch = Scorer.batch

    def spy(self, ids, lengths=None):
        shapes.append(tuple(ids.shape))
        return batch(self, ids, lengths)

    monkeypatch.setattr(Scorer, "batch", spy)
    return shapes


@pytest.mark.parametrize(("batch_size", "expected"), [(1, [1] * 11), (4, [4, 4, 3]), (11, [11]), (None, [11])])
def test_batch_size_is_kept_to_and_changes_nothing(batches, batch_size, expected):
    model, sequences = make("numbers"), random_sequences()
    results = Predictor(model, batch_size=batch_size)(sequences)
    assert [rows for rows, _ in batches] == expected
    assert_equal(results, plain(model, sequences))


def test_letters_per_batch_are_bounded(monkeypatch, batches):
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BATCH", {"cpu": 200})
    model, sequences = make("number"), random_sequences()
    assert max(map(len, sequences)) > 200
    results = Predictor(model)(sequences)
    assert sum(rows for rows, _ in batches) == len(sequences)
    assert any(rows > 1 for rows, _ in batches)
    assert all(rows == 1 or rows * length <= 200 for rows, length in batches)
    assert_equal(results, plain(model, sequences))


def test_unknown_letters_warn_and_are_read_as_unknown():
    model = make("number")
    predictor = Predictor(model)
    with pytest.warns(UnknownLettersWarning, match="'J'"):
        results = predictor(["ACGTJ", "JACGT"])
    ids = torch.tensor([[2, 3, 4, 5, 1], [1, 2, 3, 4, 5]])
    with torch.no_grad():
        np.testing.assert_allclose(results, model(ids).logits[:, 0].numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("blank", ["", " \n\t"])
def test_an_empty_sequence_is_counted_out(monkeypatch, blank):
    monkeypatch.setattr(predictor_module, "_WINDOW", 2)
    with pytest.raises(UserError, match=r"^sequence 4: the sequence is empty$"):
        Predictor(make("number"))(["A", "AC", "ACG", blank, "ACGT"])


@pytest.mark.parametrize("case", ["pairs", "residue pairs"])
def test_a_pair_of_odd_length_is_counted_out(monkeypatch, case):
    monkeypatch.setattr(predictor_module, "_WINDOW", 2)
    with pytest.raises(UserError, match=r"^sequence 3: 5 letters cannot be a pair of equal length$"):
        Predictor(make(case))(["ACGT", "AC", "ACGTA"])


@pytest.mark.parametrize("device", ["nonsense", "cpu:x", "cuda:99"])
@pytest.mark.parametrize("given", ["a folder", "a model"])
def test_a_device_that_is_not_there(tmp_path, device, given):
    model = make("number")
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=rf"device '{device}' is not available here") as caught:
        Predictor(str(tmp_path) if given == "a folder" else model, device)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_of_none(batch_size):
    with pytest.raises(UserError, match=rf"batch_size must be at least 1, not {batch_size}"):
        Predictor(make("number"), batch_size=batch_size)


def test_a_model_in_training_is_switched_to_evaluation():
    model = build(LyraForRegression, dropout=0.5)
    sequences = random_sequences()
    expected = plain(model, sequences)
    assert_equal(Predictor(model.train())(sequences), expected)


def test_a_shipped_name():
    site = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"
    expected = plain(LyraForRegression.from_pretrained("lyra-cas9").eval(), [site])
    assert_equal(Predictor("lyra-cas9")([site]), expected)


@pytest.mark.parametrize("name", checkpoint_names())
def test_every_shipped_checkpoint(name):
    predictor = Predictor(name)
    generator = np.random.default_rng(0)
    letters = list(predictor.encoder.alphabet.letters) + list(predictor.encoder.alphabet.ambiguity)
    context = 2 * predictor.config.pair_context
    lengths = [length + context for length in (30, 30, 30, 2, 4, 24, 170, 300)]
    sequences = ["".join(generator.choice(letters, size=length)) for length in lengths]
    assert_equal(predictor(sequences), plain(predictor.model, sequences))


def test_a_single_text_is_refused():
    with pytest.raises(UserError, match="give a list of sequences, not a single text"):
        Predictor(make("number"))("ACGT")


@every_case
@pytest.mark.parametrize("fields", [{"bidirectional": True, "num_hidden_layers": 2}, {"pooling": "last"}])
def test_other_models(case, fields):
    model, sequences = make(case, **fields), random_sequences(6)
    assert_equal(Predictor(model)(sequences), plain(model, sequences))


@pytest.mark.parametrize("case", ["number", "pairs", "strands", "residue classes"])
def test_the_released_shape(case):
    model, sequences = make(case, **RELEASED), random_sequences(6)
    assert_equal(Predictor(model)(sequences), plain(model, sequences))


@pytest.mark.parametrize("transform", ["log", "rank"])
@pytest.mark.parametrize("case", ["numbers", "strands", "residue number", "residue strands"])
def test_label_transforms(case, transform):
    model, sequences = make(case, label_transform=transform), random_sequences()
    labels = torch.rand(100, model.config.num_labels, generator=torch.Generator().manual_seed(0))
    model.classifier.label_scale.fit(labels)
    assert_equal(Predictor(model)(sequences), plain(model, sequences))


@pytest.mark.parametrize("alphabet", ["rna", "protein", "UCAG", "abcdefABCDEF"])
@pytest.mark.parametrize("case", ["numbers", "pairs", "residue classes"])
def test_other_alphabets(alphabet, case):
    model = make(case, alphabet=alphabet)
    predictor = Predictor(model)
    letters = [*predictor.encoder.alphabet.letters, *predictor.encoder.alphabet.ambiguity]
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(letters, size=2 * length)) for length in (1, 3, 40, 90)]
    assert_equal(predictor(sequences), plain(model, sequences))


@every_case
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("fields", [{}, {"bidirectional": True, "num_hidden_layers": 2}])
def test_long_sequences_are_scored_in_blocks(monkeypatch, with_threads, case, threads, fields):
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BLOCK", {"cpu": 64})
    with_threads(threads)
    model, sequences = make(case, **fields), random_sequences(6)
    predictor = Predictor(model)
    expected = plain(model, sequences)
    assert_equal(predictor(sequences), expected)
    assert_equal(predictor(sequences[::-1]), expected[::-1])


@every_case
def test_the_number_of_threads_changes_nothing(monkeypatch, with_threads, case):
    monkeypatch.setattr(predictor_module, "_LETTERS_PER_BATCH", {"cpu": 300})
    model, sequences = make(case), random_sequences(30)
    results = []
    for threads in (1, 2):
        with_threads(threads)
        results.append(Predictor(model)(sequences))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@every_case
def test_batch_size_changes_nothing(with_threads, case):
    with_threads(2)
    model, sequences = make(case), random_sequences(7)
    expected = plain(model, sequences)
    for batch_size in (1, 3, 100):
        assert_equal(Predictor(model, batch_size=batch_size)(sequences), expected)


def change_in_place(model, name):
    with torch.no_grad():
        model.get_parameter(name).mul_(1.5)


def change_data(model, name):
    model.get_parameter(name).data.mul_(1.5)


def change_by_loading(model, name):
    state = copy.deepcopy(model.state_dict())
    state[name] = 1.5 * state[name]
    model.load_state_dict(state)


def change_by_replacing(model, name):
    model.get_parameter(name).data = 1.5 * model.get_parameter(name).data


@pytest.mark.parametrize("change", [change_in_place, change_data, change_by_loading, change_by_replacing])
def test_a_weight_that_changes_changes_what_is_predicted_next(change):
    model, sequences = make("numbers"), random_sequences(5)
    predictor = Predictor(model)
    before = predictor(sequences)
    for name in (
        "lyra.encoder.weight",
        "lyra.pgc.0.conv.weight",
        "lyra.pgc.1.out_norm.weight",
        "lyra.layers.0.norm.weight",
        "lyra.layers.0.convolution.log_dt",
        "lyra.layers.0.convolution.D",
        "lyra.layers.0.output_linear.bias",
        "classifier.linear.weight",
    ):
        change(model, name)
        after = predictor(sequences)
        assert np.abs(after - before).max() > 1e-4
        assert_equal(after, plain(model, sequences))
        before = after


def test_a_label_scale_that_changes_changes_what_is_predicted_next():
    model, sequences = make("numbers"), random_sequences()
    predictor = Predictor(model)
    before = predictor(sequences)
    model.classifier.label_scale.mean += 1
    np.testing.assert_allclose(predictor(sequences), before + 1, rtol=0, atol=1e-5)


def test_weights_that_change_while_an_iterable_is_read(monkeypatch):
    """A call scores each of its windows with the weights that are there then, as the plain model does."""
    monkeypatch.setattr(predictor_module, "_WINDOW", 1)
    model = make("number")
    expected = []

    def sequences():
        for _ in range(3):
            model.classifier.linear.bias.data += 1
            expected.append(plain(model, ["ACGT"])[0])
            yield "ACGT"

    assert_equal(Predictor(model)(sequences()), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_of_another_precision(dtype):
    model, sequences = make("numbers").to(dtype), random_sequences()
    # The weights as they are, and everything between them in float32 or better.
    assert_equal(
        Predictor(model)(sequences), [row.astype(np.float32) for row in plain(copy.deepcopy(model).float(), sequences)]
    )


def test_a_model_that_is_given_another_precision():
    model, sequences = make("numbers"), random_sequences()
    expected = plain(model, sequences)
    predictor = Predictor(model)
    assert_equal(predictor(sequences), expected)
    model.double()
    assert_equal(predictor(sequences), expected)


@pytest.fixture
def little_memory(monkeypatch):
    """Memory for three sequences at a time."""
    lay_out = LyraEngine.lay_out

    def refuse(self, table, ids, *arguments, **keywords):
        if ids.shape[-2] > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return lay_out(self, table, ids, *arguments, **keywords)

    monkeypatch.setattr(LyraEngine, "lay_out", refuse)


@every_case
def test_batches_that_are_too_big_for_the_memory(little_memory, with_threads, case):
    with_threads(2)
    model, sequences = make(case), random_sequences(15)
    expected = plain(model, sequences)
    predictor = Predictor(model)
    with pytest.warns(SmallerBatchesWarning) as caught:
        results = predictor(sequences)
    assert len(caught) == 1
    assert_equal(results, expected)
    assert_equal(predictor(sequences), expected)


def test_memory_for_nothing(monkeypatch):
    def refuse(self, *arguments, **keywords):
        raise MemoryError

    monkeypatch.setattr(LyraEngine, "lay_out", refuse)
    with pytest.warns(SmallerBatchesWarning), pytest.raises(UserError, match="memory"):
        Predictor(make("number"))(["ACGT", "AC"])


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_an_error_in_a_batch_surfaces_and_the_next_call_works(monkeypatch, with_threads, threads):
    with_threads(threads)
    model, sequences = make("numbers"), random_sequences(30)
    predictor = Predictor(model, batch_size=2)
    batch, calls = Scorer.batch, count()

    def fail(self, *arguments):
        if next(calls) == 7:
            raise LookupError("the eighth")
        return batch(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "batch", fail)
        with pytest.raises(LookupError, match="the eighth"):
            predictor(sequences)
    assert_equal(predictor(sequences), plain(model, sequences))


COMPLEMENTS = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")
WITH_CODES = "ACGGNTRRYACCATGNNKMSWBDHVACGATTTACNNRYCA"


def windows_of(sequence, window, stride):
    starts = range(0, len(sequence) - window + 1, stride)
    forward = [sequence[start : start + window] for start in starts]
    return list(starts), forward, [cut.translate(COMPLEMENTS)[::-1] for cut in forward]


class TestScan:
    def check(self, model, sequence, window, stride, **keywords):
        scores = Predictor(model, **keywords).scan(sequence, window, stride)
        starts, forward, reverse = windows_of(sequence, window, stride)
        assert (scores.window, scores.stride) == (window, stride)
        assert scores.starts.tolist() == starts
        assert_equal(scores.forward, plain(model, forward))
        assert_equal(scores.reverse, plain(model, reverse))
        if model.config.ensemble_size == 1:
            assert scores.forward_spread is scores.reverse_spread is None
        else:
            assert_equal(scores.forward_spread, plain_spread(model, forward))
            assert_equal(scores.reverse_spread, plain_spread(model, reverse))

    @pytest.mark.parametrize("stride", [1, 2, 7, 1000])
    @pytest.mark.parametrize("window", [1, 5, 12, len(WITH_CODES) - 1, len(WITH_CODES)])
    def test_equals_scoring_what_is_cut_out(self, window, stride):
        self.check(make("number"), WITH_CODES, window, stride)

    @pytest.mark.parametrize("batch_size", [1, 4, None])
    @pytest.mark.parametrize(
        "case",
        ["number", "numbers", "classes", "labels", "strands", "site weights", "ensemble", "ensemble on both strands"],
    )
    def test_every_head(self, with_threads, case, batch_size):
        with_threads(2)
        self.check(make(case), WITH_CODES, 12, 5, batch_size=batch_size)

    @pytest.mark.parametrize("fields", [{"pooling": "last"}, {"bidirectional": True, "num_hidden_layers": 2}, RELEASED])
    def test_other_models(self, fields):
        self.check(make("numbers", **fields), WITH_CODES, 20, 3)

    @pytest.mark.parametrize("window", [159, 160, 161, 200])
    def test_long_windows(self, window):
        generator = np.random.default_rng(0)
        self.check(make("number"), "".join(generator.choice(list("ACGTN"), size=330)), window, 40)

    def test_many_small_batches(self, monkeypatch, with_threads):
        monkeypatch.setattr(predictor_module, "_LETTERS_PER_BATCH", {"cpu": 50})
        with_threads(2)
        self.check(make("number"), WITH_CODES, 12, 1)

    @pytest.mark.parametrize("case", ["number", "ensemble"])
    def test_windows_longer_than_a_block(self, monkeypatch, case):
        monkeypatch.setattr(predictor_module, "_LETTERS_PER_BLOCK", {"cpu": 64})
        self.check(make(case), 3 * WITH_CODES, 100, 11)

    @pytest.mark.parametrize("threads", [1, 2])
    def test_batches_that_are_too_big_for_the_memory(self, little_memory, with_threads, threads):
        with_threads(threads)
        with pytest.warns(SmallerBatchesWarning):
            self.check(make("number"), WITH_CODES, 12, 1)

    def test_case_white_space_and_unknown_letters_are_read_as_ever(self):
        model = make("number")
        scores = Predictor(model).scan(WITH_CODES.lower().replace("gattt", "ga\nttt\tJ"), 12)
        read = WITH_CODES.replace("GATTT", "GATTTN")
        _, forward, reverse = windows_of(read, 12, 1)
        assert_equal(scores.forward, plain(model, forward))
        assert_equal(scores.reverse, plain(model, reverse))

    def test_many_unknown_letters_warn(self):
        with pytest.warns(UnknownLettersWarning, match="'J'"):
            Predictor(make("number")).scan("ACGTJ", 2)

    def test_rna(self):
        model = make("number", alphabet="rna")
        scores = Predictor(model).scan("ACGUUNRYGAC", 4, 2)
        assert_equal(scores.forward, plain(model, ["ACGU", "GUUN", "UNRY", "RYGA"]))
        assert_equal(scores.reverse, plain(model, ["ACGU", "NAAC", "RYNA", "UCRY"]))

    @pytest.mark.parametrize("alphabet", ["protein", "ACGT"])
    def test_without_complements_there_is_one_strand(self, alphabet):
        model = make("numbers", alphabet=alphabet)
        scores = Predictor(model).scan("ACGTTGCA", 5, 2)
        assert scores.reverse is scores.reverse_spread is None
        assert scores.starts.tolist() == [0, 2]
        assert_equal(scores.forward, plain(model, ["ACGTT", "GTTGC"]))

    @pytest.mark.parametrize("stride", [1, 4])
    def test_a_model_of_both_strands_scores_them_alike(self, stride):
        model = make("strands")
        scores = Predictor(model).scan(WITH_CODES, 12, stride)
        np.testing.assert_array_equal(scores.forward, scores.reverse)
        self.check(model, WITH_CODES, 12, stride)

    def test_shapes(self):
        assert Predictor(make("number")).scan("ACGTACGT", 3).forward.shape == (6,)
        assert Predictor(make("numbers")).scan("ACGTACGT", 3).reverse.shape == (6, 3)
        assert Predictor(make("number")).scan("ACGTACGT", 8, 5).starts.tolist() == [0]

    @pytest.mark.parametrize(("sequence", "window"), [("ACGT", 5), ("", 1), (" \n", 1), ("ACGT", 10**9)])
    def test_a_window_longer_than_the_sequence(self, sequence, window):
        with pytest.raises(UserError, match=rf"{window:,} letters .* {len(sequence.strip())}$"):
            Predictor(make("number")).scan(sequence, window)

    @pytest.mark.parametrize(("window", "stride"), [(0, 1), (-3, 1), (3, 0), (3, -1)])
    def test_numbers_below_one(self, window, stride):
        with pytest.raises(UserError, match=rf"must be at least 1, not {window} and {stride}$"):
            Predictor(make("number")).scan("ACGTACGT", window, stride)

    @pytest.mark.parametrize("case", ["residue number", "residue classes", "residue strands"])
    def test_a_head_per_residue_is_refused(self, case):
        with pytest.raises(UserError, match="scores each residue"):
            Predictor(make(case)).scan("ACGTACGT", 3)

    def test_a_model_of_pairs_is_refused(self):
        with pytest.raises(UserError, match="pairs of sequences"):
            Predictor(make("pairs")).scan("ACGTACGT", 4)

    def test_a_weight_that_changes_changes_the_next_scan(self):
        model = make("number")
        predictor = Predictor(model)
        predictor.scan(WITH_CODES, 12, 5)
        model.lyra.encoder.weight.data *= 2
        _, forward, _ = windows_of(WITH_CODES, 12, 5)
        assert_equal(predictor.scan(WITH_CODES, 12, 5).forward, plain(model, forward))


@pytest.mark.parametrize("letter", ["A", "N"])
def test_long_runs_of_one_letter_lose_no_digits(letter):
    model = build(LyraForRegression, num_labels=1)
    for length in (8_192, 40_000):
        ids = torch.from_numpy(Predictor(model).encoder.encode(letter * length)).long()[None]
        with torch.inference_mode():
            exact = copy.deepcopy(model).double()(ids).logits.item()
        assert abs(Predictor(model)([letter * length])[0] - exact) < 2e-6


def test_a_mixture_of_guides_with_and_without_n_makes_each_table_once(monkeypatch):
    made = []
    monkeypatch.setattr(engine_module, "LETTERS_BEFORE_LARGE_TABLES", 0)
    plain = engine_module.PrefixSums
    monkeypatch.setattr(engine_module, "PrefixSums", lambda *given: made.append(given[0]) or plain(*given))
    predictor = Predictor(build(LyraForRegression))
    for _ in range(3):
        predictor(["ACGTACGTACGTACGT"] * 3)
        predictor(["ACGTACGTACGTACGN"] * 3)
    assert len(made) == 2


def test_autocast_around_a_predictor_changes_nothing():
    predictor = Predictor(build(LyraForRegression))
    sequences = ["ACGT" * 8, "ACGT" * 100]
    expected = predictor(sequences)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(predictor(sequences), expected)


def test_a_model_without_a_head_is_refused():
    with pytest.raises(UserError, match="LyraModel has no head"):
        Predictor(build(LyraModel))
