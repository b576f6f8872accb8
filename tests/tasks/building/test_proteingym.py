"""Builders of the tables of ProteinGym."""

import pandas as pd
import pytest
from checking import gives_published_table, published
from made_up_sources import source_files

from lyra_hf.tasks.building import proteingym
from lyra_hf.tasks.sources import load_source

SINGLES = ("blat_stiffler", "r1ab_flynn")
DOUBLES = ("bbc1_tsuboyama", "csn4_tsuboyama", "dnja1_tsuboyama", "ephb2_tsuboyama", "tcrg1_tsuboyama")
FOLDS = ["fold_random_5", "fold_modulo_5", "fold_contiguous_5"]
COLUMNS = ["sequence", "label", "split", "label_bin", "variant", "n_mutations"]
NAMES = {"variant": "mutant", "sequence": "mutated_sequence", "label": "DMS_score", "label_bin": "DMS_score_bin"}


def contents(name, *tables):
    """The files, of singles and perhaps multiples with the columns of the catalogue's table."""
    texts = [table.rename(columns=NAMES).to_csv(index=False) for table in tables]
    return dict(zip(load_source(f"fitness/proteingym_{name}").paths, texts, strict=True))


def build(name, folder, files):
    return proteingym.BUILDERS[f"fitness/proteingym_{name}"](source_files(folder, f"fitness/proteingym_{name}", files))


def mutants(folds, rows):
    """Mutants by name, each with its sequence and the values of its folds."""
    return pd.DataFrame(
        [
            {
                "variant": name,
                "sequence": sequence,
                "label": 0.5,
                "label_bin": 1,
                **dict(zip(folds, values, strict=True)),
            }
            for name, (sequence, *values) in rows.items()
        ]
    )


@pytest.mark.parametrize("name", SINGLES)
class TestSingles:
    def test_the_first_folds_of_neighbours_are_test_and_validation(self, name, tmp_path):
        rows = {f"A{fold + 1}W": ("ACDE", 4 - fold, 0, fold) for fold in range(5)}
        table = build(name, tmp_path, contents(name, mutants(FOLDS, rows)))
        assert list(table) == [*COLUMNS, *FOLDS]
        assert table["split"].tolist() == ["test", "validation", "train", "train", "train"]
        assert table["fold_random_5"].tolist() == [4, 3, 2, 1, 0]
        assert set(table["n_mutations"]) == {1}

    def test_the_published_table(self, name, data_folder, tmp_path):
        table = published(data_folder, f"fitness/proteingym_{name}")
        files = contents(name, table.drop(columns=["split", "n_mutations"]))
        builder = proteingym.BUILDERS[f"fitness/proteingym_{name}"]
        assert gives_published_table(builder, tmp_path, f"fitness/proteingym_{name}", files)


@pytest.mark.parametrize("name", DOUBLES)
class TestDoubles:
    MULTIPLES = ("mutation_depth", "fold_rand_multiples")

    def test_a_silent_mutation_does_not_make_a_double(self, name, tmp_path):
        singles = mutants(FOLDS, {"A1W": ("WCDE", 1, 0, 2), "C2W": ("AWDE", 0, 3, 4)})
        doubles = {
            "A1A:C2W": ("AWDE", 2, 0),  # has a row of its own
            "A1W": ("WCDE", 1, 1),
            "A1W:C2W": ("WWDE", 2, 2),
            "C2W": ("AWDE", 1, 3),
            "C2C:D3W": ("ACWE", 2, 4),
        }
        table = build(name, tmp_path, contents(name, singles, mutants(self.MULTIPLES, doubles)))
        assert list(table) == [*COLUMNS, "fold_rand_multiples", *FOLDS]
        assert table["variant"].tolist() == ["A1W", "C2W", "A1W:C2W", "C2C:D3W"]
        assert table["n_mutations"].tolist() == [1, 1, 2, 1]
        assert table["split"].tolist() == ["validation", "train", "test", "train"]
        assert table["fold_rand_multiples"].tolist() == [1, 3, 2, 4]
        assert table["fold_contiguous_5"].fillna(-1).tolist() == [2, 4, -1, -1]

    def test_the_published_table(self, name, data_folder, tmp_path):
        table = published(data_folder, f"fitness/proteingym_{name}").drop(columns=["split", "n_mutations"])
        singles = table[table["fold_random_5"].notna()].drop(columns="fold_rand_multiples")
        depth = table["variant"].str.count(":") + 1
        multiples = table.drop(columns=FOLDS).assign(mutation_depth=depth).sort_values("variant")
        files = contents(name, singles, multiples)
        builder = proteingym.BUILDERS[f"fitness/proteingym_{name}"]
        assert gives_published_table(builder, tmp_path, f"fitness/proteingym_{name}", files)
