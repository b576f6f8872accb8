import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lyra_hf.cluster.engine import ShardWorker
from lyra_hf.cluster.jobs import PredictJob, identity
from lyra_hf.cluster.pieces import table_pieces
from lyra_hf.cluster.shards import MANIFEST, ShardFolder
from lyra_hf.errors import UserError

JOB = PredictJob("lyra-cas9", "sequence", None, None, 0.9)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.csv").write_text("sequence\n" + ("ACGTT" * 6 + "\n") * (number + 1))
    return folder


def begin(source, output, job=JOB):
    return ShardFolder(output, identity(job), table_pieces(source))


def make(shards, numbers, job=JOB):
    worker = ShardWorker(job, shards.folder)
    told = [(number, shards.pieces[number]) for number in numbers]
    return worker(
        {
            "shard": [shards.path(number).name for number, _ in told],
            "file": [piece.file for _, piece in told],
            "first": [piece.first for _, piece in told],
            "size": [piece.size or 0 for _, piece in told],
        }
    )


def test_goes_on_with_what_is_not_done(source, tmp_path):
    output = tmp_path / "out"
    shards = begin(source, output)
    assert make(shards, [2, 0]) == {"rows": [3, 1], "fault": ["", ""]}
    (output / ".part-000001.parquet.abcd.partial").write_bytes(b"broke off")
    again = begin(source, output)
    assert again.unfinished() == [1]
    assert not list(output.glob(".*"))
    make(again, [1])
    assert again.finish() == 6
    manifest = json.loads((output / MANIFEST).read_text())
    assert manifest["complete"]
    assert manifest["rows"] == [1, 2, 3]


def test_a_shard_that_is_there_is_not_made_again(source, tmp_path):
    shards = begin(source, tmp_path / "out")
    pq.write_table(pa.table({"x": [1, 2, 3, 4]}), shards.path(0))
    assert make(shards, [0])["rows"] == [4]


def test_a_file_that_was_changed_is_done_again(source, tmp_path):
    shards = begin(source, tmp_path / "out")
    make(shards, [0, 1, 2])
    shards.finish()
    (source / "1.csv").write_text("sequence\n" + "TTGCA" * 6 + "\n")
    os.utime(source / "1.csv", ns=(1, 1))
    assert begin(source, tmp_path / "out").unfinished() == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"job": PredictJob("lyra-cas9", "sequence", None, None, 0.8)}, "of another model, or other options"),
        ({"job": PredictJob("lyra-cas12a", "sequence", None, None, 0.9)}, "of another model, or other options"),
        ({"more": True}, "of another input"),
    ],
)
def test_shards_of_something_else(source, tmp_path, change, message):
    begin(source, tmp_path / "out")
    if "more" in change:
        (source / "9.csv").write_text("sequence\nACGT\n")
    with pytest.raises(UserError, match=message):
        begin(source, tmp_path / "out", change.get("job", JOB))


def test_a_folder_of_something_else(source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something else than shards"):
        begin(source, tmp_path / "out")
    with pytest.raises(UserError, match="is a file"):
        begin(source, source / "0.csv")


def test_faults_are_told(source, tmp_path):
    (source / "1.csv").write_text("sequence\nACGJ\n")
    shards = begin(source, tmp_path / "out")
    rows, (fault,) = make(shards, [1]).values()
    assert rows == [0]
    assert "1.csv, row 1" in fault
    (fault,) = make(shards, [0], PredictJob("lyra-nothing", "sequence", None, None, 0.9))["fault"]
    assert "lyra-nothing" in fault
    shards.leave()
    assert not (tmp_path / "out").exists()


def test_a_folder_with_shards_stays(source, tmp_path):
    shards = begin(source, tmp_path / "out")
    make(shards, [0])
    shards.leave()
    assert shards.path(0).is_file()
    assert (tmp_path / "out" / MANIFEST).is_file()
