"""A Trainer that pushes, transformers' own and ours: what is on the Hub at the end and on the way."""

import pytest
from huggingface_hub import HfApi, ModelCard
from small_models import REPOSITORY, build
from small_training import arguments, labelled, small_model
from transformers import DistilBertConfig, DistilBertForSequenceClassification, Trainer

from lyra_hf import LyraForRegression
from lyra_hf.training.batches import LyraCollator, TableDataset
from lyra_hf.training.trainer import LyraTrainer

# Of the client's own making, when it uploads a large file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")


class TestTrainers:
    def train(self, trainer_class, folder, name, **options):
        table = labelled()
        rows = TableDataset(table.splits["train"])
        trainer = trainer_class(
            model=small_model(),
            args=arguments(folder, push_to_hub=True, hub_model_id=name, eval_strategy="epoch", **options),
            train_dataset=rows,
            eval_dataset=TableDataset(table.splits["validation"]),
            data_collator=LyraCollator(),
        )
        trainer.train()
        trainer.push_to_hub(license="mit", tags="cas9", dataset="guides")
        return trainer

    @pytest.mark.parametrize("trainer_class", [Trainer, LyraTrainer])
    def test_what_is_put_up(self, names, tmp_path, trainer_class):
        name = names.new("trainer")
        trainer = self.train(trainer_class, tmp_path / "run", name)
        found = set(HfApi().list_repo_files(name))
        assert found >= REPOSITORY
        card = ModelCard.load(name)
        assert card.data.license == "mit"
        assert card.data.tags == ["biology", "lyra", "dna", "regression", "cas9", "generated_from_trainer"]
        assert "learning_rate 0.01" in card.content
        loss = next(entry["eval_loss"] for entry in reversed(trainer.state.log_history) if "eval_loss" in entry)
        assert f"| loss | {loss:.4f} |" in card.content
        ((result,),) = [card.data.eval_results]
        assert (result.dataset_name, result.metric_type, result.metric_value) == ("guides", "loss", round(loss, 4))
        assert f'from_pretrained("{name}"' in card.content
        if trainer_class is LyraTrainer:
            assert not [file for file in found if file.endswith(".bin")]

    @pytest.mark.parametrize("strategy", ["every_save", "checkpoint", "all_checkpoints", "end"])
    def test_what_is_put_up_on_the_way_is_whole_and_without_pickles(self, loopback, tmp_path, strategy):
        self.train(LyraTrainer, tmp_path / "run", "lyra-org/way", hub_strategy=strategy, hub_always_push=True)
        repository = loopback.repositories["lyra-org/way"]
        states = [files for files in repository.commits.values() if files]
        assert (len(states) > 1) == (strategy != "end")
        assert all(set(files) >= REPOSITORY for files in states)
        assert not [name for files in states for name in files if name.endswith((".bin", ".pt", ".pth"))]
        folders = {name.split("/")[0] for name in states[-1] if "/" in name}
        expected = {"checkpoint": {"last-checkpoint"}, "all_checkpoints": {"checkpoint-8", "checkpoint-16"}}
        assert folders == expected.get(strategy, set())

    def test_a_card_of_another_model_is_transformers_own(self, tmp_path):
        """Though a Lyra was saved in this process, with the Trainer at hand."""
        build(LyraForRegression).save_pretrained(tmp_path / "lyra")
        config = DistilBertConfig(vocab_size=10, dim=4, hidden_dim=4, n_heads=1, n_layers=1, num_labels=2)
        folder = tmp_path / "other"
        folder.mkdir()
        Trainer(DistilBertForSequenceClassification(config), arguments(folder)).create_model_card(tags="mine")
        card = ModelCard.load(folder / "README.md")
        assert "mine" in card.data.tags
        assert "### Framework versions" in card.content

    def test_a_card_that_somebody_wrote_stays(self, tmp_path):
        (tmp_path / "README.md").write_text("Mine.")
        trainer = LyraTrainer(model=small_model(), args=arguments(tmp_path))
        trainer.save_model(str(tmp_path))
        trainer.create_model_card()
        assert (tmp_path / "README.md").read_text() == "Mine."

    @pytest.fixture
    def card(self, tmp_path):
        """The card that a Trainer writes for a model, with entries in its history."""

        def write(*history, model=None, **told):
            trainer = LyraTrainer(model=model or small_model(), args=arguments(tmp_path))
            trainer.save_model(str(tmp_path))
            trainer.state.log_history = list(history)
            trainer.create_model_card(**told)
            return ModelCard.load(tmp_path / "README.md")

        return write

    def test_metrics_of_several_sets_of_rows(self, card):
        found = card(
            {"eval_near_loss": 9.0, "step": 8},
            {"eval_near_loss": 0.5, "eval_near_runtime": 1.0, "eval_near_samples_per_second": 2.0, "step": 16},
            {"eval_far_loss": 0.75, "eval_far_r2": float("nan"), "eval_far_steps_per_second": 2.0, "step": 16},
            {"train_runtime": 3.0, "step": 16},
        )
        assert "| near_loss | 0.5000 |\n| far_loss | 0.7500 |\n| far_r2 |  |" in found.content
        results = {result.metric_type: result.metric_value for result in found.data.eval_results}
        assert results == {"near_loss": 0.5, "far_loss": 0.75}
        assert "runtime" not in found.content
        assert "nan" not in found.content

    @pytest.mark.parametrize("place", ["runs/best", "/home/somebody/runs/best", "."])
    def test_where_a_model_lay_is_not_told(self, card, place):
        model = small_model()
        model.config.name_or_path = place
        assert card(model=model).data.base_model is None

    def test_the_repository_that_a_model_was_loaded_from(self, card, names):
        name = names.new("base")
        build(LyraForRegression).push_to_hub(name)
        assert card(model=LyraForRegression.from_pretrained(name)).data.base_model == name
        assert card(finetuned_from="lyra-org/told").data.base_model == "lyra-org/told"
