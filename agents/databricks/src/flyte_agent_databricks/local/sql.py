"""Databricks SQL on DuckDB: translated by sqlglot, results as the texts that the API hands out."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass, field
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, SqlglotError

from .sql_types import Column, databricks_type, text_of

CATALOGS = ("main", "hive_metastore")
"""Catalogs that are there from the beginning; the first one is the default. Each has a schema ``default``."""

_CREATE_CATALOG = re.compile(
    r"CATALOG\s+(IF\s+NOT\s+EXISTS\s+)?[`\"]?(\w+)[`\"]?\s*;?\s*$", re.IGNORECASE
)
_COUNTED: dict[type[Any], tuple[str, ...]] = {
    exp.Insert: ("num_affected_rows", "num_inserted_rows"),
    exp.Update: ("num_affected_rows",),
    exp.Delete: ("num_affected_rows",),
    exp.Merge: ("num_affected_rows",),
}
# DuckDB's class of error, what its message looks like; Databricks' condition and SQLSTATE.
_CONDITIONS: tuple[tuple[type[Exception], str, str, str], ...] = (
    (duckdb.CatalogException, r"(Table|View).*does not exist|schema", "TABLE_OR_VIEW_NOT_FOUND", "42P01"),
    (duckdb.CatalogException, r"already exists", "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07"),
    (duckdb.CatalogException, r"Function", "UNRESOLVED_ROUTINE", "42883"),
    (duckdb.BinderException, r"column", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "42703"),
    (duckdb.ParserException, r"", "PARSE_SYNTAX_ERROR", "42601"),
    (duckdb.ConversionException, r"", "CAST_INVALID_INPUT", "22018"),
    (duckdb.OutOfRangeException, r"", "ARITHMETIC_OVERFLOW", "22003"),
)  # fmt: skip

logging.getLogger("sqlglot").addFilter(
    lambda record: "Falling back to parsing" not in record.getMessage()
)


class SqlError(Exception):
    """A statement that fails; ``code`` is the API's word for it, ``sql_state`` that of the standard."""

    def __init__(self, message: str, *, code: str = "BAD_REQUEST", sql_state: str = "") -> None:
        super().__init__(message)
        self.message, self.code, self.sql_state = message, code, sql_state


@dataclass
class Rows:
    """A result: columns, and rows of texts."""

    columns: list[Column] = field(default_factory=list)
    rows: list[list[str | None]] = field(default_factory=list)


class Database:
    """All catalogs; every method may be called from any thread."""

    def __init__(self) -> None:
        self._root = duckdb.connect(":memory:")
        self._lock = threading.Lock()
        for name in CATALOGS:
            self.add_catalog(name)

    def add_catalog(self, name: str) -> None:
        """Make a catalog; one that is there stays."""
        # DuckDB keeps some names, such as `main`, for itself.
        physical = _physical(name)
        with self._lock:
            self._root.execute(f"ATTACH IF NOT EXISTS ':memory:' AS {physical}")
            self._root.execute(f'CREATE SCHEMA IF NOT EXISTS {physical}."default"')

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a connection for the caller to close, and to interrupt."""
        with self._lock:
            cursor = self._root.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._root.close()

    def run(
        self,
        cursor: duckdb.DuckDBPyConnection,
        text: str,
        parameters: list[dict[str, Any]],
        *,
        catalog: str = "",
        schema: str = "",
    ) -> Rows:
        """
        Run statements, and return the result of the last one.

        Raises:
            SqlError: One fails, or cannot be run here as Databricks would.
            duckdb.InterruptException: It was stopped.
        """
        found = Rows()
        for tree in parsed(text):
            if isinstance(tree, exp.Command):
                self._command(tree)
            elif not isinstance(tree, exp.Use):
                found = self._one(
                    cursor,
                    _with_values(tree, parameters),
                    catalog or CATALOGS[0],
                    schema or "default",
                )
        return found

    def _command(self, tree: exp.Command) -> None:
        match = (
            _CREATE_CATALOG.match(str(tree.expression).strip())
            if str(tree.this).upper() == "CREATE"
            else None
        )
        if match is None:
            raise SqlError(f"the local workspace cannot run {tree.sql()[:200]!r}; run it on Databricks",
                           code="NOT_IMPLEMENTED", sql_state="0A000")  # fmt: skip
        self.add_catalog(match[2].lower())

    def _one(
        self, cursor: duckdb.DuckDBPyConnection, tree: exp.Expression, catalog: str, schema: str
    ) -> Rows:
        try:
            cursor.execute(f'USE {_physical(catalog)}."{schema}"')
            translated = _translated(tree)
            if isinstance(tree, exp.Query):
                return _selected(cursor, translated, _voids(tree))
            count = cursor.execute(translated).fetchall()
        except duckdb.InterruptException:
            raise
        except duckdb.Error as error:
            raise _told(error) from error
        names = next((names for kind, names in _COUNTED.items() if isinstance(tree, kind)), ())
        number = str(count[0][0]) if count else "0"
        return Rows(
            [Column(name, "BIGINT") for name in names], [[number] * len(names)] if names else []
        )


def parsed(text: str) -> list[Any]:
    """Return the statements of a text as sqlglot has them. Raises ``SqlError``."""
    try:
        # sqlglot leaves a gap for a statement of nothing but a comment.
        trees: list[Any] = list(filter(None, sqlglot.parse(text, read="databricks")))
    except SqlglotError as error:
        line = re.sub(r"\x1b\[\d+m", "", str(error)).split("\n")[0]
        raise SqlError(
            f"[PARSE_SYNTAX_ERROR] Syntax error: {line} SQLSTATE: 42601", sql_state="42601"
        ) from None
    if not trees:
        raise SqlError("[PARSE_EMPTY_STATEMENT] Syntax error, unexpected empty statement. SQLSTATE: 42617",
                       sql_state="42617")  # fmt: skip
    return trees


def _with_values(tree: exp.Expression, parameters: list[dict[str, Any]]) -> exp.Expression:
    """Put values, cast to their types, in the places of ``:name``."""
    given = {each["name"]: each for each in parameters}

    def replace(node: exp.Expression) -> exp.Expression:
        if not isinstance(node, exp.Placeholder) or not node.this:
            return node
        if node.this not in given:
            raise SqlError(f"[UNBOUND_SQL_PARAMETER] Found the unbound parameter: {node.this}. SQLSTATE: 42P02",
                           sql_state="42P02")  # fmt: skip
        return _value(given[node.this])

    return tree.transform(replace)


def _value(parameter: dict[str, Any]) -> exp.Expression:
    value = parameter.get("value")
    literal = exp.null() if value is None else exp.Literal.string(str(value))
    try:
        kind = exp.DataType.build(parameter.get("type") or "STRING", dialect="databricks")
    except (SqlglotError, ValueError):
        name, kind_text = parameter["name"], parameter.get("type")
        raise SqlError(
            f"[PARSE_SYNTAX_ERROR] the parameter {name!r} has no type {kind_text!r}",
            sql_state="42601",
        ) from None
    return exp.cast(literal, kind)


def _translated(tree: exp.Expression) -> str:
    for table in tree.find_all(exp.Table):
        if table.catalog:
            table.set("catalog", exp.to_identifier(_physical(table.catalog)))
        if isinstance(table.this, exp.Anonymous) and table.this.name.lower() == "range":
            _name_column(table)
    for found in list(tree.find_all(exp.FileFormatProperty)):
        found.pop()  # USING DELTA: tables are DuckDB's
    try:
        return tree.sql("duckdb", unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise SqlError(f"the local workspace cannot run this faithfully ({error}); run it on Databricks",
                       code="NOT_IMPLEMENTED", sql_state="0A000") from None  # fmt: skip


def _name_column(table: exp.Table) -> None:
    """Databricks calls the column of ``range`` so."""
    alias = table.args.get("alias") or exp.TableAlias(this=exp.to_identifier("range"))
    if not alias.columns:
        alias.set("columns", [exp.to_identifier("id")])
    table.set("alias", alias)


def _physical(catalog: str) -> str:
    if not re.fullmatch(r"\w+", catalog):
        raise SqlError(
            f"[INVALID_IDENTIFIER] {catalog!r} is no name of a catalog here", sql_state="42602"
        )
    return f"catalog_{catalog.lower()}"


def _voids(tree: exp.Query) -> set[int]:
    """The places of columns that are NULL and nothing else: old versions of DuckDB take them for numbers."""
    columns = tree.expressions if isinstance(tree, exp.Select) and not tree.is_star else []
    return {place for place, each in enumerate(columns) if isinstance(each.unalias(), exp.Null)}


def _selected(cursor: duckdb.DuckDBPyConnection, query: str, voids: set[int]) -> Rows:
    """Keep the result in a table, so that DuckDB writes its values down."""
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE _result AS {query}")
    described = cursor.execute("SELECT * FROM _result LIMIT 0").description or []
    types = [
        (name, "NULL" if place in voids else str(kind))
        for place, (name, kind, *_) in enumerate(described)
    ]
    texts = ", ".join(
        text_of(f'"{name.replace(chr(34), chr(34) * 2)}"', kind) for name, kind in types
    )
    rows = cursor.execute(f"SELECT {texts} FROM _result").fetchall()
    cursor.execute("DROP TABLE _result")
    return Rows(
        [Column(name, databricks_type(kind)) for name, kind in types], [list(row) for row in rows]
    )


def _told(error: duckdb.Error) -> SqlError:
    """The error in Databricks' form: a condition, a text, a SQLSTATE."""
    line = re.sub(r"^\w+( \w+)* Error: ", "", str(error).split("\n", 1)[0]).replace("catalog_", "")
    for kind, pattern, condition, sql_state in _CONDITIONS:
        if isinstance(error, kind) and re.search(pattern, str(error)):
            return SqlError(f"[{condition}] {line} SQLSTATE: {sql_state}", sql_state=sql_state)
    return SqlError(f"[INTERNAL_ERROR] {line}", code="INTERNAL_ERROR", sql_state="XX000")
