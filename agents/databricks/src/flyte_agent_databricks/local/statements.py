"""
Statement execution: statements, their results in chunks, warehouses.

Source: https://docs.databricks.com/api/workspace/statementexecution
"""

from __future__ import annotations

import csv
import io
import json
import logging
import secrets
import threading
import time
import uuid
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import duckdb

from .errors import ApiError, invalid
from .sql import Database, Rows, SqlError

logger = logging.getLogger(__name__)

INLINE_BYTES = 25 << 20
WAREHOUSE = "0a1b2c3d4e5f6789"
"""The id of the warehouse that is always there."""

_THREADS = 4
_INTERRUPT_EVERY_S = 0.02


@dataclass(eq=False)
class Statement:
    """
    A statement.

    Attributes:
        body: The request.
        key: What the links to its result have in them instead of a token.
    """

    statement_id: str
    body: dict[str, Any]
    state: str = "PENDING"
    error: SqlError | None = None
    found: Rows = field(default_factory=Rows)
    is_truncated: bool = False
    key: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    cursor: duckdb.DuckDBPyConnection | None = None
    is_stopping: bool = False
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def is_external(self) -> bool:
        """Whether its result is fetched by links."""
        return self.body.get("disposition") == "EXTERNAL_LINKS"

    @property
    def format(self) -> str:
        """``JSON_ARRAY`` or ``CSV``."""
        return str(self.body.get("format") or "JSON_ARRAY")


class Statements:
    """
    Runs statements.

    Args:
        database: Where.
        chunk_rows: Rows of a chunk.

    Attributes:
        hold: ``PENDING`` or ``RUNNING`` to keep new statements there.
        warehouses: State by id.
    """

    def __init__(self, database: Database, chunk_rows: int = 10_000) -> None:
        self._database, self._chunk_rows = database, chunk_rows
        self.hold = ""
        self.warehouses: dict[str, str] = {WAREHOUSE: "RUNNING"}
        self._known: dict[str, Statement] = {}
        self._held: list[Statement] = []
        self._errors: deque[SqlError] = deque()
        self.broken: list[Exception] = []
        self._lock = threading.RLock()
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Be ready."""
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="LocalDatabricks-sql")

    def stop(self) -> None:
        """Stop what runs."""
        for statement in list(self._known.values()):
            self.cancel(statement)
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    def __len__(self) -> int:
        return len(self._known)

    def get(self, statement_id: str) -> Statement:
        """Return a statement. Raises ``ApiError``."""
        found = self._known.get(statement_id)
        if found is None:
            raise ApiError("NOT_FOUND", f"The statement {statement_id} was not found.")
        return found

    def fail_next(self, code: str, message: str, sql_state: str = "") -> None:
        """Let the next statement fail."""
        self._errors.append(SqlError(message, code=code, sql_state=sql_state))

    def submit(self, body: dict[str, Any]) -> Statement:
        """Take a statement. Raises ``ApiError``."""
        _check(body, self.warehouses)
        statement = Statement(str(uuid.uuid4()), body)
        self.warehouses[body["warehouse_id"]] = "RUNNING"
        with self._lock:
            self._known[statement.statement_id] = statement
            if self.hold == "PENDING":
                self._held.append(statement)
                return statement
        self._go(statement)
        return statement

    def release(self) -> None:
        """Let held statements go on."""
        with self._lock:
            self.hold = ""
            held, self._held = self._held, []
        for statement in held:
            self._go(statement)

    def cancel(self, statement: Statement) -> None:
        """Stop a statement; one that has ended stays as it is."""
        with self._lock:
            statement.is_stopping = True
            idle = statement.cursor is None
            if statement in self._held:
                self._held.remove(statement)
        if idle:
            self._end(statement, "CANCELED")
        self._interrupt(statement)

    def _interrupt(self, statement: Statement) -> None:
        """Again and again: between two steps there is nothing to interrupt."""
        while not statement.done.is_set():
            if (cursor := statement.cursor) is not None:
                cursor.interrupt()
            statement.done.wait(_INTERRUPT_EVERY_S)

    def _go(self, statement: Statement) -> None:
        if self._pool is not None:
            self._pool.submit(self._run, statement)

    def _run(self, statement: Statement) -> None:
        with self._lock:
            if statement.done.is_set():
                return
            statement.state = "RUNNING"
            if self.hold == "RUNNING":
                self._held.append(statement)
                return
            statement.cursor = self._database.cursor()
        try:
            self._work(statement, statement.cursor)
        except duckdb.InterruptException:
            self._end(statement, "CANCELED")
        except SqlError as error:
            statement.error = error
            self._end(statement, "FAILED")
        except Exception as broken:
            logger.exception("the statement %s broke", statement.statement_id)
            self.broken.append(broken)
            message = f"The local workspace broke: {type(broken).__name__}: {broken}"
            statement.error = SqlError(message, code="INTERNAL_ERROR")
            self._end(statement, "FAILED")
        finally:
            cursor, statement.cursor = statement.cursor, None
            cursor.close()

    def _work(self, statement: Statement, cursor: duckdb.DuckDBPyConnection) -> None:
        if self._errors:
            raise self._errors.popleft()
        body = statement.body
        found = self._database.run(
            cursor,
            body["statement"],
            body.get("parameters") or [],
            catalog=body.get("catalog") or "",
            schema=body.get("schema") or "",
        )
        _limit(statement, found)
        statement.found = found
        self._end(statement, "CANCELED" if statement.is_stopping else "SUCCEEDED")

    def _end(self, statement: Statement, state: str) -> None:
        with self._lock:
            if not statement.done.is_set():
                statement.state = state
                statement.done.set()

    # -- answers ------------------------------------------------------------------------------------------------

    def answer(self, statement: Statement, url: str) -> dict[str, Any]:
        """Return a statement as the API shows it, with the first chunk of its result."""
        status: dict[str, Any] = {"state": statement.state}
        body: dict[str, Any] = {"statement_id": statement.statement_id, "status": status}
        if statement.error is not None:
            status["error"] = {
                "error_code": statement.error.code,
                "message": statement.error.message,
            }
            status["sql_state"] = statement.error.sql_state or None
        if statement.state == "SUCCEEDED":
            body["manifest"] = self._manifest(statement)
            body["result"] = self.chunk(statement, 0, url)
        return body

    def _chunks(self, statement: Statement) -> list[list[list[str | None]]]:
        rows = statement.found.rows
        return [
            rows[at : at + self._chunk_rows] for at in range(0, max(1, len(rows)), self._chunk_rows)
        ]

    def _manifest(self, statement: Statement) -> dict[str, Any]:
        columns = statement.found.columns
        chunks = self._chunks(statement)
        return {
            "format": statement.format,
            "schema": {
                "column_count": len(columns),
                "columns": [
                    {
                        "name": c.name,
                        "position": at,
                        "type_name": c.type_name,
                        "type_text": c.type_text,
                    }
                    for at, c in enumerate(columns)
                ],
            },
            "chunks": [
                {"chunk_index": at, "row_offset": at * self._chunk_rows, "row_count": len(rows)}
                for at, rows in enumerate(chunks)
            ],
            "total_chunk_count": len(chunks),
            "total_row_count": len(statement.found.rows),
            "truncated": statement.is_truncated,
        }

    def chunk(self, statement: Statement, index: int, url: str) -> dict[str, Any]:
        """Return one chunk of a result, or the link to it. Raises ``ApiError``."""
        chunks = self._chunks(statement)
        if not 0 <= index < len(chunks):
            raise invalid(f"chunk_index: found {index}, and there are {len(chunks)} chunks.")
        where: dict[str, Any] = {"chunk_index": index, "row_offset": index * self._chunk_rows,
                                 "row_count": len(chunks[index])}  # fmt: skip
        if index + 1 < len(chunks):
            where["next_chunk_index"] = index + 1
            where["next_chunk_internal_link"] = (
                f"/api/2.0/sql/statements/{statement.statement_id}/result/chunks/{index + 1}"
            )
        if not statement.is_external:
            return {**where, "data_array": chunks[index]}
        link = f"{url}/local/results/{statement.statement_id}/{index}/{statement.key}"
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 900))
        return {"external_links": [{**where, "external_link": link, "expiration": expires}]}

    def file(self, statement: Statement, index: int) -> str:
        """Return what the link to a chunk leads to."""
        rows = self._chunks(statement)[index]
        if statement.format == "JSON_ARRAY":
            return json.dumps(rows, separators=(",", ":"))
        out = io.StringIO()
        writer = csv.writer(out)
        if index == 0:
            writer.writerow(column.name for column in statement.found.columns)
        writer.writerows([["null" if value is None else value for value in row] for row in rows])
        return out.getvalue()


def _check(body: dict[str, Any], warehouses: dict[str, str]) -> None:
    warehouse = body.get("warehouse_id")
    if warehouse not in warehouses:
        raise invalid(f"{warehouse} is not a valid endpoint id.")
    if not body.get("statement"):
        raise invalid("statement: expected some SQL.")
    form, external = body.get("format") or "JSON_ARRAY", body.get("disposition") == "EXTERNAL_LINKS"
    if form == "ARROW_STREAM":
        raise ApiError(
            "NOT_IMPLEMENTED", "The local workspace writes no ARROW_STREAM; use JSON_ARRAY or CSV."
        )
    if form not in ("JSON_ARRAY", "CSV") or (form == "CSV" and not external):
        raise invalid(f"The format {form} is not supported with this disposition.")


def _limit(statement: Statement, found: Rows) -> None:
    """Cut a result at the limits of its request. Raises ``SqlError`` for one that is too large to be inline."""
    limit = statement.body.get("row_limit")
    if limit is not None and len(found.rows) > limit:
        found.rows, statement.is_truncated = found.rows[:limit], True
    allowed = statement.body.get("byte_limit")
    size = 0
    for at, row in enumerate(found.rows):
        size += sum(len(value) for value in row if value is not None)
        if allowed is not None and size > allowed:
            found.rows, statement.is_truncated = found.rows[:at], True
            return
    if not statement.is_external and size > INLINE_BYTES:
        raise SqlError(
            "Inline byte limit exceeded. Statements executed with disposition=INLINE can have a "
            f"result size of at most {INLINE_BYTES} bytes. Please execute the statement with "
            "disposition=EXTERNAL_LINKS."
        )


def wait_s(body: dict[str, Any]) -> float:
    """Return how long a request waits for its statement. Raises ``ApiError``."""
    written = str(body.get("wait_timeout") or "10s")
    seconds = written.removesuffix("s")
    if not seconds.isdigit() or not (int(seconds) == 0 or 5 <= int(seconds) <= 50):
        raise invalid(f"wait_timeout: found {written!r}, expected 0s, or 5s to 50s.")
    return float(seconds)
