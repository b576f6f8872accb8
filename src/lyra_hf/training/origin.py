"""Where a trained model comes from, as its card tells it."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Origin:
    """What was asked for: nothing in it is of one machine alone, as the card is for others.

    Attributes:
        command: the command line that trained the model, with the names of files but not where they lie; None if it
            was trained from Python.
        tables: the names of the files with its rows.
        license: of the weights, as the Hub spells licences.
    """

    command: str | None = None
    tables: list[str] = field(default_factory=list)
    license: str = "unknown"
