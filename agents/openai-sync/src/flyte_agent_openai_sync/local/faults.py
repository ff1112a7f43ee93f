"""OpenAI's errors as the stand-in says them, and the codes it knows."""

from __future__ import annotations

from typing import Any

from flyte_agent_testing.server import Reply, ReplyError

# Code: HTTP status and type. Source: https://platform.openai.com/docs/guides/error-codes
CODES: dict[str, tuple[int, str]] = {
    "context_length_exceeded": (400, "invalid_request_error"),
    "content_policy_violation": (400, "invalid_request_error"),
    "invalid_json_schema": (400, "invalid_request_error"),
    "invalid_value": (400, "invalid_request_error"),
    "missing_required_parameter": (400, "invalid_request_error"),
    "unsupported_parameter": (400, "invalid_request_error"),
    "invalid_api_key": (401, "invalid_request_error"),
    "unsupported_country_region_territory": (403, "request_forbidden"),
    "permission_denied": (403, "request_forbidden"),
    "model_not_found": (404, "invalid_request_error"),
    "rate_limit_exceeded": (429, "requests"),
    "slow_down": (429, "rate_limit_error"),
    "insufficient_quota": (429, "insufficient_quota"),
    "credit_balance_exhausted": (429, "insufficient_quota"),
    "organization_spend_limit_exceeded": (429, "insufficient_quota"),
    "project_spend_limit_exceeded": (429, "insufficient_quota"),
    "organization_usage_limit_exceeded": (429, "insufficient_quota"),
    "billing_hard_limit_reached": (400, "invalid_request_error"),
    "server_error": (500, "server_error"),
    "engine_overloaded": (503, "server_error"),
}


def error_reply(
    code: str, message: str, *, param: str | None = None, status: int = 0, headers: dict[str, str] | None = None
) -> Reply:  # fmt: skip
    """Return an error in OpenAI's form."""
    known, kind = CODES.get(code, (400, "invalid_request_error"))
    error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code or None}
    return Reply(status or known, {"error": error}, headers or {})


def refuse(code: str, message: str, param: str | None = None) -> ReplyError:
    """Return what a route raises to answer with an error."""
    return ReplyError(error_reply(code, message, param=param))
