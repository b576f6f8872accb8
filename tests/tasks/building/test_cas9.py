"""Builders of the tables of Cas9 guides."""

import pandas as pd
import pytest
from checking import gives_published_table, published
from made_up_sources import source_files, tarred

from lyra_hf.tasks.building import cas9
from lyra_hf.tasks.building.shared import held_out
from lyra_hf.tasks.building.splits import kmer_groups
from lyra_hf.tasks.sources import load_source

A, B, C = "AACCGGTTAGAGATCTAGGCATTACGTGGA", "CCATAGACCATTGACCAGTTTACAGGGATC", "GTACCATTGGTCCAAACTGAATTGCTGGCC"
NEAR_A = "TTTTTT" + A[:16] + "CCCCCCCC"


def built(folder, name, contents):
    return getattr(cas9, name)(source_files(folder, f"cas9/{name}", contents))


def columns_of(data_folder, name):
    return list(published(data_folder, f"cas9/{name}").columns)


class TestKim2019:
    PATHS = load_source("cas9/kim2019_spcas9").paths

    def contents(self, train, test):
        """The two files, with line breaks in the names of columns as in the publisher's."""
        header = (
            'Barcode,Target context sequence (4+20+3+3),"Total read count\n(Day 2.9)",Background subtracted indel (%)',
            'Target context sequence (4+20+3+3),"Total read count (average, Day 2.9)",'
            '"Background subtracted indel frequencies\r(average, %)"',
        )
        rows = (
            [f"AC,{window},{reads},{indel}" for window, reads, indel in train],
            [",".join(map(str, r)) for r in test],
        )
        return {
            path: "\n".join([top, *lines]) + "\n" for path, top, lines in zip(self.PATHS, header, rows, strict=True)
        }

    def test_rows_near_the_test_table_are_left_out(self, tmp_path):
        train = [(C, 7, 1.5), (B, 8, -0.25), (NEAR_A, 9, 3), (A, 10, 4)]
        table = built(tmp_path, "kim2019_spcas9", self.contents(train, [(A, 11, 12.5)]))
        assert table["sequence"].tolist() == [B, C, A]
        assert table["label"].tolist() == [-0.25, 1.5, 12.5]
        assert table["read_count"].tolist() == [8, 7, 11]
        assert table["group"].tolist() == [0, 1, 2]
        assert table["split"].tolist()[2] == "test"
        assert (table["guide"].tolist()[0], table["pam"].tolist()[0]) == (B[4:24], B[24:27])

    def test_columns(self, tmp_path, data_folder):
        table = built(tmp_path, "kim2019_spcas9", self.contents([(C, 7, 1.5)], [(A, 11, 12.5)]))
        assert list(table.columns) == columns_of(data_folder, "kim2019_spcas9")

    def test_the_published_groups_and_splits(self, data_folder):
        table = published(data_folder, "cas9/kim2019_spcas9")
        pairs = set(zip(kmer_groups(table["sequence"].tolist(), 16), table["group"], strict=True))
        assert len(pairs) == table["group"].nunique() == len({found for found, _ in pairs})
        rest = table[table["split"] != "test"]
        assert rest["sequence"].is_monotonic_increasing
        assert rest["split"].tolist() == [held_out(f"lyra-v1:kim:{group}", 0.1) for group in rest["group"]]
        # All numbers of the train table's rows but those of six rows that were left out.
        firsts = rest["group"][~rest["group"].duplicated()]
        skipped = firsts.to_numpy() - firsts.index.to_numpy()
        assert (skipped[0], skipped[-1]) == (0, 6)
        assert (skipped[1:] >= skipped[:-1]).all()


class TestDoench2016:
    (PATH,) = load_source("cas9/doench2016_fc_res").paths

    def test_a_guide_is_kept_once_for_each_drug(self, tmp_path):
        text = (
            ",30mer,Target gene,Percent Peptide,Amino Acid Cut position,score_drug_gene_rank,"
            "score_drug_gene_threshold,drug,predictions\n"
            f"0,{A},CD28,10.5,7.0,0.25,0,nodrug,0.5\n1,{A},CD28,11.5,8.0,0.25,0,nodrug,0.5\n"
            f"2,{B},CUL3,20,9.0,0.5,0,AZD,0.6\n3,{B},CUL3,20,9.0,0.75,1,PLX,0.6\n4,{C},NF1,30,10.0,1,1,PLX,0.7\n"
        )
        table = built(tmp_path, "doench2016_fc_res", {self.PATH: text})
        assert table["sequence"].tolist() == [A, B, B, C]
        assert table["percent_peptide"].tolist() == [10.5, 20, 20, 30]
        assert table["split"].tolist() == ["test", "validation", "validation", "train"]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "cas9/doench2016_fc_res")
        names = {
            "30mer": "sequence",
            "Target gene": "gene",
            "Percent Peptide": "percent_peptide",
            "Amino Acid Cut position": "aa_cut_position",
            "score_drug_gene_rank": "label",
            "drug": "drug",
            "predictions": "published_rs2_prediction",
        }
        text = table[list(names.values())].set_axis(list(names), axis=1).to_csv()
        assert gives_published_table(cas9.doench2016_fc_res, tmp_path, "cas9/doench2016_fc_res", {self.PATH: text})


class TestMeyers2017:
    PATHS = load_source("cas9/meyers2017_gecko").paths
    COLUMNS = ("Gene Symbol", "Gene", "sgRNA context sequence", "mean_activity", "Percent Protein")

    def contents(self, *parts):
        return {
            path: part.set_axis(list(self.COLUMNS), axis=1).to_csv()
            for path, part in zip(self.PATHS, parts, strict=True)
        }

    def test_test_genes_are_the_publishers(self, tmp_path):
        parts = [
            pd.DataFrame([["X", "ENSG00000000001", A, 1.5, 10.0], ["X", "ENSG00000000001", B, 0.5, 12.0]]),
            pd.DataFrame([["Y", "ENSG00000000002", C, -1.5, 20.0]]),
        ]
        table = built(tmp_path, "meyers2017_gecko", self.contents(*parts))
        assert table["sequence"].tolist() == [A, B, C]
        assert table["gene"].tolist() == ["ENSG00000000001", "ENSG00000000001", "ENSG00000000002"]
        assert table["split"].tolist()[2] == "test"
        assert table["split"].nunique() == 2

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "cas9/meyers2017_gecko").assign(symbol="X")
        rows = table[["symbol", "gene", "sequence", "label", "percent_protein"]]
        contents = self.contents(rows[table["split"] != "test"], rows[table["split"] == "test"])
        assert gives_published_table(cas9.meyers2017_gecko, tmp_path, "cas9/meyers2017_gecko", contents)


class TestMorenoMateos2015:
    (PATH,) = load_source("cas9/morenomateos2015_zebrafish").paths

    def contents(self, rows):
        lines = [
            f"{gene}_3_{row}\t{window[4:27]}\t{score}\t{'C' * 26}{window}{'G' * 44}"
            for row, (gene, window, score) in enumerate(rows)
        ]
        return {self.PATH: "\n".join(["guide\tseq\tmodFreq\tlongSeq100Bp", *lines]) + "\n"}

    def test_a_gene_is_in_one_split(self, tmp_path):
        rows = [("ENSDARG1", A, 0.5), ("ENSDARG2", B, 0.25), ("ENSDARG1", C, 1)]
        table = built(tmp_path, "morenomateos2015_zebrafish", self.contents(rows))
        assert table["sequence"].tolist() == [A, B, C]
        assert table["label"].tolist() == [0.5, 0.25, 1]
        assert table["gene"].tolist() == ["ENSDARG1", "ENSDARG2", "ENSDARG1"]
        assert table["split"][0] == table["split"][2]

    def test_the_published_table(self, data_folder, tmp_path):
        name = "cas9/morenomateos2015_zebrafish"
        table = published(data_folder, name)
        contents = self.contents(zip(table["gene"], table["sequence"], table["label"], strict=True))
        assert gives_published_table(cas9.morenomateos2015_zebrafish, tmp_path, name, contents)


DEEPHF = {"wt": "Wt_Efficiency", "esp": "eSpCas 9_Efficiency", "hf1": "SpCas9-HF1_Efficiency"}


class TestWang2019:
    PATH = "SupplementaryMaterials/DataS1.csv"

    def test_targets_without_a_value_are_left_out(self, tmp_path):
        joined = "C" * 7 + A[:14]
        text = f"21mer,{','.join(DEEPHF.values())}\n{joined},,0.5,0.25\n{A[:21]},0.75,,0.5\n{B[:21]},,,\n"
        tables = {name: built(tmp_path, f"wang2019_{name}", {self.PATH: text}) for name in DEEPHF}
        assert [table["sequence"].tolist() for table in tables.values()] == [[A[:21]], [joined], [joined, A[:21]]]
        assert tables["hf1"]["label"].tolist() == [0.25, 0.5]
        assert tables["hf1"]["group"].tolist() == [0, 0]
        assert tables["wt"]["guide"].tolist() == [A[:20]]

    @pytest.mark.parametrize("name", DEEPHF)
    def test_the_published_table(self, name, data_folder, tmp_path):
        tables = {
            other: published(data_folder, f"cas9/wang2019_{other}").set_index("sequence")["label"].rename(column)
            for other, column in DEEPHF.items()
        }
        own = tables.pop(name).to_frame()
        text = own.join(list(tables.values()), how="outer", sort=False).rename_axis("21mer")
        text = pd.concat([text.loc[own.index], text.drop(own.index)])[list(DEEPHF.values())].to_csv()
        builder = getattr(cas9, f"wang2019_{name}")
        assert gives_published_table(builder, tmp_path, f"cas9/wang2019_{name}", {self.PATH: text})


class TestChuai2018:
    (PATH,) = load_source("cas9/chuai2018_deepcrispr").paths
    LINES = ("hct116", "hek293t", "hela", "hl60")
    COLUMNS = ("chrom", "start", "end", "strand", "sequence", "ctcf", "dnase", "h3k4me3", "rrbs", "label")

    def contents(self, texts):
        return {self.PATH: tarred({f"paper_data2/ontar/{line}.repisgt": text for line, text in texts.items()})}

    def test_repeats_are_left_out_and_strands_are_one(self, tmp_path):
        other_strand = "TAGATCTCTAACCGGTTTTTTTT"
        rows = [
            "\t".join(["chr1", "1", "23", "+", site, *["A" * 23] * 4, label])
            for site, label in ((A[:23], "0.5"), (other_strand, "0.25"), (B[:23], "1"))
        ]
        first, second, third = (f"{row}\n" for row in rows)
        texts = dict(zip(self.LINES, (first, second * 2, third, first), strict=True))
        table = built(tmp_path, "chuai2018_deepcrispr", self.contents(texts))
        assert table["cell_line"].tolist() == list(self.LINES)
        assert table["label"].tolist() == [0.5, 0.25, 1, 0.5]
        assert table["group"].tolist() == [0, 0, 2, 0]
        assert table["split"][0] == table["split"][1] == table["split"][3]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "cas9/chuai2018_deepcrispr")
        texts = {
            line: rows[list(self.COLUMNS)].to_csv(sep="\t", index=False, header=False)
            for line, rows in table.groupby("cell_line")
        }
        contents = self.contents({**texts, "hek293t": texts["hek293t"] * 2})
        assert gives_published_table(cas9.chuai2018_deepcrispr, tmp_path, "cas9/chuai2018_deepcrispr", contents)


class TestCrisprHal:
    PATHS = load_source("cas9/crisprhal_tevspcas9").paths

    def test_rows_near_the_test_rows_are_marked(self, tmp_path):
        test, apart = A + "CATGCAT", B + "GGTTAAC"
        beside, further = test[12:] + "TTGACCATGGAC", test[20:] + "TTGACCATGGAC" + "CCCGATATT"[:8]
        texts = (f"{apart},1.5\n{beside},-2\n{further},0.5\n", f"{test},3\n")
        table = built(tmp_path, "crisprhal_tevspcas9", dict(zip(self.PATHS, texts, strict=True)))
        assert table["near_test"].tolist() == [False, True, True, False]
        assert table["label"].tolist() == [1.5, -2, 0.5, 3]
        assert table["split"].tolist()[3] == "test"

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "cas9/crisprhal_tevspcas9")
        rows, tested = table[["sequence", "label"]], table["split"] == "test"
        contents = {
            path: part.to_csv(index=False, header=False)
            for path, part in zip(self.PATHS, (rows[~tested], rows[tested]), strict=True)
        }
        assert gives_published_table(cas9.crisprhal_tevspcas9, tmp_path, "cas9/crisprhal_tevspcas9", contents)


def test_every_table_of_the_area_has_a_builder():
    assert all(name.startswith("cas9/") and builder.__name__ == name[5:] for name, builder in cas9.BUILDERS.items())
    assert len(cas9.BUILDERS) == 9
