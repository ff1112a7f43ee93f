"""What a workflow author writes to wait, and what is told when it is written wrong."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flytekit import StructuredDataset, TaskMetadata

from flyte_agent_bigquery import BigQueryConfig, BigQuerySensor, CostGuard, TableState
from flyte_agent_bigquery.config_sensor import SensorRequest
from flyte_agent_core import TaskError

CONFIG = BigQueryConfig(project="p-1")


def sensor(table: Any = "travel.flights", wait_for: Any = "exists", **said: Any) -> BigQuerySensor:
    """A sensor with whatever a test says."""
    return BigQuerySensor("s", table, wait_for, said.pop("config", CONFIG), **said)


def test_a_sensor_is_registered_whole():
    task = sensor(
        wait_for="partition",
        partition="{inputs.day:%Y%m%d}",
        inputs={"day": dt.date},
        output=TableState,
        config=BigQueryConfig(
            project="p-1", credentials="key", impersonate="etl@p.iam.gserviceaccount.com"
        ),
        timeout_s=3600,
        on_timeout="report",
        retries=1,
    )

    custom = task.get_custom(None)

    assert task.task_type == "bigquery_job"
    assert task.get_sql(None) is None
    assert list(task.python_interface.outputs) == ["results"]
    assert custom == {
        "kind": "sensor",
        "wait_for": "partition",
        "project": "p-1",
        "target": {"projectId": "p-1", "datasetId": "travel", "tableId": "flights"},
        "partition": "{inputs.day:%Y%m%d}",
        "timeout_s": 3600.0,
        "on_timeout": "report",
        "parameters": {"day": {"type": "DATE"}},
        "credentials": "key",
        "impersonate": ["etl@p.iam.gserviceaccount.com"],
    }
    assert SensorRequest.from_custom(custom) == task.request


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (dt.datetime(2024, 1, 31, 12), "2024-01-31T12:00:00+00:00"),
        (
            dt.datetime(2024, 1, 31, 12, tzinfo=dt.timezone(dt.timedelta(hours=1))),
            "2024-01-31T12:00:00+01:00",
        ),
        ("{inputs.since}", "{inputs.since}"),
    ],
)
def test_a_change_is_after_a_moment(given, kept):
    inputs = {"since": dt.datetime} if isinstance(given, str) else {}

    assert sensor(wait_for="changed", newer_than=given, inputs=inputs).request.newer_than == kept


def test_one_input_may_be_moment_and_name():
    task = sensor(
        "travel.flights_{inputs.since:%Y}", "changed", newer_than="{inputs.since}",
        inputs={"since": dt.datetime},
    )  # fmt: skip

    assert task.request.target["tableId"] == "flights_{inputs.since:%Y}"


@pytest.mark.parametrize(
    ("table", "project", "target"),
    [
        ("other.d.t", "p-1", {"projectId": "other", "datasetId": "d", "tableId": "t"}),
        ("d.t", "@service", {"datasetId": "d", "tableId": "t"}),
        ("{inputs.t}", "p-1", {"tableId": "{inputs.t}"}),
    ],
)
def test_a_table_is_named_in_any_way(table, project, target):
    inputs = {"t": StructuredDataset} if "inputs" in table else {}

    task = sensor(table, config=BigQueryConfig(project=project), inputs=inputs)

    assert task.request.target == target


def test_a_routine_is_waited_for():
    task = sensor(None, routine="travel.distance")

    assert task.request.is_routine
    assert task.request.target["tableId"] == "distance"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"table": None}, "table: found None, expected table='dataset.table' or routine='dataset.routine'"),
    ({"routine": "d.f"}, "table: found ['table', 'routine']"),
    ({"table": "flights"}, "table: found 'flights', expected 'project.dataset.table'"),
    ({"table": 7}, "table: found 7, expected str"),
    ({"table": "d.t$20240131"}, "Write partition='20240131'."),
    ({"wait_for": "exist"}, "wait_for: found 'exist', expected one of 'exists'"),
    ({"table": None, "routine": "d.f", "wait_for": "rows"}, "'exists': a routine has nothing else"),
    ({"wait_for": "partition"}, "partition: found None, expected a value: wait_for='partition' needs it"),
    ({"partition": "20240131"}, "It is for 'partition' or 'rows' or 'changed'."),
    ({"wait_for": "partition", "partition": "2024-01-31"}, "partition: found '2024-01-31', expected an id"),
    ({"wait_for": "partition", "partition": 20240131}, "partition: found 20240131, expected str"),
    ({"min_rows": 5}, "It is for 'rows'."),
    ({"wait_for": "rows", "min_rows": 0}, "min_rows: found 0, expected a number above 0"),
    ({"wait_for": "rows", "min_rows": 1.5}, "min_rows: found 1.5, expected a whole number"),
    ({"wait_for": "changed"}, "newer_than: found None"),
    ({"newer_than": dt.datetime(2024, 1, 1)}, "newer_than: found '2024-01-01T00:00:00+00:00', expected nothing"),
    ({"wait_for": "changed", "newer_than": "yesterday"}, "expected a datetime, or '{inputs.name}'"),
    ({"wait_for": "changed", "newer_than": "{inputs.n}", "inputs": {"n": int}}, "It is INT64."),
    ({"wait_for": "changed", "newer_than": "{inputs.n}"}, "expected an input of type datetime or date"),
    ({"inputs": {"day": dt.date}}, "inputs: found 'day', expected an input that the job uses"),
    ({"table": "d.t_{inputs.day}"}, "expected an input of that name"),
    ({"timeout_s": 0}, "timeout_s: found 0, expected seconds above 0, at most a year"),
    ({"timeout_s": float("nan")}, "timeout_s: found nan"),
    ({"timeout_s": "1h"}, "timeout_s: found '1h', expected a number"),
    ({"on_timeout": "retry"}, "on_timeout: found 'retry', expected one of 'fail', 'report'"),
    ({"on_timeout": "report"}, "Add output=TableState."),
    ({"output": int}, "output: found <class 'int'>, expected None or TableState"),
    ({"config": None}, "config=BigQueryConfig('p')"),
    ({"config": BigQueryConfig(project="p-1", cost=CostGuard(max_bytes=1))}, "BigQueryConfig.cost"),
    ({"config": BigQueryConfig(project="p-1", location="EU")}, "only project, credentials, impersonate"),
    ({"retry": 3}, "found 'retry'"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "says"), MISTAKES, ids=lambda v: v if isinstance(v, str) else "")
def test_a_mistake_is_told_at_construction(said, says):
    with pytest.raises(TaskError) as told:
        sensor(**said)

    assert says in str(told.value)


def test_flytes_own_timeout_travels_with_the_task():
    task = sensor(metadata=TaskMetadata(timeout=dt.timedelta(hours=2)))

    assert task.metadata.timeout == dt.timedelta(hours=2)
