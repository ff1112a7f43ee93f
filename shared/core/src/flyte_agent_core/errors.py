"""
What an agent may raise, named by what the caller does next.

::

    AgentError
    ├─ TaskError          the task must change                     -> FAILED
    │  └─ InvalidConfig   a field of its configuration is wrong
    ├─ RetryableError     the same request may pass later          -> RETRYABLE_FAILED
    ├─ JobNotFound        the vendor does not know the job         -> wait, then RETRYABLE_FAILED
    └─ ProtocolError      the vendor said something we do not know -> keep polling, then RETRYABLE_FAILED

Messages say what the user does next: which field, what was found, what was expected, how to repair
it.
"""

from __future__ import annotations


class AgentError(Exception):
    """
    Base of everything an agent raises on purpose.

    Attributes:
        code: Stable upper-case name for dashboards and support, e.g. ``BIGQUERY.INVALID_QUERY``.
        retry_after_s: Seconds the vendor asked to wait, if it said so.
    """

    default_code = "AGENT.ERROR"

    def __init__(
        self, message: str, *, code: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.retry_after_s = retry_after_s


class TaskError(AgentError):
    """The task must change: trying again will not help."""

    default_code = "AGENT.TASK_ERROR"


class InvalidConfig(TaskError):
    """A field of the configuration is wrong: the message has field, found, expected, repair."""

    default_code = "AGENT.INVALID_CONFIG"


class RetryableError(AgentError):
    """The same request may pass later."""

    default_code = "AGENT.RETRYABLE"


class JobNotFound(AgentError):
    """The vendor does not know the job: too new, removed, or never made."""

    default_code = "AGENT.JOB_NOT_FOUND"


class ProtocolError(AgentError):
    """The vendor said something this version does not know: our bug or their news."""

    default_code = "AGENT.PROTOCOL"
