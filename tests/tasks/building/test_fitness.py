"""Builders of the tables of fitness and stability, but for ProteinGym's."""

import numpy as np
import pandas as pd
import pytest
from checking import gives_published_table, published
from made_up_sources import source_files, zipped

from lyra_hf import UserError
from lyra_hf.tasks.building import fitness
from lyra_hf.tasks.building.splits import place

GB1 = "MQYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVDGEWTYDDATKTFTVTE"
SPLITS = ("one_vs_rest", "two_vs_rest", "three_vs_rest", "low_vs_high", "sampled")
RESIDUES = "Ala Cys Asp Glu Phe Gly His Ile Lys Leu Met Asn Pro Gln Arg Ser Thr Val Trp Tyr *"
THREE_LETTERS = dict(zip("ACDEFGHIKLMNPQRSTVWY*", RESIDUES.split(), strict=True))


def named(sequence, parent, first=0):
    """The mutations that make a sequence of its parent."""
    pairs = enumerate(zip(parent, sequence, strict=True), first)
    return [f"{old}{position}{new}" for position, (old, new) in pairs if old != new]


class TestAAV:
    NAME = "fitness/aav_ggs"
    PATH = "data/AAV/ground_truth.csv"

    def test_repeats_are_averaged_and_far_variants_are_test(self, tmp_path):
        wild_type = "DEEEIRTTNPVATEQYGSVSTNLQRGNR"
        far = "A" * 8 + wild_type[8:]
        text = f"sequence,augmented,target\n{far},0,8\n{wild_type},0,1.5\nA{wild_type[1:]},0,2\n{wild_type},1,2.5\n"
        table = fitness.aav_ggs(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table) == ["sequence", "label", "split", "split_random", "split_low_vs_high", "n_mutations"]
        assert table["sequence"].tolist() == [far, wild_type, f"A{wild_type[1:]}"]
        assert table["label"].tolist() == [8, 2, 2]
        assert table["n_mutations"].tolist() == [8, 0, 1]
        others = ["validation" if place(f"aav{sequence}", "sha1") < 0.1 else "train" for sequence in table["sequence"]]
        assert table["split"].tolist() == table["split_low_vs_high"].tolist() == ["test", *others[1:]]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        text = table[["sequence", "label"]].set_axis(["sequence", "target"], axis=1).assign(augmented=0)
        assert gives_published_table(fitness.aav_ggs, tmp_path, self.NAME, {self.PATH: text.to_csv(index=False)})


class TestGB1OfFLIP:
    NAME = "fitness/gb1_flip"
    PATH = "splits/gb1/splits.zip"

    def contents(self, rows):
        """The archive, of rows with the columns of the table."""
        files = {}
        for name in SPLITS:
            split = rows[f"split_{name}"]
            columns = {
                "sequence": rows["sequence"] + "LEVLFQ",
                "target": rows["label"],
                "set": split.replace("validation", "train"),
                "validation": np.where(split == "validation", "True", ""),
            }
            files[f"splits/{name}.csv"] = pd.DataFrame(columns).to_csv(index=False)
        return {self.PATH: zipped(files)}

    def test_the_fusion_is_cut_and_marked_rows_are_validation(self, tmp_path):
        sequences = [GB1, GB1[:38] + "A" + GB1[39:], GB1[:39] + "CD" + GB1[41:53] + "E" + GB1[54:]]
        rows = pd.DataFrame({"sequence": sequences, "label": [1.0, 0.5, 0.25]})
        given = ["train", "validation", "test"]
        rows = rows.assign(**{f"split_{name}": given for name in SPLITS})
        rows["split_sampled"] = given[::-1]
        table = fitness.gb1_flip(source_files(tmp_path, self.NAME, self.contents(rows)))
        assert list(table) == [
            "sequence",
            "label",
            "split",
            "variant",
            "n_mutations",
            *(f"split_{name}" for name in SPLITS),
        ]
        assert table["sequence"].tolist() == sequences
        assert table["variant"].tolist() == ["VDGV", "ADGV", "VCDE"]
        assert table["n_mutations"].tolist() == [0, 1, 3]
        assert table["split"].tolist() == table["split_one_vs_rest"].tolist() == given
        assert table["split_sampled"].tolist() == given[::-1]

    def test_the_published_table(self, data_folder, tmp_path):
        contents = self.contents(published(data_folder, self.NAME))
        assert gives_published_table(fitness.gb1_flip, tmp_path, self.NAME, contents)


class TestGB1OfReLSO:
    NAME = "fitness/gb1_wu_relso"

    def contents(self, variants, test):
        paths = (
            "splits/gb1/four_mutations_full_data.csv.zip",
            "sameedmsiddiqui/lyra@538bac4f7bfb2e182581852abff0a1c9709ac4ab/datasets/relso_data/GB1_WU_test_data.csv",
        )
        return dict(zip(paths, (variants.to_csv(index=False), test.to_csv(index=False, header=False)), strict=True))

    def test_the_listed_sequences_are_test(self, tmp_path):
        variants = pd.DataFrame({"Variants": ["VDGV", "ADGV", "VCDE"], "HD": [0, 1, 3], "Fitness": [1.0, 0.5, 0.25]})
        sequence = "MTYKLILNGKTLKGETTTEAVDAATAEKVFKQYANDNGVACDWTYDDATKTFTVEE"
        test = pd.DataFrame({"sequence": [sequence.replace("VACD", "VVCD")], "label": [0.25]})
        table = fitness.gb1_wu_relso(source_files(tmp_path, self.NAME, self.contents(variants, test)))
        assert list(table) == ["sequence", "label", "n_mutations", "variant", "split"]
        assert table["sequence"].tolist()[2] == test["sequence"][0]
        assert table["n_mutations"].tolist() == [0, 1, 3]
        others = [
            "validation" if place(f"lyra-v1:{sequence}") < 0.05 else "train" for sequence in table["sequence"][:2]
        ]
        assert table["split"].tolist() == [*others, "test"]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        variants = table[["variant", "label"]].set_axis(["Variants", "Fitness"], axis=1)
        contents = self.contents(variants, table.loc[table["split"] == "test", ["sequence", "label"]])
        assert gives_published_table(fitness.gb1_wu_relso, tmp_path, self.NAME, contents)


class TestGFP:
    NAME = "fitness/gfp_fluorescence"
    PATH = "data/amino_acid_genotypes_to_brightness.tsv"
    HEADER = "aaMutations\tuniqueBarcodes\tmedianBrightness\tstd\n"

    def test_stop_codons_are_left_out(self, tmp_path):
        text = f"{self.HEADER}\t9\t3.7\t0.1\nSK1A:SG2*\t1\t1.3\t\nSK1A\t2\t3.5\t\nSK1A:SG2C:SE3D:SE4F\t3\t1.4\t\n"
        table = fitness.gfp_fluorescence(source_files(tmp_path, self.NAME, {self.PATH: text}))
        assert list(table) == ["sequence", "label", "split", "n_mutations", "unique_barcodes"]
        assert table["sequence"].str[:6].tolist() == ["SKGEEL", "SAGEEL", "SACDFL"]
        assert table["label"].tolist() == [3.7, 3.5, 1.4]
        assert table["n_mutations"].tolist() == [0, 1, 4]
        assert table["unique_barcodes"].tolist() == [9, 2, 3]
        others = ["validation" if place(f"gfp{sequence}", "sha1") < 0.2 else "train" for sequence in table["sequence"]]
        assert table["split"].tolist() == [*others[:2], "test"]

    def test_a_mutation_that_does_not_fit(self, tmp_path):
        text = f"{self.HEADER}SA1K\t1\t1.3\t\n"
        with pytest.raises(UserError, match="'A1K' does not fit"):
            fitness.gfp_fluorescence(source_files(tmp_path, self.NAME, {self.PATH: text}))

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        wild_type = table["sequence"][0]
        columns = {
            "aaMutations": [
                ":".join(f"S{one}" for one in named(sequence, wild_type)) for sequence in table["sequence"]
            ],
            "uniqueBarcodes": table["unique_barcodes"],
            "medianBrightness": table["label"],
            "std": 0.1,
        }
        text = pd.DataFrame(columns).to_csv(index=False, sep="\t")
        assert gives_published_table(fitness.gfp_fluorescence, tmp_path, self.NAME, {self.PATH: text})


class TestMeltome:
    NAME = "fitness/meltome_clustered"
    PATH = "tasks/meltome/tasks.zip"

    def test_of_repeats_the_first_stays(self, tmp_path):
        text = "sequence,target,set\nMKV,40.5,train\nMLV,50.5,test\nMKV,41.5,train\nMUV,60.5,train\n"
        contents = {self.PATH: zipped({"tasks/clustered_task.csv": text, "tasks/full_task.csv": ""})}
        table = fitness.meltome_clustered(source_files(tmp_path, self.NAME, contents))
        assert list(table) == ["sequence", "label", "split"]
        assert table["sequence"].tolist() == ["MKV", "MLV", "MUV"]
        assert table["label"].tolist() == [40.5, 50.5, 60.5]
        assert table["split"].tolist() == ["train", "test", "train"]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME).set_axis(["sequence", "target", "set"], axis=1)
        table["set"] = table["set"].replace("validation", "train")
        contents = {self.PATH: zipped({"tasks/clustered_task.csv": table.to_csv(index=False)})}
        assert gives_published_table(fitness.meltome_clustered, tmp_path, self.NAME, contents)


@pytest.mark.parametrize("protein", ["bgl3", "ube4b"])
class TestNn4dms:
    PARTS = (("train", "train"), ("tune", "validation"), ("stest", "test"))

    def contents(self, protein, variants, split):
        """The files, of variants with scores, and of a split for each."""
        contents = {f"data/{protein}/{protein}.tsv": variants.to_csv(index=False, sep="\t")}
        for part, name in self.PARTS:
            rows = np.flatnonzero(np.array(split) == name)[::-1]
            contents[f"pub/splits/{protein}/main/{part}.txt"] = "".join(f"{row}\n" for row in rows)
        return contents

    def build(self, protein):
        return fitness.BUILDERS[f"fitness/nn4dms_{protein}"]

    def test_the_split_counts_rows_with_stop_codons(self, protein, tmp_path):
        parent = {"bgl3": "MVPAAQ", "ube4b": "IEKFKL"}[protein]
        names = [f"{parent[1]}1W", f"{parent[1]}1W,{parent[2]}2*", f"{parent[1]}1W,{parent[2]}2Y"]
        variants = pd.DataFrame({"variant": names, "num_mutations": [1, 2, 2], "score": [0.5, -9.0, 1.5]})
        contents = self.contents(protein, variants, ["test", "train", "validation"])
        table = self.build(protein)(source_files(tmp_path, f"fitness/nn4dms_{protein}", contents))
        assert list(table) == ["sequence", "label", "split", "variant", "n_mutations"]
        assert table["sequence"].str[:4].tolist() == [f"{parent[0]}W{parent[2:4]}", f"{parent[0]}WY{parent[3]}"]
        assert table["label"].tolist() == [0.5, 1.5]
        assert table["split"].tolist() == ["test", "validation"]
        assert table["n_mutations"].tolist() == [1, 2]

    def test_the_published_table(self, protein, data_folder, tmp_path):
        table = published(data_folder, f"fitness/nn4dms_{protein}")
        names = {"n_mutations": "num_mutations", "label": "score"}
        contents = self.contents(protein, table[["variant", *names]].rename(columns=names), table["split"])
        assert gives_published_table(self.build(protein), tmp_path, f"fitness/nn4dms_{protein}", contents)


class TestRBD:
    NAME = "fitness/sarscov2_rbd_ace2"

    def contents(self, binding, expression):
        """The files, of averages by variant, such as N1A; each variant is in both libraries."""
        return {
            f"MaveDB_upload/score-set_{name}_mut.csv": '\n"hgvs_pro","score","average","library"\n'
            + "".join(
                f'"p.{THREE_LETTERS[variant[0]]}{variant[1:-1]}{THREE_LETTERS[variant[-1]]}",0.1,{value},"{library}"\n'
                for library in (1, 2)
                for variant, value in averages.items()
            )
            for name, averages in (("binding", binding), ("expression", expression))
        }

    def test_stops_and_unchanged_and_unmeasured_ones_are_left_out(self, tmp_path):
        binding = {"N1A": -0.5, "N1N": 0, "N1*": "NA", "I2A": "NA", "I2I": 0, "I2*": -4, "T3C": 0.25}
        expression = {**binding, "N1A": "NA", "T3C": 1}
        table = fitness.sarscov2_rbd_ace2(source_files(tmp_path, self.NAME, self.contents(binding, expression)))
        assert list(table) == ["sequence", "label", "split", "label_expression", "variant"]
        assert table["sequence"].tolist() == ["AIT", "NIC"]
        assert table["variant"].tolist() == ["N331A", "T333C"]
        assert table["label"].tolist() == [-0.5, 0.25]
        assert table["label_expression"].isna().tolist() == [True, False]
        assert table["split"].nunique() == 1

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        names = [f"{name[0]}{int(name[1:-1]) - 330}{name[-1]}" for name in table["variant"]]
        expression = ["NA" if np.isnan(value) else value for value in table["label_expression"]]
        averages = (dict(zip(names, values, strict=True)) for values in (table["label"], expression))
        contents = self.contents(*averages)
        assert gives_published_table(fitness.sarscov2_rbd_ace2, tmp_path, self.NAME, contents)
