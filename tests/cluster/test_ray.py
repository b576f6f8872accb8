"""A real cluster of three nodes on this machine, one of which dies while it works."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("ray")

SCRIPT = Path(__file__).parents[1] / "support" / "ray_cluster.py"
PIECES, ROWS = 24, 3_000
ENVIRONMENT = {**os.environ, "PYTHONWARNINGS": "ignore", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


class LocalCluster:
    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
        )
        self.address = self._line()

    def _line(self):
        for line in self.process.stdout:
            if line.startswith("killed") or line.rpartition(":")[2].strip().isdecimal():
                return line.strip()
        raise AssertionError("the cluster has ended")

    def kill_a_node(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self._line() == "killed"

    def stop(self):
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def cluster():
    cluster = LocalCluster()
    yield cluster
    cluster.stop()


def start(*arguments):
    command = [sys.executable, "-m", "lyra_hf.cli", *map(str, arguments)]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def succeed(process):
    _, told = process.communicate(timeout=400)
    assert process.returncode == 0, told[-2000:]
    return told


def shards(folder):
    return sorted(folder.glob("part-*.parquet"))


def read(folder):
    return pa.concat_tables([pq.read_table(path) for path in shards(folder)])


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    generator = np.random.default_rng(0)
    letters = np.array(list("ACGT"))
    for number in range(PIECES):
        guides = ["".join(row) for row in letters[generator.integers(0, 4, size=(ROWS, 30))]]
        table = pa.table({"sequence": guides, "number": np.arange(ROWS) + number * ROWS})
        pq.write_table(table, folder / f"{number:02}.parquet")
    return folder


def test_a_node_dies(cluster, library, tmp_path):
    """Every row once, none twice, and the numbers of one process; what is done already is not done again."""
    output = tmp_path / "shards"
    process = start("predict", "lyra-cas9", library, "-o", output, "--engine", "ray", "--address", cluster.address)
    while process.poll() is None and len(shards(output)) < 3:
        time.sleep(0.02)
    cluster.kill_a_node()
    done_before = len(shards(output))
    assert 3 <= done_before < PIECES, "the node died too late to be missed"
    assert f"{PIECES * ROWS:,} rows in {PIECES} shards" in succeed(process)

    found = read(output)
    assert found.column("number").to_pylist() == list(range(PIECES * ROWS))
    manifest = json.loads((output / "manifest.json").read_text())
    assert manifest["complete"]
    assert manifest["rows"] == [ROWS] * PIECES
    assert [path.name for path in shards(output)] == manifest["shards"]
    assert not list(output.glob(".*"))
    alone = tmp_path / "alone.parquet"
    succeed(start("predict", "lyra-cas9", library / "07.parquet", "-o", alone))
    assert pq.read_table(alone).equals(pq.read_table(output / "part-000007.parquet"))

    # One shard is lost: it alone is made again, and a run with nothing to do makes nothing.
    stamps = {path: path.stat().st_mtime_ns for path in shards(output)}
    lost = output / "part-000005.parquet"
    content = lost.read_bytes()
    lost.unlink()
    succeed(start("predict", "lyra-cas9", library, "-o", output, "--engine", "ray", "--address", cluster.address))
    assert lost.read_bytes() == content
    assert {path for path in shards(output) if path.stat().st_mtime_ns != stamps[path]} == {lost}


def test_guides_of_a_genome(cluster, tmp_path):
    generator = np.random.default_rng(1)
    genome = tmp_path / "genome.fa"
    contigs = ["".join(np.array(list("ACGT"))[generator.integers(0, 4, size=size)]) for size in (4000, 100, 2500, 3000)]
    genome.write_text("".join(f">c{number}\n{text}\n" for number, text in enumerate(contigs)))
    output, alone = tmp_path / "shards", tmp_path / "alone.parquet"
    options = ("--model", "lyra-cas9", "--gc", "0.3-0.7")
    succeed(start("design", genome, *options, "-o", output, "--engine", "ray", "--address", cluster.address))
    succeed(start("design", genome, *options, "-o", alone))
    assert read(output).equals(pq.read_table(alone))


def test_scan_of_records(cluster, tmp_path):
    fasta = tmp_path / "guides.fa"
    fasta.write_text(">a\nACGTACGTACGTACGTACGTACGTACGTAC\n>b\nTTTTACGTACGTACGTACGTACGTACGTAC\n")
    output, alone = tmp_path / "shards", tmp_path / "alone.parquet"
    succeed(start("scan", "lyra-cas9", fasta, "-o", output, "--engine", "ray", "--address", cluster.address))
    succeed(start("scan", "lyra-cas9", fasta, "-o", alone))
    assert read(output).equals(pq.read_table(alone))


def test_a_fault_in_a_piece_is_told_in_a_line(cluster, tmp_path):
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "good.csv").write_text("sequence\n" + "ACGT" * 8 + "\n")
    (folder / "wrong.csv").write_text("sequence\nACGT\nACJT\n")
    output = tmp_path / "shards"
    process = start("predict", "lyra-cas9", folder, "-o", output, "--engine", "ray", "--address", cluster.address)
    _, told = process.communicate(timeout=400)
    assert process.returncode == 2
    (line,) = [line for line in told.splitlines() if line.startswith("lyra-hf: ")]
    assert "wrong.csv, row 2" in line
    assert "'J'" in line
    assert "Traceback" not in told


def test_no_cluster_there(tmp_path, library):
    output = tmp_path / "shards"
    process = start("predict", "lyra-cas9", library, "-o", output, "--engine", "ray", "--address", "127.0.0.1:1")
    _, told = process.communicate(timeout=400)
    assert process.returncode == 2
    assert "no Ray cluster is reached at 127.0.0.1:1" in told.splitlines()[-1]
    assert not output.exists()
