"""What BigQuery says of a table, and whether that is what a sensor waits for."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError

from .cost import size_text
from .job import integer, part

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .sensor_meta import SensorMeta


@dataclass
class TableState:
    """
    A table, partition or routine as a sensor last saw it; what does not apply is ``None``.

    Attributes:
        table: ``project.dataset.name``.
        satisfied: Whether it was what the sensor waited for; only ``on_timeout="report"`` gives one that was not.
        exists: Whether it is there; a partition is there when it has rows.
        partition: Id of the partition that the figures are about.
        kind: ``TABLE``, ``VIEW``, ``EXTERNAL``, ``MATERIALIZED_VIEW``, ``SNAPSHOT``; of a routine its own.
        rows: Without those in the streaming buffer.
        size_bytes: The same.
        streaming_rows: Rows in the streaming buffer, at least; 0 when it is empty.
    """

    table: str
    satisfied: bool
    exists: bool
    partition: str | None = None
    kind: str | None = None
    rows: int | None = None
    size_bytes: int | None = None
    streaming_rows: int | None = None
    created: dt.datetime | None = None
    last_modified: dt.datetime | None = None


def state_of(meta: SensorMeta, resource: Mapping[str, Any] | None) -> TableState:
    """Return the state in a REST ``Table`` or ``Routine``; ``None`` is one that is not there."""
    table = f"{meta.project}.{meta.dataset}.{meta.name}"
    if resource is None:
        return TableState(table, satisfied=False, exists=False, partition=meta.partition)
    rows = integer(resource.get("numRows"))
    return TableState(
        table,
        satisfied=False,
        exists=not meta.partition or bool(rows),
        partition=meta.partition,
        kind=resource.get("type") or resource.get("routineType"),
        rows=rows,
        size_bytes=integer(resource.get("numBytes")),
        streaming_rows=None if meta.routine else _streaming_rows(resource),
        created=_moment(resource.get("creationTime")),
        last_modified=_moment(resource.get("lastModifiedTime")),
    )


def _streaming_rows(resource: Mapping[str, Any]) -> int:
    """A buffer that is there is not empty, whatever its estimate."""
    if "streamingBuffer" not in resource:
        return 0
    return max(1, integer(part(resource, "streamingBuffer").get("estimatedRows")) or 0)


def _moment(millis: Any) -> dt.datetime | None:
    found = integer(millis)
    return None if found is None else dt.datetime.fromtimestamp(found / 1000, tz=dt.timezone.utc)


def lacking(meta: SensorMeta, state: TableState) -> str:
    """
    Return what is missing; ``""`` when the condition holds.

    Raises:
        TaskError: It will not hold however long one waits.
    """
    if state.exists:
        return _CONDITIONS[meta.waits_for](meta, state)
    return "it is not there yet" if state.rows is None else "the partition has no rows yet"


def _rows(meta: SensorMeta, state: TableState) -> str:
    if state.rows is None:
        raise TaskError(
            f"{state.table}: found a {state.kind or 'table'} without a row count, expected a table that stores its "
            "rows. Wait for the table it is made of, or count its rows with a BigQueryCheckTask.",
            code="BIGQUERY.NO_ROW_COUNT",
        )
    wanted = meta.min_rows or 1
    return "" if state.rows >= wanted else f"{state.rows:,} rows, expected at least {wanted:,}"


def _changed(meta: SensorMeta, state: TableState) -> str:
    changed, since_s = state.last_modified, meta.newer_than_s or 0.0
    if changed is None:
        return "it has no time of its last change"
    if changed.timestamp() > since_s:
        return ""
    since = dt.datetime.fromtimestamp(since_s, tz=dt.timezone.utc)
    return f"last changed {time_text(changed)}, expected after {time_text(since)}"


def _streaming_buffer_empty(_meta: SensorMeta, state: TableState) -> str:
    rows = state.streaming_rows
    return f"at least {rows:,} rows are in the streaming buffer" if rows else ""


_CONDITIONS: dict[str, Callable[[SensorMeta, TableState], str]] = {
    "exists": lambda _meta, _state: "",
    "partition": lambda _meta, _state: "",
    "rows": _rows,
    "changed": _changed,
    "streaming_buffer_empty": _streaming_buffer_empty,
}


def figures_text(state: TableState) -> str:
    """Return the figures of a table, each behind a comma."""
    known = (
        "" if state.rows is None else f", {state.rows:,} rows",
        "" if state.size_bytes is None else f", {size_text(state.size_bytes)}",
        "" if state.last_modified is None else f", changed {time_text(state.last_modified)}",
    )
    return "".join(known)


def time_text(moment: dt.datetime) -> str:
    """Return a moment as people write it, in UTC."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
