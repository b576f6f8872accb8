"""Builders of the tables of Cas12 and Cas13 guides and of off-target pairs."""

from itertools import pairwise
from math import ceil

import pandas as pd
from checking import gives_published_table, published
from made_up_sources import source_files

from lyra_hf.tasks.building import crispr
from lyra_hf.tasks.sources import load_source


def built(folder, name, contents):
    return crispr.BUILDERS[name](source_files(folder, name, contents))


class TestKim2018:
    NAME = "cas12/kim2018_ascas12a"
    PATHS = load_source(NAME).paths

    def contents(self, train, test):
        texts = (
            "\n".join(["Context Sequence,Indel frequency", *(f"{site},{label}" for site, label in part)]) + "\n"
            for part in (train, test)
        )
        return dict(zip(self.PATHS, texts, strict=True))

    def site(self, protospacer):
        return f"ACGTTTTA{protospacer}CCC"

    def test_rows_near_the_test_table_are_left_out(self, tmp_path):
        test, apart = "AACCGGTTAGAGATCTAGGCATT", "CCATAGACCATTGACCAGTTTAC"
        near = "TTTTTTT" + test[:16]
        train = [(self.site(near), 1), (self.site(apart), -0.5)]
        table = built(tmp_path, self.NAME, self.contents(train, [(self.site(test), 12.5)]))
        assert table["sequence"].tolist() == [self.site(apart), self.site(test)]
        assert table["label"].tolist() == [-0.5, 12.5]
        assert table["group"].tolist() == [1, 0]
        assert table["split"].tolist()[1] == "test"
        assert (table["guide"].tolist()[0], table["pam"].tolist()[0]) == (apart[:20], "TTTA")

    def test_the_published_table(self, data_folder, tmp_path):
        """But for the groups of test rows, which hang on rows that were left out."""
        table = published(data_folder, self.NAME)
        tested = table["split"] == "test"
        train, test = table[~tested], table[tested]
        # The rows that were left out have the numbers that no group has; a test row takes the place of each.
        by_group = dict(zip(test["group"], test["sequence"], strict=True))
        rows, last = [], test["sequence"].iloc[0]
        for site, label, group in zip(train["sequence"], train["label"], train["group"], strict=True):
            while group > len(rows):
                last = by_group.get(len(rows), last)
                rows.append((last, 0))
            rows.append((site, label))
        rebuilt = built(tmp_path, self.NAME, self.contents(rows, zip(test["sequence"], test["label"], strict=True)))
        rebuilt = rebuilt.reset_index(drop=True)
        pd.testing.assert_frame_equal(rebuilt.drop(columns="group"), table.drop(columns="group"), check_dtype=False)
        assert rebuilt["group"][~tested].tolist() == train["group"].tolist()


class TestMetsky2022:
    NAME = "cas13/metsky2022_lwacas13a"
    (PATH,) = load_source(NAME).paths
    COLUMNS = (
        "guide_seq", "guide_pos_nt", "target_at_guide", "target_before", "target_after", "crrna_block", "type",
        "guide_target_hamming_dist", "out_logk_measurement",
    )  # fmt: skip

    def contents(self, rows):
        lines = ("\t".join(map(str, row)) for row in (self.COLUMNS, *rows))
        return {self.PATH: "\n".join(lines) + "\n"}

    def row(self, position):
        return ("C" * 28, position, "A" * 28, "G" * 20, "T" * 20, 1, "exp", 28, -1.5)

    def test_rows_before_a_border_are_left_out(self, tmp_path):
        positions = [100, 0, 200, 300, 400, 500, 680, 700, 790, 800, 900]
        table = built(tmp_path, self.NAME, self.contents(map(self.row, positions)))
        assert table["guide_pos"].tolist() == [100, 0, 200, 300, 400, 500, 700, 790, 800, 900]
        assert table["split"].tolist() == [*["train"] * 6, "validation", *["test"] * 3]
        assert table["sequence"][0] == "G" * 20 + "A" * 28 + "T" * 20
        assert (table["guide"][0], table["target"][0], table["hamming"][0]) == ("C" * 28, "A" * 28, 28)

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        parts = (table["sequence"].str[:20], table["sequence"].str[48:])
        rows = zip(
            table["guide"], table["guide_pos"], table["target"], *parts, [0] * len(table), table["pair_type"],
            table["hamming"], table["label"], strict=True,
        )  # fmt: skip
        left_out = [self.row(position) for position in (595, 599, 655, 659, 668, 678) for _ in range(229)]
        assert gives_published_table(
            crispr.metsky2022_lwacas13a, tmp_path, self.NAME, self.contents([*left_out, *rows])
        )


class TestWei2023:
    NAME = "cas13/wei2023_cas13d"
    (PATH,) = load_source(NAME).paths

    def contents(self, rows):
        return {self.PATH: "".join(f"{sequence:N<33},{label}\n" for sequence, label in rows)}

    def test_padding_and_groups(self, tmp_path):
        first = "AACCGGTTAGAGATCTAGGCATTACGTGGA"
        rows = [(first, 0.5), ("CCATAGACCATTGACCAGTTTACAGGGATC", -1), (first[5:] + "CCC", 1.5)]
        table = built(tmp_path, self.NAME, self.contents(rows))
        assert table["sequence"].tolist() == [sequence for sequence, _ in rows]
        assert table["block"].tolist() == ["0", "1", "0"]
        assert table["split"][0] == table["split"][2]

    def test_large_groups_are_tiled(self):
        blocks = crispr._blocks([0] * 200 + [200] * 210)
        assert set(blocks[:200]) == {"0"}
        assert blocks[200:] == [f"200:{tile}" for tile in range(10) for _ in range(21)]

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        groups = table["block"].str.partition(":")[0].astype(int)
        rows = []
        for start, end in pairwise([*groups.unique(), 5723]):
            group = table[groups == start]
            whole = (group["block"] == str(start)).all()
            rows += zip(group["sequence"], group["label"], strict=True) if whole else self.filled(group, start, end)
        assert gives_published_table(crispr.wei2023_cas13d, tmp_path, self.NAME, self.contents(rows))

    def filled(self, group, start, end):
        """The rows of a group in tiles; for those that were left out, some that join a tile to one of a later split."""
        tiles = [group[group["block"] == f"{start}:{tile}"] for tile in range(10)]
        rows = []
        for number, tile in enumerate(tiles):
            before = tiles[number - 1] if number else tile
            after = tiles[number + 1] if number < 9 else tile
            if len(before) and before["split"].iloc[0] != "train":
                pair = before["sequence"].iloc[-1], (tile if len(tile) else after)["sequence"].iloc[0]
            else:
                pair = (
                    (tile if len(tile) else before)["sequence"].iloc[-1],
                    after["sequence"].iloc[0] if len(after) else "",
                )
            missing = ceil((number + 1) * (end - start) / 10) - len(rows) - len(tile)
            rows += [*zip(tile["sequence"], tile["label"], strict=True), *[(pair[0][:16] + pair[1][:16], 0)] * missing]
        return rows


class TestDoench2016:
    NAME = "offtarget/doench2016_cd33"
    (PATH,) = load_source(NAME).paths
    COLUMNS = (
        "guide_mutated", "guide_wt", "guide_wt_context_5", "guide_wt_context_3", "annotation", "protein_pos_pct",
        "day21_minus_etp", "category",
    )  # fmt: skip

    def contents(self, rows):
        lines = ("\t".join(map(str, row)) for row in (self.COLUMNS, *rows))
        return {self.PATH: "\n".join(lines) + "\n"}

    def test_targets_near_a_later_part_are_left_out(self, tmp_path):
        targets = {
            "AACCGGTTAGAGATCTAGGC": 10.0,
            "CCCCCCCCAGTTTACAGGGA": 30.5,  # shares 12 letters of validation
            "CCATTGACCAGTTTACAGGG": 41.21,
            "CCTGTGAGCAGGCCCCCCCC": 46.43,  # shares 12 letters of the other strand of test
            "GGGTGTTCCCTGCTCACAGG": 46.43,
            "TTAACGCATGCATTACGCAT": 50.0,
        }
        rows = [(target, target, "A" * 20, "T" * 20, "A:C,1", place, 1.5, "PAM") for target, place in targets.items()]
        table = built(tmp_path, self.NAME, self.contents(rows))
        kept = [target for row, target in enumerate(targets) if row not in (1, 3)]
        assert table["target"].tolist() == kept
        assert table["split"].tolist() == ["train", "validation", "test", "test"]
        assert table["sequence"].tolist()[0] == "A" * 20 + kept[0] + "T" * 20

    def test_the_published_table(self, data_folder, tmp_path):
        table = published(data_folder, self.NAME)
        context = (table["sequence"].str[:20], table["sequence"].str[40:])
        rows = zip(
            table["guide"], table["target"], *context, table["annotation"], table["protein_pos_pct"], table["label"],
            table["category"], strict=True,
        )  # fmt: skip
        assert gives_published_table(crispr.doench2016_cd33, tmp_path, self.NAME, self.contents(rows))
