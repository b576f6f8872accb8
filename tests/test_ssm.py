"""The S4D kernel and the three convolutions against the step recurrence in complex double precision."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference import continuous_parameters, formula_kernel, recurrence
from torch import Tensor

from lyra_hf import ssm

CHANNELS, BATCH, MODES = 3, 2, 4

# Largest error allowed, as a share of the largest value of the reference: for outputs, then for gradients. In float32
# the phase of a mode is known to 6e-8 of itself and is multiplied by the position, and a parameter's gradient is a sum
# over positions that may cancel (seen: 1e-6 and 4e-5); in float64 neither shows.
TOLERANCE = {
    (torch.float32, "toeplitz"): (5e-6, 2e-4),
    (torch.float32, "fft"): (5e-6, 2e-4),
    (torch.float32, "scan"): (5e-6, 2e-4),
    (torch.float64, "toeplitz"): (1e-10, 1e-10),
    (torch.float64, "fft"): (1e-10, 1e-10),
    (torch.float64, "scan"): (1e-10, 1e-10),
}
PARAMETER_NAMES = ("log_dt", "log_A_real", "A_imag", "C")

Parameters = tuple[Tensor, Tensor, Tensor, Tensor]


def draw(
    length: int, seed: int = 0, dtype: torch.dtype = torch.float64, modes: int = MODES
) -> tuple[Tensor, Parameters]:
    """An input (H, B, L) and S4D parameters like those of a model in training: scattered about the initial values."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    u = normal(CHANNELS, BATCH, length)
    log_dt = torch.linspace(math.log(0.001), math.log(0.1), CHANNELS, dtype=torch.float64) + 0.1 * normal(CHANNELS)
    log_a_real = math.log(0.5) + 0.3 * normal(CHANNELS, modes)
    a_imag = math.pi * torch.arange(modes) + 0.3 * normal(CHANNELS, modes)
    c = normal(CHANNELS, modes, 2)
    # Rounded to float32 in every case, so that both precisions are given the same numbers.
    u, *parameters = (tensor.float().to(dtype) for tensor in (u, log_dt, log_a_real, a_imag, c))
    return u, tuple(parameters)


def toeplitz(u: Tensor, modes: ssm.Modes) -> Tensor:
    return ssm.toeplitz_convolution(u, ssm.toeplitz_matrix(ssm.s4d_kernel(modes, u.shape[-1])))


def fft(u: Tensor, modes: ssm.Modes) -> Tensor:
    return ssm.fft_convolution(u, ssm.s4d_kernel(modes, u.shape[-1]))


def scan(u: Tensor, modes: ssm.Modes) -> Tensor:
    return ssm.chunked_scan(u, modes)[0]


PATHS: dict[str, Callable[[Tensor, ssm.Modes], Tensor]] = {"toeplitz": toeplitz, "fft": fft, "scan": scan}


def error(got: Tensor, expected: Tensor) -> float:
    """The largest error as a share of the largest expected value."""
    assert got.shape == expected.shape
    scale = expected.abs().max().clamp(min=1e-30)
    return ((got.double() - expected.double()).abs().max() / scale).item()


def with_gradients(
    function: Callable[[Tensor, Parameters], Tensor], u: Tensor, parameters: Parameters
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and the gradients of a fixed weighted sum of it with respect to input and parameters."""
    inputs = [tensor.clone().requires_grad_() for tensor in (u, *parameters)]
    y = function(inputs[0], tuple(inputs[1:]))
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(99), dtype=torch.float64).to(y.dtype)
    gradients = torch.autograd.grad((y * weights).sum(), inputs)
    return y.detach(), dict(zip(("u", *PARAMETER_NAMES), gradients, strict=True))


def assert_path_agrees(path: Callable[[Tensor, ssm.Modes], Tensor], name: str, length: int, seed: int = 0) -> None:
    u, parameters = draw(length, seed)
    expected, expected_gradients = with_gradients(lambda x, p: recurrence(x, *p)[0], u, parameters)
    for dtype in (torch.float32, torch.float64):
        inputs, *cast = (tensor.to(dtype) for tensor in (u, *parameters))
        y, gradients = with_gradients(lambda x, p: path(x, ssm.discretize(*p)), inputs, tuple(cast))
        value_tolerance, gradient_tolerance = TOLERANCE[dtype, name]
        assert y.dtype == dtype
        assert error(y, expected) < value_tolerance, (dtype, "output")
        for parameter, gradient in gradients.items():
            assert gradient.dtype == dtype
            assert error(gradient, expected_gradients[parameter]) < gradient_tolerance, (dtype, parameter)


class TestKernel:
    @pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 127, 128, 129, 1000, 4099])
    def test_equals_impulse_response_of_recurrence(self, length: int) -> None:
        _, parameters = draw(1)
        impulse = torch.zeros(CHANNELS, 1, length, dtype=torch.float64)
        impulse[..., 0] = 1
        expected = recurrence(impulse, *parameters)[0][:, 0]
        assert error(ssm.s4d_kernel(ssm.discretize(*parameters), length), expected) < 1e-10
        single = tuple(tensor.float() for tensor in parameters)
        assert error(ssm.s4d_kernel(ssm.discretize(*single), length), expected) < 1e-5

    @pytest.mark.parametrize("modes", [1, 2, 32, 128])
    def test_equals_formula_for_every_number_of_modes(self, modes: int) -> None:
        _, parameters = draw(1, modes=modes)
        kernel = ssm.s4d_kernel(ssm.discretize(*parameters), 200)
        assert error(kernel, formula_kernel(*parameters, 200)) < 1e-10

    def test_a_shorter_kernel_is_the_beginning_of_a_longer_one(self) -> None:
        modes = ssm.discretize(*draw(1)[1])
        long = ssm.s4d_kernel(modes, 300)
        for length in (1, 64, 65, 299):
            torch.testing.assert_close(ssm.s4d_kernel(modes, length), long[:, :length], rtol=0, atol=1e-14)

    def test_discretization_is_the_zero_order_hold(self) -> None:
        _, parameters = draw(1)
        modes = ssm.discretize(*parameters)
        dt, a, c = continuous_parameters(*parameters)
        gain = 2 * c * (torch.exp(dt * a) - 1) / a
        torch.testing.assert_close(torch.complex(modes.decay, modes.phase), dt * a, rtol=1e-14, atol=0)
        torch.testing.assert_close(torch.complex(modes.gain_real, modes.gain_imag), gain, rtol=1e-12, atol=1e-14)

    def test_small_steps_lose_no_digits(self) -> None:
        # exp(x) - 1 for x near zero, in float32: a subtraction would leave three digits.
        log_dt = torch.tensor([math.log(1e-5)])
        parameters = (log_dt, torch.zeros(1, 2), torch.tensor([[0.0, 1.0]]), torch.tensor([[[1.0, 0.0], [0.5, -1.0]]]))
        kernel = ssm.s4d_kernel(ssm.discretize(*parameters), 10)
        expected = formula_kernel(*(tensor.double() for tensor in parameters), 10)
        assert error(kernel, expected) < 1e-6

    def test_a_mode_that_never_decays_stays_finite(self) -> None:
        log_dt, log_a_real, a_imag, c = draw(1)[1]
        log_a_real = torch.full_like(log_a_real, -1000.0).requires_grad_()
        kernel = ssm.s4d_kernel(ssm.discretize(log_dt, log_a_real, torch.zeros_like(a_imag), c), 5000)
        (gradient,) = torch.autograd.grad(kernel.sum(), log_a_real)
        assert kernel.isfinite().all()
        assert gradient.isfinite().all()
        # Without decay and turn a mode adds up its input: K_0 = 2 dt sum Re C, but for the smallest decay allowed.
        start = 2 * log_dt.exp() * c[..., 0].sum(-1)
        torch.testing.assert_close(kernel[:, 0], start, rtol=1e-4, atol=1e-7)

    def test_powers(self) -> None:
        modes = ssm.discretize(*draw(1)[1])
        exponents = torch.tensor([0, 1, 5, 77])
        real, imag = ssm.mode_powers(modes, exponents)
        expected = torch.exp(torch.complex(modes.decay, modes.phase).unsqueeze(-1) * exponents)
        torch.testing.assert_close(torch.complex(real, imag), expected, rtol=1e-12, atol=1e-14)


class TestPaths:
    @pytest.mark.parametrize("length", [1, 2, 3, 63, 64, 65, 127, 128, 129, 255, 257, 513])
    @pytest.mark.parametrize("name", PATHS)
    def test_equals_recurrence(self, name: str, length: int) -> None:
        assert_path_agrees(PATHS[name], name, length)

    @pytest.mark.parametrize("name", ["fft", "scan"])
    def test_equals_recurrence_over_long_sequences(self, name: str) -> None:
        assert_path_agrees(PATHS[name], name, 4099)

    @given(length=st.integers(1, 200), seed=st.integers(0, 2**16), name=st.sampled_from(sorted(PATHS)))
    def test_equals_recurrence_at_any_length(self, length: int, seed: int, name: str) -> None:
        assert_path_agrees(PATHS[name], name, length, seed)

    @given(
        length=st.integers(1, 150),
        chunk_length=st.integers(1, 160),
        seed=st.integers(0, 2**16),
    )
    @example(length=120, chunk_length=30, seed=0)
    @example(length=121, chunk_length=30, seed=0)
    @example(length=149, chunk_length=30, seed=0)
    @example(length=30, chunk_length=31, seed=0)
    @example(length=9, chunk_length=1, seed=0)
    def test_scan_equals_recurrence_for_any_chunk_length(self, length: int, chunk_length: int, seed: int) -> None:
        def path(u: Tensor, modes: ssm.Modes) -> Tensor:
            return ssm.chunked_scan(u, modes, chunk_length=chunk_length)[0]

        assert_path_agrees(path, "scan", length, seed)

    @pytest.mark.parametrize("name", PATHS)
    def test_is_linear(self, name: str) -> None:
        u, parameters = draw(150)
        other = draw(150, seed=1)[0]
        modes = ssm.discretize(*parameters)
        path = PATHS[name]
        combined = path(2.5 * u - 0.75 * other, modes)
        assert error(combined, 2.5 * path(u, modes) - 0.75 * path(other, modes)) < 1e-12

    @pytest.mark.parametrize("name", PATHS)
    def test_is_causal(self, name: str) -> None:
        u, parameters = draw(150)
        modes = ssm.discretize(*parameters)
        changed = u.clone()
        changed[..., 90:] += 1
        before, after = PATHS[name](u, modes), PATHS[name](changed, modes)
        assert error(after[..., :90], before[..., :90]) < 1e-12
        assert error(after[..., 90:], before[..., 90:]) > 1e-3

    @pytest.mark.parametrize("name", PATHS)
    def test_no_input_gives_no_output(self, name: str) -> None:
        _, parameters = draw(1)
        y = PATHS[name](torch.zeros(CHANNELS, BATCH, 150, dtype=torch.float64), ssm.discretize(*parameters))
        assert torch.equal(y, torch.zeros_like(y))


class TestCarriedState:
    @given(
        length=st.integers(2, 120),
        cuts=st.lists(st.integers(1, 119), min_size=1, max_size=4),
        chunk_length=st.integers(1, 50),
    )
    @settings(max_examples=30)
    @example(length=4, cuts=[1, 2, 3], chunk_length=128)
    def test_pieces_make_the_whole(self, length: int, cuts: list[int], chunk_length: int) -> None:
        u, parameters = draw(length)
        expected, expected_gradients = with_gradients(lambda x, p: recurrence(x, *p)[0], u, parameters)
        edges = sorted({0, length, *(cut for cut in cuts if cut < length)})

        def in_pieces(u: Tensor, parameters: Parameters) -> Tensor:
            modes = ssm.discretize(*parameters)
            state, outputs = None, []
            for start, end in itertools.pairwise(edges):
                y, state = ssm.chunked_scan(u[..., start:end], modes, state, chunk_length)
                outputs.append(y)
            return torch.cat(outputs, dim=-1)

        y, gradients = with_gradients(in_pieces, u, parameters)
        assert error(y, expected) < 1e-10
        for name, gradient in gradients.items():
            assert error(gradient, expected_gradients[name]) < 1e-10, name

    def test_state_is_that_of_the_recurrence(self) -> None:
        u, parameters = draw(77)
        dt, a, _ = continuous_parameters(*parameters)
        enter = ((torch.exp(dt * a) - 1) / a).unsqueeze(1)  # the recurrence applies B as an input enters
        expected = recurrence(u, *parameters)[1]
        for chunk_length in (1, 10, 77, 128):
            state = ssm.chunked_scan(u, ssm.discretize(*parameters), chunk_length=chunk_length)[1]
            real, imag = state.chunk(2, dim=-1)
            torch.testing.assert_close(torch.complex(real, imag) * enter, expected, rtol=1e-10, atol=1e-12)

    def test_state_of_one_stream_does_not_reach_another(self) -> None:
        u, parameters = draw(60)
        modes = ssm.discretize(*parameters)
        _, state = ssm.chunked_scan(u, modes)
        changed = state.clone()
        changed[:, 0] += 1
        before, after = ssm.chunked_scan(u, modes, state)[0], ssm.chunked_scan(u, modes, changed)[0]
        assert torch.equal(before[:, 1], after[:, 1])
        assert not torch.allclose(before[:, 0], after[:, 0])


class TestToeplitzMatrix:
    @given(length=st.integers(1, 40))
    def test_entries(self, length: int) -> None:
        kernel = torch.arange(1.0, 1 + 2 * length).reshape(2, length)
        matrix = ssm.toeplitz_matrix(kernel)
        assert matrix.shape == (2, length, length)
        for j in range(length):
            for i in range(length):
                expected = kernel[:, i - j] if i >= j else torch.zeros(2)
                assert torch.equal(matrix[:, j, i], expected)

    def test_top_left_corner_is_the_matrix_of_a_shorter_sequence(self) -> None:
        kernel = torch.randn(2, 50, generator=torch.Generator().manual_seed(0))
        matrix = ssm.toeplitz_matrix(kernel)
        for length in (1, 2, 17, 49, 50):
            assert torch.equal(matrix[:, :length, :length], ssm.toeplitz_matrix(kernel[:, :length]))


class TestChoices:
    @given(length=st.integers(1, 20_000))
    @settings(max_examples=200)
    def test_fft_length(self, length: int) -> None:
        size = ssm.fft_length(length)
        # A linear convolution fits, and the next power of two is never exceeded.
        assert 2 * length - 1 <= size < 2 * (2 * length - 1)
        rest = size
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        assert rest == 1

    def test_fft_length_is_the_smallest(self) -> None:
        smooth = sorted(2**a * 3**b * 5**c for a in range(12) for b in range(8) for c in range(6))
        for length in range(1, 700):
            assert ssm.fft_length(length) == next(size for size in smooth if size >= 2 * length - 1)

    def test_path_exists_for_every_length(self) -> None:
        order = ["toeplitz", "fft", "scan"]
        for gradients in (False, True):
            chosen = [ssm.convolution_path(length, gradients=gradients) for length in range(1, 10_000)]
            assert set(chosen) == set(order)
            assert chosen == sorted(chosen, key=order.index)  # short, in between, long
            assert ssm.convolution_path(10**9, gradients=gradients) == "scan"

    def test_no_fft_while_a_graph_is_captured(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
        for gradients in (False, True):
            chosen = {ssm.convolution_path(length, gradients=gradients) for length in range(1, 10_000)}
            assert chosen == {"toeplitz", "scan"}


class TestGradientsOfTheFFT:
    @pytest.mark.parametrize("length", [1, 2, 5, 12])
    def test_by_hand(self, length: int) -> None:
        generator = torch.Generator().manual_seed(0)
        u = torch.randn(2, 3, length, generator=generator, dtype=torch.float64).requires_grad_()
        kernel = torch.randn(2, length, generator=generator, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(ssm.fft_convolution, (u, kernel))
        assert torch.autograd.gradgradcheck(ssm.fft_convolution, (u, kernel))

    def test_of_one_input_alone(self) -> None:
        u, kernel = torch.randn(2, 3, 50), torch.randn(2, 50, requires_grad=True)
        for create_graph in (False, True):
            (got,) = torch.autograd.grad(
                ssm.fft_convolution(u, kernel).square().sum(), kernel, create_graph=create_graph
            )
            matrix = ssm.toeplitz_matrix(kernel)
            (expected,) = torch.autograd.grad(ssm.toeplitz_convolution(u, matrix).square().sum(), kernel)
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-3)
