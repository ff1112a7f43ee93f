"""Rows of a statement's result as values."""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import functools
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError

from .job_run import dicts, integer, part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_agent_core.outputs import OutputSpec

    from .calls import Calls
    from .client import DatabricksClient

_CHUNKS = 50


async def values_of(
    calls: Calls, statement: Mapping[str, Any], kind: str, max_rows: int, spec: OutputSpec
) -> dict[str, Any]:
    """
    Return the values of the declared outputs.

    Args:
        calls: The API.
        statement: A statement that succeeded, with the first chunk of its rows.
        kind: ``rows``, ``row`` or ``scalar``.
        max_rows: More rows are an error.
        spec: The declared outputs.

    Raises:
        TaskError: The result does not fit.
        AgentError: It could not be read this time.
    """
    name = spec.names[0]
    inner = _inside(spec.kinds[name])
    # A number may be declared as text: then it comes as Databricks wrote it.
    texts: set[str] | None
    if len(spec.names) > 1:
        texts = {column for column, declared in spec.kinds.items() if _inside(declared) == "str"}
    else:
        texts = None if inner == "str" else set()
    many = kind == "rows"
    rows = await _rows(calls, statement, max_rows if many else 1, texts=texts, strict=many)
    if kind == "rows":
        return {name: rows if inner == "struct" else [_first(row) for row in rows]}
    if kind == "row" and len(spec.names) > 1:
        return rows[0] if rows else dict.fromkeys(spec.names)
    if kind == "row":
        return {name: rows[0] if rows else None}
    return {name: _first(rows[0]) if rows else None}


async def _rows(
    calls: Calls,
    statement: Mapping[str, Any],
    max_rows: int,
    *,
    texts: set[str] | None,
    strict: bool,
) -> list[dict[str, Any]]:
    manifest = part(statement, "manifest")
    columns = dicts(part(manifest, "schema").get("columns"))
    total = integer(manifest.get("total_row_count")) or 0
    if not columns:
        raise TaskError(
            "The statement succeeded but returned no rows to read. End it with a SELECT, or declare no value "
            "as output.",
            code="DATABRICKS.NO_RESULT",
        )
    if strict and (total > max_rows or manifest.get("truncated")):
        raise TaskError(
            f"The statement returned {total:,} rows{' and more' if manifest.get('truncated') else ''}; the task "
            "takes at "
            f"most {max_rows:,} as values. Write them to a table and return its name, or return less (LIMIT).",
            code="DATABRICKS.RESULT_TOO_LARGE",
        )
    found = await _data(calls, statement, max_rows)
    names = [str(column.get("name")) for column in columns]
    makers = [
        _text
        if texts is None or name in texts
        else _MAKERS.get(str(column.get("type_name")), _text)
        for name, column in zip(names, columns, strict=True)
    ]
    return [
        {n: None if v is None else make(v) for n, v, make in zip(names, row, makers, strict=False)}
        for row in found
    ]


async def _data(calls: Calls, statement: Mapping[str, Any], max_rows: int) -> list[list[Any]]:
    result = part(statement, "result")
    rows: list[list[Any]] = list(result.get("data_array") or ())
    after = integer(result.get("next_chunk_index"))
    statement_id = str(statement.get("statement_id"))
    for _ in range(_CHUNKS):
        if after is None or len(rows) >= max_rows:
            break
        read = functools.partial(_chunk, statement_id=statement_id, index=after)
        chunk = await calls.run(read)
        rows += chunk.get("data_array") or ()
        after = integer(chunk.get("next_chunk_index"))
    return rows[:max_rows]


def _chunk(client: DatabricksClient, *, statement_id: str, index: int) -> dict[str, Any]:
    return client.statement_chunk(statement_id, index)


def _first(row: Mapping[str, Any]) -> Any:
    return next(iter(row.values()), None)


def _inside(kind: Any) -> str:
    """Return the type inside lists, dicts and Optional."""
    while isinstance(kind, list):
        variants = [v for _, v in kind[1:] if v != "none"] if kind[0] == "union" else kind[1:]
        kind = variants[0] if variants else "none"
    return str(kind)


def _text(value: Any) -> str:
    return str(value)


def _bool(value: Any) -> bool:
    return str(value).lower() == "true"


def _moment(value: Any) -> dt.datetime:
    return dt.datetime.fromisoformat(str(value).replace("Z", "+00:00"))


def _date(value: Any) -> dt.date:
    return dt.date.fromisoformat(str(value))


def _parts(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


_MAKERS: Mapping[str, Callable[[Any], Any]] = {
    "BOOLEAN": _bool,
    "BYTE": int,
    "SHORT": int,
    "INT": int,
    "LONG": int,
    "FLOAT": float,
    "DOUBLE": float,
    "DECIMAL": decimal.Decimal,
    "DATE": _date,
    "TIMESTAMP": _moment,
    "BINARY": base64.b64decode,
    "ARRAY": _parts,
    "MAP": _parts,
    "STRUCT": _parts,
    "CHAR": _text,
    "STRING": _text,
    "INTERVAL": _text,
    "NULL": _text,
    "USER_DEFINED_TYPE": _text,
}
