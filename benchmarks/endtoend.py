"""The whole command: a CSV of random guides in, a CSV of predictions out."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lyra_hf import Predictor
from lyra_hf.alphabets import get_alphabet

from .cases import COMMAND, Settings
from .definition import FIRST_LETTER_ID
from .models import Ids, encoded, engine_outputs, random_ids
from .results import Result
from .worker import COMMAND as COMMAND_TASK
from .worker import peak_memory_of


def endtoend(settings: Settings) -> Iterator[Result]:
    """Guides per second of `lyra-hf predict`, its start included, beside those of the engine on ids in memory."""
    guides = COMMAND.quick_guides if settings.quick else COMMAND.guides
    ids = random_ids("dna", guides, COMMAND.length)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_guides(folder / "guides.csv", ids)
        write_guides(folder / "one.csv", ids[:1])
        start_up, _ = run_predict(folder / "one.csv", settings.threads)
        seconds, peak = run_predict(folder / "guides.csv", settings.threads)
    predictor = Predictor(COMMAND.model, "cpu")
    sequences = encoded(ids)
    engine_outputs(predictor, sequences.rows(0, 1_000))  # to warm up
    start = time.perf_counter()
    engine_outputs(predictor, sequences)
    engine_seconds = time.perf_counter() - start

    case = f"{COMMAND.model}, {guides:,} guides"
    for contestant, taken, note in (
        ("engine, in memory", engine_seconds, ""),
        ("lyra-hf predict", seconds, f"{seconds:.1f} s"),
        ("lyra-hf predict, less its start", seconds - start_up, f"a file of one guide takes {start_up:.1f} s"),
    ):
        rate = guides / taken
        yield Result(
            case=case,
            contestant=contestant,
            value=rate,
            unit="guides/s",
            letters_per_second=rate * COMMAND.length,
            ratio=engine_seconds / taken,
            goal=COMMAND.rate_goal if contestant == "lyra-hf predict" and not settings.quick else None,
            note=note,
        )
    yield Result(
        case=case,
        contestant="lyra-hf predict",
        value=peak,
        unit="bytes",
        goal=COMMAND.memory_goal,
        note="peak memory of the process",
    )


def write_guides(path: Path, ids: Ids) -> None:
    """Write guides (N, L) as a CSV with an `id` and a `sequence`."""
    letters = get_alphabet("dna").letters.encode()
    texts = bytes.maketrans(bytes(range(FIRST_LETTER_ID, FIRST_LETTER_ID + len(letters))), letters)
    with path.open("w", encoding="ascii") as file:
        file.write("id,sequence\n")
        file.writelines(
            f"guide{number},{row.tobytes().translate(texts).decode()}\n" for number, row in enumerate(ids, start=1)
        )


def run_predict(path: Path, threads: int) -> tuple[float, int]:
    """Seconds and peak memory (bytes) of `lyra-hf predict` on a file, from starting the process to its end."""
    start = time.perf_counter()
    task = [COMMAND_TASK, "predict", COMMAND.model, str(path), "-o", str(path.with_name("out.csv"))]
    peak = peak_memory_of(task, threads, path.with_suffix(".json"))
    return time.perf_counter() - start, peak
