"""Phases and tables."""

from __future__ import annotations

import logging

from flyteidl.core.execution_pb2 import TaskExecution

from flyte_agent_core import Phase, PhaseTable


def test_numbers_and_names_are_flytes():
    assert {p.name: p.value for p in Phase} == dict(TaskExecution.Phase.items())


def test_retryable_failed_is_terminal():
    assert {p for p in Phase if p.is_terminal} == {
        Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED, Phase.RETRYABLE_FAILED,
    }  # fmt: skip


def test_an_unknown_state_keeps_running_and_is_logged_once(caplog):
    table = PhaseTable({"OK": Phase.SUCCEEDED}, source="the vendor's page")
    assert table.states == {"OK"}
    with caplog.at_level(logging.WARNING, "flyte_agent"):
        assert [table("NEWS"), table("NEWS"), table("OK")] == [
            Phase.RUNNING,
            Phase.RUNNING,
            Phase.SUCCEEDED,
        ]
    assert len(caplog.records) == 1
    assert "the vendor's page" in caplog.text


def test_warnings_are_bounded(caplog):
    table = PhaseTable({}, source="x")
    with caplog.at_level(logging.WARNING, "flyte_agent"):
        for number in range(300):
            table(f"state {number}")
    assert len(caplog.records) == 100
