from pathlib import Path

import pytest
from small_models import REPOSITORY, build

from lyra_hf import LyraForRegression
from lyra_hf.checkpoints.folders import folder_beside, save_checkpoint, write_text


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_folder_is_made_with_its_parents(tmp_path):
    folder = tmp_path / "some" / "model"
    save_checkpoint(build(LyraForRegression), folder)
    assert set(contents(folder)) == REPOSITORY
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert LyraForRegression.from_pretrained(folder).config.alphabet == "dna"


def test_old_files_are_replaced_and_others_stay(tmp_path):
    save_checkpoint(build(LyraForRegression, seed=1), tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    before = contents(tmp_path)
    save_checkpoint(build(LyraForRegression, seed=2), tmp_path)
    after = contents(tmp_path)
    assert after["notes.txt"] == b"mine"
    assert set(after) == {*REPOSITORY, "notes.txt"}
    assert after["model.safetensors"] != before["model.safetensors"]


def test_a_card_that_somebody_wrote_stays(tmp_path):
    model = build(LyraForRegression)
    save_checkpoint(model, tmp_path)
    (tmp_path / "README.md").write_text("mine")
    save_checkpoint(model, tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert set(contents(tmp_path)) == REPOSITORY


@pytest.mark.parametrize("is_new", [True, False])
def test_what_breaks_off_changes_nothing(tmp_path, is_new):
    class Full(LyraForRegression):
        def save_pretrained(self, folder, **options):
            super().save_pretrained(folder, **options)
            raise OSError("no space left")

    folder = tmp_path / "model"
    if not is_new:
        save_checkpoint(build(LyraForRegression, seed=1), folder)
    before = None if is_new else contents(folder)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(Full(build(LyraForRegression, seed=2).config), folder)
    assert (contents(folder) if folder.exists() else None) == before


def test_a_text_replaces_another_whole(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write_text(path, "old")
    write_text(path, "new, µ\n")
    assert contents(tmp_path) == {"report.json": "new, µ\n".encode()}

    def full(self, content):
        self.touch()
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        write_text(path, "newer")
    assert path.read_bytes() == "new, µ\n".encode()


class TestFolderBeside:
    def test_what_is_renamed_stays(self, tmp_path):
        target = tmp_path / "new" / "folder"
        with folder_beside(target) as beside:
            (beside / "file").write_text("x")
            beside.rename(target)
        assert contents(target) == {"file": b"x"}
        assert list(target.parent.iterdir()) == [target]

    def test_of_what_fails_nothing_is_left_and_what_was_there_stays(self, tmp_path):
        (tmp_path / "mine").mkdir()
        with pytest.raises(ZeroDivisionError), folder_beside(tmp_path / "mine" / "new" / "folder") as beside:
            (beside / "file").write_text(str(1 / 0))
        assert [path.name for path in tmp_path.rglob("*")] == ["mine"]

    def test_what_a_killed_program_left_is_cleared(self, tmp_path):
        with folder_beside(tmp_path / "folder") as beside:
            beside.with_name("kept").write_text("somebody's")
        beside.mkdir()
        (beside / "half").write_text("x")
        with folder_beside(tmp_path / "folder") as again:
            assert list(again.iterdir()) == []
        assert [path.name for path in tmp_path.iterdir()] == ["kept"]
