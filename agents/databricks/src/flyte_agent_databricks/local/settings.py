"""What a submitted run or a job is to do: its settings in one form, checked as Databricks checks them."""

from __future__ import annotations

from typing import Any

from . import kinds
from .errors import invalid

MAX_TASKS = 1000
_LEGACY = ("existing_cluster_id", "libraries", "new_cluster", "notification_settings")
_RUN_IF = frozenset({
    "ALL_DONE", "ALL_FAILED", "ALL_SUCCESS", "AT_LEAST_ONE_FAILED", "AT_LEAST_ONE_SUCCESS", "NONE_FAILED",
})  # fmt: skip
_COMPUTE = ("existing_cluster_id", "environment_key", "job_cluster_key", "new_cluster")
_TARGETS = ("COST_OPTIMIZED", "PERFORMANCE_OPTIMIZED", "STANDARD")


def normalized(body: dict[str, Any], *, is_submit: bool) -> dict[str, Any]:
    """
    Return settings with a list of tasks; those with one task at the top level get it too.

    Raises:
        ApiError: A value cannot be.
    """
    settings = dict(body)
    legacy = [name for name in kinds.ALL if name in settings]
    if legacy and "tasks" not in settings:
        name = str(settings.get("run_name") or settings.get("name") or "main")
        moved = {key: settings.pop(key) for key in (*legacy, *_LEGACY) if key in settings}
        settings["tasks"] = [{"task_key": _key_of(name), **moved}]
    tasks = settings.get("tasks") or []
    if not tasks and is_submit:
        raise invalid("One of tasks, or a task at the top level, must be specified.")
    if len(tasks) > MAX_TASKS:
        raise invalid(f"The number of tasks {len(tasks)} exceeds the limit of {MAX_TASKS}.")
    _check_whole(settings)
    _check_keys(tasks)
    for task in tasks:
        _check_task(task, settings, is_submit=is_submit)
    _check_order(tasks)
    return settings


def _key_of(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:100]


def _check_whole(settings: dict[str, Any]) -> None:
    target = settings.get("performance_target")
    if target not in (None, *_TARGETS):
        # Databricks drops it and takes the dearer mode; here it is said.
        raise invalid(
            f"performance_target: found {target!r}, expected one of {', '.join(_TARGETS)}"
        )
    for name in ("timeout_seconds", "max_concurrent_runs"):
        value = settings.get(name)
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or value < 0
        ):
            raise invalid(f"{name}: found {value!r}, expected a whole number from 0 on.")


def _check_keys(tasks: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for task in tasks:
        key = task.get("task_key")
        if not isinstance(key, str) or not key or len(key) > 100 or _key_of(key) != key:
            raise invalid(
                f"task_key: found {key!r}, expected 1 to 100 letters, digits, hyphens and underscores."
            )
        if key in seen:
            raise invalid(f"Duplicate task key {key}.")
        seen.add(key)


def _check_task(task: dict[str, Any], settings: dict[str, Any], *, is_submit: bool) -> None:
    kind, key = kinds.kind_of(task), task["task_key"]
    run_if = task.get("run_if")
    if run_if not in (None, *_RUN_IF):
        raise invalid(f"Task {key}: run_if {run_if!r} is none of {', '.join(sorted(_RUN_IF))}.")
    _check_compute(task, kind, settings, is_submit=is_submit)
    if kind == "sql_task" and not task[kind].get("warehouse_id"):
        raise invalid(f"Task {key}: sql_task.warehouse_id must be specified.")
    if kind == "for_each_task":
        nested = task[kind].get("task") or {}
        if kinds.kind_of(nested) == "for_each_task":
            raise invalid(f"Task {key}: a for_each_task cannot hold another one.")
        _check_task({"task_key": f"{key}_iteration", **nested}, settings, is_submit=is_submit)


def _check_compute(
    task: dict[str, Any], kind: str, settings: dict[str, Any], *, is_submit: bool
) -> None:
    key = task["task_key"]
    given = [name for name in _COMPUTE if task.get(name)]
    clusters = [name for name in given if name != "environment_key"]
    if len(clusters) > 1:
        raise invalid(f"Task {key}: only one of {', '.join(clusters)} can be specified.")
    if kind in ("spark_python_task", "python_wheel_task", "spark_jar_task") and not given:
        raise invalid(
            f"Task {key}: one of new_cluster, existing_cluster_id, job_cluster_key or environment_key "
            "must be specified."
        )
    if "environment_key" in given:
        _defined(
            key,
            "environment",
            task["environment_key"],
            settings.get("environments"),
            "environment_key",
        )
    if "job_cluster_key" in given:
        if is_submit:
            raise invalid(
                f"Task {key}: job_cluster_key is not supported for one-time runs; use new_cluster."
            )
        _defined(
            key,
            "job cluster",
            task["job_cluster_key"],
            settings.get("job_clusters"),
            "job_cluster_key",
        )


def _defined(
    key: str, what: str, name: str, among: list[dict[str, Any]] | None, field: str
) -> None:
    if name not in [each.get(field) for each in among or []]:
        raise invalid(f"Task {key}: the {what} {name!r} is not defined in the settings.")


def _check_order(tasks: list[dict[str, Any]]) -> None:
    """Every dependency exists, and none leads back."""
    waiting = {task["task_key"]: dependencies(task) for task in tasks}
    for key, needed in waiting.items():
        for name in needed:
            if name not in waiting:
                raise invalid(f"Task {key} depends on the task {name}, which does not exist.")
    while waiting:
        free = [
            key for key, needed in waiting.items() if not any(name in waiting for name in needed)
        ]
        if not free:
            raise invalid(
                f"The tasks {', '.join(sorted(waiting))} depend on each other in a circle."
            )
        for key in free:
            del waiting[key]


def dependencies(task: dict[str, Any]) -> list[str]:
    """Return the keys of the tasks that one waits for."""
    return [each["task_key"] for each in task.get("depends_on") or []]
