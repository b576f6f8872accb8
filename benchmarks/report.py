"""Results as tables: on the terminal, as Markdown, and as JSON."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from .results import Goal, Result


@dataclass(frozen=True)
class Section:
    """A table and what it shows.

    Attributes:
        name: what `--only` calls it.
        title: its heading.
        results: its lines.
    """

    name: str
    title: str
    results: Sequence[Result]

    @property
    def warning(self) -> str:
        """That the machine was not ours alone, if it was not."""
        if not any(result.is_disturbed for result in self.results):
            return ""
        return "Disturbed: other programs used the processors, too. Make these lines again; even ratios are unreliable."


@dataclass(frozen=True)
class Column:
    """A column: its heading, and the text of a result in it."""

    heading: str
    text: Callable[[Result], str]
    is_number: bool = True


# Units that are told in thousands, millions or billions: the unit's name -> a smaller name for 10^9, 10^6, 10^3.
_SCALES = {
    "bytes": ((1e9, "GB"), (1e6, "MB")),
    "bytes/s": ((1e9, "GB/s"),),
    "operations/s": ((1e9, "billion operations/s"),),
    "s": ((1, "s"), (1e-3, "ms")),
}


def figure(value: float, unit: str) -> tuple[str, str]:
    """A value of a unit to three digits (of large ones all before the point), and the unit they are in."""
    for scale, name in _SCALES.get(unit, ()):
        if abs(value) >= scale:
            value, unit = value / scale, name
            break
    if value == int(value) and value < 1e15:
        return f"{int(value):,}", unit
    if abs(value) < 1e-3:
        return f"{value:.1e}", unit
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}", unit


def goal_text(goal: Goal, unit: str) -> str:
    """A goal in the figures of its column."""
    bounds = [("≥", goal.at_least), ("≤", goal.at_most)]
    sides = [
        f"{sign} {' '.join(figure(bound, unit)).strip() if goal.of == 'value' else f'{bound:g} x'}"
        for sign, bound in bounds
        if bound is not None
    ]
    return ", ".join(sides)


def _value(result: Result) -> str:
    return "not measured" if result.value is None else " ".join(figure(result.value, result.unit)).strip()


def _quartiles(result: Result) -> str:
    return " - ".join(figure(value, result.unit)[0] for value in result.quartiles) if result.quartiles else ""


def _letters(result: Result) -> str:
    return "" if result.letters_per_second is None else figure(result.letters_per_second / 1e6, "")[0]


def _ratio(result: Result) -> str:
    return "" if result.ratio is None else figure(result.ratio, "")[0]


def _goal(result: Result) -> str:
    return "" if result.goal is None else goal_text(result.goal, result.unit)


def _met(result: Result) -> str:
    return {True: "yes", False: "NO", None: ""}[result.goal_is_met]


COLUMNS = (
    Column("case", lambda result: result.case, is_number=False),
    Column("who", lambda result: result.contestant, is_number=False),
    Column("figure", _value),
    Column("quartiles", _quartiles),
    Column("million letters/s", _letters),
    Column("ratio", _ratio),
    Column("goal", _goal),
    Column("met", _met),
    Column("others", lambda result: f"{result.neighbours:.0%}" if result.is_disturbed else ""),
    Column("note", lambda result: result.note, is_number=False),
)


def used_columns(results: Sequence[Result]) -> list[Column]:
    """The columns that some result has something in."""
    return [column for column in COLUMNS if any(column.text(result) for result in results)]


def rows_of(results: Sequence[Result], columns: Sequence[Column]) -> list[list[str]]:
    """The texts of a table; a case is named in the first of its lines."""
    rows = []
    previous = None
    for result in results:
        texts = [column.text(result) for column in columns]
        if result.case == previous:
            texts[0] = ""
        previous = result.case
        rows.append(texts)
    return rows


def show_header(console: Console, machine: dict[str, str]) -> None:
    """Print where the measurements are made."""
    grid = Table.grid(padding=(0, 2))
    for name, value in machine.items():
        grid.add_row(f"[bold]{name}[/]", value)
    console.print(grid)


def show_section(console: Console, section: Section) -> None:
    """Print a table."""
    table = Table(title=f"\n{section.title}", title_justify="left", title_style="bold")
    columns = used_columns(section.results)
    for column in columns:
        table.add_column(column.heading, justify="right" if column.is_number else "left")
    for row in rows_of(section.results, columns):
        table.add_row(*row)
    console.print(table)
    if section.warning:
        console.print(section.warning, style="bold red")


def markdown(machine: dict[str, str], sections: Sequence[Section]) -> str:
    """Everything as Markdown."""
    lines = ["; ".join(f"{name}: {value}" for name, value in machine.items())]
    for section in sections:
        columns = used_columns(section.results)
        lines += ["", f"### {section.title}", ""]
        lines.append("| " + " | ".join(column.heading for column in columns) + " |")
        lines.append("|" + "|".join("---:" if column.is_number else "---" for column in columns) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in rows_of(section.results, columns)]
        lines += ["", section.warning] if section.warning else []
    return "\n".join(lines) + "\n"


def as_json(machine: dict[str, str], sections: Sequence[Section]) -> dict[str, Any]:
    """Everything as plain objects."""
    return {
        "machine": machine,
        "sections": {section.name: [result.as_json() for result in section.results] for section in sections},
    }
