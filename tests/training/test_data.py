import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from lyra_hf.errors import UserError
from lyra_hf.training.data import TableFormat, guess_alphabet, load_table, random_split


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
