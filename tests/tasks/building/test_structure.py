"""Builders of the tables of structure, solubility and localisation."""

import pytest
from checking import fasta, gives_published_table, published
from made_up_sources import source_files, zipped

from lyra_hf import UserError
from lyra_hf.tasks.building import structure

FLIP_SETS = {
    "train": "SET=train VALIDATION=False",
    "validation": "SET=train VALIDATION=True",
    "test": "SET=test VALIDATION=False",
}
SECONDARY, BINDING = "structure/ss3_netsurfp", "structure/bind_flip"


def flip_archive(**texts):
    return zipped({f"splits/{name}.fasta": text for name, text in texts.items()})


def flip_labels(table, letters):
    return fasta(
        (f"{row.id} {FLIP_SETS[row.split]}", "".join(letters[mark] for mark in row.label)) for row in table.itertuples()
    )


class TestSecondaryStructure:
    ARCHIVE = "splits/secondary_structure/splits.zip"

    def built(self, folder, **texts):
        return structure.ss3_netsurfp(source_files(folder, SECONDARY, {self.ARCHIVE: flip_archive(**texts)}))

    def test_unresolved_residues_are_masked(self, tmp_path):
        table = self.built(
            tmp_path,
            sequences=">b\nMKV\n>a\nGG\n>c\nAAAA\n",
            sampled=">a SET=train VALIDATION=True\nHE\n>b SET=train VALIDATION=False\nCEH\n"
            ">c SET=test VALIDATION=False\nHH\nCC\n",
            mask=">a\n11\n>b\n010\n>c\n1111\n",
        )
        assert table.drop(columns="label").to_numpy().tolist() == [
            ["GG", "validation", "a"],
            ["MKV", "train", "b"],
            ["AAAA", "test", "c"],
        ]
        assert [label.tolist() for label in table["label"]] == [[0, 1], [-1, 1, -1], [0, 0, 2, 2]]
        assert list(table.columns) == ["sequence", "label", "split", "id"]

    def test_an_archive_without_masks(self, tmp_path):
        with pytest.raises(UserError, match=r"one mask\.fasta was to be in it, there are 0"):
            self.built(tmp_path, sequences=">a\nM\n", sampled=">a SET=train VALIDATION=False\nH\n")

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, SECONDARY)
        archive = flip_archive(
            sequences=fasta(zip(table["id"], table["sequence"], strict=True)),
            sampled=flip_labels(table, {0: "H", 1: "E", 2: "C", -1: "C"}),
            mask=fasta((row.id, "".join("01"[int(mark >= 0)] for mark in row.label)) for row in table.itertuples()),
        )
        assert gives_published_table(structure.ss3_netsurfp, tmp_path, SECONDARY, {self.ARCHIVE: archive})


class TestBinding:
    ARCHIVE = "splits/bind/splits.zip"

    def test_repeats_are_dropped(self, tmp_path):
        archive = flip_archive(
            sequences=">a\nMKV\n>b\nGG\n>c\nMKV\n",
            from_publication=">a SET=train VALIDATION=False\n047\n>b SET=test VALIDATION=False\n12\n"
            ">c SET=train VALIDATION=True\n000\n",
        )
        table = structure.bind_flip(source_files(tmp_path, BINDING, {self.ARCHIVE: archive}))
        assert table.drop(columns="label").to_numpy().tolist() == [["MKV", "train", "a"], ["GG", "test", "b"]]
        assert [label.tolist() for label in table["label"]] == [[0, 4, 7], [1, 2]]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, BINDING)
        archive = flip_archive(
            sequences=fasta(zip(table["id"], table["sequence"], strict=True)),
            from_publication=flip_labels(table, "01234567"),
        )
        assert gives_published_table(structure.bind_flip, tmp_path, BINDING, {self.ARCHIVE: archive})


class TestEsol:
    NAME = "solubility/esol"

    def test_test_copies_are_kept(self, tmp_path):
        contents = {
            "Data/eSol_test.csv": "gene,solubility,sequence\nabcA,0.5,MKV\n",
            "Data/eSol_train.csv": "gene,solubility,sequence\nabcB,0.25,MKV\nabcC,1.0,GG\nabcD,0.0,GG\n",
        }
        table = structure.esol(source_files(tmp_path, self.NAME, contents))
        assert list(table.columns) == ["sequence", "label", "split", "gene"]
        assert table[["gene", "label"]].to_numpy().tolist() == [["abcA", 0.5], ["abcC", 1.0]]
        assert table["split"][0] == "test"
        assert table["split"][1] in ("train", "validation")

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME).rename(columns={"label": "solubility"})
        tested = table["split"] == "test"
        contents = {
            f"Data/eSol_{name}.csv": part[["gene", "solubility", "sequence"]].to_csv(index=False)
            for name, part in (("test", table[tested]), ("train", table[~tested]))
        }
        assert gives_published_table(structure.esol, tmp_path, self.NAME, contents)


class TestDeeploc:
    NAME = "localisation/deeploc_small"

    def test_ambiguous_locations_are_left_out(self, tmp_path):
        contents = {
            "data_files/deeploc_test_set.fasta": ">P1 Cytoplasm-Nucleus-U test\nMK\n>P2 Cell.membrane-M test\nMK\nVA\n",
            "data_files/deeploc_our_val_set.fasta": ">P3 Lysosome/Vacuole-S\nGG\n",
            "data_files/setHARD.fasta": ">P4 Nucleus-U new_test_set \nAA\n",
        }
        table = structure.deeploc_small(source_files(tmp_path, self.NAME, contents))
        columns = ["sequence", "label", "split", "location", "solubility", "id", "source_file"]
        assert list(table.columns) == columns
        assert table.to_numpy().tolist() == [
            ["MKVA", 4, "train", "Cell.membrane", "M", "P2", "deeploc_test_set"],
            ["GG", 8, "validation", "Lysosome/Vacuole", "S", "P3", "deeploc_our_val_set"],
            ["AA", 0, "test", "Nucleus", "U", "P4", "setHARD"],
        ]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        contents = {
            f"data_files/{name}.fasta": fasta(
                (f"{row.id} {row.location}-{row.solubility} test", row.sequence) for row in part.itertuples()
            )
            for name, part in table.groupby("source_file")
        }
        assert gives_published_table(structure.deeploc_small, tmp_path, self.NAME, contents)
