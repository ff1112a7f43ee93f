"""Inputs and outputs: what flytekit encodes we decode, and the other way round."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from dataclasses import dataclass
from typing import Dict, List, Optional, Union  # noqa: UP035  # as authors write them

import pytest
from flyteidl.core import literals_pb2, types_pb2
from flytekit import FlyteContextManager, StructuredDataset
from flytekit.core.type_engine import TypeEngine
from flytekit.models.literals import Literal

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import FileRef, decode, decode_inputs
from flyte_agent_core.outputs import DatasetRef, OutputSpec, OutputTypeError, kind_of, to_literal

UTC = dt.timezone.utc


@dataclass
class Row:
    name: str
    when: dt.datetime
    price: decimal.Decimal
    count: Optional[int] = None


class Colour(enum.Enum):
    RED = "red"


VALUES = [
    (int, 5),
    (int, -(2**62)),
    (float, 1.5),
    (str, "naïve ☃\n"),
    (bool, True),
    (dt.datetime, dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)),
    (dt.timedelta, dt.timedelta(days=-2, microseconds=5)),
    (List[int], [1, 2]),
    (List[int], []),
    (Dict[str, float], {"a": 0.5}),
    (List[List[str]], [["x"], []]),
    (Optional[int], None),
    (Optional[int], 7),
    (Optional[str], "x"),
    (Union[int, str], "x"),
    (dict, {"a": [1, {"b": None}]}),
]


def literal_of(value: object, python_type: type) -> literals_pb2.Literal:
    ctx = FlyteContextManager.current_context()
    declared = TypeEngine.to_literal_type(python_type)
    return TypeEngine.to_literal(ctx, value, python_type, declared).to_flyte_idl()


@pytest.mark.parametrize(("python_type", "value"), VALUES, ids=str)
def test_inputs_decode_what_flytekit_encodes(python_type, value):
    assert decode(literal_of(value, python_type)) == value


@pytest.mark.parametrize(("python_type", "value"), VALUES, ids=str)
def test_outputs_are_read_back_by_flytekit(python_type, value):
    kind = kind_of(TypeEngine.to_literal_type(python_type).to_flyte_idl())
    literal = Literal.from_flyte_idl(to_literal(value, kind))
    ctx = FlyteContextManager.current_context()
    assert TypeEngine.to_python_value(ctx, literal, python_type) == value


def test_a_dataclass_row_is_read_back_by_flytekit():
    row = {
        "name": "a",
        "when": dt.datetime(2024, 1, 2, tzinfo=UTC),
        "price": decimal.Decimal("1.10"),
    }
    kind = kind_of(TypeEngine.to_literal_type(List[Row]).to_flyte_idl())
    literal = Literal.from_flyte_idl(to_literal([row], kind))
    ctx = FlyteContextManager.current_context()
    assert TypeEngine.to_python_value(ctx, literal, List[Row]) == [Row(**row)]


def test_a_dataclass_input_is_a_dict():
    row = Row("a", dt.datetime(2024, 1, 2, tzinfo=UTC), decimal.Decimal("1.10"))
    assert decode(literal_of(row, Row))["name"] == "a"


def test_a_date_is_a_midnight_datetime():
    when = decode(literal_of(dt.date(2024, 2, 29), dt.date))
    assert when == dt.datetime(2024, 2, 29, tzinfo=UTC)
    assert decode(to_literal(dt.date(2024, 2, 29), "datetime")) == when


def test_an_enum_is_its_text():
    assert decode(literal_of(Colour.RED, Colour)) == "red"
    assert kind_of(TypeEngine.to_literal_type(Colour).to_flyte_idl()) == "str"


def test_a_dataset_keeps_its_place():
    literal = to_literal(DatasetRef("bq://p:d.t"), "dataset")
    ctx = FlyteContextManager.current_context()
    read = TypeEngine.to_python_value(ctx, Literal.from_flyte_idl(literal), StructuredDataset)
    assert read._literal_sd.uri == "bq://p:d.t"
    assert decode(literal) == FileRef("bq://p:d.t")


def test_files_are_their_uri():
    blob = literals_pb2.Blob(uri="s3://b/k")
    blob.metadata.type.format = "csv"
    ref = decode(literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=blob)))
    assert (ref, ref.uri, ref.file_format) == ("s3://b/k", "s3://b/k", "csv")
    schema = literals_pb2.Schema(uri="s3://b/s")
    assert decode(literals_pb2.Literal(scalar=literals_pb2.Scalar(schema=schema))) == "s3://b/s"


@pytest.mark.parametrize(
    "literal",
    [
        literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=literals_pb2.Binary(value=b"\x80\x04", tag="pickle"))),
        literals_pb2.Literal(scalar=literals_pb2.Scalar(error=types_pb2.Error(message="x"))),
        literals_pb2.Literal(offloaded_metadata=literals_pb2.LiteralOffloadedMetadata(uri="s3://b/o")),
    ],
    ids=["pickle", "error", "offloaded"],
)  # fmt: skip
def test_what_cannot_be_an_input_is_named(literal):
    with pytest.raises(InvalidConfig, match="input 'x': "):
        decode_inputs(literals_pb2.LiteralMap(literals={"x": literal}))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("5", "int"), (1.5, "int"), (True, "int"), ("1", "float"), (5, "str"), (1, "bool"),
        ("now", "datetime"), (5, "duration"), ("x", "struct"), ({}, ["list", "int"]),
        ([1, "x"], ["list", "int"]), ([], ["map", "int"]), ({"a": "x"}, ["map", "int"]),
        ("x", ["union", ["int", "int"], ["none", "none"]]), ("x", "blob"), (1, "none"), (1, "dataset"),
    ],
    ids=str,
)  # fmt: skip
def test_an_output_of_another_type_is_named(value, kind):
    with pytest.raises(OutputTypeError, match="output 'x'"):
        OutputSpec({"x": kind}).literal_map({"x": value})


def test_a_missing_output_is_named():
    with pytest.raises(OutputTypeError, match="'x' was declared but not produced"):
        OutputSpec({"x": "int"}).literal_map({})


def test_the_spec_survives_the_metadata():
    spec = OutputSpec({"x": ["union", ["int", "int"], ["none", "none"]], "y": ["list", "struct"]})
    assert OutputSpec.decode(spec.encode()) == spec
    assert spec.names == ("x", "y")
    assert OutputSpec.decode(None).names == ()


def test_nested_unions_keep_their_types():
    kind = kind_of(
        TypeEngine.to_literal_type(Union[List[int], Dict[str, int], None]).to_flyte_idl()
    )
    for value in ([1], {"a": 1}, None):
        assert decode(to_literal(value, kind)) == value
