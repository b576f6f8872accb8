"""What is done with each piece: a worker is made once on each machine that helps, and holds the model."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..checkpoints import model_folder
from ..design.designing import GuideFilter, write_guides
from ..design.designing import design as find_guides
from ..design.guides import GuideScorer
from ..design.nucleases import Nuclease
from ..design.regions import Regions
from ..inference.files import predict_table
from ..inference.predictor import Predictor
from ..inference.readers import open_table
from ..inference.writers import open_writer
from .pieces import Piece

Work = Callable[[Piece, Path], int]  # reads a piece, writes a Parquet file of that name, and tells how many rows it has


@dataclass(frozen=True)
class PredictJob:
    """`lyra-hf predict` of each piece; the fields are its options."""

    model: str
    column: str
    pair_column: str | None
    batch_size: int | None
    level: float
    device: str | None = None

    def worker(self) -> Work:
        """Load the model; raises `UserError` if it cannot be, and so does the work, of a piece that makes no sense."""
        predictor = Predictor(self.model, self.device, self.batch_size, self.level)

        def work(piece: Piece, output: Path) -> int:
            groups = piece.numbers()
            with (
                open_table(piece.file, sequence_column=self.column, row_groups=groups) as reader,
                open_writer(output) as writer,
            ):
                return predict_table(predictor, reader, writer, pair_column=self.pair_column)

        return work


@dataclass(frozen=True)
class DesignJob:
    """`lyra-hf design` of some contigs; every guide that is wanted, as the best of all are known to no piece alone."""

    model: str
    nuclease: Nuclease
    wanted: GuideFilter
    device: str | None = None

    def worker(self) -> Work:
        """Load the model; raises `UserError` if it cannot be, and so does the work, of a piece that makes no sense."""
        scorer = GuideScorer(self.model, self.nuclease, self.device)

        def work(piece: Piece, output: Path) -> int:
            found = find_guides(Path(piece.file), scorer, Regions(), self.wanted, numbers=piece.numbers())
            with open_writer(output) as writer:
                return write_guides(writer, scorer, found)

        return work


@dataclass(frozen=True)
class ScanJob:
    """`lyra-hf scan` of some records: every single substitution of each."""

    model: str
    label: str | None = None
    device: str | None = None

    def worker(self) -> Work:
        """Load the model; raises `UserError` if it cannot be, and so does the work, of a piece that makes no sense."""
        from ..analysis.scan import mutation_scan, scan_columns
        from ..analysis.scores import SequenceScore

        score = SequenceScore(self.model, self.label, self.device)

        def work(piece: Piece, output: Path) -> int:
            rows = 0
            with open_writer(output) as writer:
                for name, sequence in _records(piece):
                    columns = scan_columns(mutation_scan(score, sequence))
                    number = len(next(iter(columns.values())))
                    writer.write(pa.RecordBatch.from_pydict({"name": pa.array([name] * number), **columns}))
                    rows += number
            return rows

        return work


Job = PredictJob | DesignJob | ScanJob


def identity(job: Job) -> dict[str, Any]:
    """What the results depend on: the kind of work, its options, and the very weights."""
    folder = model_folder(job.model)
    options = {name: value for name, value in asdict(job).items() if name != "device"}
    digests = {name: sha256((folder / name).read_bytes()).hexdigest() for name in ("config.json", "model.safetensors")}
    return {"job": type(job).__name__, **options, "digests": digests}


def _records(piece: Piece) -> Iterator[tuple[str, str]]:
    """Names and sequences of the records of a piece."""
    numbers = piece.numbers()
    before = 0
    with open_table(piece.file) as reader:
        for batch in reader:
            for index in range(batch.num_rows):
                if numbers is None or before + index in numbers:
                    yield batch.column("id")[index].as_py(), batch.column("sequence")[index].as_py()
            before += batch.num_rows
            if numbers is not None and before >= numbers.stop:
                return
