import csv
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from lyra_hf.errors import UserError
from lyra_hf.training.data import HeldOut, guess_alphabet, load_for_training, load_table, random_split
from lyra_hf.training.formats import Fold, TableFormat, parse_filter


@pytest.fixture
def write(tmp_path):
    """Write a table from its columns; returns the path."""

    def write_columns(name="table.csv", **columns):
        path = tmp_path / name
        if path.suffix == ".parquet":
            pyarrow.parquet.write_table(pa.table(columns), path)
        else:
            lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
            path.write_text("\n".join(lines) + "\n")
        return path

    return write_columns


def labels_of(table):
    """The labels of each split, in order of rows; a label that says which row it is makes the rows known."""
    return {split: [float(label) for label in rows.labels] for split, rows in table.splits.items()}


def random_sequences(number, length=10):
    generator = np.random.default_rng(0)
    return ["".join(generator.choice(list("ACGT"), size=length)) for _ in range(number)]


def all_rows(path, *targets, **options):
    table = load_table(path, TableFormat(targets=targets, **options))
    return table, table.merged()


class TestKinds:
    def test_numbers_are_regression(self, write):
        table, rows = all_rows(write(sequence=["ACGT", "AAAA"], y=["1.5", "-2"]), "y")
        assert (table.alphabet, table.head, table.problem_type) == ("dna", "sequence", "regression")
        assert table.output_names == ["y"]
        assert sorted(float(label) for label in rows.labels) == [-2, 1.5]

    def test_zero_and_one_are_classes(self, write):
        table, rows = all_rows(write(sequence=["MKV", "GGG"], y=["1", "0"]), "y")
        assert (table.alphabet, table.problem_type, table.output_names) == (
            "protein",
            "single_label_classification",
            ["0", "1"],
        )
        assert {int(label) for label in rows.labels} == {0, 1}

    def test_texts_are_classes_in_order(self, write):
        table, _ = all_rows(write(sequence=["ACGU", "GGG", "CC"], y=["tRNA", "miRNA", "tRNA"]), "y")
        assert (table.alphabet, table.output_names) == ("rna", ["miRNA", "tRNA"])

    def test_class_numbers_are_ordered_as_numbers(self, write):
        sequences = ["ACGT"] * 12
        table, _ = all_rows(
            write(sequence=sequences, y=list(range(12))), "y", problem_type="single_label_classification"
        )
        assert table.output_names == [str(number) for number in range(12)]

    def test_several_columns(self, write):
        path = write(sequence=["ACGT", "AAAA"], a=["1", "0"], b=["0", "1"], c=["0.5", ""])
        assert all_rows(path, "a", "b")[0].problem_type == "multi_label_classification"
        table, rows = all_rows(path, "a", "c")
        assert table.problem_type == "regression"
        by_first = {float(labels[0]): labels for labels in rows.labels}
        assert by_first[1.0].tolist() == [1.0, 0.5]
        assert np.isnan(by_first[0.0][1])

    def test_lists_are_per_residue(self, write):
        path = write("table.parquet", sequence=["MKVL", "GG"], y=[[0, 1, 1], [0, 0]])
        table, rows = all_rows(path, "y")
        assert (table.head, table.problem_type) == ("residue", "single_label_classification")
        assert sorted(labels.tolist() for labels in rows.labels) == [[0, 0], [0, 1, 1, -100]]

    def test_lists_of_numbers_may_end_early(self, write):
        path = write("table.parquet", sequence=["ACGU"], y=[[0.5, 1.5]])
        _, rows = all_rows(path, "y")
        assert rows.labels[0][:2].tolist() == [0.5, 1.5]
        assert np.isnan(rows.labels[0][2:]).all()

    def test_lists_in_text_and_letters_per_residue(self, write, tmp_path):
        path = tmp_path / "lists.tsv"
        path.write_text(f"sequence\ty\nMKV\t{json.dumps([1.5, 2.5, 3.5])}\n")
        assert all_rows(path, "y")[1].labels[0].tolist() == [1.5, 2.5, 3.5]
        table, rows = all_rows(write(sequence=["MKV", "GG"], y=["SSO", "OO"]), "y", head="residue")
        assert table.output_names == ["O", "S"]
        assert sorted(labels.tolist() for labels in rows.labels) == [[0, 0], [1, 1, 0]]

    def test_names_or_numbers_of_known_classes(self, write):
        form = {"problem_type": "single_label_classification", "classes": ("inactive", "active")}
        for values in (["active", "inactive"], ["1", "0"]):
            _, rows = all_rows(write(sequence=["ACGT", "AAAA"], y=values), "y", **form)
            assert sorted(int(label) for label in rows.labels) == [0, 1]

    @pytest.mark.parametrize(
        ("labels", "problem_type"),
        [
            ([0, 1, 2, 1], "single_label_classification"),
            ([0, 2, 3, 0], "regression"),
            ([1, 2, 3, 4], "regression"),
            ([0.0, 1.0, 2.0, 1.0], "regression"),
            (["0", "1", "2", "0"], "single_label_classification"),
        ],
    )
    def test_whole_numbers_from_zero_on_are_classes(self, write, labels, problem_type):
        table, _ = all_rows(write("table.parquet", sequence=["AC", "AG", "AT", "CC"], y=labels), "y")
        assert table.problem_type == problem_type

    @pytest.mark.parametrize("missing", ["", "NA", "nan", "null"])
    def test_texts_that_stand_for_no_label(self, write, missing):
        path = write(sequence=["AC", "AG", "AT"], y=["a", missing, "b"])
        table, rows = all_rows(path, "y")
        assert table.output_names == ["a", "b"]
        assert sorted(int(label) for label in rows.labels) == [-100, 0, 1]

    def test_numbered_classes_are_not_taken_for_others(self, write):
        form = {"problem_type": "single_label_classification", "classes": ("1", "2", "3")}
        with pytest.raises(UserError, match="is '0', which is none of the classes 1, 2, 3"):
            all_rows(write(sequence=["AC"], y=["0"]), "y", **form)

    def test_masked_residues_have_no_class(self, write):
        path = write("table.parquet", sequence=["MKVL", "GG"], y=[[0, -1, 2, 1], [-100, 0]])
        table, rows = all_rows(path, "y")
        assert table.output_names == ["0", "1", "2"]
        assert sorted(labels.tolist() for labels in rows.labels) == [[-100, 0], [0, -100, 2, 1]]


class TestSplits:
    def test_named_splits(self, write):
        path = write(sequence=["AC", "AG", "AT", "CC"], y=[1.5, 2, 3, 4], part=["train", "valid", "Test", ""])
        table = load_table(path, TableFormat(targets=("y",), split="part"))
        assert {split: [float(label) for label in rows.labels] for split, rows in table.splits.items()} == {
            "train": [1.5],
            "validation": [2.0],
            "test": [3.0],
        }

    def test_only_one_split_is_read(self, write):
        path = write(sequence=["AC", "A*"], y=["1.5", "oops"], split=["test", "train"])
        table = load_table(path, TableFormat(targets=("y",), split="split"), only_split="test")
        assert list(table.splits) == ["test"]

    def test_random_splits_keep_copies_together(self):
        splits = [random_split(f"ACGT{number}") for number in range(5000)]
        assert random_split("acgt") == random_split("ACGT")
        for name, share in (("train", 0.8), ("validation", 0.1), ("test", 0.1)):
            assert abs(splits.count(name) / len(splits) - share) < 0.02


class TestFolds:
    NUMBERS = (0, 1, 2, 3, 4, None, 0, 2)

    @pytest.fixture(params=["numbers", "floats", "texts"])
    def path(self, write, request):
        sequences, y = random_sequences(8), [row + 0.5 for row in range(8)]
        if request.param == "texts":
            folds = ["" if number is None else str(number) for number in self.NUMBERS]
            return write(sequence=sequences, y=y, part=folds)
        kind = pa.int8() if request.param == "numbers" else pa.float64()
        return write("table.parquet", sequence=sequences, y=y, part=pa.array(self.NUMBERS, kind))

    @pytest.mark.parametrize("number", range(5))
    def test_one_is_the_test_set_and_the_next_the_validation_set(self, path, number):
        found = labels_of(load_table(path, TableFormat(targets=("y",), split=Fold("part", number))))
        expected = {"train": [], "validation": [], "test": []}
        for row, fold in enumerate(self.NUMBERS):
            if fold is not None:
                split = "test" if fold == number else "validation" if fold == (number + 1) % 5 else "train"
                expected[split].append(row + 0.5)
        assert found == expected

    def test_every_row_with_a_fold_is_tested_on_once(self, path):
        tested = []
        for number in range(5):
            tested += labels_of(load_table(path, TableFormat(targets=("y",), split=Fold("part", number))))["test"]
        assert sorted(tested) == [row + 0.5 for row, fold in enumerate(self.NUMBERS) if fold is not None]

    @pytest.mark.parametrize("fold", ["5", "-1", "0.5", "first"])
    def test_what_is_no_fold_is_named(self, write, fold):
        path = write(sequence=["AC", "AG"], y=[1.5, 2], part=["0", fold])
        with pytest.raises(UserError, match=f"row 2: the fold '{fold}' is none of 0 to 4"):
            load_table(path, TableFormat(targets=("y",), split=Fold("part", 0)))


class TestFilters:
    @pytest.fixture
    def path(self, write):
        number = 60
        splits = ["train", "validation", "test"] * (number // 3)
        cells = ["a", "b"] * (number // 2)
        doses = [row % 7 for row in range(number)]
        return write(sequence=random_sequences(number), y=list(range(number)), split=splits, cell=cells, dose=doses)

    @staticmethod
    def rows_where(split, keep):
        return [row for row in range(60) if ("train", "validation", "test")[row % 3] == split and keep(row)]

    def form(self, **options):
        return TableFormat(targets=("y",), split="split", problem_type="regression", **options)

    def test_rows_of_every_split(self, path):
        conditions = parse_filter({"cell": ["a"], "dose": {"above": 2}})
        found = labels_of(load_table(path, self.form(rows=conditions)))
        assert found == {split: self.rows_where(split, lambda row: row % 2 == 0 and row % 7 > 2) for split in found}
        assert set(found) == {"train", "validation", "test"}

    def test_rows_to_train_on_and_to_validate_on(self, path):
        found = labels_of(load_table(path, self.form(train_rows=parse_filter({"cell": ["b"]}))))
        assert found["test"] == self.rows_where("test", lambda row: True)
        for split in ("train", "validation"):
            assert found[split] == self.rows_where(split, lambda row: row % 2 == 1)

    def test_both(self, path):
        form = self.form(rows=parse_filter({"dose": {"below": 4}}), train_rows=parse_filter({"cell": ["b"]}))
        found = labels_of(load_table(path, form))
        assert found["test"] == self.rows_where("test", lambda row: row % 7 < 4)
        assert found["train"] == self.rows_where("train", lambda row: row % 7 < 4 and row % 2 == 1)

    def test_what_is_left_out_may_be_anything(self, write):
        sequences, y = ["AC", "CA", "AG", "AG"], [1.5, 2.5, 2, "much"]
        splits = ["train", "validation", "test", "holdout"]
        path = write(sequence=sequences, y=y, split=splits, good=["1", "1", "1", "0"])
        found = labels_of(load_table(path, self.form(rows=parse_filter({"good": [1]}))))
        assert found == {"train": [1.5], "validation": [2.5], "test": [2.0]}

    def test_no_row_is_left(self, path):
        with pytest.raises(UserError, match="no row has a label in y"):
            load_table(path, self.form(rows=parse_filter({"cell": ["c"]})))

    def test_a_condition_on_a_column_that_is_not_there(self, path):
        with pytest.raises(UserError, match="no column 'colour'"):
            load_table(path, self.form(rows=parse_filter({"colour": ["red"]})))

    def test_parts_of_the_rows(self, path):
        form = self.form(subsets={"a": parse_filter({"cell": ["a"]}), "high": parse_filter({"dose": {"above": 4}})})
        for table in (load_table(path, form), load_table(path, form, only_split="test")):
            for rows in table.splits.values():
                numbers = np.array(rows.labels, dtype=int)
                assert rows.subsets["a"].tolist() == (numbers % 2 == 0).tolist()
                assert rows.subsets["high"].tolist() == (numbers % 7 > 4).tolist()
            merged = table.merged()
            assert merged.subsets["a"].tolist() == (np.array(merged.labels, dtype=int) % 2 == 0).tolist()

    def test_parts_of_the_test_rows_that_are_held_back(self, path, tmp_path):
        (tmp_path / "model.safetensors").touch()
        form = self.form(subsets={"a": parse_filter({"cell": ["a"]})}, rows=parse_filter({"dose": {"above": 1}}))
        rows = load_for_training(path, form)[1].open(tmp_path)
        assert rows.subsets["a"].tolist() == (np.array(rows.labels, dtype=int) % 2 == 0).tolist()
        assert 0 < rows.subsets["a"].sum() < len(rows.labels)


class TestValidationRows:
    """Where no row is named to validate on, a tenth of those to train on is taken."""

    def load(self, write, sequences, splits):
        path = write(sequence=sequences, y=list(range(len(sequences))), split=splits)
        return labels_of(load_table(path, TableFormat(targets=("y",), split="split", problem_type="regression")))

    def test_are_a_tenth_and_none_of_the_test_rows(self, write):
        found = self.load(write, random_sequences(3000), ["train", "train", "test"] * 1000)
        assert abs(len(found["validation"]) / 2000 - 0.1) < 0.02
        assert sorted(found["train"] + found["validation"]) == [row for row in range(3000) if row % 3 < 2]
        assert found["test"] == list(range(2, 3000, 3))

    def test_are_the_same_in_any_order_and_beside_any_rows(self, write):
        sequences = random_sequences(400)
        first = self.load(write, sequences, ["train"] * 400)["validation"]
        turned = self.load(write, sequences[::-1], ["train"] * 400)["validation"]
        assert sorted(399 - row for row in turned) == first
        fewer = self.load(write, sequences[:200], ["train"] * 200)["validation"]
        assert fewer == [row for row in first if row < 200]

    def test_copies_stay_together(self, write):
        found = self.load(write, random_sequences(200) * 2, ["train"] * 400)
        assert {row % 200 for row in found["validation"]}.isdisjoint(row % 200 for row in found["train"])

    def test_are_not_taken_where_there_are_some(self, write):
        found = self.load(write, random_sequences(300), ["train"] * 299 + ["val"])
        assert found == {"train": list(range(299)), "validation": [299]}

    @pytest.mark.parametrize("number", range(2, 12))
    def test_of_few_rows_there_is_one_at_least(self, write, number):
        found = self.load(write, random_sequences(number), ["train"] * number)
        assert len(found["validation"]) >= 1
        assert sorted(found["train"] + found["validation"]) == list(range(number))
        again = self.load(write, random_sequences(number)[::-1], ["train"] * number)
        assert sorted(number - 1 - row for row in again["validation"]) == [int(row) for row in found["validation"]]

    def test_a_single_sequence_is_trained_on(self, write):
        assert self.load(write, ["ACGT", "acgt"], ["train"] * 2) == {"train": [0, 1]}

    def test_of_few_rows_without_a_column_of_splits(self, write):
        """Of these the random split gives none to validate on."""
        sequences = [sequence for sequence in random_sequences(20) if random_split(sequence) == "train"][:4]
        found = labels_of(load_table(write(sequence=sequences, y=[0.5, 1.5, 2.5, 3.5]), TableFormat(targets=("y",))))
        assert len(found["validation"]) == 1
        assert len(found["train"]) == 3

    def test_are_not_taken_of_test_rows_alone(self, write):
        assert list(self.load(write, random_sequences(50), ["test"] * 50)) == ["test"]


class TestJoinedTables:
    NAMES = ("wt", "esp", "hf")

    def tables(self, write, seed=0):
        """Three tables that share some sequences, what they hold as {name: {sequence: label}}, and the splits."""
        generator = np.random.default_rng(seed)
        everything = list(dict.fromkeys(random_sequences(60, length=4)))
        splits = {sequence: ("train", "validation", "test")[number % 3] for number, sequence in enumerate(everything)}
        held, paths = {}, []
        for name in self.NAMES:
            chosen = generator.permutation(everything)[: generator.integers(10, 40)].tolist()
            held[name] = {one: round(float(generator.normal()), 3) for one in chosen}
            parts = [splits[one] for one in chosen]
            paths.append(write(f"{name}.csv", sequence=chosen, y=held[name].values(), part=parts))
        return paths, held, splits

    @pytest.mark.parametrize("seed", range(4))
    def test_against_a_plain_reference(self, write, seed):
        paths, held, splits = self.tables(write, seed)
        table = load_table(paths, TableFormat(targets=("y",) * 3, split="part"))
        assert table.output_names == list(self.NAMES)
        found = {}
        for split, rows in table.splits.items():
            for ids, labels in zip(rows.encoded, rows.labels, strict=True):
                sequence = "".join("ACGT"[number - 2] for number in ids)
                assert sequence not in found
                found[sequence] = split
                expected = [of_table.get(sequence, np.nan) for of_table in held.values()]
                np.testing.assert_array_equal(labels, np.float32(expected))
        assert found == {sequence: splits[sequence] for of_table in held.values() for sequence in of_table}

    def test_test_rows_are_held_back(self, write, tmp_path):
        paths, held, splits = self.tables(write)
        table, held_out = load_for_training(paths, TableFormat(targets=("y",) * 3, split="part"))
        assert set(table.splits) == {"train", "validation"}
        (tmp_path / "model.safetensors").touch()
        present = {sequence for of_table in held.values() for sequence in of_table if splits[sequence] == "test"}
        assert held_out.number == len(held_out.open(tmp_path).labels) == len(present)

    @pytest.mark.parametrize(
        ("second", "message"),
        [
            (
                {"sequence": ["AC"], "y": [2.5], "part": ["test"]},
                "row 1: AC is in the split 'test', elsewhere in",
            ),
            ({"sequence": ["AG", "AG"], "y": [2.5, 3], "part": ["train"] * 2}, "row 2: AG is in an earlier row too"),
            ({"sequence": ["AG"], "z": [2.5], "part": ["train"]}, "no column 'y'"),
        ],
    )
    def test_what_cannot_be_joined(self, write, second, message):
        paths = [write("a.csv", sequence=["AC"], y=[1.5], part=["train"]), write("b.csv", **second)]
        with pytest.raises(UserError, match=rf"b\.csv.* {message}"):
            load_table(paths, TableFormat(targets=("y", "y"), split="part"))

    @pytest.mark.parametrize(
        ("second", "options", "message"),
        [
            ({"y": ["1.5", "much"]}, {}, r"b\.csv, row 2: 'z' is 'much', which is not a number"),
            ({"sequence": ["AC", "A*"]}, {"alphabet": "dna"}, r"b\.csv, row 2: the letter '\*' at position 2"),
            ({"sequence": ["AC", ""]}, {"alphabet": "dna"}, r"b\.csv, row 2: the sequence is empty"),
            ({"part": ["train", "blue"]}, {}, r"b\.csv, row 2: the split 'blue' is none of"),
            ({"y": ["1", "2"]}, {"problem_type": "multi_label_classification"}, r"b\.csv, row 2: 'z' has a label that"),
            ({"y": ["[1, 2]", "[1, 2, 3]"]}, {"head": "residue"}, r"b\.csv, row 2: 'z' has 3 labels for 2 residues"),
            ({"y": ["1", "[1]"]}, {"head": "sequence"}, r"b\.csv, row 2: 'z' is a list"),
        ],
    )
    def test_a_fault_is_told_in_its_own_table(self, write, tmp_path, second, options, message):
        """The wrong row is the third of the joined rows, and the second of its table."""
        second = {"sequence": ["AC", "AT"], "y": ["1", "0"], "part": ["train"] * 2} | second
        paths = [write("a.tsv", sequence=["AC", "AG"], y=["1", "0"], part=["train"] * 2), tmp_path / "b.csv"]
        paths[0].write_text(paths[0].read_text().replace(",", "\t").replace("\ty\t", "\tz\t"))
        with paths[1].open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["sequence", "z", "part"])
            writer.writerows(zip(*second.values(), strict=True))
        with pytest.raises(UserError, match=message):
            load_table(paths, TableFormat(targets=("z", "z"), split="part", **options))

    @pytest.mark.parametrize(
        ("names", "options", "message"),
        [
            (("a", "b"), {"targets": ("y",)}, "give one target for each"),
            (("a", "b"), {"pair": "y"}, "give one target for each, and a column of splits"),
            (("a", "b"), {"split": None}, "and a column of splits"),
            (("a", "b"), {"split": Fold("part", 0)}, "and a column of splits"),
            (("a", "b"), {"rows": parse_filter({"y": [1]})}, "no column in common that a condition could be on"),
            (("a", "a"), {}, "need different names: a, a"),
            (("a", "part"), {}, "need different names: a, part"),
        ],
    )
    def test_what_joined_tables_have_not(self, write, names, options, message):
        paths = [write(f"{name}.csv", sequence=["AC"], y=[1.5], part=["train"]) for name in names]
        with pytest.raises(UserError, match=message):
            load_table(paths, TableFormat(**{"targets": ("y", "y"), "split": "part", **options}))


class TestHeldOut:
    FORM = TableFormat(targets=("y",), split="split")

    @pytest.fixture
    def path(self, write):
        sequences = ["AC", "AG", "AT", "CC", "CU"]
        splits = ["train", "validation", "test", "test", "train"]
        return write(sequence=sequences, y=["b", "a", "c", "b", "c"], split=splits)

    def test_cannot_be_opened_before_there_are_weights(self, path, tmp_path):
        _, held_out = load_for_training(path, self.FORM)
        (tmp_path / "config.json").touch()
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(UserError, match="holds no model yet; test rows are read once, when training has ended"):
                held_out.open(folder)
        (tmp_path / "model.safetensors").touch()
        assert len(held_out.open(tmp_path).encoded) == 2

    def test_cannot_be_opened_twice(self, tmp_path):
        (tmp_path / "model.safetensors").touch()
        read = []
        held_out = HeldOut(1, lambda: read.append("rows") or "the rows")
        assert held_out.open(tmp_path) == "the rows"
        with pytest.raises(UserError, match="a model is measured on them once"):
            held_out.open(tmp_path)
        assert read == ["rows"]

    @pytest.mark.parametrize(
        "changed",
        [
            "AT,c,test|AT,a,test",
            "AT,c,test|TT,c,test",
            "AT,c,test|AT,,test",
            "AT,c,test|AT,c,train",
            "AT,c,test\nCC,b,test|CC,b,test\nAT,c,test",
        ],
    )
    def test_must_be_what_they_were_when_training_began(self, path, tmp_path, changed):
        _, held_out = load_for_training(path, self.FORM)
        (tmp_path / "model.safetensors").touch()
        before, after = changed.split("|")
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))
        with pytest.raises(UserError, match=r"table\.csv: its test rows changed while the model was trained"):
            held_out.open(tmp_path)

    def test_may_have_been_written_again(self, path, tmp_path):
        _, held_out = load_for_training(path, self.FORM)
        (tmp_path / "model.safetensors").touch()
        path.write_text(path.read_text().replace("AG,a", "AG,b"))  # a row to validate on
        os.utime(path, (0, 0))
        assert len(held_out.open(tmp_path).labels) == 2

    @pytest.mark.parametrize(
        ("labels", "options"),
        [
            (["1.5", "2.5", "", "nan", "3"], {}),
            (["a", "b", "", "", "a"], {}),
            (["a", "b", "", "", "a"], {"problem_type": "single_label_classification"}),
            (["1", "0", "", "", "1"], {"problem_type": "multi_label_classification"}),
        ],
    )
    def test_without_any_label_are_told_of_before_training(self, write, labels, options):
        splits = ["train", "validation", "test", "test", "train"]
        path = write(sequence=["AC", "AG", "AT", "CC", "CU"], y=labels, split=splits)
        message = r"table\.csv: no row of the split 'test' has a label in y \(it has 2 row\(s\)\); label some of them"
        with pytest.raises(UserError, match=message):
            load_for_training(path, TableFormat(targets=("y",), split="split", **options))

    def test_some_labels_are_enough(self, write):
        splits = ["train", "validation", "test", "test"]
        path = write(sequence=["AC", "AG", "AT", "CC"], y=["1.5", "2.5", "", "0.5"], split=splits)
        assert load_for_training(path, self.FORM)[1].number == 2

    def test_training_is_never_given_test_rows(self, path):
        whole = load_table(path, self.FORM)
        table, held_out = load_for_training(path, self.FORM)
        assert set(table.splits) == {"train", "validation"} == set(whole.for_training().splits)
        seen = {tuple(ids) for rows in table.splits.values() for ids in rows.encoded}
        assert seen.isdisjoint(map(tuple, whole.splits["test"].encoded))
        assert held_out.number == 2

    def test_are_read_as_the_whole_table_was(self, path, tmp_path):
        """Their labels alone would make other classes."""
        (tmp_path / "model.safetensors").touch()
        whole = load_table(path, self.FORM).splits["test"]
        table, held_out = load_for_training(path, self.FORM)
        rows = held_out.open(tmp_path)
        assert [ids.tolist() for ids in rows.encoded] == [ids.tolist() for ids in whole.encoded]
        assert [table.output_names[label] for label in rows.labels] == ["c", "b"]

    def test_a_table_without_any(self, write):
        path = write(sequence=["AC", "AG"], y=[1.5, 2], split=["train", "validation"])
        assert load_for_training(path, self.FORM)[1] is None


class TestPairs:
    def test_two_columns_become_one_input(self, write):
        path = write(guide=["AC"], target=["GT"], y=[1.5])
        _, rows = all_rows(path, "y", sequence="guide", pair="target")
        assert rows.encoded[0].tolist() == [2, 3, 4, 5]

    def test_unequal_lengths_are_named(self, write):
        path = write(guide=["AC", "ACG"], target=["GT", "A"], y=[1.5, 2])
        with pytest.raises(UserError, match=r"row 2: the pair has 3 and 1 letters"):
            all_rows(path, "y", sequence="guide", pair="target")

    def test_white_space_does_not_count(self, write):
        path = write(guide=["A C", "AC"], target=["GT", " G T "], y=[1.5, 2])
        _, rows = all_rows(path, "y", sequence="guide", pair="target")
        assert [ids.tolist() for ids in rows.encoded] == [[2, 3, 4, 5]] * 2

    def test_rows_keep_their_numbers_where_only_some_are_read(self, write):
        path = write(guide=["A", "AC", "ACG"], target=["GT", "GT", "A"], y=[1, 2, 3], split=["train", "test", "test"])
        form = TableFormat(targets=("y",), sequence="guide", pair="target", split="split")
        with pytest.raises(UserError, match=r"row 3: the pair has 3 and 1 letters"):
            load_table(path, form, only_split="test")


class TestFaults:
    @pytest.mark.parametrize(
        ("columns", "options", "message"),
        [
            ({"sequence": ["AC", "AC"], "y": ["1.5", "high"]}, {}, r"row 2: 'y' is 'high', which is not a number"),
            ({"sequence": ["AC", "AC"], "y": ["1.5", "inf"]}, {}, r"row 2: 'y' is infinite"),
            ({"sequence": ["AC", "A*"], "y": ["1", "2"]}, {"alphabet": "dna"}, r"row 2: the letter '\*' at position 2"),
            ({"sequence": ["AC", ""], "y": ["1", "2"]}, {}, r"row 2: the sequence is empty"),
            ({"sequence": ["AC"], "z": ["1"]}, {}, r"no column 'y'; its columns are: sequence, z"),
            (
                {"sequence": ["AC"], "y": ["1"], "split": ["blue"]},
                {"split": "split"},
                r"row 1: the split 'blue' is none",
            ),
            ({"sequence": ["AC", "AC"], "y": ["a", "a"]}, {}, r"one class only, 'a'"),
            ({"sequence": ["AC", "AC"], "y": ["", ""]}, {"problem_type": "regression"}, r"no row has a label in y"),
            ({"sequence": [], "y": []}, {}, r"no rows"),
            (
                {"sequence": ["AC"], "y": ["2"]},
                {"problem_type": "multi_label_classification"},
                r"row 1: 'y' has a label that is neither 0 nor 1",
            ),
            (
                {"sequence": ["AC"], "y": ["c"]},
                {"problem_type": "single_label_classification", "classes": ("a", "b")},
                r"row 1: 'y' is 'c', which is none of the classes a, b",
            ),
            ({"sequence": ["AC"], "y": ["abc"]}, {"head": "residue"}, r"row 1: 'y' has 3 labels for 2 residues"),
        ],
    )
    def test_each_names_the_row(self, write, columns, options, message):
        with pytest.raises(UserError, match=message):
            all_rows(write(**columns), "y", **options)

    def test_a_split_that_is_not_there(self, write):
        path = write(sequence=["AC"], y=[1.5], split=["train"])
        with pytest.raises(UserError, match=r"no row has the split 'test'; there are train"):
            load_table(path, TableFormat(targets=("y",), split="split"), only_split="test")


@pytest.mark.parametrize(
    ("sequences", "alphabet"),
    [(["acgt", "NN"], "dna"), (["ACGU"], "rna"), (["ACGT", "ACGU"], "protein"), (["MKV"], "protein")],
)
def test_alphabet_is_told_from_letters(sequences, alphabet):
    assert guess_alphabet(sequences) == alphabet


def test_tables_of_datasets(write):
    path = write(sequence=["AC", "AG"], y=[1.5, 2], split=["train", "test"])
    tables = load_table(path, TableFormat(targets=("y",), split="split")).to_datasets()
    assert tables["train"][0] == {"input_ids": [2, 3], "labels": 1.5}
    assert set(tables) == {"train", "test"}
