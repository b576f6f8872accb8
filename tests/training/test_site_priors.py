"""What is believed of the weights of letters at sites: covariances, and the shares of its parts."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lyra_hf.training.site_priors import INDEPENDENT, OF_PROTEINS, Part, Prior, likeliest

LETTERS = "ACDEFGHIKLMNPQRSTVWY"
EVERYWHERE = tuple(axis.ravel() for axis in np.indices((5, 20)))


def prior(parts=OF_PROTEINS, variances=None, consensus="MKTAY"):
    return Prior(
        "protein",
        20,
        np.array([LETTERS.index(letter) for letter in consensus]),
        parts,
        variances or (1.0,) * len(parts),
    )


def index(position, letter):
    return position * 20 + LETTERS.index(letter)


class TestCovariance:
    @pytest.mark.parametrize("part", OF_PROTEINS)
    def test_is_one(self, part):
        covariance = prior((part,)).covariance(*EVERYWHERE)
        np.testing.assert_array_equal(covariance, covariance.T)
        assert np.linalg.eigvalsh(covariance).min() > -1e-9
        assert set(covariance.diagonal()) <= {0, 1}

    @settings(max_examples=10, deadline=None)
    @given(seed=st.integers(0, 99))
    def test_times(self, seed):
        generator = np.random.default_rng(seed)
        one = prior(variances=tuple(generator.uniform(size=len(OF_PROTEINS))))
        values = generator.normal(size=(5, 20))
        wanted = one.covariance(*EVERYWHERE) @ values.ravel()
        np.testing.assert_allclose(one.times(values).ravel(), wanted, atol=1e-9)

    def test_what_has_to_do_with_what(self):
        def of(sites, letters, one, other):
            return prior((Part(sites, letters),)).covariance(*EVERYWHERE)[index(*one), index(*other)]

        assert of("same", "same", (1, "A"), (1, "C")) == 0
        assert of("same", "like", (1, "I"), (1, "L")) > of("same", "like", (1, "I"), (1, "D")) > 0
        assert of("same", "like", (1, "I"), (2, "I")) == 0
        assert of("near", "like", (1, "I"), (2, "I")) == pytest.approx(np.exp(-1 / 3))
        assert of("all", "same", (0, "I"), (4, "I")) == 1
        assert of("near", "consensus", (0, "M"), (1, "K")) == pytest.approx(np.exp(-1 / 3))
        assert of("near", "consensus", (0, "M"), (1, "R")) == 0

    def test_sites_are_like_whose_consensus_is(self):
        covariance = prior((Part("like", "same"),), consensus="ILDAY").covariance(*EVERYWHERE)
        assert covariance[index(0, "P"), index(1, "P")] > covariance[index(0, "P"), index(2, "P")] > 0

    def test_of_pairs_there_are_two_sequences(self):
        assert prior().members == 1
        assert Prior("dna", 8, np.zeros(3, np.int64), INDEPENDENT, (1.0,)).members == 2


class TestLikeliest:
    def rows(self, number=150, seed=0):
        generator = np.random.default_rng(seed)
        share = np.eye(20)[generator.integers(0, 20, size=(number, 5))].reshape(number, 100)
        return share - share.mean(0), generator

    def test_finds_the_part_that_labels_were_drawn_from(self):
        parts = (Part("same", "same"), Part("all", "like"))
        ratios = []
        for part in parts:
            centred, generator = self.rows(600)
            covariance = prior((part,)).covariance(*EVERYWHERE)
            weights = generator.multivariate_normal(np.zeros(100), covariance, method="eigh")
            labels = centred @ weights + generator.normal(scale=0.1, size=len(centred))
            one, other = likeliest(prior(parts), *EVERYWHERE, centred, labels).variances
            ratios.append(one / other)
        assert ratios[0] > 1 > ratios[1]
        assert ratios[0] > 10 * ratios[1]

    @pytest.mark.parametrize("belief", [0.0, 3.0])
    def test_every_step_is_likelier(self, monkeypatch, belief):
        """The density of labels and variances, written out, with the noise that suits each step best."""
        centred, generator = self.rows(60)
        labels = centred @ generator.normal(size=100) + generator.normal(scale=0.3, size=60)
        monkeypatch.setattr("lyra_hf.training.site_priors._BELIEF", belief)
        wanted = (labels - labels.mean()) / labels.std()
        even = 1 / (len(OF_PROTEINS) + 1)
        scales = [np.trace(centred @ prior((part,)).covariance(*EVERYWHERE) @ centred.T) / 60 for part in OF_PROTEINS]

        def log_density(steps):
            monkeypatch.setattr("lyra_hf.training.site_priors._STEPS", steps)
            found = likeliest(prior(), *EVERYWHERE, centred, labels)
            explained = centred @ found.covariance(*EVERYWHERE) @ centred.T
            best = -np.inf
            for noise in np.geomspace(1e-3, 10, 200):
                covariance = explained + noise * np.eye(60)
                _, logarithm = np.linalg.slogdet(covariance)
                best = max(best, -wanted @ np.linalg.solve(covariance, wanted) / 2 - logarithm / 2)
            shares = np.maximum(np.multiply(found.variances, scales) / even, 1e-300)
            return best - belief * np.cosh(np.log(shares)).sum() if belief else best

        densities = [log_density(steps) for steps in (0, 2, 5, 20)]
        assert densities == sorted(densities)

    def test_few_labels_rule_no_part_out(self):
        centred, generator = self.rows(30)
        found = likeliest(prior(), *EVERYWHERE, centred, generator.normal(size=30))
        scales = [np.trace(centred @ prior((part,)).covariance(*EVERYWHERE) @ centred.T) for part in OF_PROTEINS]
        shares = np.multiply(found.variances, scales)
        assert shares.min() > 0.1 * shares.max()

    def test_a_part_that_no_row_has(self):
        """All rows have the consensus letter everywhere but at one site."""
        centred, generator = self.rows(50)
        centred[:, 20:] = 0
        found = likeliest(prior(), *EVERYWHERE, centred, generator.normal(size=50))
        assert np.isfinite(found.variances).all()
