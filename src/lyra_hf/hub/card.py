"""Model cards of the catalogue's checkpoints, made of the recipe and the results of its runs, never by hand."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from ..cards import CITATION, PLACEHOLDER, UNNAMED, changed, markdown_table, on_members
from ..configuration_lyra import LyraConfig
from ..errors import UserError
from ..tasks.outcomes import Outcome, Spread
from ..tasks.recipe import Recipe, Result
from ..training.options import TrainingOptions
from ..training.summary import PREDICTION_INTERVALS, metric_names
from .sentences import on_bootstrap, on_coverage
from .shown import Shown

_PIPELINES = {"sequence": "text-classification", "residue": "token-classification"}
_TERMS = {
    "apache-2.0": "The weights are under Apache-2.0.",
    "cc-by-nc-4.0": (
        "The weights were trained on data that may not be used commercially, and may not be either: they are under "
        "CC BY-NC 4.0."
    ),
    "other": (
        "The weights were trained on data without a licence, or under one that reserves more than research (see the "
        "terms above). They are for research alone, and give no rights in the data; whoever wants more asks the "
        "authors of the data."
    ),
}


def model_card(recipe: Recipe, outcome: Outcome, shown: Shown) -> str:
    """The card of a task's checkpoint: the ensemble of its seeds, or the best seed if that is better on validation.

    Args:
        recipe: the task.
        outcome: what its runs came to.
        shown: what the checkpoint gives for its example, and how fast it is.

    Raises:
        UserError: the recipe names no checkpoint, or is a cross-validation, which has no one model to ship.
    """
    if recipe.checkpoint is None:
        raise UserError(f"task {recipe.name} ships no checkpoint, so it has no card")
    if recipe.folds:
        raise UserError(f"task {recipe.name} is a cross-validation, which has no one model to ship")
    report = outcome.shipped_report
    ours = outcome if outcome.ships_ensemble else outcome.of_seeds
    model, options = recipe.configured(outcome.configuration)
    config = LyraConfig(alphabet=recipe.alphabet, **model)
    members = config.ensemble_size * (len(outcome.seeds) if outcome.ships_ensemble else 1)
    template = Path(__file__).with_name("card_template.md").read_text(encoding="utf-8")
    return template.format(
        front_matter=_front_matter(recipe, report, shown),
        name=recipe.checkpoint,
        title=recipe.title[0].upper() + recipe.title[1:],
        model_kind=_model_kind(members, report["parameters"]),
        unnamed=UNNAMED,
        usage=_usage(recipe),
        pushed=_pushed(recipe),
        placeholder=PLACEHOLDER,
        command=f"lyra-hf predict {recipe.checkpoint} sequences.csv "
        + (f"--pair-column {recipe.pair} " if recipe.pair else "")
        + "-o scores.csv",
        spread=_spread(recipe, members),
        intended_use=recipe.intended_use.strip(),
        limits=recipe.limits.strip(),
        data="\n".join(_data(recipe)),
        rows=", ".join(f"{count:,} {split}" for split, count in report["rows"].items()),
        licence=_TERMS[recipe.weights_licence],
        protocol=_protocol(recipe, outcome),
        results="\n".join([*_seeds_table(recipe, outcome), *_results(recipe, ours)]),
        check=_check(recipe),
        task=recipe.name,
        configuration=" --configuration paper" if outcome.configuration == "paper" else "",
        seeds=", ".join(map(str, outcome.seeds)),
        minutes=round(outcome.of_seeds.minutes) or "less than 1",
        joined=" Their models were joined into one, as `--seeds` does." if outcome.ships_ensemble else "",
        machine=outcome.machine,
        size=_size(members, report["parameters"]),
        rate=f"{shown.rate:,.0f} sequences of {shown.letters} letters a second on {shown.thread}",
        model=changed(model, LyraConfig()) or "the defaults, the configuration of the paper",
        training=changed({**vars(options), "seed": 0}, TrainingOptions()) or "the defaults",
        citation=CITATION.removesuffix("."),
        cited="the papers of the data, above" if len(recipe.sources) > 1 else "the paper of the data, above",
    )


def _front_matter(recipe: Recipe, report: Any, shown: Shown) -> ModelCardData:
    results = [
        EvalResult(
            task_type=_PIPELINES[recipe.head],
            task_name=recipe.title,
            dataset_type=recipe.test.table if recipe.test else recipe.tables[0],
            dataset_name=recipe.name,
            dataset_split="test",
            metric_type=name,
            metric_name=name,
            metric_value=round(report["test"][name], 4),
        )
        for name in _metrics(report)
        if report["test"][name] is not None
    ]
    # Of another licence than those it knows, the Hub wants a name and an address.
    addresses = [source.address for source in recipe.sources if source.weights_licence == "other"]
    return ModelCardData(
        license=recipe.weights_licence,
        license_name="research-only" if addresses else None,
        license_link=addresses[0] if addresses else None,
        library_name="transformers",
        pipeline_tag=_PIPELINES[recipe.head],
        tags=["biology", "lyra", recipe.alphabet, recipe.area],
        datasets=[table.rpartition("/")[2] for table in recipe.tables],
        widget=[{"text": recipe.example, "example_title": recipe.example_title, "output": shown.outputs}],
        model_name=recipe.checkpoint,
        eval_results=results,
    )


def _size(members: int, parameters: int) -> str:
    if members > 1:
        return f"{parameters:,} parameters in all: {members} members, and what they share"
    return f"{parameters:,} parameters"


def _model_kind(members: int, parameters: int) -> str:
    if members > 1:
        return f"an ensemble of {members} Lyras in one model of {parameters:,} parameters"
    return f"a Lyra of {parameters:,} parameters"


def _spread(recipe: Recipe, members: int) -> str:
    """What an ensemble's predictions are, and where it says how far its members are apart."""
    if members == 1:
        return ""
    return "\n\n" + on_members(members, is_regression=recipe.problem_type == "regression")


def _usage(recipe: Recipe) -> str:
    """The example in Python: a pipeline of transformers, or a Predictor where none fits."""
    if recipe.head == "residue" and recipe.problem_type != "single_label_classification":
        outputs = "a number" if len(recipe.outputs) == 1 else f"{len(recipe.outputs)} numbers"
        if recipe.problem_type == "multi_label_classification":
            outputs += " (logits)"
        return (
            "import lyra_hf\n\n"
            f'predictor = lyra_hf.Predictor("{recipe.checkpoint}")\n'
            f'predictor(["{recipe.example}"])  # a list of one array, with {outputs} for each residue'
        )
    return (
        "import lyra_hf\n"
        "from transformers import pipeline\n\n"
        f'scorer = pipeline("{_PIPELINES[recipe.head]}", model="{recipe.checkpoint}")\n'
        f"scorer({_argument(recipe)})"
    )


def _pushed(recipe: Recipe) -> str:
    """The example without the package, from a repository on the Hub."""
    return (
        "from transformers import pipeline\n\n"
        f'scorer = pipeline("{_PIPELINES[recipe.head]}", model="{PLACEHOLDER}", trust_remote_code=True)\n'
        f"scorer({_argument(recipe)})"
    )


def _argument(recipe: Recipe) -> str:
    """What the pipeline is given of the example."""
    argument = f'"{recipe.example}"'
    if recipe.pair is not None:
        first, second = recipe.example.split()
        argument = f'{{"text": "{first}", "text_pair": "{second}"}}'
    if recipe.head == "sequence" and len(recipe.outputs) > 1:
        argument += ", top_k=None"  # every output, not the highest alone
    return argument


def _data(recipe: Recipe) -> list[str]:
    """Where each table comes from; what several have in common is said of each."""
    lines = []
    for source in recipe.sources:
        lines += [
            f"- `{source.table}`: {source.paper.strip()}",
            f"  - Source: {source.origin}",
            f"  - Terms: {source.terms.strip()}",
            f"  - Label: {source.unit.strip()}",
            f"  - How the table was made: {source.steps.strip()}",
        ]
        if source.remarks:
            lines.append(f"  - Remarks: {source.remarks.strip()}")
    return lines


def _protocol(recipe: Recipe, outcome: Outcome) -> str:
    text = (
        f"Each seed was trained alone; the epoch was picked on the validation rows (by {recipe.metric}), and the test "
        "rows were measured once. "
    )
    if outcome.ships_ensemble:
        seeds = ", ".join(map(str, outcome.seeds))
        text += (
            f"Shipped is the ensemble of the models of seeds {seeds}, joined with nothing trained again: "
            + (
                "all learned from the validation rows too in the end, which cannot tell them apart."
                if outcome.is_refitted
                else f"on validation it was better than the best of them, seed {outcome.best_seed}."
            )
            + " Its test rows, too, were measured once."
        )
    else:
        text += f"Shipped is the seed that was best on validation, seed {outcome.best_seed}" + (
            "; the ensemble of all seeds was not better there." if outcome.ensemble is not None else "."
        )
    interval = (outcome if outcome.ships_ensemble else outcome.of_seeds).interval()
    return text + on_bootstrap(recipe.metric, interval) + _on_intervals(recipe, outcome)


def _on_intervals(recipe: Recipe, outcome: Outcome) -> str:
    """How well the prediction intervals of what is shipped hold the test labels."""
    shifted = (
        "; they are of another kind than the validation rows, so that it need not be so many"
        if recipe.split_kind == "shifted"
        else ""
    )
    return on_coverage((outcome.shipped_report["test"] or {}).get(PREDICTION_INTERVALS), shifted)


def _results(recipe: Recipe, outcome: Outcome) -> list[str]:
    """Parts of the test rows, and other methods; ours is what the outcome stands for."""
    lines = []
    if recipe.subsets or len(outcome.best_run.report["test"].get("outputs", {})) > 1:
        lines += ["", f"Parts of the test rows and outputs by themselves ({_over(outcome)}):", ""]
        lines += _parts_table(recipe, outcome)
    comparable = [result for result in [*recipe.baseline, *recipe.published] if result.comparable]
    if comparable:
        lines += ["", f"Beside other methods, of the same rows unless a remark says otherwise ({_over(outcome)}):", ""]
        lines += _others_table(comparable, outcome)
    other = [result for result in [*recipe.baseline, *recipe.published] if not result.comparable]
    if other:
        lines += ["", "Of other rows or by another protocol, so not to be compared:", ""]
        lines += [f"- {result.method}: {result.metric} {result.value:g} ({result.source})" for result in other]
    return lines


def _check(recipe: Recipe) -> str:
    """The commands that measure what is shipped on the test rows: on the table itself where that says enough."""
    evaluate = f"lyra-hf evaluate {recipe.checkpoint}"
    commands = [f"`{evaluate} --task {recipe.name} --data-dir DATA`"]
    if not _needs_recipe(recipe):
        words = [f"DATA/{recipe.tables[0]}.parquet"]
        for target in recipe.targets:
            words += ["--target", target]
        if recipe.sequence != "sequence":
            words += ["--column", recipe.sequence]
        if recipe.pair is not None:
            words += ["--pair-column", recipe.pair]
        words += ["--split", "test"]
        if recipe.split != "split":
            words += ["--split-column", recipe.split]
        if recipe.zeros_are_missing:
            words += ["--zeros-are-missing"]
        commands.insert(0, f"`{evaluate} {shlex.join(words)}`")
    parts = ", which tells the parts of the test rows by themselves too" if recipe.subsets else ""
    return (
        f"To check the test figures of what is shipped: {' or '.join(commands)}{parts}. DATA is a folder of tables; "
        "`lyra-hf tables TABLE -o DATA` builds them."
    )


def _needs_recipe(recipe: Recipe) -> bool:
    """Whether the test rows and their labels are more than the columns of one table, so that only `--task` has them."""
    is_elsewhere = len(recipe.tables) > 1 or recipe.test is not None
    are_made = recipe.threshold is not None or recipe.bits
    return is_elsewhere or are_made or bool(recipe.rows)


def _over(outcome: Outcome) -> str:
    """What a figure of ours is."""
    if outcome.joined is not None:
        return "ours is the ensemble"
    seeds = len(outcome.seeds)
    return f"mean ± standard deviation of {seeds} seeds" if seeds > 1 else "one seed"


def _seeds_table(recipe: Recipe, outcome: Outcome) -> list[str]:
    """A line for each seed, one for all of them, and one for their ensemble."""
    names = _metrics(outcome.best_run.report)
    reports = {f"seed {run.seed}": run.report for run in outcome.runs}
    rows = [_of_report(name, report, recipe.metric, names) for name, report in reports.items()]
    if len(outcome.seeds) > 1:
        alone = outcome.of_seeds
        spreads = [alone.figure(recipe.metric, split="validation"), *map(alone.figure, names)]
        rows.append([_over(alone), *map(_figure, spreads)])
    if outcome.ensemble is not None:
        rows.append(_of_report(f"ensemble of {len(outcome.seeds)} seeds", outcome.ensemble, recipe.metric, names))
    return _table(["run", f"validation {recipe.metric}", *(f"test {name}" for name in names)], rows)


def _of_report(name: str, report: Mapping[str, Any], metric: str, names: Sequence[str]) -> list[str]:
    """The cells of a report: its metric on the validation rows, and all on the test rows."""
    values = [report["validation"][metric], *(report["test"][name] for name in names)]
    return [name, *(_figure(None if value is None else Spread(value, None)) for value in values)]


def _parts_table(recipe: Recipe, outcome: Outcome) -> list[str]:
    """A line for each part of the test rows and each output: all metrics, over the seeds."""
    names = _metrics(outcome.best_run.report)
    several = outcome.best_run.report["test"].get("outputs", {})
    rows = []
    for subset in (None, *recipe.subsets):
        for output in (None, *several):
            figures = [_figure(outcome.figure(name, subset, output)) for name in names]
            rows.append([subset or "all", output or ("mean" if several else ""), *figures])
    return _table(["test rows", "output", *names], rows)


def _others_table(results: Sequence[Result], outcome: Outcome) -> list[str]:
    rows = []
    for result in results:
        low_high = outcome.interval(result.subset) if result.metric == outcome.metric and not result.output else None
        rows.append(
            [
                result.method + (f" ({result.source})" if result.source else ""),
                f"{result.parameters:,}" if result.parameters else "",
                ", ".join(part for part in (result.subset, result.output) if part) or "all",
                f"{result.metric} {result.value:g}",
                _figure(outcome.figure(result.metric, result.subset, result.output)),
                f"{low_high[0]:.4f} to {low_high[1]:.4f}" if low_high else "",
            ]
        )
    return _table(["method", "its parameters", "of", "its figure", "ours", "95 % interval of ours"], rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table in Markdown; columns without any entry are left out."""
    filled = [index for index in range(len(head)) if any(row[index] for row in rows)]
    return markdown_table([head[index] for index in filled], [[row[index] for index in filled] for row in rows])


def _metrics(report: Any) -> list[str]:
    return metric_names(report["test"])


def _figure(spread: Spread | None) -> str:
    """A figure with its deviation over seeds, if there are several; blank where the data leave one undefined."""
    if spread is None:
        return ""
    return f"{spread.mean:.4f}" + (f" ± {spread.deviation:.4f}" if spread.deviation is not None else "")
