"""What training/reproduce.py decides; the trainings themselves are those of `run_all`."""

import json
import os
import threading
from dataclasses import asdict, replace
from pathlib import Path
from time import sleep

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import reproduce
import torch
from golden import golden_predictions, made_up_sequences, read_golden
from made_outcomes import made_outcome, made_report
from reproduce import Keeper, Plan, check_size, ensemble_run, join, plan, select, ship, wanted
from small_models import build

from lyra_hf import LyraConfig, LyraForRegression, Predictor, UserError
from lyra_hf.checkpoints.folders import save_checkpoint
from lyra_hf.tasks.outcomes import read_outcome
from lyra_hf.tasks.recipe import load_recipe, recipe_names
from lyra_hf.training import joining
from lyra_hf.training.finetune import REPORT_FILE
from lyra_hf.training.parallel import Run


class TestSelect:
    def test_names_in_the_order_given_and_once(self):
        names = ["kim2019_spcas9", "esol", "kim2019_spcas9"]
        assert [recipe.name for recipe in select(names)] == ["kim2019_spcas9", "esol"]

    def test_all(self):
        assert [recipe.name for recipe in select(["all"])] == recipe_names()

    def test_an_area(self):
        found = select(["area:cas9", "kim2019_spcas9"])
        assert {recipe.area for recipe in found} == {"cas9"}
        assert len(found) == len({recipe.name for recipe in found}) > 3

    @pytest.mark.parametrize(("word", "named"), [("area:cas", "cas9"), ("kim2019_spcas", "kim2019_spcas9")])
    def test_what_is_not_there(self, word, named):
        with pytest.raises(UserError, match=named):
            select([word])


@pytest.mark.parametrize(
    ("asked", "with_better", "without"),
    [("paper", ["paper"], ["paper"]), ("best", ["best"], ["paper"]), ("both", ["paper", "best"], ["paper"])],
)
def test_nothing_is_trained_twice(asked, with_better, without):
    recipe = load_recipe("kim2019_spcas9")
    assert wanted(recipe, asked) == [(recipe, configuration) for configuration in with_better]
    plain = replace(recipe, training=None)
    assert wanted(plain, asked) == [(plain, configuration) for configuration in without]


def test_one_output_of_another_task_is_best_in_that():
    recipe, whole = load_recipe("disprot_dna_binding"), load_recipe("disprot_functions")
    assert wanted(recipe, "both") == [(recipe, "paper"), (whole, "best")]
    assert wanted(whole, "best") == wanted(recipe, "best")


@pytest.fixture
def data(tmp_path):
    """A folder with every table, of no content."""
    for name in recipe_names():
        for source in load_recipe(name).sources:
            path = tmp_path / "data" / f"{source.table}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce, "ROOT", tmp_path)
    monkeypatch.setattr(reproduce, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(reproduce, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(reproduce, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(reproduce, "GOLDEN", tmp_path / "golden")
    monkeypatch.setattr(reproduce, "SHOWN", tmp_path / "shown")


def finish(run, recipe, configuration, seed, validation=0.5, **changes):
    """What a run leaves behind."""
    model, options = recipe.configured(configuration)
    torch.manual_seed(seed)
    names = {
        "id2label": dict(enumerate(recipe.outputs)),
        "label2id": {name: n for n, name in enumerate(recipe.outputs)},
    }
    config = LyraConfig(alphabet=recipe.alphabet, problem_type="regression", intervals=True, **names, **model)
    made = LyraForRegression(config).eval()
    save_checkpoint(made, run.folder)
    report = made_report(validation + seed / 10, 0.4)
    report |= {"options": {**asdict(replace(options, seed=seed)), **changes}, "parameters": made.num_parameters()}
    (run.folder / REPORT_FILE).write_text(json.dumps(report))


class TestPlan:
    def test_a_run_for_each_seed(self, data, tmp_path):
        made = plan(load_recipe("kim2019_spcas9"), "best", [0, 2, 0], data)
        assert [(seed, fold) for seed, fold, _ in made.runs] == [(0, None), (2, None)]
        assert made.runs[1][2].folder == tmp_path / "runs" / "best" / "kim2019_spcas9" / "seed-2"
        assert {"--task=kim2019_spcas9", "--seed=2", f"--data-dir={data}"} <= set(made.runs[1][2].command)
        assert not any("fold" in word or "configuration" in word for word in made.runs[1][2].command)

    def test_and_for_each_fold(self, data):
        made = plan(load_recipe("proteingym_bbc1_tsuboyama_modulo"), "paper", [1], data)
        assert [(seed, fold) for seed, fold, _ in made.runs] == [(1, fold) for fold in range(5)]
        assert [run.folder.name for _, _, run in made.runs] == [f"seed-1-fold-{fold}" for fold in range(5)]
        assert {"--fold=0", "--configuration=paper"} <= set(made.runs[0][2].command)

    def test_names_and_folders_are_different(self, data):
        plans = [plan(load_recipe(name), which, [0, 1], data) for name in recipe_names() for which in ("paper", "best")]
        runs = [run for one in plans for _, _, run in one.runs]
        assert len({run.name for run in runs}) == len({run.folder for run in runs}) == len(runs)

    def test_every_table_must_be_there(self, data):
        (data / "disorder" / "caid2.parquet").unlink()
        with pytest.raises(UserError, match=r"caid2\.parquet: no such file"):
            plan(load_recipe("caid2_binding"), "paper", [0], data)

    def test_what_is_finished_with_the_recipes_options_stays(self, data):
        recipe = load_recipe("kim2019_spcas9")
        made = plan(recipe, "best", [0], data)
        finish(made.runs[0][2], recipe, "best", 0)
        assert plan(recipe, "best", [0], data) == made

    @pytest.mark.parametrize("model", [False, True])
    def test_what_is_finished_with_other_options_is_not_taken_for_it(self, data, model):
        recipe = load_recipe("kim2019_spcas9")
        made = plan(recipe, "best", [0], data)
        finish(made.runs[0][2], recipe, "best", 0, **({} if model else {"epochs": 3}))
        changed = replace(recipe, model={"num_hidden_layers": 3}) if model else recipe
        with pytest.raises(UserError, match="other options than the recipe has now"):
            plan(changed, "best", [0], data)


class Silent:
    """A watcher that keeps what it is told."""

    def __init__(self):
        self.told = []

    def started(self, run):
        self.told.append(("started", run.name))

    def said(self, run, line):
        self.told.append((line, run.name))

    def ended(self, run, failure):
        self.told.append((failure, run.name))


class TestKeeper:
    @pytest.fixture
    def plans(self):
        recipe = load_recipe("kim2019_spcas9")
        return [
            Plan(
                recipe,
                which,
                tuple((seed, None, Run(f"{which}-{seed}", ("m",), Path("x"))) for seed in range(2)),
                Path(),
            )
            for which in ("paper", "best")
        ]

    def test_a_plan_is_kept_when_its_last_run_has_ended(self, plans):
        kept = []
        keeper = Keeper(Silent(), plans, lambda one: kept.append(one.name))
        (_, _, first), (_, _, second) = plans[0].runs
        (_, _, third), (_, _, fourth) = plans[1].runs
        for run, expected in [(first, 0), (fourth, 0), (second, 1), (third, 2)]:
            keeper.ended(run, None)
            assert len(kept) == expected
        assert kept == ["paper kim2019_spcas9", "best kim2019_spcas9"]

    def test_not_if_one_has_failed(self, plans):
        kept = []
        keeper = Keeper(Silent(), plans, kept.append)
        for number, (_, _, run) in enumerate(plans[0].runs + plans[1].runs):
            keeper.ended(run, "no rows" if number == 1 else None)
        assert kept == [plans[1]]
        assert keeper.failures == {}  # that run's own failure is told by who made it

    def test_what_cannot_be_kept_holds_up_nothing(self, plans):
        def keep(one):
            raise UserError("no example")

        keeper = Keeper(Silent(), plans, keep)
        for _, _, run in plans[0].runs:
            keeper.ended(run, None)
        assert keeper.failures == {"paper kim2019_spcas9": "no example"}

    def test_the_watcher_is_told(self, plans):
        watcher = Silent()
        keeper = Keeper(watcher, plans, lambda one: None)
        run = plans[0].runs[0][2]
        keeper.started(run)
        keeper.said(run, "epoch 1")
        keeper.ended(run, "no rows")
        assert watcher.told == [("started", run.name), ("epoch 1", run.name), ("no rows", run.name)]

    def test_while_one_is_kept_other_runs_end(self, plans):
        (_, _, first), (_, _, second) = plans[0].runs
        other = threading.Thread(target=lambda: keeper.ended(plans[1].runs[0][2], None), daemon=True)
        waiting = []

        def keep(one):
            other.start()
            other.join(60)
            waiting.append(other.is_alive())

        keeper = Keeper(Silent(), plans, keep)
        keeper.ended(first, None)
        keeper.ended(second, None)
        assert waiting == [False]

    def test_one_is_kept_at_a_time(self, plans):
        lock, together = threading.Lock(), []

        def keep(one):
            together.append(not lock.acquire(blocking=False))
            sleep(0.01)  # let another thread in
            lock.release()

        keeper = Keeper(Silent(), plans, keep)
        threads = [threading.Thread(target=keeper.ended, args=(run, None)) for one in plans for _, _, run in one.runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert together == [False, False]
        assert keeper.failures == {}

    def test_from_several_threads(self, plans):
        kept = []
        keeper = Keeper(Silent(), plans, lambda one: kept.append(one.name))
        threads = [threading.Thread(target=keeper.ended, args=(run, None)) for one in plans for _, _, run in one.runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(kept) == sorted(one.name for one in plans)


@pytest.fixture
def table(data):
    """A small table of target sites in the place of the real one."""
    generator = np.random.default_rng(0)
    columns = {
        "sequence": ["".join(generator.choice(list("ACGT"), size=30)) for _ in range(60)],
        "label": generator.random(60),
        "split": ["train", "validation", "test"] * 20,
    }
    pa.parquet.write_table(pa.table(columns), data / "cas9" / "kim2019_spcas9.parquet")


def finished_plan(data, validation=0.5):
    """A plan of two seeds whose runs are finished."""
    recipe = load_recipe("kim2019_spcas9")
    made = plan(recipe, "best", [0, 1], data)
    for seed, _, run in made.runs:
        finish(run, recipe, "best", seed, validation)
    return made


@pytest.mark.usefixtures("table")
class TestJoin:
    @pytest.fixture
    def finished(self, data):
        return finished_plan(data)

    def touch(self, run, seconds):
        """Move the time of a report on."""
        path = run.folder / REPORT_FILE
        time = path.stat().st_mtime_ns + int(seconds * 1e9)
        os.utime(path, ns=(time, time))

    def test_the_seeds_are_the_members(self, finished, tmp_path):
        report = join(finished)
        folder = tmp_path / "runs" / "best" / "kim2019_spcas9" / "ensemble"
        assert ensemble_run(finished).folder == folder
        assert report == ensemble_run(finished).report()
        assert report["options"]["seed"] == [0, 1]
        assert report["rows"] == {"train": 20, "validation": 20, "test": 20}
        sequences = made_up_sequences("dna", "A" * 30)
        members = [Predictor(str(run.folder))(sequences) for _, _, run in finished.runs]
        np.testing.assert_allclose(Predictor(str(folder))(sequences), np.mean(members, axis=0), rtol=1e-4, atol=1e-5)

    def test_it_is_made_once(self, finished, monkeypatch):
        report = join(finished)
        monkeypatch.setattr(joining, "join_runs", None)
        assert join(finished) == report
        assert join(replace(finished, runs=finished.runs[::-1])) == report

    def test_it_is_made_again_when_a_seed_is_newer(self, finished):
        join(finished)
        weights = ensemble_run(finished).folder / "model.safetensors"
        before = weights.stat().st_mtime_ns
        self.touch(finished.runs[1][2], 10)
        join(finished)
        assert weights.stat().st_mtime_ns > before

    def test_it_is_made_again_of_other_seeds(self, finished, data):
        join(finished)
        more = plan(finished.recipe, "best", [0, 1, 2], data)
        finish(more.runs[2][2], finished.recipe, "best", 2)
        self.touch(more.runs[2][2], -1000)  # older than the ensemble of the other two
        assert join(more)["options"]["seed"] == [0, 1, 2]
        assert join(finished)["options"]["seed"] == [0, 1]

    def test_it_leaves_the_other_cores_to_the_runs(self, finished, monkeypatch):
        """The threads are counted where the ensemble is made, and are what they were afterwards."""
        threads = []
        monkeypatch.setattr(reproduce, "joined_report", lambda *arguments: threads.append(torch.get_num_threads()))
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            join(finished)
            threads.append(torch.get_num_threads())
        finally:
            torch.set_num_threads(before)
        assert threads == [1, 2]

    def test_a_single_seed_has_none(self, finished):
        assert join(replace(finished, runs=finished.runs[:1])) is None
        assert not ensemble_run(finished).folder.exists()


def weights_of(run):
    return (run.folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"hidden_size": 96}, None),
        ({"hidden_size": 160}, "the model has [0-9,]+ parameters, and must have fewer than 100,000"),
        ({"hidden_size": 160, "ensemble_size": 2}, "a member has [0-9,]+ parameters, and must have fewer than 100,000"),
        ({"hidden_size": 96, "ensemble_size": 5}, None),
        ({"hidden_size": 96, "ensemble_size": 20}, "the ensemble has [0-9,]+ parameters, .* fewer than 1,000,000"),
    ],
)
def test_what_is_shipped_is_small(fields, message):
    model = build(LyraForRegression, **{"pgc_hidden_sizes": [16, 128], "state_size": 64, **fields})
    if message is None:
        check_size(model, "lyra-made")
    else:
        with pytest.raises(UserError, match=f"lyra-made cannot be shipped: {message}"):
            check_size(model, "lyra-made")


class TestKeep:
    @pytest.fixture(autouse=True)
    def _folders(self, tmp_path, table):
        (tmp_path / "checkpoints").mkdir()
        (tmp_path / "model_cards").mkdir()

    @pytest.fixture
    def finished(self, data):
        return finished_plan(data)

    def test_the_reports_are_kept_and_the_best_is_shipped(self, finished, tmp_path):
        """The ensemble is no better than chance, and the seeds say that they are."""
        reproduce.keep(finished)
        outcome = read_outcome(tmp_path / "results" / "best" / "kim2019_spcas9.json")
        assert (outcome.seeds, outcome.best_seed) == ([0, 1], 1)
        assert [run.report for run in outcome.runs] == [run.report() for _, _, run in finished.runs]
        assert outcome.ensemble == ensemble_run(finished).report()
        assert not outcome.ships_ensemble
        folder = tmp_path / "checkpoints" / "lyra-cas9"
        assert (folder / "model.safetensors").read_bytes() == weights_of(finished.runs[1][2])
        assert (folder / "README.md").readlink() == Path("../../model_cards/lyra-cas9.md")
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert "# lyra-cas9\n" in text
        assert "the ensemble of all seeds was not better there" in text

    def test_the_ensemble_is_shipped_where_it_is_better(self, data, tmp_path):
        finished = finished_plan(data, validation=-0.99)
        reproduce.keep(finished)
        folder = tmp_path / "checkpoints" / "lyra-cas9"
        assert (folder / "model.safetensors").read_bytes() == weights_of(ensemble_run(finished))
        assert "an ensemble of 2 Lyras in one model of" in (folder / "README.md").read_text(encoding="utf-8")
        assert Predictor(str(folder)).config.ensemble_size == 2

    def test_golden_predictions_are_those_of_what_is_shipped(self, finished, tmp_path):
        reproduce.keep(finished)
        sequences, predictions = read_golden(tmp_path / "golden" / "lyra-cas9.json")
        shipped = Predictor(str(tmp_path / "checkpoints" / "lyra-cas9"))
        assert predictions == pytest.approx(golden_predictions(shipped, sequences), rel=1e-4)
        assert {len(sequence) for sequence in sequences} == {30, 40, 60}

    def test_what_is_too_large_is_not_shipped(self, finished, tmp_path, monkeypatch):
        monkeypatch.setattr(reproduce, "PARAMETERS_OF_A_MODEL", 70_000)
        with pytest.raises(UserError, match="lyra-cas9 cannot be shipped: the model has 79,489 parameters"):
            reproduce.keep(finished)
        assert list((tmp_path / "checkpoints").iterdir()) == []
        assert (tmp_path / "results" / "best" / "kim2019_spcas9.json").is_file()

    def test_the_papers_configuration_is_not_shipped_where_a_better_one_is_known(self, finished, tmp_path):
        reproduce.keep(replace(finished, configuration="paper"))
        assert (tmp_path / "results" / "paper" / "kim2019_spcas9.json").is_file()
        assert list((tmp_path / "checkpoints").iterdir()) == []

    def test_every_fold_is_kept(self, data, tmp_path):
        recipe = load_recipe("proteingym_bbc1_tsuboyama_modulo")
        made = plan(recipe, "paper", [0, 1], data)
        for seed, _, run in made.runs:
            finish(run, recipe, "paper", seed)
        reproduce.keep(made)
        outcome = read_outcome(tmp_path / "results" / "paper" / f"{recipe.name}.json")
        assert [(run.seed, run.fold) for run in outcome.runs] == [(seed, fold) for seed in (0, 1) for fold in range(5)]
        assert outcome.figure("spearman") == pytest.approx((0.4, 0.0))
        assert outcome.ensemble is None
        assert not ensemble_run(made).folder.exists()

    def test_shipping_again_replaces(self, finished, tmp_path):
        (_, _, first), (_, _, second) = finished.runs
        for run in (first, second):
            ship(finished.recipe, made_outcome(run.report(), task=finished.recipe.name), run.folder)
        names = {"config.json", "model.safetensors", "README.md", "tokenizer.json", "tokenizer_config.json"}
        folder = tmp_path / "checkpoints" / "lyra-cas9"
        assert {path.name for path in folder.iterdir()} == names
        assert (folder / "model.safetensors").read_bytes() == weights_of(second)
        assert (folder / "tokenizer.json").readlink() == Path("../../tokenizers/dna/tokenizer.json")


class TestMain:
    @pytest.fixture
    def command(self, monkeypatch):
        def run(*words):
            monkeypatch.setattr("sys.argv", ["reproduce.py", *map(str, words)])
            reproduce.main()

        return run

    def test_failures_are_named_at_the_end(self, command, data, monkeypatch):
        def run_all(runs, watcher, jobs):
            for run in runs:
                watcher.ended(run, "no rows")
            return {run.name: "no rows" for run in runs}

        monkeypatch.setattr(reproduce, "run_all", run_all)
        (data / "solubility" / "esol.parquet").unlink()
        with pytest.raises(UserError) as caught:
            command("esol", "chezod", "--configuration", "paper", "--data-dir", data, "--seeds", 4)
        lines = str(caught.value).splitlines()
        assert lines[0].startswith("2 failed")
        assert lines[1] == "  paper chezod seed-4: no rows"
        assert lines[2].startswith("  paper esol: ")
        assert "esol.parquet: no such file" in lines[2]

    def test_a_folder_of_tables_is_needed(self, command, monkeypatch):
        monkeypatch.delenv("LYRA_HF_DATA", raising=False)
        with pytest.raises(UserError, match="--data-dir or LYRA_HF_DATA"):
            command("esol")
