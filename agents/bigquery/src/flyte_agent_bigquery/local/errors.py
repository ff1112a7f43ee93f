"""Google's errors: reasons with their HTTP status, and the envelope they come in.

Source: https://cloud.google.com/bigquery/docs/error-messages
"""

from __future__ import annotations

from typing import Any

# HTTP status and canonical name of each reason this server gives.
STATUSES: dict[str, tuple[int, str]] = {
    "accessDenied": (403, "PERMISSION_DENIED"),
    "authError": (401, "UNAUTHENTICATED"),
    "backendError": (503, "UNAVAILABLE"),
    "badRequest": (400, "INVALID_ARGUMENT"),
    "bytesBilledLimitExceeded": (400, "INVALID_ARGUMENT"),
    "conditionNotMet": (412, "FAILED_PRECONDITION"),
    "duplicate": (409, "ALREADY_EXISTS"),
    "internalError": (500, "INTERNAL"),
    "invalid": (400, "INVALID_ARGUMENT"),
    "invalidQuery": (400, "INVALID_ARGUMENT"),
    "jobBackendError": (400, "INVALID_ARGUMENT"),
    "jobInternalError": (400, "INVALID_ARGUMENT"),
    "jobRateLimitExceeded": (400, "INVALID_ARGUMENT"),
    "notFound": (404, "NOT_FOUND"),
    "notImplemented": (501, "UNIMPLEMENTED"),
    "quotaExceeded": (403, "PERMISSION_DENIED"),
    "rateLimitExceeded": (403, "PERMISSION_DENIED"),
    "required": (400, "INVALID_ARGUMENT"),
    "resourceInUse": (400, "INVALID_ARGUMENT"),
    "resourcesExceeded": (400, "INVALID_ARGUMENT"),
    "responseTooLarge": (403, "PERMISSION_DENIED"),
    "stopped": (400, "CANCELLED"),
    "timeout": (400, "DEADLINE_EXCEEDED"),
}
_UNKNOWN = (400, "INVALID_ARGUMENT")


class BigQueryError(Exception):
    """An error as BigQuery words it: of a request, or of a job.

    Args:
        reason: BigQuery's word for the kind of error.
        message: Text for a person.
        location: What it is about (``query``, a parameter's name); often empty.
    """

    def __init__(self, reason: str, message: str, *, location: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.location = location

    @property
    def status(self) -> int:
        """HTTP status."""
        return STATUSES.get(self.reason, _UNKNOWN)[0]

    def proto(self) -> dict[str, Any]:
        """``ErrorProto``: how a job reports it in ``errorResult`` and ``errors``."""
        proto = {"reason": self.reason, "message": self.message}
        return {**proto, "location": self.location} if self.location else proto

    def envelope(self, status: int | None = None) -> dict[str, Any]:
        """The body of a failed request."""
        code, name = STATUSES.get(self.reason, _UNKNOWN)
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.location:
            detail |= {"location": self.location, "locationType": "parameter"}
        error = {"code": status or code, "message": self.message, "errors": [detail]}
        return {"error": {**error, "status": name}}


def refusal(what: str, instead: str = "", at: str = "") -> BigQueryError:
    """The answer to what this machine could only answer wrongly."""
    repair = instead or "run this query on BigQuery itself"
    message = f"the local stand-in cannot run {what} faithfully; {repair}{at}"
    return BigQueryError("notImplemented", message, location="query")


def invalid_query(message: str, at: str = "") -> BigQueryError:
    """A mistake in the SQL; ``at`` is ``" at [line:column]"`` when the place is known."""
    return BigQueryError("invalidQuery", f"{message}{at}", location="query")


def not_found(kind: str, name: str, location: str = "") -> BigQueryError:
    """Something that does not exist, worded as BigQuery does."""
    where = f" was not found in location {location}" if location else ""
    return BigQueryError("notFound", f"Not found: {kind} {name}{where}")


def duplicate(kind: str, name: str) -> BigQueryError:
    """Something that exists already."""
    return BigQueryError("duplicate", f"Already Exists: {kind} {name}")
