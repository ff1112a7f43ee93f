"""DuckDB underneath: one database, a connection for each piece of work, errors in BigQuery's words."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb

from .errors import BigQueryError, invalid_query, refusal

# Common subexpressions would be computed outside of the TRY() that they are in.
_SETTINGS = """
SET autoinstall_known_extensions = false;
SET autoload_known_extensions = false;
SET preserve_insertion_order = true;
SET disabled_optimizers = 'common_subexpressions';
"""
_NOTE = re.compile(r"bq([:!])(.*?):qb", re.DOTALL)
# DuckDB's errors that are mistakes in the data or the query, and what BigQuery says of them.
_KNOWN: tuple[tuple[str, str], ...] = (
    (r"More than one row returned by a subquery", "Scalar subquery produced more than one element"),
    (r"Overflow in (\w+) of INT64 \((.*?)\)", r"int64 overflow: \2"),
    (r"Overflow on abs\((.*?)\)", r"int64 overflow: ABS(\1)"),
    (r"Overflow in negation", "int64 overflow in negation"),
    (r"column \"?(\w+)\"? must appear in the GROUP BY clause",
     r"SELECT list expression references column \1 which is neither grouped nor aggregated"),
    (r"Unknown TimeZone '(.*?)'", r"Invalid time zone: \1"),
    (r"aggregate function calls cannot be nested", "Aggregations of aggregations are not allowed"),
    (r"(WHERE|GROUP BY) clause cannot contain aggregates",
     r"Aggregate function not allowed in \1 clause"),
    (r"could not convert blob to UTF8", "Invalid UTF-8 in a cast from BYTES to STRING"),
    (r"Invalid (unicode|UTF)", "Invalid UTF-8"),
    (r"regex.*?: (.*)", r"Cannot parse regular expression: \1"),
    (r"(?:NOT NULL|CHECK) constraint failed(.*)", r"Constraint of the table violated\1"),
    (r"Date out of range: (.*)", r"Input calculates to invalid date: \1"),
    (r"Invalid Input Error: (?:Invalid|Could not parse|Cannot parse)[^\n]*regex[^\n]*", r"\g<0>"),
)  # fmt: skip


class Engine:
    """The database; every method may be called from any thread."""

    def __init__(self, path: Path | None = None) -> None:
        self._root = duckdb.connect(":memory:" if path is None else str(path))
        self._lock = threading.Lock()
        self._root.execute(_SETTINGS)
        prelude = resources.files(f"{__package__}.sql").joinpath("prelude.sql").read_text("utf-8")
        self._root.execute(prelude.replace("CREATE MACRO", "CREATE OR REPLACE MACRO"))

    @contextmanager
    def connection(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, in UTC; closed afterwards."""
        cursor = self.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for the caller to close."""
        with self._lock:
            cursor = self._root.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def run(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Run one statement; its rows."""
        with self.connection() as cursor:
            return execute(cursor, sql, parameters)

    def close(self) -> None:
        """Close the database; connections that are open stay usable until they are closed."""
        with self._lock:
            self._root.close()


def execute(
    cursor: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None
) -> list[tuple[Any, ...]]:
    """Run a statement; its rows. Raises ``BigQueryError``; an interrupt stays DuckDB's own exception."""
    try:
        return (
            cursor.execute(sql, parameters).fetchall()
            if parameters
            else cursor.execute(sql).fetchall()
        )
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise translated(error) from error


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """All of it or nothing."""
    execute(cursor, "BEGIN TRANSACTION")
    try:
        yield
    except BaseException:
        cursor.execute("ROLLBACK")
        raise
    execute(cursor, "COMMIT")


def translated(error: duckdb.Error) -> BigQueryError:
    """DuckDB's error in BigQuery's words; what is not known to be the user's is ours."""
    text = str(error)
    if note := _NOTE.search(text):
        return invalid_query(note[2]) if note[1] == ":" else refusal(note[2])
    if isinstance(error, duckdb.OutOfMemoryException):
        return BigQueryError(
            "resourcesExceeded", f"Resources exceeded during query execution: {_line(text)}"
        )
    if "DECIMAL" in text and isinstance(error, duckdb.OutOfRangeException):
        return refusal(
            "a product or quotient of NUMERIC values with more than 20 digits before the point"
        )
    for pattern, message in _KNOWN:
        if match := re.search(pattern, text):
            return invalid_query(match.expand(message))
    if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
        return invalid_query(_line(text))
    return refusal(f"this query ({_line(text)})")


def _line(text: str) -> str:
    return text.split("\n", 1)[0].strip()[:300]
