"""``projects``, ``datasets``, ``tables`` and ``tabledata``.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables
"""

from __future__ import annotations

from typing import Any, TypeVar

from flyte_agent_bigquery.local import rows
from flyte_agent_bigquery.local.configuration import check_labels
from flyte_agent_bigquery.local.errors import BigQueryError
from flyte_agent_bigquery.local.sql.scope import TableKey
from flyte_agent_bigquery.local.sql.types import from_schema
from flyte_agent_bigquery.local.tables import DATASET_FIELDS, TABLE_FIELDS, Table
from flyte_agent_testing.server import Reply, Request, route

from .base import API, ApiServer, body_of, number

_DATASET = API + "/{project}/datasets/{dataset}"
_TABLE = _DATASET + "/tables/{table}"
Item = TypeVar("Item")


class TableRoutes(ApiServer):
    """What holds data."""

    @route("GET", API, name="projects.list")
    def list_projects(self, request: Request) -> Reply:
        """Projects with a dataset."""
        names = self.catalog.projects()
        listed = [
            {
                "kind": "bigquery#project",
                "id": name,
                "numericId": str(place),
                "projectReference": {"projectId": name},
                "friendlyName": name,
            }
            for place, name in enumerate(names, 1)
        ]
        return Reply(
            200,
            {
                "kind": "bigquery#projectList",
                "etag": "1",
                "projects": listed,
                "totalItems": len(listed),
            },
        )

    # -- datasets -----------------------------------------------------------------------------------------------

    @route("GET", API + "/{project}/datasets", name="datasets.list")
    def list_datasets(self, request: Request, project: str) -> Reply:
        """Hidden ones only when asked for."""
        found = self.catalog.datasets(
            project, hidden=request.query.get("all", "").lower() == "true"
        )
        page, more = _page(found, request)
        body: dict[str, Any] = {"kind": "bigquery#datasetList", "etag": "1", **more}
        if page:
            body["datasets"] = [item.listed() for item in page]
        return Reply(200, body)

    @route("POST", API + "/{project}/datasets", name="datasets.insert")
    def insert_dataset(self, request: Request, project: str) -> Reply:
        """Make a dataset."""
        body = body_of(request)
        name = (body.get("datasetReference") or {}).get("datasetId")
        if not name:
            raise BigQueryError(
                "required", "Required parameter is missing: datasetReference.datasetId"
            )
        check_labels(body.get("labels") or {})
        resource = {field: body[field] for field in DATASET_FIELDS if field in body}
        made = self.catalog.create_dataset(
            project, name, location=body.get("location") or "", resource=resource
        )
        return Reply(200, made.body(self.url))

    @route("GET", _DATASET, name="datasets.get")
    def get_dataset(self, request: Request, project: str, dataset: str) -> Reply:
        """One dataset."""
        return Reply(200, self.catalog.dataset(project, dataset).body(self.url))

    @route("PATCH", _DATASET, name="datasets.patch")
    @route("PUT", _DATASET, name="datasets.update")
    def patch_dataset(self, request: Request, project: str, dataset: str) -> Reply:
        """Change what is said about a dataset."""
        found = self.catalog.dataset(project, dataset)
        _patch(found.resource, body_of(request), DATASET_FIELDS)
        return Reply(200, found.body(self.url))

    @route("DELETE", _DATASET, name="datasets.delete")
    def delete_dataset(self, request: Request, project: str, dataset: str) -> Reply:
        """Remove a dataset, with its tables when ``deleteContents`` says so."""
        contents = request.query.get("deleteContents", "").lower() == "true"
        self.catalog.drop_dataset(project, dataset, contents=contents)
        return Reply(204)

    # -- tables -------------------------------------------------------------------------------------------------

    @route("GET", _DATASET + "/tables", name="tables.list")
    def list_tables(self, request: Request, project: str, dataset: str) -> Reply:
        """The tables of a dataset."""
        self.catalog.dataset(project, dataset)
        found = self.catalog.tables(project, dataset)
        page, more = _page(found, request)
        body: dict[str, Any] = {
            "kind": "bigquery#tableList",
            "etag": "1",
            "totalItems": len(found),
            **more,
        }
        if page:
            body["tables"] = [item.listed() for item in page]
        return Reply(200, body)

    @route("POST", _DATASET + "/tables", name="tables.insert")
    def insert_table(self, request: Request, project: str, dataset: str) -> Reply:
        """Make an empty table, or a view."""
        body = body_of(request)
        name = (body.get("tableReference") or {}).get("tableId")
        if not name:
            raise BigQueryError("required", "Required parameter is missing: tableReference.tableId")
        self.catalog.dataset(project, dataset)
        check_labels(body.get("labels") or {})
        resource = {field: body[field] for field in TABLE_FIELDS if field in body}
        fields = _checked_fields((body.get("schema") or {}).get("fields") or [])
        key: TableKey = (project, dataset, name)
        if "view" in resource:
            fields = self._view_fields(key, resource)
        made = self.catalog.create_table(key, fields, resource)
        return self._shown(made)

    def _view_fields(self, key: TableKey, resource: dict[str, Any]) -> list[dict[str, Any]]:
        if resource["view"].get("useLegacySql", True):
            raise BigQueryError(
                "notImplemented",
                "the local stand-in cannot run legacy SQL faithfully; set view.useLegacySql to false",
            )
        dry = self.queries.dry_run(
            key[0], {"query": resource["view"]["query"], "useLegacySql": False}
        )
        found: list[dict[str, Any]] = dry["query"]["schema"]["fields"]
        return found

    @route("GET", _TABLE, name="tables.get")
    def get_table(self, request: Request, project: str, dataset: str, table: str) -> Reply:
        """One table, measured."""
        return self._shown(self.catalog.get((project, dataset, table)))

    def _shown(self, table: Table) -> Reply:
        return Reply(200, self.catalog.measure(table).body(self.url))

    @route("PATCH", _TABLE, name="tables.patch")
    @route("PUT", _TABLE, name="tables.update")
    def patch_table(self, request: Request, project: str, dataset: str, table: str) -> Reply:
        """Change what is said about a table; its schema can only grow."""
        found = self.catalog.get((project, dataset, table))
        body = body_of(request)
        _patch(found.resource, body, TABLE_FIELDS)
        if wanted := (body.get("schema") or {}).get("fields"):
            self._grow(found, _checked_fields(wanted))
        self.catalog.touch(found)
        return self._shown(found)

    def _grow(self, table: Table, wanted: list[dict[str, Any]]) -> None:
        names = {item["name"].lower(): item for item in wanted}
        for item in table.fields:
            new = names.pop(item["name"].lower(), None)
            if new is None or from_schema(new) != from_schema(item):
                name = f"{':'.join(table.key[:2])}.{table.key[2]}"
                problem = f"Field {item['name']} is missing or has changed type"
                message = f"Provided Schema does not match Table {name}. {problem}"
                raise BigQueryError("invalid", message)
            item.update({
                name: value for name, value in new.items() if name in ("description", "policyTags")
            })
        self.catalog.add_columns(table, list(names.values()))

    @route("DELETE", _TABLE, name="tables.delete")
    def delete_table(self, request: Request, project: str, dataset: str, table: str) -> Reply:
        """Remove a table or view."""
        self.catalog.drop_table((project, dataset, table))
        return Reply(204)

    @route("GET", _TABLE + "/data", name="tabledata.list")
    def list_rows(self, request: Request, project: str, dataset: str, table: str) -> Reply:
        """A page of a table's rows."""
        query = request.query
        found = self.catalog.get((project, dataset, table))
        if found.is_view:
            raise BigQueryError(
                "invalid", f"Cannot list a table of type VIEW: {project}:{dataset}.{table}"
            )
        token = query.get("pageToken")
        start = rows.decode_token(token) if token else number(query, "startIndex") or 0
        names = query["selectedFields"].split(",") if query.get("selectedFields") else None
        timestamps = rows.timestamp_format(query)
        page = rows.page(
            self.engine, self.catalog, found, start, number(query, "maxResults"), timestamps, names
        )
        body: dict[str, Any] = {
            "kind": "bigquery#tableDataList",
            "etag": f"{found.modified_ms}.{found.version}",
            "totalRows": str(page.total),
        }
        if page.rows:
            body["rows"] = page.rows
        if page.token:
            body["pageToken"] = page.token
        return Reply(200, body)


def _checked_fields(fields: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A schema with every mode written. Raises ``BigQueryError`` for an unknown type."""
    for item in fields:
        if not item.get("name") or not item.get("type"):
            raise BigQueryError("invalid", "Schema field needs a name and a type")
        from_schema(item)
    return [{"mode": "NULLABLE", **item} for item in fields]


def _patch(resource: dict[str, Any], body: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in known:
        if name not in body:
            continue
        if name == "labels" and isinstance(body[name], dict):
            merged = {**resource.get("labels", {}), **body[name]}
            check_labels({key: value for key, value in merged.items() if value is not None})
            resource["labels"] = {key: value for key, value in merged.items() if value is not None}
        elif body[name] is None:
            resource.pop(name, None)
        else:
            resource[name] = body[name]


def _page(found: list[Item], request: Request) -> tuple[list[Item], dict[str, Any]]:
    """A page of a list, and the token of the next one."""
    query = request.query
    start = rows.decode_token(query["pageToken"]) if query.get("pageToken") else 0
    size = number(query, "maxResults") or len(found) or 1
    more = {"nextPageToken": rows.encode_token(start + size)} if start + size < len(found) else {}
    return found[start : start + size], more
