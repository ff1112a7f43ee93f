"""Dates and times written as text in a query or a parameter: read here, once, instead of for every row.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical#date_literals
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone

from flyte_agent_bigquery.local.errors import invalid_query

_DATE = r"(\d{4})-(\d{1,2})-(\d{1,2})"
_TIME = r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{0,6}))?"
_DATETIME = rf"{_DATE}(?:[ Tt]{_TIME})?"
_OFFSET = r"\s?(?:([Zz]|UTC|GMT)|([+-])(\d{1,2})(?::(\d\d))?)?"


def _micros(digits: str | None) -> int:
    return int((digits or "").ljust(6, "0"))


def _date(text: str) -> str | None:
    match = re.fullmatch(_DATE, text)
    if match is None:
        return None
    year, month, day = (int(part) for part in match.groups())
    return date(year, month, day).isoformat()


def _time(text: str) -> str | None:
    match = re.fullmatch(_TIME, text)
    if match is None:
        return None
    hour, minute, second = (int(part) for part in match.groups()[:3])
    return time(hour, minute, second, _micros(match[4])).isoformat()


def _clock(match: re.Match[str]) -> datetime:
    """What a text says, as if it were in UTC."""
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    micros = _micros(match[7])
    return datetime(year, month, day, hour, minute, second, micros, tzinfo=timezone.utc)


def _datetime(text: str) -> str | None:
    match = re.fullmatch(_DATETIME, text)
    return None if match is None else _clock(match).replace(tzinfo=None).isoformat(" ")


def _timestamp(text: str) -> str | None:
    match = re.fullmatch(_DATETIME + _OFFSET, text)
    if match is None:
        return None
    hours, minutes = int(match[10] or 0), int(match[11] or 0)
    shift = timedelta(hours=hours, minutes=minutes) * (-1 if match[9] == "-" else 1)
    return (_clock(match) - shift).isoformat(" ")


_READERS: dict[str, tuple[Callable[[str], str | None], str]] = {
    "DATE": (_date, "DATE"),
    "TIME": (_time, "TIME"),
    "DATETIME": (_datetime, "TIMESTAMP"),
    "TIMESTAMP": (_timestamp, "TIMESTAMPTZ"),
}
# A zone by its name needs DuckDB's tables.
_NAMED_ZONE = re.compile(rf"{_DATETIME}\s?[A-Z][A-Za-z_]*(/[A-Za-z0-9_/+-]+)?")


def literal(text: str, kind: str) -> str | None:
    """SQL of a date or time; ``None`` when only DuckDB can read it.

    Raises ``BigQueryError`` for a text that is none.
    """
    read, stored = _READERS[kind]
    try:
        found = read(text)
    except (ValueError, OverflowError):
        found = None
    if found is not None:
        return f"CAST('{found}' AS {stored})"
    if kind == "TIMESTAMP" and _NAMED_ZONE.fullmatch(text):
        return None
    raise invalid_query(f'Could not cast literal "{text[:100]}" to type {kind}')
