"""Results: where they go, what they cost, and how they are read."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import QueryJobConfig

from flyte_agent_bigquery.local import LocalBigQuery

pytestmark = pytest.mark.once

MIB = 1 << 20


@pytest.fixture
def table(server, client):
    client.create_dataset("d")
    client.query_and_wait(
        "CREATE TABLE d.t AS SELECT x AS a, CAST(x AS STRING) AS b FROM UNNEST(GENERATE_ARRAY(1, 1000)) x"
    )
    return "d.t"


def run(client, sql, **settings):
    job = client.query(sql, QueryJobConfig(**settings), job_retry=None)
    job.result()
    return client.get_job(job.job_id)


# -- bytes ------------------------------------------------------------------------------------------


def test_bytes_are_those_of_the_columns_that_are_read(table, client):
    """8 bytes for an INT64, 2 and its UTF-8 for a STRING."""
    strings = sum(2 + len(str(x)) for x in range(1, 1001))
    sizes = {
        "SELECT a FROM d.t": 8000,
        "SELECT b FROM d.t WHERE a > 999": 8000 + strings,
        "SELECT * FROM d.t": 8000 + strings,
        "SELECT COUNT(*) FROM d.t": 0,
        "SELECT 1": 0,
    }
    for sql, size in sizes.items():
        assert run(client, sql, use_query_cache=False).total_bytes_processed == size
    assert client.get_table("d.t").num_bytes == 8000 + strings


def test_bytes_billed_are_at_least_ten_mebibytes_a_table(table, client):
    job = run(client, "SELECT x.a FROM d.t x", use_query_cache=False)
    assert (job.total_bytes_billed, job.slot_millis is not None, job.billing_tier) == (
        10 * MIB,
        True,
        1,
    )
    assert [ref.table_id for ref in job.referenced_tables] == ["t"]


def test_a_dry_run_costs_nothing_and_is_no_job(table, client, server):
    before = len(server.jobs)
    job = client.query(
        "SELECT a FROM d.t", QueryJobConfig(dry_run=True), job_id="dry", job_retry=None
    )
    assert (job.state, job.total_bytes_processed, job.statement_type) == ("DONE", 8000, "SELECT")
    assert [(field.name, field.field_type) for field in job.schema] == [("a", "INTEGER")]
    assert "jobId" not in job._properties["jobReference"]
    assert len(server.jobs) == before
    run(client, "SELECT 1")
    client.query("SELECT a FROM d.t", job_id="dry", job_retry=None).result()


def test_a_dry_run_tells_mistakes(table, client):
    for sql, kind in {
        "SELECT zz FROM d.t": BadRequest,
        "SELECT 1 FROM d.nope": NotFound,
        "SELEC": BadRequest,
    }.items():
        with pytest.raises(kind):
            client.query(sql, QueryJobConfig(dry_run=True), retry=None)


def test_a_dry_run_weighs_statements_and_scripts(table, client, server):
    def weigh(sql):
        return client.query(sql, QueryJobConfig(dry_run=True)).total_bytes_processed

    assert weigh("UPDATE d.t SET a = 1 WHERE a > 5") == 8000
    assert weigh("CREATE TABLE d.u AS SELECT a FROM d.t") == 8000
    assert weigh("SELECT a FROM d.t; SELECT a FROM d.t;") == 16000
    assert weigh("CREATE TEMP FUNCTION f(x INT64) AS (x); SELECT f(a) FROM d.t") == 8000
    body = {"query": "SELECT a FROM d.t", "dryRun": True, "useLegacySql": False}
    found = client._connection.api_request("POST", "/projects/local/queries", data=body)
    assert (found["totalBytesProcessed"], found["jobComplete"]) == ("8000", True)
    with pytest.raises(NotFound):
        client.get_table("d.u")


def test_a_query_may_not_bill_more_than_it_may(table, client):
    settings = {"maximum_bytes_billed": 10 * MIB - 1, "use_query_cache": False}
    with pytest.raises(
        GoogleAPICallError,
        match=r"Query exceeded limit for bytes billed: 10485759. 10485760 or higher required",
    ):
        run(client, "SELECT a FROM d.t", **settings)
    failed = next(iter(client.list_jobs(max_results=1)))
    assert failed.error_result["reason"] == "bytesBilledLimitExceeded"
    assert run(client, "SELECT a FROM d.t", maximum_bytes_billed=10 * MIB).error_result is None


# -- the cache --------------------------------------------------------------------------------------


def test_the_same_query_is_answered_from_the_cache_until_its_table_changes(table, client):
    sql = "SELECT SUM(a) AS s FROM d.t"
    first, second = run(client, sql), run(client, sql)
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert (second.total_bytes_billed, second.total_bytes_processed) == (0, 0)
    assert second.destination == first.destination
    client.query_and_wait("INSERT INTO d.t VALUES (1, 'x')")
    third = run(client, sql)
    assert (third.cache_hit, [tuple(row) for row in third.result()]) == (False, [(500501,)])


@pytest.mark.parametrize(
    "sql", ["SELECT RAND()", "SELECT CURRENT_TIMESTAMP()", "SELECT GENERATE_UUID()"]
)
def test_what_is_never_the_same_is_not_cached(client, sql):
    run(client, sql)
    assert run(client, sql).cache_hit is False


def test_the_cache_can_be_declined(client):
    run(client, "SELECT 5")
    assert run(client, "SELECT 5", use_query_cache=False).cache_hit is False


# -- destinations -----------------------------------------------------------------------------------


def test_every_query_has_a_table_with_its_result(table, client):
    job = run(client, "SELECT a FROM d.t WHERE a < 3 ORDER BY a")
    assert [tuple(row) for row in client.list_rows(job.destination)] == [(1,), (2,)]
    assert "d" in [dataset.dataset_id for dataset in client.list_datasets()]
    assert not [d for d in client.list_datasets() if d.dataset_id.startswith("_")]


def test_a_destination_is_made_appended_to_and_truncated(table, client):
    target = "local.d.out"

    def write(sql, disposition=None, **more):
        settings = {"write_disposition": disposition} if disposition else {}
        return run(client, sql, destination=target, **settings, **more)

    def content():
        return [tuple(row.values()) for row in client.list_rows(target)]

    write("SELECT 1 AS a", clustering_fields=["a"])
    assert client.get_table(target).clustering_fields == ["a"]
    with pytest.raises(Conflict, match=r"Already Exists: Table local:d.out"):
        write("SELECT 2 AS a")
    write("SELECT 2 AS a", "WRITE_APPEND")
    assert content() == [(1,), (2,)]
    write("SELECT 'x' AS b", "WRITE_TRUNCATE")
    assert content() == [("x",)]
    with pytest.raises(BadRequest, match="Cannot add fields"):
        write("SELECT 'y' AS b, 5 AS c", "WRITE_APPEND")
    write("SELECT 'y' AS b, 5 AS c", "WRITE_APPEND", schema_update_options=["ALLOW_FIELD_ADDITION"])
    assert set(content()) == {("x", None), ("y", 5)}
    with pytest.raises(BadRequest, match="has changed type from INTEGER to STRING"):
        write("SELECT 'z' AS b, 'q' AS c", "WRITE_APPEND")
    with pytest.raises(NotFound):
        run(client, "SELECT 1 AS a", destination="local.d.never", create_disposition="CREATE_NEVER")
    with pytest.raises(NotFound, match="Dataset local:nope"):
        run(client, "SELECT 1 AS a", destination="local.nope.t")


def test_a_failed_query_leaves_the_destination_alone(table, client):
    with pytest.raises(BadRequest, match="division by zero"):
        run(
            client,
            "SELECT 1 / (a - 5) AS a FROM d.t",
            destination="local.d.t",
            write_disposition="WRITE_TRUNCATE",
        )
    assert client.get_table("d.t").num_rows == 1000


def test_a_default_dataset_stands_for_what_is_not_said(table, client):
    assert run(client, "SELECT MAX(a) FROM t", default_dataset="local.d").result().total_rows == 1


# -- reading ----------------------------------------------------------------------------------------


def test_rows_come_in_pages_and_in_order(table, client, server):
    job = client.query("SELECT a FROM d.t ORDER BY a DESC")
    server.forget()
    numbers = [row.a for row in job.result(page_size=300)]
    assert numbers == list(range(1000, 0, -1))
    assert server.count("jobs.getQueryResults") >= 4
    assert [row.a for row in client.list_rows("d.t", page_size=400, start_index=998)] == [999, 1000]
    assert [row.a for row in client.list_rows("d.t", max_results=2)] == [1, 2]
    some = client.list_rows(
        "d.t", selected_fields=[bigquery.SchemaField("b", "STRING")], max_results=1
    )
    assert [tuple(row.values()) for row in some] == [("1",)]


def test_big_rows_come_in_pages_of_ten_mebibytes(client, server):
    found = client.query("SELECT REPEAT('x', 1000000) AS s FROM UNNEST(GENERATE_ARRAY(1, 25)) x")
    assert sum(len(row.s) for row in found.result()) == 25_000_000
    assert server.count("jobs.getQueryResults") >= 3


def test_results_wait_as_long_as_they_are_asked_to(server, client):
    server.hold_jobs()
    job = client.query("SELECT 1 AS x")
    answer = client._connection.api_request(
        "GET", f"/projects/local/queries/{job.job_id}", {"timeoutMs": 20}
    )
    assert answer["jobComplete"] is False
    assert "rows" not in answer
    server.call_later(0.02, server.release)
    assert [tuple(row) for row in job.result()] == [(1,)]


def test_a_query_request_waits_and_can_be_repeated(server, client):
    server.hold_jobs()
    body = {
        "query": "SELECT 1 AS x",
        "useLegacySql": False,
        "timeoutMs": 0,
        "requestId": "r1",
        "labels": {"a": "b"},
    }
    path = "/projects/local/queries"
    first = client._connection.api_request("POST", path, data=body)
    again = client._connection.api_request("POST", path, data=body)
    assert first["jobComplete"] is again["jobComplete"] is False
    assert first["jobReference"] == again["jobReference"]
    assert len(server.jobs) == 1
    assert server.job(first["jobReference"]["jobId"]).configuration["labels"] == {"a": "b"}
    server.release()
    body["timeoutMs"] = 10_000
    assert client._connection.api_request("POST", path, data=body)["rows"] == [{"f": [{"v": "1"}]}]


@pytest.mark.parametrize(
    ("options", "shown"),
    [({}, "1577934245.5"), ({"formatOptions.useInt64Timestamp": "true"}, "1577934245500000"),
     ({"formatOptions.timestampOutputFormat": "ISO8601_STRING"}, "2020-01-02T03:04:05.500000Z")],
)  # fmt: skip
def test_timestamps_are_written_as_asked(client, options, shown):
    job = client.query("SELECT TIMESTAMP '2020-01-02 03:04:05.5' AS t")
    job.result()
    answer = client._connection.api_request("GET", f"/projects/local/queries/{job.job_id}", options)
    assert answer["rows"] == [{"f": [{"v": shown}]}]


def test_statements_without_rows_have_none(client):
    client.create_dataset("d")
    job = client.query("CREATE TABLE d.x AS SELECT 1 AS a")
    assert list(job.result()) == []
    assert list(client.query("INSERT INTO d.x VALUES (2)").result()) == []


def test_results_of_other_jobs_cannot_be_read(server, client, table):
    job = client.copy_table("d.t", "d.copy")
    job.result()
    with pytest.raises(BadRequest, match="Cannot return results for a copy job"):
        client._connection.api_request("GET", f"/projects/local/queries/{job.job_id}")
    with pytest.raises(BadRequest, match="pageToken"):
        client._connection.api_request(
            "GET", "/projects/local/datasets/d/tables/t/data", {"pageToken": "x"}
        )
    with pytest.raises(BadRequest, match="maxResults"):
        client._connection.api_request(
            "GET", "/projects/local/datasets/d/tables/t/data", {"maxResults": "x"}
        )


def test_statistics_tell_what_happened(table, client):
    job = run(client, "SELECT a FROM d.t WHERE a < 11", use_query_cache=False)
    first, last = job.query_plan
    assert (first.name, first.records_read, last.records_written) == ("S00: Input", 1000, 10)
    assert first.status == last.status == "COMPLETE"
    assert job.timeline[0].completed_units == 2
    assert [step.kind for step in first.steps] == ["READ", "WRITE"]


def test_data_can_be_kept_between_runs(tmp_path, connect):
    with LocalBigQuery(tmp_path) as server, connect(server) as client:
        client.create_dataset("d")
        client.query_and_wait("CREATE TABLE d.t OPTIONS (description = 'kept') AS SELECT 1 AS a")
        client.query_and_wait("CREATE VIEW d.v AS SELECT a + 1 AS b FROM d.t")
        client.query_and_wait("CREATE TABLE d.gone AS SELECT 1 AS a; DROP TABLE d.gone;")
        client.query_and_wait("INSERT INTO d.t VALUES (5)")
    with LocalBigQuery(tmp_path) as server, connect(server) as client:
        assert sorted(row.b for row in client.query_and_wait("SELECT b FROM d.v")) == [2, 6]
        assert client.get_table("d.t").description == "kept"
        assert [item.table_id for item in client.list_tables("d")] == ["t", "v"]
