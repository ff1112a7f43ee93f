"""
Requests of Databricks' REST API, field by field, as databricks-sdk describes them.

``config_schema.json`` is written from the SDK by ``tests/write_schema.py``, and a test compares the two. It is a file,
since loading the SDK for its dataclasses takes seconds and 58 MiB, also on the machine of who writes a workflow.
"""

from __future__ import annotations

import functools
import importlib.resources
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNKNOWN = (
    "Fields that this version does not know yet go into 'extra', which is sent as it is: "
    "Databricks ignores a name it does not know."
)
_ALSO: Mapping[str, tuple[str, ...]] = {
    # Described with `performance_target` in the SDK's documentation, and not yet in its enum.
    "PerformanceTarget": ("COST_OPTIMIZED",),
}


@functools.cache
def schema() -> dict[str, Any]:
    """Return ``enums``: name to values, and ``types``: name to fields and what each one holds."""
    file = importlib.resources.files(__package__).joinpath("config_schema.json")
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def fields_of(kind: str) -> dict[str, str]:
    """Return the fields of a type; ``[`` stands before what a list holds, ``{`` a map, ``!`` what is needed."""
    fields: dict[str, str] = schema()["types"][kind]
    return fields


def values_of(enum: str) -> tuple[str, ...]:
    """Return the values of an enum."""
    return (*schema()["enums"][enum], *_ALSO.get(enum, ()))


def conform(where: str, value: Any, kind: str) -> Any:
    """
    Return ``value`` as Databricks takes it, after comparing it with ``kind``.

    Whole numbers may come as text, since Flyte's own numbers hold no more than 2**53; in maps of texts such as
    ``spark_conf`` numbers and truth values become text. A field that is ``None`` is left out.

    Raises:
        InvalidConfig: A field is unknown, missing, or holds something else; the message names it.
    """
    if kind[0] == "[":
        return _list(where, value, kind[1:])
    if kind[0] == "{":
        return _map(where, value)
    if kind in _PLAIN:
        return _PLAIN[kind](where, value)
    if kind in schema()["enums"]:
        return _choice(where, value, values_of(kind))
    return _object(where, value, kind)


def _list(where: str, value: Any, kind: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise invalid(where, value, "a list", f"Write [{value!r}]." if value else "")
    return [conform(f"{where}[{n}]", item, kind) for n, item in enumerate(value)]


def _map(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise invalid(where, value, "a dict of text to text")
    return {str(name): as_text(f"{where}[{name!r}]", item) for name, item in value.items()}


def as_text(where: str, value: Any) -> str:
    """Return a value of a map of texts."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise invalid(where, value, "text", "Write lists and dicts as JSON text.")


def _object(where: str, value: Any, kind: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(where, value, f"a dict with fields of {kind}")
    fields = fields_of(kind)
    for name in value:
        if name not in fields:
            raise invalid(
                f"{where}.{name}",
                value[name],
                "no such field",
                did_you_mean(name, fields) or _UNKNOWN,
            )
    given = {name: item for name, item in value.items() if item is not None}
    for name, inner in fields.items():
        if inner[0] == "!" and name not in given:
            raise invalid(f"{where}.{name}", None, "a value", "It has no default.")
    return {n: conform(f"{where}.{n}", item, fields[n].lstrip("!")) for n, item in given.items()}


def _choice(where: str, value: Any, options: tuple[str, ...]) -> str:
    value = getattr(value, "value", value)  # an enum of the SDK's
    if value not in options:
        raise invalid(
            where, value, f"one of {', '.join(options)}", did_you_mean(str(value).upper(), options)
        )
    return str(value)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(
            where, value, "text", f"Write {str(value)!r}." if isinstance(value, int) else ""
        )
    return value


def _int(where: str, value: Any) -> int:
    if isinstance(value, str) and value.strip().lstrip("-").isdigit():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise invalid(where, value, "a whole number")
    return int(value)


def _float(where: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise invalid(where, value, "a number")
    return float(value)


def _bool(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(where, value, "True or False")
    return value


_PLAIN: Mapping[str, Callable[[str, Any], Any]] = {
    "str": _text,
    "int": _int,
    "float": _float,
    "bool": _bool,
}
