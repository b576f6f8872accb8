"""Trains tasks of the catalogue with several seeds each, and ships the checkpoints among them.

    python training/reproduce.py kim2019_spcas9 --data-dir DATA
    python training/reproduce.py area:cas9 --configuration both --seeds 0 1 2
    python training/reproduce.py all --configuration paper

Each run is a `lyra-hf train --task` in a process of its own with one thread, in runs/CONFIGURATION/TASK/seed-N; of a
cross-validation there is one for each fold, in seed-N-fold-K. As many run at a time as there are cores. What is
finished is not done again, and what was broken off goes on. As soon as a task's last run has ended, the models of its
seeds are joined into an ensemble, in runs/CONFIGURATION/TASK/ensemble (not of one seed, nor of a cross-validation), and
the reports are kept in training/results/CONFIGURATION/TASK.json. If the catalogue gives the task a checkpoint, the
ensemble or the best seed is shipped, whichever is better on validation, with golden predictions in tests/golden. Where
no better configuration than the paper's is known, the best is the paper's. A run that fails holds up no other; the
command then ends with status 1.
"""

import argparse
import os
import platform
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from golden import made_up_sequences, write_golden

from lyra_hf import LyraConfig, Predictor, UserError
from lyra_hf.checkpoints.folders import write_text
from lyra_hf.cli.console import messages
from lyra_hf.cli.training import ENSEMBLE_FOLDER, RunsProgress, TrainRequest, train_command
from lyra_hf.hub.card import model_card
from lyra_hf.hub.shown import show, write_shown
from lyra_hf.inference.loading import load_config, load_model
from lyra_hf.modeling_lyra import LyraPreTrainedModel
from lyra_hf.tasks.outcomes import Outcome, TaskRun, best_configuration, write_outcome
from lyra_hf.tasks.recipe import CONFIGURATIONS, Configuration, Recipe, load_recipe, recipe_names
from lyra_hf.tasks.sources import DATA_VARIABLE, find_table
from lyra_hf.training.joining import joined_report
from lyra_hf.training.options import TrainingOptions
from lyra_hf.training.parallel import Run, Watcher, run_all

ROOT = Path(__file__).absolute().parents[1]
RUNS = ROOT / "runs"
RESULTS = ROOT / "training" / "results"
CHECKPOINTS = ROOT / "src" / "lyra_hf" / "checkpoints"
GOLDEN = ROOT / "tests" / "golden"
SHOWN = ROOT / "training" / "shown"
# What is shipped has fewer parameters than these: a single model or a member, and an ensemble of all its members.
PARAMETERS_OF_A_MODEL, PARAMETERS_OF_AN_ENSEMBLE = 100_000, 1_000_000
_AREA = "area:"


@dataclass(frozen=True)
class Plan:
    """The runs of a task in one configuration.

    Attributes:
        recipe: the task.
        configuration: the configuration.
        runs: seed, fold (None if it is no cross-validation) and run.
        data_dir: the folder of the catalogue's tables.
    """

    recipe: Recipe
    configuration: Configuration
    runs: tuple[tuple[int, int | None, Run], ...]
    data_dir: Path

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.configuration} {self.recipe.name}"


def select(words: Iterable[str]) -> list[Recipe]:
    """The tasks that are asked for, each once: names, `area:AREA` or `all`.

    Raises:
        UserError: there is no such task or area.
    """
    everything = [load_recipe(name) for name in recipe_names()]
    chosen: dict[str, Recipe] = {}
    for word in words:
        if word == "all":
            found = everything
        elif word.startswith(_AREA):
            found = [recipe for recipe in everything if recipe.area == word.removeprefix(_AREA)]
            if not found:
                areas = sorted({recipe.area for recipe in everything})
                raise UserError(f"there is no area {word.removeprefix(_AREA)!r}; there are {', '.join(areas)}")
        else:
            found = [load_recipe(word)]
        chosen |= {recipe.name: recipe for recipe in found}
    return list(chosen.values())


def wanted(recipe: Recipe, asked: str) -> list[tuple[Recipe, Configuration]]:
    """Which tasks to train in which configurations for the results of a task, so that none is trained twice.

    Args:
        recipe: the task. If it is one output of another, that other one has its best models.
        asked: "paper", "best" or "both".
    """
    best = (recipe.trained_as("best"), best_configuration(recipe))
    of_asked: dict[str, list[tuple[Recipe, Configuration]]] = {
        "paper": [(recipe, "paper")],
        "best": [best],
        "both": [(recipe, "paper"), best],
    }
    return list({(one.name, configuration): (one, configuration) for one, configuration in of_asked[asked]}.values())


def plan(recipe: Recipe, configuration: Configuration, seeds: Sequence[int], data_dir: Path) -> Plan:
    """The runs of a task in one configuration.

    Raises:
        UserError: a table is missing, or a run is finished that had other options than the recipe has now.
    """
    tables = tuple(find_table(source.table, data_dir) for source in recipe.sources)
    folds = range(recipe.number_of_folds) if recipe.folds else (None,)
    runs = []
    for seed in dict.fromkeys(seeds):
        for fold in folds:
            name = f"seed-{seed}" if fold is None else f"seed-{seed}-fold-{fold}"
            folder = RUNS / configuration / recipe.name / name
            request = TrainRequest(
                task=recipe.name,
                data_dir=str(data_dir),
                configuration=configuration,
                fold=fold,
                changes={"seed": seed},
            )
            run = Run(f"{configuration} {recipe.name} {name}", train_command(request, folder), folder, tables)
            if run.is_finished and not _is_of(recipe, configuration, seed, run):
                raise UserError(f"{folder} holds a run with other options than the recipe has now; delete that folder")
            runs.append((seed, fold, run))
    return Plan(recipe, configuration, tuple(runs), data_dir)


def _is_of(recipe: Recipe, configuration: Configuration, seed: int, run: Run) -> bool:
    """Whether a finished run had the options that the recipe has."""
    model, options = recipe.configured(configuration)
    if TrainingOptions.from_dict(run.report()["options"]) != replace(options, seed=seed):
        return False
    found, asked = load_config(run.folder), LyraConfig(alphabet=recipe.alphabet, **model)
    chosen = LyraConfig.__annotations__.keys() - {"intervals"}  # these come of the validation rows, not of the recipe
    return all(getattr(found, name) == getattr(asked, name) for name in chosen)


class Keeper:
    """A watcher of runs that has a plan's results kept when the last of its runs has ended, unless one has failed.

    Args:
        watcher: is told all the same.
        plans: the plans whose runs are watched.
        keep: is called with a plan whose runs are all finished, by one thread at a time: to load models is not safe in
            several. The ends of other runs do not wait for it.
    """

    def __init__(self, watcher: Watcher, plans: Sequence[Plan], keep: Callable[[Plan], None]) -> None:
        self._watcher, self._keep = watcher, keep
        self._plan_of = {run.name: plan for plan in plans for _, _, run in plan.runs}
        self._to_come = {plan.name: {run.name for _, _, run in plan.runs} for plan in plans}
        self._lock, self._keeping = threading.Lock(), threading.Lock()
        self.failures: dict[str, str] = {}

    def started(self, run: Run) -> None:
        """A run starts, or goes on."""
        self._watcher.started(run)

    def said(self, run: Run, line: str) -> None:
        """A run has written a line."""
        self._watcher.said(run, line)

    def ended(self, run: Run, failure: str | None) -> None:
        """A run is finished, or has failed: then it is still to come for its plan."""
        self._watcher.ended(run, failure)
        if failure is not None:
            return
        its = self._plan_of[run.name]
        with self._lock:
            self._to_come[its.name].discard(run.name)
            is_last = not self._to_come[its.name]
        if is_last:
            with self._keeping:
                try:
                    self._keep(its)
                except Exception as error:  # whatever it is, the other tasks go on
                    self.failures[its.name] = str(error) if isinstance(error, UserError) else repr(error)


def keep(plan: Plan) -> None:
    """Join the models of a plan's seeds, keep all reports, and ship what is best if its task has a checkpoint.

    Raises:
        UserError: the recipe lacks what the card needs, or what is best has too many parameters to be shipped.
    """
    runs = tuple(TaskRun(seed, fold, run.report()) for seed, fold, run in plan.runs)
    outcome = Outcome(plan.recipe.name, plan.configuration, machine(), runs, join(plan))
    messages.print(f"{write_outcome(outcome, RESULTS).relative_to(ROOT)} is written")
    if plan.recipe.checkpoint is not None and plan.configuration == best_configuration(plan.recipe):
        (folder,) = [run.folder for seed, _, run in plan.runs if seed == outcome.best_seed]
        ship(plan.recipe, outcome, ensemble_run(plan).folder if outcome.ships_ensemble else folder)


def ensemble_run(plan: Plan) -> Run:
    """The ensemble of a plan's runs, beside them; no command makes it."""
    return Run(f"{plan.name} {ENSEMBLE_FOLDER}", (), plan.runs[0][2].folder.with_name(ENSEMBLE_FOLDER))


def join(plan: Plan) -> dict[str, Any] | None:
    """The report of the ensemble of a plan's finished runs, which is made unless it is there and newer than they are.

    None of a cross-validation, whose models were trained on different rows, and of a single seed.
    """
    if plan.recipe.folds or len(plan.runs) < 2:
        return None
    folders = [run.folder for _, _, run in plan.runs]
    with _one_thread():
        return joined_report(folders, ensemble_run(plan).folder, lambda: plan.recipe.load(plan.data_dir))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread, as the runs do that are under way meanwhile and have the other cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def machine() -> str:
    """What runs compute on, in words."""
    thread = f"1 CPU thread ({platform.machine()})"
    return f"{torch.cuda.get_device_name()} and {thread}" if torch.cuda.is_available() else thread


def check_size(model: LyraPreTrainedModel, name: str) -> None:
    """Refuse to ship a model that is too large.

    Raises:
        UserError: a member, or a single model, has 100,000 parameters or more, or an ensemble has 1,000,000 or more.
    """
    total, members = model.num_parameters(), model.config.ensemble_size
    if total // members >= PARAMETERS_OF_A_MODEL:
        what = "a member" if members > 1 else "the model"
        raise UserError(
            f"{name} cannot be shipped: {what} has {total // members:,} parameters, and must have fewer than "
            f"{PARAMETERS_OF_A_MODEL:,}"
        )
    if total >= PARAMETERS_OF_AN_ENSEMBLE:
        raise UserError(
            f"{name} cannot be shipped: the ensemble has {total:,} parameters, and must have fewer than "
            f"{PARAMETERS_OF_AN_ENSEMBLE:,}"
        )


def ship(recipe: Recipe, outcome: Outcome, folder: Path) -> None:
    """Put a model's weights and configuration among the checkpoints, with its card and its golden predictions.

    What the card shows of the weights is kept in training/shown. Card and tokenizer have one home each, `model_cards/`
    and `tokenizers/`, and are linked from the checkpoint.

    Raises:
        UserError: the model is too large.
    """
    name = str(recipe.checkpoint)
    model = load_model(str(folder))
    check_size(model, name)
    target = CHECKPOINTS / name
    target.mkdir(exist_ok=True)
    shutil.copyfile(folder / "model.safetensors", target / "model.safetensors")
    model.config.save_pretrained(target)  # not the file in the folder, which says where the code beside it is
    predictor = Predictor(model)
    write_golden(GOLDEN / f"{name}.json", predictor, made_up_sequences(recipe.alphabet, recipe.example))
    shown = show(predictor, recipe.example, machine())
    write_shown(shown, SHOWN / f"{name}.json")
    home = ROOT / "model_cards" / f"{name}.md"
    write_text(home, model_card(recipe, outcome, shown))
    links = {"README.md": home}
    links |= {
        file: ROOT / "tokenizers" / recipe.alphabet / file for file in ("tokenizer.json", "tokenizer_config.json")
    }
    for file, home in links.items():
        link = target / file
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(home, target))


def main() -> None:
    """Train the tasks, keep their reports, ship the checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", metavar="task", help="a task, area:AREA, or all")
    parser.add_argument("--configuration", choices=[*CONFIGURATIONS, "both"], default="best")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="the results are of these seeds")
    parser.add_argument("--jobs", type=int, help="runs at the same time, else one per core")
    parser.add_argument("--data-dir", help=f"folder of the catalogue's tables, else {DATA_VARIABLE}")
    arguments = parser.parse_args()
    data_dir = arguments.data_dir or os.environ.get(DATA_VARIABLE)
    if not data_dir:
        raise UserError(f"name the folder of the catalogue's tables with --data-dir or {DATA_VARIABLE}")
    plans, failures = [], {}
    pairs = [pair for recipe in select(arguments.tasks) for pair in wanted(recipe, arguments.configuration)]
    for recipe, configuration in {(one.name, its): (one, its) for one, its in pairs}.values():
        try:
            plans.append(plan(recipe, configuration, arguments.seeds, Path(data_dir).absolute()))
        except UserError as error:
            failures[f"{configuration} {recipe.name}"] = str(error)
    runs = [run for one in plans for _, _, run in one.runs]
    with RunsProgress(len(runs)) as progress:
        keeper = Keeper(progress, plans, keep)
        failures |= run_all(runs, keeper, arguments.jobs)
    failures |= keeper.failures
    if failures:
        reasons = "".join(f"\n  {name}: {reason}" for name, reason in sorted(failures.items()))
        raise UserError(f"{len(failures)} failed; the others are done{reasons}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"reproduce.py: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("reproduce.py: interrupted; the same command goes on from there") from None
