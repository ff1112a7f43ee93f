"""Python values and types as Flyte's literals and literal types, the way flytekit's author side makes them."""

from __future__ import annotations

import datetime as dt
import types
import typing
from typing import TYPE_CHECKING, Any, Union

from flyteidl.core import interface_pb2, literals_pb2, types_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_SIMPLE: Mapping[type, int] = {
    int: types_pb2.INTEGER,
    float: types_pb2.FLOAT,
    str: types_pb2.STRING,
    bool: types_pb2.BOOLEAN,
    dt.datetime: types_pb2.DATETIME,
    dt.date: types_pb2.DATETIME,
    dt.timedelta: types_pb2.DURATION,
    bytes: types_pb2.BINARY,
    dict: types_pb2.STRUCT,
    type(None): types_pb2.NONE,
}
# Names of flytekit's type transformers: what tells the variants of a union apart.
_TAGS: Mapping[int, str] = {
    types_pb2.INTEGER: "int",
    types_pb2.FLOAT: "float",
    types_pb2.STRING: "str",
    types_pb2.BOOLEAN: "bool",
    types_pb2.DATETIME: "datetime",
    types_pb2.DURATION: "timedelta",
    types_pb2.BINARY: "bytes",
    types_pb2.STRUCT: "dict",
    types_pb2.NONE: "none",
}
_NESTED_TAGS: Mapping[str, str] = {"collection_type": "Typed List", "map_value_type": "Typed Dict"}


def literal_type(kind: Any) -> types_pb2.LiteralType:
    """
    Return Flyte's type for a Python type.

    Args:
        kind: ``int``, ``float``, ``str``, ``bool``, ``datetime``, ``date``, ``timedelta``, ``bytes``, ``dict``
            (a struct), ``None``, ``list[...]``, ``dict[str, ...]``, ``Optional[...]`` and unions of these; or a
            ``LiteralType``, which is returned as it is.

    Raises:
        TypeError: There is no such rule.
    """
    if isinstance(kind, types_pb2.LiteralType):
        return kind
    kind = type(None) if kind is None else kind
    if isinstance(kind, type) and kind in _SIMPLE:
        return types_pb2.LiteralType(simple=_SIMPLE[kind])
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return types_pb2.LiteralType(collection_type=literal_type(inner[0]))
    if origin is dict:
        return types_pb2.LiteralType(map_value_type=literal_type(inner[1]))
    if origin in {Union, types.UnionType}:
        variants = [_tagged(literal_type(variant)) for variant in inner]
        return types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=variants))
    known = ", ".join(sorted(name.__name__ for name in _SIMPLE))
    raise TypeError(
        f"literal type: found {kind!r}, expected one of {known}, list[...], dict[str, ...], Optional[...] "
        "or a LiteralType; pass a LiteralType for any other"
    )


def _tagged(variant: types_pb2.LiteralType) -> types_pb2.LiteralType:
    kind = variant.WhichOneof("type") or ""
    variant.structure.tag = (
        _TAGS[variant.simple] if kind == "simple" else _NESTED_TAGS.get(kind, kind)
    )
    return variant


def literal(value: Any, declared: types_pb2.LiteralType | None = None) -> literals_pb2.Literal:
    """
    Return a Python value as a literal.

    Args:
        value: int, float, str, bool, datetime (UTC if naive), date, timedelta, bytes, ``None``, list, or dict; or
            a ``Literal``, which is returned as it is.
        declared: Its type, which decides whether a dict is a struct or a map and an int a float. Without it a
            dict is a struct.

    Raises:
        TypeError: There is no literal for such a value.
    """
    if isinstance(value, literals_pb2.Literal):
        return value
    if declared is not None and declared.HasField("union_type"):
        return _union(value, declared)
    if isinstance(value, dict) and declared is not None and declared.HasField("map_value_type"):
        items = {key: literal(item, declared.map_value_type) for key, item in value.items()}
        return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=items))
    if isinstance(value, list):
        inner = declared.collection_type if declared is not None else None
        collection = literals_pb2.LiteralCollection(
            literals=[literal(item, inner) for item in value]
        )
        return literals_pb2.Literal(collection=collection)
    if isinstance(value, int) and declared is not None and declared.simple == types_pb2.FLOAT:
        value = float(value)
    return literals_pb2.Literal(scalar=_scalar(value))


def literal_map(
    values: Mapping[str, Any], declared: Mapping[str, interface_pb2.Variable] | None = None
) -> literals_pb2.LiteralMap:
    """
    Return named Python values as Flyte passes them to a task.

    Args:
        values: Name -> value; see :func:`literal`.
        declared: Name -> variable of the task's interface; a value without one is guessed.
    """
    kinds = {name: variable.type for name, variable in (declared or {}).items()}
    literals = {name: literal(value, kinds.get(name)) for name, value in values.items()}
    return literals_pb2.LiteralMap(literals=literals)


def _union(value: Any, declared: types_pb2.LiteralType) -> literals_pb2.Literal:
    variants = declared.union_type.variants
    fitting = [kind for kind in variants if _is_none(kind) == (value is None)]
    if not fitting:
        raise TypeError(f"literal: found {value!r}, expected a variant of {declared.union_type}")
    simple = _SIMPLE.get(type(value))
    chosen = next((kind for kind in fitting if kind.simple == simple), fitting[0])
    made = literals_pb2.Union(value=literal(value, chosen), type=chosen)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=made))


def _is_none(kind: types_pb2.LiteralType) -> bool:
    return bool(kind.WhichOneof("type") == "simple" and kind.simple == types_pb2.NONE)


def _scalar(value: Any) -> literals_pb2.Scalar:
    if value is None:
        return literals_pb2.Scalar(none_type=literals_pb2.Void())
    for kind, primitive in _PRIMITIVES:
        if isinstance(value, kind):
            return literals_pb2.Scalar(primitive=primitive(value))
    if isinstance(value, (bytes, dict)):
        import msgpack  # comes with flytekit, whose encoding this is

        packed = literals_pb2.Binary(value=msgpack.packb(value), tag="msgpack")
        return literals_pb2.Scalar(binary=packed)
    raise TypeError(
        f"literal: found {type(value).__name__}, expected int, float, str, bool, datetime, date, timedelta, bytes, "
        "None, list or dict; pass a Literal for any other"
    )


def _moment(value: dt.date) -> literals_pb2.Primitive:
    if not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.timezone.utc)
    elif value.tzinfo is None:
        value = value.replace(tzinfo=dt.timezone.utc)
    primitive = literals_pb2.Primitive()
    seconds, rest = divmod(value - _EPOCH, dt.timedelta(seconds=1))
    primitive.datetime.seconds, primitive.datetime.nanos = seconds, rest.microseconds * 1000
    return primitive


def _duration(value: dt.timedelta) -> literals_pb2.Primitive:
    primitive = literals_pb2.Primitive()
    primitive.duration.FromTimedelta(value)
    return primitive


# A bool is an int and a datetime a date: the narrower ones come first.
_PRIMITIVES: tuple[tuple[type, Callable[[Any], literals_pb2.Primitive]], ...] = (
    (bool, lambda value: literals_pb2.Primitive(boolean=value)),
    (int, lambda value: literals_pb2.Primitive(integer=value)),
    (float, lambda value: literals_pb2.Primitive(float_value=value)),
    (str, lambda value: literals_pb2.Primitive(string_value=value)),
    (dt.date, _moment),
    (dt.timedelta, _duration),
)
