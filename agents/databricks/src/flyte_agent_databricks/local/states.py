"""
The words for the state of a run, in the API's old form (``state``) and in that of 2.2 (``status``).

Source: databricks-sdk ``RunState``, ``RunStatus``, ``TerminationDetails``
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

TERMINAL = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
_NEW_WORDS = {
    "BLOCKED": "BLOCKED",
    "INTERNAL_ERROR": "TERMINATED",
    "PENDING": "PENDING",
    "QUEUED": "QUEUED",
    "RUNNING": "RUNNING",
    "SKIPPED": "TERMINATED",
    "TERMINATED": "TERMINATED",
    "TERMINATING": "TERMINATING",
    "WAITING_FOR_RETRY": "WAITING",
}


@dataclass(frozen=True)
class Words:
    """
    A state.

    Attributes:
        life_cycle: ``state.life_cycle_state``; unknown words are passed on.
        result: ``state.result_state`` of one that has ended.
        message: ``state.state_message``, and that of the termination details.
        code: ``status.termination_details.code``.
        kind: ``status.termination_details.type``.
        status: ``status.state``; empty for the word that belongs to ``life_cycle``.
        queue_code: ``status.queue_details.code``.
        by_force: ``state.user_cancelled_or_timedout``.
    """

    life_cycle: str
    result: str = ""
    message: str = ""
    code: str = ""
    kind: str = ""
    status: str = ""
    queue_code: str = ""
    by_force: bool = False

    @property
    def is_terminal(self) -> bool:
        """Whether it has ended."""
        return self.life_cycle in TERMINAL

    @property
    def is_success(self) -> bool:
        """Whether it has ended well."""
        return self.is_terminal and self.result == "SUCCESS"

    def saying(self, message: str) -> Words:
        """Return the same with another message."""
        return replace(self, message=message)

    def state(self) -> dict[str, Any]:
        """Return the old form."""
        found: dict[str, Any] = {
            "life_cycle_state": self.life_cycle,
            "state_message": self.message,
            "user_cancelled_or_timedout": self.by_force,
        }
        if self.result:
            found["result_state"] = self.result
        if self.queue_code:
            found["queue_reason"] = self.message
        return found

    def of_2_2(self) -> dict[str, Any]:
        """Return the new form."""
        found: dict[str, Any] = {
            "state": self.status or _NEW_WORDS.get(self.life_cycle, self.life_cycle)
        }
        if self.code:
            found["termination_details"] = {
                "code": self.code,
                "type": self.kind or "CLIENT_ERROR",
                "message": self.message,
            }
        if self.queue_code:
            found["queue_details"] = {"code": self.queue_code, "message": self.message}
        return found


BLOCKED = Words("BLOCKED")
PENDING = Words("PENDING")
RUNNING = Words("RUNNING", message="In run")
TERMINATING = Words("TERMINATING")
WAITING = Words("WAITING_FOR_RETRY")

SUCCESS = Words("TERMINATED", "SUCCESS", code="SUCCESS", kind="SUCCESS")
SUCCESS_WITH_FAILURES = Words(
    "TERMINATED", "SUCCESS_WITH_FAILURES", code="SUCCESS_WITH_FAILURES", kind="SUCCESS"
)
FAILED = Words(
    "TERMINATED",
    "FAILED",
    "Workload failed, see run output for details",
    "RUN_EXECUTION_ERROR",
    "CLIENT_ERROR",
)
RUN_FAILED = replace(FAILED, life_cycle="INTERNAL_ERROR")
CANCELED = Words(
    "TERMINATED", "CANCELED", "Run cancelled.", "USER_CANCELED", "CLIENT_ERROR", by_force=True
)
TIMED_OUT = Words(
    "TERMINATED", "TIMEDOUT", "Run timed out.", "CANCELED", "CLIENT_ERROR", by_force=True
)
STOPPED = Words(
    "TERMINATED", "CANCELED", "The local workspace was stopped.", "CANCELED", "INTERNAL_ERROR"
)
EXCLUDED = Words("TERMINATED", "EXCLUDED", "The run condition was not met.", "SKIPPED", "SUCCESS")
DISABLED = Words("TERMINATED", "DISABLED", "The task is disabled.", "DISABLED", "SUCCESS")
UPSTREAM_FAILED = Words(
    "TERMINATED", "UPSTREAM_FAILED", "An upstream task failed.", "SKIPPED", "CLIENT_ERROR"
)
UPSTREAM_CANCELED = Words(
    "TERMINATED", "UPSTREAM_CANCELED", "An upstream task was canceled.", "SKIPPED", "CLIENT_ERROR"
)
TOO_MANY = Words(
    "SKIPPED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "The maximum number of concurrent runs of the job is reached.",
    "MAX_CONCURRENT_RUNS_EXCEEDED",
    "CLIENT_ERROR",
)
WORKSPACE_FULL = Words(
    "SKIPPED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED",
    "The workspace has reached its limit of concurrent runs.",
    "WORKSPACE_RUN_LIMIT_EXCEEDED",
    "CLIENT_ERROR",
)
QUEUED_FOR_JOB = Words(
    "QUEUED",
    message="Queued due to reaching maximum concurrent runs of the job.",
    queue_code="MAX_CONCURRENT_RUNS_REACHED",
)
QUEUED_FOR_WORKSPACE = Words(
    "QUEUED",
    message="Queued due to reaching the workspace's limit of active task runs.",
    queue_code="ACTIVE_RUNS_LIMIT_REACHED",
)


def broken(code: str, message: str, kind: str = "CLIENT_ERROR") -> Words:
    """Return the end of a task whose work could not be done, for instance because a library is missing."""
    return Words("INTERNAL_ERROR", "FAILED", message, code, kind)
