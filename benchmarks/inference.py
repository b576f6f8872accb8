"""Rates of inference: the definition, our forward pass and our engine; ESM-2 against the engine; all of it on a GPU."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from lyra_hf import Predictor

from .cases import ESM, INFERENCE, EsmCase, InferenceCase, Settings
from .models import (
    Forward,
    definition_forward,
    encoded,
    engine_outputs,
    esm_ids,
    esm_model,
    model_forward,
    random_ids,
    released_model,
    run_batches,
)
from .results import Result, rate_result
from .timing import Effort, Run, compare, fastest

CPU = torch.device("cpu")

# How many times the sequences and batches of the CPU a GPU is given, where they are short.
_WIDENED, _WIDENED_UP_TO = 16, 4_096


def inference(settings: Settings) -> Iterator[Result]:
    """Every case on the CPU in float32."""
    for case in INFERENCE:
        sequences = sequences_of(case, quick=settings.quick)
        if sequences:
            yield from measure_case(case, sequences, settings.effort)


def gpu(settings: Settings) -> Iterator[Result]:
    """Every case on a GPU in float32 and bfloat16, if there is a GPU."""
    if not torch.cuda.is_available():
        yield Result(case="all", contestant="all", value=None, unit="sequences/s", note="no CUDA device here")
        return
    for dtype in (torch.float32, torch.bfloat16):
        for case in INFERENCE:
            sequences = sequences_of(case, quick=settings.quick)
            if case.length <= _WIDENED_UP_TO:
                sequences = {name: _WIDENED * number for name, number in sequences.items()}
                case = replace(case, batches=tuple(_WIDENED * batch for batch in case.batches))
            if sequences:
                yield from measure_case(case, sequences, settings.effort, torch.device("cuda"), dtype)


def measure_case(
    case: InferenceCase,
    sequences: dict[str, int],
    effort: Effort,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
) -> Iterator[Result]:
    """The results of a case, with so many sequences a round for each contestant; all hand their outputs to the CPU.

    In bfloat16 the definition runs under autocast, as its FFT knows no bfloat16; ours are cast.
    """
    array = random_ids(case.alphabet, max(sequences.values()), case.length)
    ids = torch.from_numpy(array[: sequences[case.contestants[0]]]).long().to(device)
    model = released_model(case.alphabet)
    definition = definition_forward(model, device, dtype)
    model.to(device, dtype)
    forwards = {"definition": definition, "forward": model_forward(model)}
    runs: dict[str, Run] = {}
    notes = {}
    for name in case.contestants:
        if name == "engine":
            runs[name] = partial(engine_outputs, Predictor(model, device), encoded(array[: sequences[name]]))
            continue
        batch = best_batch(forwards[name], ids, case.batches)
        runs[name] = partial(run_batches, forwards[name], ids, batch)
        notes[name] = f"batch {batch:,}"
    seconds = compare(runs, effort)
    rates = {name: seconds[name].rate(sequences[name]) for name in runs}
    title = case.name if dtype == torch.float32 else f"{case.name}, {str(dtype).removeprefix('torch.')}"
    for name, rate in rates.items():
        yield rate_result(
            title,
            name,
            rate,
            case.length,
            first=rates[case.contestants[0]],
            goal=case.goals.get(name) if device == CPU else None,
            note=notes.get(name, ""),
        )


def sequences_of(case: InferenceCase, *, quick: bool) -> dict[str, int]:
    """How many sequences each contestant reads in a round; none at all if the case is left out."""
    plain, engine = (
        (case.quick_sequences, case.quick_engine_sequences) if quick else (case.sequences, case.engine_sequences)
    )
    return {name: engine if name == "engine" else plain for name in case.contestants} if plain else {}


def best_batch(forward: Forward, ids: Tensor, batches: tuple[int, ...]) -> int:
    """The batch size with which `forward` is fastest on ids (N, L), of those up to N."""
    sizes = [batch for batch in batches if batch <= len(ids)]
    trial = ids[: max(sizes)]
    runs: dict[str, Run] = {str(batch): partial(run_batches, forward, trial, batch) for batch in sizes}
    return int(fastest(runs))


def esm(settings: Settings) -> Iterator[Result]:
    """ESM-2 and our engine in turns, on proteins of the same length."""
    for case in ESM:
        batch, sequences = (case.quick_batch, case.quick_sequences) if settings.quick else (case.batch, case.sequences)
        if batch:
            yield from measure_esm(case, batch, sequences, settings.effort)


def measure_esm(case: EsmCase, batch: int, sequences: int, effort: Effort) -> Iterator[Result]:
    """The results of a case: ESM-2 on one batch, the engine on so many sequences that it takes a time one can read."""
    model = esm_model(case.esm)
    ids = esm_ids(batch, case.length)
    predictor = Predictor(released_model("protein"))
    proteins = encoded(random_ids("protein", sequences, case.length))

    @torch.inference_mode()
    def run_esm() -> object:
        return model(ids).last_hidden_state

    seconds = compare({case.esm.name: run_esm, "engine": partial(engine_outputs, predictor, proteins)}, effort)
    first = seconds[case.esm.name].rate(batch)
    title = f"proteins, {case.length} residues"
    yield rate_result(title, case.esm.name, first, case.length, first=first, note=f"batch {batch}")
    rate = seconds["engine"].rate(sequences)
    yield rate_result(title, "engine", rate, case.length, first=first, goal=case.goal)
