"""
Input values as the ``queryParameters`` of BigQuery's REST API.

The values are what :attr:`flyte_agent_core.Attempt.inputs` gives; the types are REST
``QueryParameterType`` (see :mod:`flyte_agent_bigquery.types`). A NULL of any type is
``{"value": None}``; an empty ARRAY keeps its empty ``arrayValues``, since BigQuery reads a missing
one as NULL (https://github.com/googleapis/google-cloud-rust/issues/6521).

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core.errors import InvalidConfig

from .parameters_values import SCALARS, Unfit
from .types import type_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .types import RestType

CODE = "BIGQUERY.INVALID_PARAMETER"
"""Error code of an input whose value its BigQuery type cannot hold."""


def query_parameters(
    values: Mapping[str, Any],
    types: Mapping[str, RestType],
    order: Sequence[str] = (),
    mode: Literal["NAMED", "POSITIONAL"] = "NAMED",
) -> list[dict[str, Any]]:
    """
    Return a REST ``QueryParameter`` for every declared type.

    Args:
        values: Decoded inputs by name.
        types: The declared types by name.
        order: Names in the order of the query's ``?``; needed for POSITIONAL only.
        mode: NAMED parameters carry their name, POSITIONAL ones only their place.

    Raises:
        InvalidConfig: An input is missing, or its value does not fit its type. The message names
            the input and the place in it, what was found, what was expected and the repair.
    """
    made = []
    for name in order or sorted(types):
        value = encode(_value_of(name, values), types[name], f"input {name!r}")
        parameter = {"parameterType": types[name], "parameterValue": value}
        made.append({"name": name, **parameter} if mode == "NAMED" else parameter)
    return made


def encode(value: Any, rest: RestType, where: str) -> dict[str, Any]:
    """
    Return a REST ``QueryParameterValue``.

    Raises:
        InvalidConfig: ``value`` does not fit; ``where`` starts the message.
    """
    if value is None:
        return {"value": None}
    kind = rest["type"]
    if kind == "ARRAY":
        return _array(value, rest, where)
    if kind == "STRUCT":
        return _struct(value, rest, where)
    if kind == "RANGE":
        return _range(value, rest, where)
    return {"value": _scalar(value, kind, where)}


def _value_of(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        near = difflib.get_close_matches(name, list(values), n=1)
        hint = (
            f"did you mean {near[0]!r}?" if near else f"found {', '.join(sorted(values)) or 'none'}"
        )
        raise InvalidConfig(
            f"input {name!r}: the query has this parameter but no value came with the task; {hint}. "
            "Register the task again with the version of flyte-agent-bigquery that made it.",
            code=CODE,
        )
    return values[name]


def _scalar(value: Any, kind: str, where: str) -> str:
    encoder = SCALARS.get(kind)
    if encoder is None:
        raise InvalidConfig(
            f"{where}: found type {kind}, expected one of {', '.join(sorted(SCALARS))}, "
            "ARRAY, STRUCT or RANGE. Upgrade the agent if BigQuery has got this type lately.",
            code=CODE,
        )
    try:
        return encoder(value)
    except Unfit as unfit:
        raise InvalidConfig(f"{where}: {unfit.text(value, kind)}", code=CODE) from None


def _array(value: Any, rest: RestType, where: str) -> dict[str, Any]:
    if not isinstance(value, (list, tuple)):
        raise InvalidConfig(_mismatch(value, rest, "a list", where), code=CODE)
    inner = rest["arrayType"]
    items = [encode(item, inner, f"{where}[{index}]") for index, item in enumerate(value)]
    return {"arrayValues": items}


def _struct(value: Any, rest: RestType, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidConfig(_mismatch(value, rest, "the fields of a dataclass", where), code=CODE)
    fields = {field["name"]: field["type"] for field in rest["structTypes"]}
    unknown = sorted(set(value) - set(fields))
    if unknown:
        raise InvalidConfig(
            f"{where}: found field {unknown[0]!r}, expected {', '.join(fields)}. The dataclass of the "
            "caller differs from the registered one: register the task again.",
            code=CODE,
        )
    # A field that is missing was left out because it is None (serialisers may do so): NULL.
    made = {n: encode(value.get(n), inner, f"{where}.{n}") for n, inner in fields.items()}
    return {"structValues": made}


def _range(value: Any, rest: RestType, where: str) -> dict[str, Any]:
    """A range is written as BigQuery prints it: ``[2024-01-01, 2024-02-01)``."""
    text = value.strip() if isinstance(value, str) else ""
    bounds = text[1:-1].split(",") if text[:1] == "[" and text[-1:] == ")" else []
    if len(bounds) != 2:
        raise InvalidConfig(
            _mismatch(
                value, rest, 'text such as "[2024-01-01, 2024-02-01)" or "[UNBOUNDED, …)"', where
            ),
            code=CODE,
        )
    inner = rest["rangeElementType"]
    start, end = (_bound(bound.strip(), inner, where) for bound in bounds)
    return {"rangeValue": {"start": start, "end": end}}


def _bound(text: str, inner: RestType, where: str) -> dict[str, Any]:
    return encode(None if text.upper() in ("UNBOUNDED", "NULL") else text, inner, where)


def _mismatch(value: Any, rest: RestType, expected: str, where: str) -> str:
    return (
        f"{where}: found {type(value).__name__} {str(value)[:80]!r}, expected {expected} "
        f"for {type_text(rest)}. Change the value, or the declared type of the input."
    )
