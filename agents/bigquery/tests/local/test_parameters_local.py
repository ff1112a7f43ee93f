"""Query parameters of every type, through the SDK's own encoding."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal as D  # noqa: N817 - tables of values read better with it

import pytest
from dateutil.relativedelta import relativedelta
from google.api_core.exceptions import BadRequest, MethodNotImplemented
from google.cloud.bigquery import (
    ArrayQueryParameter,
    QueryJobConfig,
    ScalarQueryParameter,
    ScalarQueryParameterType,
    StructQueryParameter,
    StructQueryParameterType,
)

MOMENT = datetime(2020, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
SCALARS = [
    ("INT64", 5),
    ("INT64", -(2**63)),
    ("FLOAT64", 0.1),
    ("FLOAT64", 1e300),
    ("NUMERIC", D("99999999999999999999999999999.999999999")),
    ("NUMERIC", D("-0.5")),
    ("BIGNUMERIC", D("12345678901234567890.123456789012345678")),
    ("BOOL", True),
    ("STRING", 'it\'s "ä" \\ \n 😀'),
    ("STRING", ""),
    ("STRING", "a\0b"),
    ("BYTES", b"\x00\xff'"),
    ("DATE", date(1999, 12, 31)),
    ("TIME", time(1, 2, 3, 4)),
    ("TIME", time(1, 2, 3)),
    ("DATETIME", datetime(2020, 1, 2, 3, 4, 5, 678901)),
    ("DATETIME", datetime(2020, 1, 2)),
    ("TIMESTAMP", MOMENT),
    ("TIMESTAMP", datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=-8)))),
    ("JSON", {"a": [1, None, "x"]}),
    ("GEOGRAPHY", "POINT(1 2)"),
]


def config(*parameters: object) -> QueryJobConfig:
    return QueryJobConfig(query_parameters=parameters)


@pytest.mark.parametrize(("kind", "value"), SCALARS)
def test_a_scalar_comes_back(ask, kind, value):
    parameter = ScalarQueryParameter("p", kind, value)
    expected = value.astimezone(timezone.utc) if kind == "TIMESTAMP" else value
    assert ask("SELECT @p", job_config=config(parameter)) == [(expected,)]


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in SCALARS} | {"INTERVAL"}))
def test_null_has_its_type(ask, kind):
    found = ask("SELECT @p IS NULL, @p", job_config=config(ScalarQueryParameter("p", kind, None)))
    assert found == [(True, None)]


def test_an_interval_comes_back(ask):
    value = relativedelta(years=1, months=2, days=-3, hours=4, minutes=5, seconds=6)
    parameter = ScalarQueryParameter("p", "INTERVAL", "1-2 -3 4:5:6")
    assert ask("SELECT @p", job_config=config(parameter)) == [(value,)]


def test_arrays_and_structs_come_back(ask):
    struct = StructQueryParameter(
        "s",
        ScalarQueryParameter("a", "INT64", 1),
        ScalarQueryParameter("b", "STRING", None),
        ArrayQueryParameter("c", "FLOAT64", [0.5, 1]),
    )
    found = ask(
        "SELECT @i, @t, @s, @s.c[0], @e",
        job_config=config(
            ArrayQueryParameter("i", "INT64", [1, 2]),
            ArrayQueryParameter("t", "TIMESTAMP", [MOMENT]),
            struct,
            ArrayQueryParameter("e", "DATE", []),
        ),
    )
    assert found == [([1, 2], [MOMENT], {"a": 1, "b": None, "c": [0.5, 1.0]}, 0.5, [])]


def test_an_array_of_structs_is_a_table(ask):
    rows = [
        StructQueryParameter(
            None, ScalarQueryParameter("k", "INT64", k), ScalarQueryParameter("v", "STRING", v)
        )
        for k, v in ((1, "x"), (2, "y"))
    ]
    kind = StructQueryParameterType(
        ScalarQueryParameterType("INT64", name="k"), ScalarQueryParameterType("STRING", name="v")
    )
    parameter = ArrayQueryParameter("rows", kind, rows)
    found = ask("SELECT * FROM UNNEST(@rows) ORDER BY k", job_config=config(parameter))
    assert found == [(1, "x"), (2, "y")]


def test_positions_count_as_they_are_written(ask):
    found = ask(
        "SELECT ?, x FROM (SELECT ? AS x) WHERE x = ?",
        job_config=config(
            ScalarQueryParameter(None, "STRING", "first"),
            ScalarQueryParameter(None, "INT64", 2),
            ScalarQueryParameter(None, "INT64", 2),
        ),
    )
    assert found == [("first", 2)]


def test_names_ignore_case_and_may_be_used_twice(ask):
    found = ask(
        "SELECT @Word || @word", job_config=config(ScalarQueryParameter("word", "STRING", "a"))
    )
    assert found == [("aa",)]


def test_a_string_parameter_stands_for_a_date(ask):
    parameter = ScalarQueryParameter("day", "STRING", "2020-01-05")
    assert ask("SELECT DATE '2020-01-05' = @day", job_config=config(parameter)) == [(True,)]


def test_ten_thousand_elements(ask):
    parameter = ArrayQueryParameter("ids", "INT64", list(range(10_000)))
    found = ask("SELECT SUM(i), COUNT(*) FROM UNNEST(@ids) i", job_config=config(parameter))
    assert found == [(49_995_000, 10_000)]


def test_limits_may_be_parameters(ask):
    parameter = ScalarQueryParameter("n", "INT64", 2)
    found = ask(
        "SELECT x FROM UNNEST([1, 2, 3]) x ORDER BY x LIMIT @n", job_config=config(parameter)
    )
    assert found == [(1,), (2,)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [("INT64", "x"), ("INT64", str(2**63)), ("DATE", "2020-13-01"), ("NUMERIC", "x"), ("BOOL", "y"),
     ("JSON", "{"), ("BYTES", "%"), ("INTERVAL", "1 day"), ("TIMESTAMP", "soon")],
)  # fmt: skip
def test_a_value_that_its_type_cannot_have_is_named(ask, kind, value):
    raw = {"name": "p", "parameterType": {"type": kind}, "parameterValue": {"value": value}}
    settings = QueryJobConfig.from_api_repr({
        "query": {"queryParameters": [raw], "parameterMode": "NAMED", "useLegacySql": False}
    })
    with pytest.raises(BadRequest, match=f"query parameter 'p' as {kind}"):
        ask("SELECT @p", job_config=settings)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("FLOAT64", float("nan")), ("FLOAT64", float("-inf")), ("BIGNUMERIC", D("1E30")),
     ("BIGNUMERIC", D("0.0000000000000000001"))],
)  # fmt: skip
def test_a_value_this_machine_cannot_hold_is_refused(ask, kind, value):
    with pytest.raises(MethodNotImplemented, match="the local stand-in cannot run"):
        ask("SELECT @p", job_config=config(ScalarQueryParameter("p", kind, value)))
