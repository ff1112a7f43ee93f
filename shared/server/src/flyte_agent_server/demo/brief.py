"""Flyte's values in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.literals_pb2 import Literal

_LONGEST = 100


def brief(literal: Literal) -> str:
    """Return what a literal holds, on one short line."""
    kind = literal.WhichOneof("value")
    if kind == "collection":
        return f"{len(literal.collection.literals)} items"
    if kind == "map":
        return f"{len(literal.map.literals)} entries"
    return _scalar(literal)


def _scalar(literal: Literal) -> str:
    scalar = literal.scalar
    kind = scalar.WhichOneof("value")
    if kind == "union":
        return brief(scalar.union.value)
    if kind == "primitive":
        primitive = scalar.primitive
        value = getattr(primitive, primitive.WhichOneof("value"))
        return _cut(value.ToJsonString() if hasattr(value, "ToJsonString") else repr(value))
    if kind in {"structured_dataset", "blob", "schema"}:
        return _cut(getattr(scalar, kind).uri)
    return "nothing" if kind == "none_type" else f"a {kind or 'value'}".replace("_", " ")


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def figures_of(info: Mapping[str, Any]) -> str:
    """Return the plain figures of a job's ``custom_info``, such as ``slot ms 1,204, rows 12``."""
    plain = {
        name: value
        for name, value in info.items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    return ", ".join(f"{name.replace('_', ' ')} {_number(value)}" for name, value in plain.items())


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
