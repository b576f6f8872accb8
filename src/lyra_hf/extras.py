"""Libraries that only some uses of the package need."""

from collections.abc import Iterator
from contextlib import contextmanager

from .errors import UserError


@contextmanager
def needs(extra: str, purpose: str) -> Iterator[None]:
    """Around imports of optional libraries: if one is missing, say which, what wants it and how to install it.

    Args:
        extra: the optional extra of the package that has the libraries, such as "train".
        purpose: what needs them; begins the message, such as "computing metrics".

    Raises:
        UserError: a library is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "a further library").partition(".")[0]
        raise UserError(f"{purpose} needs {library}: pip install 'lyra-hf[{extra}]'") from error
