"""Builders of the tables of RNA."""

import json

import numpy as np
import pytest
from checking import fasta, gives_published_table, published
from made_up_sources import source_files, zipped

from lyra_hf.tasks.building import rna
from lyra_hf.tasks.sources import load_source

RATES = ("deg_Mg_pH10", "deg_pH10", "deg_Mg_50C", "deg_50C")


class TestArchiveII:
    NAME = "rna_structure/archiveii_paired"
    PATH = "data/archiveII/processed/archiveII_from_bpseq.csv"

    def test_long_and_repeated_sequences_are_left_out(self, tmp_path):
        text = (
            "sequence_id,sequence,dot_bracket\n"
            f"16s_A.b,{'A' * 1025},{'.' * 1025}\n"
            "16s_A.b_domain1,GGAACC,((..))\n"
            "RNaseP_c,GGNACC,((..))\n"
            "RNaseP_d,AACCGU,.[..]<\n"
            "srp_e,GGAACC,......\n"
            "tmRNA_f-g,GGG,...\n"
        )
        table = rna.archiveii_paired(source_files(tmp_path, self.NAME, {self.PATH: text}))
        columns = ["sequence", "label", "split", "split_random", "family", "dot_bracket", "sequence_id"]
        assert list(table.columns) == columns
        assert table["sequence_id"].tolist() == ["16s_A.b_domain1", "RNaseP_d", "tmRNA_f-g"]
        assert table["label"].tolist() == [[1, 1, 0, 0, 1, 1], [0, 1, 0, 0, 1, 1], [0, 0, 0]]
        assert table["family"].tolist() == ["16s", "RNaseP", "tmRNA"]
        assert table["split"].tolist() == ["train", "test", "validation"]

    def test_sequences_that_share_32_letters_are_dealt_together(self, tmp_path):
        shared = "ACGUUGCA" * 4
        rows = [
            f"5s_{index},{start}{shared},{'.' * 34}\n" for index, start in enumerate(("AA", "CC", "GG", "UU", "AC"))
        ]
        text = "".join(["sequence_id,sequence,dot_bracket\n", *rows])
        table = rna.archiveii_paired(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert table["split_random"].nunique() == 1

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        text = table[["sequence_id", "sequence", "dot_bracket"]].to_csv(index=False)
        assert gives_published_table(rna.archiveii_paired, tmp_path, self.NAME, {self.PATH: text})


def molecule(sequence, **more):
    """A molecule as Kaggle's files have it; values count up from 0."""
    scored = {107: 68, 130: 91}[len(sequence)]
    values = {name: [position / 8 for position in range(scored)] for name in ("reactivity", *RATES)}
    return {"sequence": sequence, "structure": "." * len(sequence), "seq_scored": scored, **values, **more}


class TestOpenVaccine:
    NAME = "rna_structure/openvaccine_ryos"
    FOLDS = tuple(f"data/kfold/fold_{fold}/valid.jsonl" for fold in range(5))

    def contents(self, train, test):
        """Source files of rows; `train` by path."""
        texts = dict.fromkeys((*self.FOLDS, "data/valid.jsonl"), "")
        texts |= {path: "".join(json.dumps(row) + "\n" for row in rows) for path, rows in train.items()}
        return {
            **texts,
            load_source(self.NAME).paths[-1]: zipped({"Kaggle_RYOS_testset.json": test, "__MACOSX/._x.json": "junk"}),
        }

    @pytest.mark.parametrize("by_column", [True, False])
    def test_parts(self, by_column, tmp_path):
        known = molecule("A" * 107, signal_to_noise=2.5, SN_filter=1.0)
        other = molecule("C" * 107, signal_to_noise=0.5, SN_filter=0.0)
        test = [molecule("G" * 130), molecule("U" * 107)]
        if by_column:
            text = json.dumps({name: {str(row): m[name] for row, m in enumerate(test)} for name in test[0]})
        else:
            text = "".join(json.dumps(m) + "\n" for m in test)
        contents = self.contents({self.FOLDS[1]: [known], "data/valid.jsonl": [known, other]}, text)
        table = rna.openvaccine_ryos(source_files(tmp_path, self.NAME, contents))
        columns = [
            "sequence",
            "label",
            "split",
            "test_part",
            "structure",
            "seq_scored",
            "signal_to_noise",
            "SN_filter",
        ]
        assert list(table.columns) == [*columns, *RATES]
        assert table["sequence"].str[0].tolist() == ["A", "C", "G", "U"]
        assert table["test_part"].tolist() == ["", "", "130", "107"]
        assert table["split"].tolist()[2:] == ["test", "test"]
        assert table["seq_scored"].tolist() == [68, 68, 91, 68]
        assert table["SN_filter"].tolist()[:2] == [1.0, 0.0]
        assert table["SN_filter"].isna().tolist() == [False, False, True, True]
        for name in ("label", *RATES):
            np.testing.assert_array_equal(table[name][2], np.arange(91, dtype=np.float32) / 8, strict=True)

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME).rename(columns={"label": "reactivity"})
        for name in ("reactivity", *RATES):
            table[name] = [values.astype(float).tolist() for values in table[name]]
        rows = table[table["split"] != "test"].to_dict("records")
        tested = table[table["split"] == "test"].drop(columns=["signal_to_noise", "SN_filter"])
        contents = self.contents({self.FOLDS[0]: rows[:2000], self.FOLDS[1]: rows[2000:]}, tested.to_json())
        assert gives_published_table(rna.openvaccine_ryos, tmp_path, self.NAME, contents)


class TestStartSites:
    NAME = "rna_function/noderer2014_tis"
    PATH = "Data/TIS/tis_efficiencies_aug.tsv"
    HEADER = "sequence\tefficiency\tlower.bound\tupper.bound\n"

    def test_columns(self, tmp_path):
        text = f"{self.HEADER}UUCAUCAUGCA\t15\t13\t16\nGGGAGUAUGGC\t14\t13\t16\n"
        table = rna.noderer2014_tis(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table.columns) == ["sequence", "label", "split", "lower_bound", "upper_bound"]
        assert table["label"].dtype == float
        assert table["lower_bound"].tolist() == [13, 13]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME).drop(columns="split")
        text = self.HEADER + table.to_csv(index=False, header=False, sep="\t")
        assert gives_published_table(rna.noderer2014_tis, tmp_path, self.NAME, {self.PATH: text})


class TestNonCodingFamilies:
    NAME = "rna_function/nrc_ncrna"

    def contents(self, train, test):
        return {
            f"datasets/nRC-public/dataset_nRC_{part}.fasta": fasta(records, width=80)
            for part, records in (("train", train), ("test", test))
        }

    def test_train_rows_that_are_in_test_are_left_out(self, tmp_path):
        train = [("tRNA", "ACGT"), ("IRES", "GGRA"), ("miRNA", "TTTT"), ("miRNA", "TTTT")]
        contents = self.contents(train, [("tRNA", "ACGT"), ("leader", "ACGTA")])
        table = rna.nrc_ncrna(source_files(tmp_path, self.NAME, contents))
        assert list(table.columns) == ["sequence", "label", "split"]
        assert table["sequence"].tolist() == ["GGNA", "TTTT", "ACGT", "ACGTA"]
        assert table["label"].tolist() == ["IRES", "miRNA", "tRNA", "leader"]
        assert table["split"].tolist()[2:] == ["test", "test"]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        tested = table["split"] == "test"
        parts = [list(zip(part["label"], part["sequence"], strict=True)) for part in (table[~tested], table[tested])]
        assert gives_published_table(rna.nrc_ncrna, tmp_path, self.NAME, self.contents(*parts))


class TestInterference:
    NAME = "rna_function/sirna_dataset1"

    def contents(self, sequences, effects):
        return {
            "data/raw/dataset_1/sirna_1.fas": sequences,
            "data/raw/dataset_1/sirna_mrna_efficacy.csv": effects,
        }

    def test_sequences_are_joined_by_name(self, tmp_path):
        contents = self.contents(">s1\nUUAA\n>s2\nCCAA\n", "siRNA,mRNA,efficacy\ns2,NM_1,0.5\ns1,NM_2,1.25\n")
        table = rna.sirna_dataset1(source_files(tmp_path, self.NAME, contents))
        assert list(table.columns) == ["sequence", "label", "split", "gene"]
        assert table.drop(columns="split").to_numpy().tolist() == [["CCAA", 0.5, "NM_1"], ["UUAA", 1.25, "NM_2"]]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        names = [f"s{row}" for row in range(len(table))]
        effects = table[["gene", "label"]].set_axis(["mRNA", "efficacy"], axis=1)
        effects.insert(0, "siRNA", names)
        contents = self.contents(fasta(zip(names, table["sequence"], strict=True)), effects.to_csv(index=False))
        assert gives_published_table(rna.sirna_dataset1, tmp_path, self.NAME, contents)
