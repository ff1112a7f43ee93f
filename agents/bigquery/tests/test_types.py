"""Every BigQuery type from Python's and from Flyte's types, and how flytekit carries the values."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import typing
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union

import pytest
from flyteidl.core import types_pb2
from flytekit import FlyteContextManager, StructuredDataset
from flytekit.core.type_engine import TypeEngine, TypeTransformerFailedError
from flytekit.types.file import FlyteFile

from flyte_agent_bigquery.types import (
    ANNOTATED_TYPES,
    DEFAULT_TYPES,
    BigQueryType,
    rest_type,
    type_text,
)
from flyte_agent_bigquery.types_literal import SIMPLE_TYPES, interface_types, literal_rest_type
from flyte_agent_bigquery.types_transformers import TRANSFORMERS, register_transformers
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import decode

register_transformers()


@dataclasses.dataclass
class Place:
    lat: float
    lon: float


@dataclasses.dataclass
class Trip:
    start: Place
    stops: typing.List[Place]
    fare: Annotated[decimal.Decimal, BigQueryType("BIGNUMERIC")]
    tags: Optional[typing.List[str]] = None


@dataclasses.dataclass
class Node:
    children: typing.List[Node]


@dataclasses.dataclass
class Nothing:
    pass


@dataclasses.dataclass
class Lost:
    field: NoSuchType  # noqa: F821  # a name that cannot be found


class Colour(enum.Enum):
    RED = "red"


class Number(enum.Enum):
    ONE = 1


class Pair(NamedTuple):
    a: int


PLACE = "STRUCT<lat FLOAT64, lon FLOAT64>"

TYPES: dict[Any, str] = {
    bool: "BOOL",
    int: "INT64",
    float: "FLOAT64",
    str: "STRING",
    bytes: "BYTES",
    dt.datetime: "TIMESTAMP",
    dt.date: "DATE",
    dt.time: "TIME",
    dt.timedelta: "INTERVAL",
    decimal.Decimal: "NUMERIC",
    dict: "JSON",
    typing.Dict[str, int]: "JSON",
    dict[str, Any]: "JSON",
    Annotated[dt.datetime, BigQueryType("DATETIME")]: "DATETIME",
    Annotated[decimal.Decimal, BigQueryType("BIGNUMERIC")]: "BIGNUMERIC",
    Annotated[str, BigQueryType("GEOGRAPHY")]: "GEOGRAPHY",
    Annotated[str, BigQueryType("range<date>")]: "RANGE<DATE>",
    Annotated[str, BigQueryType("RANGE<DATETIME>")]: "RANGE<DATETIME>",
    Annotated[str, BigQueryType("RANGE< TIMESTAMP >")]: "RANGE<TIMESTAMP>",
    Annotated[list[list[int]], BigQueryType("JSON")]: "JSON",
    Annotated[int, BigQueryType("decimal")]: "NUMERIC",
    Annotated[int, "somebody else's note"]: "INT64",
    Optional[int]: "INT64",
    int | None: "INT64",
    Annotated[Optional[dt.datetime], BigQueryType("DATETIME")]: "DATETIME",
    Optional[Annotated[str, BigQueryType("JSON")]]: "JSON",
    Literal["a", "b"]: "STRING",
    Literal[1, 2]: "INT64",
    Colour: "STRING",
    list[int]: "ARRAY<INT64>",
    typing.List[Optional[str]]: "ARRAY<STRING>",
    list[Annotated[dt.datetime, BigQueryType("DATETIME")]]: "ARRAY<DATETIME>",
    list[Place]: f"ARRAY<{PLACE}>",
    list[dict]: "ARRAY<JSON>",
    Place: PLACE,
    Trip: f"STRUCT<start {PLACE}, stops ARRAY<{PLACE}>, fare BIGNUMERIC, tags ARRAY<STRING>>",
}


@pytest.mark.parametrize(("hint", "text"), TYPES.items(), ids=str)
def test_python_type_becomes_its_bigquery_type(hint: Any, text: str):
    assert type_text(rest_type(hint)) == text


def test_every_bigquery_type_is_reached():
    """A type added to the tables without a case above fails here."""
    assert set(DEFAULT_TYPES.values()) <= set(ANNOTATED_TYPES)
    assert set(ANNOTATED_TYPES) <= set(TYPES.values())


@pytest.mark.parametrize("name", ANNOTATED_TYPES)
def test_every_type_can_be_named_on_each_of_its_python_types(name: str):
    for base in ANNOTATED_TYPES[name]:
        hint: Any = list[int] if base is list else base
        assert type_text(rest_type(Annotated[hint, BigQueryType(name)])) == name


def test_the_rest_form_nests():
    assert rest_type(list[Place]) == {
        "type": "ARRAY",
        "arrayType": {
            "type": "STRUCT",
            "structTypes": [
                {"name": "lat", "type": {"type": "FLOAT64"}},
                {"name": "lon", "type": {"type": "FLOAT64"}},
            ],
        },
    }
    assert rest_type(Annotated[str, BigQueryType("RANGE<DATE>")]) == {
        "type": "RANGE",
        "rangeElementType": {"type": "DATE"},
    }


REFUSED: dict[Any, str] = {
    list: "write e.g. list[int]",
    list[list[int]]: "Wrap the inner list in a dataclass",
    list[typing.List[typing.List[int]]]: "no ARRAY of ARRAY",
    tuple[int, str]: "expected list[T]",
    set: "expected list[T]",
    object: "has no BigQuery type",
    Pair: "has no BigQuery type",
    "int": "has no BigQuery type",
    Union[int, str]: "Declare one input for each type",
    Annotated[int, BigQueryType("DATE")]: "found int annotated DATE, expected date or str",
    Annotated[list[int], BigQueryType("INT64")]: "annotate the element",
    Number: "Give the members string values",
    Literal["a", 1]: "strings or of numbers only",
    Nothing: "has no fields",
    Node: "contains itself",
    Lost: "at the top level of the module",
    StructuredDataset: "a query parameter is a value, not a table",
    FlyteFile: "BigQueryJobTask with a LoadConfig",
}


@pytest.mark.parametrize(("hint", "says"), REFUSED.items(), ids=str)
def test_other_types_are_refused_by_name_and_with_a_repair(hint: Any, says: str):
    with pytest.raises(InvalidConfig, match="input 'x'") as caught:
        rest_type(hint, "input 'x'")

    assert says in str(caught.value)


def test_a_field_deep_inside_is_named():
    bad = dataclasses.make_dataclass(
        "Bad", [("inner", dataclasses.make_dataclass("In", [("x", set)]))]
    )

    with pytest.raises(InvalidConfig, match=r"input 'x', field Bad.inner, field In.x: found set"):
        rest_type(bad, "input 'x'")


@pytest.mark.parametrize(
    ("name", "says"), [("DATETIM", "Did you mean 'DATETIME'"), ("XML", "one of")]
)
def test_an_unknown_type_name_is_refused_where_it_is_written(name: str, says: str):
    with pytest.raises(InvalidConfig, match=says):
        BigQueryType(name)


LITERAL_TYPES = {
    int: "INT64",
    float: "FLOAT64",
    str: "STRING",
    bool: "BOOL",
    dt.datetime: "DATETIME",
    dt.timedelta: "INTERVAL",
    dict: "JSON",
    Place: "JSON",
    dict[str, int]: "JSON",
    Colour: "STRING",
    list[int]: "ARRAY<INT64>",
    Optional[int]: "INT64",
    Optional[list[str]]: "ARRAY<STRING>",
    list[Optional[float]]: "ARRAY<FLOAT64>",
}


@pytest.mark.parametrize(("hint", "text"), LITERAL_TYPES.items(), ids=str)
def test_a_stock_task_has_the_type_that_flyte_knows(hint: Any, text: str):
    declared = TypeEngine.to_literal_type(hint).to_flyte_idl()

    assert type_text(literal_rest_type(declared)) == text


def test_every_simple_type_but_none_is_known():
    """NONE is no type of a value; ERROR is Flyte's own."""
    assert set(SIMPLE_TYPES) == set(types_pb2.SimpleType.values()) - {
        types_pb2.NONE,
        types_pb2.ERROR,
    }


@pytest.mark.parametrize("hint", [StructuredDataset, FlyteFile, list[list[int]], Union[int, str]])
def test_a_stock_input_without_a_bigquery_type_is_named(hint: Any):
    declared = TypeEngine.to_literal_type(hint).to_flyte_idl()

    with pytest.raises(InvalidConfig, match="input 'x'"):
        interface_types({"x": _variable(declared)})


def _variable(declared: types_pb2.LiteralType) -> Any:
    from flyteidl.core.interface_pb2 import Variable

    return Variable(type=declared)


VALUES: list[tuple[Any, Any]] = [
    (decimal.Decimal, decimal.Decimal("-1234567890.0123456789")),
    (decimal.Decimal, decimal.Decimal("1E+3")),
    (dt.time, dt.time(23, 59, 59, 999999)),
    (bytes, b"\x00\xff pickle"),
    (bytes, b""),
    (Optional[bytes], None),
    (Optional[decimal.Decimal], decimal.Decimal(0)),
    (list[dt.time], [dt.time(1), dt.time(2)]),
    (dict[str, decimal.Decimal], {"a": decimal.Decimal("0.1")}),
]


@pytest.mark.parametrize(("hint", "value"), VALUES, ids=str)
def test_values_without_a_flyte_type_travel_as_text_and_come_back(hint: Any, value: Any):
    context = FlyteContextManager.current_context()
    declared = TypeEngine.to_literal_type(hint)

    literal = TypeEngine.to_literal(context, value, hint, declared)

    assert "blob" not in str(literal.to_flyte_idl()), "a pickle"
    assert TypeEngine.to_python_value(context, literal, hint) == value


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
        (dt.time, "13:45:00", dt.time(13, 45)),
    ],
)
def test_what_is_typed_on_the_command_line_is_read(kind: type, typed: str, value: Any):
    context = FlyteContextManager.current_context()
    literal = TypeEngine.to_literal(context, typed, kind, TypeEngine.to_literal_type(kind))

    assert TypeEngine.to_python_value(context, literal, kind) == value


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (decimal.Decimal, "ten"),
        (decimal.Decimal, 1.5),
        (decimal.Decimal, decimal.Decimal("NaN")),
        (dt.time, "25:00"),
        (bytes, "dGV4dA=="),
    ],
)
def test_a_value_of_another_kind_is_refused(kind: type, wrong: Any):
    transformer = TypeEngine.get_transformer(kind)

    with pytest.raises(TypeTransformerFailedError, match=r"found .* expected"):
        transformer.to_literal(
            FlyteContextManager.current_context(), wrong, kind, TypeEngine.to_literal_type(kind)
        )


def test_a_pickle_from_a_module_without_this_package_is_explained():
    from flytekit.models.core.types import BlobType
    from flytekit.models.literals import Blob, BlobMetadata, Scalar
    from flytekit.models.literals import Literal as FlyteLiteral

    kind = BlobType("PythonPickle", BlobType.BlobDimensionality.SINGLE)
    pickled = FlyteLiteral(scalar=Scalar(blob=Blob(BlobMetadata(kind), "s3://b/x")))

    with pytest.raises(TypeTransformerFailedError, match="import flyte_agent_bigquery"):
        TypeEngine.get_transformer(bytes).to_python_value(
            FlyteContextManager.current_context(), pickled, bytes
        )


def test_a_dataclass_field_is_read_as_its_type():
    """flytekit keeps ``trip.fare`` as a piece of the dataclass's msgpack."""
    import msgpack
    from flytekit.models.literals import Binary, Scalar
    from flytekit.models.literals import Literal as FlyteLiteral

    context = FlyteContextManager.current_context()
    for packed, kind, value in (
        ("1.5", decimal.Decimal, decimal.Decimal("1.5")),
        (b"x", bytes, b"x"),
    ):
        literal = FlyteLiteral(scalar=Scalar(binary=Binary(msgpack.packb(packed), tag="msgpack")))
        assert TypeEngine.to_python_value(context, literal, kind) == value


def test_text_stays_text():
    """Our transformers are STRING too, and must not be what flytekit guesses for it."""
    for transformer in TRANSFORMERS:
        with pytest.raises(ValueError, match="not what"):
            transformer.guess_python_type(TypeEngine.to_literal_type(str))
    assert TypeEngine.guess_python_type(TypeEngine.to_literal_type(str)) is str


def test_somebody_elses_transformer_is_kept():
    before = TypeEngine.get_transformer(bytes)
    register_transformers()

    assert TypeEngine.get_transformer(bytes) is before


def test_the_agent_decodes_what_flytekit_sends():
    """The other end of the wire: plain values, from literals alone."""
    context = FlyteContextManager.current_context()
    for hint, value, seen in (
        (decimal.Decimal, decimal.Decimal("1.5"), "1.5"),
        (dt.time, dt.time(1, 2), "01:02:00"),
        (bytes, b"\xff", "/w=="),
        (dt.date, dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc)),
    ):
        literal = TypeEngine.to_literal(context, value, hint, TypeEngine.to_literal_type(hint))
        assert decode(literal.to_flyte_idl()) == seen
