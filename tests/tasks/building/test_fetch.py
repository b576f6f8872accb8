"""Source files: found in the user's folder, else in the cache, else downloaded; packed or not."""

import pandas as pd
import pytest
from huggingface_hub import constants
from made_up_sources import packed, source_files, tarred, zipped

from lyra_hf import UserError
from lyra_hf.tasks.building import fetch
from lyra_hf.tasks.building.fetch import SourceFiles
from lyra_hf.tasks.sources import Source, load_source

ELSEWHERE = f"other/name@{'0123456789' * 4}/more/b c.txt"


@pytest.fixture
def source():
    return Source(
        "area/name", "owner/name", "abc", "terms", "other", "paper", "unit", "steps", ["data/a.csv", "a.zip", ELSEWHERE]
    )


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A stand-in for GitHub's raw files, and an empty cache; returns the folder that is served."""
    served = tmp_path / "site"
    served.mkdir()
    monkeypatch.setattr(fetch, "RAW_FILES", served.as_uri())
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return served


def write(folder, place, content=b"x"):
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class TestPlaces:
    def test_the_users_folder_comes_first(self, source, site, tmp_path):
        write(site, "owner/name/abc/data/a.csv")
        own = write(tmp_path / "own", "owner/name/abc/data/a.csv")
        assert SourceFiles(source, tmp_path / "own").path("data/a.csv") == own

    def test_what_is_not_there_is_downloaded_once(self, source, site, tmp_path):
        served = write(site, "owner/name/abc/data/a.csv", b"1,2\n")
        files = SourceFiles(source, tmp_path / "own")
        path = files.path("data/a.csv")
        assert path == tmp_path / "cache/lyra_hf/sources/owner/name/abc/data/a.csv"
        served.unlink()
        assert files.path("data/a.csv").read_bytes() == b"1,2\n"
        assert [file.name for file in path.parent.iterdir()] == ["a.csv"]

    def test_a_file_of_another_repository(self, source, site):
        write(site, f"other/name/{'0123456789' * 4}/more/b c.txt", b"here")
        assert SourceFiles(source).text(ELSEWHERE) == "here"

    @pytest.mark.parametrize("offline", [False, True])
    def test_what_cannot_be_had_is_named(self, source, site, tmp_path, monkeypatch, offline):
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
        with pytest.raises(UserError) as raised:
            SourceFiles(source).path("data/a.csv")
        for part in (f"{site.as_uri()}/owner/name/abc/data/a.csv", str(tmp_path / "cache"), "--sources"):
            assert part in str(raised.value)
        assert not list((tmp_path / "cache").rglob("*.*"))

    def test_only_the_catalogues_files(self, source):
        with pytest.raises(ValueError, match="no source file"):
            SourceFiles(source).path("data/b.csv")

    def test_a_file_of_a_package(self, monkeypatch):
        pytest.importorskip("modlamp")
        source = load_source("peptides/amp_modlamp")
        assert SourceFiles(source).path(source.paths[0]).name == "AMPvsUniProt.csv"
        monkeypatch.setattr(fetch.metadata.Distribution, "version", "0")
        with pytest.raises(UserError, match="pip install modlamp=="):
            SourceFiles(source).path(source.paths[0])


class TestContents:
    def files(self, tmp_path, name, content):
        source = Source("area/name", "owner/name", "abc", "terms", "other", "paper", "unit", "steps", [name])
        write(tmp_path, source.file_origin(name).place, content)
        return SourceFiles(source, tmp_path)

    @pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.tab", "a.csv.gz", "a.tsv.gz", "a.csv.zip", "a.zip"])
    def test_tables(self, tmp_path, name):
        between = "\t" if ".t" in name else ","
        text = f"x{between}y\n1{between}a\n2{between}\n"
        files = self.files(tmp_path, name, packed(name, text))
        expected = pd.DataFrame({"x": [1, 2], "y": ["a", None]})
        pd.testing.assert_frame_equal(files.table(name), expected)
        pd.testing.assert_frame_equal(files.table(name, usecols=["x"]), expected[["x"]])

    def test_what_macos_adds_to_a_zip_is_passed_over(self, tmp_path):
        files = self.files(tmp_path, "a.zip", zipped({"a.csv": "x\n1\n", "__MACOSX/._a.csv": "rubbish"}))
        assert files.table("a.zip")["x"].tolist() == [1]

    def test_a_zip_of_several_files_is_no_table(self, tmp_path):
        files = self.files(tmp_path, "a.zip", zipped({"a.csv": "x\n1\n", "b.csv": "x\n1\n"}))
        with pytest.raises(UserError, match="there are 2"):
            files.table("a.zip")

    @pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
    def test_members(self, tmp_path, name):
        archived = tarred if "tar" in name else zipped
        files = self.files(tmp_path, name, archived({"in/b.txt": "hé"}))
        assert files.member(name, "in/b.txt").decode() == "hé"
        with pytest.raises(UserError, match=r"there is no c\.txt"):
            files.member(name, "c.txt")


def test_made_up_sources_are_found(tmp_path):
    table = "cas9/morenomateos2015_zebrafish"
    (name,) = load_source(table).paths
    assert source_files(tmp_path, table, {name: "a\tb\n1\t2\n"}).table(name).columns.tolist() == ["a", "b"]
