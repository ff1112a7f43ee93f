"""Projects, datasets, tables and rows, as the SDK reads and changes them."""

from __future__ import annotations

import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import SchemaField


def test_datasets(client):
    made = bigquery.Dataset("local.d")
    made.location, made.description, made.labels = "EU", "about", {"a": "b"}
    client.create_dataset(made)
    with pytest.raises(Conflict, match="Already Exists: Dataset local:d"):
        client.create_dataset("d", retry=None)
    client.create_dataset("d", exists_ok=True)
    found = client.get_dataset("d")
    assert (found.location, found.description, found.labels) == ("EU", "about", {"a": "b"})
    found.description, found.labels = None, {"a": None, "c": "d"}
    client.update_dataset(found, ["description", "labels"])
    found = client.get_dataset("d")
    assert (found.description, found.labels) == (None, {"c": "d"})
    client.create_dataset("e")
    assert [item.dataset_id for item in client.list_datasets(page_size=1)] == ["d", "e"]
    client.delete_dataset("e")
    with pytest.raises(NotFound, match="Not found: Dataset local:e"):
        client.get_dataset("e", retry=None)
    with pytest.raises(BadRequest, match="Invalid dataset ID"):
        client.create_dataset("a-b", retry=None)
    assert [project.project_id for project in client.list_projects()] == ["local"]
    assert client.get_service_account_email() == "local@stand-in.invalid"


def test_tables(client):
    client.create_dataset("d")
    table = bigquery.Table(
        "local.d.t",
        [
            SchemaField("a", "INT64", "REQUIRED"),
            SchemaField("r", "RECORD", "REPEATED", fields=[SchemaField("x", "FLOAT")]),
        ],
    )
    table.description, table.labels, table.clustering_fields = "about", {"k": "v"}, ["a"]
    table.time_partitioning = bigquery.TimePartitioning(field="day", type_="MONTH")
    table.schema = [*table.schema, SchemaField("day", "DATE")]
    made = client.create_table(table)
    assert (made.num_rows, made.num_bytes, made.table_type, made.location) == (0, 0, "TABLE", "US")
    with pytest.raises(Conflict, match=r"Already Exists: Table local:d.t"):
        client.create_table("local.d.t", retry=None)
    made.description = "changed"
    made.schema = [*made.schema, SchemaField("more", "STRING")]
    client.update_table(made, ["description", "schema"])
    found = client.get_table("d.t")
    assert (found.description, [f.name for f in found.schema]) == (
        "changed",
        ["a", "r", "day", "more"],
    )
    assert (found.time_partitioning.type_, found.clustering_fields) == ("MONTH", ["a"])
    found.schema = found.schema[1:]
    with pytest.raises(BadRequest, match="Provided Schema does not match"):
        client.update_table(found, ["schema"], retry=None)
    client.create_table("local.d.u")
    assert [item.table_id for item in client.list_tables("d", page_size=1)] == ["t", "u"]
    client.delete_table("d.u")
    client.delete_table("d.u", not_found_ok=True)
    with pytest.raises(NotFound, match=r"Not found: Table local:d.u"):
        client.get_table("d.u", retry=None)
    with pytest.raises(BadRequest, match="Dataset local:d is still in use"):
        client.delete_dataset("d", retry=None)
    client.delete_dataset("d", delete_contents=True)


def test_views(client):
    client.create_dataset("d")
    view = bigquery.Table("local.d.v")
    view.view_query = "SELECT 1 AS a"
    made = client.create_table(view)
    assert (made.table_type, made.view_query, [f.name for f in made.schema]) == (
        "VIEW",
        "SELECT 1 AS a",
        ["a"],
    )
    assert [tuple(row) for row in client.query_and_wait("SELECT a FROM d.v")] == [(1,)]
    with pytest.raises(BadRequest, match="Cannot list a table of type VIEW"):
        list(client.list_rows(made, retry=None))
    with pytest.raises(BadRequest, match="DML over a view"):
        client.query_and_wait("INSERT INTO d.v VALUES (1)")
    bad = bigquery.Table("local.d.w")
    bad.view_query = "SELECT nope FROM d.v"
    with pytest.raises(BadRequest, match="Unrecognized name: nope"):
        client.create_table(bad, retry=None)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ([{"name": "a", "type": "NOPE"}], "NOPE is not a valid value"),
        ([{"name": "a"}], "needs a name and a type"),
        (
            [{"name": "a", "type": "INTEGER"}, {"name": "A", "type": "STRING"}],
            "Duplicate field name",
        ),
    ],
)
def test_a_mistaken_schema_is_refused(client, schema, message):
    client.create_dataset("d")
    body = {"tableReference": {"tableId": "t"}, "schema": {"fields": schema}}
    with pytest.raises(BadRequest, match=message):
        client._connection.api_request("POST", "/projects/local/datasets/d/tables", data=body)


def test_what_a_table_must_have(client):
    with pytest.raises(NotFound, match="Dataset local:nope"):
        client.create_table("local.nope.t", retry=None)
    with pytest.raises(BadRequest, match=r"datasetReference.datasetId"):
        client._connection.api_request("POST", "/projects/local/datasets", data={"etag": "x"})
    client.create_dataset("d")
    with pytest.raises(BadRequest, match=r"tableReference.tableId"):
        client._connection.api_request(
            "POST", "/projects/local/datasets/d/tables", data={"etag": "x"}
        )
    client.create_table("local.d.Name")
    with pytest.raises(GoogleAPICallError, match="names that differ in case only"):
        client.create_table("local.d.name", retry=None)
