"""BigQuery's states and Flyte's phases."""

from __future__ import annotations

import pytest

from flyte_agent_bigquery.phases import PHASES, phase_of
from flyte_agent_core import Phase, RetryableError, TaskError


def test_every_documented_state_has_a_phase():
    """See https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobStatus."""
    assert PHASES.states == {"PENDING", "RUNNING", "DONE"}


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        ("PENDING", Phase.INITIALIZING),
        ("RUNNING", Phase.RUNNING),
        ("DONE", Phase.SUCCEEDED),
        ("NEW_WORD", Phase.RUNNING),
        ("", Phase.RUNNING),
    ],
)
def test_state_without_a_failure(state, phase):
    assert phase_of(state, None) is phase


def test_a_failure_decides_by_its_class():
    assert phase_of("DONE", TaskError("no")) is Phase.FAILED
    assert phase_of("DONE", RetryableError("not now")) is Phase.RETRYABLE_FAILED
