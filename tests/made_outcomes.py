"""Training reports and outcomes with figures that tests choose."""

from lyra_hf.tasks.outcomes import Outcome, TaskRun


def made_report(validation, test, metric="spearman", minutes=4.0, rows=(80, 10, 10), **of_test):
    """A training report as `finetune` returns it; figures are dictionaries, or the metric's own value."""
    figures = [value if isinstance(value, dict) else {metric: value} for value in (validation, test)]
    return {
        "validation": {**figures[0], "n": rows[1]},
        "test": {**figures[1], "n": rows[2], **of_test},
        "best_epoch": 3.0,
        "metric": metric,
        "minutes": minutes,
        "parameters": 50_000,
        "rows": dict(zip(("train", "validation", "test"), rows, strict=True)),
        "options": {"seed": 0},
    }


def made_ensemble(validation, test, seeds=2, **further):
    """The report of an ensemble of seeds 0, 1, ... as `join_runs` returns it; arguments as of `made_report`."""
    report = made_report(validation, test, **further)
    options = {"seed": list(range(seeds))}
    return {**report, "best_epoch": None, "parameters": seeds * report["parameters"], "options": options}


def made_outcome(*reports, task="made_up", configuration="best", folds=0, ensemble=None):
    """An outcome; its reports are those of seeds 0, 1, ..., or of the folds of seed 0, of seed 1, ..."""
    runs = []
    for number, report in enumerate(reports):
        seed, fold = divmod(number, folds) if folds else (number, None)
        runs.append(TaskRun(seed, fold, {**report, "options": {**report["options"], "seed": seed}}))
    return Outcome(task, configuration, "a laptop", tuple(runs), ensemble)
