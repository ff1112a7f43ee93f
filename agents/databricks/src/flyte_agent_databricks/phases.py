"""Databricks' states of runs and statements, and Flyte's phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import Phase, PhaseTable, RetryableError

from .errors import SOURCE

if TYPE_CHECKING:
    from flyte_agent_core import AgentError

PHASES = PhaseTable(
    {
        # state.life_cycle_state. Not QUEUED: of that Flyte shows neither message nor link.
        "QUEUED": Phase.INITIALIZING,
        "PENDING": Phase.INITIALIZING,
        "BLOCKED": Phase.INITIALIZING,
        "RUNNING": Phase.RUNNING,
        "WAITING_FOR_RETRY": Phase.RUNNING,
        "TERMINATING": Phase.RUNNING,
        # A run that failed is TERMINATED too: see phase_of.
        "TERMINATED": Phase.SUCCEEDED,
        "SKIPPED": Phase.RETRYABLE_FAILED,
        "INTERNAL_ERROR": Phase.RETRYABLE_FAILED,
        # status.state has these as well, and one more.
        "WAITING": Phase.RUNNING,
    },
    unknown=Phase.RUNNING,
    source=SOURCE,
)

STATEMENT_PHASES = PhaseTable(
    {
        "PENDING": Phase.INITIALIZING,
        "RUNNING": Phase.RUNNING,
        "SUCCEEDED": Phase.SUCCEEDED,
        "CLOSED": Phase.SUCCEEDED,  # it succeeded, and its rows are no longer kept
        "FAILED": Phase.FAILED,
        "CANCELED": Phase.FAILED,
    },
    unknown=Phase.RUNNING,
    source="https://docs.databricks.com/api/workspace/statementexecution/getstatement",
)

ENDED = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
"""Life-cycle states after which nothing changes."""


def phase_of(state: str, failure: AgentError | None) -> Phase:
    """Return the phase of a run in ``state`` that failed with ``failure``, if it did."""
    if failure is None:
        return PHASES(state)
    return Phase.RETRYABLE_FAILED if isinstance(failure, RetryableError) else Phase.FAILED
