"""
Typed outputs as Flyte's literals, from the types the task declared.

``get`` is called without the task's template, so what it must know of the declared outputs travels
in the metadata, in a compact form: ``"int"``, ``["list", "str"]``, ``["map", "float"]``,
``["union", [tag, type], …]``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from flyteidl.core import literals_pb2, types_pb2

from ._flyte import LiteralMap
from .errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyteidl.core.interface_pb2 import TypedInterface

Kind: TypeAlias = "str | list[Any]"

_SIMPLE: Mapping[int, str] = {
    types_pb2.NONE: "none",
    types_pb2.INTEGER: "int",
    types_pb2.FLOAT: "float",
    types_pb2.STRING: "str",
    types_pb2.BOOLEAN: "bool",
    types_pb2.DATETIME: "datetime",
    types_pb2.DURATION: "duration",
    types_pb2.BINARY: "binary",
    types_pb2.STRUCT: "struct",
}


class OutputTypeError(TaskError):
    """A value does not fit the type the task declared for it."""

    default_code = "AGENT.OUTPUT_TYPE"


@dataclasses.dataclass(frozen=True)
class DatasetRef:
    """A dataset that stays where it is; ``uri`` is what the reader opens."""

    uri: str
    format: str = ""


@dataclasses.dataclass(frozen=True)
class OutputSpec:
    """Names and types of a task's declared outputs."""

    kinds: dict[str, Kind]

    @classmethod
    def of(cls, interface: TypedInterface) -> OutputSpec:
        """Return the outputs a task template declares."""
        return cls({n: kind_of(v.type) for n, v in interface.outputs.variables.items()})

    def encode(self) -> dict[str, Kind]:
        """Return JSON for the metadata."""
        return dict(self.kinds)

    @classmethod
    def decode(cls, value: Mapping[str, Kind] | None) -> OutputSpec:
        """Return what :meth:`encode` made."""
        return cls(dict(value or {}))

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names in declaration order."""
        return tuple(self.kinds)

    def literal_map(self, values: Mapping[str, Any]) -> LiteralMap:
        """
        Return ``values`` as literals of the declared types.

        Raises:
            OutputTypeError: A value is missing or does not fit; the message names the output.
        """
        made = literals_pb2.LiteralMap()
        for name, kind in self.kinds.items():
            if name not in values:
                raise OutputTypeError(f"output {name!r} was declared but not produced")
            made.literals[name].CopyFrom(to_literal(values[name], kind, f"output {name!r}"))
        return LiteralMap.from_flyte_idl(made)


def kind_of(declared: types_pb2.LiteralType) -> Kind:
    """Return the compact form of a declared type."""
    which = declared.WhichOneof("type")
    if which == "simple":
        return _SIMPLE.get(declared.simple, "str")
    if which == "collection_type":
        return ["list", kind_of(declared.collection_type)]
    if which == "map_value_type":
        return ["map", kind_of(declared.map_value_type)]
    if which == "union_type":
        return ["union", *([v.structure.tag, kind_of(v)] for v in declared.union_type.variants)]
    return {"structured_dataset_type": "dataset", "schema": "dataset", "enum_type": "str"}.get(
        which or "", which or "none"
    )


def to_literal(value: Any, kind: Kind, where: str = "value") -> literals_pb2.Literal:
    """
    Return ``value`` as a literal of ``kind``.

    Raises:
        OutputTypeError: It does not fit; the message says where, what was found and what was
            declared.
    """
    if isinstance(kind, list):
        return _COMPOSED[kind[0]](value, kind[1:], where)
    maker = _MAKERS.get(kind)
    if maker is None:
        raise OutputTypeError(f"{where}: an agent cannot make an output of type {kind!r}")
    try:
        return maker(value)
    except (TypeError, ValueError, AttributeError, OverflowError):
        raise OutputTypeError(
            f"{where}: found {type(value).__name__} {str(value)[:80]!r}, declared as {kind}. "
            "Change the declared type, or the query so that it returns this type."
        ) from None


def _list(value: Any, kinds: list[Any], where: str) -> literals_pb2.Literal:
    if not isinstance(value, (list, tuple)):
        raise OutputTypeError(f"{where}: found {type(value).__name__}, declared as a list")
    items = [to_literal(item, kinds[0], f"{where}[{n}]") for n, item in enumerate(value)]
    return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))


def _map(value: Any, kinds: list[Any], where: str) -> literals_pb2.Literal:
    if not isinstance(value, dict):
        raise OutputTypeError(f"{where}: found {type(value).__name__}, declared as a dict")
    items = {str(k): to_literal(item, kinds[0], f"{where}[{k!r}]") for k, item in value.items()}
    return literals_pb2.Literal(map=literals_pb2.LiteralMap(literals=items))


def _union(value: Any, variants: list[Any], where: str) -> literals_pb2.Literal:
    for tag, kind in variants:
        if (value is None) != (kind == "none"):
            continue
        try:
            made = to_literal(value, kind, where)
        except OutputTypeError:
            continue
        stored = _literal_type(kind)
        stored.structure.tag = tag
        union = literals_pb2.Union(value=made, type=stored)
        return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=union))
    declared = " | ".join(str(kind) for _, kind in variants)
    raise OutputTypeError(
        f"{where}: found {type(value).__name__} {str(value)[:80]!r}, declared as {declared}"
    )


_COMPOSED: Mapping[str, Callable[[Any, list[Any], str], literals_pb2.Literal]] = {
    "list": _list,
    "map": _map,
    "union": _union,
}


def _literal_type(kind: Kind) -> types_pb2.LiteralType:
    if isinstance(kind, list):
        inner = _literal_type(kind[1]) if kind[0] != "union" else None
        if kind[0] == "list":
            return types_pb2.LiteralType(collection_type=inner)
        if kind[0] == "map":
            return types_pb2.LiteralType(map_value_type=inner)
        variants = [_literal_type(variant) for _, variant in kind[1:]]
        return types_pb2.LiteralType(union_type=types_pb2.UnionType(variants=variants))
    if kind == "dataset":
        return types_pb2.LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType())
    simple = {name: number for number, name in _SIMPLE.items()}
    return types_pb2.LiteralType(simple=simple.get(kind, types_pb2.STRING))


def _primitive(**value: Any) -> literals_pb2.Literal:
    return literals_pb2.Literal(
        scalar=literals_pb2.Scalar(primitive=literals_pb2.Primitive(**value))
    )


def _int(value: Any) -> literals_pb2.Literal:
    if isinstance(value, bool) or int(value) != value:
        raise TypeError
    return _primitive(integer=int(value))


def _float(value: Any) -> literals_pb2.Literal:
    if isinstance(value, (bool, str)):
        raise TypeError
    return _primitive(float_value=float(value))


def _str(value: Any) -> literals_pb2.Literal:
    text = plain(value)
    if not isinstance(text, str):
        raise TypeError
    return _primitive(string_value=text)


def _bool(value: Any) -> literals_pb2.Literal:
    if not isinstance(value, bool):
        raise TypeError
    return _primitive(boolean=value)


def _datetime(value: Any) -> literals_pb2.Literal:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        value = dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001  # made UTC below
    utc = value.replace(tzinfo=dt.timezone.utc) if value.tzinfo is None else value
    made = _primitive()
    made.scalar.primitive.datetime.FromDatetime(utc)
    return made


def _duration(value: Any) -> literals_pb2.Literal:
    made = _primitive()
    made.scalar.primitive.duration.FromTimedelta(value)
    return made


def _binary(value: Any) -> literals_pb2.Literal:
    import msgpack

    packed = msgpack.packb(value if isinstance(value, bytes) else plain(value))
    binary = literals_pb2.Binary(value=packed, tag="msgpack")
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(binary=binary))


def _struct(value: Any) -> literals_pb2.Literal:
    if not isinstance(value, (dict, list)):
        raise TypeError
    return _binary(value)


def _dataset(value: Any) -> literals_pb2.Literal:
    kind = types_pb2.StructuredDatasetType(format=value.format)
    metadata = literals_pb2.StructuredDatasetMetadata(structured_dataset_type=kind)
    dataset = literals_pb2.StructuredDataset(uri=value.uri, metadata=metadata)
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(structured_dataset=dataset))


def _none(value: Any) -> literals_pb2.Literal:
    if value is not None:
        raise TypeError
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(none_type=literals_pb2.Void()))


_MAKERS: Mapping[str, Callable[[Any], literals_pb2.Literal]] = {
    "int": _int,
    "float": _float,
    "str": _str,
    "bool": _bool,
    "datetime": _datetime,
    "duration": _duration,
    "binary": _binary,
    "struct": _struct,
    "dataset": _dataset,
    "none": _none,
}


def plain(value: Any) -> Any:
    """Return what a dataclass is read back from: ISO dates and times, seconds, decimals as text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (dt.date, dt.time)):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    return value
