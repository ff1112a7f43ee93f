"""CREATE, ALTER and DROP, done: in the catalog and in DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb

from .catalog import Catalog
from .destinations import result_table
from .errors import duplicate, invalid_query, not_found, refusal
from .frames import Frame
from .sql.ddl import Definition
from .sql.scope import TableKey
from .tables import Table, reference


class Definer:
    """Does what a DDL statement says.

    Attributes:
        target: The table it made, if it made one.
    """

    def __init__(
        self, catalog: Catalog, cursor: duckdb.DuckDBPyConnection, frame: Frame, project: str
    ) -> None:
        self._catalog = catalog
        self._cursor = cursor
        self._frame = frame
        self._project = project
        self.target: TableKey | None = None

    def run(self, wanted: Definition) -> dict[str, Any]:
        """Run a statement; what ``statistics.query`` says of it."""
        if wanted.function is not None:
            self._frame.functions[wanted.key[2].lower()] = wanted.function
            return {"ddlOperationPerformed": "CREATE"}
        if self._frame.in_transaction and not wanted.temporary:
            raise refusal("DDL inside a transaction", "commit first")
        if not wanted.key[2]:
            done = self._dataset(wanted)
            target = {"projectId": wanted.key[0], "datasetId": wanted.key[1]}
            return {"ddlOperationPerformed": done, "ddlTargetDataset": target}
        with self._catalog.writing(wanted.key):
            done = self._table(wanted)
        shown = reference(self.target or wanted.key)
        return {"ddlOperationPerformed": done, "ddlTargetTable": shown}

    def _dataset(self, wanted: Definition) -> str:
        project, name, _ = wanted.key
        known = any(item.name == name for item in self._catalog.datasets(project, hidden=True))
        if wanted.operation == "DROP":
            if not known and wanted.lenient:
                return "SKIP"
            self._catalog.drop_dataset(project, name, contents=wanted.cascade)
            return "DROP"
        if known and wanted.lenient:
            return "SKIP"
        resource = dict(wanted.resource)
        self._catalog.create_dataset(
            project, name, location=resource.pop("location", ""), resource=resource
        )
        return "CREATE"

    def _table(self, wanted: Definition) -> str:
        if wanted.temporary:
            return self._temporary(wanted)
        existing = self._catalog.find(wanted.key)
        if wanted.operation == "DROP":
            return self._drop(wanted, existing)
        if wanted.operation == "ALTER":
            return self._alter(wanted, existing)
        self._catalog.get_dataset_of(wanted.key)
        self.target = wanted.key
        if existing is not None and wanted.operation == "CREATE":
            if wanted.lenient:
                return "SKIP"
            raise duplicate("Table", f"{wanted.key[0]}:{wanted.key[1]}.{wanted.key[2]}")
        self._make(wanted, existing)
        return "REPLACE" if existing is not None else "CREATE"

    def _make(self, wanted: Definition, existing: Table | None) -> None:
        """Make a table; one of the same name is there until the new one is."""
        resource = {name: item for name, item in wanted.resource.items() if name != "schema"}
        fields = wanted.resource.get("schema", {}).get("fields", [])
        made = None
        if wanted.output is not None:
            made = result_table(
                self._catalog, self._cursor, self._frame, self._project, wanted.output
            )
        source = made or (self._catalog.get(wanted.source) if wanted.source else None)
        rows = f"SELECT * FROM {source.sql} ORDER BY rowid" if source is not None else ""
        fields = source.fields if source is not None else fields
        self._catalog.create_table(
            wanted.key, fields, resource, cursor=self._cursor, rows=rows, replaces=existing
        )
        if made is not None:
            self._catalog.drop_table(made.key)

    def _temporary(self, wanted: Definition) -> str:
        name = wanted.key[2].lower()
        existing = self._frame.temp_tables.get(name)
        if existing is not None and wanted.operation == "CREATE":
            if wanted.lenient:
                return "SKIP"
            raise duplicate("Table", wanted.key[2])
        hidden = self._catalog.hidden_key(self._project, "script")
        wanted.key = (hidden[0], hidden[1], wanted.key[2])
        self._make(wanted, None)
        if existing is not None:
            self._catalog.drop_table(existing, cursor=self._cursor)
        self._frame.temp_tables[name] = self.target = wanted.key
        return "REPLACE" if existing is not None else "CREATE"

    def _drop(self, wanted: Definition, existing: Table | None) -> str:
        if existing is None:
            if wanted.lenient:
                return "SKIP"
            raise not_found("Table", f"{wanted.key[0]}:{wanted.key[1]}.{wanted.key[2]}")
        if existing.is_view != (wanted.statement == "DROP_VIEW"):
            kind = "VIEW" if existing.is_view else "TABLE"
            raise invalid_query(f"Cannot drop {'.'.join(wanted.key)} as it is a {kind}")
        self._catalog.drop_table(wanted.key, cursor=self._cursor)
        self._frame.temp_tables.pop(wanted.key[2].lower(), None)
        return "DROP"

    def _alter(self, wanted: Definition, existing: Table | None) -> str:
        if existing is None and wanted.lenient:
            return "SKIP"
        table = self._catalog.get(wanted.key)
        for operation, item in wanted.changes:
            if operation == "SET":
                table.resource.update(item)
                self._catalog.touch(table)
            elif operation == "ADD":
                self._add(table, *item)
            else:
                self._remove(table, *item)
        return "ALTER"

    def _add(self, table: Table, field: dict[str, Any], lenient: bool) -> None:
        if not table.has(field["name"]):
            self._catalog.add_columns(table, [field], cursor=self._cursor)
        elif not lenient:
            raise invalid_query(f"Column already exists: {field['name']}")

    def _remove(self, table: Table, name: str, lenient: bool) -> None:
        if table.has(name) or not lenient:
            self._catalog.drop_column(table, name, cursor=self._cursor)
