"""What a job is doing and what it cost."""

from __future__ import annotations

import pytest

from flyte_agent_bigquery.job import Job
from flyte_agent_bigquery.progress import message, statistics


def job(state="RUNNING", *, query=None, configuration=None, status=None, **figures):
    return Job({
        "jobReference": {"projectId": "p", "jobId": "j", "location": "EU"},
        "configuration": configuration or {"query": {"query": "SELECT 1"}},
        "statistics": {**figures, **({"query": query} if query else {})},
        "status": {"state": state, **(status or {})},
    })


def stages(complete, total):
    return [
        {"name": f"S{n}", "status": "COMPLETE" if n < complete else "RUNNING"} for n in range(total)
    ]


GIB = 2**30


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (job("PENDING"), "queued at BigQuery"),
        (job("PENDING", configuration={"query": {"priority": "BATCH"}}),
         "queued at BigQuery: batch priority starts when slots are idle"),
        (job("PENDING", quotaDeferments=["concurrent queries"]),
         "queued at BigQuery: waits for quota concurrent queries"),
        (job(), "running"),
        (job("DONE"), "done"),
        (job("", query=None), ""),
        (job(query={"queryPlan": stages(12, 40), "totalBytesProcessed": str(int(1.2 * GIB))}),
         "running: 12/40 stages, 1.2 GiB read"),
        (job(query={"queryPlan": stages(0, 3), "performanceInsights": {
            "stagePerformanceStandaloneInsights": [{"slotContention": True}]}}),
         "running: 0/3 stages (waits for slots)"),
        (job(query={"queryPlan": stages(0, 3), "performanceInsights": {
            "stagePerformanceStandaloneInsights": [{}, {"insufficientShuffleQuota": True}]}}),
         "running: 0/3 stages (waits for shuffle space)"),
        (job(completionRatio=0.25), "running: 25%"),
        (job(numChildJobs="3"), "running: 3 statements"),
        (job("DONE", startTime="1000", endTime="3500", query={"cacheHit": True}), "done: from the cache, 2.5 s"),
    ],
)  # fmt: skip
def test_message(found, said):
    assert message(found) == said


def test_statistics_of_a_query():
    found = job(
        "DONE",
        creationTime="1000",
        startTime="1500",
        endTime="4000",
        totalSlotMs="900",
        query={
            "statementType": "MERGE",
            "totalBytesProcessed": "100",
            "totalBytesBilled": str(2**40),
            "cacheHit": False,
            "numDmlAffectedRows": "7",
            "dmlStats": {"insertedRowCount": "4", "updatedRowCount": "3", "deletedRowCount": "0"},
            "referencedTables": [{"projectId": "p", "datasetId": "d", "tableId": "t"}],
        },
    )

    assert statistics(found, 6.25) == {
        "job": "p:EU.j",
        "state": "DONE",
        "statement_type": "MERGE",
        "bytes_processed": 100,
        "bytes_billed": 2**40,
        "estimated_cost_usd": 6.25,
        "slot_ms": 900,
        "cache_hit": False,
        "queued_ms": 500,
        "duration_ms": 2500,
        "referenced_tables": ["p.d.t"],
        "dml_affected_rows": 7,
        "dml_inserted_rows": 4,
        "dml_updated_rows": 3,
        "dml_deleted_rows": 0,
    }


def test_statistics_of_loads_extracts_and_copies():
    load = {
        "outputRows": "5",
        "outputBytes": "50",
        "inputFiles": "2",
        "badRecords": "1",
        "inputFileBytes": "60",
    }
    extract = {"destinationUriFileCounts": ["3"], "inputBytes": "9"}
    copy = {"copiedRows": "4", "copiedLogicalBytes": "40"}

    assert statistics(job("DONE", load=load)) == {
        "job": "p:EU.j", "state": "DONE", "rows_written": 5, "bytes_written": 50, "files_read": 2,
        "bad_records": 1, "bytes_read": 60,
    }  # fmt: skip
    assert statistics(job("DONE", extract=extract))["files_written"] == ["3"]
    assert statistics(job("DONE", copy=copy))["rows_written"] == 4


def test_warnings_are_those_that_did_not_fail_the_job():
    final = {"reason": "invalid", "message": "too many"}
    errors = [final, *({"reason": "invalid", "message": f"row {n}" + "x" * 500} for n in range(9))]

    warnings = statistics(job("DONE", status={"errorResult": final, "errors": errors}))["warnings"]

    assert len(warnings) == 6
    assert warnings[0].startswith("invalid: row 0x")
    assert len(warnings[0]) <= 300
    assert warnings[-1] == "and 4 more"


def test_the_session_a_job_made_can_be_joined():
    assert statistics(job(sessionInfo={"sessionId": "s-1"}))["session"] == "s-1"


def test_what_the_cost_check_found_is_a_warning():
    assert statistics(job(), note="over the cost limit")["warnings"] == ["over the cost limit"]


@pytest.mark.parametrize(
    "garbage",
    [
        {},
        {"statistics": None, "status": None, "configuration": None, "jobReference": None},
        {"statistics": {"query": {"queryPlan": "x", "referencedTables": [1, None], "timeline": 3}}},
        {"statistics": {"startTime": "soon", "endTime": [], "completionRatio": "half"}},
        {"status": {"errors": "many", "state": 7}},
        {"statistics": {"query": {"performanceInsights": [], "dmlStats": "x"}}},
    ],
)
def test_nothing_that_is_missing_or_odd_breaks_a_poll(garbage):
    assert isinstance(message(Job(garbage)), str)
    assert isinstance(statistics(Job(garbage), 6.25), dict)
