"""What a run is doing and what it took, for the task's page in Flyte."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .job_run import Run

_TASKS = 100
_FAILED = frozenset({"FAILED", "TIMEDOUT", "CANCELED", "UPSTREAM_FAILED", "UPSTREAM_CANCELED"})


def message(run: Run) -> str:
    """Return one line on what the run is doing."""
    if run.state == "QUEUED":
        return f"queued at Databricks{f': {run.queue}' if run.queue else ''}"
    if run.state in ("PENDING", "BLOCKED"):
        return f"waits at Databricks: {run.message or 'compute is being prepared'}"
    if run.has_ended:
        seconds = run.durations_s.get("run_s")
        took = f", {seconds:.0f} s" if seconds else ""
        return f"done: {(run.result or run.code or run.state).lower()}{took}"
    tasks = _tasks(run)
    said = f": {run.message}" if run.message else ""
    return f"{run.state.lower().replace('_', ' ')}{f', {tasks}' if tasks else ''}{said}"


def _tasks(run: Run) -> str:
    tasks = run.tasks
    if len(tasks) < 2:
        return ""
    done = sum(task.has_ended for task in tasks)
    failed = [task.task_key for task in tasks if task.result in _FAILED]
    return f"{done}/{len(tasks)} tasks done" + (
        f", failed: {', '.join(failed[:5])}" if failed else ""
    )


def figures(run: Run) -> dict[str, Any]:
    """Return the run's figures; what is not known is left out."""
    found: dict[str, Any] = {
        "run_id": run.run_id,
        "job_id": str(run.resource.get("job_id") or ""),
        "state": run.state,
        "result": run.result,
        "termination_code": run.code,
        "run_type": run.resource.get("run_type"),
        "performance_target": run.resource.get("effective_performance_target"),
        **run.durations_s,
        "repairs": len(run.repairs),
        "tasks": dict(collections.Counter(task.result or task.state for task in run.tasks)),
        "clusters": sorted({task.cluster_id for task in run.tasks if task.cluster_id}),
        "warnings": warnings(run),
    }
    return {name: value for name, value in found.items() if value not in (None, "", [], {}, 0)}


def warnings(run: Run) -> list[str]:
    """Return the tasks that failed in a run that did not."""
    if run.result != "SUCCESS_WITH_FAILURES":
        return []
    failed = [
        f"task {task.task_key}: {task.code or task.result}"
        for task in run.tasks
        if task.result in _FAILED
    ]
    return failed or ["some tasks failed, though every leaf succeeded"]


def task_figures(run: Run) -> list[dict[str, Any]]:
    """Return state, seconds and page of each task."""
    made = []
    for task in run.tasks[:_TASKS]:
        row = {
            "task": task.task_key,
            "kind": task.kind,
            "run_id": task.run_id,
            "state": task.result or task.state,
            "attempt": task.attempt[1],
            "cluster": task.cluster_id,
            "page": task.page,
            **task.durations_s,
        }
        made.append({name: value for name, value in row.items() if value not in ("", None)})
    return made
