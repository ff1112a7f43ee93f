"""Every field of every answer is one that Google's discovery document has, with its type.

The document comes with google-api-python-client, offline.
"""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest
from google.cloud import bigquery
from google.cloud.bigquery import LoadJobConfig, QueryJobConfig

from flyte_agent_bigquery.local import LocalBigQuery

pytestmark = pytest.mark.once

DOCUMENT = json.loads(
    resources
    .files("googleapiclient.discovery_cache.documents")
    .joinpath("bigquery.v2.json")
    .read_text()
)
SCHEMAS = DOCUMENT["schemas"]
_INT64 = re.compile(r"-?\d+")


def problems(value: Any, schema: dict[str, Any], where: str) -> list[str]:
    """What is wrong with a value, by the place it is at."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"]]
    kind = schema.get("type")
    if kind == "object":
        return _object(value, schema, where)
    if kind == "array":
        if not isinstance(value, list):
            return [f"{where}: {value!r} is no list"]
        return [
            p
            for i, item in enumerate(value)
            for p in problems(item, schema["items"], f"{where}[{i}]")
        ]
    expected = {
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
        "any": object,
    }[kind]
    if not isinstance(value, expected) or (
        kind != "boolean" and isinstance(value, bool) and kind != "any"
    ):
        return [f"{where}: {value!r} is no {kind}"]
    if schema.get("format") in ("int64", "uint64") and not _INT64.fullmatch(str(value)):
        return [f"{where}: {value!r} is no int64"]
    if value not in schema.get("enum", [value]):
        return [f"{where}: {value!r} is not one of {schema['enum']}"]
    return []


def _object(value: Any, schema: dict[str, Any], where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    found = []
    for name, item in value.items():
        if name in known:
            found += problems(item, known[name], f"{where}.{name}")
        elif others is not None:
            found += problems(item, others, f"{where}.{name}")
        else:
            found.append(f"{where}.{name}: the schema has no such field")
    return found


# The schema of the answer of each route.
ANSWERS = {
    "datasets.get": "Dataset", "datasets.insert": "Dataset", "datasets.list": "DatasetList",
    "datasets.patch": "Dataset", "jobs.cancel": "JobCancelResponse", "jobs.get": "Job",
    "jobs.getQueryResults": "GetQueryResultsResponse", "jobs.insert": "Job", "jobs.list": "JobList",
    "jobs.query": "QueryResponse", "jobs.upload": "Job", "projects.list": "ProjectList",
    "projects.getServiceAccount": "GetServiceAccountResponse", "tabledata.list": "TableDataList",
    "tables.get": "Table", "tables.insert": "Table", "tables.list": "TableList", "tables.patch": "Table",
}  # fmt: skip


class Watched(LocalBigQuery):
    """Compares what it answers with the document."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[str, int] = {}
        self.wrong: list[str] = []

    async def _work(self, endpoint, request):
        reply = await super()._work(endpoint, request)
        name = ANSWERS.get(request.route)
        if name is not None and reply.status == 200 and (content := reply.encoded()):
            self.seen[request.route] = self.seen.get(request.route, 0) + 1
            self.wrong += problems(json.loads(content), SCHEMAS[name], name)
        return reply


@pytest.fixture
def watched():
    with Watched() as running:
        yield running


def test_every_answer_has_the_fields_of_the_document(watched, connect):
    with connect(watched) as client:
        everything(watched, client)
    assert watched.wrong == []
    assert set(ANSWERS) <= set(watched.seen), f"never asked: {set(ANSWERS) - set(watched.seen)}"
    assert not watched.errors
    assert not watched.scheduler.broken


def everything(server: LocalBigQuery, client: bigquery.Client) -> None:
    """Use every route, and every kind of job in every state."""
    dataset = bigquery.Dataset("local.d")
    dataset.labels, dataset.description = {"a": "b"}, "x"
    client.create_dataset(dataset)
    client.update_dataset(dataset, ["description"])
    client.get_dataset("d")
    list(client.list_datasets(include_all=True))
    list(client.list_projects())
    client.get_service_account_email()
    table = bigquery.Table("local.d.t", [bigquery.SchemaField("a", "INT64", "REQUIRED", "about a")])
    table.time_partitioning = bigquery.TimePartitioning()
    table.labels = {"k": "v"}
    client.create_table(table)
    client.update_table(table, ["labels"])
    jobs(server, client)
    client.get_table("d.t")
    list(client.list_tables("d"))
    list(client.list_rows("d.n"))
    list(client.list_jobs(all_users=True))
    client._connection.api_request(
        "GET", "/projects/local/jobs", {"projection": "full", "maxResults": "2"}
    )


def jobs(server: LocalBigQuery, client: bigquery.Client) -> None:
    """One job of each kind, and one of each end."""
    everything_typed = (
        "SELECT 1 AS i, 1.5 AS f, NUMERIC '1' AS n, BIGNUMERIC '1' AS bn, TRUE AS b, 'x' AS s, b'x' AS y,"
        " DATE '2020-01-01' AS d, TIME '01:02:03' AS t, DATETIME '2020-01-01' AS dt,"
        " TIMESTAMP '2020-01-01' AS ts, INTERVAL 1 DAY AS iv, JSON '{}' AS j, [1] AS arr,"
        " STRUCT(1 AS a, [STRUCT(2 AS b)] AS c) AS st"
    )
    for sql in [
        f"CREATE TABLE d.n AS {everything_typed}",
        "SELECT * FROM d.n",
        "SELECT * FROM d.n",
        "INSERT INTO d.t VALUES (1), (2)",
        "MERGE d.t t USING (SELECT 1 AS a) s ON t.a = s.a WHEN MATCHED THEN DELETE",
        "CREATE VIEW d.v AS SELECT a FROM d.t",
        "CREATE SCHEMA e",
        "DROP SCHEMA e",
        "DECLARE x INT64 DEFAULT 1; SELECT x; SELECT COUNT(*) FROM d.t;",
    ]:
        client.query(sql, job_id_prefix="a").result()
        client.query_and_wait(sql) if sql.startswith("SELECT") else None
    session = client.query("SELECT 1", QueryJobConfig(create_session=True, labels={"a": "b"}))
    session.result()
    client.get_job(session.job_id)
    client.query("SELECT a FROM d.t", QueryJobConfig(dry_run=True))
    client.query_and_wait("SELECT a FROM d.t", job_config=QueryJobConfig(dry_run=True))
    client.query_and_wait("DELETE FROM d.t WHERE a = 99")
    for failing in ("SELECT nope", "SELECT 1 / 0"):
        job = client.query(failing, job_retry=None)
        server.job(job.job_id).done.wait(10)
        client.get_job(job.job_id)
    client.load_table_from_json(
        [{"a": 5}], "d.t", job_config=LoadJobConfig(autodetect=False)
    ).result()
    content = b"1\nx\n"
    config = LoadJobConfig(source_format="CSV", max_bad_records=1)
    import io

    loaded = client.load_table_from_file(
        io.BytesIO(content), "d.t", job_config=config, size=len(content)
    )
    loaded.result()
    client.get_job(loaded.job_id)
    copied = client.copy_table("d.n", "d.m")
    copied.result()
    client.get_job(copied.job_id)
    server.hold_jobs("PENDING")
    held = client.query("SELECT 1")
    client.get_job(held.job_id)
    client.cancel_job(held.job_id)
    server.release()


def test_the_checker_finds_what_is_wrong():
    body = {
        "kind": 5,
        "nope": 1,
        "status": {"state": "DONE", "errors": {}},
        "statistics": {"startTime": "x"},
    }
    assert problems(body, SCHEMAS["Job"], "Job") == [
        "Job.kind: 5 is no string",
        "Job.nope: the schema has no such field",
        "Job.status.errors: {} is no list",
        "Job.statistics.startTime: 'x' is no int64",
    ]


def test_every_route_is_one_of_the_document():
    """A path that Google has not would be of no use."""
    paths = {
        (method["httpMethod"], re.sub(r"\{\+?(\w+)\}", "{}", method["path"]))
        for resource in DOCUMENT["resources"].values()
        for method in resource["methods"].values()
    }
    own = LocalBigQuery()
    try:
        found = {
            (method, endpoint.name)
            for (method, _), routes in own._routes._by_shape.items()
            for _, endpoint in routes
        }
    finally:
        own.stop()
    names = {name for _, name in found if name in ANSWERS or name.startswith(("jobs.", "tables."))}
    assert len(paths) > 30
    assert {
        f"{resource}.{method}"
        for resource, body in DOCUMENT["resources"].items()
        for method in body["methods"]
    } >= names - {"jobs.upload", "jobs.uploadChunk"}
