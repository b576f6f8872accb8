"""`lyra-hf tables`: where the catalogue's tables come from, and building one."""

from dataclasses import asdict
from pathlib import Path

import yaml

from ..tasks.sources import Source, load_source, table_names
from .console import WIDTH, messages, print_result


def show_tables() -> None:
    """A row for each table of the catalogue; 100 columns wide."""
    sources = [load_source(name) for name in table_names()]
    width = max(len(source.table) for source in sources)
    lines = [f"{'table':{width}} {'rows':>9}  {'licence':12}  source"]
    for source in sources:
        row = f"{source.table:{width}} {source.rows:>9,}  {source.weights_licence:12}  "
        lines.append(row + _shortened(source, WIDTH - len(row)))
    lines += ["", "licence: of weights trained on the table. More, with the terms of the data: lyra-hf tables NAME"]
    print_result("\n".join(lines))


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


def _shortened(source: Source, width: int) -> str:
    """The repository or package, its end cut off where it is longer."""
    return source.repository if len(source.repository) <= width else source.repository[: width - 3] + "..."
