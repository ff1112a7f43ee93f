"""What ``flyte-agent doctor`` hears about S3, and a policy about a sensor."""

from __future__ import annotations

import socket

import pytest

from flyte_agent_core import TaskError
from flyte_agent_s3_sensor.health import clock


def found(bench):
    return {f.check: f for f in bench.run(bench.agent.check_health)}


def test_a_store_that_works_is_fine(bench):
    findings = found(bench)
    assert findings["credentials"].message == "an access key in the environment"
    assert findings["region"].message == "us-east-1"
    assert findings["endpoint"].level == "warning"  # nobody should serve a cluster from a stand-in
    assert findings["connection"].level == "ok"


def test_nobody_answers(bench, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        findings = found(bench)
    assert findings["connection"].level == "error"
    assert "firewall" in findings["connection"].repair


def test_a_service_without_identity_is_told(bench, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert "Pod Identity" in found(bench)["credentials"].repair


def test_a_broken_configuration_is_told(bench, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "no-such")
    assert found(bench)["credentials"].level == "error"


def test_an_address_of_https_is_fine(bench, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
    assert found(bench)["endpoint"].level == "ok"
    monkeypatch.delenv("AWS_ENDPOINT_URL")


@pytest.mark.parametrize(("skew_s", "level"), [(0, "ok"), (-100, "warning"), (1000, "error")])
def test_a_clock_that_is_off_is_told(skew_s, level):
    assert clock(1e9 + skew_s, 1e9).level == level


def test_a_policy_is_told_what_a_sensor_touches(bench):
    attempt = bench.attempt(
        {
            "wildcard": "in/{inputs.team}/*.csv",
            "inputs": {"team": "str"},
            "access": {"credentials": "s3-key", "role_arn": "arn:aws:iam::123456789012:role/r", "endpoint_url": "https://m"},
            "events": {"queue_url": "https://sqs/1/q"},
        },
        inputs={"team": str}, values={"team": "red"},
    )  # fmt: skip
    assert bench.agent.policy_facts(attempt) == {
        "bucket": ["landing"],
        "prefix": ["landing/in/red/"],
        "endpoint": ["https://m"],
        "queue": ["https://sqs/1/q"],
        "secret": ["s3-key"],
        "role": ["arn:aws:iam::123456789012:role/r"],
    }
    assert bench.agent.policy_facts(bench.attempt({"keys": ["a", "b"]}))["prefix"] == [
        "landing/a",
        "landing/b",
    ]


def test_a_policy_hears_of_a_task_that_is_wrong(bench):
    with pytest.raises(TaskError):
        bench.agent.policy_facts(bench.attempt({"keys": ["{inputs.x}"]}))
