"""What a command says, and the status it ends with, when it cannot do what it was asked."""

import sys
import traceback
from typing import Any, NamedTuple, NoReturn

import typer

from ..errors import UserError

# What is wrong with the words of a command; typer gives the class no public name of its own.
_UsageError: Any = typer.BadParameter.__base__


class Failure(NamedTuple):
    """How a command ends that failed.

    Attributes:
        line: what is told.
        status: the exit status.
    """

    line: str
    status: int


def describe(error: BaseException) -> Failure:
    """An error in a line: 2 for what the user can mend, 130 for Ctrl-C, 1 for a fault of the program itself."""
    if isinstance(error, _UsageError):
        advice = "lyra-hf --help, and lyra-hf COMMAND --help, say what there is"
        return Failure(f"{error.format_message()} ({advice})", 2)
    if isinstance(error, UserError):
        return Failure(str(error), 2)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return Failure("interrupted", 130)
    if isinstance(error, OSError):
        return Failure(f"{error.filename or 'file'}: {error.strerror or error}", 2)

    from ..inference.batching import is_out_of_memory  # only now, as it brings PyTorch

    if is_out_of_memory(error):
        advice = "a smaller --batch-size, or input with shorter rows, needs less"
        return Failure(f"there is not enough memory for this; {advice}", 2)
    what = f"{type(error).__name__}: {error}"
    return Failure(f"a fault of the program itself ({what}); lyra-hf --debug COMMAND shows where, for a report", 1)


def fail(error: BaseException, *, debug: bool) -> NoReturn:
    """Tell of an error on standard error in one line, after its traceback if that is wanted, and end the program."""
    if debug:
        traceback.print_exception(error)
    line, status = describe(error)
    # What a terminal would obey, as in the name of a record, is spelled out.
    shown = "".join(each if each.isprintable() else repr(each)[1:-1] for each in " ".join(line.split()))
    sys.stderr.write(f"lyra-hf: {shown}\n")
    raise SystemExit(status) from None
