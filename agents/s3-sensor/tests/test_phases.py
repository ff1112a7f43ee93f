"""The sensor's states and Flyte's phases."""

from __future__ import annotations

from flyte_agent_core import Phase
from flyte_agent_s3_sensor.phases import PHASES, SATISFIED, TIMED_OUT, UNSEEN, WAITING


def test_a_message_is_shown_in_every_phase_that_goes_on():
    """Flyte drops those of RUNNING and QUEUED."""
    assert {PHASES(WAITING), PHASES(UNSEEN)} == {Phase.WAITING_FOR_RESOURCES, Phase.INITIALIZING}


def test_a_wait_in_vain_is_not_tried_again():
    assert (PHASES(TIMED_OUT), PHASES(SATISFIED)) == (Phase.FAILED, Phase.SUCCEEDED)
