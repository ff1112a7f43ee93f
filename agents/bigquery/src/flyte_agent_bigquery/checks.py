"""
Data-quality checks for :class:`~flyte_agent_bigquery.BigQueryCheckTask`.

::

    from flyte_agent_bigquery import BigQueryCheckTask, checks

    BigQueryCheckTask(
        "flights_are_sane",
        table="my-project.travel.flights",
        checks=[
            checks.row_count(geq=1),
            checks.column("tailnum", null_check={"leq": 100}, distinct_check={"gt": 10}),
            checks.table("SUM(seats) >= SUM(passengers)"),
        ],
        config=BigQueryConfig(project="my-project"),
    )

A bound is a dict (or :class:`Bound`) of ``eq``, ``geq``, ``gt``, ``leq``, ``lt`` and
``tolerance``, a fraction that widens the others. SQL given here may use the task's inputs as
``@name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from flyte_agent_core.fields import invalid

from .checks_bound import Bound
from .checks_rules import CheckReport, CheckResult, CheckRule, Expectation, evaluate
from .checks_sql import Check, compile_checks, quoted

__all__ = [
    "Bound",
    "Check",
    "CheckReport",
    "CheckResult",
    "CheckRule",
    "column",
    "compile_checks",
    "evaluate",
    "interval",
    "row_count",
    "table",
    "value",
]

Bounds = Bound | Mapping[str, Any]


def value(sql: str, *, name: str = "", **bounds: Any) -> Check:
    """
    Check the one value that a query returns: ``value("SELECT MAX(day) FROM t", eq=day)``.

    Args:
        sql: A query of one column and at most one row.
        name: Shown in the report; the SQL if not given.
        bounds: See :class:`Bound`.
    """
    named = name or _short(sql)
    rule = CheckRule(named, "value", Bound(**bounds).expectation(f"check {named!r}"))
    return Check(rule, sql, needs_table=False)


def row_count(*, where: str = "", table: str = "", name: str = "", **bounds: Any) -> Check:
    """
    Check how many rows there are.

    Args:
        where: SQL filter of the rows.
        table: Another table than the task's.
        name: Shown in the report.
        bounds: See :class:`Bound`.
    """
    named = name or _named("row_count", where, table)
    rule = CheckRule(named, "row_count", Bound(**bounds).expectation(f"check {named!r}"))
    return Check(rule, "COUNT(*)", table, where)


def column(
    column: str,
    *,
    null_check: Bounds | None = None,
    distinct_check: Bounds | None = None,
    unique_check: Bounds | None = None,
    min: Bounds | None = None,  # noqa: A002  # the names of the SQL functions
    max: Bounds | None = None,  # noqa: A002
    where: str = "",
    table: str = "",
) -> list[Check]:
    """
    Check one column in several ways; each one given is a check of its own.

    Args:
        column: Its name; ``a.b`` for a field of a STRUCT.
        null_check: How many values are NULL.
        distinct_check: How many different values there are.
        unique_check: How many values repeat an earlier one; ``{"eq": 0}`` for a key.
        min: The least value.
        max: The greatest value.
        where: SQL filter of the rows.
        table: Another table than the task's.
    """
    name = quoted(column, f"column check {column!r}")
    given = (
        ("null_check", f"COUNTIF({name} IS NULL)", null_check),
        ("distinct_check", f"COUNT(DISTINCT {name})", distinct_check),
        ("unique_check", f"COUNT({name}) - COUNT(DISTINCT {name})", unique_check),
        ("min", f"MIN({name})", min),
        ("max", f"MAX({name})", max),
    )
    made = [
        _column_check(_named(f"{column} {way}", where, table), sql, bounds, where, table)
        for way, sql, bounds in given
        if bounds is not None
    ]
    if not made:
        raise invalid(
            f"column check {column!r}",
            "no check",
            "null_check, distinct_check, unique_check, min or max",
        )
    return made


def table(expression: str, *, where: str = "", table: str = "", name: str = "") -> Check:
    """
    Check that an expression over all rows is true: ``table("SUM(a) = SUM(b) + SUM(c)")``.

    Args:
        expression: A boolean SQL expression of aggregates. For a rule that every row obeys, write
            ``LOGICAL_AND(a < b)``.
        where: SQL filter of the rows.
        table: Another table than the task's.
        name: Shown in the report; the expression if not given.
    """
    named = name or _named(_short(expression), where, table)
    return Check(
        CheckRule(named, "table", Expectation("bool", eq="true")), expression, table, where
    )


def interval(  # noqa: PLR0913  # each is one word of the check's description
    metric: str,
    *,
    date: str,
    max_ratio: float,
    days_back: int = 7,
    on: str = "CURRENT_DATE()",
    formula: Literal["max_over_min", "relative_diff"] = "max_over_min",
    ignore_zero: bool = False,
    where: str = "",
    table: str = "",
    name: str = "",
) -> Check:
    """
    Check that a metric of one day is near the one some days before.

    Args:
        metric: An SQL aggregate: ``COUNT(*)``, ``SUM(price)``.
        date: The column, or SQL expression, for the day of a row: ``day``, ``DATE(created_at)``.
        max_ratio: What the outcome of ``formula`` must stay below.
        days_back: How many days before ``on``.
        on: SQL expression for the day that is checked; ``@day`` for an input.
        formula: ``max_over_min`` is the greater value over the lesser, from 1 upwards;
            ``relative_diff`` is the difference over the earlier value, from 0 upwards.
        ignore_zero: Whether 0 on one of the days passes instead of failing.
        where: SQL filter of the rows.
        table: Another table than the task's.
        name: Shown in the report.
    """
    named = name or _named(f"{metric} vs {days_back} days before", where, table)
    if formula not in ("max_over_min", "relative_diff"):
        raise invalid(f"check {named!r}: formula", formula, "'max_over_min' or 'relative_diff'")
    if type(days_back) is not int or days_back < 1:
        repair = "Give a whole number of days."
        raise invalid(f"check {named!r}: days_back", days_back, "at least 1", repair)
    expect = Bound(lt=max_ratio).expectation(f"check {named!r}: max_ratio")
    rule = CheckRule(named, "interval", expect, formula, ignore_zero)
    return Check(rule, metric, table, where, date, on, days_back)


def _column_check(name: str, sql: str, bounds: Bounds, where: str, table: str) -> Check:
    bound = bounds if isinstance(bounds, Bound) else Bound(**bounds)
    return Check(CheckRule(name, "column", bound.expectation(f"check {name!r}")), sql, table, where)


def _short(sql: str) -> str:
    return " ".join(str(sql).split())[:60]


def _named(text: str, where: str, table: str) -> str:
    """Return a name that differs for the same check on other rows."""
    rows = f" where {_short(where)}" if where else ""
    return text + (f" of {table}" if table else "") + rows
