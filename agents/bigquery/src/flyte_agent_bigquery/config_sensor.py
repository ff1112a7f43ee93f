"""What a sensor waits for: the ``custom`` of a ``bigquery_job`` task of kind ``sensor``."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core import Config
from flyte_agent_core.fields import invalid

from .config_fields import check_type
from .config_templates import PLACEHOLDER, fill
from .sensor_meta import Condition

if TYPE_CHECKING:
    from collections.abc import Mapping

KIND: Literal["sensor"] = "sensor"

OnTimeout = Literal["fail", "report"]

MAX_WAIT_S = 366 * 86400.0

_PARTITION = re.compile(r"[A-Za-z0-9_]+")
_OF_PARTITIONS = ("partition", "rows", "changed")


@dataclass
class SensorRequest(Config):
    """
    One wait as the task asks for it.

    Attributes:
        kind: Tells a sensor from a job.
        wait_for: The condition.
        target: REST ``TableReference`` of the table, or of the routine as if it were one; may hold placeholders, and
            lacks the project where neither the name nor the configuration says one.
        is_routine: Whether ``target`` is a routine.
        project: Project of a target that comes as an input without one.
        partition: Id of a partition, such as ``20240131``; may hold placeholders.
        min_rows: Rows that are enough, for ``rows``.
        newer_than: A moment in ISO form, or a placeholder for an input, for ``changed``.
        timeout_s: For how long to wait; ``None`` leaves it to the task's own timeout.
        on_timeout: Whether the end of that time is a failure, or a result.
        parameters: REST ``QueryParameterType`` of every input.
        credentials: Name of the secret with the key or external-account file to use.
        impersonate: Service accounts to act as.
    """

    kind: Literal["sensor"]
    wait_for: Condition = "exists"
    target: dict[str, str] = field(default_factory=dict)
    is_routine: bool = False
    project: str | None = None
    partition: str | None = None
    min_rows: int | None = None
    newer_than: str | None = None
    timeout_s: float | None = None
    on_timeout: OnTimeout = "fail"
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    credentials: str | None = None
    impersonate: list[str] | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_type("wait_for", self.wait_for, Condition)
        check_type("on_timeout", self.on_timeout, OnTimeout)
        if self.is_routine and self.wait_for != "exists":
            raise invalid("wait_for", self.wait_for, "'exists': a routine has nothing else")
        _check_belongs("partition", self.partition, self.wait_for, _OF_PARTITIONS, "partition")
        _check_belongs("min_rows", self.min_rows, self.wait_for, ("rows",))
        _check_belongs("newer_than", self.newer_than, self.wait_for, ("changed",), "changed")
        if self.min_rows is not None and self.min_rows < 1:
            raise invalid("min_rows", self.min_rows, "a number above 0")
        if self.timeout_s is not None and not 0 < self.timeout_s <= MAX_WAIT_S:
            raise invalid("timeout_s", self.timeout_s, "seconds above 0, at most a year")

    def filled(self, values: Mapping[str, Any]) -> tuple[dict[str, str], str]:
        """
        Return the target's reference and the partition's id with the inputs in them.

        Raises:
            InvalidConfig: A value is NULL, or makes no such name.
        """
        named = {"table": self.target, "partition": self.partition or ""}
        made = fill(named, values, self.parameters, self.project)
        return check_target(made["table"]), check_partition(made["partition"])

    def newer_than_s(self, values: Mapping[str, Any]) -> float | None:
        """
        Return the moment after which a change counts, in seconds since 1970.

        Raises:
            InvalidConfig: The input it comes from has no value.
        """
        if self.newer_than is None:
            return None
        found = PLACEHOLDER.fullmatch(self.newer_than)
        moment = values.get(found[1]) if found else dt.datetime.fromisoformat(self.newer_than)
        if not isinstance(moment, dt.datetime):
            raise invalid("newer_than", moment, "a moment", "Give the input a value.")
        return moment.timestamp()


def _check_belongs(
    name: str, value: Any, wait_for: str, conditions: tuple[str, ...], needed_by: str = ""
) -> None:
    if value is not None and wait_for not in conditions:
        listed = " or ".join(repr(condition) for condition in conditions)
        raise invalid(name, value, f"nothing with wait_for={wait_for!r}", f"It is for {listed}.")
    if value is None and wait_for == needed_by:
        raise invalid(name, None, f"a value: wait_for={wait_for!r} needs it", _REPAIRS[name])


_REPAIRS = {
    "partition": "Write partition='20240131', or '{inputs.day:%Y%m%d}' with inputs={'day': date}.",
    "newer_than": "Write a datetime, or '{inputs.since}' with inputs={'since': datetime}: a change that came before "
    "the sensor started is not missed then.",
}


def check_target(reference: dict[str, str]) -> dict[str, str]:
    """
    Return the reference of what is waited for.

    Raises:
        InvalidConfig: It names a partition.
    """
    name = reference["tableId"]
    if "$" in PLACEHOLDER.sub("", name):
        repair = f"Write partition={name.partition('$')[2]!r}."
        raise invalid("table", name, "a table without a partition", repair)
    return reference


def check_partition(text: str) -> str:
    """
    Return the id of a partition; ``""`` is none.

    Raises:
        InvalidConfig: It cannot be one.
    """
    if text and not _PARTITION.fullmatch(PLACEHOLDER.sub("0", text)):
        raise invalid("partition", text, "an id such as '20240131', '2024013123', '202401', '100'")
    return text
