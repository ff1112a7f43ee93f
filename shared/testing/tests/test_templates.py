"""Templates, literals and requests as flytekit and propeller make them."""

from __future__ import annotations

import datetime as dt
from typing import Optional, Union

import pytest
from flyteidl.core import literals_pb2, types_pb2
from google.protobuf.json_format import MessageToDict

from flyte_agent_core.inputs import decode_inputs
from flyte_agent_testing.literals import literal, literal_map, literal_type
from flyte_agent_testing.templates import (
    attempt_metadata,
    create_request,
    encode_inputs,
    output_prefix,
    task_template,
)

UTC = dt.timezone.utc


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (3, int),
        (2.5, float),
        ("ü", str),
        (True, bool),
        (dt.datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC), dt.datetime),
        (dt.datetime(1950, 1, 1, 0, 0, 0, 1, tzinfo=UTC), dt.datetime),
        (dt.timedelta(days=-2, microseconds=5), dt.timedelta),
        (b"\x00\xff", bytes),
        (None, None),
        ([1, 2], list[int]),
        ([], list[str]),
        ({"a": 1}, dict[str, int]),
        ({"a": [1, {"b": None}]}, dict),
        ([{"a": 1.5}], list[dict[str, float]]),
        (None, Optional[int]),
        (7, Optional[int]),
        ("x", Union[str, None]),
        (7, int | None),
    ],
)
def test_values_arrive_as_they_were(value, kind):
    template = task_template("t", inputs={"x": kind})

    literals = encode_inputs(template, {"x": value})

    assert decode_inputs(literals) == {"x": value}
    assert type(decode_inputs(literals)["x"]) is type(value)


def test_dates_and_naive_datetimes_are_utc():
    literals = literal_map({"d": dt.date(2024, 1, 2), "t": dt.datetime(2024, 1, 2, 3)})

    assert decode_inputs(literals) == {
        "d": dt.datetime(2024, 1, 2, tzinfo=UTC),
        "t": dt.datetime(2024, 1, 2, 3, tzinfo=UTC),
    }


def test_an_int_given_to_a_float_is_a_float():
    literals = literal_map(
        {"x": 1}, task_template("t", inputs={"x": float}).interface.inputs.variables
    )

    assert literals.literals["x"].scalar.primitive.WhichOneof("value") == "float_value"


def test_literals_and_types_are_passed_through():
    kind = types_pb2.LiteralType(simple=types_pb2.INTEGER)
    value = literals_pb2.Literal(hash="h")

    assert literal_type(kind) is kind
    assert literal(value) is value
    given = literals_pb2.LiteralMap(literals={"x": value})
    assert encode_inputs(task_template("t"), given) is given


def test_unions_are_tagged_as_flytekit_does():
    variants = literal_type(Optional[int]).union_type.variants

    assert [variant.structure.tag for variant in variants] == ["int", "none"]
    assert literal_type(Optional[list[int]]).union_type.variants[0].structure.tag == "Typed List"
    blob = types_pb2.LiteralType(blob=types_pb2.BlobType())
    assert literal_type(Union[str, None]).union_type.variants[0].structure.tag == "str"
    assert literal({"a": 1}, literal_type(Optional[dict[str, int]])).scalar.union.value.HasField(
        "map"
    )
    text = literal("x", literal_type(Union[int, str]))
    assert text.scalar.union.type.structure.tag == "str"
    assert literal_type(blob) is blob


def test_what_has_no_rule_is_named():
    with pytest.raises(
        TypeError, match=r"literal type: found <class 'object'>, expected one of NoneType, bool"
    ):
        literal_type(object)
    with pytest.raises(TypeError, match="literal: found object, expected int, float"):
        literal(object())
    with pytest.raises(TypeError, match="literal: found None, expected a variant of"):
        literal(None, literal_type(Union[int, str]))


def test_a_template_says_everything_in_one_call():
    template = task_template(
        "bigquery_job",
        name="wf.count",
        custom={"kind": "query", "max_rows": 3},
        sql="SELECT 1 -- one\n",
        inputs={"n": int},
        outputs={"rows": list[int]},
        retries=2,
        timeout_s=1.5,
        secrets=("sa-key",),
        config={"a": "b"},
        task_type_version=1,
    )

    assert (template.type, template.task_type_version, template.id.name) == (
        "bigquery_job",
        1,
        "wf.count",
    )
    assert MessageToDict(template.custom) == {"kind": "query", "max_rows": 3.0}
    assert template.sql.statement == "SELECT 1 -- one\n"
    assert template.metadata.retries.retries == 2
    assert template.metadata.timeout.ToMilliseconds() == 1500
    assert [secret.key for secret in template.security_context.secrets] == ["sa-key"]
    assert template.config == {"a": "b"}
    assert (
        template.interface.outputs.variables["rows"].type.collection_type.simple
        == types_pb2.INTEGER
    )


def test_what_is_not_said_is_not_set():
    template = task_template("t")

    assert not template.HasField("custom")
    assert not template.HasField("sql")


def test_a_request_is_complete_by_default():
    request = create_request(task_template("t", inputs={"n": int}), {"n": 1})

    assert request.output_prefix.endswith("/flytesnacks-development-f0000000000000000000/n0/data/0")
    assert request.inputs.literals["n"].scalar.primitive.integer == 1
    assert request.task_execution_metadata.namespace == "flytesnacks-development"
    assert set(request.task_execution_metadata.labels) == {
        "execution-id", "project", "domain", "workflow-name", "node-id", "task-name", "interruptible"
    }  # fmt: skip


def test_nodes_of_two_sub_workflows_differ_only_in_their_prefix():
    template = task_template("t")
    prefixes = [output_prefix(node_path=f"n{n}/data/0/n0", root="/m") for n in (1, 2)]

    requests = [
        create_request(template, metadata=attempt_metadata(template), prefix=prefix)
        for prefix in prefixes
    ]

    assert requests[0].task_execution_metadata == requests[1].task_execution_metadata
    assert (
        prefixes[1]
        == "/m/propeller/flytesnacks-development-f0000000000000000000/n2/data/0/n0/data/0"
    )
