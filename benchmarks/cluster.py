"""Throughput of a Ray cluster of three nodes on this machine, before and after one of them dies.

    python -m benchmarks.cluster [--rows N] [--pieces N]

Each node has one processor, all of them share this machine's cores and memory, and a node that dies is noticed by Ray
after some seconds: what is measured is what the loss of a machine costs, not how fast three machines are.
"""

import argparse
import itertools
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from lyra_hf.cluster.engine import run_on_ray
from lyra_hf.cluster.jobs import PredictJob
from lyra_hf.cluster.pieces import table_pieces

MODEL, LETTERS = "lyra-cas9", 30
console = Console(highlight=False)


def write_guides(folder: Path, rows: int, pieces: int) -> None:
    """Random guides in as many files as there shall be pieces."""
    generator = np.random.default_rng(0)
    alphabet = np.frombuffer(b"ACGT", np.uint8)
    for number in range(pieces):
        letters = alphabet[generator.integers(0, 4, size=(rows // pieces, LETTERS))]
        guides = letters.view(f"S{LETTERS}").ravel().astype(str)
        pq.write_table(pa.table({"sequence": guides.tolist()}), folder / f"{number:04}.parquet")


def main() -> None:
    """Measure, and print a table."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--pieces", type=int, default=80)
    asked = parser.parse_args()
    options = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80_000_000}
    with tempfile.TemporaryDirectory() as temporary:
        source, output = Path(temporary) / "guides", Path(temporary) / "shards"
        source.mkdir()
        write_guides(source, asked.rows, asked.pieces)
        cluster = Cluster(initialize_head=True, head_node_args=options)
        nodes = [cluster.add_node(num_cpus=1, object_store_memory=80_000_000) for _ in range(2)]
        done: list[tuple[float, int]] = []
        killed: list[float] = []

        def note(rows: int) -> None:
            done.append((time.monotonic(), rows))
            if not killed and len(done) >= asked.pieces // 3:
                killed.append(time.monotonic())
                threading.Thread(target=cluster.remove_node, args=(nodes[1], False), daemon=True).start()

        job = PredictJob(MODEL, "sequence", None, None, 0.9)
        rows = run_on_ray(job, table_pieces(source), output, address=cluster.address, on_progress=note)
        cluster.shutdown()
    before = [entry for entry in done if entry[0] <= killed[0]]
    after = [entry for entry in done if entry[0] > killed[0]]
    longest = max(later - earlier for (earlier, _), (later, _) in itertools.pairwise(after))
    for name, part in (("three nodes", before), ("after one has died", after)):
        seconds = part[-1][0] - part[0][0]
        console.print(f"{name}: {sum(count for _, count in part[1:]) / seconds:,.0f} guides/s over {seconds:.0f} s")
    console.print(f"longest time without a shard: {longest:.0f} s; {rows:,} rows of {asked.rows:,} written")


if __name__ == "__main__":
    main()
