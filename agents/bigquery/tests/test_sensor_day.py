"""A day of waiting, in virtual time over gRPC, and waits for tables that are really made."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any

import pytest
from flytekit import workflow

from flyte_agent_bigquery import BigQueryConfig, BigQuerySensor, BigQueryTask, TableState
from flyte_agent_testing.conformance.replica import Replica
from flyte_agent_testing.conformance.service import served
from flyte_agent_testing.propeller import SimulatedPropeller
from flyte_agent_testing.templates import task_template

pytestmark = pytest.mark.once

ARRIVED = {"type": "TABLE", "numRows": "1", "numBytes": "8", "lastModifiedTime": "1700000000000"}
HOUR_S = 3600.0
POLL_S = 300.0  # propeller's 30 s would be ten times the polls, and nothing new


def day(bench: Any, happenings: dict[float, Any], **said: Any) -> Any:
    """Run a sensor under propeller; ``happenings`` are called when their time (in hours) has come."""
    target = {"datasetId": "travel", "tableId": "flights"}
    custom = {"kind": "sensor", "project": "p-1", "target": target, **said}
    task = task_template("bigquery_job", custom=custom, retries=2)
    left = dict(happenings)

    def observe(step: Any) -> None:
        for hours in [h for h in left if h * HOUR_S <= step.at_s]:
            left.pop(hours)()

    async def live() -> Any:
        async with (
            served(Replica(bench.agent, 2.0)) as remote,
            SimulatedPropeller(
                remote.address,
                clock=bench.clock,
                seed=1,
                observer=observe,
                watch_s=0,
                resync_interval_s=POLL_S,
            ) as propeller,
        ):
            return await propeller.run(task)

    return asyncio.run(live())


def test_a_user_sees_what_is_missing_and_for_how_long(bench):
    """The message of WAITING_FOR_RESOURCES is shown, and a new phase brings a new message."""
    vendor = bench.vendor
    outcome = day(
        bench,
        {
            6: lambda: vendor.missing_datasets.add("travel"),
            6.2: vendor.missing_datasets.clear,
            8: lambda: vendor.tables.update({"travel.flights": ARRIVED}),
        },
        timeout_s=12 * HOUR_S,
    )

    assert outcome.succeeded, outcome
    assert not outcome.violations
    shown = [(event.phase, event.message[:55]) for event in outcome.events if event.message]
    waiting = ("WAITING_FOR_RESOURCES", "waiting for p-1.travel.flights: it is not there yet (un")
    assert [s for s in shown if s[0] != "QUEUED"] == [
        waiting,
        ("INITIALIZING", "cannot look at p-1.travel.flights: BigQuery notFound: N"),
        waiting,
    ]
    assert all("BigQuery table" in e.links for e in outcome.events if e.phase != "QUEUED")
    (attempt,) = outcome.attempts
    assert attempt.polls == vendor.count("table") == pytest.approx(8 * 12, abs=2)


def test_a_table_that_never_comes_uses_up_no_retries(bench):
    outcome = day(bench, {}, timeout_s=24 * HOUR_S)

    assert (outcome.phase, len(outcome.attempts)) == ("FAILED", 1)
    assert "The time is up: 1 day, 0:00:00 have passed" in outcome.error_message
    assert outcome.took_s == pytest.approx(24 * HOUR_S, abs=2 * POLL_S)


def test_a_permission_that_is_granted_in_time_loses_nothing(bench):
    bench.vendor.faults.add("table", status=403, reason="accessDenied", times=2)
    bench.vendor.tables["travel.flights"] = ARRIVED

    outcome = day(bench, {})

    assert outcome.succeeded, outcome
    assert outcome.took_s == pytest.approx(2 * POLL_S, abs=60)


# -- tables that are really made ----------------------------------------------------------------------------


CONFIG = BigQueryConfig(project="local")
make = BigQueryTask(
    "make",
    "CREATE SCHEMA IF NOT EXISTS d; CREATE OR REPLACE TABLE d.t AS SELECT x FROM UNNEST([1, 2, 3]) AS x",
    CONFIG,
)
until_rows = BigQuerySensor(
    "until_rows", "d.t", "rows", CONFIG, output=TableState, min_rows=3, timeout_s=60
)
until_changed = BigQuerySensor(
    "until_changed", "{inputs.table}", "changed", CONFIG, {"table": str, "since": dt.datetime}, TableState,
    newer_than="{inputs.since}", timeout_s=60,
)  # fmt: skip


@workflow
def makes_and_waits(table: str, since: dt.datetime) -> tuple[TableState, TableState]:
    made = make()
    rows, changed = until_rows(), until_changed(table=table, since=since)
    made >> rows
    made >> changed
    return rows, changed


def test_a_local_run_waits_and_gives_the_table(laptop):
    since = dt.datetime.now(dt.timezone.utc) - dt.timedelta(minutes=1)

    rows, changed = makes_and_waits(table="local.d.t", since=since)

    assert (rows.table, rows.rows, rows.size_bytes, rows.satisfied) == ("local.d.t", 3, 24, True)
    assert changed.last_modified > since
    assert changed.kind == "TABLE"


def test_a_local_run_that_waits_in_vain_reports_it(laptop, capsys):
    laptop.vendor.create_dataset("d")
    never = BigQuerySensor(
        "never", "d.none", config=CONFIG, output=TableState, timeout_s=0.1, on_timeout="report"
    )

    state = never()

    assert (state.satisfied, state.exists, state.rows) == (False, False, None)
    assert (
        "WAITING_FOR_RESOURCES: waiting for local.d.none: it is not there yet"
        in capsys.readouterr().err
    )


def test_a_missing_dataset_is_really_told(laptop):
    meta = laptop.create({
        "kind": "sensor", "project": "local", "target": {"datasetId": "no_such", "tableId": "t"},
    }, sql=None)  # fmt: skip

    answer = laptop.get(meta)

    assert "Not found: Dataset local:no_such" in answer.message
    assert answer.phase.name == "INITIALIZING"


def test_waiting_really_makes_no_job(laptop):
    meta = laptop.create(
        {"kind": "sensor", "project": "local", "target": {"datasetId": "d", "tableId": "t"}},
        sql=None,
    )

    laptop.get(meta)
    laptop.delete(meta)

    assert laptop.vendor.jobs.all() == []
    assert laptop.vendor.counts() == {"tables.get": 1}
