"""Whether literals are of the types that a task's interface declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl.core import types_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from flyteidl.core.interface_pb2 import TypedInterface
    from flyteidl.core.literals_pb2 import Literal, LiteralMap

_PRIMITIVES = {
    types_pb2.INTEGER: "integer",
    types_pb2.FLOAT: "float_value",
    types_pb2.STRING: "string_value",
    types_pb2.BOOLEAN: "boolean",
    types_pb2.DATETIME: "datetime",
    types_pb2.DURATION: "duration",
}
_SCALARS = {
    types_pb2.NONE: {"none_type"},
    types_pb2.BINARY: {"binary"},
    types_pb2.STRUCT: {"binary", "generic"},
}
_KINDS = {
    "structured_dataset_type": {"structured_dataset", "schema"},
    "schema": {"structured_dataset", "schema"},
    "blob": {"blob"},
}


def misfits(outputs: LiteralMap, interface: TypedInterface) -> Iterator[str]:
    """Yield what is wrong with outputs, a sentence each."""
    declared = interface.outputs.variables
    for name in sorted(set(declared) | set(outputs.literals)):
        if name not in declared:
            yield f"{name!r} is not declared"
        elif name not in outputs.literals:
            yield f"{name!r} is missing"
        elif not fits(outputs.literals[name], declared[name].type):
            found = str(outputs.literals[name]).replace("\n", " ")[:120]
            kind = str(declared[name].type).replace("\n", " ")[:120]
            yield f"{name!r} is {found.strip()}, declared as {kind.strip()}"


def fits(literal: Literal, declared: types_pb2.LiteralType) -> bool:
    """Whether a literal is of a type."""
    return bool(_fits(literal, declared))


def _fits(literal: Literal, declared: types_pb2.LiteralType) -> Any:
    which = declared.WhichOneof("type")
    if which == "collection_type":
        inner = literal.collection.literals
        return literal.HasField("collection") and all(
            fits(x, declared.collection_type) for x in inner
        )
    if which == "map_value_type":
        values = literal.map.literals.values()
        return literal.HasField("map") and all(fits(x, declared.map_value_type) for x in values)
    if which == "union_type":
        inside = literal.scalar.union.value if literal.scalar.HasField("union") else literal
        return any(fits(inside, variant) for variant in declared.union_type.variants)
    kind = literal.scalar.WhichOneof("value") or ""
    if which == "enum_type":
        return literal.scalar.primitive.WhichOneof("value") == "string_value"
    if which != "simple":
        return kind in _KINDS.get(which or "", {kind})
    if declared.simple in _PRIMITIVES:
        return literal.scalar.primitive.WhichOneof("value") == _PRIMITIVES[declared.simple]
    return kind in _SCALARS.get(declared.simple, {kind})
