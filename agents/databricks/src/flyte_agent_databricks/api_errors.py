"""What the vendor's library and the wire raise, as our errors. Imported by ``client.py`` only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import requests.exceptions
import urllib3.exceptions

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError

from .errors import REFUSALS, RunDeleted, advise, code_of, says_deleted, says_gone

if TYPE_CHECKING:
    from collections.abc import Callable

_SAID = 500
_EXPIRED = re.compile(
    r"(?i)invalid (?:access )?token|token (?:is |has )?(?:expired|invalid|revoked)|expired token"
)
_SIGN_IN = "The credentials are not accepted: renew the secret that the task names, or those of the agent service."


def of_refusal(error: Any, *, of_job: bool) -> AgentError:
    """
    Return what to raise for a ``DatabricksError``.

    Args:
        error: The error.
        of_job: Whether the request was about one run or statement, so that "not found" speaks of that.
    """
    message = _plain(str(error))
    code = str(error.error_code or "")
    if (
        not code or code.isdigit() or _by_class(error) == "UNAUTHENTICATED"
    ):  # some answers repeat the status
        code = _by_class(error)
    if _EXPIRED.search(message) and code in ("PERMISSION_DENIED", "UNAUTHENTICATED", "BAD_REQUEST"):
        code = "UNAUTHENTICATED"  # a token that has expired is refused with 403
    if says_deleted(message):
        return RunDeleted(f"Databricks: {message}")
    if of_job and says_gone(code, message):
        return JobNotFound(f"Databricks: {message}", code="DATABRICKS.NOT_FOUND")
    advice = advise(code if code in REFUSALS else _by_class(error), message)
    said_s = error.retry_after_secs or 0  # the SDK says 1 where Databricks has said nothing
    retry_s = said_s if said_s > 1 else advice.retry_after_s
    made: AgentError = advice.error(
        f"Databricks {code}: {message}\n{advice.text}",
        code=code_of(code),
        retry_after_s=float(retry_s) if retry_s else None,
    )
    return made


def _by_class(error: Any) -> str:
    """Return what the status of an answer is called: ``PermissionDenied`` is ``PERMISSION_DENIED``."""
    for cls in type(error).__mro__:
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", cls.__name__).upper()
        if name in REFUSALS:
            return name
    return "UNKNOWN" if type(error).__name__ == "DatabricksError" else "BAD_REQUEST"


def _plain(text: str) -> str:
    """Return a message without what the library adds about its configuration."""
    return " ".join(re.split(r"\. Config: |\. Env: ", text)[0].split())[: _SAID * 2] or "no message"


def to_agent_error(error: BaseException, *, of_job: bool = False) -> BaseException:
    """Return what to raise for an exception; one that is nobody's we know comes back as it is."""
    if isinstance(error, AgentError):
        return error
    if hasattr(error, "error_code") and hasattr(error, "retry_after_secs"):
        return of_refusal(error, of_job=of_job)
    for kinds, translate in _TRANSLATORS:
        if isinstance(error, kinds):
            return translate(error)
    return error


def of_sign_in(error: BaseException) -> AgentError:
    """Return what to raise when no credential could be had."""
    if isinstance(error, AgentError):
        return error
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _PASSING):
            return RetryableError(
                f"Databricks' sign-in did not answer: {_short(cause)}",
                code="DATABRICKS.SIGN_IN_UNREACHABLE",
            )
        cause = cause.__cause__ or cause.__context__
    return TaskError(
        f"Databricks refused the credentials: {_plain(str(error))}\n{_SIGN_IN}",
        code="DATABRICKS.CREDENTIALS",
    )


def _unreachable(error: BaseException) -> AgentError:
    return RetryableError(
        f"Databricks cannot be reached: {_short(error)}", code="DATABRICKS.UNREACHABLE"
    )


def _garbled(error: BaseException) -> AgentError:
    return ProtocolError(
        f"Databricks' answer is not JSON ({_short(error)}): a proxy in between may have sent it",
        code="DATABRICKS.GARBLED",
    )


def _address(error: BaseException) -> AgentError:
    return TaskError(
        f"The address of the workspace is wrong: {_short(error)}. It is 'host' of the task, or DATABRICKS_HOST of the "
        "agent service.",
        code="DATABRICKS.ENDPOINT",
    )


def _short(error: BaseException) -> str:
    """Return an exception's text, bounded: it may be a whole response."""
    said = " ".join(str(error.args[0] if error.args else "").split())[:_SAID]
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


_PASSING = (
    requests.exceptions.RequestException,
    urllib3.exceptions.HTTPError,
    TimeoutError,
    ConnectionError,
)

# The first class that fits, so the special ones come first.
_TRANSLATORS: tuple[tuple[Any, Callable[[BaseException], AgentError]], ...] = (
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
    (TypeError, _garbled),  # the library's, for an answer that is JSON but no object
)
