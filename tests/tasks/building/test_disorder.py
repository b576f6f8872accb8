"""Builders of the tables of disordered proteins."""

import json

import numpy as np
import pytest
from checking import gives_published_table, published
from made_up_sources import source_files, zipped

from lyra_hf.tasks.building import disorder

FUNCTIONS = ("protein_binding", "dna_binding", "rna_binding", "ion_binding", "lipid_binding", "flexible_linker")
TASKS = ("disorder_pdb", "disorder_nox", "binding", "linker")


def annotated(name, sequence, *marks):
    """A record of DisProt's annotation; marks that are not given are all 0."""
    marks += ("0" * len(sequence),) * (7 - len(marks))
    return "\n".join((f">{name}", sequence, *marks, ""))


def caid_archive(texts):
    junk = {f"__MACOSX/CAID2/._{task}.fasta": "junk" for task in texts}
    return zipped({**junk, **{f"CAID2/{task}.fasta": text for task, text in texts.items()}})


class TestDisprotFunctions:
    @pytest.fixture
    def table(self, tmp_path):
        contents = {
            "dataset/train_data.txt": annotated("DP1", "MKV", "011", "001") + annotated("DP2", "MAX"),
            "dataset/dev_data.txt": annotated("DP3", "GG", "10", "00", "10"),
            "dataset/DP93.txt": annotated("DP4", "MKVL"),
            "dataset/DP94.txt": annotated("DP5", "MKVL", "1111") + annotated("DP6", "W"),
        }
        return disorder.disprot_functions(source_files(tmp_path, "disorder/disprot_functions", contents))

    def test_splits_are_the_publishers_and_first_copies_are_kept(self, table):
        assert list(table.columns) == ["sequence", "label", "split", "id", "source_set", *FUNCTIONS]
        assert table["id"].tolist() == ["DP1", "DP2", "DP3", "DP4", "DP6"]
        assert table["split"].tolist() == ["train", "train", "validation", "test", "test"]
        assert table["source_set"].tolist() == ["train_data", "train_data", "dev_data", "DP93", "DP94"]

    def test_labels_follow_the_lines_of_a_record(self, table):
        first, dev = table.loc[0], table.loc[2]
        assert first["label"].dtype == np.int8
        assert [first[name].tolist() for name in ("label", "protein_binding", "dna_binding")] == [
            [0, 1, 1],
            [0, 0, 1],
            [0, 0, 0],
        ]
        assert dev["dna_binding"].tolist() == [1, 0]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "disorder/disprot_functions")
        rows = table.assign(
            text=[
                annotated(
                    row.id, row.sequence, *("".join(map(str, getattr(row, name))) for name in ("label", *FUNCTIONS))
                )
                for row in table.itertuples()
            ]
        )
        contents = {f"dataset/{name}.txt": "".join(part["text"]) for name, part in rows.groupby("source_set")}
        assert gives_published_table(disorder.disprot_functions, tmp_path, "disorder/disprot_functions", contents)


class TestCaid2:
    def test_tasks_and_masks(self, tmp_path):
        texts = dict.fromkeys(TASKS, ">DP1\nMKV\n010\n")
        texts["disorder_pdb"] += ">DP2\nMKVL\n1-0-\n"
        contents = {
            "dataset/CAID2.zip": caid_archive(texts),
            "dataset/train_data.txt": annotated("DP9", "AAA"),
            "dataset/dev_data.txt": annotated("DP1", "MKV"),
        }
        table = disorder.caid2(source_files(tmp_path, "disorder/caid2", contents))
        assert list(table.columns) == ["sequence", "label", "split", "task", "id", "in_disprot_train"]
        assert table["task"].tolist() == ["disorder_pdb", *TASKS]
        assert set(table["split"]) == {"test"}
        assert table["label"][1].tolist() == [1, -1, 0, -1]
        assert table["in_disprot_train"].tolist() == [True, False, True, True, True]

    def test_the_published_table(self, data_folder, tmp_path):
        trained = published(data_folder, "disorder/disprot_functions")
        table = published(data_folder, "disorder/caid2")
        signs = {-1: "-", 0: "0", 1: "1"}
        texts = {
            task: "".join(
                f">{row.id}\n{row.sequence}\n{''.join(signs[mark] for mark in row.label)}\n"
                for row in part.itertuples()
            )
            for task, part in table.groupby("task")
        }
        contents = {"dataset/CAID2.zip": caid_archive(texts)}
        for name in ("train_data", "dev_data"):
            part = trained[trained["source_set"] == name]
            records = (annotated(*names) for names in zip(part["id"], part["sequence"], strict=True))
            contents[f"dataset/{name}.txt"] = "".join(records)
        assert gives_published_table(disorder.caid2, tmp_path, "disorder/caid2", contents)


class TestChezod:
    def test_proteins_like_the_test_set_are_left_out(self, tmp_path):
        contents = {
            "datasets/1325_dataset_raw.json": json.dumps(
                [
                    {"brmid": "11", "sequence": "MKVA", "z-score": [999, 1.1, 999.0, -2]},
                    {"brmid": "12", "sequence": "MK", "z-score": [1, 2]},
                    {"brmid": "13", "sequence": "MKVAC", "z-score": [1, 2, 3, 4, 999]},
                ]
            ),
            "datasets/chezod_1159.fasta": ">11\nMKVA\n>13\nMKVAC\n",
            "datasets/117_dataset_raw.json": json.dumps([{"brmid": "99", "sequence": "GG", "zscore": [999.0, 5]}]),
        }
        table = disorder.chezod(source_files(tmp_path, "disorder/chezod", contents))
        assert list(table.columns) == ["sequence", "label", "split", "id"]
        assert table["id"].tolist() == ["11", "13", "99"]
        assert table["label"][0] == [None, float(np.float32(1.1)), None, -2.0]
        assert table["split"].isin(["train", "validation"]).tolist() == [True, True, False]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "disorder/chezod")
        table["scores"] = [np.nan_to_num(np.array(scores, float), nan=999).tolist() for scores in table["label"]]
        tested = table["split"] == "test"

        def proteins(part, scores):
            columns = part[["id", "sequence", "scores"]].set_axis(["brmid", "sequence", scores], axis=1)
            return json.dumps(columns.to_dict("records"))

        contents = {
            "datasets/1325_dataset_raw.json": proteins(table[~tested], "z-score"),
            "datasets/117_dataset_raw.json": proteins(table[tested], "zscore"),
            "datasets/chezod_1159.fasta": "".join(f">{name}\nM\n" for name in table["id"][~tested]),
        }
        assert gives_published_table(disorder.chezod, tmp_path, "disorder/chezod", contents)
