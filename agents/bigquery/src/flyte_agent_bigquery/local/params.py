"""Query parameters as values of the translation.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/QueryParameter
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from .errors import BigQueryError, refusal
from .sql import constants, literals
from .sql.scope import Value
from .sql.types import (
    BOOL,
    LITERAL_KINDS,
    Type,
    array,
    from_name,
    physical,
    quote,
    stored_name,
    struct,
    text,
)

_INTERVAL = re.compile(r"(-?)(\d+)-(\d+) (-?\d+) (-?)(\d+):(\d+):(\d+)(?:\.(\d{1,6}))?")
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def type_of(kind: dict[str, Any]) -> Type:
    """The type of a ``QueryParameterType``."""
    name = str(kind.get("type", "")).upper()
    if name == "ARRAY":
        return array(type_of(kind["arrayType"]))
    if name == "STRUCT":
        return struct((item.get("name", ""), type_of(item["type"])) for item in kind["structTypes"])
    if name == "RANGE":
        raise refusal("parameters of type RANGE", "pass two parameters")
    return from_name(name)


def parameters(found: list[dict[str, Any]], mode: str) -> tuple[dict[str, Value], list[Value]]:
    """Named and positional parameters. Raises ``BigQueryError`` for a value that its type cannot have."""
    named: dict[str, Value] = {}
    positional: list[Value] = []
    for item in found:
        kind = type_of(item.get("parameterType") or {})
        name = item.get("name") or ""
        value = _value(kind, item.get("parameterValue") or {}, name)
        if name and mode.upper() != "POSITIONAL":
            named[name.lower()] = value
        else:
            positional.append(value)
    return named, positional


def _value(kind: Type, given: dict[str, Any], name: str) -> Value:
    if kind.element is not None:
        return _array(kind, given, name)
    if kind.kind == "STRUCT":
        return _struct(kind, given, name)
    written = given.get("value")
    if written is None:
        return Value(f"CAST(NULL AS {physical(kind)})", kind, constant=True)
    try:
        return _SCALARS[kind.kind](str(written))
    except (ValueError, OverflowError, binascii.Error, BigQueryError) as error:
        if isinstance(error, BigQueryError) and error.reason == "notImplemented":
            raise
        message = (
            f"Could not parse value {str(written)[:100]!r} of query parameter {name!r} as {kind}"
        )
        raise BigQueryError("invalid", message, location="queryParameters") from None


def _array(kind: Type, given: dict[str, Any], name: str) -> Value:
    items = given.get("arrayValues")
    if items is None:  # NULL and empty are one for an array
        return Value(f"CAST([] AS {physical(kind)})", kind, constant=True)
    found = [_value(kind.of, item, name).sql for item in items]
    return Value(f"CAST([{', '.join(found)}] AS {physical(kind)})", kind, constant=True)


def _struct(kind: Type, given: dict[str, Any], name: str) -> Value:
    values = given.get("structValues")
    if values is None:
        return Value(f"CAST(NULL AS {physical(kind)})", kind, constant=True)
    parts = []
    for place, (field, of) in enumerate(kind.fields):
        part = _value(of, values.get(field) or {}, f"{name}.{field}")
        parts.append(f"{quote(stored_name(kind, place))} := {part.sql}")
    return Value(f"struct_pack({', '.join(parts)})", kind, constant=True)


def _int64(written: str) -> Value:
    number = int(written)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(written)
    return Value(f"CAST('{number}' AS BIGINT)", Type("INT64"), constant=True)


def _float64(written: str) -> Value:
    number = float(written)
    if not math.isfinite(number):
        raise refusal("NaN and infinite FLOAT64 values", "pass a finite number")
    return Value(f"CAST('{number!r}' AS DOUBLE)", Type("FLOAT64"), constant=True)


def _decimal(kind: str) -> Callable[[str], Value]:
    def read(written: str) -> Value:
        if not _NUMBER.fullmatch(written):
            raise ValueError(written)
        plain = format(Decimal(written.strip()), "f")  # without an exponent
        return Value(f"bq_parse_{kind.lower()}({text(plain)})", Type(kind), constant=True)

    return read


def _bool(written: str) -> Value:
    if written.lower() not in ("true", "false"):
        raise ValueError(written)
    return Value(written.upper(), BOOL, constant=True)


def _time(kind: str) -> Callable[[str], Value]:
    def read(written: str) -> Value:
        sql = constants.literal(written, kind)
        return Value(sql or f"bq_parse_timestamp({text(written)})", Type(kind), constant=True)

    return read


def _interval(written: str) -> Value:
    match = _INTERVAL.fullmatch(written)
    if match is None:
        raise ValueError(written)
    calendar, years, months, days, clock, hours, minutes, seconds, fraction = match.groups()
    span = (int(years) * 12 + int(months)) * (-1 if calendar else 1)
    micros = ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1_000_000
    micros = (micros + int((fraction or "").ljust(6, "0"))) * (-1 if clock else 1)
    sql = f"(to_months({span}) + to_days({int(days)}) + to_microseconds({micros}))"
    return Value(sql, Type("INTERVAL"), constant=True)


def _json(written: str) -> Value:
    json.loads(written)
    return Value(f"CAST({text(written)} AS JSON)", Type("JSON"), constant=True)


_SCALARS: dict[str, Callable[[str], Value]] = {
    "INT64": _int64,
    "FLOAT64": _float64,
    "NUMERIC": _decimal("NUMERIC"),
    "BIGNUMERIC": _decimal("BIGNUMERIC"),
    "BOOL": _bool,
    "STRING": literals.string,
    "BYTES": lambda written: literals.blob(base64.b64decode(written, validate=True)),
    "INTERVAL": _interval,
    "JSON": _json,
    "GEOGRAPHY": lambda written: Value(text(written), Type("GEOGRAPHY"), constant=True),
    **{kind: _time(kind) for kind in LITERAL_KINDS},
}
