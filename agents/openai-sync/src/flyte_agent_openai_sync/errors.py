"""
OpenAI's errors, what Flyte should do about each, and what the reader of the message should do.

::

    TaskError       the task, the account or the platform's settings must change  -> FAILED
    RetryableError  the same question may be answered later                       -> RETRYABLE_FAILED
    ProtocolError   the server said something that is no answer                   -> RETRYABLE_FAILED

The code in the body decides before the status: 429 is two things, and one of them never passes.
"""

from __future__ import annotations

import asyncio
import email.utils
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError
from flyte_agent_core.text import bounded, describe

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "https://platform.openai.com/docs/guides/error-codes"
"""Where the list was read (2026-11); further codes from the client and the places beside them."""


class QuotaExhausted(TaskError):
    """The account has no money or reached its limit: no request of this credential will pass."""

    default_code = "OPENAI.INSUFFICIENT_QUOTA"


class RateLimited(RetryableError):
    """Too fast: the same request passes when it is sent later."""

    default_code = "OPENAI.RATE_LIMIT_EXCEEDED"


class Unanswered(RetryableError):
    """The server could not be asked, or failed by itself."""

    default_code = "OPENAI.UNAVAILABLE"


class MalformedReply(ProtocolError):
    """What came back is no answer of this API."""

    default_code = "OPENAI.MALFORMED"


class Advice(NamedTuple):
    """One row of a table."""

    error: type[AgentError]
    text: str


_PAY = "Add credit or raise the limit in the account's billing settings; until then no task of this credential can run."
_KEY = "Check the secret that the task names in 'credentials', or the service's own key."
_SLOWER = "The limit is the account's for this model: run fewer tasks at once, or have it raised."
_OUTAGE = "The server failed by itself; the next attempt may pass."
_POLICY = "The provider refuses this content: change the prompt or its inputs."
_REQUEST = "Correct the task's parameters."

CODES: Mapping[str, Advice] = {
    # Never to be repeated; learn.microsoft.com, dev-proxy: openai-insufficient-quota. Type insufficient_quota.
    "insufficient_quota": Advice(QuotaExhausted, _PAY),
    "credit_balance_exhausted": Advice(QuotaExhausted, _PAY),
    "organization_spend_limit_exceeded": Advice(QuotaExhausted, _PAY),
    "project_spend_limit_exceeded": Advice(QuotaExhausted, _PAY),
    "organization_usage_limit_exceeded": Advice(QuotaExhausted, _PAY),
    "billing_hard_limit_reached": Advice(QuotaExhausted, _PAY),
    "billing_not_active": Advice(QuotaExhausted, _PAY),
    # To be repeated after a while; the same, openai-rate-limit-reached.
    "rate_limit_exceeded": Advice(RateLimited, _SLOWER),
    "slow_down": Advice(RateLimited, _SLOWER),
    "429": Advice(RateLimited, _SLOWER),  # Azure's
    # Of the account.
    "invalid_api_key": Advice(TaskError, _KEY),
    "invalid_organization": Advice(TaskError, "Check 'organization' of the task."),
    "mismatched_organization": Advice(TaskError, "Check 'organization' and 'project' of the task."),
    "mismatched_project": Advice(TaskError, "Check 'project' of the task."),
    "ip_not_authorized": Advice(
        TaskError, "Allow the service's address in the account's settings."
    ),
    "account_deactivated": Advice(TaskError, _KEY),
    "unsupported_country_region_territory": Advice(
        TaskError, "Send the requests from another region."
    ),
    "permission_denied": Advice(TaskError, "Grant the key access to this model."),
    # Of the request.
    "model_not_found": Advice(
        TaskError, "Check the name in 'model', and that the account may use it."
    ),
    "deploymentnotfound": Advice(TaskError, "At Azure 'model' is the deployment's name: check it."),
    "context_length_exceeded": Advice(
        TaskError,
        "The prompt is too long for this model: shorten the inputs, or take a model with a longer context.",
    ),
    "string_above_max_length": Advice(TaskError, "Shorten the inputs."),
    "invalid_json_schema": Advice(TaskError, "Simplify the task's output type."),
    "unsupported_parameter": Advice(
        TaskError, "This model does not take the parameter: remove it."
    ),
    "unsupported_value": Advice(TaskError, "This model does not take the value: change it."),
    "unknown_parameter": Advice(TaskError, "Remove the parameter."),
    "missing_required_parameter": Advice(TaskError, "Add it in 'parameters'."),
    "invalid_type": Advice(TaskError, _REQUEST),
    "invalid_value": Advice(TaskError, _REQUEST),
    "invalid_image_format": Advice(TaskError, "Send PNG, JPEG, WEBP or GIF."),
    "image_too_large": Advice(TaskError, "Send a smaller image."),
    "invalid_image_url": Advice(TaskError, "Check the image."),
    "unsupported_file": Advice(TaskError, "Send another format."),
    "previous_response_not_found": Advice(
        TaskError, "Check the id; responses are kept 30 days, if at all."
    ),
    # Of the content.
    "content_policy_violation": Advice(TaskError, _POLICY),
    "content_filter": Advice(TaskError, _POLICY),
    "moderation_blocked": Advice(TaskError, _POLICY),
    "invalid_prompt": Advice(TaskError, _POLICY),
    # Of the server.
    "server_error": Advice(Unanswered, _OUTAGE),
    "internal_error": Advice(Unanswered, _OUTAGE),
    "engine_overloaded": Advice(Unanswered, _OUTAGE),
    "model_overloaded": Advice(Unanswered, _OUTAGE),
    "timeout": Advice(Unanswered, _OUTAGE),
}

# By HTTP status, where the body has no code of the list.
STATUSES: Mapping[int, Advice] = {
    400: Advice(TaskError, _REQUEST),
    401: Advice(TaskError, _KEY),
    403: Advice(TaskError, "Grant the key access, or use another one."),
    404: Advice(TaskError, "Check 'model' and 'base_url'."),
    405: Advice(TaskError, "Check 'base_url'."),
    408: Advice(Unanswered, _OUTAGE),
    409: Advice(Unanswered, _OUTAGE),
    413: Advice(TaskError, "Send less: the request is too large."),
    415: Advice(TaskError, "Send another format."),
    422: Advice(TaskError, _REQUEST),
    429: Advice(RateLimited, _SLOWER),
}

_TYPES = {"insufficient_quota": "insufficient_quota", "rate_limit_error": "rate_limit_exceeded"}

# The names of the client's exceptions, of every major version; those without a status.
EXCEPTIONS: Mapping[str, Advice] = {
    "APITimeoutError": Advice(Unanswered, "Give the call more time, or ask for less."),
    "APIConnectionError": Advice(
        Unanswered, "See that the address can be reached from the service: DNS, proxy, firewall."
    ),
    "APIResponseValidationError": Advice(
        MalformedReply, "Something between here and the provider changes its answers."
    ),
    "LengthFinishReasonError": Advice(TaskError, "Raise 'max_output_tokens'."),
    "ContentFilterFinishReasonError": Advice(TaskError, _POLICY),
    "SubjectTokenProviderError": Advice(Unanswered, "The service's identity gave no token."),
    "MutuallyExclusiveAuthError": Advice(TaskError, _KEY),
    "OAuthError": Advice(TaskError, _KEY),
    "InvalidWebhookSignatureError": Advice(MalformedReply, "Webhooks are not used here."),
    "WebSocketConnectionClosedError": Advice(Unanswered, _OUTAGE),
    "WebSocketQueueFullError": Advice(Unanswered, _OUTAGE),
    "APIError": Advice(
        MalformedReply, "Something between here and the provider changes its answers."
    ),
    "OpenAIError": Advice(
        TaskError,
        "The client cannot be used as it is set up: check the credentials and 'base_url'.",
    ),
}


def to_agent_error(error: BaseException | type[BaseException]) -> AgentError:
    """Return what an exception of the client means; a class stands for one that says nothing more."""
    kind = error if isinstance(error, type) else type(error)
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and not isinstance(error, type):
        return of_status(status, getattr(error, "body", None), _headers(error), str(error))
    if isinstance(status, int):
        return of_status(status, None, {}, "")
    if any(base.__name__ == "InternalServerError" for base in kind.__mro__):
        return of_status(500, None, {}, "")
    return _of_exception(error, kind)


def _of_exception(error: BaseException | type[BaseException], kind: type) -> AgentError:
    names = [base.__name__ for base in kind.__mro__]
    name = next((name for name in names if name in EXCEPTIONS), "")
    said = describe(error) if not isinstance(error, type) else name
    if not name:
        return ProtocolError(f"{kind.__name__}: {said}")
    if name == "APITimeoutError" and _is_lost(error):
        name, said = "APIConnectionError", "Connection error."
    cause = getattr(error, "__cause__", None)
    because = f" ({bounded(describe(cause), 200)})" if cause is not None else ""
    advice = EXCEPTIONS[name]
    return advice.error(
        f"{bounded(said, 600)}{because}\n{advice.text}", code=_EXCEPTION_CODES.get(name)
    )


def _is_lost(error: BaseException | type[BaseException] | None) -> bool:
    """
    Whether a connection was refused or lost: the library calls that a timeout too, where it uses aiohttp.

    Source: ``AIOHTTP_EXC_MAP`` in ``openai/_vendor/httpx_aiohttp/transport.py`` of openai 3.54.
    """
    while error is not None:
        if type(error).__module__.startswith("aiohttp."):
            return not isinstance(error, asyncio.TimeoutError)
        error = getattr(error, "__cause__", None)
    return False


_EXCEPTION_CODES = {
    "APITimeoutError": "OPENAI.TIMEOUT",
    "APIConnectionError": "OPENAI.UNREACHABLE",
    "LengthFinishReasonError": "OPENAI.TRUNCATED",
    "ContentFilterFinishReasonError": "OPENAI.CONTENT_FILTER",
    "OpenAIError": "OPENAI.CLIENT",
}


def of_status(status: int, body: Any, headers: Mapping[str, str], said: str) -> AgentError:
    """Return what an answer with an error status means."""
    detail = _detail(body)
    code = str(detail.get("code") or "").lower()
    kind = str(detail.get("type") or "").lower()
    advice, name = _advice(status, code, kind)
    text = str(detail.get("message") or said or f"HTTP {status}")
    field = f" (field {detail['param']!r})" if detail.get("param") else ""
    request = headers.get("x-request-id") or headers.get("apim-request-id")
    about = f" [HTTP {status}{f', request {request}' if request else ''}]"
    wait_s = retry_after_s(headers)
    message = f"{bounded(text, 900)}{field}{about}\n{advice.text}"
    return advice.error(message, code=name, retry_after_s=wait_s)


def _advice(status: int, code: str, kind: str) -> tuple[Advice, str]:
    known = code if code in CODES else _TYPES.get(kind, "")
    if known:
        name = "rate_limit_exceeded" if known == "429" else known
        return CODES[known], _code(name)
    advice = STATUSES.get(status) or STATUSES.get(400 if 400 <= status < 500 else 0)
    return advice or Advice(Unanswered, _OUTAGE), _code(
        code or _STATUS_CODES.get(status, f"http_{status}")
    )


_STATUS_CODES = {
    400: "bad_request", 401: "unauthenticated", 403: "permission_denied", 404: "not_found", 409: "conflict",
    413: "too_large", 422: "unprocessable", 429: "rate_limit_exceeded", 500: "server_error", 503: "unavailable",
}  # fmt: skip


def _code(word: str) -> str:
    return "OPENAI." + (re.sub(r"[^A-Z0-9]+", "_", word.upper())[:60].strip("_") or "ERROR")


def _detail(body: Any) -> Mapping[str, Any]:
    """Return the error in a body; the client hands over what is inside of ``error``, if there is one."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        if isinstance(inner, dict):
            nested = inner.get("innererror")  # Azure's content filter
            code = nested.get("code") if isinstance(nested, dict) else None
            return (
                {**inner, "code": "content_filter"}
                if code == "ResponsibleAIPolicyViolation"
                else inner
            )
        return {"message": str(inner)}
    return {}


def _headers(error: Any) -> Mapping[str, str]:
    return getattr(getattr(error, "response", None), "headers", None) or {}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait; it says so in milliseconds, seconds, or as a date."""
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        text = headers.get("retry-after", "")
        if not text:
            return None
        if re.fullmatch(r"[\d.]+", text.strip()):
            return float(text)
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def may_repeat(headers: Mapping[str, str]) -> bool:
    """Whether the server does not forbid to send the request again."""
    return headers.get("x-should-retry", "").lower() != "false"
