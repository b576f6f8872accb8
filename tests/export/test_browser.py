"""The page in a real browser: its numbers are those of Python, and it can be used as it should be."""

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from commands import write_table

import lyra_hf
from lyra_hf import Predictor
from lyra_hf.inference.files import predict_file

GUIDE = "GCCTGAGTCCGAGCAGAAGAAGAAGGGCTC"
PEPTIDE = "GIGKFLHSAKKFGKAFVGEIMNS"
# Any sequence of an alphabet: other lengths, lower case, ambiguity codes, both spellings of T and U, one letter.
SEQUENCES = {
    "dna": [GUIDE, GUIDE.lower(), "ACGTNRYSWKMBDHVacgunU TTG", "G", "ACGUACGUTTTTTACCA" * 5],
    "rna": ["GGGAAACUCC", "gggaaacucc", "ACGUNRYSWKMBDHVacgtn", "G", "ACGTACGUUUUUUACCA" * 5],
    "protein": [PEPTIDE, PEPTIDE.lower(), "ACDEFGHIKLMNPQRSTVWYBJOUXZ acd", "W", "MKTAYIAKQRQISFVKSHFSRQ" * 4],
}


@pytest.fixture(scope="session")
def described(page_folder):
    """What the page knows of each model."""
    return {model["name"]: model for model in json.loads((page_folder / "models.json").read_text())["models"]}


def inputs_of(model):
    """Rows that a model can read: lists of one sequence, or of two."""
    sequences = SEQUENCES[model["alphabet"]]
    if not model["pair_input"]:
        return [model["example"], *([text] for text in sequences)]
    context = model["pair_context"]
    made = [(text.replace(" ", "") * 99)[: 30 + 2 * context + place] for place, text in enumerate(sequences)]
    return [model["example"], *([text, text[context : len(text) - context][::-1]] for text in made)]


def predicted(name, path, *, pair_column=None):
    """The rows that `lyra-hf predict` writes for a table."""
    output = Path(path).with_name("expected.csv")
    predict_file(name, str(path), str(output), pair_column=pair_column)
    with output.open(newline="") as stream:
        return list(csv.DictReader(stream))


def assert_same(found, expected):
    """Rows of the same columns, texts alike and numbers within 1e-4, of numbers above 1 relative to them."""
    assert len(found) == len(expected)
    for row, right in zip(found, expected, strict=True):
        assert list(row) == list(right)
        for name, value in right.items():
            assert_same_value(row[name], value)


def assert_same_value(found, expected):
    try:
        right = json.loads(expected)
    except json.JSONDecodeError:
        assert found == expected
        return
    if isinstance(right, list) and right and isinstance(right[0], str):
        assert json.loads(found) == right
    else:
        assert_close(json.loads(found), right)


def assert_close(found, expected):
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    assert found.shape == expected.shape
    assert (np.abs(found - expected) <= 1e-4 * np.maximum(1, np.abs(expected))).all(), (found, expected)


class TestNumbers:
    @pytest.mark.parametrize("name", lyra_hf.checkpoint_names())
    def test_every_shipped_checkpoint(self, name, tab, described, tmp_path):
        """The example, typed; and a table of sequences of every kind."""
        model = described[name]
        rows = inputs_of(model)
        columns = dict(zip(("sequence", "other"), zip(*rows, strict=True), strict=False))
        write_table(tmp_path / "table.csv", **columns)
        expected = predicted(name, tmp_path / "table.csv", pair_column="other" if model["pair_input"] else None)

        tab.open(name)
        tab.wait_for_text("#score", "Type or paste a sequence.")
        tab.page.click("#example")
        if model["head"] == "sequence":
            found = tab.score()
            assert_same([found], [dict(zip(found, expected[0].values(), strict=True))])
        else:
            found = tab.residues()
            assert "".join(row["letter"] for row in found) == model["example"][0]
            assert [int(row["position"]) for row in found] == list(range(1, len(found) + 1))
            added = [column for column in expected[0] if column not in columns]
            assert list(found[0])[2:] == added
            for column in added:
                right = json.loads(expected[0][column])
                values = [row[column] for row in found]
                if isinstance(right[0], str):
                    assert values == right
                else:
                    assert_close(list(map(float, values)), right)

        tab.page.click("#clear")
        file, scored = tab.score_file(tmp_path / "table.csv")
        assert file == f"table-{name}.csv"
        assert_same(scored, expected)

    def test_mutants_of_a_guide(self, tab, models):
        self.check_mutants(tab.open("lyra-cas9", GUIDE), Predictor(models("lyra-cas9")), [GUIDE])

    def test_mutants_of_a_protein(self, tab, models, described):
        (protein,) = described["lyra-gb1"]["example"]
        self.check_mutants(tab.open("lyra-gb1", protein), Predictor(models("lyra-gb1")), [protein])

    def test_mutants_beside_an_ambiguity_code(self, tab, models):
        text = "ACGTN" * 6
        self.check_mutants(tab.open("lyra-cas9", text), Predictor(models("lyra-cas9")), [text])

    @pytest.mark.parametrize("side", [0, 1])
    def test_mutants_of_either_of_a_pair(self, tab, models, described, side):
        texts = described["lyra-cas13a"]["example"]
        tab.open("lyra-cas13a", *texts)
        if side:
            tab.wait("#mutants-download:not([hidden])")
            tab.page.check("input[name=side][value='1']")
            # The mutants of the first go before those of the second come.
            tab.page.wait_for_function(
                "() => document.getElementById('heat-map').getAttribute('aria-label').includes(' 84 single')"
            )
        self.check_mutants(tab, Predictor(models("lyra-cas13a")), texts, side)

    def check_mutants(self, tab, predictor, texts, side=0):
        rows = tab.mutants()
        letters = predictor.encoder.alphabet.letters
        expected = [
            (position, wild_type, letter)
            for position, wild_type in enumerate(texts[side])
            for letter in letters
            if letter != wild_type
        ]
        assert [row["mutant"] for row in rows] == [f"{old}{place + 1}{new}" for place, old, new in expected]
        before, after = "".join(texts[:side]), "".join(texts[side + 1 :])
        mutated = [
            before + texts[side][:place] + letter + texts[side][place + 1 :] + after for place, _, letter in expected
        ]
        scores = predictor([*mutated, "".join(texts)])
        assert_close([float(row["prediction"]) for row in rows], scores[:-1])
        assert_close([float(row["change"]) for row in rows], scores[:-1] - scores[-1])

    def test_log_odds_of_classes(self, tab, models):
        """Of a class against the others, as the map of a classification shows it."""
        tab.open("lyra-amp", PEPTIDE)
        row = next(row for row in tab.mutants() if row["mutant"] == "K4D")
        wild, mutant = Predictor(models("lyra-amp"))([PEPTIDE, PEPTIDE[:3] + "D" + PEPTIDE[4:]])
        change = (mutant[1] - mutant[0]) - (wild[1] - wild[0])
        assert_close(float(row["log_odds_change_antimicrobial"]), change)
        assert_close(float(row["log_odds_change_not antimicrobial"]), -change)
        assert tab.page.input_value("#mutants-output") == "antimicrobial"


class TestTables:
    def test_fasta_compressed(self, tab, tmp_path):
        records = f">one first guide\n{GUIDE[:20]}\n{GUIDE[20:]}\n>two\nACGTACGTACGT\n\n> three  spaced\nACGNNN"
        (tmp_path / "guides.fasta.gz").write_bytes(gzip.compress(records.encode()))
        expected = predicted("lyra-cas9", tmp_path / "guides.fasta.gz")
        file, scored = tab.open("lyra-cas9").score_file(tmp_path / "guides.fasta.gz")
        assert file == "guides-lyra-cas9.csv"
        assert_same(scored, expected)

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("quoted.csv", f'name,sequence,prediction\r\n"a, ""b""",{GUIDE},\r\n\r\n5" end,"AC\nGT",7'),
            ("tabs.tsv", f"sequence\tnote\n{GUIDE}\tx\nACGT\t"),
            ("lines.txt", f"{GUIDE}\n\n  ACGT  \n"),
            ("excel.csv", f"\ufeffsequence\n{GUIDE}\n"),
        ],
        ids=lambda value: value if "." in value[:12] else "",
    )
    def test_other_forms(self, tab, tmp_path, name, content):
        (tmp_path / name).write_bytes(content.encode())
        _, scored = tab.open("lyra-cas9").score_file(tmp_path / name)
        assert_same(scored, predicted("lyra-cas9", tmp_path / name))

    def test_another_column(self, tab, tmp_path, models):
        write_table(tmp_path / "table.csv", name=["a"], site=[GUIDE])
        tab.open("lyra-cas9").choose_file(tmp_path / "table.csv")
        assert tab.text("#table-about") == "table.csv: 1 row, 2 columns."
        tab.page.select_option("#column", "site")
        tab.page.click("#table-start")
        tab.wait("#table-result:not([hidden])")
        (row,) = tab.download("#table-download")[1]
        assert_close(float(row["prediction"]), Predictor(models("lyra-cas9"))([GUIDE])[0])
        assert [cell.inner_text() for cell in tab.page.locator("#table th").all()] == list(row)

    def test_drop(self, tab, tmp_path):
        tab.open("lyra-cas9")
        tab.page.evaluate(
            """(text) => {
              const data = new DataTransfer();
              data.items.add(new File([text], "dropped.csv"));
              const drop = { dataTransfer: data, bubbles: true, cancelable: true };
              document.body.dispatchEvent(new DragEvent("drop", drop));
            }""",
            f"sequence\n{GUIDE}\n",
        )
        tab.wait("#table-ready:not([hidden])")
        assert tab.text("#table-about") == "dropped.csv: 1 row, 1 column."

    def test_cancel(self, tab, tmp_path):
        write_table(tmp_path / "long.csv", sequence=[PEPTIDE] * 20_000)
        tab.open("lyra-amp").choose_file(tmp_path / "long.csv")
        tab.page.click("#table-start")
        tab.wait("#table-cancel:not([hidden])")
        tab.type(PEPTIDE)  # answered first, though the table is far from done
        assert tab.score()["label"] == "antimicrobial"
        assert tab.page.is_visible("#table-cancel")
        tab.page.click("#table-cancel")
        tab.wait_for_text("#table-fault", "Cancelled; nothing was written.")
        assert tab.page.is_visible("#table-start")
        assert not tab.page.is_visible("#table-result")

    def test_another_model_meanwhile(self, tab, tmp_path):
        """What was under way ends without a word of a fault."""
        write_table(tmp_path / "long.csv", sequence=[PEPTIDE] * 20_000)
        tab.open("lyra-amp").choose_file(tmp_path / "long.csv")
        tab.page.click("#table-start")
        tab.wait_for_text("#table-text", " of 20,000")
        tab.page.select_option("#model", "lyra-cas9")
        tab.type(GUIDE)
        tab.score()
        assert tab.text("#table-fault") == ""
        assert tab.page.is_visible("#table-start")
        assert not tab.page.is_visible("#table-progress")

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            (
                "a.csv",
                "sequence\nACGT\nACQT\n",
                "a.csv, row 2: the letter 'Q' at position 3 is not in the dna alphabet",
            ),
            ("a.csv", "name,sequence\nx,ACGT\ny,\n", "a.csv, row 2: the sequence is empty"),
            ("a.csv", "name,sequence\nx,ACGT\ny\n", "a.csv, row 2: 1 column where the header has 2"),
            ("a.csv", 'sequence\nACGT\n"AC', "a.csv, line 3: a quotation mark opens a value there and is never closed"),
            ("a.csv", "sequence,sequence\nA,C\n", "a.csv has two columns named 'sequence'; rename one of them"),
            ("a.csv", "sequence\n", "a.csv has no sequences"),
            ("a.csv", "", "a.csv is empty"),
            ("a.fasta", ">x\nACGT\n>y z\nAC!\n", "a.fasta, record 2 (y): the letter '!' at position 3"),
            ("a.fasta", "ACGT\n", "a.fasta: a FASTA file begins with a header line"),
            ("a.xlsx", "PK", "a.xlsx: the ending of the name tells no form that can be read; these do: .csv"),
            ("a.csv", b"sequence\nAC\xff\n", "a.csv is not UTF-8 text; save the file as UTF-8"),
            (
                "a.csv.gz",
                b"\x1f\x8b\x08nonsense",
                "a.csv.gz cannot be read; if it is gzipped, it is damaged or cut off",
            ),
        ],
    )
    def test_faults(self, tab, tmp_path, name, content, message):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        tab.open("lyra-cas9").choose_file(tmp_path / name)
        if tab.page.is_visible("#table-start"):
            tab.page.click("#table-start")
            tab.wait("#table-fault:not(:empty)")
        assert tab.text("#table-fault").startswith(message)
        assert not tab.page.is_visible("#table-result")


class TestFaultsOfWhatIsTyped:
    @pytest.mark.parametrize(
        ("model", "texts", "message"),
        [
            (
                "lyra-cas9",
                ["ACGTJ"],
                "The letter 'J' at position 5 is not in the dna alphabet (ACGT, ambiguity codes RYSWKMBDHVN)",
            ),
            ("lyra-cas9", ["ACGT-A"], "The letter '-' at position 5 is not in the dna alphabet"),
            ("lyra-cas9", [">a\nACGT\n>b\nAC"], "Several FASTA records; drop the file below, or paste one record"),
            ("lyra-cas9", [">a\n"], "The sequence is empty"),
            (
                "lyra-cas13a",
                ["ACGT", "ACG"],
                "The pair has 4 and 3 letters; the first of a pair has 20 letters more than the second on either side",
            ),
            ("lyra-cas13a", ["ACGT", "AC1"], "Second sequence: the letter '1' at position 3"),
        ],
    )
    def test_one_clear_line(self, tab, model, texts, message):
        tab.open(model).type(*texts)
        tab.wait("#fault:not(:empty)")
        assert tab.text("#fault").startswith(message)
        assert tab.page.get_attribute("#first", "aria-invalid") == "true"
        assert tab.text("#score") == "No score."
        assert not tab.page.is_visible("#mutants-part")

    def test_mended(self, tab):
        tab.open("lyra-cas9").type("ACGTJ")
        tab.wait("#fault:not(:empty)")
        tab.type("ACGT")
        tab.wait("#score .number")
        assert tab.text("#fault") == ""
        assert tab.page.get_attribute("#first", "aria-invalid") == "false"

    def test_a_fasta_record(self, tab, models):
        tab.open("lyra-cas9").type(f"> guide 1\n{GUIDE[:15]}\n{GUIDE[15:]}\n")
        found = tab.score()
        assert found["sequence"] == GUIDE
        assert_close(float(found["prediction"]), Predictor(models("lyra-cas9"))([GUIDE])[0])

    def test_an_unknown_model_in_a_link(self, open_tab, site):
        tab = open_tab()
        tab.page.goto(f"{site}#model=lyra-nothing")
        tab.wait_for_text("#trouble", "This page has no model lyra-nothing; it shows lyra-amp.")


class TestUse:
    def test_score_with_its_unit(self, tab, tmp_path):
        """The prediction, its interval and the members' deviation, each as Python has it."""
        tab.open("lyra-cas9", GUIDE)
        tab.wait("#score .number")
        shown = [tab.text("#score").split("\n")[0], *tab.page.locator("#score .quiet").all_inner_texts()]
        number = r"(\d+\.\d+)"
        lines = [
            f"{number} percent indels",
            f"{number} to {number}, the 90\N{NO-BREAK SPACE}% prediction interval",
            f"± {number}, the standard deviation over the ensemble's 3 members",
        ]
        found = [value for line, text in zip(lines, shown, strict=True) for value in re.fullmatch(line, text).groups()]
        write_table(tmp_path / "table.csv", sequence=[GUIDE])
        (expected,) = predicted("lyra-cas9", tmp_path / "table.csv")
        for value, column in zip(found, ("prediction", "lower", "upper", "sd"), strict=True):
            last_digit = 10.0 ** -len(value.partition(".")[2])
            assert float(value) == pytest.approx(float(expected[column]), abs=0.51 * last_digit), column

    def test_classes_as_bars(self, tab):
        tab.open("lyra-amp", PEPTIDE)
        tab.wait("#score .bars")
        names = [name.inner_text() for name in tab.page.locator(".bars .name").all()]
        shares = [float(share.inner_text().removesuffix(" %")) for share in tab.page.locator(".bars .share").all()]
        assert names == ["antimicrobial", "not antimicrobial"]
        assert sum(shares) == pytest.approx(100, abs=0.11)
        wide, narrow = (bar.bounding_box()["width"] for bar in tab.page.locator(".bar > span").all())
        assert wide > 10 * narrow

    def test_typed_without_a_key_to_start(self, tab):
        tab.open("lyra-cas9")
        tab.page.locator("#first").press_sequentially(GUIDE)
        tab.wait("#score .number")
        assert tab.text("#first-count") == "30 letters"
        tab.page.locator("#first").press_sequentially("A")  # the newest counts, whatever is under way
        tab.wait_for_text("#first-count", "31 letters")
        assert tab.score()["sequence"] == GUIDE + "A"

    def test_a_link_shows_the_same(self, tab, open_tab):
        tab.open("lyra-cas9").type(GUIDE)
        tab.wait("#score .number")
        other = open_tab()
        other.page.goto(tab.page.url)
        other.wait("#score .number")
        assert other.page.input_value("#first") == GUIDE
        assert other.text("#score") == tab.text("#score")
        other.open("lyra-amp", "GIGKFL")  # the address is changed in the same tab
        other.wait("#score .bars")
        assert other.text("#model-title") == "lyra-amp"

    def test_another_model(self, tab):
        tab.open("lyra-amp", "ACGTACGTACGTACGTACGT")
        tab.wait("#score .bars")
        tab.page.select_option("#model", "lyra-cas9")
        tab.wait("#score .number")
        assert tab.text("#model-title") == "lyra-cas9"
        assert tab.page.title() == "lyra-cas9 · Lyra"
        assert "model=lyra-cas9" in tab.page.url

    def test_keys(self, tab):
        tab.open("lyra-cas9")
        tab.page.evaluate("() => document.activeElement.blur()")
        tab.page.keyboard.press("/")
        assert tab.page.evaluate("document.activeElement.id") == "first"
        tab.page.keyboard.type(GUIDE)
        tab.page.keyboard.press("Control+Enter")
        rows = {row["mutant"]: row for row in tab.mutants()}
        tab.page.focus("#copy-link")
        for _ in range(4):  # score's and mutants' buttons, then the map
            if tab.page.evaluate("document.activeElement.id") == "heat-map":
                break
            tab.page.keyboard.press("Tab")
        assert tab.page.evaluate("document.activeElement.id") == "heat-map"
        for key in ["ArrowRight"] * 4 + ["ArrowDown"]:
            tab.page.keyboard.press(key)
        assert tab.text("#heat-readout") == self.sentence(rows["G5C"])
        tab.page.keyboard.press("ArrowDown")
        assert re.fullmatch(r"G5 unchanged: 70\.\d\d", tab.text("#heat-readout"))
        tab.page.keyboard.press("End")
        tab.page.keyboard.press("ArrowDown")
        assert tab.text("#heat-readout") == self.sentence(rows["C30T"])
        tab.page.keyboard.press("Escape")
        assert tab.text("#heat-readout") == "Point at a cell, or move with the arrow keys."

    def sentence(self, row):
        prediction, change = float(row["prediction"]), float(row["change"])
        text = f"{row['mutant']}: {short(prediction)} ({'+' if change > 0 else ''}{short(change)})"
        return text.replace("-", "\N{MINUS SIGN}")

    def test_pointing_at_cells(self, tab):
        tab.open("lyra-cas9", GUIDE)
        rows = {row["mutant"]: row for row in tab.mutants()}
        canvas = tab.page.locator("#heat-map canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        cell = (box["width"] - 24) / 30
        tab.page.mouse.move(box["x"] + 22 + 4.5 * cell, box["y"] + box["height"] - 4)
        assert tab.text("#heat-readout") == self.sentence(rows["G5T"])

    def test_values_along_a_sequence(self, tab):
        tab.open("lyra-rna-paired", "GGGGAAAACCCC")
        rows = tab.residues()
        tab.page.focus("#track")
        tab.page.keyboard.press("ArrowRight")
        share = float(rows[1]["score"]) if rows[1]["label"] == "paired" else 1 - float(rows[1]["score"])
        assert tab.text("#track-readout") == f"G2: paired {100 * share:.1f} %"

    def test_several_outputs(self, tab, described):
        (site,) = described["lyra-cas9-variants"]["example"]
        tab.open("lyra-cas9-variants", site)
        rows = tab.mutants()
        assert tab.page.locator("#score .number").count() == 3
        before = tab.text("#highest")
        tab.page.select_option("#mutants-output", "SpCas9-HF1 indel fraction")
        assert "SpCas9-HF1 indel fraction" in tab.text("#legend-text")
        best = max(rows, key=lambda row: float(row["change_SpCas9-HF1 indel fraction"]))
        assert tab.text("#highest").startswith(best["mutant"])
        assert tab.text("#highest") != before

    def test_long_sequences_are_asked_for(self, tab):
        tab.open("lyra-amp", PEPTIDE * 20)
        tab.wait("#mutants-start")
        assert tab.text("#mutants-start") == "Predict all 8,740 mutants"
        assert not tab.page.is_visible("#heat")
        tab.page.click("#mutants-start")
        tab.wait_for_text("#mutants-text", " of 8,740 predictions")
        tab.type("G" * 2001)
        tab.wait_for_text("#mutants-text", "Mutants are shown for sequences of up to 2,000 letters.")

    def test_nothing_changes_colour_alone(self, tab):
        """What the map shows in colours, its legend says in numbers."""
        tab.open("lyra-cas9", GUIDE)
        changes = sorted(abs(float(row["change"])) for row in tab.mutants())
        limit = changes[int(np.ceil(0.98 * len(changes))) - 1]
        assert tab.text("#legend-high") == f"≥ +{short(limit)}"
        assert tab.text("#legend-low") == f"≤ \N{MINUS SIGN}{short(limit)}"


def short(value):
    """A number as the page shows it, about four digits."""
    size = abs(value)
    digits = 1 if size >= 100 else 2 if size >= 10 else 3 if size >= 1 else 4
    return f"{value:.{digits}f}"


class TestPlaces:
    @pytest.mark.parametrize("name", ["lyra-cas9", "lyra-disorder", "lyra-cas13a", "lyra-ncrna", "lyra-rna-reactivity"])
    def test_phone(self, open_tab, name, tmp_path, described):
        """Nothing is wider than the screen, with results and a table shown."""
        tab = open_tab(viewport={"width": 360, "height": 740}, device_scale_factor=2, has_touch=True)
        tab.open(name, *described[name]["example"])
        tab.wait("#mutants-download:not([hidden]), #residues-part:not([hidden])")
        columns = dict(zip(("sequence", "other"), ([text] for text in described[name]["example"]), strict=False))
        write_table(tmp_path / "table.csv", **columns)
        tab.score_file(tmp_path / "table.csv")
        assert tab.page.evaluate("document.documentElement.scrollWidth") == 360
        assert tab.page.evaluate("[...document.querySelectorAll('.map canvas')].every((c) => c.clientWidth <= 330)")

    def test_phone_shows_all_of_the_readout(self, open_tab, described):
        tab = open_tab(viewport={"width": 360, "height": 740}, has_touch=True)
        tab.open("lyra-rna-reactivity", *described["lyra-rna-reactivity"]["example"])
        tab.wait("#residues-part:not([hidden])")
        height = "document.querySelector('#track-readout').offsetHeight"
        before = tab.page.evaluate(height)
        tab.page.focus("#track")
        tab.page.keyboard.press("ArrowRight")
        assert len(tab.text("#track-readout")) > 40
        fits = "((one) => one.scrollWidth <= one.clientWidth && one.scrollHeight <= one.clientHeight)"
        assert tab.page.evaluate(f"{fits}(document.querySelector('#track-readout'))")
        assert tab.page.evaluate(height) == before  # or what it names would move

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_contrast_in_light_and_dark(self, open_tab, scheme):
        """Texts stand out from what is behind them by 4.5 to 1, as WCAG asks."""
        tab = open_tab(color_scheme=scheme).open("lyra-cas9", GUIDE)
        tab.wait("#score .number")
        ground = colour(tab, "background-color", "body")
        assert (luminance(ground) < 0.1) == (scheme == "dark")
        card = colour(tab, "background-color", ".card")
        for selector, behind in [("#score strong", card), ("#score .quiet", card), ("#use", ground), (".link", card)]:
            assert contrast(colour(tab, "color", selector), behind) >= 4.5, selector

    def test_without_the_network(self, open_tab, models):
        tab = open_tab().open("lyra-cas9")
        tab.page.wait_for_selector("#loading", state="hidden")
        tab.context.set_offline(True)
        tab.type(GUIDE)
        assert_close(float(tab.score()["prediction"]), Predictor(models("lyra-cas9"))([GUIDE])[0])
        assert len(tab.mutants()) == 90
        tab.page.select_option("#model", "lyra-sirna")
        tab.wait_for_text(
            "#trouble", "lyra-sirna.onnx could not be loaded; is the network, or the page's server, there?"
        )
        tab.context.set_offline(False)
        tab.type("GGCUACGUCCAGGAGCGCACC")
        tab.wait("#score .number")
        assert not tab.page.is_visible("#trouble")
        assert tab.errors
        tab.errors.clear()  # of the request without a network

    def test_opened_as_a_file(self, open_tab, page_folder):
        tab = open_tab()
        tab.page.goto((page_folder / "index.html").as_uri())
        tab.wait("#trouble:not([hidden])")
        assert "python -m http.server" in tab.text("#trouble")
        assert not tab.page.is_visible("#first")
        tab.foreign.clear()
        tab.errors.clear()  # of the modules that do not load from files

    @pytest.mark.parametrize(("feature", "word"), [("WebAssembly", "WebAssembly"), ("DecompressionStream", "too old")])
    def test_a_browser_that_lacks_something(self, open_tab, feature, word):
        tab = open_tab()
        tab.page.add_init_script(f"delete globalThis.{feature}")
        tab.page.goto(tab.site)
        tab.wait("#trouble:not([hidden])")
        assert word in tab.text("#trouble")

    def test_a_file_that_the_server_lacks(self, open_tab):
        tab = open_tab()
        tab.page.route("**/models/lyra-cas9.onnx", lambda route: route.fulfill(status=404))
        tab.open("lyra-cas9")
        tab.wait_for_text("#trouble", "lyra-cas9.onnx could not be loaded: the server answers 404")
        tab.errors.clear()

    def test_a_worker_that_does_not_load(self, open_tab, models):
        tab = open_tab()
        tab.page.route("**/model_worker.js", lambda route: route.abort())
        tab.open("lyra-cas9")
        fault = "model_worker.js could not be loaded; is the network, or the page's server, there?"
        tab.wait_for_text("#trouble", fault)
        tab.type(GUIDE)  # what is asked of a worker that is gone is answered, too
        tab.wait("#score[aria-busy=false]")
        assert tab.text("#trouble") == fault
        tab.page.unroute("**/model_worker.js")
        tab.type(GUIDE)
        assert_close(float(tab.score()["prediction"]), Predictor(models("lyra-cas9"))([GUIDE])[0])
        assert not tab.page.is_visible("#trouble")
        tab.errors.clear()

    def test_a_table_worker_that_does_not_load(self, open_tab, tmp_path):
        write_table(tmp_path / "table.csv", sequence=[GUIDE])
        tab = open_tab()
        tab.page.route("**/table_worker.js", lambda route: route.abort())
        tab.open("lyra-cas9")
        for _ in range(2):
            tab.choose_file(tmp_path / "table.csv")
            assert tab.text("#table-fault").startswith("table_worker.js could not be loaded")
        tab.page.unroute("**/table_worker.js")
        assert len(tab.score_file(tmp_path / "table.csv")[1]) == 1
        tab.errors.clear()


def colour(tab, which, selector):
    text = tab.page.locator(selector).first.evaluate(f"(element) => getComputedStyle(element)['{which}']")
    return [int(part) for part in re.findall(r"\d+", text)[:3]]


def luminance(rgb):
    parts = np.array(rgb) / 255
    return float(np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_no_other_host_can_be_asked(open_tab):
    """The page's policy stops a request to elsewhere, and the tests would see it."""
    tab = open_tab().open("lyra-cas9")
    with pytest.raises(Exception, match="Failed to fetch"):
        tab.page.evaluate("fetch('http://127.0.0.2:9/x')")
    assert any("Content Security Policy" in error for error in tab.errors)
    tab.errors.clear()
    tab.foreign.clear()
