"""What can go wrong between here and the Hub, in one line each."""

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub import HfApi, ModelInfo, constants, get_session, get_token
from huggingface_hub.errors import (
    EntryNotFoundError,
    FileMetadataError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import logging
from huggingface_hub.utils._validators import validate_repo_id
from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from ..errors import UserError

_HTTPError: type[Exception] = HfHubHTTPError.__bases__[0]  # of the HTTP client that huggingface_hub is built on
TIMEOUT = 60.0  # seconds without any sign of the Hub, which the client by itself would wait for without end
_LOG_IN = "log in with `hf auth login`, or put a token that may write into HF_TOKEN"


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a repository, before anything is sent.

    Raises:
        UserError: it is no ORG/NAME; the message says what is allowed.
    """
    try:
        validate_repo_id(name)
        is_allowed = name.count("/") == 1
    except HFValidationError:
        is_allowed = False
    if not is_allowed:
        raise UserError(
            f"{name!r} cannot be the name of a repository: give ORG/NAME, of letters, digits, '-', '_' and '.', at "
            "most 96 characters, with no '--' and no '..', and neither part begins or ends with '-' or '.'"
        )


def need_token() -> None:
    """Refuse to go on without a token.

    Raises:
        UserError: none is saved or set.
    """
    if get_token() is None:
        raise UserError(f"the Hub takes nothing from somebody unknown: {_LOG_IN}")


@contextmanager
def requests_to_hub(doing: str, consequence: str = "") -> Iterator[None]:
    """Around requests: no progress bars and no warnings of theirs, and their errors for the user.

    Args:
        doing: what they are for, as in "pushing to ORG/NAME".
        consequence: what a failure leaves, as in "nothing was published".

    Raises:
        UserError: the Hub is not reached, refuses, or has no such thing.
    """
    verbosity, had_bars = logging.get_verbosity(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    disable_progress_bars()
    session = get_session()
    timeout, session.timeout = session.timeout, TIMEOUT
    try:
        yield
    except (_HTTPError, OSError, OfflineModeIsEnabled, RuntimeError) as error:
        # Around an upload that failed the client puts an error of its own.
        reason = _reason(error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error)
        if reason is None:
            raise
        raise UserError(f"{doing}: {reason}" + (f"; {consequence}" if consequence else "")) from error
    finally:
        session.timeout = timeout
        logging.set_verbosity(verbosity)
        if had_bars:
            enable_progress_bars()


def model_info(api: HfApi, repo_id: str, revision: str | None = None) -> ModelInfo:
    """What the Hub tells of a repository."""
    return api.model_info(repo_id, revision=revision, timeout=TIMEOUT)


def _reason(error: BaseException) -> str | None:
    """What is wrong, and what to do; None of an error that is not the Hub's or the network's."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so nothing is asked of the Hub; unset it"
    if isinstance(error, LocalTokenNotFoundError):
        return f"no token: {_LOG_IN}"
    if isinstance(error, LocalEntryNotFoundError | FileMetadataError):  # the client's words for a download that failed
        return _reason(error.__cause__) if error.__cause__ else _unreachable("no answer")
    if isinstance(error, HfHubHTTPError):
        return _refusal(error)
    if isinstance(error, _HTTPError) and "Timeout" in type(error).__name__:
        return _unreachable("it does not answer in time")
    if isinstance(error, _HTTPError):
        return _unreachable(str(error) or type(error).__name__)
    return None


def _unreachable(why: str) -> str:
    return f"the Hub at {constants.ENDPOINT} cannot be reached ({why}): run the same command again later"


def _refusal(error: HfHubHTTPError) -> str:
    """What an answer of the Hub with an error means."""
    status = error.response.status_code
    said = _first_line(error.server_message)
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, EntryNotFoundError):
        return "the repository has no such file"
    if isinstance(error, RepositoryNotFoundError) and not (status == 401 and get_token() is not None):
        return "there is no such repository, or it is private and the token may not read it"
    if status == 401:
        return f"the Hub does not know the token (401{said}): {_LOG_IN}"
    if status == 403:
        return f"the token has no right to do this (403{said}): it needs the right to write there"
    if status == 412:
        return f"somebody else changed the repository meanwhile (412{said}): run the command again"
    if status == 429 or status >= 500:
        return f"the Hub is overloaded or out of order ({status}{said}): run the same command again later"
    return f"the Hub refuses ({status}{said})"


def _first_line(message: str | None) -> str:
    line = (message or "").strip().split("\n", 1)[0]
    return f", {line}" if line else ""
