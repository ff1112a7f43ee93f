"""Outputs as Flyte's literals; files are addresses."""

from __future__ import annotations

import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

from flyteidl.core import literals_pb2

from flyte_agent_core.outputs import OutputTypeError, to_literal

if TYPE_CHECKING:
    from flyteidl.core.types_pb2 import LiteralType

    from flyte_agent_core import Attempt
    from flyte_agent_core.outputs import Kind


def literal_map(attempt: Attempt, values: dict[str, Any]) -> Any:
    """
    Return the declared outputs.

    Raises:
        OutputTypeError: A value does not fit; the message names the output.
    """
    from flytekit.models.literals import LiteralMap

    made = literals_pb2.LiteralMap()
    kinds = attempt.output_spec.kinds
    for name, variable in attempt.template.interface.outputs.variables.items():
        where = f"output {name!r}"
        if name not in values:
            raise OutputTypeError(f"{where} was declared, but this task has {', '.join(values)}")
        literal = _of_files(values[name], variable.type, where)
        if literal is None:
            literal = to_literal(_with_times(values[name], kinds[name]), kinds[name], where)
        made.literals[name].CopyFrom(literal)
    return LiteralMap.from_flyte_idl(made)


def _with_times(value: Any, kind: Kind) -> Any:
    """Return ``value`` with points in time for the texts that JSON has; those inside of records stay texts."""
    if isinstance(kind, list):
        inner = [part[1] if kind[0] == "union" else part for part in kind[1:]]
        if isinstance(value, list) and kind[0] == "list":
            return [_with_times(each, inner[0]) for each in value]
        if isinstance(value, dict) and kind[0] == "map":
            return {key: _with_times(each, inner[0]) for key, each in value.items()}
        is_time = kind[0] == "union" and "datetime" in inner and "str" not in inner
        return _with_times(value, "datetime") if is_time else value
    if kind == "datetime" and isinstance(value, str):
        with contextlib.suppress(ValueError):  # to_literal says what is wrong
            return dt.datetime.fromisoformat(value.replace("Z", "+00:00"))
    return value


def _of_files(value: Any, declared: LiteralType, where: str) -> literals_pb2.Literal | None:
    if declared.WhichOneof("type") == "blob":
        return _file(value, declared, where)
    inner = declared.collection_type
    if declared.WhichOneof("type") == "collection_type" and inner.WhichOneof("type") == "blob":
        items = [_file(each, inner, where) for each in value]
        return literals_pb2.Literal(collection=literals_pb2.LiteralCollection(literals=items))
    return None


def _file(value: Any, declared: LiteralType, where: str) -> literals_pb2.Literal:
    if not isinstance(value, str) or ("://" not in value and not value.startswith("/")):
        raise OutputTypeError(f"{where}: declared as a file, and this task makes none")
    metadata = literals_pb2.BlobMetadata(type=declared.blob)
    return literals_pb2.Literal(
        scalar=literals_pb2.Scalar(blob=literals_pb2.Blob(uri=value, metadata=metadata))
    )
