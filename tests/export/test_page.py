"""The folder that `lyra-hf page` writes, and what it refuses."""

import gzip
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from huggingface_hub import SpaceCard
from small_models import build

from lyra_hf import LyraForRegression, LyraModel, UserError, checkpoint_path
from lyra_hf.export import page as page_module
from lyra_hf.export.cards import CardFacts, read_card
from lyra_hf.export.description import describe
from lyra_hf.export.manifest import MANIFEST
from lyra_hf.export.page import write_page
from lyra_hf.inference.loading import load_model

BROWSER = page_module._BROWSER


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page of one model."""
    target = tmp_path_factory.mktemp("page") / "site"
    assert write_page(["lyra-gfp"], target).folder == target
    return target


@pytest.fixture
def copied(folder, tmp_path):
    """A page that may be changed."""
    return shutil.copytree(folder, tmp_path / "site")


@pytest.fixture
def quick_export(monkeypatch, folder):
    """Exports take the file that is there: what these tests are about is the folder."""
    file = folder / "models" / "lyra-gfp.onnx"
    monkeypatch.setattr("lyra_hf.export.onnx.export_onnx", lambda model, path, name: shutil.copyfile(file, path))


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


class TestContent:
    def test_everything_the_browser_needs(self, folder):
        assert names_in(folder) == sorted(
            [*names_in(BROWSER), "README.md", "models.json", MANIFEST, "models/lyra-gfp.onnx"]
        )
        assert not list(folder.parent.glob(".*"))

    def test_models_json(self, folder):
        content = json.loads((folder / "models.json").read_text(encoding="utf-8"))
        (model,) = content["models"]
        described = describe(load_model("lyra-gfp"), "lyra-gfp")
        assert {name: model[name] for name in described} == described
        assert model["file"] == "models/lyra-gfp.onnx"
        assert model["bytes"] == (folder / "models" / "lyra-gfp.onnx").stat().st_size
        assert (model["title"], model["license"]) == ("lyra-gfp", "research-only")
        assert model["task"].startswith("Brightness of avGFP variants")
        assert model["use"].startswith("Predicts how bright variants")
        assert [len(text) for text in model["example"]] == [237]
        assert all(text and "`" not in text for text in model["limits"])
        assert content["runtime"]["version"] == "1.30.0"

    def test_readme_is_the_card_of_a_static_space(self, folder):
        card = SpaceCard.load(folder / "README.md")
        assert (card.data.sdk, card.data.app_file) == ("static", "index.html")
        assert (card.data.title, card.data.license, card.data.license_name) == ("lyra-gfp", "other", "research-only")
        assert "lyra-gfp: Brightness" in card.text

    def test_readme_of_models_under_different_licences(self, tmp_path, quick_export):
        write_page(["lyra-cas9", "lyra-gfp"], tmp_path / "site")
        card = SpaceCard.load(tmp_path / "site" / "README.md")
        assert card.data.license is None
        assert "(licence: cc-by-nc-4.0)" in card.text
        assert "(licence: research-only)" in card.text

    def test_nothing_in_line_and_no_other_host(self):
        """No script or style stands in the page itself, and no address in it has a host."""

        class Reader(HTMLParser):
            def __init__(self):
                super().__init__()
                self.scripts, self.tags, self.attributes = [], [], []

            def handle_starttag(self, tag, attributes):
                self.tags.append(tag)
                self.attributes += attributes
                if tag == "script":
                    self.scripts.append(dict(attributes))

        reader = Reader()
        reader.feed((BROWSER / "index.html").read_text(encoding="utf-8"))
        assert "style" not in reader.tags
        assert reader.scripts
        assert all("src" in script for script in reader.scripts)
        names = [name for name, _ in reader.attributes]
        assert not [name for name in names if name == "style" or name.startswith("on")]
        addresses = [value for name, value in reader.attributes if name in ("src", "href")]
        assert not [address for address in addresses if ":" in address or address.startswith("/")]

    def test_runtime_is_what_it_says_it_is(self):
        told = json.loads((BROWSER / "runtime" / "runtime.json").read_text(encoding="utf-8"))
        assert told["license"] == "MIT"
        for name, facts in told["files"].items():
            assert hashlib.sha256((BROWSER / "runtime" / name).read_bytes()).hexdigest() == facts["sha256"]
        assert gzip.decompress((BROWSER / "runtime" / "ort-wasm-simd-threaded.wasm.gz").read_bytes())[:4] == b"\0asm"
        assert "Microsoft" in (BROWSER / "runtime" / "LICENSE").read_text(encoding="utf-8")

    def test_pairs_have_an_example_of_two(self, tmp_path, quick_export):
        write_page(["lyra-cas13a"], tmp_path / "site")
        (model,) = json.loads((tmp_path / "site" / "models.json").read_text(encoding="utf-8"))["models"]
        assert [len(text) for text in model["example"]] == [68, 28]

    def test_a_model_of_ones_own(self, tmp_path, quick_export):
        build(LyraForRegression).save_pretrained(tmp_path / "my model #1")
        write_page([str(tmp_path / "my model #1")], tmp_path / "site")
        (model,) = json.loads((tmp_path / "site" / "models.json").read_text(encoding="utf-8"))["models"]
        assert (model["name"], model["file"]) == ("my model #1", "models/my model #1.onnx")
        assert (tmp_path / "site" / model["file"]).is_file()
        assert model["use"] is None


class TestReplacing:
    def test_a_page_is_replaced_and_hidden_files_stay(self, copied, quick_export):
        (copied / ".git").mkdir()
        (copied / ".git" / "HEAD").write_text("ref")
        (copied / "index.html").unlink()
        write_page(["lyra-cas9"], copied)
        assert not (copied / "models" / "lyra-gfp.onnx").exists()
        assert (copied / "index.html").is_file()
        assert (copied / "models" / "lyra-cas9.onnx").is_file()
        assert (copied / ".git" / "HEAD").read_text() == "ref"
        assert sorted(path.name for path in copied.parent.iterdir()) == ["site"]

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("models/mine.onnx", "holds models/mine.onnx, which is no part of the page; move it away, or name a new"),
            ("models/.hidden", "holds models/.hidden, which is no part of the page"),
            ("style.css", "holds style.css, which somebody has changed since the page was written; move it away"),
            ("models.json", "holds models.json, which somebody has changed"),
            (MANIFEST, "but is no page that lyra-hf wrote; name a new folder"),
        ],
    )
    def test_what_somebody_has_put_there_stays(self, copied, quick_export, name, message):
        (copied / name).write_text("mine")
        before = names_in(copied)
        with pytest.raises(UserError, match=re.escape(message)):
            write_page(["lyra-cas9"], copied)
        assert (copied / name).read_text() == "mine"
        assert names_in(copied) == before

    def test_what_breaks_off_leaves_all_as_it_was(self, copied, monkeypatch):
        def fail(model, path, name):
            path.write_bytes(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr("lyra_hf.export.onnx.export_onnx", fail)
        before = names_in(copied)
        with pytest.raises(KeyboardInterrupt):
            write_page(["lyra-cas9"], copied)
        assert names_in(copied) == before
        assert sorted(path.name for path in copied.parent.iterdir()) == ["site"]

    def test_an_empty_folder(self, tmp_path, quick_export):
        (tmp_path / "new").mkdir()
        assert write_page(["lyra-gfp"], tmp_path / "new").models == 1


class TestCommand:
    def test_says_what_was_written(self, lyra, quick_export):
        status, out, err = lyra("page", "lyra-gfp", "lyra-cas9", "-o", "site")
        assert (status, out) == (0, "")
        said = r"site: 2 models, \d\.\d MB; look at it with: python -m http.server -d site\n"
        assert re.fullmatch(said, err)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["-o", "site"], "Missing argument 'MODEL...'."),
            (["lyra-gfp"], "Missing option '-o' / '--output'."),
            (["lyra-gfp", "lyra-gfp", "-o", "site"], "the model lyra-gfp is named twice; a page has each once"),
            (["lyra-gpf", "-o", "site"], "no checkpoint is called 'lyra-gpf': did you mean lyra-gfp?"),
            (["lyra-gfp", "-o", "taken"], "taken is a file; name a folder to write the page to"),
            (["lyra-gfp", "-o", "thesis"], "thesis holds draft.txt, but is no page that lyra-hf wrote; name a new"),
            (["lyra-gfp", "-o", "likeness"], "likeness holds index.html, but is no page that lyra-hf wrote"),
            (["base", "-o", "site"], "base/config.json: architectures is ['LyraModel']; to predict, one of"),
            (
                ["a/same", "b/same", "-o", "site"],
                "/same have one name, same; rename a folder so that the page can tell",
            ),
        ],
    )
    def test_refusals(self, lyra, tmp_path, arguments, message):
        (tmp_path / "taken").write_text("x")
        for name in ("thesis/draft.txt", "likeness/index.html"):
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text("x")
        build(LyraModel).save_pretrained(tmp_path / "base")
        for place in ("a", "b"):
            build(LyraForRegression).save_pretrained(tmp_path / place / "same")
        before = names_in(tmp_path)
        status, out, err = lyra("page", *arguments)
        assert (status, out) == (2, "")
        assert message in err
        assert err.startswith("lyra-hf: ")
        assert err.count("\n") == 1
        assert names_in(tmp_path) == before

    def test_no_models_from_python(self, tmp_path):
        with pytest.raises(UserError, match="name the models of the page"):
            write_page([], tmp_path / "site")


class TestCards:
    def test_of_a_shipped_checkpoint(self):
        facts = read_card(checkpoint_path("lyra-cas9"))
        assert (facts.title, facts.license) == ("lyra-cas9", "cc-by-nc-4.0")
        assert facts.task == "SpCas9 indel frequency of a target site, in percent"
        assert facts.example == "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"

    @pytest.mark.parametrize(
        "text",
        [None, "", "no front matter", "---\nlicense: [\n---\n", "---\nwidget: 3\nmodel-index: x\n---\n"],
    )
    def test_without_facts(self, tmp_path, text):
        if text is not None:
            (tmp_path / "README.md").write_text(text)
        assert read_card(tmp_path) == CardFacts()

    def test_of_a_saved_model(self, tmp_path):
        build(LyraForRegression).save_pretrained(tmp_path)
        facts = read_card(tmp_path)
        assert facts.title == "A Lyra for DNA"
        assert facts.limits[0].startswith("What is predicted holds for sequences like")
        assert facts.use is None
