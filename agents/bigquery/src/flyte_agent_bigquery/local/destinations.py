"""Where the rows of a job go: a table that is made, emptied or appended to.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from .catalog import Catalog
from .engine import execute, transaction
from .errors import BigQueryError, duplicate, not_found
from .frames import Frame
from .sql.compiling import coerce
from .sql.scope import TableKey, Value
from .sql.translate import Output, stored
from .sql.types import Type, distance, from_schema, physical, quote, text, to_schema
from .tables import Table

KEPT = ("timePartitioning", "rangePartitioning", "clustering")


def table_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What a job's configuration says about a table it may make."""
    found = {name: config[name] for name in KEPT if name in config}
    if key := config.get("destinationEncryptionConfiguration"):
        found["encryptionConfiguration"] = key
    return {**found, **(config.get("destinationTableProperties") or {})}


def write(
    catalog: Catalog,
    cursor: duckdb.DuckDBPyConnection,
    source: Table,
    target: TableKey,
    config: dict[str, Any],
) -> Table:
    """Bring the rows of ``source`` (a table made for this) into ``target``.

    ``config`` has the job's dispositions. Raises ``BigQueryError`` before anything is changed.
    """
    disposition = config.get("writeDisposition") or "WRITE_EMPTY"
    existing = catalog.find(target)
    if existing is None:
        return _create(catalog, cursor, source, target, config)
    if existing.is_view:
        raise BigQueryError(
            "invalid",
            f"{'.'.join(target)} is not allowed for this operation because it is currently a VIEW.",
        )
    if disposition == "WRITE_EMPTY" and (catalog.measure(existing).rows or 0) > 0:
        raise duplicate("Table", f"{target[0]}:{target[1]}.{target[2]}")
    if disposition == "WRITE_TRUNCATE":
        return replace(catalog, cursor, source, existing, config)
    with transaction(cursor):
        if disposition == "WRITE_TRUNCATE_DATA":
            execute(cursor, f"DELETE FROM {existing.sql}")
        append(catalog, cursor, source, existing, config)
    catalog.touch(existing)
    return existing


def _create(
    catalog: Catalog,
    cursor: duckdb.DuckDBPyConnection,
    source: Table,
    target: TableKey,
    config: dict[str, Any],
) -> Table:
    if (config.get("createDisposition") or "CREATE_IF_NEEDED") == "CREATE_NEVER":
        raise not_found("Table", f"{target[0]}:{target[1]}.{target[2]}")
    catalog.get_dataset_of(target)
    rows = f"SELECT * FROM {source.sql} ORDER BY rowid"
    return catalog.create_table(
        target, source.fields, table_settings(config), cursor=cursor, rows=rows
    )


def replace(
    catalog: Catalog,
    cursor: duckdb.DuckDBPyConnection,
    source: Table,
    existing: Table,
    config: dict[str, Any],
) -> Table:
    """Put a table with other rows, and other columns, in the place of one."""
    kept = {name: value for name, value in existing.resource.items() if name not in KEPT}
    rows = f"SELECT * FROM {source.sql} ORDER BY rowid"
    settings = {**kept, **table_settings(config)}
    return catalog.create_table(
        existing.key, source.fields, settings, cursor=cursor, rows=rows, replaces=existing
    )


def result_table(
    catalog: Catalog,
    cursor: duckdb.DuckDBPyConnection,
    frame: Frame,
    project: str,
    query: Output,
) -> Table:
    """A table nobody else knows, with the rows of a query."""
    fields = [to_schema(name, kind) for name, kind in query.columns]
    key = catalog.hidden_key(project)
    if not frame.in_transaction:
        return catalog.create_table(key, fields, cursor=cursor, rows=query.sql)
    # Through a file: a table made in the transaction would go with it.
    with TemporaryDirectory(prefix="bq-result-") as folder:
        path = text(str(Path(folder) / "rows.parquet"))
        execute(cursor, f"COPY ({query.sql}) TO {path} (FORMAT parquet)")
        pairs = [(quote(name), physical(kind)) for name, kind in query.columns]
        cells = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in pairs)
        return catalog.create_table(key, fields, rows=f"SELECT {cells} FROM read_parquet({path})")


def append(
    catalog: Catalog,
    cursor: duckdb.DuckDBPyConnection,
    source: Table,
    target: Table,
    config: dict[str, Any],
) -> None:
    """Add rows; columns that the target lacks only when the job allows it."""
    known = {item["name"].lower(): item for item in target.fields}
    new = [item for item in source.fields if item["name"].lower() not in known]
    if new and "ALLOW_FIELD_ADDITION" not in (config.get("schemaUpdateOptions") or []):
        names = ", ".join(item["name"] for item in new)
        raise BigQueryError("invalid", f"Invalid schema update. Cannot add fields (field: {names})")
    items = []
    for item in source.fields:
        wanted = known.get(item["name"].lower(), item)
        items.append(_converted(item, wanted))
    if new:
        catalog.add_columns(target, new, cursor=cursor)
    names = ", ".join(quote(item["name"]) for item in source.fields)
    execute(
        cursor,
        f"INSERT INTO {target.sql} ({names}) SELECT {', '.join(items)} FROM {source.sql} ORDER BY rowid",
    )


def _converted(item: dict[str, Any], wanted: dict[str, Any]) -> str:
    source, target = from_schema(item), from_schema(wanted)
    if distance(source, target) is None:
        kinds = f"from {_rest(target)} to {_rest(source)}"
        message = f"Invalid schema update. Field {item['name']} has changed type {kinds}"
        raise BigQueryError("invalid", message)
    return stored(coerce(Value(quote(item["name"]), source), target), item["name"])


def _rest(kind: Type) -> str:
    return {"INT64": "INTEGER", "FLOAT64": "FLOAT", "BOOL": "BOOLEAN"}.get(kind.kind, str(kind))
