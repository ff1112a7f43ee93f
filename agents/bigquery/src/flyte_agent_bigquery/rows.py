"""
Result rows as Python values.

The API sends every value as text in cells without names: ``{"f": [{"v": "1"}, {"v": [{"v": "a"}]}]}``.
Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
"""

from __future__ import annotations

import base64
import datetime as dt
import decimal
import json
import re
from typing import TYPE_CHECKING, Any

from .job import dicts, part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Field = "Mapping[str, Any]"

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_INTERVAL = re.compile(r"(-?)(\d+)-(\d+) (-?\d+) (-?)(\d+):(\d+):(\d+)(?:\.(\d{1,9}))?")


def fields_of(page: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the columns of a page of results."""
    return dicts(part(page, "schema").get("fields"))


def rows_of(page: Mapping[str, Any], *, as_text: bool = False) -> list[dict[str, Any]]:
    """
    Return the rows of a page by column name.

    Args:
        page: An answer of ``jobs.getQueryResults``.
        as_text: Leave bytes (base64), JSON and intervals as the text they came as.
    """
    fields = fields_of(page)
    return [_record(fields, row, as_text) for row in dicts(page.get("rows"))]


def _record(
    fields: list[Mapping[str, Any]], row: Mapping[str, Any], as_text: bool
) -> dict[str, Any]:
    cells = dicts(row.get("f"))
    return {
        str(field.get("name")): _cell(field, cell.get("v"), as_text)
        for field, cell in zip(fields, cells, strict=True)
    }


def _cell(field: Mapping[str, Any], value: Any, as_text: bool) -> Any:
    if field.get("mode") == "REPEATED":
        return [_value(field, item.get("v"), as_text) for item in dicts(value)]
    return _value(field, value, as_text)


def _value(field: Mapping[str, Any], value: Any, as_text: bool) -> Any:
    kind = str(field.get("type"))
    if value is None:
        return None
    if kind in ("RECORD", "STRUCT"):
        return _record(dicts(field.get("fields")), value, as_text)
    if as_text and kind in _TEXT_TOO:
        return str(value)
    reader = READERS.get(kind)
    return str(value) if reader is None else reader(str(value))


def _bool(text: str) -> bool:
    return text.lower() == "true"


def _timestamp(text: str) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=int(text))


def _datetime(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(_six_digits(text))


def _time(text: str) -> dt.time:
    return dt.time.fromisoformat(_six_digits(text))


def _six_digits(text: str) -> str:
    """Return ``text`` with a fraction of six digits: Python 3.10 reads three or six only."""
    whole, point, fraction = text.partition(".")
    return f"{whole}.{fraction[:6].ljust(6, '0')}" if point else whole


def _interval(text: str) -> Any:
    """Return a timedelta; text where months stand in it, as they have no fixed length."""
    found = _INTERVAL.fullmatch(text)
    if not found or int(found[2]) or int(found[3]):
        return text
    clock = dt.timedelta(
        hours=int(found[6]),
        minutes=int(found[7]),
        seconds=int(found[8]),
        microseconds=int((found[9] or "0").ljust(6, "0")[:6]),
    )
    return dt.timedelta(days=int(found[4])) + (-clock if found[5] else clock)


READERS: Mapping[str, Callable[[str], Any]] = {
    "BIGNUMERIC": decimal.Decimal,
    "BOOL": _bool,
    "BOOLEAN": _bool,
    "BYTES": base64.b64decode,
    "DATE": dt.date.fromisoformat,
    "DATETIME": _datetime,
    "FLOAT": float,
    "FLOAT64": float,
    "GEOGRAPHY": str,
    "INT64": int,
    "INTEGER": int,
    "INTERVAL": _interval,
    "JSON": json.loads,
    "NUMERIC": decimal.Decimal,
    "RANGE": str,
    "STRING": str,
    "TIME": _time,
    "TIMESTAMP": _timestamp,
}
"""Reader of each scalar type, under the old and the new name; another type stays text."""

_TEXT_TOO = frozenset({"BYTES", "INTERVAL", "JSON"})
