"""What ``flyte-agent doctor`` hears about BigQuery, each fault made on the wire."""

from __future__ import annotations

import socket

import pytest

from flyte_agent_bigquery.health import clock


@pytest.fixture
def found(laptop, monkeypatch):
    """Ask, and return the findings by check."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-1")

    def ask():
        return {f.check: f for f in laptop.run(laptop.agent.check_health)}

    return ask


def test_a_vendor_that_works_is_fine_and_makes_no_job(found, laptop):
    findings = found()
    assert findings["query"].level == "ok"
    assert findings["project"].message == "p-1"
    assert findings["endpoint"].level == "warning"  # nobody should serve a cluster from a stand-in
    assert "BIGQUERY_EMULATOR_HOST" in findings["endpoint"].message
    assert len(laptop.vendor.jobs) == 0


@pytest.mark.parametrize(
    ("status", "reason", "repair"),
    [(401, "authError", "credentials"), (403, "accessDenied", "BigQuery Job User")],
)
def test_a_refusal_says_what_to_repair(found, laptop, status, reason, repair):
    laptop.vendor.faults.add("*", status=status, reason=reason, message="no", times=None)
    query = found()["query"]
    assert query.level == "error"
    assert repair in query.repair


def test_a_connection_that_is_refused_is_told_once(found, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", f"127.0.0.1:{closed.getsockname()[1]}")
        findings = found()
    assert findings["connection"].level == "error"
    assert "firewall" in findings["connection"].repair
    assert "query" not in findings


def test_a_slow_vendor_is_a_warning(found, laptop):
    laptop.vendor.faults.add("jobs.insert", delay_s=2.1)
    query = found()["query"]
    assert (query.level, "slow" in query.message) == ("warning", True)


def test_no_project_means_no_query_and_says_so(found, monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    findings = found()
    assert findings["project"].level == "warning"
    assert "query" not in findings


def test_credentials_that_are_missing_say_where_they_go(found, monkeypatch, tmp_path):
    """Where there is no stand-in, a key file that is not there is what google-auth finds."""
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    findings = found()
    assert findings["credentials"].level == "error"
    assert "workload identity" in findings["credentials"].repair


@pytest.mark.parametrize(("ours_s", "level"), [(1000.0, "ok"), (1100.0, "warning"), (0.0, "error")])
def test_clocks_that_differ_are_told(ours_s, level):
    assert clock(ours_s, 1000.0).level == level
