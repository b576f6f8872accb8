"""Parameters, peak memory, and how time grows with length."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import torch

from lyra_hf import Predictor

from .cases import ESM_SIZES, MEMORY, QUICK_SCALING, SCALING, Settings
from .definition import PublishedLyra
from .models import encoded, engine_outputs, esm_model, num_parameters, random_ids, released_model
from .results import Result
from .timing import compare
from .worker import IDLE, peak_memory_of

# Processes at a time; the definition alone takes several GB.
_PROCESSES = 2


def parameters(settings: Settings) -> Iterator[Result]:
    """Parameters of each model; the ratio says how many times those of the released Lyra for proteins."""
    del settings  # nothing to leave out
    model = released_model("protein")
    counts = {"Lyra, ours": num_parameters(model), "Lyra, definition": num_parameters(PublishedLyra.from_model(model))}
    for size in ESM_SIZES:
        with torch.device("meta"):  # shapes alone
            counts[size.name] = num_parameters(esm_model(size))
    first = counts["Lyra, ours"]
    for name, count in counts.items():
        yield Result(case="protein, one output", contestant=name, value=count, unit="parameters", ratio=count / first)


def memory(settings: Settings) -> Iterator[Result]:
    """Peak memory of each contestant on one long sequence, above that of a process that only imports the same."""
    cases = [case for case in MEMORY if case.in_quick or not settings.quick]
    tasks = [[IDLE], *([case.contestant, str(case.length)] for case in cases)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(_PROCESSES) as pool:
        reports = [Path(folder, f"{index}.json") for index in range(len(tasks))]
        idle, *peaks = pool.map(lambda task, report: peak_memory_of(task, settings.threads, report), tasks, reports)
    yield Result(case="imports alone", contestant="idle", value=idle, unit="bytes", note="taken off those below")
    for case, peak in zip(cases, peaks, strict=True):
        above = peak - idle
        yield Result(
            case=f"DNA, {case.length:,} letters", contestant=case.contestant, value=above, unit="bytes", goal=case.goal
        )


def scaling(settings: Settings) -> Iterator[Result]:
    """The engine's seconds on one long sequence and on one four times shorter."""
    case = QUICK_SCALING if settings.quick else SCALING
    predictor = Predictor(released_model("dna"), "cpu")
    lengths = (case.short, case.long)
    seconds = compare(
        {str(length): partial(engine_outputs, predictor, encoded(random_ids("dna", 1, length))) for length in lengths},
        settings.effort,
    )
    for length in lengths:
        measured = seconds[str(length)]
        yield Result(
            case=f"DNA, {length:,} letters",
            contestant="engine",
            value=measured.median,
            unit="s",
            quartiles=(measured.lower, measured.upper),
            letters_per_second=length / measured.median,
            ratio=measured.median / seconds[str(case.short)].median,
            goal=case.goal if length == case.long else None,
        )
