"""Trains tasks of the catalogue with several seeds each; of those with a checkpoint it ships the best on validation.

    python training/reproduce.py kim2019_spcas9 --data-dir DATA --seeds 0 1 2

Each seed is a run of `lyra-hf train --task` in a process of its own with one thread, in runs/TASK/seed-N; as many run
at a time as there are cores. What is finished is not done again, and what was broken off goes on. The reports of all
seeds are kept in training/results/TASK.json.
"""

import argparse
import json
import os
import platform
import shutil
from pathlib import Path

from lyra_hf import UserError
from lyra_hf.cli.training import RunsProgress, TrainRequest, train_command
from lyra_hf.hub.card import model_card
from lyra_hf.tasks.recipe import Recipe, find_table, load_recipe
from lyra_hf.training.parallel import Run, run_all
from lyra_hf.training.summary import best_run

ROOT = Path(__file__).absolute().parents[1]
RESULTS = ROOT / "training" / "results"
CHECKPOINTS = ROOT / "src" / "lyra_hf" / "checkpoints"


def seed_run(recipe: Recipe, seed: int, data_dir: Path) -> Run:
    """The run of one seed of a task."""
    folder = ROOT / "runs" / recipe.name / f"seed-{seed}"
    request = TrainRequest(task=recipe.name, data_dir=str(data_dir), changes={"seed": seed})
    return Run(f"{recipe.name} {folder.name}", train_command(request, folder), folder)


def keep(recipe: Recipe, runs: list[Run]) -> None:
    """Keep the reports of a task's runs and, if it has a checkpoint, ship the best."""
    reports = [run.report() for run in runs]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{recipe.name}.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    if recipe.checkpoint is not None:
        names = [run.name for run in runs]
        best = names.index(best_run(dict(zip(names, reports, strict=True))))
        ship(recipe, runs[best].folder, model_card(recipe, reports, best, f"1 CPU thread ({platform.machine()})"))


def ship(recipe: Recipe, folder: Path, card: str) -> None:
    """Put a run's weights and configuration among the checkpoints, and its card among the cards.

    Card and tokenizer have one home each, `model_cards/` and `tokenizers/`, and are linked from the checkpoint.
    """
    target = CHECKPOINTS / str(recipe.checkpoint)
    target.mkdir(exist_ok=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(folder / name, target / name)
    home = ROOT / "model_cards" / f"{recipe.checkpoint}.md"
    home.write_text(card, encoding="utf-8")
    links = {"README.md": home}
    links |= {
        name: ROOT / "tokenizers" / recipe.alphabet / name for name in ("tokenizer.json", "tokenizer_config.json")
    }
    for name, home in links.items():
        link = target / name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(home, target))


def main() -> None:
    """Train the seeds of the tasks, keep their reports, ship the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", metavar="task")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, help="runs at the same time, else one per core")
    arguments = parser.parse_args()
    runs: list[tuple[Recipe, list[Run]]] = []
    for recipe in map(load_recipe, arguments.tasks):
        data_dir = find_table(recipe, arguments.data_dir).absolute().parents[1]
        runs.append((recipe, [seed_run(recipe, seed, data_dir) for seed in arguments.seeds]))
    everything = [run for _, of_task in runs for run in of_task]
    with RunsProgress(len(everything)) as progress:
        failures = run_all(everything, progress, arguments.jobs)
    for recipe, of_task in runs:
        if not any(run.name in failures for run in of_task):
            keep(recipe, of_task)
    if failures:
        raise UserError(f"{len(failures)} of {len(everything)} runs failed: {', '.join(sorted(failures))}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"reproduce.py: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit("reproduce.py: interrupted; the same command goes on from there") from None
