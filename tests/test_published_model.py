"""The published model: its number of parameters, its initial values, and its numbers, with its weights converted."""

from typing import Any

import pytest
import torch
from reference import COLUMNS, UNKNOWN, PublishedLyra, compositions
from torch import Tensor

from lyra_hf import LyraConfig, LyraForRegression, LyraForSequenceClassification, LyraModel
from lyra_hf.alphabets import get_alphabet
from lyra_hf.convert import convert_state_dict


def num_parameters(**fields: Any) -> int:
    return sum(parameter.numel() for parameter in LyraForRegression(LyraConfig(**fields)).parameters())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 47_169),
        ({"alphabet": "dna"}, 46_145),
        ({"alphabet": "rna"}, 46_145),
        ({"state_size": 32}, 43_073),
        ({"state_size": 128}, 55_361),
        ({"state_size": 256}, 71_745),
        ({"num_hidden_layers": 2}, 63_873),
        ({"num_hidden_layers": 4}, 97_281),
        ({"num_labels": 3}, 47_169 + 2 * 65),
        ({"pooling": "max"}, 47_169),
        ({"pooling": "attention"}, 47_169 + 64),
        ({"bidirectional": True}, 47_169 + 64 * (1 + 1 + 4 * 32)),
        ({"pair_input": True}, 47_169 + 64 * 20),
        ({"alphabet": "dna", "reverse_complement": True}, 46_145),
        ({"label_transform": "rank"}, 47_169),
    ],
)
def test_number_of_parameters(fields: dict[str, Any], expected: int) -> None:
    assert num_parameters(**fields) == expected


class TestPublishedModel:
    """Equality with the released model, its weights converted."""

    LENGTHS = (*range(1, 65), 127, 128, 129, 255, 256, 257, 511, 513, 1024, 4099)

    @staticmethod
    def pair(
        alphabet: str, dtype: torch.dtype = torch.float64, outputs: int = 1, **fields: Any
    ) -> tuple[PublishedLyra, LyraForSequenceClassification]:
        """The published model with random weights, and ours with the same."""
        torch.manual_seed(0)
        published = PublishedLyra(len(COLUMNS[alphabet]), outputs, **fields).eval()
        names = {"d_model": "hidden_size", "pgc_widths": "pgc_hidden_sizes", "state_size": "state_size"}
        config = LyraConfig(
            alphabet=alphabet,
            num_labels=outputs,
            problem_type="regression",
            **{names[field]: value for field, value in fields.items()},
        )
        model = LyraForSequenceClassification(config).to(dtype).eval()
        missing, unexpected = model.load_state_dict(convert_state_dict(published.state_dict(), config), strict=False)
        assert unexpected == []
        assert all("label_scale" in name for name in missing)
        return published, model

    @staticmethod
    def sequence(alphabet: str, length: int, *, with_unknown: bool) -> str:
        letters = COLUMNS[alphabet] + (2 * UNKNOWN[alphabet] if with_unknown else "")
        picks = torch.randint(len(letters), (length,), generator=torch.Generator().manual_seed(length))
        return "".join(letters[pick] for pick in picks)

    @staticmethod
    def encode(sequence: str, alphabet: str) -> Tensor:
        vocabulary = get_alphabet(alphabet).vocabulary
        return torch.tensor([[vocabulary[letter] for letter in sequence]])

    @pytest.mark.parametrize(
        ("with_unknown", "lengths"),
        [(False, LENGTHS), (True, (1, 2, 5, 33, 64, 129, 257))],
        ids=["letters", "mixtures"],
    )
    @pytest.mark.parametrize("alphabet", COLUMNS)
    def test_same_numbers(self, alphabet: str, lengths: tuple[int, ...], *, with_unknown: bool) -> None:
        published, single = self.pair(alphabet, torch.float32)
        double = self.pair(alphabet, torch.float64)[1]
        for length in lengths:
            sequence = self.sequence(alphabet, length, with_unknown=with_unknown)
            ids = self.encode(sequence, alphabet)
            with torch.no_grad():
                expected = published(compositions(sequence, alphabet))
            for model, tolerance in ((single, 1e-5), (double, 1e-10)):
                fresh_kernel = model(ids).logits.detach()
                with torch.no_grad():
                    kept_kernel = model(ids).logits
                for logits in (fresh_kernel, kept_kernel):
                    assert logits.dtype == model.dtype
                    error = (logits.double() - expected).abs().max().item()
                    assert error <= tolerance, (length, model.dtype)

    @pytest.mark.parametrize("length", [1, 40, 300])
    def test_same_vector_at_every_position(self, length: int) -> None:
        published, model = self.pair("protein")
        sequence = self.sequence("protein", length, with_unknown=False)
        with torch.no_grad():
            expected = published.features(compositions(sequence, "protein"))
            got = model.lyra(self.encode(sequence, "protein")).last_hidden_state
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize(
        "fields",
        [{"state_size": 2}, {"state_size": 128}, {"d_model": 24, "pgc_widths": (8, 40)}, {"outputs": 3}],
        ids=str,
    )
    def test_same_numbers_in_other_sizes(self, fields: dict[str, Any]) -> None:
        published, model = self.pair("dna", **fields)
        sequence = self.sequence("dna", 150, with_unknown=True)
        with torch.no_grad():
            expected = published(compositions(sequence, "dna"))
            got = model(self.encode(sequence, "dna")).logits
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)

    @pytest.mark.parametrize("length", [20, 200])
    def test_same_gradients(self, length: int) -> None:
        published, model = self.pair("protein")
        sequence = self.sequence("protein", length, with_unknown=False)
        published(compositions(sequence, "protein")).sum().backward()
        model(self.encode(sequence, "protein")).logits.sum().backward()
        gradients = {name: parameter.grad for name, parameter in published.named_parameters()}
        expected = convert_state_dict(gradients, model.config)
        for name, parameter in model.named_parameters():
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-9, atol=1e-10, msg=name)

    def test_same_initial_state_space(self) -> None:
        # log_dt ~ U(log 0.001, log 0.1); A = -0.5 + i pi n; C complex normal of variance 1; D standard normal.
        torch.manual_seed(0)
        convolution = LyraModel(LyraConfig(hidden_size=512, pgc_hidden_sizes=[4])).layers[0].convolution
        assert -6.908 <= convolution.log_dt.min() < -6.8
        assert -2.4 < convolution.log_dt.max() <= -2.302
        torch.testing.assert_close(convolution.log_A_real.exp(), torch.full((512, 32), 0.5))
        torch.testing.assert_close(convolution.A_imag, torch.pi * torch.arange(32.0).expand(512, 32))
        assert convolution.C.square().sum(-1).mean().item() == pytest.approx(1, abs=0.05)
        assert convolution.C.mean().item() == pytest.approx(0, abs=0.05)
        assert convolution.D.std().item() == pytest.approx(1, abs=0.15)
