"""`lyra-hf tables`: where the catalogue's tables come from, and building one."""

from dataclasses import asdict
from pathlib import Path

import yaml
from rich.table import Table

from ..tasks.sources import load_source, table_names
from .console import messages, print_result, results_console


def show_tables() -> None:
    """A row for each table of the catalogue."""
    table = Table(box=None, pad_edge=False)
    table.add_column("table")
    table.add_column("rows", justify="right")
    for title in ("terms", "source"):
        table.add_column(title)
    for source in map(load_source, table_names()):
        table.add_row(source.table, f"{source.rows:,}", source.terms, source.address)
    results_console().print(table)


def show_table(name: str) -> None:
    """All that the catalogue knows of a table's source, as YAML."""
    print_result(yaml.safe_dump(asdict(load_source(name)), sort_keys=False, allow_unicode=True, width=110).rstrip())


def run_build(name: str, output: Path, sources: Path | None) -> None:
    """Build a table.

    Raises:
        UserError: it cannot be built, or is not the one that the catalogue was measured on.
    """
    from ..tasks.building.tables import build_table

    source = load_source(name)
    path = build_table(name, output, sources)
    messages.print(f"{path}: {source.rows:,} rows. Terms of the data: {' '.join(source.terms.split())}")
