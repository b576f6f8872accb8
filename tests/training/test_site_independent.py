"""The site-independent term: against the textbook's formulas, and as what training leaves in a model."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lyra_hf import LyraConfig, LyraForRegression, Predictor
from lyra_hf.inference.encoding import EncodedSequences
from lyra_hf.tokenization_lyra import SequenceEncoder
from lyra_hf.training.amino_acids import AMINO_ACIDS, similarity
from lyra_hf.training.data import LabelledTable, Rows
from lyra_hf.training.finetune import finetune
from lyra_hf.training.options import TrainingOptions
from lyra_hf.training.site_independent import best_prior, fit, fit_site_weights, occurring_letters, principal_axes
from lyra_hf.training.site_priors import INDEPENDENT, OF_PROTEINS, Prior


def encoded(sequences, alphabet="protein"):
    encoder = SequenceEncoder(alphabet)
    return EncodedSequences.from_list([encoder.encode(sequence) for sequence in sequences])


def variants(number, length=8, letters="ACDEFGHIKLMNPQRSTVWY", seed=0):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list(letters), size=length)) for _ in range(number)]


def config(alphabet="protein", length=8, **options):
    return LyraConfig(
        alphabet=alphabet,
        num_positions=length,
        site_weights=True,
        **{"hidden_size": 4, "pgc_hidden_sizes": [4], "state_size": 4, "problem_type": "regression", **options},
    )


def prior_of(sites, parts=INDEPENDENT):
    """All parts of equal variance."""
    return Prior("protein", 20, sites.mean.argmax(1), parts, (1.0,) * len(parts))


def made(number=60, length=6, seed=0):
    """Sites, and labels that depend on them."""
    generator = np.random.default_rng(seed)
    sites = occurring_letters(encoded(variants(number, length, "ACDW", seed)), config(length=length))
    effects = generator.normal(size=sites.share.shape[1])
    return sites, sites.share @ effects + generator.normal(size=number)


class TestSites:
    def test_only_where_rows_differ(self):
        sites = occurring_letters(encoded(["MKA", "MRA", "MKA"]), config(length=3))
        assert sites.position.tolist() == [1, 1]
        assert ["ACDEFGHIKLMNPQRSTVWY"[letter] for letter in sites.letter] == ["K", "R"]
        assert sites.share.tolist() == [[1, 0], [0, 1], [1, 0]]

    def test_ambiguity_codes_are_mixtures_and_the_end_is_nothing(self):
        sites = occurring_letters(encoded(["AN", "A", "AG"], "dna"), config("dna", length=2))
        assert sites.position.tolist() == [1] * 4
        assert sites.share.tolist() == [[0.25] * 4, [0] * 4, [0, 0, 1, 0]]

    def test_no_further_than_the_model_counts(self):
        assert occurring_letters(encoded(["MKA", "MKC"]), config(length=2)).share.shape == (2, 0)

    def test_of_pairs_the_second_comes_behind(self):
        sites = occurring_letters(encoded(["ACGG", "ACTG"], "dna"), config("dna", length=2, pair_input=True))
        assert (sites.position.tolist(), sites.letter.tolist()) == ([0, 0], [4 + 2, 4 + 3])


class TestFit:
    def test_is_ridge_regression_where_weights_are_independent(self):
        sites, labels = made()
        found = fit(sites, labels, prior_of(sites))
        centred = sites.share - sites.share.mean(0)
        errors = []
        for noise in np.geomspace(1e-3, 100, 16) * np.square(centred).sum(1).mean():
            weight = np.linalg.solve(
                centred.T @ centred + noise * np.eye(centred.shape[1]), centred.T @ (labels - labels.mean())
            )
            hat = centred @ np.linalg.solve(centred.T @ centred + noise * np.eye(centred.shape[1]), centred.T)
            left = (labels - labels.mean() - centred @ weight) / (1 - hat.diagonal() - 1 / len(labels))
            errors.append((np.square(left).mean(), centred @ weight, labels - left))
        error, fitted, left_out = min(errors, key=lambda one: one[0])
        assert found.error == pytest.approx(error, rel=1e-4)
        np.testing.assert_allclose(sites.share @ found.weight[sites.position, sites.letter], fitted, atol=1e-4)
        np.testing.assert_allclose(found.left_out, left_out, atol=1e-4)

    def test_what_is_left_out_is_not_seen(self):
        """A row's own label does not move what the term says of it, but through the choice of the noise."""
        sites, labels = made()
        before = fit(sites, labels, prior_of(sites))
        changed = labels.copy()
        changed[7] += 1e-3
        after = fit(sites, changed, prior_of(sites))
        moved = np.abs(after.left_out - before.left_out)
        in_sample = np.abs(sites.share[7] @ (after.weight - before.weight)[sites.position, sites.letter])
        assert moved[7] < 0.05 * in_sample

    @pytest.mark.parametrize("parts", [INDEPENDENT, OF_PROTEINS])
    def test_its_sums_have_a_mean_of_zero(self, parts):
        sites, labels = made()
        found = fit(sites, labels + 5, prior_of(sites, parts))
        assert (sites.share @ found.weight[sites.position, sites.letter]).mean() == pytest.approx(0, abs=1e-9)

    def test_like_amino_acids_stand_in_for_each_other(self):
        """Of isoleucine nothing was seen at a site where leucine and aspartate were: it is taken for leucine."""
        letters = ["L", "D", "A"] * 20
        sites = occurring_letters(
            encoded([f"{letter}{other}" for letter, other in zip(letters, variants(60, 1), strict=True)]),
            config(length=2),
        )
        labels = np.array([{"L": 2.0, "D": -2.0, "A": 0.0}[letter] for letter in letters])
        labels += np.random.default_rng(0).normal(scale=0.3, size=60)
        found = fit(sites, labels, prior_of(sites, OF_PROTEINS[:2]))
        weight = dict(zip("ACDEFGHIKLMNPQRSTVWY", found.weight[0], strict=True))
        assert weight["L"] > weight["I"] > weight["A"] > weight["E"] > weight["D"]

    @pytest.mark.parametrize("labels", [np.zeros(5), np.arange(5.0)])
    def test_where_there_is_nothing_to_learn(self, labels):
        same = labels.any()
        sites = occurring_letters(encoded(["MK"] * 5 if same else variants(5, 2)), config(length=2))
        found = fit(sites, labels, prior_of(sites))
        assert not found.weight.any()
        assert found.left_out.tolist() == [labels.mean()] * 5

    def test_is_the_mean_of_the_gaussian_process(self):
        """Against the textbook's formula over all letters at all sites, rows of different lengths among them."""
        sequences = [sequence[: 4 + index % 3] for index, sequence in enumerate(variants(40, 6, "ACDW"))]
        sites = occurring_letters(encoded(sequences), config(length=6))
        labels = np.random.default_rng(1).normal(size=40)
        prior = best_prior(sites, labels, config(length=6))
        found = fit(sites, labels, prior)
        rows = np.zeros((40, 6, 20))
        for row, sequence in enumerate(sequences):
            rows[row, np.arange(len(sequence)), ["ACDEFGHIKLMNPQRSTVWY".index(letter) for letter in sequence]] = 1
        flat = (rows - rows.mean(0)).reshape(40, -1)
        position, letter = (axis.ravel() for axis in np.indices((6, 20)))
        kernel = flat @ prior.covariance(position, letter) @ flat.T
        kernel /= kernel.diagonal().mean()
        candidates = [
            kernel @ np.linalg.solve(kernel + noise * np.eye(40), labels - labels.mean())
            for noise in np.geomspace(1e-3, 100, 16)
        ]
        sums = np.einsum("npf,pf->n", rows, found.weight)
        assert min(np.abs(sums - one).max() for one in candidates) < 1e-4

    def test_sites_that_no_row_varied_are_like_the_others(self):
        """Proline costs at every site that was seen, and so it costs at the last one, which was not."""
        generator = np.random.default_rng(0)
        letters = "ACDEFGHIKLMNPQRSTVWY"
        wild_type = "MKTAYIAK"
        sequences, labels = [], []
        for site in range(7):
            for letter in letters:
                sequences.append(wild_type[:site] + letter + wild_type[site + 1 :])
                labels.append(0 if letter == wild_type[site] else -3 if letter == "P" else -1)
        labels = np.array(labels) + generator.normal(scale=0.1, size=len(labels))
        sites = occurring_letters(encoded(sequences), config())
        assert 7 not in sites.position
        found = fit(sites, labels, best_prior(sites, labels, config()))
        weight = dict(zip(letters, found.weight[7], strict=True))
        assert weight.pop("K") == pytest.approx(0, abs=1e-9)
        assert max(weight.values()) < -0.3
        assert min(weight, key=weight.get) == "P"

    @settings(max_examples=20, deadline=None)
    @given(rows=st.integers(1, 12), columns=st.integers(1, 12), seed=st.integers(0, 99))
    def test_principal_axes(self, rows, columns, seed):
        features = np.random.default_rng(seed).normal(size=(rows, columns))
        vectors, values = principal_axes(features)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(len(values)), atol=1e-6)
        np.testing.assert_allclose(vectors * values @ vectors.T, features @ features.T, atol=1e-8)


class TestInAModel:
    def test_labels_are_moved_by_what_the_term_owes_to_the_row_itself(self):
        sequences = variants(50, 6, "ACDW")
        sites, labels = made(50)
        model = LyraForRegression(config(length=6))
        model.classifier.label_scale.fit(torch.tensor(labels[:, None] * 3 + 7, dtype=torch.float32))
        rows = Rows(encoded(sequences), list((labels * 3 + 7).astype(np.float32)))
        moved = fit_site_weights(model, rows)
        standard = (labels - labels.mean()) / labels.std()
        found = fit(sites, standard, best_prior(sites, standard, model.config))
        np.testing.assert_allclose(model.site_weights.weight[..., 0], found.weight, atol=1e-4)
        sums = sites.share @ found.weight[sites.position, sites.letter]
        wanted = labels.mean() + labels.std() * (standard + sums - found.left_out)
        np.testing.assert_allclose(np.array(moved.labels), wanted * 3 + 7, atol=1e-3)
        assert moved.encoded is rows.encoded

    def test_outputs_have_terms_of_their_own_and_missing_labels_stay_missing(self):
        labels = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
        labels[::3, 1] = np.nan
        sequences = variants(40, 4, "ACGT")
        model = LyraForRegression(config("dna", length=4, num_labels=2))
        model.classifier.label_scale.fit(torch.from_numpy(labels))
        moved = fit_site_weights(model, Rows(encoded(sequences, "dna"), list(labels)))
        assert (np.isnan(np.stack(moved.labels)) == np.isnan(labels)).all()
        alone = LyraForRegression(config("dna", length=4))
        known = ~np.isnan(labels[:, 1])
        alone.classifier.label_scale.fit(torch.from_numpy(labels[known, 1:]))
        some = [sequence for sequence, flag in zip(sequences, known, strict=True) if flag]
        fit_site_weights(alone, Rows(encoded(some, "dna"), list(labels[known, 1])))
        torch.testing.assert_close(model.site_weights.weight[..., 1], alone.site_weights.weight[..., 0])

    def test_training_keeps_it(self, tmp_path):
        """A model whose network has hardly learnt anything predicts as the term alone does, at least."""
        generator = np.random.default_rng(0)
        sequences = variants(260, 6, "ACDW")
        sites = occurring_letters(encoded(sequences), config(length=6))
        labels = (sites.share @ generator.normal(size=sites.share.shape[1])).astype(np.float32)
        parts = {"train": slice(0, 200), "validation": slice(200, 260)}
        splits = {name: Rows(encoded(sequences[part]), list(labels[part])) for name, part in parts.items()}
        table = LabelledTable("protein", "sequence", "regression", ["y"], splits)
        options = {"num_positions": 6, "site_weights": True, "hidden_size": 4, "pgc_hidden_sizes": [4], "state_size": 4}
        report = finetune(table, tmp_path / "model", TrainingOptions(epochs=1), model_options=options)
        assert report.validation["spearman"] > 0.9
        predicted = Predictor(str(tmp_path / "model"))(sequences[200:])
        assert spearmanr(predicted, labels[200:]).statistic == pytest.approx(report.validation["spearman"], abs=1e-6)
        kept = json.loads((tmp_path / "model" / "config.json").read_text())
        assert kept["site_weights"] is True


class TestAminoAcids:
    def test_all_twenty(self):
        assert sorted(AMINO_ACIDS) == sorted("ACDEFGHIKLMNPQRSTVWY")

    def test_likeness(self):
        letters = "ACDEFGHIKLMNPQRSTVWY"
        alike = similarity(letters, 3.0)
        np.testing.assert_array_equal(alike, alike.T)
        assert (alike.diagonal() == 1).all()
        assert np.linalg.eigvalsh(alike).min() > 0

        def of(pair):
            return alike[letters.index(pair[0]), letters.index(pair[1])]

        assert of("IL") > of("ID")
        assert of("KR") > of("KE")
        assert of("DE") > of("DP")
