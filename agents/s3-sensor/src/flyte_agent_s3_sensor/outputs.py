"""What a sensor gives, as Flyte's literals: files, objects, or a report."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2, types_pb2
from flytekit.models.literals import LiteralMap

from flyte_agent_core.outputs import Kind, OutputSpec, OutputTypeError, to_literal

from .objects import S3Found, S3Object, object_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .meta import S3SensorMeta
    from .objects import Seen

LISTED = 1000


def literal_map(meta: S3SensorMeta, objects: Sequence[Seen], missing: str = "") -> Any:
    """
    Return the outputs of a sensor that has ended; ``None`` if it declares none.

    Args:
        meta: The sensor.
        objects: What counts.
        missing: What was missing when the time was up.

    Raises:
        OutputTypeError: The declared type has no value for that.
    """
    spec = OutputSpec.decode(meta.outputs)
    if not spec.names:
        return None
    value = _value(meta, objects, missing)
    made = literals_pb2.LiteralMap()
    for name, kind in spec.kinds.items():
        made.literals[name].CopyFrom(_literal(value, kind, f"output {name!r}"))
    return LiteralMap.from_flyte_idl(made)


def _value(meta: S3SensorMeta, objects: Sequence[Seen], missing: str) -> Any:
    request = meta.request
    kind, bucket, pin = request.output, request.bucket, request.pin
    if kind == "found":
        listed = [object_of(bucket, seen, pin=pin) for seen in objects[:LISTED]]
        total = sum(seen.size_bytes for seen in objects)
        found = S3Found(not missing, listed, len(objects), total, missing)
        return dataclasses.asdict(found)
    is_list = kind in ("files", "objects")
    if missing:
        return [] if is_list else None
    made = [_made(kind, object_of(bucket, seen, pin=pin)) for seen in objects]
    return made if is_list else made[-1]


def _made(kind: str, found: S3Object) -> Any:
    return _File(found.uri, found.etag) if "file" in kind else dataclasses.asdict(found)


@dataclasses.dataclass(frozen=True)
class _File:
    uri: str
    etag: str


def _literal(value: Any, kind: Kind, where: str) -> literals_pb2.Literal:
    if isinstance(kind, list) and kind[0] == "list":
        items = [_literal(item, kind[1], where) for item in value]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    if isinstance(kind, list) and kind[0] == "union":
        return _union(value, kind[1:], where)
    if kind == "blob":
        return _blob(value, where)
    return to_literal(value, kind, where)


def _union(value: Any, variants: Sequence[Any], where: str) -> literals_pb2.Literal:
    for tag, kind in variants:
        if (value is None) == (kind == "none"):
            made = _literal(value, kind, where)
            stored = _TYPES[kind if kind in _TYPES else "struct"]()
            stored.structure.tag = tag
            union = literals_pb2.Union(value=made, type=stored)
            return literals_pb2.Literal(scalar=literals_pb2.Scalar(union=union))
    raise OutputTypeError(f"{where}: has no value when the time is up; declare it Optional")


_TYPES = {
    "none": lambda: types_pb2.LiteralType(simple=types_pb2.NONE),
    "struct": lambda: types_pb2.LiteralType(simple=types_pb2.STRUCT),
    "blob": lambda: types_pb2.LiteralType(blob=types_pb2.BlobType()),
}


def _blob(value: Any, where: str) -> literals_pb2.Literal:
    if not isinstance(value, _File):
        raise OutputTypeError(f"{where}: found {type(value).__name__}, declared as a file")
    metadata = literals_pb2.BlobMetadata(type=types_pb2.BlobType())
    blob = literals_pb2.Blob(uri=value.uri, metadata=metadata)
    # Flyte's cache compares this instead of the address, where a task asks it to.
    return literals_pb2.Literal(scalar=literals_pb2.Scalar(blob=blob), hash=value.etag)
