"""`python -m benchmarks`: the whole comparison in one run, tables to standard output, progress to standard error."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from lyra_hf.inference.loading import quiet_transformers

from .agreement import agreement
from .cases import Settings
from .endtoend import endtoend
from .floor import floor
from .inference import esm, gpu, inference
from .machine import Neighbours, describe_machine
from .memory import memory, parameters, scaling
from .report import Section, as_json, markdown, show_header, show_section
from .results import Result
from .training import training

Measure = Callable[[Settings], Iterator[Result]]

# Name -> title and what measures it, in the order of the run.
SECTIONS: dict[str, tuple[str, Measure]] = {
    "agreement": ("Agreement: the largest difference from the published definition", agreement),
    "floor": ("Floor: the published arithmetic, at this machine's rates", floor),
    "inference": ("Inference on the CPU, float32; ratio to the definition", inference),
    "esm": ("ESM-2 and our engine on the CPU, float32; ratio to ESM-2", esm),
    "parameters": ("Parameters; ratio to ours", parameters),
    "memory": ("Peak memory on one sequence, above that of the imports", memory),
    "scaling": ("Time on one long sequence; ratio to the shorter one", scaling),
    "training": ("A training step on the CPU, float32; ratio to the definition", training),
    "endtoend": ("A file in, a file out; ratio to the engine alone", endtoend),
    "gpu": ("Inference on a GPU; ratio to the definition", gpu),
}
ALWAYS = "agreement"  # speeds of things that do not agree mean nothing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 1 if the contestants do not agree, else 0.

    Raises:
        RuntimeError: a contestant has changed the number of threads for those after it.
    """
    options = parse(arguments)
    torch.set_num_threads(options.threads)
    settings = Settings(quick=options.quick, threads=options.threads)
    # Where output goes to a file there is no width to fit into.
    console = Console(width=None if sys.stdout.isatty() else 200)
    progress = Console(stderr=True)
    machine = describe_machine(options.threads)
    show_header(console, machine)

    start = time.monotonic()
    sections = []
    with quiet_transformers():
        for name, (title, measure) in SECTIONS.items():
            if name != ALWAYS and options.only and name not in options.only:
                continue
            results: list[Result] = []
            progress.print(f"[{time.monotonic() - start:5.0f} s] {name} ...", highlight=False, markup=False)
            share, neighbours = None, Neighbours()
            for result in measure(settings):
                if not results or results[-1].case != result.case:
                    progress.print(f"          {result.case}", highlight=False, markup=False)
                    # A case's first result comes when the whole case has been measured.
                    share, neighbours = neighbours.share(), Neighbours()
                results.append(replace(result, neighbours=share))
            if torch.get_num_threads() != options.threads:
                raise RuntimeError(f"{name} has left PyTorch with {torch.get_num_threads()} threads")
            section = Section(name, title, results)
            show_section(console, section)
            sections.append(section)
            if name == ALWAYS and not all(result.goal_is_met for result in results):
                progress.print("The outputs do not agree; speeds are not measured.", style="bold red")
                return 1
    progress.print(f"[{time.monotonic() - start:5.0f} s] done", highlight=False, markup=False)

    if options.json is not None:
        options.json.write_text(json.dumps(as_json(machine, sections), indent=1) + "\n", encoding="utf-8")
    if options.markdown is not None:
        options.markdown.write_text(markdown(machine, sections), encoding="utf-8")
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in under a minute")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="NAME", help=", ".join(SECTIONS))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), metavar="N", help="of PyTorch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all results there, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the tables there, too")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
