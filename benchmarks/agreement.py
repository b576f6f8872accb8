"""That all contestants compute the same: before any speed, the largest difference between their outputs."""

from collections.abc import Iterator

import torch

from lyra_hf import Predictor

from .cases import AGREEMENT, AGREEMENT_LENGTHS, Settings
from .models import (
    definition_forward,
    encoded,
    engine_outputs,
    model_forward,
    random_ids,
    released_model,
    run_batches,
)
from .results import Result


def agreement(settings: Settings) -> Iterator[Result]:
    """The largest difference from the definition, over both alphabets and several lengths, of ours and the engine."""
    del settings  # takes a second either way
    for alphabet in ("dna", "protein"):
        differences = largest_differences(alphabet, AGREEMENT_LENGTHS)
        lengths = ", ".join(f"{length:,}" for length in AGREEMENT_LENGTHS)
        for contestant, difference in differences.items():
            yield Result(
                case=f"{alphabet}, lengths {lengths}",
                contestant=contestant,
                value=difference,
                unit="",
                goal=AGREEMENT,
            )


def largest_differences(alphabet: str, lengths: tuple[int, ...], sequences: int = 3) -> dict[str, float]:
    """Contestant -> largest absolute difference between its outputs and the definition's."""
    model = released_model(alphabet)
    definition = definition_forward(model, torch.device("cpu"))
    predictor = Predictor(model, "cpu")
    largest = {"forward": 0.0, "engine": 0.0}
    for length in lengths:
        array = random_ids(alphabet, sequences, length, seed=length)
        ids = torch.from_numpy(array).long()
        expected = run_batches(definition, ids, sequences)
        outputs = {
            "forward": run_batches(model_forward(model), ids, sequences),
            "engine": torch.from_numpy(engine_outputs(predictor, encoded(array))),
        }
        for contestant, output in outputs.items():
            largest[contestant] = max(largest[contestant], (output - expected).abs().max().item())
    return largest
