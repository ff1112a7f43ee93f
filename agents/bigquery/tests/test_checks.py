"""Data-quality checks: the SQL they become, run on real rows, and how the rows are judged."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from typing import Any

import duckdb
import pytest
import sqlglot

from flyte_agent_bigquery import checks
from flyte_agent_bigquery.checks import (
    Bound,
    Check,
    CheckReport,
    CheckRule,
    compile_checks,
    evaluate,
)
from flyte_agent_bigquery.checks_rules import Expectation, read
from flyte_agent_bigquery.checks_sql import check_fragment, quoted
from flyte_agent_bigquery.task_sql import scan
from flyte_agent_core.errors import InvalidConfig


def on(table: str, *made: Check | list[Check]) -> list[Check]:
    """Return the checks with the name of their table, as the task gives it to them."""
    flat = [c for item in made for c in (item if isinstance(item, list) else [item])]
    return [dataclasses.replace(c, table=c.table or table) if c.needs_table else c for c in flat]


@pytest.fixture(scope="module")
def rows() -> Any:
    """A function that runs checks on five rows: DuckDB, with the SQL translated."""
    connection = duckdb.connect()
    connection.execute("ATTACH ':memory:' AS p; CREATE SCHEMA p.d;")
    connection.execute(
        "CREATE TABLE p.d.t AS SELECT * FROM (VALUES"
        " (1, 'a', 1.5, DATE '2024-01-01', {'city': 'X'}),"
        " (2, 'b', 2.5, DATE '2024-01-08', {'city': 'Y'}),"
        " (3, 'b', NULL, DATE '2024-01-08', {'city': 'Z'}),"
        " (4, 'd', 4.0, DATE '2024-01-08', {'city': 'Z'}))"
        " AS v(id, name, price, day, address)"
    )

    def run(*made: Check | list[Check]) -> CheckReport:
        asked = on("p.d.t", *made)
        sql = sqlglot.transpile(compile_checks(asked), read="bigquery", write="duckdb")[0]
        found = connection.execute(sql)
        names = [column[0] for column in found.description]
        answer = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        return evaluate([check.rule for check in asked], answer)

    return run


PASSING: list[Check | list[Check]] = [
    checks.row_count(eq=4),
    checks.row_count(where="price > 2 -- the dear ones", geq=2, lt=3),
    checks.column(
        "id",
        null_check={"eq": 0},
        distinct_check={"eq": 4},
        unique_check={"eq": 0},
        min={"geq": 1},
        max=Bound(leq=4),
    ),
    checks.column("name", unique_check={"eq": 1}, min={"eq": "a"}, max={"lt": "e"}),
    checks.column("price", null_check={"leq": 1}, max={"eq": decimal.Decimal(4)}),
    checks.column(
        "day",
        min={"geq": dt.date(2024, 1, 1)},
        max={"lt": dt.datetime(2025, 1, 1, tzinfo=dt.timezone.utc)},
    ),
    checks.column("address.city", distinct_check={"gt": 2, "lt": 4}),
    checks.table("SUM(id) = 10 AND COUNT(*) = 4"),
    checks.table("LOGICAL_AND(id > 0)", where="name = 'b'"),
    checks.value("SELECT MAX(id) FROM `p.d.t` # the last", eq=4),
    checks.value("SELECT 95", eq=100, tolerance=0.05, name="nearly"),
    checks.value("SELECT 105", geq=110, leq=100, tolerance=0.05, name="nearly in between"),
    checks.value("SELECT TRUE", eq=True),
    checks.interval("COUNT(*)", date="day", on="DATE '2024-01-08'", max_ratio=3.1),
    checks.interval(
        "SUM(id)", date="day", on="DATE '2024-01-08'", max_ratio=9, formula="relative_diff"
    ),
]


@pytest.mark.parametrize(
    "check", PASSING, ids=lambda c: (c[0] if isinstance(c, list) else c).rule.name
)
def test_what_is_right_passes(rows: Any, check: Check | list[Check]):
    report = rows(check)

    assert report.passed, report.summary()


def test_all_at_once_is_one_query_with_one_row_each(rows: Any):
    report = rows(*PASSING)

    assert report.passed, report.summary()
    assert len(report.checks) == len(on("x", *PASSING))
    assert report.summary() == f"All {len(report.checks)} checks passed."


FAILING: list[tuple[Check | list[Check], str]] = [
    (checks.row_count(eq=5), "found 4, expected = 5"),
    (checks.row_count(geq=1, lt=4), "found 4, expected >= 1 and < 4"),
    (checks.column("price", null_check={"eq": 0}), "found 1, expected = 0"),
    (checks.column("name", unique_check={"eq": 0}), "found 1, expected = 0"),
    (checks.column("price", max={"lt": 3}, where="id > 100"), "found NULL"),
    (checks.column("name", min={"gt": 5}), "found 'a', expected a number"),
    (
        checks.column("day", max={"lt": dt.date(2024, 1, 8)}),
        "found 2024-01-08, expected < 2024-01-08",
    ),
    (checks.table("SUM(id) = 11"), "found false, expected = true"),
    (checks.value("SELECT 94", eq=100, tolerance=0.05), "expected = 100 (+/- 5 %)"),
    (checks.value("SELECT NULL", eq=1), "found NULL"),
    (checks.value("SELECT 'x'", eq="y"), "found x, expected = y"),
    (
        checks.interval("COUNT(*)", date="day", on="DATE '2024-01-08'", max_ratio=1.5),
        "found 3 now, 1 before, max_over_min 3, expected < 1.5",
    ),
    (
        checks.interval(
            "COUNT(*)", date="day", on="DATE '2024-02-01'", max_ratio=1.5, days_back=24
        ),
        "0 now, 3 before; one of them is 0",
    ),
    (checks.interval("MAX(id)", date="day", on="DATE '2024-02-01'", max_ratio=1.5), "found NULL"),
    (
        checks.interval("MAX(name)", date="day", on="DATE '2024-01-08'", max_ratio=2),
        "expected numbers",
    ),
]


@pytest.mark.parametrize(("check", "says"), FAILING, ids=[says for _, says in FAILING])
def test_what_is_wrong_is_told(rows: Any, check: Check | list[Check], says: str):
    report = rows(check)

    assert not report.passed
    assert says in report.failed[0].message
    assert report.failed[0].name in report.summary()


def test_the_summary_names_what_failed_and_only_that(rows: Any):
    report = rows(
        checks.row_count(eq=4),
        checks.table("1 = 2", name="sums agree"),
        checks.row_count(where="id > 3", eq=9),
    )

    assert report.summary().splitlines() == [
        "2 of 3 checks failed:",
        "- sums agree: found false, expected = true",
        "- row_count where id > 3: found 1, expected = 9",
    ]


def test_zero_on_one_day_passes_only_when_asked(rows: Any):
    asked = {"date": "day", "on": "DATE '2024-02-01'", "days_back": 24, "max_ratio": 1.5}

    assert not rows(checks.interval("COUNT(*)", **asked)).passed
    assert rows(checks.interval("COUNT(*)", ignore_zero=True, **asked)).passed
    assert rows(checks.interval("COUNT(*)", **{**asked, "days_back": 25})).passed, "0 on both days"


def test_checks_on_the_same_rows_share_a_scan():
    """BigQuery bills what is read, so five checks of one table must not read it five times."""
    sql = compile_checks(
        on(
            "p.d.t",
            checks.row_count(eq=1),
            checks.column("a", null_check={"eq": 0}, min={"eq": 0}),
            checks.table("TRUE", name="always"),
            checks.row_count(where="x", eq=1),
            checks.interval("COUNT(*)", date="day", max_ratio=2),
            checks.interval("SUM(a)", date="day", max_ratio=2),
            checks.row_count(table="p.d.u", eq=1),
        )
    )

    assert sql.count("FROM `p.d.t`") == 4  # all rows; those where x; this day and the one before
    assert sql.count("FROM `p.d.u`") == 1


def test_inputs_stay_parameters():
    sql = compile_checks(on("p.d.t", checks.row_count(where="day = @day", geq=1)))

    assert scan(sql).names == ("day",)


def test_rest_sends_text_and_leaves_rows_out():
    rules = [
        CheckRule("a", "row_count", Expectation(eq="1")),
        CheckRule("b", "row_count", Expectation(eq="1")),
    ]

    report = evaluate(rules, [{"check_index": "0", "observed": "1", "reference": None}])

    assert [c.passed for c in report.checks] == [True, False]
    assert "no row for this check" in report.checks[1].message


MISTAKES: list[tuple[Any, str]] = [
    (checks.row_count, "Say what is right: eq=0"),
    (lambda: checks.row_count(equals=1), "Bound.equals: unknown field. Did you mean 'eq'|Known fields"),
    (lambda: checks.row_count(eq="1", geq=2), "bounds of one kind"),
    (lambda: checks.row_count(eq=float("nan")), "a finite number"),
    (lambda: checks.row_count(eq=1, tolerance=-1), "a fraction such as 0.1"),
    (lambda: checks.row_count(eq="x", tolerance=0.1), "for numbers"),
    (lambda: checks.row_count(eq=[1]), r"Bound.eq: found \[1\], expected bool or"),
    (lambda: checks.value(None, eq=1), "found NoneType, expected str"),
    (lambda: checks.row_count(table=5, eq=1), "table: found 5"),
    (lambda: checks.column("a"), "null_check, distinct_check, unique_check, min or max"),
    (lambda: checks.column("a`; DROP", min={"eq": 1}), "the name of a column"),
    (lambda: checks.column("", min={"eq": 1}), "the name of a column"),
    (lambda: checks.table(""), "found no text"),
    (lambda: checks.table("SUM(a"), "closes its strings, comments and brackets"),
    (lambda: checks.table("a) OR (b"), "closes its strings, comments and brackets"),
    (lambda: checks.table("'a"), "closes its strings"),
    (lambda: checks.table("TRUE; DROP TABLE x"), "Remove the ;"),
    (lambda: checks.value("SELECT 1;", eq=1), "Remove the ;"),
    (lambda: checks.row_count(where="-- nothing", eq=1), "one SQL expression"),
    (lambda: checks.interval("COUNT(*)", date="day", max_ratio=2, days_back=0), "days_back: found 0"),
    (lambda: checks.interval("COUNT(*)", date="day", max_ratio=2, formula="ratio"), "formula: found 'ratio'"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "says"), MISTAKES, ids=[says for _, says in MISTAKES])
def test_mistake_is_told_where_the_check_is_made(make: Any, says: str):
    with pytest.raises(InvalidConfig, match=says):
        make()


def test_names_are_quoted():
    assert quoted("a.b c", "x") == "`a`.`b c`"
    assert check_fragment("a -- comment", "x") == "a -- comment"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-01-02", dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc)),
        ("2024-01-02 03:04:05", dt.datetime(2024, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)),
        (
            "2024-01-02 03:04:05.12+00",
            dt.datetime(2024, 1, 2, 3, 4, 5, 120000, tzinfo=dt.timezone.utc),
        ),
        ("2024-01-02 03:04:05+02", dt.datetime(2024, 1, 2, 1, 4, 5, tzinfo=dt.timezone.utc)),
    ],
)
def test_times_are_read_as_bigquery_prints_them(text: str, moment: dt.datetime):
    assert read(text, "time") == moment


def test_numbers_are_compared_exactly():
    """As doubles these two would be equal."""
    rule = CheckRule("n", "value", Expectation(eq="9007199254740993"))

    assert not evaluate(
        [rule], [{"check_index": 0, "observed": "9007199254740992", "reference": None}]
    ).passed
    assert not evaluate([rule], [{"check_index": 0, "observed": "NaN", "reference": None}]).passed
    assert not evaluate(
        [CheckRule("n", "value", Expectation("bool", eq="true"))],
        [{"check_index": 0, "observed": "maybe", "reference": None}],
    ).passed
