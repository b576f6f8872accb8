"""The catalogue's recipes: each is whole and fits the rest of the package, and a bad one is answered in words."""

import dataclasses

import pyarrow.parquet
import pytest
import yaml

from lyra_hf import LyraConfig, UserError, checkpoint_names, checkpoint_path
from lyra_hf.inference.loading import load_config
from lyra_hf.inference.results import output_names
from lyra_hf.tasks import recipe as recipe_module
from lyra_hf.tasks.recipe import Recipe, Result, Source, find_table, load_recipe, read_recipe, recipe_names
from lyra_hf.tokenization_lyra import SequenceEncoder
from lyra_hf.training.data import SPLITS, TableFormat, load_table
from lyra_hf.training.options import TrainingOptions

METRICS = {
    "regression": {"spearman", "pearson", "rmse", "r2"},
    "single_label_classification": {"auroc", "ap", "mcc", "accuracy", "f1"},
    "multi_label_classification": {"auroc", "ap", "mcc", "accuracy", "f1"},
}
every_recipe = pytest.mark.parametrize("name", recipe_names())


def test_there_is_a_catalogue():
    assert "kim2019_spcas9" in recipe_names()
    assert recipe_names() == sorted(recipe_names())


@every_recipe
class TestEveryRecipe:
    def test_fields_fit_each_other(self, name):
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.table.split("/")[0] == recipe.area
        assert recipe.metric in METRICS[recipe.problem_type]
        assert recipe.head in ("sequence", "residue")
        assert len(set(recipe.outputs)) == len(recipe.outputs)
        if recipe.problem_type == "single_label_classification":
            assert len(recipe.targets) == 1
            assert len(recipe.outputs) >= 2
        else:
            assert len(recipe.outputs) == len(recipe.targets)
        for text in (recipe.title, recipe.alphabet, recipe.licence):
            assert text.strip()
        assert "\n" not in recipe.title

    def test_what_is_published_is_on_a_known_metric_and_has_a_source(self, name):
        recipe = load_recipe(name)
        for result in [*recipe.published, *recipe.baseline]:
            assert result.metric in METRICS[recipe.problem_type]
            assert isinstance(result.value, float)
            assert result.method
        assert all(result.source for result in recipe.published)

    def test_anyone_can_find_the_data(self, name):
        source = load_recipe(name).source
        for value in (source.repository, source.commit, source.licence, source.paper):
            assert isinstance(value, str)
            assert value.strip()
        assert source.paths
        assert all(isinstance(path, str) and path for path in source.paths)

    def test_the_model_is_one_that_can_be_built(self, name):
        recipe = load_recipe(name)
        known = {field.name for field in dataclasses.fields(LyraConfig)}
        assert set(recipe.model) <= known
        config = LyraConfig(
            alphabet=recipe.alphabet,
            problem_type=recipe.problem_type,
            id2label=dict(enumerate(recipe.outputs)),
            **recipe.model,
        )
        assert config.num_labels == len(recipe.outputs)

    def test_the_table_format_is_the_recipes(self, name):
        recipe = load_recipe(name)
        form = recipe.table_format
        for field in dataclasses.fields(TableFormat):
            if field.name != "classes":
                assert getattr(form, field.name) == getattr(recipe, field.name)
        single = recipe.problem_type == "single_label_classification"
        assert form.classes == (tuple(recipe.outputs) if single else None)

    def test_what_is_shipped_has_a_card_and_the_recipes_outputs(self, name, repository):
        recipe = load_recipe(name)
        if recipe.checkpoint is None:
            pytest.skip("ships no checkpoint")
        config = load_config(checkpoint_path(recipe.checkpoint))
        assert output_names(config) == recipe.outputs
        assert config.alphabet == recipe.alphabet
        assert config.problem_type == recipe.problem_type
        assert {field: getattr(config, field) for field in recipe.model} == recipe.model
        heads = {
            "sequence": ("LyraForRegression", "LyraForSequenceClassification"),
            "residue": ("LyraForTokenClassification",),
        }
        assert config.architectures[0] in heads[recipe.head]
        assert recipe.intended_use.strip()
        assert recipe.limits.strip()
        card = (repository / "model_cards" / f"{recipe.checkpoint}.md").read_text(encoding="utf-8")
        assert f"# {recipe.checkpoint}\n" in card

    def test_the_example_can_be_read(self, name):
        recipe = load_recipe(name)
        if recipe.checkpoint is None and not recipe.example:
            pytest.skip("ships no checkpoint")
        ids = SequenceEncoder(recipe.alphabet).encode(recipe.example)
        assert ids.size
        assert not SequenceEncoder(recipe.alphabet).has_unknown(ids)

    def test_the_table_is_there_with_its_columns(self, name, data_folder):
        recipe = load_recipe(name)
        path = find_table(recipe, data_folder)
        present = set(pyarrow.parquet.read_schema(path).names)
        columns = {recipe.sequence, *recipe.targets, recipe.split} | ({recipe.pair} if recipe.pair else set())
        assert columns <= present
        splits = set(pyarrow.parquet.read_table(path, columns=[recipe.split])[recipe.split].unique().to_pylist())
        assert splits >= set(SPLITS)

    def test_the_table_is_read_as_the_recipe_says(self, name, data_folder):
        recipe = load_recipe(name)
        table = load_table(find_table(recipe, data_folder), recipe.table_format, only_split="test")
        assert (table.alphabet, table.head, table.problem_type) == (recipe.alphabet, recipe.head, recipe.problem_type)
        assert len(table.output_names) == len(recipe.outputs)
        assert len(table.splits["test"].encoded) > 0


def test_every_shipped_checkpoint_belongs_to_one_recipe():
    shipped = [checkpoint for name in recipe_names() if (checkpoint := load_recipe(name).checkpoint)]
    assert sorted(shipped) == checkpoint_names()


@pytest.mark.parametrize("name", ["kim2019_spcas", "kim2019", "KIM2019_SPCAS9"])
def test_an_unknown_task_is_answered_with_the_nearest(monkeypatch, name):
    names = ["kim2019_spcas9", "gb1_fitness"]
    monkeypatch.setattr(recipe_module, "recipe_names", lambda: names)
    with pytest.raises(UserError, match=rf"no task is called '{name}'; did you mean .*kim2019_spcas9") as caught:
        load_recipe(name)
    assert "\n" not in str(caught.value)


def test_a_task_unlike_all_others_is_answered_with_all():
    with pytest.raises(UserError, match=r"no task is called 'QQQ'; did you mean .*kim2019_spcas9"):
        load_recipe("QQQ")


WHOLE = {
    "area": "made",
    "title": "made up",
    "table": "made/up",
    "targets": ["y"],
    "outputs": ["y in units"],
    "alphabet": "dna",
    "licence": "mit",
    "source": {"repository": "a/b", "commit": "c", "paths": ["d.csv"], "licence": "MIT", "paper": "e"},
    "problem_type": "regression",
    "metric": "spearman",
}


@pytest.fixture
def write(tmp_path):
    """Write a recipe with changes; None leaves a field out."""

    def write_recipe(**changes):
        path = tmp_path / "made_up.yaml"
        content = {name: value for name, value in {**WHOLE, **changes}.items() if value is not None}
        path.write_text(yaml.safe_dump(content))
        return path

    return write_recipe


def test_a_recipe_from_its_file(write):
    published = [{"method": "ridge", "metric": "spearman", "value": 0.5, "source": "Table 1"}]
    recipe = read_recipe(write(training={"epochs": 3}, published=published, model={"hidden_size": 8}))
    fields = {name: value for name, value in WHOLE.items() if name not in ("targets", "source")}
    assert recipe == Recipe(
        name="made_up",
        targets=("y",),
        source=Source(**WHOLE["source"]),
        training=TrainingOptions(epochs=3),
        published=[Result("ridge", "spearman", 0.5, source="Table 1")],
        model={"hidden_size": 8},
        **fields,
    )


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"metric": None}, "metric"),
        ({"targets": None}, "targets"),
        ({"source": None}, "source"),
        ({"source": {**WHOLE["source"], "colour": "red"}}, "colour"),
        ({"source": {"repository": "a/b"}}, "commit"),
        ({"published": [{"method": "ridge", "metric": "spearman"}]}, "value"),
        ({"baseline": [{"method": "ridge", "metric": "spearman", "value": 1.0, "colour": 1}]}, "colour"),
        ({"training": {"colour": 3}}, "colour"),
        ({"training": {"epochs": 0}}, "epochs"),
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_named(write, changes, named):
    with pytest.raises(UserError, match=named) as caught:
        read_recipe(write(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[1, 2]", "text", "a: [1\n", "targets: {"])
def test_a_file_that_is_no_recipe(tmp_path, content):
    path = tmp_path / "made_up.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"made_up\.yaml") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


class TestFindTable:
    @pytest.fixture
    def recipe(self, write, monkeypatch):
        monkeypatch.delenv("LYRA_HF_DATA", raising=False)
        return read_recipe(write())

    @pytest.fixture
    def table(self, tmp_path):
        path = tmp_path / "data" / "made" / "up.parquet"
        path.parent.mkdir(parents=True)
        path.touch()
        return path

    def test_in_the_folder_named(self, recipe, table, monkeypatch):
        monkeypatch.setenv("LYRA_HF_DATA", "elsewhere")
        assert find_table(recipe, table.parents[1]) == table

    def test_in_the_folder_of_the_variable(self, recipe, table, monkeypatch):
        monkeypatch.setenv("LYRA_HF_DATA", str(table.parents[1]))
        assert find_table(recipe) == table

    def test_no_folder(self, recipe):
        message = r"task made_up needs the table made/up\.parquet.*--data-dir or LYRA_HF_DATA; .*a/b at c \(d\.csv\)"
        with pytest.raises(UserError, match=message):
            find_table(recipe)

    def test_not_in_the_folder(self, recipe, tmp_path):
        with pytest.raises(UserError, match=r"made/up\.parquet: no such file; its public source is a/b at c"):
            find_table(recipe, tmp_path)
