"""Projects, datasets and tables: which exist, what is in them, and how large they are."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import duckdb

from .catalog_store import CatalogStore
from .engine import Engine, execute
from .errors import BigQueryError, duplicate, not_found
from .physical import build, column_sql, size_sql
from .sql.parsing import Source, statements
from .sql.scope import Compilation, TableInfo, TableKey
from .sql.translate import output
from .sql.types import quote
from .tables import Dataset, Table


class Catalog:
    """All tables of a server, by project, dataset and name."""

    def __init__(self, engine: Engine, location: str, *, keep: bool) -> None:
        self._engine = engine
        self._location = location
        self._kept = CatalogStore(engine) if keep else None
        self._lock = threading.RLock()
        self._datasets: dict[tuple[str, str], Dataset] = {}
        self._tables: dict[TableKey, Table] = {}
        self._writers: dict[TableKey, threading.Lock] = {}
        if self._kept is not None:
            self._datasets, self._tables = self._kept.restore()

    # -- datasets -----------------------------------------------------------------------------------------------

    def dataset(self, project: str, name: str) -> Dataset:
        """Raises ``BigQueryError`` (``notFound``)."""
        found = self._datasets.get((project, name))
        if found is None:
            raise not_found("Dataset", f"{project}:{name}")
        return found

    def datasets(self, project: str, *, hidden: bool = False) -> list[Dataset]:
        """The datasets of a project by name."""
        with self._lock:
            found = [item for (owner, _), item in self._datasets.items() if owner == project]
        return sorted(
            (item for item in found if hidden or not item.hidden), key=lambda item: item.name
        )

    def projects(self) -> list[str]:
        """Projects with a dataset."""
        with self._lock:
            return sorted({project for project, _ in self._datasets})

    def create_dataset(
        self, project: str, name: str, *, location: str = "", resource: dict[str, Any] | None = None,
        exists_ok: bool = False,
    ) -> Dataset:  # fmt: skip
        """Raises ``BigQueryError`` (``duplicate``)."""
        with self._lock:
            if (project, name) in self._datasets:
                if exists_ok:
                    return self._datasets[project, name]
                raise duplicate("Dataset", f"{project}:{name}")
            if not name.replace("_", "").isalnum():
                raise BigQueryError(
                    "invalid",
                    f'Invalid dataset ID "{name}". Dataset IDs must be alphanumeric (plus underscores)',
                )
            made = Dataset(project, name, location or self._location, resource or {})
            self._engine.run(f"CREATE SCHEMA IF NOT EXISTS {made.schema}")
            self._datasets[project, name] = made
            self._store(made)
            return made

    def drop_dataset(self, project: str, name: str, *, contents: bool) -> None:
        """Raises ``BigQueryError`` when it is unknown, or not empty and ``contents`` is not asked for."""
        with self._lock:
            found = self.dataset(project, name)
            if self.tables(project, name) and not contents:
                raise BigQueryError("resourceInUse", f"Dataset {project}:{name} is still in use")
            self._engine.run(f"DROP SCHEMA IF EXISTS {found.schema} CASCADE")
            for table in self.tables(project, name):
                del self._tables[table.key]
                self._forget("table", table.key)
            del self._datasets[project, name]
            self._forget("dataset", (project, name, ""))

    # -- tables -------------------------------------------------------------------------------------------------

    def find(self, key: TableKey) -> Table | None:
        """The table or ``None``."""
        return self._tables.get(key)

    def get(self, key: TableKey) -> Table:
        """Raises ``BigQueryError`` (``notFound``) for an unknown dataset or table."""
        if (found := self._tables.get(key)) is not None:
            return found
        dataset = self.get_dataset_of(key)
        raise not_found("Table", f"{key[0]}:{key[1]}.{key[2]}", dataset.location)

    def get_dataset_of(self, key: TableKey) -> Dataset:
        """The dataset of a table that may not exist. Raises ``BigQueryError`` (``notFound``)."""
        found = self._datasets.get(key[:2])
        if found is None:
            raise not_found("Dataset", f"{key[0]}:{key[1]}", self._location)
        return found

    def tables(self, project: str, dataset: str) -> list[Table]:
        """The tables of a dataset by name."""
        with self._lock:
            found = [table for key, table in self._tables.items() if key[:2] == (project, dataset)]
        return sorted(found, key=lambda table: table.key[2])

    def create_table(
        self,
        key: TableKey,
        fields: list[dict[str, Any]],
        resource: dict[str, Any] | None = None,
        *,
        cursor: duckdb.DuckDBPyConnection | None = None,
        rows: str = "",
        replaces: Table | None = None,
    ) -> Table:
        """Make a table, empty or with the rows of a query; at once, or not at all.

        Raises ``BigQueryError`` when it exists and is not the one it ``replaces``, its dataset does
        not exist, or the query fails.
        """
        self._check_new(key, fields, replaces)
        table = Table(key, fields, resource or {}, self.dataset(*key[:2]).location)
        if not table.is_view:
            with nullcontext(cursor) if cursor is not None else self._engine.connection() as own:
                build(own, table, rows, replaces is not None and not replaces.is_view)
        with self._lock:
            self._tables[key] = table
            self._store(table)
        return table

    def _check_new(
        self, key: TableKey, fields: list[dict[str, Any]], replaces: Table | None
    ) -> None:
        names = [item["name"].lower() for item in fields]
        if len(set(names)) != len(names):
            twice = sorted({name for name in names if names.count(name) > 1})
            raise BigQueryError("invalid", f"Duplicate field name: {twice[0]}")
        for other in self.tables(*key[:2]):
            if other.key == key and other is not replaces:
                raise duplicate("Table", f"{key[0]}:{key[1]}.{key[2]}")
            if other.key != key and other.key[2].lower() == key[2].lower():
                what = f"{key[2]} beside {other.key[2]}: names that differ in case only"
                raise BigQueryError("notImplemented", f"the local stand-in cannot hold {what}")

    def drop_table(self, key: TableKey, *, cursor: duckdb.DuckDBPyConnection | None = None) -> None:
        """Raises ``BigQueryError`` (``notFound``)."""
        with self._lock:
            table = self.get(key)
            if not table.is_view:
                self._execute(cursor, f"DROP TABLE {table.sql}")
            del self._tables[key]
            self._forget("table", key)

    def add_columns(
        self,
        table: Table,
        fields: list[dict[str, Any]],
        *,
        cursor: duckdb.DuckDBPyConnection | None = None,
    ) -> None:
        """Append columns; old rows have NULL in them, or an empty array."""
        for item in fields:
            if item.get("mode", "").upper() == "REQUIRED":
                raise BigQueryError(
                    "invalid",
                    f"Cannot add required fields to an existing schema. (field: {item['name']})",
                )
            self._execute(
                cursor,
                f"ALTER TABLE {table.sql} ADD COLUMN {column_sql({**item, 'maxLength': None, 'precision': None})}",
            )
            table.fields.append(item)
        self.touch(table)

    def drop_column(
        self, table: Table, name: str, *, cursor: duckdb.DuckDBPyConnection | None = None
    ) -> None:
        """Remove a column. Raises ``BigQueryError`` when there is none of that name."""
        if name.lower() not in [item["name"].lower() for item in table.fields]:
            raise BigQueryError("invalidQuery", f"Column not found: {name}")
        self._execute(cursor, f"ALTER TABLE {table.sql} DROP COLUMN {quote(name)}")
        table.fields = [item for item in table.fields if item["name"].lower() != name.lower()]
        self.touch(table)

    def touch(self, table: Table) -> None:
        """Its rows or columns have changed."""
        table.changed()
        self._store(table)

    @contextmanager
    def writing(self, key: TableKey) -> Iterator[None]:
        """One writer at a time for a table."""
        with self._lock:
            lock = self._writers.setdefault(key, threading.Lock())
        with lock:
            yield

    # -- sizes --------------------------------------------------------------------------------------------------

    def measure(self, table: Table, cursor: duckdb.DuckDBPyConnection | None = None) -> Table:
        """Count rows and bytes, unless that is known."""
        if table.sizes is None and not table.is_view:
            version = table.version
            parts = [
                f"coalesce(sum({size_sql(quote(name), kind)}), 0)::BIGINT"
                for name, kind in table.columns
            ]
            found = self._execute(
                cursor, f"SELECT {', '.join(['count(*)', *parts])} FROM {table.sql}"
            )[0]
            if table.version == version:
                table.rows = found[0]
                table.sizes = {
                    name: size for (name, _), size in zip(table.columns, found[1:], strict=True)
                }
        return table

    def bytes_of(
        self, references: dict[TableKey, set[str]], cursor: duckdb.DuckDBPyConnection | None = None
    ) -> int:
        """Bytes that a query reads: the named columns, whole."""
        total = 0
        for key, names in references.items():
            table = self._tables.get(key)
            if table is not None and not table.is_view and not key[1].startswith("_"):
                sizes = self.measure(table, cursor).sizes or {}
                total += sum(sizes.get(name, 0) for name in names)
        return total

    # -- for the translation ------------------------------------------------------------------------------------

    def table(self, key: TableKey) -> TableInfo:
        """What a query may know of a table."""
        found = self.get(key)
        if not found.is_view:
            return TableInfo(key, found.columns, found.sql)
        inner = Compilation(Source(found.resource["view"]["query"]), self, key[0])
        made = output(statements(inner.source)[0], inner)
        return TableInfo(key, made.columns, f"({made.sql})", inner.references, is_view=True)

    def tables_like(self, key: TableKey) -> list[TableInfo]:
        """Tables whose name starts with the key's, by the time they were made."""
        found = [t for t in self.tables(*key[:2]) if t.key[2].startswith(key[2]) and not t.is_view]
        found.sort(key=lambda table: (table.created_ms, table.key[2]))
        return [self.table(table.key) for table in found]

    def hidden_key(self, project: str, kind: str = "anon") -> TableKey:
        """A new name in a hidden dataset: for a result, or a temporary table."""
        dataset = "_0123456789abcdef" if kind == "anon" else f"_script{uuid.uuid4().hex}"
        self.create_dataset(project, dataset, exists_ok=True)
        return (project, dataset, f"{kind}{uuid.uuid4().hex}")

    def _store(self, item: Dataset | Table) -> None:
        if self._kept is not None:
            self._kept.store(item)

    def _forget(self, kind: str, key: TableKey) -> None:
        if self._kept is not None:
            self._kept.forget(kind, key)

    def _execute(self, cursor: duckdb.DuckDBPyConnection | None, sql: str) -> list[tuple[Any, ...]]:
        return self._engine.run(sql) if cursor is None else execute(cursor, sql)
