"""BigQuery's job states and Flyte's phases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import Phase, PhaseTable, RetryableError

if TYPE_CHECKING:
    from flyte_agent_core import AgentError

PHASES = PhaseTable(
    {
        # Not QUEUED: of that Flyte shows neither message nor link.
        "PENDING": Phase.INITIALIZING,
        "RUNNING": Phase.RUNNING,
        # A failed job is DONE too: see phase_of.
        "DONE": Phase.SUCCEEDED,
    },
    unknown=Phase.RUNNING,
    source="https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobStatus",
)


def phase_of(state: str, failure: AgentError | None) -> Phase:
    """Return the phase of a job in ``state`` that failed with ``failure``, if it did."""
    if failure is None:
        return PHASES(state)
    return Phase.RETRYABLE_FAILED if isinstance(failure, RetryableError) else Phase.FAILED
