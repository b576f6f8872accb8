"""The catalogue's recipes: each is whole and fits the rest of the package, and a bad one is answered in words."""

import dataclasses
import functools
import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest
import yaml

from lyra_hf import LyraConfig, UserError, checkpoint_names, checkpoint_path
from lyra_hf.inference.encoding import encode_column
from lyra_hf.inference.loading import load_config
from lyra_hf.inference.results import output_names
from lyra_hf.tasks import recipe as recipe_module
from lyra_hf.tasks.metrics import METRIC_NAMES
from lyra_hf.tasks.metrics.regression import METRICS as REGRESSION_METRICS
from lyra_hf.tasks.recipe import CONFIGURATIONS, Recipe, Result, load_recipe, read_recipe, recipe_names
from lyra_hf.tasks.sources import find_table, table_names
from lyra_hf.tokenization_lyra import SequenceEncoder
from lyra_hf.training.formats import Condition, Fold
from lyra_hf.training.options import TrainingOptions

NUMBERS, CLASSES = set(REGRESSION_METRICS), set(METRIC_NAMES) - set(REGRESSION_METRICS)
METRICS = {"regression": NUMBERS, "single_label_classification": CLASSES, "multi_label_classification": CLASSES}
SPLITS = ("train", "validation", "test")
every_recipe = pytest.mark.parametrize("name", recipe_names())


def test_there_is_a_catalogue():
    assert len(recipe_names()) >= 100
    assert "kim2019_spcas9" in recipe_names()
    assert recipe_names() == sorted(recipe_names())


@every_recipe
def test_regressions_say_what_their_test_rows_are(name):
    recipe = load_recipe(name)
    assert (recipe.split_kind is not None) == (recipe.problem_type == "regression")


@every_recipe
class TestEveryRecipe:
    def test_fields_fit_each_other(self, name):
        recipe = load_recipe(name)
        assert recipe.name == name
        assert set(recipe.tables) <= set(table_names())
        assert recipe.area in {table.split("/")[0] for table in recipe.tables}
        assert recipe.metric in METRICS[recipe.problem_type]
        assert recipe.head in ("sequence", "residue")
        assert len(set(recipe.outputs)) == len(recipe.outputs)
        assert all(isinstance(output, str) and output.strip() for output in recipe.outputs)
        if recipe.problem_type == "single_label_classification":
            assert len(recipe.targets) == 1
            assert len(recipe.outputs) >= 2
        elif recipe.bits:
            assert recipe.problem_type == "multi_label_classification"
            assert len(recipe.targets) == 1
        else:
            assert len(recipe.outputs) == len(recipe.targets)
        for text in (recipe.title, recipe.alphabet):
            assert text.strip()
        assert "\n" not in recipe.title

    def test_what_it_is_a_part_of_is_on_the_same_rows(self, name):
        recipe = load_recipe(name)
        if recipe.joint is None:
            assert recipe.trained_as("best") is recipe
            return
        whole = load_recipe(recipe.joint)
        assert recipe.training is whole.joint is None
        assert recipe.joint_output in whole.outputs
        assert len(recipe.targets) == 1 < len(whole.targets) == len(whole.outputs)
        same = ("alphabet", "head", "metric", "split", "rows", "train_rows", "subsets", "test")
        for field in (*same, *(("tables", "size") if len(whole.tables) == 1 else ())):
            assert getattr(recipe, field) == getattr(whole, field)
        assert set(recipe.tables) <= set(whole.tables)

    def test_what_reads_the_table_fits_together(self, name):
        recipe = load_recipe(name)
        if len(recipe.tables) > 1:
            assert len(recipe.tables) == len(recipe.targets)
        if recipe.threshold is not None:
            assert recipe.problem_type == "single_label_classification"
            assert len(recipe.outputs) == 2
        if recipe.test is not None:
            assert recipe.test.table in table_names()
            assert len(recipe.test.targets) == len(recipe.targets)
            assert not recipe.folds
        assert "pair_context" not in recipe.model or recipe.pair
        assert len(recipe.size) == 3
        assert all(isinstance(number, int) and number > 0 for number in recipe.size)

    def test_the_figures_of_others_are_of_what_there_is(self, name):
        recipe = load_recipe(name)
        for result in [*recipe.published, *recipe.baseline]:
            assert result.metric in (METRICS[recipe.problem_type] if result.comparable else METRIC_NAMES)
            assert type(result.value) is float
            assert np.isfinite(result.value)
            assert result.metric in ("rmse", "r2") or abs(result.value) <= 1
            assert result.method.strip()
            assert result.subset is None or result.subset in recipe.subsets
            assert result.output is None or result.output in recipe.outputs
            assert result.parameters is None or isinstance(result.parameters, int)
            assert isinstance(result.comparable, bool)
        assert all(result.source for result in recipe.published)

    @pytest.mark.parametrize("configuration", CONFIGURATIONS)
    def test_the_model_is_one_that_can_be_built(self, name, configuration):
        recipe = load_recipe(name)
        model, options = recipe.configured(configuration)
        assert set(model) <= {field.name for field in dataclasses.fields(LyraConfig)}  # others would do nothing
        config = LyraConfig(
            alphabet=recipe.alphabet,
            problem_type=recipe.problem_type,
            id2label=dict(enumerate(recipe.outputs)),
            **model,
        )
        assert config.num_labels == len(recipe.outputs)
        assert config.pair_input == (recipe.pair is not None)
        assert isinstance(options, TrainingOptions)

    def test_the_table_format_is_the_recipes(self, name):
        recipe = load_recipe(name)
        form = recipe.table_format()
        same = ("targets", "sequence", "pair", "alphabet", "head", "problem_type", "threshold", "zeros_are_missing")
        for field in (*same, "rows", "train_rows", "subsets"):
            assert getattr(form, field) == getattr(recipe, field)
        single = recipe.problem_type == "single_label_classification"
        assert form.classes == (tuple(recipe.outputs) if single else None)
        assert form.bits == (len(recipe.outputs) if recipe.bits else 0)
        assert form.split == (Fold(recipe.folds, 0) if recipe.folds else recipe.split)

    def test_what_is_shipped_has_a_card_and_the_recipes_outputs(self, name, repository):
        recipe = load_recipe(name)
        if recipe.checkpoint is None:
            pytest.skip("ships no checkpoint")
        config = load_config(checkpoint_path(recipe.checkpoint))
        assert output_names(config) == recipe.outputs
        assert config.alphabet == recipe.alphabet
        assert config.problem_type == recipe.problem_type
        model, _ = recipe.configured("best")
        members = model.pop("ensemble_size", 1)
        assert config.ensemble_size % members == 0  # one seed, or the ensemble of several
        assert {field: getattr(config, field) for field in model} == model
        heads = {
            "sequence": ("LyraForRegression", "LyraForSequenceClassification"),
            "residue": ("LyraForTokenClassification",),
        }
        assert config.architectures[0] in heads[recipe.head]
        assert recipe.intended_use.strip()
        assert recipe.limits.strip()
        assert recipe.example
        card = (repository / "model_cards" / f"{recipe.checkpoint}.md").read_text(encoding="utf-8")
        assert f"# {recipe.checkpoint}\n" in card

    def test_the_example_can_be_read(self, name):
        recipe = load_recipe(name)
        if not recipe.example:
            pytest.skip("has no example")
        sequences = recipe.example.split()
        assert len(sequences) == (1 if recipe.pair is None else 2)
        encoder = SequenceEncoder(recipe.alphabet)
        assert not any(encoder.has_unknown(encoder.encode(sequence)) for sequence in sequences)

    def test_its_tables_hold_what_it_says(self, name, data_folder):
        """Columns, letters and classes, and as many rows in each split, all found without the code that loads them."""
        recipe = load_recipe(name)
        tables = [Columns(find_table(table, data_folder)) for table in recipe.tables]
        for table, targets in zip(tables, recipe.targets if len(tables) > 1 else [recipe.targets], strict=True):
            targets = (targets,) if isinstance(targets, str) else targets
            for column in (recipe.sequence, *targets, recipe.folds or recipe.split):
                assert table[column].length() == table.rows
            assert letters_are_known(table.path, recipe.sequence, recipe.alphabet)
            if recipe.pair:
                assert letters_are_known(table.path, recipe.pair, recipe.alphabet)
            if recipe.problem_type == "single_label_classification" and recipe.threshold is None:
                classes = classes_of(table.path, targets[0], recipe.head)
                assert classes <= {*recipe.outputs, *range(len(recipe.outputs))}
        splits = dict(pair for table in tables for pair in plain_splits(recipe, table).items())
        counts = {split: list(splits.values()).count(split) for split in SPLITS}
        if recipe.test is not None:
            table = Columns(find_table(recipe.test.table, data_folder))
            assert letters_are_known(table.path, recipe.sequence, recipe.alphabet)
            assert all(table[target].length() for target in recipe.test.targets)
            met = plain_conditions(recipe.test.rows, table)
            assert set(np.array(table["split"].to_pylist())[met]) == {"test"}
            counts["test"] = int(met.sum())
        assert tuple(counts.values()) == recipe.size


class Columns:
    """The columns of a Parquet file."""

    def __init__(self, path):
        self.path = path
        self.rows = pyarrow.parquet.read_metadata(path).num_rows

    def __getitem__(self, column):
        return read_column(self.path, column)


@functools.cache
def read_column(path, column):
    """A column, read once for all recipes that need it."""
    return pyarrow.parquet.read_table(path, columns=[column])[column]


@functools.cache
def letters_are_known(path, column, alphabet):
    encoder = SequenceEncoder(alphabet)
    encoded = encode_column(encoder, read_column(path, column))
    return encoded.lengths.min() > 0 and not encoder.has_unknown(encoded.ids)


@functools.cache
def classes_of(path, column, head):
    """The different labels of a column: of each residue those in lists, or the letters of texts."""
    values = read_column(path, column)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        values = pc.list_flatten(values)
    found = set(pc.unique(values).to_pylist()) - {None, -1}
    return set("".join(found)) if head == "residue" and pa.types.is_large_string(values.type) else found


def plain_conditions(conditions, table):
    met = np.ones(table.rows, dtype=bool)
    for column, condition in conditions.items():
        for row, value in enumerate(table[column].to_pylist()):
            if condition.values is not None:
                met[row] &= value in condition.values
            else:
                low, high = condition.above, condition.below
                met[row] &= (low is None or value > low) and (high is None or value < high)
    return met


def plain_splits(recipe, table):
    """The split of each row of a table, by its number, or by its sequence where tables are joined."""
    column = table[recipe.folds or recipe.split].to_pylist()
    if recipe.folds:
        column = [{None: "", 0: "test", 1: "validation"}.get(fold, "train") for fold in column]
    counts = plain_conditions(recipe.rows, table)
    trains = plain_conditions(recipe.train_rows, table)
    splits = {}
    for row, split in enumerate(column):
        if counts[row] and split and (split == "test" or trains[row]):
            splits[row] = split
    sequences = table[recipe.sequence].to_pylist() if len(recipe.tables) > 1 or "validation" not in column else []
    if "validation" not in column:
        for row, split in splits.items():
            digest = hashlib.sha256(sequences[row].upper().encode()).hexdigest()
            if split == "train" and int(digest[:8], 16) / 16**8 < 0.1:
                splits[row] = "validation"
    return {sequences[row]: split for row, split in splits.items()} if len(recipe.tables) > 1 else splits


def kind_of(recipe):
    """What makes a recipe's table be read in another way than others' are."""
    return (
        recipe.head,
        recipe.problem_type,
        len(recipe.targets) > 1,
        len(recipe.tables) > 1,
        recipe.pair,
        "pair_context" in recipe.model,
        recipe.threshold is None,
        recipe.bits,
        recipe.folds is None,
        recipe.test is None,
        *(not conditions for conditions in (recipe.rows, recipe.train_rows, recipe.subsets)),
    )


def one_of_each_kind():
    """The smallest recipe of each kind: to load all of them takes minutes."""
    by_kind = {}
    for recipe in sorted(map(load_recipe, recipe_names()), key=lambda recipe: sum(recipe.size), reverse=True):
        by_kind[kind_of(recipe)] = recipe.name
    return sorted(by_kind.values())


@pytest.mark.parametrize("name", one_of_each_kind())
def test_the_data_are_loaded_as_the_recipe_says(name, data_folder, tmp_path):
    recipe = load_recipe(name)
    table, held_out = recipe.load(data_folder)
    assert (table.alphabet, table.head, table.problem_type) == (recipe.alphabet, recipe.head, recipe.problem_type)
    assert len(table.output_names) == len(recipe.outputs)
    assert set(table.splits) == {"train", "validation"}
    (tmp_path / "model.safetensors").touch()
    splits = {**table.splits, "test": held_out.open(tmp_path)}
    assert tuple(len(splits[split].encoded) for split in SPLITS) == recipe.size
    assert held_out.number == recipe.size[2]
    is_single = recipe.problem_type == "single_label_classification"
    for rows in splits.values():
        labels = np.concatenate([np.reshape(row, (-1, 1 if is_single else len(recipe.outputs))) for row in rows.labels])
        known = labels >= 0 if is_single else ~np.isnan(labels)
        assert known.any(axis=0).all()
        assert set(rows.subsets) == set(recipe.subsets)
        if recipe.head == "sequence":
            assert len(labels) == len(rows.encoded)
    for name, flags in splits["test"].subsets.items():
        assert 0 < flags.sum() < recipe.size[2], name


@pytest.mark.parametrize("fold", range(5))
def test_every_fold_is_another_test_set(data_folder, fold):
    recipe = load_recipe("proteingym_tcrg1_tsuboyama_modulo")
    table, held_out = recipe.load(data_folder, fold)
    numbers = pyarrow.parquet.read_table(find_table(recipe.tables[0], data_folder))[recipe.folds].to_pylist()
    assert held_out.number == numbers.count(fold)
    assert len(table.splits["validation"].encoded) == numbers.count((fold + 1) % 5)


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


def test_a_task_unlike_all_others_is_answered_with_the_list_of_them():
    with pytest.raises(UserError, match=rf"'QQQ'; \(lyra-hf tasks lists all {len(recipe_names())}\)"):
        load_recipe("QQQ")


WHOLE = {
    "area": "made",
    "title": "made up",
    "table": "made/up",
    "targets": ["y"],
    "outputs": ["y in units"],
    "alphabet": "dna",
    "problem_type": "regression",
    "metric": "spearman",
    "size": [8, 1, 1],
    "paper": {"epochs": 9},
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
    published = [{"method": "ridge", "metric": "spearman", "value": 0.5, "source": "Table 1", "subset": "old"}]
    recipe = read_recipe(
        write(
            training={"epochs": 3},
            published=published,
            model={"hidden_size": 8},
            rows={"dose": {"above": 1, "below": 3.5}},
            train_rows={"clean": [True]},
            subsets={"old": {"year": [2016, 2017]}},
            test={"table": "made/other", "targets": ["z"], "rows": {"kind": ["a"]}},
        )
    )
    fields = {name: value for name, value in WHOLE.items() if name not in ("table", "targets", "size", "paper")}
    assert recipe == Recipe(
        name="made_up",
        tables=("made/up",),
        targets=("y",),
        size=(8, 1, 1),
        paper=TrainingOptions(epochs=9),
        training=TrainingOptions(epochs=3),
        published=[Result("ridge", "spearman", 0.5, source="Table 1", subset="old")],
        model={"hidden_size": 8},
        rows={"dose": Condition(above=1, below=3.5)},
        train_rows={"clean": Condition(values=(True,))},
        subsets={"old": {"year": Condition(values=(2016, 2017))}},
        test=recipe_module.TestRows("made/other", ("z",), {"kind": Condition(values=("a",))}),
        **fields,
    )


def test_several_tables(write):
    recipe = read_recipe(write(table=["made/one", "made/two"], targets=["y", "y"]))
    assert recipe.tables == ("made/one", "made/two")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"colour": "red"}, "colour"),
        ({"metric": None}, "metric"),
        ({"targets": None}, "targets"),
        ({"table": None}, "table"),
        ({"size": None}, "size"),
        ({"paper": None}, "paper"),
        ({"published": [{"method": "ridge", "metric": "spearman"}]}, "value"),
        ({"baseline": [{"method": "ridge", "metric": "spearman", "value": 1.0, "colour": 1}]}, "colour"),
        ({"training": {"colour": 3}}, "colour"),
        ({"training": {"epochs": 0}}, "epochs"),
        ({"paper": {"colour": 3}}, "colour"),
        ({"rows": {"dose": "high"}}, "a condition is"),
        ({"rows": ["dose"]}, "items"),
        ({"subsets": {"old": {"year": {"beyond": 3}}}}, "a condition is"),
        ({"test": {"targets": ["y"]}}, "table"),
    ],
    ids=str,
)
def test_a_field_that_is_wrong_is_named(write, changes, named):
    with pytest.raises(UserError, match=rf"^made_up\.yaml: .*{named}") as caught:
        read_recipe(write(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "[1, 2]", "text", "a: [1\n", "targets: {"])
def test_a_file_that_is_no_recipe(tmp_path, content):
    path = tmp_path / "made_up.yaml"
    path.write_text(content)
    with pytest.raises(UserError, match=r"made_up\.yaml") as caught:
        read_recipe(path)
    assert "\n" not in str(caught.value)


class TestConfigured:
    def test_the_papers_model_has_only_what_its_input_needs(self, write):
        model = {"hidden_size": 8, "pair_context": 20}
        recipe = read_recipe(write(model=model, training={"epochs": 3}, pair="guide"))
        assert recipe.configured("paper") == ({"pair_context": 20, "pair_input": True}, TrainingOptions(epochs=9))
        assert recipe.configured("best") == ({**model, "pair_input": True}, TrainingOptions(epochs=3))

    def test_where_no_better_one_is_known_the_best_is_the_papers(self, write):
        recipe = read_recipe(write(model={"hidden_size": 8, "pair_context": 20}, pair="guide"))
        assert recipe.configured("best") == recipe.configured("paper")
        assert read_recipe(write()).configured("best") == ({}, TrainingOptions(epochs=9))


class TestFolds:
    def test_a_cross_validation_has_a_round_for_each(self, write):
        recipe = read_recipe(write(folds="part"))
        assert recipe.number_of_folds == 5
        assert [recipe.table_format(fold).split for fold in range(5)] == [Fold("part", fold) for fold in range(5)]
        assert recipe.table_format().split == Fold("part", 0)
        with pytest.raises(UserError, match="there is no fold 5"):
            recipe.table_format(5)

    def test_other_tasks_have_none(self, write):
        recipe = read_recipe(write())
        assert recipe.number_of_folds == 0
        with pytest.raises(UserError, match="task made_up is no cross-validation; leave out --fold"):
            recipe.table_format(0)


UP = {"sequence": ["AC", "AG", "AT"], "y": [1.5, 2.5, 3.5], "split": list(SPLITS)}


class TestLoad:
    """Of tables that are made up."""

    @pytest.fixture
    def load(self, write, monkeypatch, tmp_path):
        monkeypatch.setattr(recipe_module, "find_table", lambda table, folder: tmp_path / f"{table}.parquet")

        def load_tables(tables, **changes):
            for name, columns in tables.items():
                path = tmp_path / f"{name}.parquet"
                path.parent.mkdir(exist_ok=True)
                pyarrow.parquet.write_table(pa.table(columns), path)
            return read_recipe(write(**changes)).load(tmp_path)

        return load_tables

    def test_test_rows_in_another_table(self, load, tmp_path):
        (tmp_path / "model.safetensors").touch()
        other = {
            "sequence": ["CC", "GG", "TT", "A*"],
            "z": [7.0, 8.0, 9.0, 1.0],
            "split": ["test", "test", "train", "test"],
            "kind": ["a", "b", "a", "c"],
        }
        test = {"table": "made/other", "targets": ["z"], "rows": {"kind": ["a", "b"]}}
        table, held_out = load({"made/up": UP, "made/other": other}, test=test, train_rows={"y": {"below": 3}})
        assert set(table.splits) == {"train", "validation"}
        assert held_out.number == 2
        assert list(map(float, held_out.open(tmp_path).labels)) == [7, 8]

    def test_another_table_that_is_bad_is_told_of_at_once(self, load):
        other = {"sequence": ["A*"], "z": [7.0], "split": ["test"]}
        test = {"table": "made/other", "targets": ["z"]}
        with pytest.raises(UserError, match=r"other\.parquet, row 1: the letter '\*'"):
            load({"made/up": UP, "made/other": other}, test=test)

    def test_a_table_without_test_rows_is_another(self, load):
        up = {name: values[:2] for name, values in UP.items()}
        with pytest.raises(UserError, match=r"task made_up: .*up\.parquet has no test rows; it is not the table"):
            load({"made/up": up})

    def test_tables_that_are_joined(self, load, tmp_path):
        (tmp_path / "model.safetensors").touch()
        two = {"sequence": ["AT", "CC"], "y": [-1.0, -2.0], "split": ["test", "train"]}
        changes = {"table": ["made/up", "made/two"], "targets": ["y", "y"], "outputs": ["a", "b"]}
        table, held_out = load({"made/up": UP, "made/two": two}, **changes)
        np.testing.assert_array_equal(table.splits["train"].labels, [[1.5, np.nan], [np.nan, -2]])
        np.testing.assert_array_equal(held_out.open(tmp_path).labels, [[3.5, -1]])
