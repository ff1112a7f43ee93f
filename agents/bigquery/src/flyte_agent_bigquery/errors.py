"""
BigQuery's reasons, what Flyte should do about each, and what the reader of the message should do.

::

    TaskError       the task, its permissions or its project must change   -> FAILED
    RetryableError  the same job may pass later                            -> RETRYABLE_FAILED

A reason comes in ``status.errorResult`` of a finished job or in the body of a refused request. Requests
are read in ``api_errors.py``, which knows the vendor library's exceptions; this module knows none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from flyte_agent_core import AgentError, RetryableError, TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "https://cloud.google.com/bigquery/docs/error-messages"
"""Where the list of reasons was read (2026-11)."""


class DuplicateJob(AgentError):
    """
    A job of this id exists: an earlier insert of ours worked.

    Attributes:
        location: Where it runs, if the server said so; ``jobs.get`` finds it nowhere else.
    """

    default_code = "BIGQUERY.DUPLICATE_JOB"

    def __init__(self, message: str, *, location: str = "") -> None:
        super().__init__(message)
        self.location = location


class Advice(NamedTuple):
    """One row of :data:`ERRORS`."""

    error: type[AgentError]
    text: str
    retry_after_s: float | None = None


_WRONG_QUERY = "Correct the SQL and register the task again."
_PYTHON = "The Python code that the query calls failed: correct it there."
_SIGN_IN = "Check the credentials of the agent service, or the secret that the task names in 'credentials'."
_INTERNAL = (
    "BigQuery failed by itself; the next attempt makes a new job. If it stays, tell Google support."
)
_FASTER_THAN_ALLOWED = (
    "Too much at the same time: the next attempt may pass; start fewer tasks at once."
)

ERRORS: Mapping[str, Advice] = {
    # Documented at SOURCE, in its order.
    "accessDenied": Advice(
        TaskError,
        "Grant the service account of this task the roles 'BigQuery Job User' on the project that runs the job "
        "and 'BigQuery Data Viewer' (or Editor, to write) on the data.",
    ),
    "attributeError": Advice(TaskError, _PYTHON),
    "backendError": Advice(RetryableError, _INTERNAL),
    "badRequest": Advice(TaskError, "Correct the job's configuration."),
    "billingNotEnabled": Advice(
        TaskError, "Enable billing for the project, or name another one in 'project'."
    ),
    "billingTierLimitExceeded": Advice(
        TaskError,
        "The query uses too much CPU for the data it reads (often a cross join): rewrite it, or run it in a "
        "reservation ('reservation' in the job configuration).",
    ),
    "blocked": Advice(TaskError, "Google has blocked this operation for now: contact its support."),
    "duplicate": Advice(
        TaskError,
        "The destination table exists already: set write_disposition to WRITE_TRUNCATE or WRITE_APPEND, or name "
        "another table.",
    ),
    "internalError": Advice(RetryableError, _INTERNAL),
    "invalid": Advice(TaskError, "Correct the job's configuration or the data it reads."),
    "invalidQuery": Advice(TaskError, _WRONG_QUERY),
    "invalidUser": Advice(TaskError, _SIGN_IN),
    "jobBackendError": Advice(RetryableError, _INTERNAL),
    "jobInternalError": Advice(RetryableError, _INTERNAL),
    "jobRateLimitExceeded": Advice(RetryableError, _FASTER_THAN_ALLOWED, 10.0),
    "notFound": Advice(
        TaskError,
        "Check the names of project, dataset and table, and that 'location' is the region of the data.",
    ),
    "notImplemented": Advice(TaskError, "BigQuery does not offer this feature: use another one."),
    "proxyAuthenticationRequired": Advice(
        TaskError, "The proxy of the agent service wants a password: ask the platform team."
    ),
    "quotaExceeded": Advice(
        RetryableError,
        "A longer-term quota is used up: it helps to wait ten minutes or more, to start fewer jobs, or to have "
        "the quota raised.",
        600.0,
    ),
    "rateLimitExceeded": Advice(RetryableError, _FASTER_THAN_ALLOWED, 10.0),
    "resourceInUse": Advice(
        TaskError, "Empty the dataset before it is dropped, or wait for the job that uses it."
    ),
    "resourcesExceeded": Advice(
        TaskError,
        "The query needs more memory than a worker has: read less, split it, or drop ORDER BY and large "
        "aggregations without a key.",
    ),
    "responseTooLarge": Advice(
        TaskError, "Set a destination table, or return less (LIMIT, no ORDER BY)."
    ),
    "stopped": Advice(
        TaskError,
        "Somebody cancelled the job at BigQuery, so it is not started again. Run the task again if that "
        "was a mistake.",
    ),
    "tableUnavailable": Advice(
        RetryableError, "Another Google service owns this table and has it unavailable for now."
    ),
    "timeout": Advice(TaskError, "Make the job smaller, or give it more time."),
    # Not in the list, but said by the service: an on-demand query over its maximumBytesBilled comes with status
    # 500, so without this row it would count as a fault of Google's.
    "bytesBilledLimitExceeded": Advice(
        TaskError, "Read less data, or raise 'maximum_bytes_billed' or the cost limit of the task."
    ),
    # The Python client retries this one too: google/cloud/bigquery/retry.py, _RETRYABLE_REASONS.
    "badGateway": Advice(RetryableError, _INTERNAL),
    # Said by Google's front end for every API: https://cloud.google.com/storage/docs/json_api/v1/status-codes
    "accessNotConfigured": Advice(TaskError, "Enable the BigQuery API in the project."),
    "authError": Advice(TaskError, _SIGN_IN),
    "forbidden": Advice(TaskError, "Grant the service account of this task access."),
    "insufficientPermissions": Advice(TaskError, "Grant the service account of this task access."),
    "parseError": Advice(TaskError, "Correct the job's configuration."),
    "required": Advice(TaskError, "Add what is missing to the job's configuration."),
    "uploadTooLarge": Advice(TaskError, "Make the request smaller: shorten the SQL or its inputs."),
    "userProjectMissing": Advice(TaskError, "Set the quota project of the credentials."),
    "userRateLimitExceeded": Advice(RetryableError, _FASTER_THAN_ALLOWED, 10.0),
}

# The first match wins over the reason. Sources: the messages themselves as BigQuery documents them in
# /bigquery/docs/troubleshoot-quotas and /bigquery/docs/error-messages (badRequest), and the working set of
# kestra-io/plugin-gcp, AbstractBigquery.java (retryMessages).
_MESSAGES: tuple[tuple[re.Pattern[str], str, Advice], ...] = (
    (
        re.compile(r"due to concurrent update|too many DML statements outstanding", re.IGNORECASE),
        "CONCURRENT_UPDATE",
        Advice(
            RetryableError, "Another job changed the same table: the next attempt may pass.", 10.0
        ),
    ),
    (
        re.compile(r"retrying (the job |the query )?may solve the problem", re.IGNORECASE),
        "TRANSIENT",
        Advice(RetryableError, _INTERNAL),
    ),
    (
        re.compile(r"would affect rows in the streaming buffer", re.IGNORECASE),
        "STREAMING_BUFFER",
        Advice(
            RetryableError,
            "Rows that were streamed a moment ago cannot be changed yet (minutes, at most 90): wait, or change "
            "only older rows.",
            300.0,
        ),
    ),
    (
        re.compile(r"job timed out after", re.IGNORECASE),
        "TIMED_OUT",
        Advice(
            TaskError,
            "The job ran into its time limit at BigQuery: make it smaller, or raise 'job_timeout_ms' or the "
            "task's timeout.",
        ),
    ),
    (
        re.compile(r"limit for bytes billed", re.IGNORECASE),
        "BYTES_BILLED_LIMIT_EXCEEDED",
        ERRORS["bytesBilledLimitExceeded"],
    ),
)

UNKNOWN_REASON = Advice(TaskError, f"See {SOURCE} for this reason.")
"""For a reason that is in no list."""

_CODES = {"timeout": "TIMED_OUT"}


def advise(
    reason: str, message: str, otherwise: Advice = UNKNOWN_REASON
) -> tuple[type[AgentError], str, Advice]:
    """Return the class, the code and the advice for a reason and its message; ``otherwise`` if neither is known."""
    for pattern, name, advice in _MESSAGES:
        if pattern.search(message):
            return advice.error, f"BIGQUERY.{name}", advice
    advice = ERRORS.get(reason, otherwise)
    return advice.error, code_of(reason), advice


def code_of(reason: str) -> str:
    """Return the stable code of a reason: ``invalidQuery`` is ``BIGQUERY.INVALID_QUERY``."""
    words = _CODES.get(reason) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", reason).upper()
    return "BIGQUERY." + (re.sub(r"[^A-Z0-9_]+", "_", words)[:60].strip("_") or "ERROR")
