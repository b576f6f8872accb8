"""Builders of the tables of antibodies."""

from checking import gives_published_table, published
from made_up_sources import source_files

from lyra_hf.tasks.building import antibody
from lyra_hf.tasks.sources import load_source


class TestGifford:
    PATHS = load_source("antibody/gifford_relso").paths

    def test_padding_and_test_rows_that_stand_in_train(self, tmp_path):
        texts = ("CDR3,enrichment\nJJACDEFGHJJ,-1.5\n", "CDR3,enrichment\nJJACDEFGHJJ,0.5\nJKLMNPQRSTJ,2\n")
        files = source_files(tmp_path, "antibody/gifford_relso", dict(zip(self.PATHS, texts, strict=True)))
        table = antibody.gifford_relso(files)
        assert table["sequence"].tolist() == ["ACDEFGH", "ACDEFGH", "KLMNPQRST"]
        assert table["label"].tolist() == [-1.5, 0.5, 2]
        assert table["in_train"].tolist() == [True, True, False]
        assert table["split"].tolist()[1:] == ["test", "test"]
        assert table["split"][0] in ("train", "validation")

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, "antibody/gifford_relso")
        rows = table[["sequence_padded", "label"]].set_axis(["CDR3", "enrichment"], axis=1)
        tested = table["split"] == "test"
        texts = (part.to_csv(index=False) for part in (rows[~tested], rows[tested]))
        contents = dict(zip(self.PATHS, texts, strict=True))
        assert gives_published_table(antibody.gifford_relso, tmp_path, "antibody/gifford_relso", contents)


class TestTrastuzumab:
    PATHS = load_source("antibody/trastuzumab_cdrh3").paths

    def contents(self, *parts):
        texts = ("".join([",Count,AASeq\n", *(f"0,{count},{letters}\n" for letters, count in part)]) for part in parts)
        return dict(zip(self.PATHS, texts, strict=True))

    def test_repeats_are_merged_and_variants_of_both_sorts_left_out(self, tmp_path):
        contents = self.contents([("WGGDGFYAMD", 3), ("ACDEFGHIKL", 5)], [("WGGDGFYAMD", 2), *[("AAAAAAAAAA", 7)] * 2])
        table = antibody.trastuzumab_cdrh3(source_files(tmp_path, "antibody/trastuzumab_cdrh3", contents))
        assert table["sequence"].tolist() == ["AAAAAAAAAA", "ACDEFGHIKL"]
        assert table["label"].tolist() == [0, 1]
        assert table["count"].tolist() == [14, 5]
        assert table["cdrh3_full"].tolist() == ["CSRAAAAAAAAAAYW", "CSRACDEFGHIKLYW"]

    def test_the_published_table(self, data_folder, tmp_path):
        name = "antibody/trastuzumab_cdrh3"
        table = published(data_folder, name)
        parts = (table[table["label"] == label] for label in (1, 0))
        contents = self.contents(*(zip(part["sequence"], part["count"], strict=True) for part in parts))
        assert gives_published_table(antibody.trastuzumab_cdrh3, tmp_path, name, contents)


def test_every_table_of_the_area_has_a_builder():
    assert set(antibody.BUILDERS) == {"antibody/gifford_relso", "antibody/trastuzumab_cdrh3"}
