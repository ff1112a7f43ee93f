"""
BigQuery types of a task that only Flyte's own types describe.

Tasks of flytekit's stock plugin (``bigquery_query_job_task``) carry no parameter types, only
Flyte's literal types, which know less: a ``date`` and a ``datetime`` are both DATETIME there, a
dataclass is a struct without field types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl.core import types_pb2

from flyte_agent_core.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.interface_pb2 import Variable
    from flyteidl.core.types_pb2 import LiteralType

    from .types import RestType

SIMPLE_TYPES: Mapping[int, str] = {
    types_pb2.INTEGER: "INT64",
    types_pb2.FLOAT: "FLOAT64",
    types_pb2.STRING: "STRING",
    types_pb2.BOOLEAN: "BOOL",
    # The stock plugin sends DATETIME. BigQuery does not compare a TIMESTAMP with a DATETIME
    # column, so anything else would break the queries that are registered and work today.
    types_pb2.DATETIME: "DATETIME",
    types_pb2.DURATION: "INTERVAL",
    types_pb2.BINARY: "BYTES",
    types_pb2.STRUCT: "JSON",
}
"""Flyte's simple types; the stock plugin fails on the last three, so they are free to mean this."""


def interface_types(variables: Mapping[str, Variable]) -> dict[str, RestType]:
    """
    Return the parameter types of a task's declared inputs, by name.

    Raises:
        InvalidConfig: An input is of a kind that BigQuery has no value for; it is named.
    """
    return {name: literal_rest_type(v.type, f"input {name!r}") for name, v in variables.items()}


def literal_rest_type(declared: LiteralType, where: str = "type") -> RestType:
    """
    Return the BigQuery type for one Flyte literal type.

    Raises:
        InvalidConfig: BigQuery has no such type.
    """
    kind = declared.WhichOneof("type")
    if kind == "simple" and declared.simple in SIMPLE_TYPES:
        return {"type": SIMPLE_TYPES[declared.simple]}
    if kind == "collection_type":
        return _array(declared.collection_type, where)
    if kind == "map_value_type":
        return {"type": "JSON"}
    if kind == "enum_type":
        return {"type": "STRING"}
    variants = [v for v in declared.union_type.variants if v.simple != types_pb2.NONE or _typed(v)]
    if len(variants) == 1:
        return literal_rest_type(variants[0], where)
    raise InvalidConfig(
        f"{where}: found a Flyte type of kind {kind!r}, which has no BigQuery type. Expected a "
        "number, text, bool, datetime, duration, list, dict or Optional of one of these. "
        "Name tables and files in the SQL instead."
    )


def _typed(variant: LiteralType) -> bool:
    """NONE is number 0, so an unset ``simple`` looks like it."""
    return str(variant.WhichOneof("type")) != "simple"


def _array(inner: LiteralType, where: str) -> RestType:
    element = literal_rest_type(inner, where)
    if element["type"] == "ARRAY":
        raise InvalidConfig(
            f"{where}: found a list of lists, but BigQuery has no ARRAY of ARRAY. "
            "Pass a dict, which is sent as JSON."
        )
    return {"type": "ARRAY", "arrayType": element}
