"""Tasks that flytekit's own BigQuery plugin registered, and jobs it has started."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from flyteidl.core import types_pb2

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_core import Phase

DATASET = types_pb2.LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType())
STOCK = {"ProjectID": "p-1", "Location": None, "Domain": "development"}
STOCK_TYPE = "bigquery_query_job_task"


def start(bench, custom=None, **said):
    """Create with what the stock plugin's task sends."""
    call = bench.call_of({**STOCK, **(custom or {})}, task_type=STOCK_TYPE, **said)
    del call["task_template"].custom["project"]
    return bench.run(lambda: bench.agent.create(**call))


def test_its_task_type_is_served():
    assert STOCK_TYPE in BigQueryAgent.aliases


def test_its_tasks_run_unchanged(bench):
    meta = start(
        bench, sql="SELECT @n", inputs={"n": int}, values={"n": 3}, outputs={"results": DATASET}
    )

    body = bench.body()
    assert meta.project == "p-1"
    assert body["configuration"]["query"]["query"] == "SELECT @n"
    assert body["configuration"]["query"]["useLegacySql"] is False
    (parameter,) = body["configuration"]["query"]["queryParameters"]
    assert parameter == {
        "name": "n",
        "parameterType": {"type": "INT64"},
        "parameterValue": {"value": "3"},
    }


def test_its_output_is_called_results(bench):
    meta = start(bench, outputs={"results": DATASET})
    table = {"projectId": "p-1", "datasetId": "d", "tableId": "t"}

    resource = bench.finish(meta, {"configuration": {"query": {"destinationTable": table}}})

    literal = resource.outputs.literals["results"]
    assert literal.scalar.structured_dataset.uri == "bq://p-1:d.t"


def test_its_moments_stay_datetimes(bench):
    """BigQuery does not compare a TIMESTAMP with a DATETIME column, which registered queries do."""
    moment = dt.datetime(2024, 1, 1, 10, tzinfo=dt.timezone.utc)

    start(bench, sql="SELECT @t", inputs={"t": dt.datetime}, values={"t": moment})

    (parameter,) = bench.body()["configuration"]["query"]["queryParameters"]
    assert parameter["parameterType"] == {"type": "DATETIME"}


def test_what_its_author_configured_is_honoured_now(bench):
    """The stock plugin stores it and never reads it."""
    table = {"projectId": "p-1", "datasetId": "d", "tableId": "t"}
    start(
        bench,
        {
            "maximumBytesBilled": "1000",
            "destinationTable": table,
            "writeDisposition": "WRITE_TRUNCATE",
        },
    )

    query = bench.body()["configuration"]["query"]
    assert query["maximumBytesBilled"] == "1000"
    assert query["destinationTable"] == table
    assert query["writeDisposition"] == "WRITE_TRUNCATE"


@pytest.mark.parametrize("location", ["EU", "US", None])
def test_its_jobs_in_flight_are_picked_up(bench, location):
    kept = json.dumps({
        "job_id": "of-the-stock-plugin",
        "project": "p-1",
        "location": location,
    }).encode()
    bench.vendor.jobs["of-the-stock-plugin"] = {
        "jobReference": {
            "projectId": "p-1",
            "jobId": "of-the-stock-plugin",
            "location": location or "US",
        },
        "configuration": {"query": {"query": "SELECT 1"}},
        "statistics": {},
        "status": {"state": "RUNNING"},
    }
    meta = bench.agent.metadata_type.decode(kept)

    running = bench.run(lambda: bench.agent.get(resource_meta=meta))
    table = {"projectId": "p-1", "datasetId": "d", "tableId": "t"}
    done = bench.finish(meta, {"configuration": {"query": {"destinationTable": table}}})

    assert running.phase is Phase.RUNNING
    assert done.outputs.literals["results"].scalar.structured_dataset.uri == "bq://p-1:d.t"
    assert f"location={location or 'US'}" in done.links["BigQuery job"]


def test_its_jobs_without_a_table_give_no_outputs(bench):
    """As with the plugin itself; its metadata does not say what the task declares."""
    bench.vendor.jobs["j"] = {
        "jobReference": {"projectId": "p-1", "jobId": "j", "location": "US"},
        "status": {"state": "DONE"},
    }
    meta = bench.agent.metadata_type.decode(b'{"job_id": "j", "project": "p-1", "location": "US"}')

    resource = bench.run(lambda: bench.agent.get(resource_meta=meta))

    assert resource.phase is Phase.SUCCEEDED
    assert resource.outputs is None


def test_its_jobs_in_flight_can_be_stopped(bench):
    bench.vendor.jobs["j"] = {
        "jobReference": {"projectId": "p-1", "jobId": "j", "location": "US"},
        "statistics": {},
        "status": {"state": "RUNNING"},
    }
    meta = bench.agent.metadata_type.decode(b'{"job_id": "j", "project": "p-1", "location": null}')

    bench.delete(meta)

    assert bench.vendor.count("cancel") == 1


def test_a_job_of_its_in_a_region_nobody_noted_is_found(bench):
    """Its metadata has no location unless the author gave one, and such jobs were lost outside US and EU."""
    bench.vendor.jobs["j"] = {
        "jobReference": {"projectId": "p-1", "jobId": "j", "location": "asia-east1"},
        "statistics": {},
        "status": {"state": "RUNNING"},
    }
    meta = bench.agent.metadata_type.decode(b'{"job_id": "j", "project": "p-1", "location": null}')

    resource = bench.run(lambda: bench.agent.get(resource_meta=meta))

    assert resource.phase is Phase.RUNNING
    assert resource.message.startswith("running")
    assert "location=asia-east1" in resource.links["BigQuery job"]
