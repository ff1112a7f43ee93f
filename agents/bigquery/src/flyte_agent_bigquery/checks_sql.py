"""
All checks of a task as one query with one row for each.

Checks on the same table and filter share one scan, since BigQuery bills what it reads::

    WITH
    g0 AS (SELECT CAST(COUNT(*) AS STRING) AS c0, CAST(COUNTIF(`a` IS NULL) AS STRING) AS c1
           FROM `p.d.t` WHERE …)
    SELECT check_index, observed, reference FROM (
      SELECT i AS check_index, CASE i WHEN 0 THEN c0 WHEN 1 THEN c1 END AS observed, …
      FROM g0 CROSS JOIN UNNEST([0, 1]) AS i
    ) ORDER BY check_index
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flyte_agent_core.fields import invalid

from .checks_rules import CheckRule
from .task_sql import check_text, scan

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Check:
    """
    One check as its author wrote it; made by the functions of :mod:`flyte_agent_bigquery.checks`.

    Attributes:
        rule: How its row is judged.
        expression: SQL: an aggregate over ``table``, or a query of one value when there is no table.
        table: Table's name, unquoted; the author may leave it to the task.
        where: SQL filter on the table's rows.
        date: SQL expression for the day a row belongs to; interval checks only.
        on: SQL expression for the day that is checked.
        days_back: How many days before it the day is that it is compared with.
    """

    rule: CheckRule
    expression: str
    table: str = ""
    where: str = ""
    date: str = ""
    on: str = ""
    days_back: int = 0
    needs_table: bool = field(default=True)

    def __post_init__(self) -> None:
        """Refuse SQL that would break the query around it."""
        where = f"check {self.rule.name!r}"
        if not isinstance(self.table, str):
            raise invalid(f"{where}: table", self.table, "a table's name")
        check_fragment(self.expression, where)
        for part in ("where", "date", "on"):
            if getattr(self, part):
                check_fragment(getattr(self, part), f"{where}: {part}")


def check_fragment(sql: str, where: str) -> str:
    """
    Return ``sql`` if it can stand in brackets.

    Raises:
        InvalidConfig: It is empty, does not close a string or bracket, or holds a ``;``.
    """
    found = scan(check_text(sql, where))
    if not found.is_whole or not found.is_balanced:
        raise invalid(where, sql, "SQL that closes its strings, comments and brackets")
    if found.statements != 1 or sql.rstrip().endswith(";"):
        raise invalid(where, sql, "one SQL expression", "Remove the ; and what follows it.")
    return sql


def quoted(name: str, where: str) -> str:
    """
    Return a column's name, quoted: ``a.b`` is field ``b`` of ``a``.

    Raises:
        InvalidConfig: It cannot be a column.
    """
    parts = str(name).split(".")
    if not all(re.fullmatch(r"[^\s`\\.][^`\\.\n\r\t]{0,299}", part) for part in parts):
        raise invalid(where, name, "the name of a column, e.g. 'price' or 'address.city'")
    return ".".join(f"`{part}`" for part in parts)


def compile_checks(checks: Sequence[Check]) -> str:
    """Return the query for ``checks``: at least one, each with the whole name of its table."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, check in enumerate(checks):
        groups.setdefault(_group(check, index), []).append(index)
    sources = [_source(n, checks, key, ids) for n, (key, ids) in enumerate(groups.items())]
    rows = [_rows(n, checks, ids) for n, ids in enumerate(groups.values())]
    return (
        "WITH\n" + ",\n".join(sources)
        + "\nSELECT check_index, observed, reference\nFROM (\n  "
        + "\n  UNION ALL\n  ".join(rows)
        + "\n)\nORDER BY check_index"
    )  # fmt: skip


def _group(check: Check, index: int) -> tuple[str, ...]:
    """Checks with the same key are answered by one scan."""
    if not check.needs_table:
        return ("value", str(index))
    place = (check.table, check.where)
    if check.date:
        return ("interval", *place, check.date, check.on, str(check.days_back))
    return ("table", *place)


def _source(number: int, checks: Sequence[Check], key: tuple[str, ...], ids: list[int]) -> str:
    body = {"value": _value_source, "interval": _interval_source, "table": _table_source}[key[0]]
    return f"g{number} AS (\n{body(checks, key, ids)}\n)"


def _value_source(checks: Sequence[Check], key: tuple[str, ...], ids: list[int]) -> str:
    return f"  SELECT {_columns(checks, ids, 'c')}"


def _table_source(checks: Sequence[Check], key: tuple[str, ...], ids: list[int]) -> str:
    _, table, where = key
    return "  " + _select(_columns(checks, ids, "c"), f"`{table}`" + _filter(where))


def _interval_source(checks: Sequence[Check], key: tuple[str, ...], ids: list[int]) -> str:
    _, table, where, date, on, days = key
    then = f"DATE_SUB({_inside(on)}, INTERVAL {days} DAY)"
    now = _filter(where, f"{_inside(date)} = {_inside(on)}")
    before = _filter(where, f"{_inside(date)} = {then}")
    observed = _select(_columns(checks, ids, "c"), f"`{table}`" + now)
    reference = _select(_columns(checks, ids, "r"), f"`{table}`" + before)
    return f"  SELECT * FROM\n  ({observed})\n  CROSS JOIN\n  ({reference})"


def _select(columns: str, source: str) -> str:
    return f"SELECT {columns} FROM {source}"  # noqa: S608  # the author's own SQL; inputs stay parameters


def _columns(checks: Sequence[Check], ids: list[int], letter: str) -> str:
    return ", ".join(f"CAST({_inside(checks[i].expression)} AS STRING) AS {letter}{i}" for i in ids)


def _filter(*conditions: str) -> str:
    given = [_inside(condition) for condition in conditions if condition]
    return "\n  WHERE " + " AND ".join(given) if given else ""


def _inside(sql: str) -> str:
    """Return ``sql`` in brackets, which a comment at its end must not swallow."""
    return f"({sql}\n)" if "--" in sql or "#" in sql else f"({sql})"


def _rows(number: int, checks: Sequence[Check], ids: list[int]) -> str:
    observed = " ".join(f"WHEN {i} THEN c{i}" for i in ids)
    earlier = " ".join(f"WHEN {i} THEN r{i}" for i in ids if checks[i].date)
    reference = f"CASE i {earlier} END" if earlier else "CAST(NULL AS STRING)"
    columns = f"i AS check_index, CASE i {observed} END AS observed, {reference} AS reference"
    return _select(columns, f"g{number} CROSS JOIN UNNEST([{', '.join(map(str, ids))}]) AS i")
