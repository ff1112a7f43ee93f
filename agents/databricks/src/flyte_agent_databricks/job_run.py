"""A run as the REST API describes it, read without the vendor's library, which makes ``None`` of unknown words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .phases import ENDED

if TYPE_CHECKING:
    from collections.abc import Mapping

_DURATIONS = ("queue_duration", "setup_duration", "execution_duration", "cleanup_duration")


class Run:
    """
    Read-only view of a run, or of one task of a run; a field that is missing is empty.

    Source: https://docs.databricks.com/api/workspace/jobs/getrun
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.resource = resource

    @property
    def run_id(self) -> str:
        """The run's id, as text: it may be above 2**53."""
        return str(self.resource.get("run_id") or "")

    @property
    def task_key(self) -> str:
        """Of a task: its key."""
        return str(self.resource.get("task_key") or "")

    @property
    def state(self) -> str:
        """``state.life_cycle_state``; of an answer without one, ``status.state``."""
        old = part(self.resource, "state").get("life_cycle_state")
        return str(old or part(self.resource, "status").get("state") or "")

    @property
    def result(self) -> str:
        """``state.result_state`` of a run that ended."""
        return str(part(self.resource, "state").get("result_state") or "")

    @property
    def has_ended(self) -> bool:
        """Whether it is over, well or not."""
        return self.state in ENDED

    @property
    def details(self) -> Mapping[str, Any]:
        """``status.termination_details``: code, type and message."""
        return part(part(self.resource, "status"), "termination_details")

    @property
    def code(self) -> str:
        """Why it ended."""
        return str(self.details.get("code") or "")

    @property
    def type(self) -> str:
        """Whose fault that is."""
        return str(self.details.get("type") or "")

    @property
    def message(self) -> str:
        """What Databricks says about the state."""
        said = part(self.resource, "state").get("state_message") or self.details.get("message")
        return str(said or "").strip()

    @property
    def queue(self) -> str:
        """Why it waits in a queue."""
        queue = part(part(self.resource, "status"), "queue_details")
        reason = part(self.resource, "state").get("queue_reason")
        return str(queue.get("message") or queue.get("code") or reason or "")

    @property
    def was_cancelled(self) -> bool:
        """Whether somebody cancelled it; one that ran into its timeout was not."""
        return self.code == "USER_CANCELED" or (
            self.result == "CANCELED" and self.code in ("", "USER_CANCELED")
        )

    @property
    def is_being_cancelled(self) -> bool:
        """Whether a cancel is under way."""
        said = part(self.resource, "state").get("user_cancelled_or_timedout")
        return self.state == "TERMINATING" and bool(said)

    @property
    def page(self) -> str:
        """Address of its page."""
        return str(self.resource.get("run_page_url") or "")

    @property
    def start_ms(self) -> int:
        """When it was made, in milliseconds since 1970; 0 if it does not say."""
        return integer(self.resource.get("start_time")) or 0

    @property
    def end_ms(self) -> int:
        """When it ended; 0 while it runs."""
        return integer(self.resource.get("end_time")) or 0

    @property
    def durations_s(self) -> dict[str, float]:
        """Seconds in the queue, of set-up, execution and clean-up, as far as they are known."""
        found = {name: integer(self.resource.get(name)) for name in _DURATIONS}
        made = {f"{name.partition('_')[0]}_s": ms / 1000 for name, ms in found.items() if ms}
        total = integer(self.resource.get("run_duration")) or (
            self.end_ms - self.start_ms if self.end_ms else 0
        )
        return {**made, **({"run_s": total / 1000} if total > 0 else {})}

    @property
    def tasks(self) -> list[Run]:
        """The last attempt of each of its tasks, by key."""
        last: dict[str, Run] = {}
        for item in dicts(self.resource.get("tasks")):
            task, before = Run(item), last.get(str(item.get("task_key")))
            if before is None or task.attempt >= before.attempt:
                last[task.task_key] = task
        return list(last.values())

    @property
    def attempt(self) -> tuple[int, int]:
        """Of a task: number of the attempt, and when it began; a repair begins with 0 again."""
        return (self.start_ms, integer(self.resource.get("attempt_number")) or 0)

    @property
    def repairs(self) -> list[Mapping[str, Any]]:
        """What ``repair_history`` has of repairs, the first one first."""
        return [
            item
            for item in dicts(self.resource.get("repair_history"))
            if item.get("type") == "REPAIR"
        ]

    @property
    def kind(self) -> str:
        """Of a task: ``notebook_task`` and the like."""
        return next(
            (n for n in self.resource if n.endswith("_task") and self.resource[n] is not None), ""
        )

    @property
    def cluster_id(self) -> str:
        """Of a task: the cluster it ran on."""
        return str(part(self.resource, "cluster_instance").get("cluster_id") or "")


def part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object inside; an empty one if there is none."""
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def integer(value: Any) -> int | None:
    """Return a whole number, which may come as text; ``None`` if it is none."""
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError):
        return None
