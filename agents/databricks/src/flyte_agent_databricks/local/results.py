"""How a run ends by how its tasks ended, and which of them a repair is for."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from . import states
from .errors import invalid
from .records import Run, TaskRun
from .settings import dependencies
from .states import Words

GOOD = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES", "EXCLUDED", "DISABLED"})
_CANCELED = frozenset({"CANCELED", "UPSTREAM_CANCELED"})
_CAUSES = ("FAILED", "TIMEDOUT", "CANCELED")


def results_before(task: TaskRun, latest: dict[str, TaskRun]) -> list[str] | None:
    """Return the results of the tasks that one depends on; ``None`` while one has none."""
    found = []
    for each in task.spec.get("depends_on") or []:
        before = latest.get(each["task_key"])
        if before is None:  # `only` left it out
            continue
        if not before.words.is_terminal:
            return None
        outcome = each.get("outcome")
        other_way = outcome is not None and before.words.is_success and before.outcome != outcome
        result = "EXCLUDED" if other_way else before.words.result
        if result != "DISABLED":
            found.append(result)
    return found


def result_of(run: Run) -> Words:
    """Return how a run ends, by its last tasks."""
    if run.stop is not None:
        return run.stop
    latest = run.latest()
    needed = {key for task in latest.values() for key in dependencies(task.spec)}
    bad = [task for task in latest.values() if task.words.result not in GOOD]
    if not bad:
        return states.SUCCESS
    if all(task.key in needed for task in bad):
        return states.SUCCESS_WITH_FAILURES
    if all(task.words.result in _CANCELED for task in bad):
        return states.CANCELED
    causes = [task for task in bad if task.words.result in _CAUSES] or bad
    cause = min(causes, key=lambda task: task.end_ms)
    message = f"Task {cause.key} failed with message: {cause.words.message}."
    if cause.key in needed:
        message += " This caused all downstream tasks to get skipped."
    if cause.words.result == "TIMEDOUT":
        return states.TIMED_OUT.saying(message)
    code, kind = cause.words.code or states.FAILED.code, cause.words.kind or states.FAILED.kind
    return replace(states.RUN_FAILED, message=message, code=code, kind=kind)


def to_repair(run: Run, body: dict[str, Any]) -> list[str]:
    """Return the keys of the tasks that a repair runs again. Raises ``ApiError`` for none."""
    latest = run.latest()
    chosen: Collection[str] = body.get("rerun_tasks") or []
    unknown = sorted(set(chosen) - latest.keys())
    if unknown:
        raise invalid(f"rerun_tasks: run {run.run_id} has no task {', '.join(unknown)}.")
    if body.get("rerun_all_failed_tasks"):
        chosen = [key for key, task in latest.items() if task.words.result not in GOOD]
    if not chosen:
        raise invalid(f"Run {run.run_id} has no failed tasks to repair; name some in rerun_tasks.")
    wanted = set(chosen)
    if body.get("rerun_dependent_tasks"):
        wanted |= _downstream(wanted, latest.values())
    return [key for key in latest if key in wanted]


def _downstream(keys: set[str], tasks: Iterable[TaskRun]) -> set[str]:
    found, known = set(keys), list(tasks)
    while True:
        more = {task.key for task in known if found & set(dependencies(task.spec))} - found
        if not more:
            return found
        found |= more
