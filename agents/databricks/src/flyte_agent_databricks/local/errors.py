"""Databricks' errors: codes with their HTTP status, and the body they come in.

Source: https://docs.databricks.com/api/workspace/introduction and databricks-sdk's ``errors/platform.py``
"""

from __future__ import annotations

from typing import Any

from flyte_agent_testing.server import Reply

CODES: dict[str, int] = {
    "ABORTED": 409,
    "ALREADY_EXISTS": 409,
    "BAD_REQUEST": 400,
    "CANCELLED": 499,
    "COULD_NOT_ACQUIRE_LOCK": 400,
    "DATA_LOSS": 500,
    "DEADLINE_EXCEEDED": 504,
    "ENDPOINT_NOT_FOUND": 404,
    "FEATURE_DISABLED": 400,
    "INTERNAL_ERROR": 500,
    "INVALID_PARAMETER_VALUE": 400,
    "INVALID_STATE": 400,
    "MALFORMED_REQUEST": 400,
    "NOT_FOUND": 404,
    "NOT_IMPLEMENTED": 501,
    "PERMISSION_DENIED": 403,
    "QUOTA_EXCEEDED": 429,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "RESOURCE_ALREADY_EXISTS": 400,
    "RESOURCE_CONFLICT": 409,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "RESOURCE_EXHAUSTED": 429,
    "TEMPORARILY_UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
}
"""HTTP status by ``error_code``."""

_OF_STATUS = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
    499: "CANCELLED",
    500: "INTERNAL_ERROR",
    501: "NOT_IMPLEMENTED",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class ApiError(Exception):
    """
    A request that is refused.

    Args:
        code: Databricks' ``error_code``; for some it is a number.
        message: Text for a person.
        status: HTTP status; by default that of the code.
    """

    def __init__(self, code: str | int, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.status = status or CODES.get(str(code), 400)

    def reply(self) -> Reply:
        """Return the answer."""
        return error_reply(self.code, self.message, self.status)


def error_reply(
    code: str | int, message: str, status: int, headers: dict[str, str] | None = None
) -> Reply:
    """Return an answer in Databricks' form."""
    return Reply(status, {"error_code": code, "message": message}, headers or {})


def code_of(status: int) -> str:
    """Return the usual ``error_code`` of an HTTP status."""
    return _OF_STATUS.get(status, "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST")


def invalid(message: str) -> ApiError:
    """Return the error for a value that cannot be."""
    return ApiError("INVALID_PARAMETER_VALUE", message)


def missing(what: str, name: Any) -> ApiError:
    """Return the error for something that does not exist."""
    return ApiError("RESOURCE_DOES_NOT_EXIST", f"{what} {name} does not exist.")


def no_run(run_id: Any) -> ApiError:
    """Return the error for a run that does not exist: a 400, as Databricks has it."""
    return invalid(f"Run {run_id} does not exist.")


def no_job(job_id: Any) -> ApiError:
    """Return the error for a job that does not exist: a 400, as Databricks has it."""
    return invalid(f"Job {job_id} does not exist.")
