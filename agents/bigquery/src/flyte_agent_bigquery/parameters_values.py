"""
One encoder per scalar BigQuery type: a Python value becomes the text the API takes for it.

Text is accepted wherever a dataclass would have become text on its way here (dates, times,
decimals), and checked. Source of the formats:
https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import json
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_INTERVAL = re.compile(r"-?\d+-\d+ -?\d+ -?\d+:\d+:\d+(\.\d{1,9})?")
_ISO_DURATION = re.compile(r"P(?=[\dT-])(-?\d+[YMWD])*(T(-?\d+(\.\d+)?[HMS])+)?")

# NUMERIC: 29 digits before the point and 9 after; BIGNUMERIC: a 256-bit integer times 10**-38.
# Written as text: arithmetic on decimals would round them to 28 digits.
_NUMERIC_RANGE = tuple(decimal.Decimal(f"{sign}{'9' * 29}.{'9' * 9}") for sign in ("-", ""))
_BIGNUMERIC_RANGE = (decimal.Decimal(f"-{2**255}e-38"), decimal.Decimal(f"{2**255 - 1}e-38"))


class Unfit(Exception):
    """A value that its type cannot hold: what was expected, and how to repair it."""

    def __init__(self, expected: str, repair: str = "") -> None:
        super().__init__(expected)
        self.expected = expected
        self.repair = repair or "Change the value, or the declared type of the input"

    def text(self, value: Any, kind: str) -> str:
        """Return the message without the place."""
        found = f"{type(value).__name__} {str(value)[:80]!r}"
        return f"found {found}, expected {self.expected} for {kind}. {self.repair}."


def _int64(value: Any) -> str:
    # Dataclasses of flytekit before 1.14 come through a protobuf Struct, which has only doubles.
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(whole, bool) or not isinstance(whole, int) or not -(2**63) <= whole < 2**63:
        raise Unfit("a whole number from -2**63 to 2**63-1")
    return str(whole)


def _float64(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("a number")
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return repr(float(value))


def _bool(value: Any) -> str:
    if not isinstance(value, bool):
        raise Unfit("True or False")
    return "true" if value else "false"


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise Unfit("text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Unfit("text that is valid Unicode", "Send raw data as bytes") from None
    return str(value)


def _bytes(value: Any) -> str:
    if isinstance(value, str):
        value = _from_base64(value)
    if not isinstance(value, (bytes, bytearray)):
        raise Unfit("bytes, or base64 text")
    return base64.b64encode(value).decode("ascii")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("base64 text", "Encode it: base64.b64encode(data).decode()") from None


def _date(value: Any) -> str:
    if isinstance(value, str):
        value = _parsed(value, dt.date.fromisoformat, "a date such as 2024-12-31")
    if isinstance(value, dt.datetime):
        value = _midnight(value)
    if not isinstance(value, dt.date):
        raise Unfit("a date")
    return value.isoformat()


def _midnight(value: dt.datetime) -> dt.date:
    """Flyte has no dates: it sends a midnight in UTC."""
    moment = _utc(value)
    if moment.time() != dt.time():
        raise Unfit("a date without a time", "Declare the input as datetime, or pass a date")
    return moment.date()


def _timestamp(value: Any) -> str:
    return _moment(value).isoformat(sep=" ", timespec="microseconds") + "+00:00"


def _datetime(value: Any) -> str:
    return _moment(value).isoformat(timespec="microseconds")


def _moment(value: Any) -> dt.datetime:
    """Return a naive datetime in UTC; Flyte knows no other zone."""
    if isinstance(value, str):
        text = value[:-1] + "+00:00" if value[-1:] in "Zz" else value
        value = _parsed(text, dt.datetime.fromisoformat, "a moment such as 2024-12-31T23:59:59Z")
    if not isinstance(value, dt.datetime):
        raise Unfit("a datetime")
    return _utc(value)


def _utc(value: dt.datetime) -> dt.datetime:
    try:
        return value.astimezone(dt.timezone.utc).replace(tzinfo=None) if value.tzinfo else value
    except OverflowError:
        raise Unfit("a moment of the years 1 to 9999 in UTC") from None


def _time(value: Any) -> str:
    if isinstance(value, str):
        value = _parsed(value, dt.time.fromisoformat, "a time such as 13:45:00")
    if not isinstance(value, dt.time) or value.tzinfo is not None:
        raise Unfit("a time without a zone")
    return value.isoformat(timespec="microseconds")


def _parsed(text: str, parse: Callable[[str], Any], expected: str) -> Any:
    try:
        return parse(text)
    except ValueError:
        raise Unfit(expected) from None


def _numeric(value: Any) -> str:
    repair = 'Round the value, or declare Annotated[Decimal, BigQueryType("BIGNUMERIC")]'
    return _decimal(value, 9, _NUMERIC_RANGE, repair)


def _bignumeric(value: Any) -> str:
    return _decimal(value, 38, _BIGNUMERIC_RANGE, "Round the value")


def _decimal(value: Any, scale: int, limits: tuple[decimal.Decimal, ...], repair: str) -> str:
    number = _number(value)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    fraction = len(text.partition(".")[2])
    if fraction > scale:
        raise Unfit(f"at most {scale} digits after the point", repair)
    low, high = limits
    if not low <= number <= high:
        raise Unfit(f"a number from {low:.4E} to {high:.4E}", repair)
    return text if number else "0"


def _number(value: Any) -> decimal.Decimal:
    if isinstance(value, (bool, float)) or not isinstance(value, (int, str, decimal.Decimal)):
        raise Unfit("a Decimal", "Pass a Decimal; a float has already lost its digits")
    try:
        number = decimal.Decimal(value)
    except decimal.InvalidOperation:
        raise Unfit("the digits of a number") from None
    # A huge exponent would be written out as digits below.
    if not number.is_finite() or abs(number.adjusted()) > 100:
        raise Unfit("a finite number of this size")
    return number


def _json(value: Any) -> str:
    """Text is taken as JSON already; everything else is written as JSON."""
    try:
        if isinstance(value, str):
            json.loads(value)
            return _string(value)
        return _string(json.dumps(value, ensure_ascii=False, allow_nan=False, default=_json_text))
    except (ValueError, TypeError, RecursionError):
        raise Unfit("JSON: no NaN, no infinity, text in quotes") from None


def _json_text(value: Any) -> str:
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    raise Unfit(
        f"numbers, text, lists and dicts, not {type(value).__name__}", "Convert it to text first"
    )


def _interval(value: Any) -> str:
    if isinstance(value, str):
        if not (_INTERVAL.fullmatch(value) or _ISO_DURATION.fullmatch(value)):
            raise Unfit("an interval such as '1-2 3 4:5:6.789' or 'P1Y2M3DT4H5M6S'")
        return str(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        value = _seconds(value)
    if not isinstance(value, dt.timedelta):
        raise Unfit("a timedelta")
    return _canonical(value)


def _seconds(value: float) -> dt.timedelta:
    """A dataclass keeps a timedelta as seconds."""
    try:
        return dt.timedelta(seconds=value)
    except (OverflowError, ValueError):
        raise Unfit("seconds of less than a billion days") from None


def _canonical(value: dt.timedelta) -> str:
    """Return ``Y-M D H:M:S.F``; BigQuery gives days and time a sign of their own."""
    sign, size = ("-", -value) if value < dt.timedelta() else ("", value)
    minutes, seconds = divmod(size.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{sign}{size.days}" if size.days else "0"
    clock = f"{hours}:{minutes}:{seconds}.{size.microseconds:06d}"
    return f"0-0 {days} {sign if size.seconds or size.microseconds else ''}{clock}"


def _geography(value: Any) -> str:
    text = _string(value)
    if not text.strip():
        raise Unfit("WKT such as POINT(13.4 52.5), or GeoJSON")
    return text


SCALARS: Mapping[str, Callable[[Any], str]] = {
    "BIGNUMERIC": _bignumeric,
    "BOOL": _bool,
    "BYTES": _bytes,
    "DATE": _date,
    "DATETIME": _datetime,
    "FLOAT64": _float64,
    "GEOGRAPHY": _geography,
    "INT64": _int64,
    "INTERVAL": _interval,
    "JSON": _json,
    "NUMERIC": _numeric,
    "STRING": _string,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
}
"""Encoder of every scalar type."""
