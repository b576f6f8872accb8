"""Builders of the tables of promoters and enhancers."""

import pytest
from checking import fasta, gives_published_table, published
from made_up_sources import source_files

from lyra_hf.tasks.building import dna_regulatory

PROMOTERS = {
    "arabidopsis_tata_promoter": ("Arabidopsis_tata", "Arabidopsis_non_prom"),
    "bsubtilis_promoter": ("Bacillus_prom", "Bacillus_non_prom"),
    "ecoli_sigma70_promoter": ("Ecoli_prom", "Ecoli_non_prom"),
}
BENCHMARKS = ("enhancers_cohn", "promoters_nontata")
COLUMNS = ["sequence", "label", "split", "group"]


@pytest.mark.parametrize("name", PROMOTERS)
class TestPromoters:
    def contents(self, name, promoters, others):
        return {
            f"dataset/{part}.fa": fasta((f" made up {row}", sequence) for row, sequence in enumerate(sequences))
            for part, sequences in zip(PROMOTERS[name], (promoters, others), strict=True)
        }

    def test_repeats_and_sequences_of_both_kinds_are_left_out(self, name, tmp_path):
        shared = "ACGTTGCAACGTTGCAACGTTGCA"
        promoters = ["A" * 81, "a" * 81, "C" * 81, "G" * 57 + shared]
        contents = self.contents(name, promoters, ["C" * 81, shared + "T" * 57, "GT" * 30])
        builder = dna_regulatory.BUILDERS[f"dna_regulatory/{name}"]
        table = builder(source_files(tmp_path, f"dna_regulatory/{name}", contents))
        assert list(table.columns) == COLUMNS
        assert table["label"].tolist() == [1, 1, 0, 0]
        assert table["group"].tolist() == [0, 1, 1, 3]
        assert table["split"][1] == table["split"][2]

    def test_the_published_table(self, name, data_folder, tmp_path):
        table = published(data_folder, f"dna_regulatory/{name}")
        contents = self.contents(name, *(table["sequence"][table["label"] == label] for label in (1, 0)))
        builder = dna_regulatory.BUILDERS[f"dna_regulatory/{name}"]
        assert gives_published_table(builder, tmp_path, f"dna_regulatory/{name}", contents)


@pytest.mark.parametrize("name", BENCHMARKS)
class TestGenomicBenchmarks:
    def contents(self, name, text):
        return {f"toy_data/genomics/dna_sequences/{name}/test.tsv": text}

    def test_sequences_that_share_60_letters_are_dealt_together(self, name, tmp_path):
        shared = "ACGTTGCATT" * 6
        text = f"seq\tlabel\n{shared}A\t0\n{'N' * 61}\t0\nC{shared}\t1\n"
        builder = dna_regulatory.BUILDERS[f"dna_regulatory/gb_{name}"]
        table = builder(source_files(tmp_path, f"dna_regulatory/gb_{name}", self.contents(name, text)))
        assert list(table.columns) == COLUMNS
        assert table["group"].tolist() == [0, 1, 0]
        assert table["split"][0] == table["split"][2]

    def test_the_published_table(self, name, data_folder, tmp_path):
        table = published(data_folder, f"dna_regulatory/gb_{name}")
        text = table[["sequence", "label"]].set_axis(["seq", "label"], axis=1).to_csv(index=False, sep="\t")
        builder = dna_regulatory.BUILDERS[f"dna_regulatory/gb_{name}"]
        assert gives_published_table(builder, tmp_path, f"dna_regulatory/gb_{name}", self.contents(name, text))
