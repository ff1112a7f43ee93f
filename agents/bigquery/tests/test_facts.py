"""What a policy is told of a job."""

from __future__ import annotations

import pytest

from flyte_agent_core import TaskError


def facts(bench, custom=None, **said):
    attempt = bench.attempt(custom, **said)
    return bench.agent.policy_facts(attempt)


def test_a_query_tells_what_its_configuration_names(bench):
    table = {"datasetId": "out", "tableId": "t"}
    custom = {
        "location": "EU",
        "credentials": "bq-key",
        "impersonate": ["a@x.iam", "b@x.iam"],
        "configuration": {
            "query": {
                "destinationTable": table,
                "defaultDataset": {"projectId": "p-2", "datasetId": "in"},
                "tableDefinitions": {"e": {"sourceUris": ["gs://lake/a/*"]}},
            }
        },
        "cost": {"max_bytes": 100},
    }

    assert facts(bench, custom) == {
        "kind": ["query"],
        "project": ["p-1"],
        "location": ["EU"],
        "dataset": ["p-1.out", "p-2.in"],
        "bucket": ["lake"],
        "secret": ["bq-key"],
        "service_account": ["a@x.iam", "b@x.iam"],
        "max_bytes": ["100"],
    }


def test_what_a_task_leaves_open_is_told_as_such(bench):
    told = facts(bench, {"project": None})

    assert told["project"] == ["(service default)"]
    assert told["max_bytes"] == told["secret"] == told["dataset"] == []


def test_a_limit_that_only_warns_is_none(bench):
    assert facts(bench, {"cost": {"max_bytes": 100, "action": "warn"}})["max_bytes"] == []


def test_a_load_reads_nothing_that_is_billed(bench):
    load = {
        "sourceUris": ["gs://lake/a.csv"],
        "destinationTable": {"datasetId": "out", "tableId": "t"},
    }
    told = facts(bench, {"kind": "load", "configuration": {"load": load}}, sql=None)

    assert (told["bucket"], told["dataset"], told["max_bytes"]) == (["lake"], ["p-1.out"], ["0"])


def test_a_task_that_is_wrong_says_so(bench):
    with pytest.raises(TaskError, match="unknown field"):
        facts(bench, {"projct": "p"})
