"""Input values on their way into ``queryParameters``: every type, its edges, and what does not fit."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime as dt
import decimal
import json
from typing import Annotated, Any, Optional

import pytest
from flytekit import FlyteContextManager
from flytekit.core.type_engine import TypeEngine
from hypothesis import given, settings
from hypothesis import strategies as st

from flyte_agent_bigquery.config import JobRequest
from flyte_agent_bigquery.parameters import CODE, encode, query_parameters
from flyte_agent_bigquery.parameters_job import job_configuration
from flyte_agent_bigquery.parameters_values import SCALARS
from flyte_agent_bigquery.types import ANNOTATED_TYPES, BigQueryType, rest_type
from flyte_agent_bigquery.types_transformers import register_transformers
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import FileRef, decode

register_transformers()

UTC = dt.timezone.utc
NOON = dt.datetime(2024, 5, 6, 12, 30, 0, 7, tzinfo=UTC)
EAST = dt.timezone(dt.timedelta(hours=2))


def scalar(kind: str, value: Any) -> Any:
    """Return the text a value is sent as."""
    return encode(value, {"type": kind}, "input 'x'")["value"]


FITS: list[tuple[str, Any, str]] = [
    ("BOOL", True, "true"),
    ("BOOL", False, "false"),
    ("INT64", 0, "0"),
    ("INT64", 2**63 - 1, "9223372036854775807"),
    ("INT64", -(2**63), "-9223372036854775808"),
    ("INT64", 3.0, "3"),
    ("FLOAT64", 1, "1.0"),
    ("FLOAT64", 0.1, "0.1"),
    ("FLOAT64", 1e300, "1e+300"),
    ("FLOAT64", float("nan"), "NaN"),
    ("FLOAT64", float("inf"), "Infinity"),
    ("FLOAT64", float("-inf"), "-Infinity"),
    ("STRING", "", ""),
    ("STRING", "it's \"x\" \n \0 ü", "it's \"x\" \n \0 ü"),
    ("STRING", FileRef("gs://b/x"), "gs://b/x"),
    ("BYTES", b"\x00\xff", "AP8="),
    ("BYTES", b"", ""),
    ("BYTES", "AP8=\n", "AP8="),
    ("DATE", dt.date(1, 1, 1), "0001-01-01"),
    ("DATE", dt.datetime(2024, 5, 6, tzinfo=UTC), "2024-05-06"),
    ("DATE", "2024-05-06", "2024-05-06"),
    ("DATETIME", NOON, "2024-05-06T12:30:00.000007"),
    ("DATETIME", NOON.replace(tzinfo=None), "2024-05-06T12:30:00.000007"),
    ("DATETIME", NOON.astimezone(EAST), "2024-05-06T12:30:00.000007"),
    ("DATETIME", "2024-05-06T12:30:00", "2024-05-06T12:30:00.000000"),
    ("TIMESTAMP", NOON, "2024-05-06 12:30:00.000007+00:00"),
    ("TIMESTAMP", NOON.astimezone(EAST), "2024-05-06 12:30:00.000007+00:00"),
    ("TIMESTAMP", "2024-05-06T14:30:00+02:00", "2024-05-06 12:30:00.000000+00:00"),
    ("TIMESTAMP", "2024-05-06T12:30:00Z", "2024-05-06 12:30:00.000000+00:00"),
    ("TIME", dt.time(1, 2, 3), "01:02:03.000000"),
    ("TIME", "23:59:59.999999", "23:59:59.999999"),
    ("NUMERIC", decimal.Decimal("1E+3"), "1000"),
    ("NUMERIC", decimal.Decimal("-0.0"), "0"),
    ("NUMERIC", "1.500000000000", "1.5"),
    ("NUMERIC", 7, "7"),
    ("NUMERIC", "9" * 29 + "." + "9" * 9, "9" * 29 + "." + "9" * 9),
    ("BIGNUMERIC", "1e-38", "0." + "0" * 37 + "1"),
    ("BIGNUMERIC", "5" + "0" * 38, "5" + "0" * 38),
    ("BIGNUMERIC", decimal.Decimal(f"-{2**255}e-38"), f"-{str(2**255)[:-38]}.{str(2**255)[-38:]}"),
    ("JSON", {"a": [1, None, "ü"], "b": {"c": 1.5}}, '{"a": [1, null, "ü"], "b": {"c": 1.5}}'),
    ("JSON", [], "[]"),
    ("JSON", '{"is": "JSON already"}', '{"is": "JSON already"}'),
    ("JSON", {"day": dt.date(2024, 1, 2)}, '{"day": "2024-01-02"}'),
    ("INTERVAL", dt.timedelta(), "0-0 0 0:0:0.000000"),
    ("INTERVAL", dt.timedelta(days=400, hours=25, microseconds=5), "0-0 401 1:0:0.000005"),
    ("INTERVAL", dt.timedelta(seconds=-90), "0-0 0 -0:1:30.000000"),
    ("INTERVAL", dt.timedelta(days=-1, seconds=-1), "0-0 -1 -0:0:1.000000"),
    ("INTERVAL", 90.5, "0-0 0 0:1:30.500000"),
    ("INTERVAL", "1-2 3 4:5:6.7", "1-2 3 4:5:6.7"),
    ("INTERVAL", "P1Y2M3DT4H5M6.7S", "P1Y2M3DT4H5M6.7S"),
    ("GEOGRAPHY", "POINT(13.4 52.5)", "POINT(13.4 52.5)"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value", "text"), FITS, ids=str)
def test_value_is_written_in_the_form_of_its_type(kind: str, value: Any, text: str):
    assert scalar(kind, value) == text


def test_every_scalar_type_is_written():
    """A type that can be declared but not sent would fail on the cluster only."""
    assert set(SCALARS) == {name for name in ANNOTATED_TYPES if not name.startswith("RANGE")}
    assert set(SCALARS) == {kind for kind, _, _ in FITS}


MISFITS: list[tuple[str, Any, str]] = [
    ("BOOL", 1, "True or False"),
    ("INT64", True, "a whole number"),
    ("INT64", 1.5, "a whole number"),
    ("INT64", 2**63, "2**63"),
    ("INT64", "5", "a whole number"),
    ("FLOAT64", "1", "a number"),
    ("FLOAT64", False, "a number"),
    ("STRING", 5, "text"),
    ("STRING", "\ud800", "Send raw data as bytes"),
    ("BYTES", "not base64!", "base64"),
    ("BYTES", 5, "bytes"),
    ("DATE", NOON, "Declare the input as datetime"),
    ("DATE", "06.05.2024", "2024-12-31"),
    ("DATE", 5, "a date"),
    ("DATETIME", dt.date(2024, 1, 1), "a datetime"),
    ("TIMESTAMP", "yesterday", "2024-12-31T23:59:59Z"),
    ("TIMESTAMP", "0001-01-01T00:00:00+05:00", "years 1 to 9999"),
    ("TIME", "25:00", "13:45:00"),
    ("TIME", dt.time(1, tzinfo=UTC), "without a zone"),
    ("NUMERIC", 1.5, "a float has already lost its digits"),
    ("NUMERIC", "0.1234567891", "BIGNUMERIC"),
    ("NUMERIC", "1" + "0" * 29, "a number from -1.0000E+29"),
    ("NUMERIC", "NaN", "finite"),
    ("NUMERIC", "1e999999999", "finite"),
    ("NUMERIC", "ten", "digits of a number"),
    ("BIGNUMERIC", decimal.Decimal(f"{2**255}e-38"), "a number from"),
    ("BIGNUMERIC", "1e-39", "38 digits"),
    ("JSON", "{not json}", "JSON"),
    ("JSON", {"a": float("nan")}, "no NaN"),
    ("JSON", {"a": b"x"}, "not bytes"),
    ("JSON", {(1, 2): 3}, "JSON"),
    ("INTERVAL", "3 days", "'P1Y2M3DT4H5M6S'"),
    ("INTERVAL", "P", "an interval"),
    ("INTERVAL", 1e300, "billion days"),
    ("INTERVAL", [], "a timedelta"),
    ("GEOGRAPHY", " ", "POINT"),
    ("XML", "x", "Upgrade the agent"),
]


@pytest.mark.parametrize(("kind", "value", "says"), MISFITS, ids=repr)
def test_value_that_does_not_fit_is_named_with_a_repair(kind: str, value: Any, says: str):
    with pytest.raises(InvalidConfig, match=r"^input 'x': found ") as caught:
        scalar(kind, value)

    assert says in str(caught.value)
    assert caught.value.code == CODE
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("kind", [*SCALARS, "ARRAY", "STRUCT", "RANGE"])
def test_null_has_one_form_for_every_type(kind: str):
    assert encode(None, {"type": kind}, "input 'x'") == {"value": None}


def test_an_empty_array_is_not_null():
    rest = rest_type(list[int])

    assert encode([], rest, "x") == {"arrayValues": []}
    assert encode([None, 1], rest, "x") == {"arrayValues": [{"value": None}, {"value": "1"}]}


def test_an_array_of_ten_thousand_keeps_its_order():
    made = encode(list(range(10_000)), rest_type(list[int]), "x")["arrayValues"]

    assert [int(item["value"]) for item in made] == list(range(10_000))


@dataclasses.dataclass
class Leg:
    to: str
    miles: Optional[int]
    fares: list[decimal.Decimal]


@dataclasses.dataclass
class Trip:
    leg: Leg
    day: dt.date
    at: dt.datetime
    took: dt.timedelta
    seal: bytes
    clock: dt.time
    more: Optional[Leg] = None


TRIP = Trip(
    Leg("SFO", None, [decimal.Decimal("1.50")]),
    dt.date(2024, 5, 6),
    NOON,
    dt.timedelta(seconds=90),
    b"\xff",
    dt.time(1, 2),
)


def test_a_dataclass_survives_the_way_through_flyte():
    """What flytekit writes is what the agent reads: the fields in their own types again."""
    context = FlyteContextManager.current_context()
    literal = TypeEngine.to_literal(context, TRIP, Trip, TypeEngine.to_literal_type(Trip))

    made = encode(decode(literal.to_flyte_idl()), rest_type(Trip), "input 'trip'")["structValues"]

    assert made["leg"]["structValues"] == {
        "to": {"value": "SFO"},
        "miles": {"value": None},
        "fares": {"arrayValues": [{"value": "1.5"}]},
    }
    assert {name: made[name]["value"] for name in made if name != "leg"} == {
        "day": "2024-05-06",
        "at": "2024-05-06 12:30:00.000007+00:00",
        "took": "0-0 0 0:1:30.000000",
        "seal": "/w==",
        "clock": "01:02:00.000000",
        "more": None,
    }


def test_a_field_that_was_left_out_is_null():
    made = encode({"to": "SFO"}, rest_type(Leg), "x")["structValues"]

    assert made["miles"] == made["fares"] == {"value": None}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"to": "x", "fares": [], "mils": 1}, "found field 'mils'"),
        ([1], "expected the fields of a dataclass"),
        ({"to": "x", "fares": ["1", "x"]}, r"input 'x'.fares\[1\]: found"),
        ({"to": "x", "fares": "1"}, "expected a list for ARRAY<NUMERIC>"),
    ],
)
def test_the_place_in_a_nested_value_is_named(value: Any, says: str):
    with pytest.raises(InvalidConfig, match=says):
        encode(value, rest_type(Leg), "input 'x'")


RANGE = rest_type(Annotated[str, BigQueryType("RANGE<DATE>")])


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("[2024-01-01, 2024-02-01)", "2024-01-01", "2024-02-01"),
        (" [UNBOUNDED,2024-02-01) ", None, "2024-02-01"),
        ("[2024-01-01, null)", "2024-01-01", None),
    ],
)
def test_a_range_has_two_bounds(text: str, start: str | None, end: str | None):
    assert encode(text, RANGE, "x") == {
        "rangeValue": {"start": {"value": start}, "end": {"value": end}}
    }


@pytest.mark.parametrize("text", ["2024-01-01", "[2024-01-01, 2024-02-01]", "[a, b)", "[1,2,3)", 5])
def test_other_ranges_are_refused(text: Any):
    with pytest.raises(InvalidConfig, match="input 'x': found"):
        encode(text, RANGE, "input 'x'")


def test_named_parameters_carry_names_and_positional_ones_an_order():
    types = {"a": {"type": "INT64"}, "b": {"type": "STRING"}}
    values = {"a": 1, "b": "x"}

    assert query_parameters(values, types, ["b", "a"]) == [
        {"name": "b", "parameterType": {"type": "STRING"}, "parameterValue": {"value": "x"}},
        {"name": "a", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "1"}},
    ]
    assert [
        p["parameterValue"] for p in query_parameters(values, types, ["b", "a"], "POSITIONAL")
    ] == [
        {"value": "x"},
        {"value": "1"},
    ]
    assert all("name" not in p for p in query_parameters(values, types, ["b", "a"], "POSITIONAL"))


def test_a_parameter_without_a_value_is_named():
    with pytest.raises(InvalidConfig, match=r"input 'minutes': .* did you mean 'minute'"):
        query_parameters({"minute": 1}, {"minutes": {"type": "INT64"}})


def test_the_job_configuration_is_whole():
    static = {"name": "s", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "1"}}
    request = JobRequest(
        configuration={
            "query": {"priority": "BATCH", "queryParameters": [static]},
            "labels": {"a": "b"},
        },
        parameters={"x": {"type": "INT64"}},
        parameter_order=["x"],
    )

    made = job_configuration(request, "SELECT @x + @s", {"x": 2})

    assert made["labels"] == {"a": "b"}
    assert made["query"]["query"] == "SELECT @x + @s"
    assert made["query"]["useLegacySql"] is False
    assert made["query"]["parameterMode"] == "NAMED"
    assert [p["name"] for p in made["query"]["queryParameters"]] == ["s", "x"]
    assert request.configuration["query"]["queryParameters"] == [static], "the request was changed"


def test_legacy_sql_stays_when_it_was_asked_for():
    request = JobRequest(configuration={"query": {"useLegacySql": True}})

    assert job_configuration(request, "SELECT 1", {})["query"] == {
        "useLegacySql": True,
        "query": "SELECT 1",
    }


@settings(max_examples=200, deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_any_moment_comes_back(moment: dt.datetime):
    assert dt.datetime.fromisoformat(scalar("TIMESTAMP", moment)) == moment
    assert dt.datetime.fromisoformat(scalar("DATETIME", moment)) == moment.replace(tzinfo=None)


@settings(max_examples=200, deadline=None)
@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28
    )
)
def test_any_decimal_comes_back_without_an_exponent(number: decimal.Decimal):
    text = scalar("NUMERIC", number)

    assert decimal.Decimal(text) == number
    assert "E" not in text.upper()


@settings(max_examples=200, deadline=None)
@given(st.timedeltas())
def test_any_interval_comes_back(length: dt.timedelta):
    months, days, clock = scalar("INTERVAL", length).split(" ")
    hours, minutes, seconds = clock.lstrip("-").split(":")
    size = dt.timedelta(hours=int(hours), minutes=int(minutes)) + dt.timedelta(
        microseconds=int(decimal.Decimal(seconds) * 1_000_000)
    )

    assert months == "0-0"
    assert dt.timedelta(days=int(days)) + (-size if clock[0] == "-" else size) == length


@settings(max_examples=200, deadline=None)
@given(st.binary(), st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1), st.text())
def test_any_scalar_comes_back(raw: bytes, number: float, whole: int, text: str):
    assert base64.b64decode(scalar("BYTES", raw)) == raw
    assert float(scalar("FLOAT64", number)) == number
    assert int(scalar("INT64", whole)) == whole
    assert scalar("STRING", text) == text


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_comes_back(value: Any):
    if value is not None and not isinstance(value, str):
        assert json.loads(scalar("JSON", value)) == value


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(SCALARS)),
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.lists(st.integers())
    | st.dictionaries(st.text(), st.floats()),
)
def test_any_value_is_sent_or_refused_never_a_crash(kind: str, value: Any):
    made: dict[str, Any] = {"value": None}
    with contextlib.suppress(InvalidConfig):
        made = encode(value, {"type": kind}, "input 'x'")

    assert isinstance(made["value"], str) or made["value"] is None
