"""The error that a user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Something the user gave cannot be used: a file, a row, a letter, an option.

    The message is one line for the person who meets it: what is wrong, where, and what to do. The command line prints
    it without a traceback and exits with status 2.
    """


@contextmanager
def as_user_error() -> Iterator[None]:
    """Around checks that raise ValueError with a message for the user, as those of the model's own files do."""
    try:
        yield
    except ValueError as error:
        raise UserError(str(error)) from None
