"""Trains a task of the catalogue with several seeds and, where it has a checkpoint, ships the best on validation.

    python training/reproduce.py kim2019_spcas9 --data-dir DATA --seeds 0 1 2 --jobs 2

Each seed is a run of `lyra-hf train --task` in a process of its own, in runs/TASK/seed-N. What is finished is not done
again, and what was broken off goes on. The reports of all seeds are kept in training/results/TASK.json.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lyra_hf.hub.card import model_card
from lyra_hf.tasks.recipe import Recipe, find_table, load_recipe
from lyra_hf.training.finetune import REPORT_FILE

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "training" / "results"
CHECKPOINTS = ROOT / "src" / "lyra_hf" / "checkpoints"


def train_seed(task: str, seed: int, data_dir: Path, threads: int) -> Path:
    """Run one seed, unless its report is there."""
    folder = ROOT / "runs" / task / f"seed-{seed}"
    if not (folder / REPORT_FILE).is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "lyra_hf.cli", "train", "--task", task, "-o", str(folder)]
        with (folder / "log.txt").open("w", encoding="utf-8") as log:
            subprocess.run(
                [*command, "--data-dir", str(data_dir), "--seed", str(seed)],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )
    return folder


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
    """Train the seeds, keep their reports, ship the best."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task")
    parser.add_argument("--data-dir", type=Path, default=os.environ.get("LYRA_HF_DATA"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="seeds trained at the same time")
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.task)
    data_dir = find_table(recipe, arguments.data_dir).parents[1]
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        folders = list(pool.map(lambda seed: train_seed(recipe.name, seed, data_dir, threads), arguments.seeds))
    reports = [json.loads((folder / REPORT_FILE).read_text(encoding="utf-8")) for folder in folders]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{recipe.name}.json").write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    best = max(range(len(reports)), key=lambda index: reports[index]["validation"][recipe.metric])
    machine = f"{threads} CPU thread{'s' if threads > 1 else ''} ({platform.machine()})"
    if recipe.checkpoint is not None:
        ship(recipe, folders[best], model_card(recipe, reports, best, machine))


if __name__ == "__main__":
    main()
