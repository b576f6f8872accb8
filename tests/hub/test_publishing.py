"""What `save_pretrained` and `push_to_hub` write, by themselves and by a Trainer, with the package at hand."""

import json

import pytest
import torch
from huggingface_hub import HfApi, ModelCard
from small_models import REPOSITORY, build, random_ids
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    pipeline,
)

from lyra_hf import (
    LyraConfig,
    LyraForRegression,
    LyraForSequenceClassification,
    LyraForTokenClassification,
    LyraModel,
    publishing,
)
from lyra_hf.cards import MARK
from lyra_hf.publishing import AUTO_MAP

# Of the client's own making, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def saved_config(folder):
    return json.loads((folder / "config.json").read_text())


class TestSaving:
    @pytest.mark.parametrize("cls", [LyraModel, LyraForRegression, LyraForTokenClassification])
    def test_a_whole_repository_again_and_again(self, cls, tmp_path):
        build(cls).save_pretrained(tmp_path / "one")
        loaded = cls.from_pretrained(tmp_path / "one")
        assert not hasattr(loaded.config, "auto_map")
        loaded.save_pretrained(tmp_path / "two")
        one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
        assert set(one) == REPOSITORY
        assert one == two
        assert saved_config(tmp_path / "two")["auto_map"] == AUTO_MAP

    @pytest.mark.parametrize(
        ("cls", "problem_type", "has_one"),
        [
            (LyraForTokenClassification, "regression", True),
            (LyraForTokenClassification, "multi_label_classification", True),
            (LyraForTokenClassification, "single_label_classification", False),
            (LyraForSequenceClassification, "regression", False),
        ],
    )
    def test_a_pipeline_of_our_own_where_transformers_has_none(self, cls, problem_type, has_one, tmp_path):
        build(cls, num_labels=2, problem_type=problem_type).save_pretrained(tmp_path)
        expected = {
            "token-classification": {
                "impl": "pipeline_lyra.LyraTokenClassificationPipeline",
                "pt": ["AutoModelForTokenClassification"],
            }
        }
        assert saved_config(tmp_path).get("custom_pipelines") == (expected if has_one else None)

    def test_no_trust_is_asked_for_and_no_code_in_the_folder_runs(self, tmp_path, monkeypatch):
        """Files of the same names that would leave a mark stand where the code is."""
        model = build(LyraForTokenClassification, num_labels=2, problem_type="regression")
        model.save_pretrained(tmp_path)
        mark = tmp_path / "mark"
        for path in tmp_path.glob("*.py"):
            path.write_text(f"open({str(mark)!r}, 'w')\n" + path.read_text())
        monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked"))
        ids = random_ids(2, 9)
        for trust in ({}, {"trust_remote_code": True}):
            assert type(AutoConfig.from_pretrained(tmp_path, **trust)) is LyraConfig
            assert type(AutoModel.from_pretrained(tmp_path, **trust)) is LyraModel
            found = AutoModelForTokenClassification.from_pretrained(tmp_path, **trust)
            assert type(found) is LyraForTokenClassification
            assert torch.equal(found(ids).logits, model(ids).logits)
            assert AutoTokenizer.from_pretrained(tmp_path, **trust)("ACGT")["input_ids"] == [2, 3, 4, 5]
            entries = pipeline("token-classification", model=str(tmp_path), **trust)("ACGT")
            assert len(entries) == 8
        assert not mark.exists()

    def test_a_card_that_somebody_wrote_stays_and_ours_is_renewed(self, tmp_path):
        build(LyraForRegression).save_pretrained(tmp_path)
        build(LyraForRegression, ensemble_size=2).save_pretrained(tmp_path)
        card = (tmp_path / "README.md").read_text()
        assert "an ensemble of 2 Lyras" in card
        (tmp_path / "README.md").write_text(card.replace(MARK, "") + "Mine.")
        before = contents(tmp_path)
        build(LyraForRegression, ensemble_size=2).save_pretrained(tmp_path)
        assert contents(tmp_path) == before

    def test_weights_and_configuration_alone(self, tmp_path):
        build(LyraForRegression).save_pretrained(tmp_path, with_code=False)
        assert set(contents(tmp_path)) == {"config.json", "model.safetensors"}
        assert "auto_map" not in saved_config(tmp_path)
        AutoModelForSequenceClassification.from_pretrained(tmp_path)

    def test_one_process_of_several_writes(self, tmp_path):
        build(LyraForRegression).save_pretrained(tmp_path, is_main_process=False)
        assert "config.json" not in contents(tmp_path)

    def test_what_breaks_off_leaves_the_files_that_were_there(self, tmp_path, monkeypatch):
        model = build(LyraForRegression)
        model.save_pretrained(tmp_path)
        before = contents(tmp_path)

        def full(alphabet):
            raise OSError("no space left")

        monkeypatch.setattr(publishing, "build_tokenizer", full)
        with pytest.raises(OSError, match="no space left"):
            build(LyraForRegression).save_pretrained(tmp_path)
        kept = contents(tmp_path)
        assert {name for name in before if before[name] != kept[name]} <= {"config.json"}
        assert set(kept) == set(before)

    def test_a_subclass_is_saved_as_what_it_is_made_of(self, tmp_path):
        class Mine(LyraForRegression):
            pass

        build(Mine).save_pretrained(tmp_path)
        assert saved_config(tmp_path)["auto_map"] == AUTO_MAP
        assert ModelCard.load(tmp_path / "README.md").data.pipeline_tag == "text-classification"


class TestPushing:
    def test_a_whole_repository_in_one_commit(self, names):
        model, name = build(LyraForRegression), names.new("model")
        model.push_to_hub(name, commit_message="New guides", tags=["cas9"], private=True)
        assert set(HfApi().list_repo_files(name)) - {".gitattributes"} == REPOSITORY
        assert [commit.title for commit in HfApi().list_repo_commits(name)][:-1] == ["New guides"]
        info, card = HfApi().model_info(name), ModelCard.load(name)
        assert info.private
        assert card.data.tags == ["biology", "lyra", "dna", "regression", "cas9"]
        assert f'model="{name}"' in card.content
        ids = random_ids(2, 9)
        assert torch.equal(AutoModelForSequenceClassification.from_pretrained(name)(ids).logits, model(ids).logits)

    @pytest.mark.parametrize("card", ["---\ntags: biology\n---\nMine.\n", "---\ntags: [biology]\n---\nMine.\n"])
    def test_tags_may_be_a_text(self, names, card, tmp_path):
        name = names.new("tags")
        (tmp_path / "README.md").write_text(card)
        build(LyraForRegression).save_pretrained(tmp_path, push_to_hub=True, repo_id=name, tags="cas9")
        assert ModelCard.load(name).data.tags == ["biology", "cas9"]

    def test_what_cannot_be_saved_leaves_no_repository(self, loopback, monkeypatch):
        model = build(LyraForRegression)
        monkeypatch.setattr(type(model), "save_pretrained", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            publishing.push(model, "lyra-org/none")
        assert loopback.repositories == {}

    def test_a_card_that_somebody_wrote_on_the_hub_stays(self, names):
        model, name = build(LyraForRegression), names.new("card")
        model.push_to_hub(name)
        HfApi().upload_file(path_or_fileobj=b"---\nlicense: mit\n---\nMine.\n", path_in_repo="README.md", repo_id=name)
        build(LyraForRegression, ensemble_size=2).push_to_hub(name, tags=["new"])
        card = ModelCard.load(name)
        assert (card.data.license, card.data.tags, card.text.strip()) == ("mit", ["new"], "Mine.")
        assert AutoConfig.from_pretrained(name).ensemble_size == 2

    def test_a_branch(self, names):
        model, name = build(LyraForRegression), names.new("branch")
        model.push_to_hub(name)
        main = HfApi().model_info(name).sha
        build(LyraForRegression, ensemble_size=2).push_to_hub(name, revision="two")
        assert HfApi().model_info(name).sha == main
        assert AutoConfig.from_pretrained(name, revision="two").ensemble_size == 2

    def test_saving_and_pushing_at_once(self, names, tmp_path):
        model, name = build(LyraForRegression), names.new("both")
        (tmp_path / "README.md").write_text("---\nlicense: mit\n---\nMine.\n")
        model.save_pretrained(tmp_path, push_to_hub=True, repo_id=name, commit_message="both")
        assert set(contents(tmp_path)) == set(HfApi().list_repo_files(name)) - {".gitattributes"} == REPOSITORY
        assert ModelCard.load(name).text.strip() == "Mine."
