"""Writes docs/results.md, and the table in README.md, from the recipes and the reports in training/results.

    python training/results_table.py

What it writes depends on nothing else, so that a test can tell whether the committed page is up to date.
"""

from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

from checkpoint_table import with_checkpoints

from lyra_hf.tasks.outcomes import Comparison, Outcome, Spread, Standing, best_configuration, headline, standing
from lyra_hf.tasks.recipe import Recipe, Result, load_recipe, recipe_names

ROOT = Path(__file__).absolute().parents[1]
RESULTS = ROOT / "training" / "results"
PAGE = ROOT / "docs" / "results.md"
README = ROOT / "README.md"
_MANY = 500  # test rows, enough to measure a coverage
_COVERED = (0.87, 0.93)  # what passes for 90 %
_SEEDS = 3  # as many at least should have been trained of every task
_RECIPES = "../src/lyra_hf/tasks/recipes"
_HEADINGS = (
    "task",
    "train / validation / test rows",
    "metric",
    "paper's configuration",
    "best configuration",
    "baseline",
    "best published",
    "parameters",
    "theirs / ours",
    "minutes",
    "seeds",
)
_HEAD = """\
# Results on every task of the catalogue

Made by `make results` from the recipes and the reports in [training/results](../training/results); not written by hand.

Every model is trained on the training rows of its task alone, or of the task that it is a part of, from random weights
or, where it is said below, from those of another task's. The epoch is picked on the validation rows.
The test rows are read once per seed, and once for the ensemble of the seeds, after the model has been saved; no choice
was made on them.

*Paper's configuration* is the authors' released model with plain training options (epochs and batch size by the number
of rows): single models, mean ± standard deviation over seeds. *Best configuration* was chosen on the validation rows.
Its models of all seeds are joined into one ensemble, nothing being trained again. Where that is not worse on the
validation rows than the seeds are in the mean, its figure is what is shown and held against others, and mean ±
standard deviation of its seeds stand behind it; elsewhere the seeds' mean counts. Where no configuration better than
the paper's is known, the best is "as paper", or the ensemble of the paper's seeds by the same rule. Of a task that is
one output of another task, it is that output of the other's models. The range in
brackets is the 95 % bootstrap interval, over test sequences, of the ensemble, or else of the seed that is best on
validation. Of a cross-validation (rows of its first round, "x 5") the figure of a seed is the mean over the folds, and
there is neither an ensemble nor one interval. Parameters are those of a model, of an ensemble all its members'. Minutes
are those of one seed, all folds together, of an ensemble those of all its seeds, while other runs kept the other cores
busy.

*Above* and *below* say where ours stands against that figure of somebody else (of an error, above means smaller). Each
figure is held against ours on its own part of the test rows and its own output. Where there are only such parts, the
one on which ours does worst is shown. The baseline is the best of the simple methods (ridge, logistic regression,
random forest, gradient boosting) on the same rows. † marks what was written down from memory and not read again; take
such a figure as a hint. In brackets after a method: its parameters, where they are known. *theirs / ours*: how many
times our parameters the best published model has.
"""


def page(standings: Sequence[Standing]) -> str:
    """The whole page in Markdown."""
    parts = [_HEAD, "\n".join(_totals(standings))]
    for area in sorted({one.recipe.area for one in standings}):
        parts += _area(area, [one for one in standings if one.recipe.area == area])
    parts += [_below(standings), _beside(standings), _coverage(standings)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _totals(standings: Sequence[Standing]) -> list[str]:
    outcomes = {one.recipe.name: one.outcome for one in standings if one.outcome}
    machines = sorted({outcome.machine for outcome in outcomes.values()})
    lines = [
        f"- Tasks: {len(standings)}, of which {len(outcomes)} have been trained, "
        f"{sum(len(outcome.seeds) >= _SEEDS for outcome in outcomes.values())} with at least {_SEEDS} seeds",
        f"- Above the best baseline: {_count([one.above_baseline for one in standings])}",
        f"- Above the best comparable published figure: {_count([one.above_published for one in standings])}",
        "- Above the best published figure of other rows or by another protocol, where none is comparable: "
        f"{_count([one.above_elsewhere for one in standings])}",
    ]
    if outcomes:
        longest = max(outcomes, key=lambda name: outcomes[name].minutes)
        lines += [
            f"- Longest training: {_minutes(outcomes[longest])} minutes (`{longest}`)",
            f"- Trained on: {', '.join(machines)}",
        ]
    starts = [
        f"`{one.recipe.name}` from `{one.recipe.training.start}`"
        for one in standings
        if one.best is not None and one.recipe.training is not None and one.recipe.training.start is not None
    ]
    return [*lines, *([f"- Started from weights of another task: {', '.join(starts)}"] if starts else [])]


def _count(flags: Sequence[bool | None]) -> str:
    known = [flag for flag in flags if flag is not None]
    return f"{sum(known)} of the {len(known)} trained tasks that have one"


def _area(area: str, standings: Sequence[Standing]) -> list[str]:
    parts = [f"## {area}"]
    trained = {one.recipe.name: _cells(one, one.outcome) for one in standings if one.outcome is not None}
    if trained:
        lines = ["| " + " | ".join(_HEADINGS) + " |", "|---|---|---|---|---|---|---|---:|---:|---:|---:|"]
        parts.append("\n".join([*lines, *("| " + " | ".join(cells) + " |" for cells in trained.values())]))
    notes = _notes(standings)
    others = [f"`{one.recipe.name}`" for one in standings if one.recipe.name not in trained]
    if others:
        notes.append(f"- Not trained yet: {', '.join(others)}")
    return [*parts, *(["\n".join(notes)] if notes else [])]


def _cells(one: Standing, outcome: Outcome) -> list[str]:
    recipe = one.recipe
    published = headline(one.published)
    rows = " / ".join(f"{number:,}" for number in recipe.size)
    return [
        f"[{recipe.name}]({_RECIPES}/{recipe.name}.yaml)",
        f"{rows} x {recipe.number_of_folds}" if recipe.folds else rows,
        recipe.metric,
        _ours(one.paper),
        _best(one),
        _theirs(headline(one.baselines), with_method=False),
        _theirs(published, with_method=True),
        f"{outcome.parameters:,}",
        f"{published.ratio:,.0f}" if published and published.ratio else "",
        _minutes(outcome),
        str(len(outcome.seeds)),
    ]


def _best(one: Standing) -> str:
    """The best configuration: the ensemble and its seeds, or the seeds alone."""
    is_the_papers = best_configuration(one.recipe) == "paper" and one.recipe.joint is None and one.best is not None
    if one.best is None or one.best.joined is None:
        return "as paper" if is_the_papers else _ours(one.best)
    return f"{_ours(one.best)}; seeds {'as paper' if is_the_papers else _figure(one.best.of_seeds)}"


def _ours(outcome: Outcome | None) -> str:
    if outcome is None:
        return ""
    interval = outcome.interval()
    return _figure(outcome) + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")


def _figure(outcome: Outcome) -> str:
    return _spread(outcome.figure(outcome.metric))


def _theirs(comparison: Comparison | None, *, with_method: bool) -> str:
    if comparison is None:
        return ""
    result = comparison.result
    text = f"{result.value:.3f}" + ("†" if result.is_recalled else "")
    if with_method:
        text += f" {result.method}" + (f" ({_count_of(result.parameters)})" if result.parameters else "")
    if not result.is_of_everything:
        text += f", on {_part(result)}, ours {comparison.ours.mean:.3f}"
    return f"{text}: {'above' if comparison.is_above else 'below'}"


def _notes(standings: Sequence[Standing]) -> list[str]:
    """Where the published figures of an area stand, each source once; and how several parts or outputs compare."""
    tasks_of: dict[str, list[str]] = {}
    for one in standings:
        comparison = headline(one.published)
        if comparison is not None:
            result = comparison.result
            text = f"{result.method}{'†' if result.is_recalled else ''}: {result.source}"
            tasks_of.setdefault(text, []).append(f"`{one.recipe.name}`")
    lines = [f"- {', '.join(tasks)}: {text}" for text, tasks in tasks_of.items()]
    several = [
        f"`{one.recipe.name}` {sum(comparison.is_above for comparison in one.published)} of {len(one.published)}"
        for one in standings
        if len(one.published) > 1
    ]
    if several:
        lines.append(f"- Parts and outputs on which ours is above the best published figure: {', '.join(several)}")
    return lines


def _below(standings: Sequence[Standing]) -> str:
    lines = ["## Below the baseline\n"]
    for one in standings:
        comparison = headline(one.baselines)
        if comparison is not None and not comparison.is_above:
            tried = one.recipe.tried.strip()
            lines.append(
                f"- `{one.recipe.name}`: {one.recipe.metric}{_of(comparison.result)} {_spread(comparison.ours)}, "
                f"baseline {comparison.result.value:g} ({comparison.result.method})"
                + (f". Tried: {tried}" if tried else "")
            )
    if len(lines) == 1:
        lines.append("No trained task.")
    return "\n".join(lines)


def _beside(standings: Sequence[Standing]) -> str:
    text = (
        "Tasks whose published figures are all of other rows, by another protocol or of another metric than the one "
        "that the task is reported by. They say what range to expect, not who is better."
    )
    lines = [f"## Beside the published\n\n{fill(text, 120)}\n"]
    lines += ["| task | figure | ours | method | where it stands |", "|---|---|---|---|---|"]
    for one in standings:
        if not _has_comparable(one.recipe):
            for result in one.recipe.published:
                ours = one.outcome.figure(result.metric, result.subset, result.output) if one.outcome else None
                lines.append(
                    f"| `{one.recipe.name}` | {result.metric} {result.value:g}{'†' if result.is_recalled else ''}"
                    f"{_of(result)} | {_spread(ours)} | {result.method} | {result.source} |"
                )
    return "\n".join(lines)


def _coverage(standings: Sequence[Standing]) -> str:
    """How well the prediction intervals of every regression hold the test labels."""
    outcomes = [(one.recipe, one.outcome) for one in standings if one.recipe.problem_type == "regression"]
    found = [(recipe, outcome.coverage() if outcome else None) for recipe, outcome in outcomes]
    known = [(recipe, coverage) for recipe, coverage in found if coverage is not None]
    like = [coverage for recipe, coverage in known if recipe.split_kind != "shifted" and recipe.size[2] >= _MANY]
    low, high = _COVERED
    text = (
        "Of the regressions: the share of the test labels that lie in their 90 % prediction interval, and how wide the "
        "intervals are in the mean, in standard deviations of the test labels. The intervals were fitted to the "
        "validation rows. They can be right where the test rows are like these: drawn at random with them, or other "
        "groups dealt by the same rule. On shifted test rows (more mutations, another stretch, another experiment) no "
        "such promise holds, and the coverage is what it is. Of an ensemble where that has been measured, else of the "
        f"first seed. Of the {len(like)} tasks with random or grouped test rows, at least {_MANY} of them, "
        f"{sum(low <= one.share <= high for one in like)} are covered to {low:.0%} to {high:.0%}."
    )
    lines = [f"## Prediction intervals\n\n{fill(text, 120)}\n"]
    lines += ["| task | test rows | they are | coverage | width |", "|---|---:|---|---:|---:|"]
    for recipe, coverage in known:
        width = "" if coverage.width is None else f"{coverage.width:.2f}"
        lines.append(f"| `{recipe.name}` | {recipe.size[2]:,} | {recipe.split_kind} | {coverage.share:.3f} | {width} |")
    missing = [f"`{recipe.name}`" for recipe, coverage in found if coverage is None]
    if missing:
        lines.append(f"\nNot measured, or with too few validation rows to have any: {', '.join(missing)}.")
    return "\n".join(lines)


def _has_comparable(recipe: Recipe) -> bool:
    return any(result.comparable and result.metric == recipe.metric for result in recipe.published)


def _of(result: Result) -> str:
    return "" if result.is_of_everything else f" on {_part(result)}"


def _part(result: Result) -> str:
    return ", ".join(part for part in (result.subset, result.output) if part)


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return ""
    return f"{spread.mean:.3f}" + (f" ± {spread.deviation:.3f}" if spread.deviation is not None else "")


def _minutes(outcome: Outcome) -> str:
    return f"{outcome.minutes:.0f}" if outcome.minutes >= 1 else "below 1"


def _count_of(parameters: int) -> str:
    """A number of parameters in words, as papers give it."""
    for scale, name in ((1_000_000_000, "billion"), (1_000_000, "million")):
        if parameters >= scale:
            return f"{parameters / scale:g} {name}"
    return f"{parameters:,}"


def main() -> None:
    """Write the page, and the table among the rest of README.md."""
    standings = [standing(load_recipe(name), RESULTS) for name in recipe_names()]
    PAGE.write_text(page(standings), encoding="utf-8")
    README.write_text(with_checkpoints(README.read_text(encoding="utf-8"), standings), encoding="utf-8")


if __name__ == "__main__":
    main()
