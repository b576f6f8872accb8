"""`lyra-hf push` with huggingface_hub's own client: what it puts up, and what it says when it cannot."""

from pathlib import Path

import pytest
from huggingface_hub import HfApi, ModelCard
from small_models import REPOSITORY, build
from support.loopback_hub import Fault

from lyra_hf import LyraForRegression, LyraForTokenClassification, Predictor
from lyra_hf.hub import push, requests

# Of the client's own making, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")

SERVING = {"handler.py", "requirements.txt", "model.onnx"}


@pytest.fixture
def folder(tmp_path):
    """A model's folder with a card of somebody's own and a file that is nobody's business."""
    path = tmp_path / "model"
    build(LyraForRegression).save_pretrained(path)
    (path / "README.md").write_text("---\nlicense: mit\n---\n\n# Mine\n")
    (path / "notes.txt").write_text("private")
    return path


@pytest.fixture
def quick(monkeypatch):
    """Without the ONNX file, which takes seconds and is in no way different for who sends it."""
    monkeypatch.setattr(push, "add_serving", lambda model, folder, name: None)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refused(result):
    """The one line on standard error of a command that failed by the user's or the Hub's fault."""
    status, out, err = result
    assert (status, out) == (2, ""), err
    assert err.count("\n") == 1, err
    return err


def test_a_whole_repository_in_one_commit(names, folder, lyra):
    name, before = names.new("whole"), contents(folder)
    status, out, err = lyra("push", folder, name)
    assert (status, out) == (0, f"{HfApi().endpoint}/{name}\n"), err
    assert f"lyra-hf pull {name}" in err
    assert set(HfApi().list_repo_files(name)) - {".gitattributes"} == REPOSITORY | SERVING
    assert len(HfApi().list_repo_commits(name)) == 2  # that of creation, and ours
    assert contents(folder) == before
    card = ModelCard.load(name)
    assert (card.data.license, card.text.strip()) == ("mit", "# Mine")
    assert not HfApi().model_info(name).private


@pytest.mark.usefixtures("quick")
class TestWhatGoesUp:
    def test_a_shipped_name_and_a_private_repository(self, names, lyra, tmp_path):
        name = names.new("shipped")
        assert lyra("push", "lyra-rna-paired", name, "--private")[0] == 0
        info = HfApi().model_info(name)
        assert info.private
        assert info.pipeline_tag == "token-classification"
        assert lyra("pull", name, "-o", "pulled")[0] == 0
        assert Predictor("pulled").config.to_dict() == Predictor("lyra-rna-paired").config.to_dict() | {
            "_name_or_path": "pulled"
        }

    def test_a_card_of_ours_has_the_name(self, names, folder, lyra):
        name = names.new("card")
        (folder / "README.md").unlink()
        build(LyraForRegression).save_pretrained(folder)
        assert lyra("push", folder, name)[0] == 0
        text = ModelCard.load(name).content
        assert f'from_pretrained("{name}", trust_remote_code=True)' in text
        assert "ORG/NAME" not in text

    @pytest.mark.parametrize("shipped", ["lyra-gb1", "lyra-cas13a", "lyra-disorder"])
    def test_the_card_of_a_shipped_checkpoint_says_how_to_load_what_was_pushed(self, loopback, lyra, shipped):
        assert lyra("push", shipped, "lyra-org/pushed")[0] == 0
        text = loopback.repositories["lyra-org/pushed"].files["README.md"].content.decode()
        assert 'model="lyra-org/pushed", trust_remote_code=True)' in text
        assert "ORG/NAME" not in text

    def test_a_folder_without_a_card_gets_one(self, names, folder, lyra):
        name = names.new("bare")
        (folder / "README.md").unlink()
        assert lyra("push", folder, name)[0] == 0
        assert ModelCard.load(name).data.library_name == "transformers"

    @pytest.mark.parametrize("card", ["# Mine, without front matter\n", "---\nlicense:   mit\n---\n# Mine\n"])
    def test_a_card_of_ones_own_goes_up_as_it_is(self, names, folder, lyra, card):
        name = names.new("own")
        (folder / "README.md").write_text(card)
        assert lyra("push", folder, name)[0] == 0
        assert Path(HfApi().hf_hub_download(name, "README.md")).read_text() == card

    def test_a_model_that_is_there_stays_unless_told(self, names, folder, lyra, tmp_path):
        name = names.new("there")
        assert lyra("push", folder, name)[0] == 0
        before = HfApi().model_info(name).sha
        build(LyraForTokenClassification, num_labels=2).save_pretrained(folder)
        assert f"{name} exists and holds a model: to put a new version there add --update" in refused(
            lyra("push", folder, name)
        )
        assert HfApi().model_info(name).sha == before
        assert lyra("push", folder, name, "--update")[0] == 0
        assert lyra("pull", name, "-o", "pulled")[0] == 0
        assert Predictor("pulled").config.num_labels == 2

    def test_an_empty_repository_is_filled(self, names, folder, lyra):
        name = names.new("empty")
        HfApi().create_repo(name)
        assert "is public" in refused(lyra("push", folder, name, "--private"))
        assert lyra("push", folder, name)[0] == 0
        assert "config.json" in HfApi().list_repo_files(name)


@pytest.mark.usefixtures("quick")
class TestRefusals:
    @pytest.mark.parametrize(
        "name",
        ["../guides", "lyra-org/..", "lyra-org/a b", "lyra-org/" + "a" * 97, "guides", "a/b/c", "lyra-org/-a", ""],
    )
    def test_names_that_are_not_allowed_are_never_sent(self, loopback, folder, lyra, name):
        assert "give ORG/NAME, of letters, digits, '-', '_' and '.'" in refused(lyra("push", folder, name))
        assert loopback.requests == []

    def test_no_token(self, loopback, folder, lyra, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        assert "hf auth login" in refused(lyra("push", folder, "lyra-org/guides"))
        assert loopback.requests == []

    def test_a_wrong_token(self, loopback, folder, lyra, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", "hf_of_somebody")
        assert "the Hub does not know the token (401" in refused(lyra("push", folder, "lyra-org/guides"))
        assert loopback.repositories == {}

    def test_no_right_to_write(self, loopback, folder, lyra):
        said = refused(lyra("push", folder, "elsewhere/guides"))
        assert "(403, You don't have the rights" in said
        assert loopback.repositories == {}

    def test_no_right_to_write_where_a_model_is(self, loopback, folder, lyra):
        loopback.put("elsewhere/guides", {"config.json": b"{}"})
        assert "(403, You don't have the rights" in refused(lyra("push", folder, "elsewhere/guides", "--update"))

    @pytest.mark.parametrize("broken", ["model", "card"])
    def test_what_is_wrong_here_is_found_before_anything_is_made(self, loopback, folder, lyra, broken):
        if broken == "model":
            (folder / "model.safetensors").write_bytes(b"cut")
            assert "not a safetensors file, or cut short" in refused(lyra("push", folder, "lyra-org/guides"))
        else:
            for front_matter in ("tags: [1, : {", "tags: " + "[" * 10**4):
                (folder / "README.md").write_text(f"---\n{front_matter}\n---\n")
                assert "README.md: the front matter is no YAML" in refused(lyra("push", folder, "lyra-org/guides"))
        assert loopback.repositories == {}

    def test_a_card_that_the_hub_refuses(self, loopback, folder, lyra):
        (folder / "README.md").write_text("---\npipeline_tag: [a]\n---\n")
        assert '"pipeline_tag" must be a string' in refused(lyra("push", folder, "lyra-org/guides"))
        assert loopback.repositories == {}

    def test_what_the_hub_refuses_in_the_end(self, loopback, folder, lyra, monkeypatch):
        def refuse(*_, **__):
            raise ValueError("Invalid metadata in README.md.\n- no good")

        monkeypatch.setattr(HfApi, "upload_folder", refuse)
        said = refused(lyra("push", folder, "lyra-org/guides"))
        assert "Invalid metadata in README.md. - no good; nothing was published" in said


@pytest.mark.usefixtures("quick")
class TestFaults:
    def test_a_hub_that_is_down(self, loopback, folder, lyra, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
        said = refused(lyra("push", folder, "lyra-org/guides"))
        assert "the Hub at http://127.0.0.1:9 cannot be reached" in said
        assert "nothing was sent" in said

    def test_a_hub_that_does_not_answer(self, loopback, folder, lyra, monkeypatch):
        monkeypatch.setattr(requests, "TIMEOUT", 0.1)
        loopback.faults = [Fault("GET /api/models/", delay=600)]
        assert "it does not answer in time" in refused(lyra("push", folder, "lyra-org/guides"))

    @pytest.mark.parametrize("status", [429, 500, 503])
    @pytest.mark.parametrize("step", ["GET /api/whoami", "POST /api/repos/create", "PUT /lfs/", "POST .*/commit/"])
    def test_a_hub_that_is_out_of_order_at_any_step(self, loopback, folder, lyra, step, status):
        loopback.faults = [Fault(step, status=status)]
        said = refused(lyra("push", folder, "lyra-org/guides"))
        assert f"overloaded or out of order ({status}" in said
        assert "run the same command again later" in said
        assert all(repository.files == {} for repository in loopback.repositories.values())

    @pytest.mark.parametrize("step", ["PUT /lfs/", "POST .*/commit/"])
    def test_a_push_that_breaks_off_is_completed_by_the_next(self, loopback, folder, lyra, step):
        before = contents(folder)
        loopback.faults = [Fault(step, drop=True)]
        said = refused(lyra("push", folder, "lyra-org/guides"))
        assert "nothing was published" in said
        assert "nothing here has changed" in said
        assert "run the same command again" in said
        assert loopback.repositories["lyra-org/guides"].files == {}
        assert contents(folder) == before
        loopback.faults = []
        assert lyra("push", folder, "lyra-org/guides")[0] == 0
        assert set(loopback.repositories["lyra-org/guides"].files) == REPOSITORY
        assert len(loopback.repositories["lyra-org/guides"].commits) == 2

    def test_a_connection_that_is_lost_once_is_no_matter(self, loopback, folder, lyra):
        loopback.faults = [Fault("PUT /lfs/", drop=True, times=1)]
        assert lyra("push", folder, "lyra-org/guides")[0] == 0

    def test_nothing_is_asked_of_a_hub_that_is_switched_off(self, loopback, folder, lyra, monkeypatch):
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        assert "HF_HUB_OFFLINE is set" in refused(lyra("push", folder, "lyra-org/guides"))
        assert loopback.requests == []


def test_no_trace_is_left_in_the_temporary_folder(loopback, folder, lyra, tmp_path, monkeypatch, quick):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    loopback.faults = [Fault("POST .*/commit/", status=500)]
    refused(lyra("push", folder, "lyra-org/guides"))
    assert [path.name for path in Path(tmp_path).glob("lyra-hf-*")] == []
