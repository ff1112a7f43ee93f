"""The agent as Flyte calls it, with the vendor's library on the wire."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from flyteidl.core import types_pb2

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.config import STOCK_TASK_TYPE, TASK_TYPE
from flyte_agent_bigquery.links import job_links, table_links
from flyte_agent_bigquery.plan import plan
from flyte_agent_core import Attempt, Phase, RetryableError, rpc
from flyte_agent_core.meta import META_LIMIT_BYTES, FailedCreate

DATASET = types_pb2.LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType())


def test_runs_a_query_from_create_to_success(bench):
    meta = bench.create()
    bench.vendor.jobs[meta.job_id]["status"]["state"] = "PENDING"
    queued = bench.get(meta)
    bench.vendor.jobs[meta.job_id]["status"]["state"] = "RUNNING"
    running = bench.get(meta)
    done = bench.finish(meta)

    assert [r.phase for r in (queued, running, done)] == [
        Phase.INITIALIZING,
        Phase.RUNNING,
        Phase.SUCCEEDED,
    ]
    assert bench.vendor.counts() == {"insert": 1, "get": 3}
    assert bench.vendor.connections == 1


def test_every_answer_has_the_jobs_page(bench):
    meta = bench.create()
    answers = [bench.get(meta), bench.finish(meta)]
    bench.vendor.faults.add("get", status=503, times=None)
    answers.append(bench.get(meta))

    assert all("BigQuery job" in answer.links for answer in answers)
    assert all(answer.log_links for answer in answers)


def test_figures_come_with_every_answer(bench):
    billed = {"statistics": {"query": {"totalBytesBilled": str(2**40)}}}
    plain = bench.create(prefix="s3://x/0")
    priced = bench.create({"cost": {"max_usd": 5.0, "usd_per_tib": 8.0}}, prefix="s3://x/1")

    assert bench.finish(plain, billed).custom_info["estimated_cost_usd"] == 6.25
    assert bench.finish(priced, billed).custom_info["estimated_cost_usd"] == 8.0


def test_the_answer_survives_the_wire(bench):
    meta = bench.create()
    resource = bench.finish(meta, {"statistics": {"totalSlotMs": str(2**60)}})

    message = asyncio.run(resource.to_flyte_idl())

    assert message.phase == Phase.SUCCEEDED
    assert message.custom_info["slot_ms"] == str(2**60)
    assert not message.HasField("outputs")


# -- what is sent -------------------------------------------------------------------------------------------


def test_sql_is_sent_verbatim(bench):
    sql = "SELECT 1 -- one\n, 'two  spaces\tand a tab' AS b\r\n/* ☃ */"

    bench.create(sql=sql)

    assert bench.body()["configuration"]["query"]["query"] == sql


def test_labels_say_whose_job_it_is(bench):
    bench.create({"configuration": {"labels": {"team": "a"}}})

    labels = bench.body()["configuration"]["labels"]
    assert labels["team"] == "a"
    assert labels["flyte-project"] == "flytesnacks"
    assert labels["flyte-task"] == "workflows-example-task"
    assert len(labels["flyte-config"]) == 40


def test_the_whole_configuration_is_sent(bench):
    configuration = {
        "query": {"priority": "BATCH", "useQueryCache": False, "createSession": True},
        "reservation": "projects/p/locations/US/reservations/r",
        "maxSlots": 100,
        "jobTimeoutMs": "5000",
    }

    bench.create({"configuration": configuration}, timeout_s=60)

    sent = bench.body()["configuration"]
    assert {name: sent[name] for name in configuration if name != "query"} == {
        "reservation": "projects/p/locations/US/reservations/r",
        "maxSlots": 100,
        "jobTimeoutMs": "5000",
    }
    assert sent["query"].items() >= configuration["query"].items()


def test_bigquery_stops_what_flyte_has_lost(bench):
    """A little after Flyte's own timeout, which may start another attempt."""
    bench.create(timeout_s=60)

    assert bench.body()["configuration"]["jobTimeoutMs"] == "120000"


def test_a_task_without_a_timeout_has_none(bench):
    bench.create()

    assert "jobTimeoutMs" not in bench.body()["configuration"]


def test_tables_without_a_project_are_in_the_jobs(bench):
    named = {"projectId": "other", "datasetId": "d"}
    query = {
        "defaultDataset": {"datasetId": "d"},
        "destinationTable": {"datasetId": "d", "tableId": "t"},
    }

    bench.create({"configuration": {"query": {**query, "other": [named]}}})

    sent = bench.body()["configuration"]["query"]
    assert sent["defaultDataset"]["projectId"] == "p-1"
    assert sent["destinationTable"]["projectId"] == "p-1"
    assert sent["other"] == [named]


def test_inputs_become_parameters(bench):
    typed = {
        "parameters": {"n": {"type": "INT64"}, "d": {"type": "DATE"}},
        "parameter_order": ["n", "d"],
    }
    values = {"n": 3, "d": dt.date(2024, 2, 29)}

    bench.create(typed, sql="SELECT @n, @d", inputs={"n": int, "d": dt.date}, values=values)

    query = bench.body()["configuration"]["query"]
    assert query["parameterMode"] == "NAMED"
    assert [p["parameterValue"]["value"] for p in query["queryParameters"]] == ["3", "2024-02-29"]


@pytest.mark.parametrize(
    "configuration",
    [
        {"load": {"sourceUris": ["gs://b/x"], "destinationTable": {"datasetId": "d", "tableId": "t"}}},
        {"extract": {"sourceTable": {"datasetId": "d", "tableId": "t"}, "destinationUris": ["gs://b/x"]}},
        {"copy": {"sourceTables": [{"datasetId": "d", "tableId": "t"}],
                  "destinationTable": {"datasetId": "d", "tableId": "u"}}},
    ],
    ids=lambda c: next(iter(c)),
)  # fmt: skip
def test_any_kind_of_job_runs(bench, configuration):
    (kind,) = configuration

    meta = bench.create({"kind": kind, "configuration": configuration}, sql="")

    assert kind in bench.body()["configuration"]
    assert "query" not in bench.body()["configuration"]
    assert bench.finish(meta).phase is Phase.SUCCEEDED


# -- where and as whom --------------------------------------------------------------------------------------


def test_the_location_is_the_servers_answer(bench):
    bench.vendor.location = "europe-west4"

    meta = bench.create()

    assert meta.location == "europe-west4"
    assert bench.get(meta).phase is Phase.RUNNING
    assert "location=europe-west4" in bench.get(meta).links["BigQuery job"]


def test_the_projects_default_is_that_of_the_credentials(bench, named_key):
    meta = bench.create({"project": None, "credentials": named_key})

    assert meta.project == "p-of-key"


def test_without_any_project_the_task_fails_and_says_how(bench):
    failed = bench.create({"project": None})

    assert failed.code == "BIGQUERY.NO_PROJECT"
    assert "BigQueryConfig(project=...)" in failed.message
    assert bench.get_failed(failed).phase is Phase.FAILED


def test_credentials_are_named_never_kept(bench, named_key, service_account_key, caplog):
    """A canary is looked for in everything Flyte keeps or shows."""
    caplog.set_level(logging.DEBUG)
    meta = bench.create({"credentials": named_key, "impersonate": ["a@p.iam.gserviceaccount.com"]})
    bench.vendor.faults.add("get", status=403, reason="accessDenied")
    unseen = bench.get(meta)
    failed = bench.fail(meta, "accessDenied")

    canaries = [service_account_key["private_key"][40:80], "canary-key-id", "token-1"]
    shown = f"{meta.encode()!r} {unseen} {failed} {caplog.text}"
    assert not [c for c in canaries if c in shown]
    assert meta.credentials == named_key
    assert len(meta.encode()) < META_LIMIT_BYTES


def test_polls_use_the_tasks_own_credentials(bench, named_key):
    chain = ["first@p.iam.gserviceaccount.com", "last@p.iam.gserviceaccount.com"]
    meta = bench.create({"credentials": named_key, "impersonate": chain})
    bench.get(meta)
    bench.delete(meta)

    seen = {
        r.headers.get("authorization")
        for r in bench.vendor.requests
        if r.route in ("insert", "get", "cancel")
    }
    assert len(seen) == 1
    assert seen.pop().startswith("Bearer as-last@p")
    assert bench.vendor.count("token") == 1


def test_a_replaced_secret_is_used_at_once(bench, named_key, service_account_key, monkeypatch):
    meta = bench.create({"credentials": named_key})
    other = {**service_account_key, "token_uri": f"{bench.vendor.url}/token", "project_id": "other"}
    monkeypatch.setenv("_FSEC_BQ_KEY", str(other).replace("'", '"'))
    bench.get(meta)

    sent = [
        r.headers["authorization"] for r in bench.vendor.requests if r.route in ("insert", "get")
    ]
    assert sent == ["Bearer token-1", "Bearer token-2"]


def test_a_secret_of_the_tasks_own_project_comes_first(
    bench, named_key, service_account_key, monkeypatch
):
    theirs = {
        **service_account_key,
        "token_uri": f"{bench.vendor.url}/token",
        "project_id": "theirs",
    }
    monkeypatch.setenv("_FSEC_FLYTESNACKS__DEVELOPMENT__BQ_KEY", str(theirs).replace("'", '"'))

    assert bench.create({"project": None, "credentials": named_key}).project == "theirs"


def test_a_secret_that_is_not_there_fails_the_task_and_says_where_it_was_sought(bench):
    failed = bench.create({"credentials": "nobody-set-it"})

    assert isinstance(failed, FailedCreate)
    assert "_FSEC_NOBODY_SET_IT" in failed.message


def test_a_secret_that_is_gone_for_a_while_loses_no_job(bench, named_key, monkeypatch):
    """Secrets are remounted while the service is rolled out."""
    meta = bench.create({"credentials": named_key})
    monkeypatch.delenv("_FSEC_BQ_KEY")

    assert bench.get(meta).phase is Phase.RUNNING


# -- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("custom", "named"),
    [
        ({"configuraton": {}}, "configuration"),
        ({"kind": "delete"}, "kind"),
        ({"max_rows": "many"}, "max_rows"),
        ({"configuration": {"load": {}, "query": {}}}, "configuration"),
        ({"cost": {"max_bytes": -1}}, "max_bytes"),
    ],
)
def test_a_wrong_configuration_fails_the_task_and_names_the_field(bench, custom, named):
    failed = bench.create(custom)

    assert isinstance(failed, FailedCreate)
    assert named in failed.message
    assert bench.vendor.count() == 0


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (400, "invalidQuery", "BIGQUERY.INVALID_QUERY"),
        (403, "accessDenied", "BIGQUERY.ACCESS_DENIED"),
        (403, "billingNotEnabled", "BIGQUERY.BILLING_NOT_ENABLED"),
        (404, "notFound", "BIGQUERY.NOT_FOUND"),
        (500, "bytesBilledLimitExceeded", "BIGQUERY.BYTES_BILLED_LIMIT_EXCEEDED"),
    ],
)
def test_what_only_bigquery_can_see_fails_the_task_without_using_up_retries(
    bench, status, reason, code
):
    bench.vendor.faults.add(
        "insert", status=status, reason=reason, message="the vendor's words", times=None
    )

    failed = bench.create()
    resource = bench.get_failed(failed)

    assert resource.phase is Phase.FAILED
    assert resource.error_code == code
    assert "the vendor's words" in resource.message
    assert bench.vendor.count("insert") == 1


def test_bad_sql_is_shown_where_it_is_bad(bench):
    meta = bench.create(sql="SELECT 1\nFORM t")

    resource = bench.fail(
        meta, "invalidQuery", 'Syntax error: Unexpected identifier "FORM" at [2:1]'
    )

    assert resource.phase is Phase.FAILED
    assert resource.error_code == "BIGQUERY.INVALID_QUERY"
    assert "2 | FORM t\n    ^" in resource.message


def test_warnings_of_a_job_that_goes_on_are_no_failure(bench):
    warning = {
        "status": {"state": "RUNNING", "errors": [{"reason": "invalid", "message": "row 7"}]}
    }
    meta = bench.create()
    running = bench.finish(meta, warning)
    done = bench.finish(meta)

    assert running.phase is Phase.RUNNING
    assert done.phase is Phase.SUCCEEDED
    assert done.custom_info["warnings"] == ["invalid: row 7"]


@pytest.mark.parametrize(
    ("reason", "message", "phase"),
    [
        ("backendError", "x", Phase.RETRYABLE_FAILED),
        ("resourcesExceeded", "x", Phase.FAILED),
        (
            "invalidQuery",
            "Could not serialize access due to concurrent update",
            Phase.RETRYABLE_FAILED,
        ),
        ("stopped", "Job execution was cancelled: Job timed out after 2 sec", Phase.FAILED),
        ("newReason", "x", Phase.FAILED),
    ],
)
def test_a_failed_job_fails_the_task_for_good_or_for_now(bench, reason, message, phase):
    assert bench.fail(bench.create(), reason, message).phase is phase


# -- cost ---------------------------------------------------------------------------------------------------


def test_a_query_over_the_limit_is_not_started(bench):
    bench.vendor.estimate_bytes = 2 * 2**40

    failed = bench.create({"cost": {"max_usd": 1.0}})

    assert failed.code == "BIGQUERY.COST_LIMIT"
    assert "2.0 TiB ($12.50)" in failed.message
    assert not bench.vendor.jobs


def test_the_limit_is_not_sent_with_the_estimate(bench):
    """BigQuery refuses a dry run above it as well, and then says no figure."""
    bench.create({
        "cost": {"max_bytes": 1000},
        "configuration": {"query": {"maximumBytesBilled": "500", "useLegacySql": False}},
    })

    asked, sent = (r.json["configuration"] for r in bench.vendor.requests if r.route == "insert")
    assert asked["dryRun"] is True
    assert "maximumBytesBilled" not in asked["query"]
    assert sent["query"]["maximumBytesBilled"] == "500"


def test_a_query_within_the_limit_is_stopped_there_by_bigquery(bench):
    bench.vendor.estimate_bytes = 10

    bench.create({
        "cost": {"max_bytes": 1000},
        "configuration": {"query": {"maximumBytesBilled": "5000"}},
    })

    assert bench.body()["configuration"]["query"]["maximumBytesBilled"] == "1000"
    assert "dryRun" not in bench.body()["configuration"]


def test_a_limit_that_warns_says_so_with_the_job(bench):
    bench.vendor.estimate_bytes = 5000

    meta = bench.create({"cost": {"max_bytes": 1000, "action": "warn"}})

    assert "maximumBytesBilled" not in bench.body()["configuration"]["query"]
    assert bench.get(meta).custom_info["warnings"] == [
        "over the cost limit: would read 4.9 KiB ($0.00); the task's limit is 1000 B ($0.00)"
    ]


def test_without_a_limit_there_is_no_dry_run(bench):
    bench.create()

    assert bench.vendor.count("insert") == 1


def test_a_query_that_runs_already_is_not_refused(bench):
    """The create is repeated, and the table has grown in between."""
    meta = bench.create({"cost": {"max_bytes": 1000}})
    bench.vendor.estimate_bytes = 5000

    assert bench.create({"cost": {"max_bytes": 1000}}).job_id == meta.job_id


@pytest.mark.parametrize(
    "fault", [{"status": 503, "reason": "backendError"}, {"drop_connection": True}]
)
def test_an_estimate_that_gets_lost_is_asked_for_again(bench, fault):
    bench.vendor.estimate_bytes = 2000
    bench.vendor.faults.add("insert", times=3, **fault)

    assert bench.create({"cost": {"max_bytes": 1000}}).code == "BIGQUERY.COST_LIMIT"


def test_a_query_that_cannot_be_estimated_runs_up_to_the_limit(bench):
    """Scripts with temporary tables cannot be dry-run; BigQuery stops them at the limit all the same."""
    bench.vendor.faults.add("insert", status=400, reason="invalidQuery", times=1)

    meta = bench.create({"cost": {"max_bytes": 1000}})

    assert bench.body()["configuration"]["query"]["maximumBytesBilled"] == "1000"
    assert bench.get(meta).custom_info["warnings"] == [
        "the cost could not be estimated before the run"
    ]


# -- a vendor that stumbles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 429, "reason": "rateLimitExceeded"},
        {"status": 500, "reason": "internalError"},
        {"status": 502},
        {"status": 503, "reason": "backendError"},
        {"status": 401, "reason": "authError"},
        {"status": 403, "reason": "accessDenied"},
        {"status": 400, "reason": "invalid"},
        {"status": 200},
        {"drop_connection": True},
        {"drop_connection": "after"},
    ],
    ids=str,
)
def test_a_poll_that_fails_changes_nothing(bench, fault):
    meta = bench.create()
    bench.vendor.jobs[meta.job_id]["status"]["state"] = "PENDING"
    bench.get(meta)
    bench.vendor.faults.add("get", times=8, **fault)

    unseen = bench.get(meta)

    assert unseen.phase is Phase.INITIALIZING
    assert "cannot see the job" in unseen.message or "queued" in unseen.message
    assert unseen.outputs is None


def test_polls_that_fail_for_fifteen_minutes_end_the_task(bench):
    meta = bench.create()
    bench.vendor.faults.add("get", status=503, reason="backendError", times=None)
    bench.get(meta)
    bench.clock.advance(901)

    resource = bench.get(meta)

    assert resource.phase is Phase.RETRYABLE_FAILED
    assert "gave up after 15 minutes" in resource.message
    assert resource.error_code == "BIGQUERY.BACKEND_ERROR"


def test_a_slow_vendor_gets_no_more_than_the_rpc(bench):
    meta = bench.create()
    bench.vendor.faults.add("get", delay_s=30)

    async def poll():
        with rpc.serving(0.5) as call:
            return await bench.agent.get(resource_meta=meta), call.ends_s

    resource, ends_s = asyncio.run(poll())

    assert resource.phase is Phase.RUNNING
    assert rpc.time.monotonic() < ends_s + 1.0


def test_a_job_that_is_not_known_yet_is_initializing(bench):
    meta = bench.create()
    bench.vendor.knows_after = 1

    assert bench.get(meta).phase is Phase.INITIALIZING


def test_a_job_that_vanished_is_tried_again(bench):
    meta = bench.create()
    bench.vendor.jobs.clear()
    bench.get(meta)
    bench.clock.advance(61)

    resource = bench.get(meta)

    assert resource.phase is Phase.RETRYABLE_FAILED
    assert resource.error_code == "BIGQUERY.NOT_FOUND"


@pytest.mark.parametrize("location", [None, "EU"])
def test_a_create_that_ran_out_of_time_leaves_no_job(vendor, bench, location):
    """
    Propeller hangs up after 10 s; what it never heard of must not run and bill.

    BigQuery may go on with an insert that nobody listens to any more, so it is looked for a while.
    """
    vendor.faults.add("insert", delay_s=0.3)
    agent = BigQueryAgent()  # the machine's clock: the stand-in is slow in real time

    async def hang_up():
        with rpc.serving(0.1), pytest.raises(RetryableError):
            await agent.create(**bench.call_of({"location": location}))
        await agent.runtime.creates(agent).settle()

    asyncio.run(hang_up())

    assert len(vendor.jobs) == 1
    assert vendor.count("cancel") >= 1
    assert all("_stops_after" in job for job in vendor.jobs.values())


def test_a_create_whose_caller_hung_up_leaves_no_job(bench):
    bench.vendor.faults.add("insert", delay_s=0.2)

    async def hang_up():
        with rpc.serving(10.0), pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(bench.agent.create(**bench.call_of()), 0.05)
        await bench.agent.runtime.creates(bench.agent).settle()

    asyncio.run(hang_up())

    assert len(bench.vendor.jobs) == 1
    assert bench.vendor.count("cancel") == 1


def test_a_create_that_was_refused_for_sure_leaves_nothing_to_look_for(bench):
    bench.vendor.faults.add("insert", status=403, reason="quotaExceeded", times=None)

    async def refused():
        with pytest.raises(RetryableError):
            await bench.agent.create(**bench.call_of())
        await bench.agent.runtime.creates(bench.agent).settle()

    asyncio.run(refused())

    assert bench.vendor.counts() == {"insert": 1}


def test_creates_at_the_same_time_are_one(bench):
    async def both():
        call = bench.call_of()
        return await asyncio.gather(*(bench.agent.create(**call) for _ in range(5)))

    metas = asyncio.run(both())

    assert len({m.job_id for m in metas}) == 1
    assert bench.vendor.count("insert") == 1


# -- odd input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("", "found no text"),
        ("  \n", "found no text"),
        ("SELECT '\x00'", "NUL byte at character 8"),
        ("SELECT '" + "x" * 2**21 + "'", "bytes of SQL"),
    ],
    ids=["nothing", "blank", "nul", "2 MB"],
)
def test_sql_that_cannot_be_is_refused(bench, sql, said):
    assert said in bench.create(sql=sql).message


def test_a_megabyte_of_sql_runs(bench):
    sql = "SELECT '" + "x" * (2**20 - 100) + "'"

    meta = bench.create(sql=sql)

    assert bench.vendor.jobs[meta.job_id]["configuration"]["query"]["query"] == sql
    assert bench.get(meta).phase is Phase.RUNNING


def test_ten_thousand_values_are_one_parameter(bench):
    typed = {
        "parameters": {"a": {"type": "ARRAY", "arrayType": {"type": "INT64"}}},
        "parameter_order": ["a"],
    }

    meta = bench.create(
        typed, sql="SELECT @a", inputs={"a": list[int]}, values={"a": list(range(10_000))}
    )

    (parameter,) = bench.vendor.jobs[meta.job_id]["configuration"]["query"]["queryParameters"]
    assert len(parameter["parameterValue"]["arrayValues"]) == 10_000


@pytest.mark.parametrize(
    "text", ["☃ 𝄞 \u202e", "nul \x00", "'; DROP TABLE t; --", "x" * 100_000], ids=ascii
)
def test_any_text_is_a_value(bench, text):
    typed = {"parameters": {"s": {"type": "STRING"}}, "parameter_order": ["s"]}

    bench.create(typed, sql="SELECT @s", inputs={"s": str}, values={"s": text})

    (parameter,) = bench.body()["configuration"]["query"]["queryParameters"]
    assert parameter["parameterValue"]["value"] == text


@pytest.mark.parametrize("name", ["данные.задача", "UPPER.Case", "a" * 400, "", "🦋"])
def test_any_name_makes_a_job(bench, name):
    meta = bench.create(name=name)

    assert all(len(v) <= 63 for v in bench.body()["configuration"]["labels"].values())
    assert len(meta.job_id) <= 64


def test_messages_are_bounded(bench):
    resource = bench.fail(bench.create(), "invalid", "x" * 100_000)

    assert len(resource.message.encode()) <= 2048


@pytest.mark.parametrize("kept", [b"", b"\x80garbage", b'{"v": 9}', b'{"job_id": 3}'])
def test_garbage_metadata_fails_the_task_and_stops_nothing(bench, kept):
    meta = bench.agent.metadata_type.decode(kept)

    assert bench.run(lambda: bench.agent.get(resource_meta=meta)).phase is Phase.FAILED
    bench.delete(meta)
    assert bench.vendor.count() == 0


# -- details ------------------------------------------------------------------------------------------------

DETAILS = {
    "statistics": {
        "startTime": "1700000001000",
        "endTime": "1700000003500",
        "numChildJobs": "1",
        "query": {
            "queryPlan": [{"name": "S00: Input", "status": "COMPLETE", "recordsRead": "1000", "recordsWritten": "10",
                           "slotMs": "5", "shuffleOutputBytesSpilled": "2048"}],
            "timeline": [{"elapsedMs": "100", "activeUnits": "3", "totalSlotMs": "7"}],
            "referencedTables": [{"projectId": "p", "datasetId": "d", "tableId": "t"}],
        },
    },
}  # fmt: skip


def detailed(bench):
    meta = bench.create()
    bench.finish(meta, DETAILS)
    bench.vendor.jobs["child"] = {
        "jobReference": {"projectId": "p-1", "jobId": "child", "location": "US"},
        "configuration": {"query": {"query": "INSERT INTO t\n  SELECT 1"}},
        "statistics": {"parentJobId": meta.job_id, "startTime": "1700000002000",
                       "query": {"statementType": "INSERT"}, "scriptStatistics": {"stackFrames": [{"startLine": 3}]}},
        "status": {"state": "DONE"},
    }  # fmt: skip
    return meta


def test_metrics_show_stages_timeline_and_statements(bench):
    meta = detailed(bench)

    answer = bench.run(lambda: bench.agent.get_metrics(resource_meta=meta))

    figures = {result.metric: result.data["value"] for result in answer.results}
    assert figures["stages"][0]["name"] == "S00: Input"
    assert figures["stages"][0]["records_read"] == 1000
    assert figures["timeline"][0]["activeUnits"] == 3
    assert figures["statements"][0]["statement_type"] == "INSERT"
    assert figures["statements"][0]["line"] == 3
    assert figures["referenced_tables"][0] == "p.d.t"


def test_logs_tell_what_happened_in_order(bench):
    meta = detailed(bench)

    lines = list(bench.run(lambda: bench.agent.get_logs(resource_meta=meta)).body.results)

    assert lines[0].startswith("2023-11-14T22:13:20.000Z job flyte-")
    assert lines[1] == "2023-11-14T22:13:21.000Z started"
    assert lines[2] == "  stage S00: Input: COMPLETE, 1,000 records in, 10 out, 2.0 KiB spilled"
    assert lines[3] == "2023-11-14T22:13:22.000Z statement INSERT: INSERT INTO t SELECT 1"
    assert lines[4] == "  read p.d.t"
    assert lines[5].startswith("2023-11-14T22:13:23.500Z done: 1/1 stages")


def test_logs_of_a_job_that_runs_end_with_what_it_is_doing(bench):
    meta = bench.create()

    assert bench.run(lambda: bench.agent.get_logs(resource_meta=meta)).body.results[-1] == "running"


def test_logs_of_a_failed_job_end_with_the_reason(bench):
    meta = bench.create()
    bench.fail(meta, "invalidQuery", "no such column")
    bench.vendor.jobs[meta.job_id]["statistics"]["endTime"] = "1700000003500"

    last = bench.run(lambda: bench.agent.get_logs(resource_meta=meta)).body.results[-1]

    assert "failed: BigQuery invalidQuery: no such column" in last


# -- links --------------------------------------------------------------------------------------------------


def test_the_console_finds_the_job_in_any_region(ref, monkeypatch):
    """``bq:<location>:<id>``; with the stock plugin's ``bq:None:`` the page stays empty."""
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)

    (link,) = job_links(ref._replace(location="europe-west4", project="example.com:p")).values()

    query = parse_qs(urlsplit(link).query)
    assert link.startswith("https://console.cloud.google.com/bigquery?")
    assert query["project"] == ["example.com:p"]
    assert query["j"] == ["bq:europe-west4:job-1"]
    assert query["page"] == ["queryresults"]


def test_a_private_address_of_googles_has_the_same_console(ref, monkeypatch):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "https://bigquery-mine.p.googleapis.com")

    assert "console.cloud.google.com" in job_links(ref)["BigQuery Console"]


def test_a_stand_in_shows_the_job_itself(bench):
    meta = bench.create()

    link = bench.get(meta).links["BigQuery job"]

    assert link == f"{bench.vendor.url}/bigquery/v2/projects/p-1/jobs/{meta.job_id}?location=US"


def test_tables_that_stay_have_a_page(monkeypatch):
    monkeypatch.delenv("BIGQUERY_EMULATOR_HOST", raising=False)
    table = {"projectId": "p", "datasetId": "d", "tableId": "t"}

    assert table_links(table)["BigQuery table"].endswith("bigquery?p=p&d=d&t=t&page=table")
    assert table_links({**table, "datasetId": "_anonymous"}) == {}
    assert table_links(None) == {}


def test_an_address_without_a_scheme_is_taken(vendor, monkeypatch, bench):
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", vendor.url.removeprefix("http://") + "/")

    assert bench.get(bench.create()).phase is Phase.RUNNING


# -- sameness -----------------------------------------------------------------------------------------------


def test_the_fingerprint_follows_the_task_alone(bench):
    """A rollout in between must not change it, so it is not made of what this version makes of the task."""
    first, second = (Attempt.of(**bench.call_of(prefix=p)) for p in ("s3://x/0", "s3://x/1"))

    assert (
        plan(first).configuration["labels"]["flyte-config"]
        == plan(second).configuration["labels"]["flyte-config"]
    )
    assert first.job_id() != second.job_id()


def test_class_says_what_it_serves():
    """Literals, as importing ``config`` would slow down ``import flytekit``."""
    assert BigQueryAgent.task_type == TASK_TYPE
    assert BigQueryAgent.aliases == (STOCK_TASK_TYPE,)
    assert BigQueryAgent.stock_module == "flytekitplugins.bigquery"


# -- on a laptop --------------------------------------------------------------------------------------------


def test_a_query_really_runs(laptop):
    typed = {"parameters": {"n": {"type": "INT64"}}, "parameter_order": ["n"], "result": "scalar"}
    sql = "SELECT SUM(x) -- all of them\nFROM UNNEST(GENERATE_ARRAY(1, @n)) AS x"

    meta = laptop.create(typed, sql=sql, inputs={"n": int}, values={"n": 100}, outputs={"o0": int})
    resource = laptop.settle(meta)

    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert resource.outputs.literals["o0"].scalar.primitive.integer == 5050
    assert resource.custom_info["statement_type"] == "SELECT"


def test_a_script_really_gives_its_last_select(laptop):
    sql = "DECLARE x INT64 DEFAULT 1; SELECT x; SET x = 7; SELECT x;"

    resource = laptop.settle(laptop.create({"result": "scalar"}, sql=sql, outputs={"o0": int}))

    assert resource.outputs.literals["o0"].scalar.primitive.integer == 7


def test_bad_sql_really_is_pointed_at(laptop):
    resource = laptop.settle(laptop.create(sql="SELECT 1,\n  FORM t"))

    assert resource.phase is Phase.FAILED
    assert resource.error_code == "BIGQUERY.INVALID_QUERY"
    assert "\n2 |   FORM t\n" in resource.message


def test_a_repeated_create_really_adopts(laptop):
    first = laptop.create()
    laptop.settle(first)
    second = laptop.create()

    assert second.job_id == first.job_id
    assert laptop.create(sql="SELECT 2").code == "BIGQUERY.JOB_CONFLICT"


def test_a_query_over_its_limit_really_makes_no_job(laptop, tmp_path):
    rows = tmp_path / "rows.json"
    rows.write_text("\n".join(f'{{"x": {n}}}' for n in range(1000)))
    laptop.vendor.load_json("d.t", rows)

    failed = laptop.create({"cost": {"max_bytes": 1000}}, sql="SELECT x FROM local.d.t")

    assert failed.code == "BIGQUERY.COST_LIMIT"
    assert "would read 7.8 KiB ($0.00); the task's limit is 1000 B ($0.00)" in failed.message
    assert "raise the cost limit of the task" in failed.message
    assert laptop.vendor.jobs.all() == []


def test_a_running_query_really_stops(laptop):
    sql = "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 100000)) b"
    meta = laptop.create(sql=sql)

    laptop.delete(meta)

    assert laptop.settle(meta).error_code == "BIGQUERY.STOPPED"
