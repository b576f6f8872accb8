"""What the published arithmetic costs at the least on this machine, to hold the rates against.

Counted are the products of the linear maps and convolutions, two operations for each multiplication and its addition;
norms, GELU and the GLU are left out, and the encoder is a row looked up. Carried out at the machine's own rate of
matrix products, they are a floor for code that does them all. (Code that looks more of them up can be faster.)
"""

import math
from collections.abc import Iterator

import torch

from lyra_hf import LyraConfig

from .cases import INFERENCE, Settings
from .results import Result
from .timing import Run, Summary, compare

# Sizes at which a matrix product and a copy run at the machine's best: far above its caches' latency, in a second.
_PRODUCT_SIZE = 1_536
_COPIED_BYTES = 256 * 2**20


def linear_operations(config: LyraConfig) -> int:
    """Operations per letter of the linear maps and short convolutions behind the encoder."""
    hidden = config.hidden_size
    products = sum(
        hidden * 2 * width + config.conv_kernel * width + width + width * hidden for width in config.pgc_hidden_sizes
    )
    products += config.num_hidden_layers * hidden * 2 * hidden
    return 2 * products


def state_space_operations(config: LyraConfig, length: int) -> float:
    """Operations per letter of S4D's convolutions and skips, by the cheaper of the direct sum and the FFT.

    The direct sum of a causal convolution has (L + 1) / 2 products per position on average. An FFT of n real numbers is
    counted as 2.5 n log2 n; two of n = 2L are needed, and a complex product for each of n / 2 frequencies; the kernel's
    own is shared by all sequences.
    """
    direct = length + 1
    through_frequencies = 2 * 2.5 * 2 * math.log2(2 * length) + 6
    skip = 2
    return config.num_hidden_layers * config.hidden_size * (min(direct, through_frequencies) + skip)


def activation_bytes(config: LyraConfig) -> int:
    """Bytes per letter that go to memory and back where each step writes its result whole and the next reads it."""
    hidden = config.hidden_size
    floats = hidden  # the encoder
    for width in config.pgc_hidden_sizes:
        # projection and norm of both halves, convolution, gate, projection, norm
        floats += 2 * 2 * width + 2 * width + 2 * hidden
    # norm, convolution, skip, GELU, projection to both halves, gate, residual
    floats += config.num_hidden_layers * (4 * hidden + 2 * hidden + 2 * hidden)
    return 2 * 4 * floats  # written and read, four bytes each


def floor(settings: Settings) -> Iterator[Result]:
    """The machine's rates of products and copies, and what they allow at each length."""
    operations, copied = machine_rates(settings)
    yield _machine_rate("matrix product of float32", operations, "operations/s")
    yield _machine_rate("copy in memory", copied, "bytes/s")
    for case in INFERENCE:
        config = LyraConfig(alphabet=case.alphabet)
        per_letter = linear_operations(config) + state_space_operations(config, case.length)
        letters_per_second = operations.median / per_letter
        yield Result(
            case=case.name,
            contestant="arithmetic",
            value=letters_per_second / case.length,
            unit="sequences/s",
            letters_per_second=letters_per_second,
            note=f"{per_letter / 1e3:.0f} thousand operations a letter",
        )
    per_letter = activation_bytes(LyraConfig())
    yield Result(
        case="any length",
        contestant="each step through memory",
        value=copied.median / per_letter,
        unit="letters/s",
        letters_per_second=copied.median / per_letter,
        note=f"{per_letter / 1e3:.1f} kB a letter",
    )


def machine_rates(settings: Settings) -> tuple[Summary, Summary]:
    """Operations per second of a large matrix product, and bytes read and written per second by a large copy."""
    one, other = torch.rand(2, _PRODUCT_SIZE, _PRODUCT_SIZE).unbind()
    product = torch.empty_like(one)
    source = torch.ones(_COPIED_BYTES // 4)
    target = torch.empty_like(source)
    runs: dict[str, Run] = {
        "product": lambda: torch.mm(one, other, out=product),
        "copy": lambda: target.copy_(source),
    }
    seconds = compare(runs, settings.effort)
    return seconds["product"].rate(2 * _PRODUCT_SIZE**3), seconds["copy"].rate(2 * _COPIED_BYTES)


def _machine_rate(name: str, rate: Summary, unit: str) -> Result:
    return Result(
        case="this machine", contestant=name, value=rate.median, unit=unit, quartiles=(rate.lower, rate.upper)
    )
