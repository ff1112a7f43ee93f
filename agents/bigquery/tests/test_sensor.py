"""Sensors look with one request a poll, make no job, and say what is missing."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from typing import Any

import pytest

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.rest import ROUTINE_FIELDS, TABLE_FIELDS
from flyte_agent_bigquery.sensor_meta import AnyMeta, SensorMeta
from flyte_agent_bigquery.sensor_starting import LONGEST_WAIT_S
from flyte_agent_core import Phase, rpc
from flyte_agent_core.meta import META_LIMIT_BYTES, FailedCreate, MetaCodec, Undecodable

TABLE = {"datasetId": "travel", "tableId": "flights"}
CODEC = MetaCodec(AnyMeta)
ARRIVED = {"type": "TABLE", "creationTime": "1700000000000", "lastModifiedTime": "1700000000000",
           "numRows": "12", "numBytes": "2048"}  # fmt: skip


def custom(**said: Any) -> dict[str, Any]:
    """What a sensor's task sends."""
    return {"kind": "sensor", "target": TABLE, **said}


def start(bench, said: dict[str, Any] | None = None, **call: Any) -> Any:
    """Create a sensor."""
    return bench.create(custom(**(said or {})), sql=None, **call)


def wait(bench, meta: SensorMeta, seconds: float) -> Any:
    """Let time pass, and poll."""
    bench.clock.advance(seconds)
    return bench.get(meta)


# -- what is waited for -------------------------------------------------------------------------------------

CONDITIONS: list[Any] = [
    pytest.param({}, None, ARRIVED, "it is not there yet", id="exists"),
    pytest.param(
        {"wait_for": "rows"}, {**ARRIVED, "numRows": "0"}, ARRIVED, "0 rows, expected at least 1", id="rows"
    ),
    pytest.param(
        {"wait_for": "rows", "min_rows": 12}, {**ARRIVED, "numRows": "11"}, ARRIVED,
        "11 rows, expected at least 12", id="enough-rows",
    ),
    pytest.param(
        {"wait_for": "changed", "newer_than": "2024-01-01T00:00:00+00:00"}, ARRIVED,
        {**ARRIVED, "lastModifiedTime": "1704067200001"},
        "last changed 2023-11-14 22:13:20 UTC, expected after 2024-01-01 00:00:00 UTC", id="changed",
    ),
    pytest.param(
        {"wait_for": "streaming_buffer_empty"}, {**ARRIVED, "streamingBuffer": {"estimatedRows": "1200"}}, ARRIVED,
        "at least 1,200 rows are in the streaming buffer", id="streaming-buffer",
    ),
    pytest.param(
        {"wait_for": "streaming_buffer_empty"}, {**ARRIVED, "streamingBuffer": {}}, ARRIVED,
        "at least 1 rows are in the streaming buffer", id="streaming-buffer-without-figures",
    ),
    pytest.param({"wait_for": "streaming_buffer_empty"}, None, ARRIVED, "it is not there yet", id="no-table"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "before", "after", "missing"), CONDITIONS)
def test_waits_until_it_is_so(bench, said, before, after, missing):
    bench.vendor.tables = {"travel.flights": before} if before else {}
    meta = start(bench, said, outputs={"results": dict})

    waiting = [bench.get(meta) for _ in range(3)]
    bench.vendor.tables["travel.flights"] = after
    done = bench.get(meta)

    assert {answer.phase for answer in waiting} == {Phase.WAITING_FOR_RESOURCES}
    assert waiting[0].message.startswith(f"waiting for p-1.travel.flights: {missing} (until 20")
    assert done.phase is Phase.SUCCEEDED
    assert done.message.startswith("found p-1.travel.flights, 12 rows, 2.0 KiB, changed 20")
    assert bench.vendor.counts() == {"table": 4}


def test_what_has_come_already_is_found_at_once(bench):
    bench.vendor.tables["travel.flights"] = ARRIVED

    assert bench.get(start(bench)).phase is Phase.SUCCEEDED


def test_create_asks_bigquery_nothing(bench):
    start(bench)

    assert bench.vendor.count() == 0


def test_a_partition_is_there_when_it_has_rows(bench):
    """BigQuery may know a partition without rows, or not; neither is one to go on with."""
    bench.vendor.tables["travel.flights"] = ARRIVED
    meta = start(bench, {"wait_for": "partition", "partition": "20240131"})

    unknown = bench.get(meta)
    bench.vendor.tables["travel.flights$20240131"] = {**ARRIVED, "numRows": "0"}
    empty = bench.get(meta)
    bench.vendor.tables["travel.flights$20240131"] = ARRIVED
    done = bench.get(meta)

    assert "waiting for p-1.travel.flights$20240131: it is not there yet" in unknown.message
    assert "the partition has no rows yet" in empty.message
    assert done.phase is Phase.SUCCEEDED
    assert bench.vendor.requests[-1].path.endswith("/datasets/travel/tables/flights$20240131")


@pytest.mark.parametrize(
    "said",
    [
        {"wait_for": "rows", "min_rows": 12},
        {"wait_for": "changed", "newer_than": "2023-01-01T00:00:00+00:00"},
    ],
)
def test_other_conditions_may_be_about_a_partition(bench, said):
    meta = start(bench, {**said, "partition": "20240131"})
    bench.vendor.tables["travel.flights"] = ARRIVED

    assert bench.get(meta).phase is Phase.WAITING_FOR_RESOURCES
    bench.vendor.tables["travel.flights$20240131"] = ARRIVED
    assert bench.get(meta).phase is Phase.SUCCEEDED


def test_figures_of_the_whole_table_are_no_partition(bench):
    """Were the decorator ever ignored, the sensor would fire for any row of the table."""
    whole = {"tableReference": {"tableId": "flights"}, **ARRIVED}
    bench.vendor.tables["travel.flights$20240131"] = whole
    meta = start(bench, {"wait_for": "partition", "partition": "20240131"})

    answer = bench.get(meta)

    assert not answer.phase.is_terminal
    assert "answered table 'flights', expected 'flights$20240131'" in answer.message


def test_a_routine_is_waited_for(bench):
    meta = start(bench, {"target": {"datasetId": "d", "tableId": "f"}, "is_routine": True})

    assert "waiting for p-1.d.f: it is not there yet" in bench.get(meta).message
    bench.vendor.routines["d.f"] = {
        "routineType": "SCALAR_FUNCTION",
        "creationTime": "1700000000000",
    }
    done = bench.get(meta)
    assert done.phase is Phase.SUCCEEDED
    assert done.custom_info["kind"] == "SCALAR_FUNCTION"
    assert "BigQuery table" in done.links


def test_only_the_figures_are_asked_for(bench):
    """A schema may have ten thousand columns."""
    bench.get(start(bench))

    assert bench.vendor.requests[0].query["fields"] == ",".join(TABLE_FIELDS)


def test_the_fields_are_those_of_the_api():
    from googleapiclient.discovery_cache import get_static_doc

    schemas = json.loads(get_static_doc("bigquery", "v2"))["schemas"]
    assert set(TABLE_FIELDS) <= set(schemas["Table"]["properties"])
    assert set(ROUTINE_FIELDS) <= set(schemas["Routine"]["properties"])


# -- inputs and outputs -------------------------------------------------------------------------------------


def test_inputs_are_part_of_the_names(bench):
    day = dt.datetime(2024, 1, 31, tzinfo=dt.timezone.utc)
    bench.vendor.tables["eu.flights$20240131"] = ARRIVED
    said = {
        "target": {"tableId": "{inputs.table}"},
        "wait_for": "partition",
        "partition": "{inputs.day:%Y%m%d}",
        "parameters": {"table": {"type": "STRING"}, "day": {"type": "DATE"}},
    }

    meta = start(
        bench, said, inputs={"table": str, "day": dt.datetime},
        values={"table": "bq://other:eu.flights", "day": day},
    )  # fmt: skip

    assert bench.get(meta).phase is Phase.SUCCEEDED
    assert meta.place.text == "other.eu.flights$20240131"


@pytest.mark.parametrize(
    ("value", "phase"), [(-1, Phase.SUCCEEDED), (1, Phase.WAITING_FOR_RESOURCES)]
)
def test_an_input_says_since_when(bench, value, phase):
    changed = dt.datetime.fromtimestamp(1_700_000_000, tz=dt.timezone.utc)
    bench.vendor.tables["travel.flights"] = ARRIVED
    said = {
        "wait_for": "changed",
        "newer_than": "{inputs.since}",
        "parameters": {"since": {"type": "TIMESTAMP"}},
    }

    meta = start(
        bench, said, inputs={"since": dt.datetime}, values={"since": changed + dt.timedelta(seconds=value)}
    )  # fmt: skip

    assert bench.get(meta).phase is phase


def test_the_output_is_the_table_as_it_was_found(bench):
    bench.vendor.tables["travel.flights"] = {**ARRIVED, "streamingBuffer": {"estimatedRows": "3"}}
    meta = start(bench, outputs={"results": dict})

    resource = bench.get(meta)

    import msgpack

    value = msgpack.unpackb(resource.outputs.literals["results"].scalar.binary.value)
    assert value == {
        "table": "p-1.travel.flights",
        "satisfied": True,
        "exists": True,
        "partition": None,
        "kind": "TABLE",
        "rows": 12,
        "size_bytes": 2048,
        "streaming_rows": 3,
        "created": "2023-11-14T22:13:20+00:00",
        "last_modified": "2023-11-14T22:13:20+00:00",
    }


def test_without_an_output_there_is_none(bench):
    bench.vendor.tables["travel.flights"] = ARRIVED

    assert bench.get(start(bench)).outputs is None


@pytest.mark.parametrize(
    ("said", "call", "says"),
    [
        ({"min_rows": 5}, {}, "min_rows: found 5, expected nothing with wait_for='exists'"),
        ({"wait_for": "partition"}, {}, "partition: found None"),
        ({"wait_fore": "rows"}, {}, "wait_fore: unknown field. Did you mean 'wait_for'?"),
        ({"target": {"tableId": "{inputs.t}"}, "parameters": {"t": {"type": "STRING"}}},
         {"inputs": {"t": str}, "values": {"t": "no table"}}, "expected 'project.dataset.table'"),
        ({"target": {"tableId": "{inputs.t}"}, "parameters": {"t": {"type": "STRING"}}},
         {"inputs": {"t": str}, "values": {"t": "bq://p-1:d.t$1"}}, "Write partition='1'"),
        ({"wait_for": "partition", "partition": "{inputs.t}", "parameters": {"t": {"type": "STRING"}}},
         {"inputs": {"t": str}, "values": {"t": "2024-01-31"}}, "partition: found '2024-01-31'"),
        ({"wait_for": "changed", "newer_than": "{inputs.t}", "parameters": {"t": {"type": "TIMESTAMP"}}},
         {"inputs": {"t": dt.datetime | None}, "values": {"t": None}}, "newer_than: found None"),
        ({"target": {"datasetId": "d" * 900, "tableId": "t"}}, {}, "expected at most 1024"),
        ({"project": None}, {}, "table: found no project"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_mistake_fails_the_task_at_once(bench, said, call, says):
    failed = start(bench, said, **call)

    assert isinstance(failed, FailedCreate)
    assert says in failed.message
    assert bench.get_failed(failed).phase is Phase.FAILED


def test_the_project_may_be_the_services(bench, monkeypatch):
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-of-service")

    assert start(bench, {"project": None}).project == "p-of-service"


# -- time ---------------------------------------------------------------------------------------------------


def test_the_end_of_the_time_is_a_failure(bench):
    meta = start(bench, {"timeout_s": 3600})

    assert not wait(bench, meta, 3599).phase.is_terminal
    failed = wait(bench, meta, 1)

    assert failed.phase is Phase.FAILED
    assert failed.error_code == "BIGQUERY.SENSOR_TIMED_OUT"
    assert failed.message.startswith(
        "The time is up: 1:00:00 have passed. Give the sensor more (timeout_s)"
    )
    assert "waiting for p-1.travel.flights: it is not there yet" in failed.message


def test_the_end_of_the_time_may_be_a_result(bench):
    meta = start(bench, {"timeout_s": 3600, "on_timeout": "report"}, outputs={"results": dict})

    done = wait(bench, meta, 3600)

    assert done.phase is Phase.SUCCEEDED
    assert done.message == "the time is up: waiting for p-1.travel.flights: it is not there yet"
    assert done.custom_info["satisfied"] is False
    assert done.outputs is not None


def test_a_last_look_finds_what_came_in_time(bench):
    """Propeller may poll long after the end."""
    meta = start(bench, {"timeout_s": 10})
    bench.vendor.tables["travel.flights"] = ARRIVED

    assert wait(bench, meta, 100).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("own_s", "flytes_s", "wait_s"),
    [
        (None, 0, LONGEST_WAIT_S),
        (60, 0, 60),
        (None, 600, 540),
        (None, 7200, 7080),
        (60, 7200, 60),
        (7200, 7200, 7080),
    ],
)
def test_it_ends_before_flyte_ends_it(bench, own_s, flytes_s, wait_s):
    """Flyte's own timeout stops the task without a word, and may try again."""
    said = {} if own_s is None else {"timeout_s": own_s}

    assert start(bench, said, timeout_s=flytes_s).wait_s == pytest.approx(wait_s)


# -- a vendor that does not let it look ---------------------------------------------------------------------


def test_a_missing_dataset_is_told_and_may_still_come(bench):
    bench.vendor.missing_datasets.add("travel")
    meta = start(bench)

    told = bench.get(meta)
    bench.vendor.missing_datasets.clear()
    waiting = bench.get(meta)

    assert told.phase is Phase.INITIALIZING
    assert (
        "cannot look at p-1.travel.flights: BigQuery notFound: Not found: Dataset p-1:travel"
        in told.message
    )
    assert "Check the names" in told.message
    assert waiting.phase is Phase.WAITING_FOR_RESOURCES


@pytest.mark.parametrize("reason", ["accessDenied", "authError", "billingNotEnabled"])
def test_a_permission_that_stays_away_fails_the_task(bench, reason):
    status = 401 if reason == "authError" else 403
    bench.vendor.faults.add(
        "table", status=status, reason=reason, message="no bigquery.tables.get", times=None
    )
    meta = start(bench)

    first = bench.get(meta)
    later = wait(bench, meta, 899)
    last = wait(bench, meta, 2)

    assert {first.phase, later.phase} == {Phase.INITIALIZING}
    assert last.phase is Phase.FAILED
    assert "no bigquery.tables.get" in last.message
    assert "It stayed so for 15 minutes." in last.message


def test_patience_begins_anew_when_it_could_look(bench):
    meta = start(bench)
    for _ in range(3):
        bench.vendor.faults.add("table", status=403, reason="accessDenied", times=1)
        assert wait(bench, meta, 600).phase is Phase.INITIALIZING
        assert bench.get(meta).phase is Phase.WAITING_FOR_RESOURCES


def test_a_permission_is_not_waited_for_longer_than_the_table(bench):
    bench.vendor.faults.add("table", status=403, reason="accessDenied", times=None)
    meta = start(bench, {"timeout_s": 60})

    assert bench.get(meta).phase is Phase.INITIALIZING
    failed = wait(bench, meta, 60)
    assert failed.phase is Phase.FAILED
    assert failed.message.startswith("The time is up")


@pytest.mark.parametrize("reason", ["invalid", "badRequest"])
def test_what_cannot_pass_by_waiting_fails_at_once(bench, reason):
    bench.vendor.faults.add("table", status=400, reason=reason, message="Invalid table ID")

    failed = bench.get(start(bench))

    assert failed.phase is Phase.FAILED
    assert "Invalid table ID" in failed.message


def test_a_view_has_no_rows_to_wait_for(bench):
    bench.vendor.tables["travel.flights"] = {"type": "VIEW"}

    failed = bench.get(start(bench, {"wait_for": "rows"}))

    assert failed.phase is Phase.FAILED
    assert "found a VIEW without a row count" in failed.message


def test_a_change_of_unknown_time_is_waited_for(bench):
    bench.vendor.tables["travel.flights"] = {"type": "EXTERNAL"}
    meta = start(bench, {"wait_for": "changed", "newer_than": "2024-01-01T00:00:00+00:00"})

    assert "it has no time of its last change" in bench.get(meta).message


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 429}, {"status": 200}, {"drop_connection": True}]
)
def test_a_poll_that_fails_changes_nothing(bench, fault):
    meta = start(bench)
    bench.get(meta)
    bench.vendor.faults.add("table", times=2, **fault)

    answer = bench.get(meta)

    assert answer.phase is Phase.WAITING_FOR_RESOURCES
    assert bench.agent.runtime.polls.of(meta).failures == 1


# -- metadata -----------------------------------------------------------------------------------------------


def test_metadata_is_all_there_is(bench):
    """Another replica, or the next version, goes on with it."""
    meta = start(bench, {"timeout_s": 3600, "wait_for": "rows", "min_rows": 5})
    kept = CODEC.decode(meta.encode())

    other = BigQueryAgent(clock=bench.clock)
    resource = bench.run(lambda: other.get(resource_meta=kept))

    assert kept == meta
    assert resource.phase is Phase.WAITING_FOR_RESOURCES


def test_metadata_is_small():
    account = f"{'s' * 30}@{'p' * 30}.iam.gserviceaccount.com"
    meta = SensorMeta(
        key="f" * 32, created_s=1767225600.123456, waits_for="streaming_buffer_empty", project="p" * 30,
        dataset="d" * 60, name="t" * 120, wait_s=604800.0, partition="2024013123", min_rows=10**12,
        newer_than_s=1767225600.123456, report=True, outputs={"results": "struct"}, credentials="c" * 60,
        impersonate=[account, account], flyte_project="p" * 63, flyte_domain="d" * 63,
    )  # fmt: skip

    assert len(meta.encode()) < META_LIMIT_BYTES


def test_jobs_keep_their_metadata():
    assert CODEC.decode(b'{"job_id": "j", "project": "p", "location": "EU"}').ref == (
        "p",
        "j",
        "EU",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"waits_for": "miracles"},
        {"waits_for": 7},
        {"wait_s": "long"},
        {"wait_s": 1e300},
        {"wait_s": -1.0},
        {"name": None},
        {"impersonate": "me"},
        {"min_rows": "many"},
    ],
    ids=str,
)
def test_garbage_is_named_as_such(bench, change):
    values = {**json.loads(start(bench).encode()), **change}

    assert isinstance(CODEC.decode(json.dumps(values).encode()), Undecodable)


# -- many sensors -------------------------------------------------------------------------------------------


def _sensors(bench, tables: list[str], **said: Any) -> list[SensorMeta]:
    return [
        start(bench, {"target": {"datasetId": "d", "tableId": t}, **said}, prefix=f"s3://b/{n}")
        for n, t in enumerate(tables)
    ]


def test_sensors_of_one_table_share_a_request(bench):
    metas = _sensors(bench, ["a", "b"] * 10)
    metas += _sensors(bench, ["a"], wait_for="rows")
    bench.vendor.tables["d.a"] = ARRIVED

    async def at_once() -> list[Any]:
        with rpc.serving(9.0):
            return await asyncio.gather(*(bench.agent.get(resource_meta=m) for m in metas))

    answers = asyncio.run(at_once())

    assert bench.vendor.counts() == {"table": 2}
    assert [a.phase is Phase.SUCCEEDED for a in answers] == [True, False] * 10 + [True]


def test_a_sensor_is_not_asked_for_because_of_another(bench):
    """Tables are looked at singly, so a round for all of an account would only mean more requests."""
    one, other = _sensors(bench, ["a", "b"])
    job = bench.create()

    groups = {bench.agent.poll_group(meta) for meta in (one, other, job)}

    assert len(groups) == 3


def test_an_error_concerns_one_sensor_only(bench):
    bench.vendor.tables["d.a"] = {"type": "VIEW"}
    metas = [*_sensors(bench, ["a"], wait_for="rows"), *_sensors(bench, ["a"])]

    answers = bench.run(lambda: bench.agent.get_many(metas))

    assert [a.phase for a in answers] == [Phase.FAILED, Phase.SUCCEEDED]


def test_a_request_that_fails_is_each_sensors_own_affair(bench):
    bench.vendor.faults.add("table", status=503, reason="backendError", times=1)
    metas = _sensors(bench, ["a", "a"])

    answers = bench.run(lambda: bench.agent.get_many(metas))

    assert [type(a).__name__ for a in answers] == ["RetryableError", "RetryableError"]


# -- the rest of an agent's life ----------------------------------------------------------------------------


def test_delete_and_undo_have_nothing_to_do(bench):
    meta = start(bench)
    attempt = bench.attempt(custom(), sql=None)

    bench.delete(meta)
    bench.run(lambda: bench.agent.undo(attempt))

    assert bench.vendor.count() == 0


def test_metrics_and_logs_say_what_is_seen_now(bench):
    bench.vendor.tables["travel.flights"] = ARRIVED
    meta = start(bench, {"wait_for": "rows", "min_rows": 100})

    metrics = bench.run(lambda: bench.agent.get_metrics(resource_meta=meta))
    logs = bench.run(lambda: bench.agent.get_logs(resource_meta=meta))

    assert {r.metric: r.data["value"] for r in metrics.results}["rows"] == 12
    assert "12 rows, expected at least 100" in logs.body.results[0]


def test_the_page_is_the_tables(bench, monkeypatch):
    meta = start(bench, {"wait_for": "partition", "partition": "20240131"})
    assert bench.get(meta).links["BigQuery table"].endswith("/datasets/travel/tables/flights")

    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST")
    console = "https://console.cloud.google.com/bigquery?p=p-1&d=travel"
    routine = start(bench, {"is_routine": True})
    assert bench.agent.links(meta) == {"BigQuery table": f"{console}&t=flights&page=table"}
    assert bench.agent.links(routine) == {"BigQuery dataset": f"{console}&page=dataset"}


def test_it_looks_with_the_rights_it_is_given(bench, named_key):
    bench.vendor.tables["travel.flights"] = ARRIVED

    meta = start(
        bench, {"credentials": named_key, "impersonate": ["etl@p.iam.gserviceaccount.com"]}
    )

    assert bench.get(meta).phase is Phase.SUCCEEDED
    assert bench.vendor.requests[-1].headers["authorization"].startswith("Bearer as-etl@")
    assert meta.flyte_project == "flytesnacks"


def test_the_policy_knows_what_is_looked_at(bench):
    attempt = bench.attempt(custom(credentials="key"), sql=None)

    facts = bench.agent.policy_facts(attempt)

    assert facts["kind"] == ["sensor"]
    assert facts["dataset"] == ["p-1.travel"]
    assert facts["secret"] == ["key"]
    assert facts["max_bytes"] == ["0"]
