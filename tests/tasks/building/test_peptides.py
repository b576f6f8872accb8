"""Builders of the tables of peptides."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from checking import fasta, gives_published_table, published
from made_up_sources import source_files

from lyra_hf.tasks.building import peptides
from lyra_hf.tasks.building.fetch import SourceFiles
from lyra_hf.tasks.building.peptides import BUILDERS
from lyra_hf.tasks.building.splits import place
from lyra_hf.tasks.building.tables import digest
from lyra_hf.tasks.sources import load_source

CODES = "-ARNDCQEGHILKMFPSTWYV"
RANDOM_FIFTH = 123


def workbook(rows):
    """A workbook of rows with their sequence and label."""
    stream = io.BytesIO()
    rows[["sequence", "label"]].to_excel(stream, index=False)
    return stream.getvalue()


def rows_of(*rows, columns=("sequence", "label")):
    return pd.DataFrame(rows, columns=list(columns))


def by_hash(sequence, salt="val"):
    """The split of a row that is not the publisher's test row."""
    return "validation" if place(f"{salt}{sequence}", "sha1") < 0.1 else "train"


def by_share(text):
    """The split of a row or group that is dealt by hash."""
    at = place(text, "sha1")
    return "test" if at < 0.2 else "validation" if at < 0.3 else "train"


@pytest.mark.parametrize("name", ["acp_anticp2_alternate", "acp_anticp2_main", "dppiv_inhibitory"])
class TestWorkbooks:
    def contents(self, name, train, test):
        return dict(zip(load_source(f"peptides/{name}").paths, (workbook(train), workbook(test)), strict=True))

    def test_sequences_of_both_labels_are_left_out(self, name, tmp_path):
        train = rows_of(("KW", 1), ("NA", 0), ("AAKL", 1), ("GG", 0))
        test = rows_of(("AAKL", 0), ("RI", 1))
        table = BUILDERS[f"peptides/{name}"](
            source_files(tmp_path, f"peptides/{name}", self.contents(name, train, test))
        )
        assert list(table) == ["sequence", "label", "split"]
        assert table["sequence"].tolist() == ["KW", "NA", "GG", "RI"]
        assert table["label"].tolist() == [1, 0, 0, 1]
        assert table["split"].tolist() == [*map(by_hash, ["KW", "NA", "GG"]), "test"]

    def test_the_published_table(self, name, data_folder, tmp_path):
        table = published(data_folder, f"peptides/{name}")
        is_test = table["split"] == "test"
        contents = self.contents(name, table[~is_test], table[is_test])
        assert gives_published_table(BUILDERS[f"peptides/{name}"], tmp_path, f"peptides/{name}", contents)


class TestDBAASP:
    NAME = "peptides/amp_dbaasp_capecchi"
    PATH = "data/DAASP_RNN_dataset.csv"

    def test_short_ones_and_those_of_d_amino_acids_are_left_out(self, tmp_path):
        text = (
            "ID,Name,N terminus,Sequence,C terminus,targetSpecies,baumannii,aureus,aeruginosa,activity,Set\n"
            "1,a,nan,KWKL,AMD,\"['x', 'y']\",False,True,True,0,test\n"
            "2,b,ACT,kwkl,AMD,['x'],False,True,True,0,test\n"
            "3,c,nan,KWK,nan,['x'],False,True,True,0,training\n"
            "4,d,ACT,GGKWKL,nan,['x'],False,False,True,1,training\n"
        )
        table = peptides.amp_dbaasp_capecchi(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table) == ["sequence", "label", "split", "n_term", "c_term"]
        assert table["sequence"].tolist() == ["KWKL", "GGKWKL"]
        assert table["label"].tolist() == [0, 1]
        assert table["split"].tolist() == ["test", by_hash("GGKWKL")]
        assert table["n_term"].isna().tolist() == [True, False]
        assert table["c_term"].isna().tolist() == [False, True]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        columns = {
            "N terminus": table["n_term"],
            "Sequence": table["sequence"],
            "C terminus": table["c_term"],
            "activity": table["label"],
            "Set": np.where(table["split"] == "test", "test", "training"),
        }
        contents = {self.PATH: pd.DataFrame(columns).to_csv(index=False, na_rep="nan")}
        assert gives_published_table(peptides.amp_dbaasp_capecchi, tmp_path, self.NAME, contents)


class TestModlAMP:
    NAME = "peptides/amp_modlamp"
    PATH = "modlamp/data/AMPvsUniProt.csv"

    def test_alike_sequences_are_in_one_split(self, tmp_path):
        text = "6,1,UniProt,AMP\nKWKLLKKI, 1\nGGGSGGGS, 0\nKWKLLKKA, 1\nKWKLLKKI, 1\nPPPP, 1\nPPPP, 0\n"
        table = peptides.amp_modlamp(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table) == ["sequence", "label", "split", "cluster"]
        assert table["sequence"].tolist() == ["KWKLLKKI", "GGGSGGGS", "KWKLLKKA"]
        assert table["label"].tolist() == [1, 0, 1]
        assert table["cluster"].tolist() == [0, 1, 0]
        assert set(table["split"]) == {"train"}  # each group has more than a tenth of the rows

    def test_the_package_gives_the_published_table(self):
        pytest.importorskip("modlamp")
        source = load_source(self.NAME)
        table = peptides.amp_modlamp(SourceFiles(source))
        assert digest(pa.Table.from_pandas(table, preserve_index=False)) == source.digest


@pytest.mark.parametrize(("name", "folder"), [("cpp924", "cpp_cppredfl"), ("cpp_mlcpp", "cpp_mlcpp")])
class TestReactor:
    def contents(self, folder, rows):
        return {
            f"data/{folder}/seqs.fasta": fasta((f"Seq_{row}", one) for row, one in enumerate(rows["sequence"], 1)),
            f"data/{folder}/classes.txt": "".join(f"{label}\n" for label in rows["label"]),
        }

    def test_labels_are_those_of_the_lines(self, name, folder, tmp_path):
        rows = rows_of(("KWKLLKKI", 1), ("AAA", 1), ("GGGSGGGS", 0), ("AAA", 0))
        contents = self.contents(folder, rows)
        table = BUILDERS[f"peptides/{name}"](source_files(tmp_path, f"peptides/{name}", contents))
        assert list(table) == ["sequence", "label", "split", "cluster"]
        assert table["sequence"].tolist() == ["KWKLLKKI", "GGGSGGGS"]
        assert table["label"].tolist() == [1, 0]
        assert table["cluster"].tolist() == [0, 1]

    def test_the_published_table(self, name, folder, data_folder, tmp_path):
        contents = self.contents(folder, published(data_folder, f"peptides/{name}"))
        assert gives_published_table(BUILDERS[f"peptides/{name}"], tmp_path, f"peptides/{name}", contents)


class TestPLM4CPPs:
    NAME = "peptides/cpp_plm4cpps"

    def contents(self, main, *kelm):
        texts = (workbook(main), *(rows.to_csv(index=False, columns=["sequence", "label"]) for rows in kelm))
        return dict(zip(load_source(self.NAME).paths, texts, strict=True))

    def test_a_random_fifth_of_all_rows_is_test(self, tmp_path):
        model_selection = pytest.importorskip("sklearn.model_selection")
        sequences = ["A" * length for length in range(3, 20)]
        main = rows_of(*((sequence, 1) for sequence in ["AAX", *sequences]))
        kelm = rows_of(("NA", 1)), rows_of(("KWKLL", 0))
        table = peptides.cpp_plm4cpps(source_files(tmp_path, self.NAME, self.contents(main, *kelm)))
        assert list(table) == ["sequence", "label", "split", "split_publisher", "cluster"]
        assert table["sequence"].tolist() == [*sequences, "NA", "KWKLL"]
        assert table["split_publisher"].tolist()[-2:] == ["kelm_independent"] * 2
        _, test = model_selection.train_test_split(main, test_size=0.2, random_state=RANDOM_FIFTH)
        assert set(table["sequence"][table["split_publisher"] == "test"]) == set(test["sequence"]) - {"AAX"}

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        kelm = table[table["split_publisher"] == "kelm_independent"]
        main = self.with_dropped_rows(table.drop(kelm.index), dropped=20)
        contents = self.contents(main, kelm[kelm["label"] == 1], kelm[kelm["label"] == 0])
        assert gives_published_table(peptides.cpp_plm4cpps, tmp_path, self.NAME, contents)

    def with_dropped_rows(self, table, dropped):
        """The rows of the main set, and among them those that the table lacks, so that the random fifth fits."""
        rows = iter(table.itertuples())
        following = next(rows)
        found = []
        for is_test in peptides._random_fifth(len(table) + dropped, RANDOM_FIFTH):
            if following is not None and is_test == (following.split_publisher == "test"):
                found.append((following.sequence, following.label))
                following = next(rows, None)
            else:
                found.append(("X", 0))
        return rows_of(*found)


class TestPMODelivery:
    NAME = "peptides/cpp_pmo_delivery"
    PATH = "dataset/data_cpp/cpp_predictor_dataset.csv"

    def test_equal_letters_are_averaged(self, tmp_path):
        text = "sequences,Intensity\nRQ2KR3WL,2.5\nRQ2KR3RXRB,9\nRQ2KR3WL,3.5\nPPR,1.5\nKE PP,7\n"
        table = peptides.cpp_pmo_delivery(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table) == ["sequence", "label", "split", "module_cpp", "modular", "n_replicates"]
        assert table["sequence"].tolist() == ["PPR", "RQXKRXWL"]
        assert table["label"].tolist() == [1.5, 3]
        assert table["module_cpp"].tolist() == ["PPR", "WL"]
        assert table["modular"].tolist() == [False, True]
        assert table["n_replicates"].tolist() == [1, 2]
        assert table["split"].tolist() == [by_share("pmoPPR"), by_share("pmoWL")]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        lines = []
        for row in table.itertuples():
            head = row.sequence.removesuffix(row.module_cpp)
            name = head[:-1].replace("X", "2") + "3" + row.module_cpp if row.modular else row.sequence
            lines += [f"{name},{row.label}\n"] * row.n_replicates
        contents = {self.PATH: "".join(["sequences,Intensity\n", *lines])}
        assert gives_published_table(peptides.cpp_pmo_delivery, tmp_path, self.NAME, contents)


@pytest.mark.parametrize(("name", "folder"), [("hemopi1", "HemoPI-1"), ("hemopi3", "HemoPI-3")])
class TestHemoPI:
    def contents(self, folder, rows):
        return {
            f"Data/Hemolytik_datasets/{folder}/{folder}_{part}_class{label}.fasta": fasta(
                (f"peptide_{row}", sequence)
                for row, sequence in enumerate(rows["sequence"][(rows["label"] == label) & (is_test == held_out)])
            )
            for is_test in [rows["split"] == "test"]
            for part, held_out in (("model", False), ("validation", True))
            for label in (0, 1)
        }

    def test_the_validation_files_are_test(self, name, folder, tmp_path):
        rows = rows_of(
            ("KWKL", 0, "train"),
            ("GIGA", 1, "train"),
            ("AAG", 0, "test"),
            ("LLKW", 1, "test"),
            columns=("sequence", "label", "split"),
        )
        contents = self.contents(folder, rows)
        table = BUILDERS[f"peptides/{name}"](source_files(tmp_path, f"peptides/{name}", contents))
        assert list(table) == ["sequence", "label", "split"]
        assert table["sequence"].tolist() == rows["sequence"].tolist()
        assert table["label"].tolist() == rows["label"].tolist()
        assert table["split"].tolist() == [by_hash("KWKL"), by_hash("GIGA"), "test", "test"]

    def test_the_published_table(self, name, folder, data_folder, tmp_path):
        contents = self.contents(folder, published(data_folder, f"peptides/{name}"))
        assert gives_published_table(BUILDERS[f"peptides/{name}"], tmp_path, f"peptides/{name}", contents)


class TestNonfouling:
    NAME = "peptides/nonfouling"

    def contents(self, positive, negative):
        def archive(sequences, name, **more):
            longest = max(map(len, sequences))
            numbers = [[CODES.index(letter) for letter in sequence.ljust(longest, "-")] for sequence in sequences]
            stream = io.BytesIO()
            np.savez(stream, **{name: np.array(numbers, float)}, **more)
            return stream.getvalue()

        return {
            "ml/data/human-positive.npz": archive(positive, "arr_0"),
            "ml/data/human-negative.npz": archive(negative, "seqs", weights=np.ones(len(negative))),
        }

    def test_numbers_are_amino_acids(self, tmp_path):
        contents = self.contents(["AAGRG", "CWDES", "VVV"], ["KLMFPSTWY", "VVV", "KLMFPSTWY"])
        table = peptides.nonfouling(source_files(tmp_path, self.NAME, contents))
        assert list(table) == ["sequence", "label", "split", "cluster"]
        assert table["sequence"].tolist() == ["AAGRG", "CWDES", "KLMFPSTWY"]
        assert table["label"].tolist() == [1, 1, 0]
        assert table["split"].tolist() == [by_share(sequence) for sequence in table["sequence"]]
        assert table["cluster"].tolist() == [0, 1, 2]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        contents = self.contents(*(table["sequence"][table["label"] == label].tolist() for label in (1, 0)))
        assert gives_published_table(peptides.nonfouling, tmp_path, self.NAME, contents)


class TestSignalP:
    NAME = "peptides/signalp6"
    PATH = "data/train_set.fasta"

    def text(self, *entries):
        return "".join(f">{'|'.join(header)}\n{sequence}\n{regions}\n" for *header, sequence, regions in entries)

    def test_each_sequence_stays_once(self, tmp_path):
        text = self.text(
            ("P1", "EUKARYA", "NO_SP", "0", "MAAA", "IIII"),
            ("P2", "EUKARYA", "SP", "1", "MKKL", "SSSO"),
            ("P3", "POSITIVE", "TAT", "2", "MRRL", "TTTO"),
            ("P4", "NEGATIVE", "SP", "2", "MKKL", "SSOO"),
            ("P5", "ARCHAEA", "PILIN", "0", "MRRL", "PPPO"),
            ("P6", "EUKARYA", "NO_SP", "0", "MAAA", "OOOO"),
        )
        table = peptides.signalp6(source_files(tmp_path, self.NAME, {self.PATH: text}))
        columns = ["sequence", "label", "split", "sp_type", "kingdom", "partition", "residue_label", "id"]
        assert list(table) == columns
        assert table["id"].tolist() == ["P1", "P4"]
        assert table["label"].tolist() == [0, 1]
        assert table["split"].tolist() == ["train", "test"]
        assert table["residue_label"].tolist() == ["IIII", "SSOO"]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME).astype({"partition": str})
        columns = ["id", "kingdom", "sp_type", "partition", "sequence", "residue_label"]
        text = self.text(*table[columns].itertuples(index=False))
        assert gives_published_table(peptides.signalp6, tmp_path, self.NAME, {self.PATH: text})
