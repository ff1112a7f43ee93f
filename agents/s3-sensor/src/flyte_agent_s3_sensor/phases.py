"""
What a sensor sees, and Flyte's phases.

S3 has no states: these are the sensor's own. One that waits is ``WAITING_FOR_RESOURCES``; one that
cannot look is ``INITIALIZING``. Flyte shows the messages of these two, one for each phase, so the
change of phase is what brings the reason to the reader.
"""

from __future__ import annotations

from flyte_agent_core import Phase, PhaseTable

WAITING, UNSEEN, SATISFIED, TIMED_OUT = "waiting", "unseen", "satisfied", "timed_out"

PHASES = PhaseTable(
    {
        WAITING: Phase.WAITING_FOR_RESOURCES,
        UNSEEN: Phase.INITIALIZING,
        SATISFIED: Phase.SUCCEEDED,
        TIMED_OUT: Phase.FAILED,
    },
    source="docs/decisions/s3-waiting.md",
)
