"""What the text of a statement shows without running it: its ``:parameters``, and their types."""

from __future__ import annotations

import datetime as dt
import enum
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flyte_agent_core.fields import did_you_mean, invalid

from .task_outputs import without_none

MAX_SQL_BYTES = 16 * 1024 * 1024
"""Databricks takes no larger request; https://docs.databricks.com/api/workspace/statementexecution"""

# A colon after a name, a bracket or a quote is a path into JSON, and a double one a cast.
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?\*/)
    | (?P<text>[rR]?'(?:\\.|[^'\\])*'|[rR]?"(?:\\.|[^"\\])*")
    | (?P<quoted>`(?:[^`]|``)*`)
    | (?P<cast>::)
    | (?P<name>(?<![\w)\]`'":]):[A-Za-z_]\w*)
    | (?P<open>/\*|['"`])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class DatabricksType:
    """
    The SQL type of an input: ``Annotated[str, DatabricksType("DECIMAL(10, 2)")]``.

    Attributes:
        name: As Databricks spells it.
    """

    name: str


_TYPES: Mapping[Any, str] = {
    str: "STRING",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    dt.date: "DATE",
    dt.datetime: "TIMESTAMP",
    dict: "STRING",
    list: "STRING",
}
SQL_TYPES = {**{kind.__name__: name for kind, name in _TYPES.items()}, "Enum": "STRING"}
"""Python type of an input to the SQL type of its parameter; lists and dicts are JSON text."""


def sql_type(hint: Any, where: str) -> str:
    """
    Return the SQL type of an input.

    Raises:
        InvalidConfig: A parameter cannot have such a value.
    """
    plain = without_none(hint)
    if typing.get_origin(plain) is typing.Annotated:
        inner, *notes = typing.get_args(plain)
        said = [note.name for note in notes if isinstance(note, DatabricksType)]
        return said[0] if said else sql_type(inner, where)
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return "STRING"
    found = _TYPES.get(typing.get_origin(plain) or plain)
    if found is None:
        raise invalid(
            where, plain, "str, int, float, bool, date, datetime, an Enum, a list or dict",
            "Pass other values as text: Annotated[str, DatabricksType('DECIMAL(10, 2)')].",
        )  # fmt: skip
    return found


def parameters_of(sql: str, inputs: Mapping[str, Any]) -> dict[str, str]:
    """
    Return name and SQL type of each parameter, after comparing the text with the inputs.

    Raises:
        InvalidConfig: A parameter has no input, or an input no parameter.
    """
    hints = {name: v[0] if isinstance(v, tuple) else v for name, v in inputs.items()}
    types = {name: sql_type(hint, f"input {name!r}") for name, hint in hints.items()}
    found = names_in(sql)
    if found is None:
        return types  # a text without an end; Databricks will say what is wrong with it
    missing = [name for name in found if name not in types]
    unused = [name for name in types if name not in found]
    if missing:
        near = did_you_mean(missing[0], unused or list(types))
        repair = f"{near} Declare it: inputs={{{missing[0]!r}: <type>}}.".strip()
        raise invalid("query", f":{missing[0]}", "an input of that name", repair)
    if unused:
        repair = (
            "Remove the input, or use it in the SQL. ({inputs.x} is not replaced in SQL: values are "
            "sent apart from the text, so that they cannot change the statement.)"
        )
        raise invalid("inputs", unused[0], f"an input that the query uses as :{unused[0]}", repair)
    return types


def names_in(sql: str) -> Sequence[str] | None:
    """Return the parameters of a statement, each once; ``None`` when a text or comment has no end."""
    names: dict[str, None] = {}
    for match in _TOKEN.finditer(sql):
        if match.lastgroup == "open":
            return None
        if match.lastgroup == "name":
            names[match[0][1:]] = None
    return list(names)


def check_text(sql: Any) -> str:
    """
    Return a statement.

    Raises:
        InvalidConfig: It is no text, empty, or too long.
    """
    if not isinstance(sql, str):
        repair = "Read a file with pathlib.Path(...).read_text()."
        raise invalid("query", type(sql).__name__, "str: the SQL text", repair)
    if not sql.strip():
        raise invalid("query", sql, "a SQL statement")
    if len(sql.encode()) > MAX_SQL_BYTES:
        raise invalid("query", f"{len(sql.encode()):,} bytes", f"at most {MAX_SQL_BYTES:,}")
    return sql
