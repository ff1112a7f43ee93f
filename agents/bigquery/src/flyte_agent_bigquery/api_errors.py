"""
What the vendor's library raises, as our errors. Imported by ``client.py`` only: it loads that library.

An HTTP answer is read by its ``reason`` first and by its status only when the reason is unknown: BigQuery sends an
exceeded bytes limit with status 500, and three different things with 403.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import google.auth.exceptions
import requests.exceptions
import urllib3.exceptions
from google.api_core.exceptions import GoogleAPICallError, GoogleAPIError

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError

from .errors import Advice, DuplicateJob
from .failures import to_error

if TYPE_CHECKING:
    from collections.abc import Callable

_SAID = 500

_PERMANENT = Advice(TaskError, "Correct the task, its permissions or its project.")
_PASSING = Advice(RetryableError, "The same request may pass later.")
_SIGN_IN = Advice(
    TaskError,
    "The credentials are not accepted: renew the secret that the task names, or those of the agent service.",
)
_STATUS: dict[int, tuple[str, Advice]] = {
    401: ("authError", _SIGN_IN),
    403: ("accessDenied", _PERMANENT),
    404: ("notFound", _PERMANENT),
    407: ("proxyAuthenticationRequired", _PERMANENT),
    408: ("requestTimeout", _PASSING),
    409: ("duplicate", _PERMANENT),
    413: ("uploadTooLarge", _PERMANENT),
    425: ("tooEarly", _PASSING),
    429: ("rateLimitExceeded", _PASSING),
    499: ("cancelled", _PASSING),
    501: ("notImplemented", _PERMANENT),
}
_CLIENT_FAULT, _SERVER_FAULT = ("invalid", _PERMANENT), ("backendError", _PASSING)


def to_agent_error(error: Exception, *, of_job: bool = False) -> Exception:
    """
    Return what to raise for an exception of the vendor's library; one that is not the vendor's comes back as it is.

    Args:
        error: The exception.
        of_job: Whether the request was about one job: then 404 means that there is none. Otherwise a
            project or dataset is missing, and the task must change.
    """
    if isinstance(error, AgentError):
        return error
    for kinds, translate in _TRANSLATORS:
        if isinstance(error, kinds):
            return translate(error, of_job)
    return error


def _http(error: Any, of_job: bool) -> AgentError:
    status = int(error.code or 0)
    reason, message = _said(error)
    if status == 404 and of_job:
        return JobNotFound(f"BigQuery: {message}", code="BIGQUERY.NOT_FOUND")
    if status == 409 and not of_job:
        return DuplicateJob(message, location=_location(message))
    name, otherwise = _STATUS.get(status) or _by_class(status)
    return to_error(reason or name, message, otherwise=otherwise)


def _by_class(status: int) -> tuple[str, Advice]:
    return _CLIENT_FAULT if 300 <= status < 500 else _SERVER_FAULT


def _said(error: GoogleAPICallError) -> tuple[str, str]:
    """Return reason and message: of the first detail, else of the answer as a whole."""
    details = [item for item in error.errors if isinstance(item, dict)]
    first = details[0] if details else {}
    # The library puts method and URL in front of the message of the answer.
    whole = re.sub(r"^[A-Z]+ https?://\S+: ", "", str(error.message or ""))
    return str(first.get("reason") or ""), str(first.get("message") or whole or "no message")[
        : _SAID * 4
    ]


_JOB_IN_MESSAGE = re.compile(r"Job [^\s:]+(?::[^\s:]+)?:([A-Za-z0-9-]+)\.[A-Za-z0-9_-]+")


def _location(message: str) -> str:
    """Return where a duplicate is: ``Already Exists: Job my-project:EU.my-job`` says it, and nothing else does."""
    found = _JOB_IN_MESSAGE.search(message)
    return found[1] if found else ""


def _library(error: GoogleAPIError, _of_job: bool) -> AgentError:
    return RetryableError(_text("BigQuery did not answer", error), code="BIGQUERY.UNREACHABLE")


def _unreachable(error: Exception, _of_job: bool) -> AgentError:
    return RetryableError(
        f"BigQuery cannot be reached: {_short(error)}", code="BIGQUERY.UNREACHABLE"
    )


def _garbled(error: Exception, _of_job: bool) -> AgentError:
    return ProtocolError(
        f"BigQuery's answer is not JSON ({_short(error)}): a proxy in between may have sent it",
        code="BIGQUERY.GARBLED",
    )


def _address(error: Exception, _of_job: bool) -> AgentError:
    return TaskError(
        f"BigQuery's address is wrong: {_short(error)}. It is set by BIGQUERY_EMULATOR_HOST of the agent service.",
        code="BIGQUERY.ENDPOINT",
    )


def _signing_in(error: google.auth.exceptions.GoogleAuthError, _of_job: bool) -> AgentError:
    if error.retryable or isinstance(error, _AUTH_PASSING):
        return RetryableError(
            _text("Google's sign-in did not answer", error), code="BIGQUERY.SIGN_IN_UNREACHABLE"
        )
    return TaskError(
        f"{_text('Google refused the credentials', error)}\n{_SIGN_IN.text}",
        code="BIGQUERY.CREDENTIALS",
    )


_AUTH_PASSING = (
    google.auth.exceptions.TransportError,
    google.auth.exceptions.TimeoutError,
    google.auth.exceptions.ResponseError,
)


def _text(lead: str, error: BaseException) -> str:
    return f"{lead}: {_short(error)}"


def _short(error: BaseException) -> str:
    """Return an exception's first argument, bounded: the rest may be a whole response."""
    said = str(error.args[0]) if error.args else ""
    return (
        f"{type(error).__name__}: {' '.join(said.split())[:_SAID]}"
        if said
        else type(error).__name__
    )


# The first class that fits, so the special ones come first.
_TRANSLATORS: tuple[tuple[Any, Callable[[Any, bool], AgentError]], ...] = (
    (GoogleAPICallError, _http),
    (GoogleAPIError, _library),
    (google.auth.exceptions.GoogleAuthError, _signing_in),
    (
        (
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidProxyURL,
        ),
        _address,
    ),
    (requests.exceptions.JSONDecodeError, _garbled),
    (requests.exceptions.RequestException, _unreachable),
    (urllib3.exceptions.HTTPError, _unreachable),
    (OSError, _unreachable),
    (ValueError, _garbled),  # json's own error, for an answer that is not JSON
)
