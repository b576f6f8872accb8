"""The error that a user can mend."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

_MOST_SHOWN = 60  # characters of a value that are enough to find it by


class UserError(ValueError):
    """Something the user gave cannot be used: a file, a row, a letter, an option.

    The message is one line for the person who meets it: what is wrong, where, and what to do. The command line prints
    it without a traceback and exits with status 2.
    """


def reason(error: BaseException) -> str:
    """What a check of a configuration says: the last line of its error, without the name of a class of Python's."""
    return re.sub(r"^(\w*Error): ", "", str(error).strip().rsplit("\n", 1)[-1].strip())


def shown(value: object) -> str:
    """A value of the user's as a message quotes it: what would not be seen is spelled out, and what is long is cut."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


@contextmanager
def as_user_error() -> Iterator[None]:
    """Around checks that raise ValueError with a message for the user, as those of the model's own files do."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from None
