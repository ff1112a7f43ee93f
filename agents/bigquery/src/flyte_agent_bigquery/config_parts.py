"""Parts that several kinds of jobs are configured with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from flyte_agent_core.fields import invalid

from .config_fields import strict

Create = Literal["CREATE_IF_NEEDED", "CREATE_NEVER"]
Write = Literal["WRITE_EMPTY", "WRITE_APPEND", "WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"]
SchemaUpdate = Literal["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]
KeyResult = Literal["LAST", "FIRST_SELECT"]


@strict()
@dataclass(frozen=True)
class TimePartitioning:
    """
    Partition the destination by time.

    Attributes:
        field: A DATE, DATETIME or TIMESTAMP column; ``None`` for the time of arrival.
        expiration_s: Seconds after which a partition is deleted.
    """

    type: Literal["DAY", "HOUR", "MONTH", "YEAR"] = "DAY"
    field: str | None = None
    expiration_s: float | None = None

    def rest(self) -> dict[str, Any]:
        """Return the REST ``TimePartitioning``."""
        made: dict[str, Any] = {"type": self.type}
        if self.field:
            made["field"] = self.field
        if self.expiration_s is not None:
            made["expirationMs"] = milliseconds("TimePartitioning.expiration_s", self.expiration_s)
        return made


@strict()
@dataclass(frozen=True)
class RangePartitioning:
    """
    Partition the destination by ranges of an INT64 column.

    Attributes:
        start: First value, inclusive.
        end: Last value, exclusive.
        interval: Width of each range.
    """

    field: str
    start: int
    end: int
    interval: int

    def __post_init__(self) -> None:
        """Refuse a range without values."""
        if self.end <= self.start or self.interval <= 0:
            found = (self.start, self.end, self.interval)
            raise invalid("RangePartitioning", found, "start below end and interval above 0")

    def rest(self) -> dict[str, Any]:
        """Return the REST ``RangePartitioning``."""
        bounds = {"start": self.start, "end": self.end, "interval": self.interval}
        return {"field": self.field, "range": {name: str(v) for name, v in bounds.items()}}


def milliseconds(where: str, duration_s: float) -> str:
    """Return seconds as the API's int64 milliseconds."""
    if not 0.001 <= duration_s < 2**53 / 1000:
        raise invalid(where, duration_s, "seconds above 0")
    return str(round(duration_s * 1000))


def check_clustering(where: str, columns: list[str] | None) -> None:
    """
    Raise if a table cannot be clustered by ``columns``.

    Source: https://cloud.google.com/bigquery/docs/clustered-tables#limitations
    """
    if columns is not None and not (1 <= len(columns) <= 4 and len(set(columns)) == len(columns)):
        raise invalid(where, columns, "one to four different columns")
