"""What the runs of the catalogue's tasks came to, and where that stands beside the figures of others.

The reports of a task's runs are kept in one JSON file for each configuration, `CONFIGURATION/TASK.json`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from ..training.summary import PREDICTION_INTERVALS, greater_is_better
from .recipe import Configuration, Recipe, Result


class Spread(NamedTuple):
    """A figure over seeds.

    Attributes:
        mean: its mean.
        deviation: its standard deviation, of a sample; None of one seed, and of an ensemble.
    """

    mean: float
    deviation: float | None


@dataclass(frozen=True)
class TaskRun:
    """One run of a task.

    Attributes:
        seed: its seed.
        fold: of a cross-validation, the fold that it was tested on.
        report: its training report, as `finetune` writes it.
    """

    seed: int
    fold: int | None
    report: Mapping[str, Any]


class Coverage(NamedTuple):
    """How well prediction intervals hold the labels of test rows.

    Attributes:
        level: the share that they shall hold.
        share: the share that they hold.
        width: how wide they are in the mean, in standard deviations of the labels; None where these are all alike.
    """

    level: float
    share: float
    width: float | None


@dataclass(frozen=True)
class Outcome:
    """What the runs of a task in one configuration came to; of a cross-validation, every seed has a run for each fold.

    It stands for the ensemble of the seeds' models where there is one that is not worse on the validation rows than the
    seeds are in the mean, and else for the mean over the seeds: `figure`, `interval`, `parameters` and `minutes` are of
    what it stands for. `of_seeds` is the same without the ensemble.

    Attributes:
        task: the task's name.
        configuration: which of its recipe's configurations was trained.
        machine: what it was trained on.
        runs: the runs, at least one.
        ensemble: the report of the ensemble of the seeds' models; None where there is none, as of a cross-validation.
    """

    task: str
    configuration: Configuration
    machine: str
    runs: tuple[TaskRun, ...]
    ensemble: Mapping[str, Any] | None = None

    @property
    def metric(self) -> str:
        """What the best epochs were picked by, and the task is reported by."""
        return str(self.runs[0].report["metric"])

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return sorted({run.seed for run in self.runs})

    @property
    def folds(self) -> int:
        """How many folds each seed was trained on; 0 if it is no cross-validation."""
        return len({run.fold for run in self.runs} - {None})

    @property
    def of_seeds(self) -> "Outcome":
        """The same without the ensemble: it stands for the mean over the seeds."""
        return replace(self, ensemble=None)

    def of_output(self, task: str, output: str) -> "Outcome":
        """The same as the outcome of a task that is one output of this one."""
        runs = tuple(replace(run, report=_report_of(run.report, output)) for run in self.runs)
        return replace(self, task=task, runs=runs, ensemble=self.ensemble and _report_of(self.ensemble, output))

    @property
    def joined(self) -> Mapping[str, Any] | None:
        """The ensemble's report if the outcome stands for the ensemble, else None."""
        if self.ensemble is None:
            return None
        mean_of_seeds = self.of_seeds.figure(self.metric, split="validation")
        is_worse = self._merit_of(self.ensemble) < self._merit(None if mean_of_seeds is None else mean_of_seeds.mean)
        return None if is_worse else self.ensemble

    @property
    def parameters(self) -> int:
        """Trainable parameters of a model, of an ensemble of all its members."""
        return int((self.joined or self.runs[0].report)["parameters"])

    @property
    def minutes(self) -> float:
        """Training time: of an ensemble that of all its members, else of a seed with all its folds, in the mean."""
        if self.joined is not None:
            return float(self.joined["minutes"])
        return float(sum(run.report["minutes"] for run in self.runs) / len(self.seeds))

    @property
    def best_seed(self) -> int:
        """The seed that is best on the validation rows; the first of equals."""
        values = self.values(self.metric, split="validation")
        return max(self.seeds, key=lambda seed: self._merit(values[seed]))

    @property
    def best_run(self) -> TaskRun:
        """The run of the best seed; of a cross-validation, its first."""
        return next(run for run in self.runs if run.seed == self.best_seed)

    @property
    def is_refitted(self) -> bool:
        """Whether the models have learned from the validation rows too, so that those cannot tell them apart."""
        return bool(self.runs[0].report.get("options", {}).get("refit"))

    @property
    def ships_ensemble(self) -> bool:
        """Whether the ensemble is shipped: where it is better on the validation rows than the best seed.

        Where these rows were learned from too, the ensemble is shipped in any case, since they cannot speak for a seed.
        """
        if self.ensemble is None:
            return False
        return self.is_refitted or self._merit_of(self.ensemble) > self._merit_of(self.best_run.report)

    @property
    def shipped_report(self) -> Mapping[str, Any]:
        """The report of what is shipped: the ensemble, or the best seed."""
        return self.ensemble if self.ensemble is not None and self.ships_ensemble else self.best_run.report

    def values(
        self, metric: str, subset: str | None = None, output: str | None = None, *, split: str = "test"
    ) -> dict[int, float | None]:
        """A figure of each seed, by the seed; over folds it is the mean.

        Args:
            metric: name of the metric.
            subset: the part of the test rows that it is of; None for all of them.
            output: the output that it is of; None for the only one, or the mean over them.
            split: "test" or "validation".

        Returns:
            None in place of a figure that was not measured, or that the data leave undefined.
        """
        found: dict[int, float | None] = {}
        for seed in self.seeds:
            values = [_look_up(run.report[split], metric, subset, output) for run in self.runs if run.seed == seed]
            defined = [value for value in values if value is not None]
            found[seed] = mean(defined) if len(defined) == len(values) else None
        return found

    def figure(
        self, metric: str, subset: str | None = None, output: str | None = None, *, split: str = "test"
    ) -> Spread | None:
        """A figure of the ensemble, or over the seeds; arguments as of `values`. None if it is not there for all."""
        if self.joined is not None:
            value = _look_up(self.joined[split], metric, subset, output)
            return None if value is None else Spread(value, None)
        values = self.values(metric, subset, output, split=split).values()
        defined = [value for value in values if value is not None]
        if len(defined) < len(values):
            return None
        return Spread(mean(defined), stdev(defined) if len(defined) > 1 else None)

    def interval(self, subset: str | None = None) -> tuple[float, float] | None:
        """The 95 % bootstrap interval of the metric: of the ensemble, or of the seed that is best on validation.

        None where it is undefined, where a report of an older version has none, and of a cross-validation, in which
        each fold has its own.
        """
        test = (self.joined or self.best_run.report)["test"]
        part = test if subset is None else test.get("subsets", {}).get(subset, {})
        ends = part.get("interval")
        return (float(ends[0]), float(ends[1])) if ends and not self.folds else None

    def coverage(self) -> Coverage | None:
        """How well prediction intervals hold the test labels.

        Of the ensemble, if the outcome stands for it and it has been measured; else of the runs that have been, in the
        mean. None where no report tells it.
        """
        reports = [self.joined] if self.joined else []
        reports = [one for one in reports if PREDICTION_INTERVALS in one["test"]] or [run.report for run in self.runs]
        found = [report["test"].get(PREDICTION_INTERVALS) for report in reports]
        known = [its for its in found if its is not None and its["coverage"] is not None]
        if not known:
            return None
        widths = [its["width"] for its in known if its["width"] is not None]
        share = mean(its["coverage"] for its in known)
        return Coverage(known[0]["level"], share, mean(widths) if widths else None)

    def _merit(self, value: float | None) -> float:
        """A value of the metric as a number of which more is better; what is undefined is worse than anything."""
        if value is None:
            return float("-inf")
        return value if greater_is_better(self.metric) else -value

    def _merit_of(self, report: Mapping[str, Any]) -> float:
        return self._merit(report["validation"][self.metric])


@dataclass(frozen=True)
class Comparison:
    """A figure of somebody else's and ours, on the same rows and output.

    Attributes:
        result: theirs.
        ours: ours.
        parameters: of our model.
    """

    result: Result
    ours: Spread
    parameters: int

    @property
    def margin(self) -> float:
        """By how much ours is better; negative if it is worse."""
        difference = self.ours.mean - self.result.value
        return difference if greater_is_better(self.result.metric) else -difference

    @property
    def is_above(self) -> bool:
        """Whether ours is better."""
        return self.margin > 0

    @property
    def ratio(self) -> float | None:
        """How many times the parameters of our model theirs has, where that is known."""
        return None if self.result.parameters is None else self.result.parameters / self.parameters


@dataclass(frozen=True)
class Standing:
    """Where a task stands.

    Attributes:
        recipe: the task.
        paper: what the paper's configuration came to, for the mean over the seeds alone; None if it was not run.
        best: what the best configuration came to: the paper's, if no better one is known. None if it was not run.
        published: the best comparable published figure of every part and output, beside ours.
        elsewhere: the same of published figures of other rows or by another protocol.
        baselines: the same of simple methods.
    """

    recipe: Recipe
    paper: Outcome | None
    best: Outcome | None
    published: list[Comparison]
    elsewhere: list[Comparison]
    baselines: list[Comparison]

    @property
    def outcome(self) -> Outcome | None:
        """What is held against others: the best configuration, or the paper's until that is run."""
        return self.best or self.paper

    @property
    def above_published(self) -> bool | None:
        """Whether ours is above the best comparable published figure; None if there is none."""
        return _is_above(self.published)

    @property
    def above_elsewhere(self) -> bool | None:
        """The same of figures that are of other rows or by another protocol, where none is comparable."""
        return None if self.published else _is_above(self.elsewhere)

    @property
    def above_baseline(self) -> bool | None:
        """Whether ours is above the best baseline; None if there is none."""
        return _is_above(self.baselines)


def best_configuration(recipe: Recipe) -> Configuration:
    """The configuration whose runs are a task's best: the paper's, if no better one is known."""
    return "paper" if recipe.trained_as("best").training is None else "best"


def outcome_path(folder: Path, task: str, configuration: Configuration) -> Path:
    """The file of an outcome in the folder of results."""
    return folder / configuration / f"{task}.json"


def write_outcome(outcome: Outcome, folder: Path) -> Path:
    """Keep an outcome in the folder of results; returns the file."""
    path = outcome_path(folder, outcome.task, outcome.configuration)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "task": outcome.task,
        "configuration": outcome.configuration,
        "machine": outcome.machine,
        "runs": [{"seed": run.seed, "fold": run.fold, **run.report} for run in outcome.runs],
        "ensemble": outcome.ensemble,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read_outcome(path: Path) -> Outcome:
    """An outcome from its file; that of an older version knows of no ensemble."""
    content = json.loads(path.read_text(encoding="utf-8"))
    runs = [TaskRun(run.pop("seed"), run.pop("fold"), run) for run in content["runs"]]
    return Outcome(content["task"], content["configuration"], content["machine"], tuple(runs), content.get("ensemble"))


def standing(recipe: Recipe, folder: Path) -> Standing:
    """Where a task stands, by the outcomes in the folder of results."""
    trained = recipe.trained_as("best")
    paths = [
        outcome_path(folder, recipe.name, "paper"),
        outcome_path(folder, trained.name, best_configuration(recipe)),
    ]
    paper, best = [read_outcome(path) if path.is_file() else None for path in paths]
    paper = paper.of_seeds if paper else None
    if best is not None and recipe.joint_output is not None:
        best = best.of_output(recipe.name, recipe.joint_output)
    outcome = best or paper
    return Standing(
        recipe,
        paper,
        best,
        compare(outcome, best_of_each_part(recipe, recipe.published)) if outcome else [],
        compare(outcome, best_of_each_part(recipe, recipe.published, comparable=False)) if outcome else [],
        compare(outcome, best_of_each_part(recipe, recipe.baseline)) if outcome else [],
    )


def best_of_each_part(recipe: Recipe, results: Sequence[Result], *, comparable: bool = True) -> list[Result]:
    """The best figure on the task's metric, for every part of the test rows and every output with one.

    Args:
        recipe: the task.
        results: figures of others.
        comparable: whether those of the same rows and protocol count, or the others.
    """
    best: dict[tuple[str | None, str | None], Result] = {}
    for result in results:
        if result.metric == recipe.metric and result.comparable == comparable:
            key = (result.subset, result.output)
            if key not in best or _is_better(result, best[key]):
                best[key] = result
    return list(best.values())


def compare(outcome: Outcome, results: Sequence[Result]) -> list[Comparison]:
    """Figures of others beside ours, where ours were measured."""
    pairs = [(result, outcome.figure(result.metric, result.subset, result.output)) for result in results]
    return [Comparison(result, ours, outcome.parameters) for result, ours in pairs if ours is not None]


def headline(comparisons: Sequence[Comparison]) -> Comparison | None:
    """The comparison that counts: on all test rows, or, if there are only parts or outputs, where ours does worst."""
    whole = [comparison for comparison in comparisons if comparison.result.is_of_everything]
    return min(whole or comparisons, key=lambda comparison: comparison.margin, default=None)


def best_published(recipe: Recipe) -> Result | None:
    """The best comparable published figure on the task's metric: on all test rows, or, without one, on any part."""
    results = best_of_each_part(recipe, recipe.published)
    whole = [result for result in results if result.is_of_everything]
    sign = 1 if greater_is_better(recipe.metric) else -1
    return max(whole or results, key=lambda result: sign * result.value, default=None)


def _is_above(comparisons: Sequence[Comparison]) -> bool | None:
    chosen = headline(comparisons)
    return None if chosen is None else chosen.is_above


def _is_better(one: Result, other: Result) -> bool:
    return one.value > other.value if greater_is_better(one.metric) else one.value < other.value


def _report_of(report: Mapping[str, Any], output: str) -> dict[str, Any]:
    """A report with the metrics of one of its outputs in the place of the means over all."""
    test = dict(report["test"]["outputs"][output])
    subsets = {name: part["outputs"][output] for name, part in report["test"].get("subsets", {}).items()}
    return {
        **report,
        "validation": report["validation"]["outputs"][output],
        "test": {**test, "subsets": subsets} if subsets else test,
    }


def _look_up(metrics: Mapping[str, Any], metric: str, subset: str | None, output: str | None) -> float | None:
    part = metrics if subset is None else metrics.get("subsets", {}).get(subset, {})
    part = part if output is None else part.get("outputs", {}).get(output, {})
    value = part.get(metric)
    return None if value is None else float(value)
