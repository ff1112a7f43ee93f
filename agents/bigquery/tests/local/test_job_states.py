"""The life of a job: PENDING, RUNNING, DONE, and every way to end it."""

from __future__ import annotations

import http.client
import json
import threading
from urllib.parse import urlsplit

import pytest
from google.api_core.exceptions import (
    BadRequest,
    Conflict,
    GoogleAPICallError,
    MethodNotImplemented,
    NotFound,
    ServiceUnavailable,
)
from google.cloud.bigquery import QueryJobConfig

from flyte_agent_bigquery.local import LocalBigQuery

pytestmark = pytest.mark.once

NUMBERS = "UNNEST(GENERATE_ARRAY(1, 60000))"
ENDLESS = f"SELECT COUNT(*) FROM {NUMBERS} a, {NUMBERS} b, {NUMBERS} c WHERE MOD(a * b + c, 7) = 1"


def start(client, sql="SELECT 1", job_id=None, **settings):
    return client.query(sql, QueryJobConfig(**settings), job_id=job_id, job_retry=None)


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_a_held_job_stays_where_it_is_and_goes_on_when_released(server, client, state):
    server.hold_jobs(state)
    job = start(client)
    server.job(job.job_id).done.wait(0.01)
    for _ in range(3):
        job.reload()
    while job.state != state:  # RUNNING comes after a moment in a thread
        job.reload()
    assert job.ended is None
    server.release()
    assert [tuple(row) for row in job.result()] == [(1,)]
    job.reload()
    assert (job.state, job.created <= job.started <= job.ended) == ("DONE", True)


def test_one_job_can_be_released_alone(server, client):
    server.hold_jobs("PENDING")
    first, second = start(client), start(client)
    server.finish(first.job_id)
    assert first.done()
    assert not second.done()


def test_a_held_job_can_end_with_any_error(server, client):
    server.hold_jobs()
    job = start(client)
    server.finish(job.job_id, error=("jobBackendError", "try again"))
    with pytest.raises(GoogleAPICallError, match="try again"):
        job.result(job_retry=None)
    job.reload()
    assert job.error_result == {"reason": "jobBackendError", "message": "try again"}
    assert server.jobs.count(job.job_id) == 1


def test_jobs_can_take_their_time(connect):
    with LocalBigQuery(pending_s=0.05, running_s=0.05) as server, connect(server) as client:
        job = start(client)
        states = [job.state]
        while job.state != "DONE":
            job.reload()
            states.append(job.state)
        assert list(dict.fromkeys(states)) == ["PENDING", "RUNNING", "DONE"]
        assert (job.ended - job.created).total_seconds() >= 0.1


def test_cancel_interrupts_a_query_and_the_server_answers_meanwhile(server, client):
    job = start(client, ENDLESS)
    while job.state != "RUNNING":
        job.reload()
    assert [tuple(row) for row in client.query_and_wait("SELECT 7")] == [(7,)]
    while not client.get_job(job.job_id).query_plan:
        pass
    stage = client.get_job(job.job_id).query_plan[0]
    assert (stage.name, stage.status, stage.completed_parallel_inputs) == (
        "S00: Input",
        "RUNNING",
        0,
    )
    assert client.cancel_job(job.job_id, location=job.location).state == "RUNNING"
    assert server.job(job.job_id).done.wait(10)
    job.reload()
    assert (job.state, job.error_result["reason"]) == ("DONE", "stopped")
    assert "User requested cancellation" in job.error_result["message"]


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_cancel_of_a_job_that_waits_ends_it_at_once(server, client, state):
    server.hold_jobs(state)
    job = start(client)
    while job.state != state:
        job.reload()
    client.cancel_job(job.job_id)
    job.reload()
    assert (job.state, job.error_result["reason"]) == ("DONE", "stopped")
    server.release()


def test_cancel_of_a_script_ends_its_child(server, client):
    job = start(client, f"SELECT 1; {ENDLESS}; SELECT 2")
    mine = server.job(job.job_id)
    while len(mine.children) < 2 or mine.children[1].state != "RUNNING":
        job.reload()
    client.cancel_job(job.job_id)
    assert mine.done.wait(10)
    assert [child.error.reason if child.error else None for child in mine.children] == [
        None,
        "stopped",
    ]


def test_cancel_of_a_finished_job_changes_nothing(server, client):
    job = start(client)
    job.result()
    assert client.cancel_job(job.job_id).error_result is None


def test_a_timeout_ends_a_job(server, client):
    job = start(client, ENDLESS, job_timeout_ms=50)
    with pytest.raises(BadRequest, match="Job timed out after 50 ms"):
        job.result(job_retry=None)
    assert client.get_job(job.job_id).error_result["reason"] == "stopped"


def test_an_id_can_be_used_once_even_when_its_job_is_done(server, client):
    start(client, job_id="mine").result()
    with pytest.raises(Conflict, match=r"Already Exists: Job local:US.mine") as caught:
        start(client, "SELECT 2", job_id="mine")
    assert caught.value.errors[0]["reason"] == "duplicate"
    assert (len(server.jobs), server.jobs.count("mine")) == (1, 1)


def test_many_inserts_of_one_id_make_one_job(server, connect):
    """Of threads that insert the same id at once, one wins."""
    results = []

    def insert():
        with connect(server) as own:
            try:
                start(own, job_id="same")
                results.append("made")
            except Conflict:
                results.append("conflict")

    threads = [threading.Thread(target=insert) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["conflict"] * 7 + ["made"]
    assert server.jobs.count("same") == 1


def test_a_job_is_found_in_its_location_only(server, client):
    job = start(client, job_id="where")
    assert job.location == "US"
    assert client.get_job("where", location="us").job_id == "where"
    for location in ("EU", "europe-west1"):
        with pytest.raises(NotFound) as caught:
            client.get_job("where", location=location, retry=None)
        assert caught.value.errors[0]["reason"] == "notFound"
    with pytest.raises(NotFound):
        client.cancel_job("nope", retry=None)


def test_the_location_follows_the_data(server, client):
    server.create_dataset("there", location="EU")
    client.query_and_wait("CREATE TABLE there.t AS SELECT 1 AS a")
    assert start(client, "SELECT a FROM there.t").location == "EU"
    assert client.query("SELECT 1", location="asia-east1").location == "asia-east1"


def test_a_job_shows_what_it_was_asked(server, client):
    job = start(
        client, "SELECT 1 -- as written", labels={"team": "a"}, priority="BATCH",
        maximum_bytes_billed=2**40, use_query_cache=False, job_timeout_ms=60_000,
    )  # fmt: skip
    job.result()
    found = client.get_job(job.job_id)
    assert found.query == "SELECT 1 -- as written"
    assert (found.labels, found.priority, found.user_email) == (
        {"team": "a"}, "BATCH", "local@stand-in.invalid",
    )  # fmt: skip
    assert (found.maximum_bytes_billed, found.configuration.job_timeout_ms) == (2**40, "60000")
    assert found.destination.dataset_id.startswith("_")
    assert found.path.endswith(job.job_id)
    assert found.self_link.startswith(server.url)


def test_a_finished_job_is_polled_with_the_same_bytes(server, client):
    job = start(client)
    job.result()
    mine = server.job(job.job_id)
    assert mine.body() is mine.body()
    assert json.loads(mine.body())["status"] == {"state": "DONE"}


def test_jobs_are_listed_newest_first_and_by_page(server, client):
    for number in range(5):
        start(client, f"SELECT {number}", job_id=f"job{number}").result()
    listed = list(client.list_jobs(page_size=2))
    assert [job.job_id for job in listed] == ["job4", "job3", "job2", "job1", "job0"]
    assert server.count("jobs.list") == 3
    server.hold_jobs()
    held = start(client, job_id="held")
    assert [job.job_id for job in client.list_jobs(state_filter="pending", max_results=5)] in (
        [],
        ["held"],
    )
    assert [job.job_id for job in client.list_jobs(state_filter="done", max_results=1)] == ["job4"]
    late = list(client.list_jobs(min_creation_time=held.created))
    assert "held" in [job.job_id for job in late]
    assert list(client.list_jobs(max_creation_time=listed[-1].created.replace(year=2000))) == []
    with pytest.raises(BadRequest, match="pageToken"):
        list(client.list_jobs(page_token="nonsense", retry=None))


def test_only_the_full_projection_lists_configurations(server, client):
    start(client, job_id="one").result()
    full = ask(server, "GET", "/bigquery/v2/projects/local/jobs?projection=full")[1]
    minimal = ask(server, "GET", "/bigquery/v2/projects/local/jobs")[1]
    assert full["jobs"][0]["configuration"]["query"]["query"] == "SELECT 1"
    assert "configuration" not in minimal["jobs"][0]


def test_a_finished_job_can_be_deleted(server, client):
    job = start(client, "SELECT 1; SELECT 2")
    job.result()
    client.delete_job_metadata(job)
    with pytest.raises(NotFound):
        client.get_job(job.job_id, retry=None)
    assert len(server.jobs) == 0
    server.hold_jobs("PENDING")
    with pytest.raises(BadRequest, match="is not done"):
        client.delete_job_metadata(start(client), retry=None)


def test_stopping_ends_running_jobs_and_their_threads(connect):
    before = set(threading.enumerate())
    server = LocalBigQuery().start()
    with connect(server) as client:
        job = start(client, ENDLESS)
        while job.state != "RUNNING":
            job.reload()
    server.stop()
    assert server.job(job.job_id).error.reason == "stopped"
    assert set(threading.enumerate()) <= before


# -- what is not a job -----------------------------------------------------------------------------


def ask(server, method, path, body=None):
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)
    sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    connection.request(method, path, sent)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, json.loads(content) if content else None


JOBS = "/bigquery/v2/projects/local/jobs"
QUERY = {"query": {"query": "SELECT 1", "useLegacySql": False}}
BAD = [
    (b"{", "badRequest", "Invalid JSON payload"),
    (b"[1]", "badRequest", "Expected an object"),
    ({}, "invalid", "exactly one job-specific configuration object"),
    ({"configuration": {**QUERY, "copy": {}}}, "invalid", "exactly one job-specific"),
    ({"configuration": {"query": {"query": ""}}}, "required", "Required parameter is missing: query"),
    ({"configuration": {"load": {}}}, "required", "destinationTable"),
    ({"configuration": {"load": {"destinationTable": {"datasetId": "d", "tableId": "t"}}}}, "required", "sourceUris"),
    ({"configuration": QUERY, "jobReference": {"jobId": "a b"}}, "invalid", "Invalid job ID"),
    ({"configuration": QUERY, "jobReference": {"jobId": "x" * 1025}}, "invalid", "Invalid job ID"),
    ({"configuration": QUERY, "jobReference": {"projectId": "other"}}, "invalid", "projectId"),
    ({"configuration": {**QUERY, "labels": {"Upper": "x"}}}, "invalid", "is not valid"),
    ({"configuration": {**QUERY, "labels": {"1st": "x"}}}, "invalid", "is not valid"),
    ({"configuration": {**QUERY, "labels": {"k": "v" * 64}}}, "invalid", "is not valid"),
    ({"configuration": {**QUERY, "labels": {f"k{i}": "" for i in range(65)}}}, "invalid", "at most 64"),
    ({"configuration": {**QUERY, "jobTimeoutMs": "soon"}}, "invalid", "jobTimeoutMs"),
    ({"configuration": {"query": {"query": "SELECT 1", "priority": "HIGH"}}}, "invalid", "priority"),
    ({"configuration": {"copy": {"destinationTable": {"a": 1}}, "dryRun": True}}, "invalid", "Dry runs"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "reason", "message"), BAD)
def test_a_body_that_is_no_job_makes_none(server, body, reason, message):
    status, answer = ask(server, "POST", JOBS, body)
    error = answer["error"]
    assert (status, error["code"], error["errors"][0]["reason"]) == (400, 400, reason)
    assert message in error["message"] == error["errors"][0]["message"]
    assert len(server.jobs) == 0


def test_a_huge_body_is_refused(server):
    body = {"configuration": {"query": {"query": "SELECT '" + "x" * (11 << 20) + "'"}}}
    status, answer = ask(server, "POST", JOBS, body)
    assert (status, answer["error"]["message"]) == (
        400, "Request payload size exceeds the limit: 10485760 bytes.",
    )  # fmt: skip


def test_a_query_of_more_than_a_mebibyte_is_refused(client):
    with pytest.raises(BadRequest, match="The query is too large"):
        start(client, "SELECT '" + "x" * (1 << 20) + "'").result(job_retry=None)


def test_a_query_of_nearly_a_mebibyte_runs(client):
    text = "x" * ((1 << 20) - 100)
    assert next(iter(start(client, f"SELECT LENGTH('{text}')").result())).values() == (len(text),)


def test_nul_bytes_are_a_syntax_error(client):
    with pytest.raises(BadRequest, match=r'Illegal input character "\\0" at \[1:8\]'):
        start(client, "SELECT \0 1").result(job_retry=None)


def test_deep_nesting_is_an_error_and_the_server_goes_on(client):
    with pytest.raises(BadRequest, match=r"nested too deeply|Syntax error"):
        start(client, "SELECT " + "(" * 5000 + "1" + ")" * 5000).result(job_retry=None)
    assert start(client).result().total_rows == 1


class Broken(LocalBigQuery):
    """A stand-in with a defect of its own."""

    def admit(self, request):
        if request.route == "jobs.get":
            raise KeyError("kind")
        return super().admit(request)


def test_a_defect_of_the_stand_in_is_answered_at_once(connect):
    """A 500 would be repeated by Google's client for ten minutes."""
    with Broken() as broken, connect(broken) as client:
        with pytest.raises(MethodNotImplemented, match="the local stand-in broke: KeyError"):
            client.get_job("any")
        assert len(broken.requests) == 1
        assert [type(error) for error in broken.errors] == [KeyError]


def test_unknown_paths_get_googles_envelope(server):
    status, answer = ask(server, "GET", "/bigquery/v2/projects/local/routines")
    assert (status, answer["error"]["errors"][0]["reason"]) == (404, "notFound")
    assert "the local stand-in has no GET" in answer["error"]["message"]


# -- scripted faults -------------------------------------------------------------------------------


def test_a_fault_speaks_as_google_does(server, client):
    server.faults.add("jobs.get", status=503, reason="backendError", message="try later", times=1)
    job = start(client)
    with pytest.raises(ServiceUnavailable, match="try later") as caught:
        client.get_job(job.job_id, retry=None)
    assert caught.value.errors[0]["reason"] == "backendError"
    assert client.get_job(job.job_id).job_id == job.job_id


@pytest.mark.parametrize(
    ("status", "reason"),
    [(429, "rateLimitExceeded"), (500, "internalError"), (404, "notFound"), (403, "accessDenied")],
)
def test_a_status_has_a_usual_reason(server, status, reason):
    server.faults.add("jobs.get", status=status)
    assert ask(server, "GET", f"{JOBS}/x")[1]["error"]["errors"][0]["reason"] == reason


def test_the_sdk_retries_what_google_says_may_be_retried(server, client):
    job = start(client)
    server.faults.add("jobs.get", status=503, reason="backendError", times=1)
    assert client.get_job(job.job_id).job_id == job.job_id
    assert server.count("jobs.get") == 2


def test_a_lost_answer_leaves_a_job(server, client):
    """What makes exactly-once hard: the insert worked, and nobody heard."""
    server.faults.add("jobs.insert", drop_connection="after")
    with pytest.raises(Conflict):
        start(client, job_id="lost")  # the SDK tries again by itself
    assert server.jobs.count("lost") == 1
    assert (
        server.count("jobs.insert"),
        client.get_job("lost").state in ("PENDING", "RUNNING", "DONE"),
    ) == (2, True)
