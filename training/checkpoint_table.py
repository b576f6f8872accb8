"""The table of shipped checkpoints in README.md, from the recipes and the reports in training/results."""

from collections.abc import Sequence

from lyra_hf.tasks.outcomes import Comparison, Outcome, Standing, headline

BEGIN, END = "<!-- checkpoints: made by `make results` -->\n", "<!-- end of checkpoints -->\n"
_HEADINGS = ("name", "what it predicts", "on its test rows", "others on the same rows", "parameters", "licence")


def with_checkpoints(text: str, standings: Sequence[Standing]) -> str:
    """A text with the table of checkpoints, made anew, between its two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    lines = ["| " + " | ".join(_HEADINGS) + " |", "|---|---|---|---|---:|---|"]
    shipped = {str(one.recipe.checkpoint): one for one in standings if one.recipe.checkpoint and one.best}
    lines += [_line(name, shipped[name]) for name in sorted(shipped)]
    return before + BEGIN + "\n".join(lines) + "\n" + END + after


def _line(name: str, one: Standing) -> str:
    assert one.best is not None
    report = one.best.shipped_report
    others = [headline(one.baselines), headline(one.published)]
    return (
        f"| [`{name}`](model_cards/{name}.md) | {one.recipe.title} "
        f"| {one.recipe.metric} {_figure(one.best, report['test'][one.recipe.metric])} "
        f"| {'; '.join(_other(other) for other in others if other is not None)} | {report['parameters']:,} "
        f"| {one.recipe.weights_licence if one.recipe.weights_licence != 'other' else 'research'} |"
    )


def _figure(outcome: Outcome, value: float) -> str:
    ends = outcome.shipped_report["test"].get("interval")
    return f"{value:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")


def _other(comparison: Comparison) -> str:
    """A figure of others; on a part of the rows, or of one output, with ours on the same."""
    result = comparison.result
    parts = [part for part in (result.subset, result.output) if part]
    where = f" ({', '.join(parts)}; ours {comparison.ours.mean:.3f})" if parts else ""
    return f"{result.method} {result.value:.3f}{where}"
