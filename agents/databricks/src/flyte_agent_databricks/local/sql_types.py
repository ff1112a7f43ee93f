"""Types of results: DuckDB's names for them, Databricks', and values as texts."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """
    A column of a result.

    Attributes:
        type_text: Databricks' type, such as ``ARRAY<INT>``.
    """

    name: str
    type_text: str

    @property
    def type_name(self) -> str:
        """The word that the API has for the type, without its arguments."""
        base = re.split(r"[(<]", self.type_text)[0]
        names = {
            "BIGINT": "LONG",
            "SMALLINT": "SHORT",
            "TINYINT": "BYTE",
            "VOID": "NULL",
            "TIMESTAMP_NTZ": "TIMESTAMP",
        }
        return names.get(base, base)


def text_of(column: str, kind: str) -> str:
    """Return the SQL for the text of a column, as the API hands it out."""
    if kind == "BLOB":
        return f"base64({column})"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%gZ')"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%g')"
    if kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
        return f"CAST(to_json({column}) AS VARCHAR)"
    return f"CAST({column} AS VARCHAR)"


def databricks_type(kind: str) -> str:
    """Return Databricks' name for a type of DuckDB's."""
    if kind.endswith("[]"):
        return f"ARRAY<{databricks_type(kind[:-2])}>"
    if kind.startswith("MAP("):
        return f"MAP<{', '.join(map(databricks_type, _parts(kind[4:-1])))}>"
    if kind.startswith("STRUCT("):
        fields = (
            part.rsplit(" ", 1) if "(" not in part else part.split(" ", 1)
            for part in _parts(kind[7:-1])
        )
        return f"STRUCT<{', '.join(f'{name.strip(chr(34))}: {databricks_type(sort)}' for name, sort in fields)}>"
    return _NAMES.get(kind.strip('"'), kind.replace(" ", ""))


_NAMES = {
    "BLOB": "BINARY",
    "HUGEINT": "BIGINT",  # sums of whole numbers
    "INTEGER": "INT",
    "INTERVAL": "INTERVAL",
    "NULL": "VOID",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "UBIGINT": "DECIMAL(20,0)",
    "VARCHAR": "STRING",
}


def _parts(text: str) -> list[str]:
    """Split at the commas that are not inside of brackets."""
    found, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append(text[start:at].strip())
            start = at + 1
    return [*found, text[start:].strip()]
