"""Jobs and runs as the API shows them.

Source: https://docs.databricks.com/api/workspace/jobs/getrun
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

from .records import Job, Repair, Run, TaskRun
from .states import TERMINAL

PAGE = 100
LIMIT_BYTES = 5 << 20
"""What ``get-output`` returns of logs and of what a notebook exits with."""

_PAGED = ("tasks", "job_clusters", "job_parameters", "repair_history")


def run_body(run: Run, url: str, *, history: bool = False, page: int = 0) -> dict[str, Any]:
    """Return a run with one page of each of its lists."""
    lists: dict[str, list[Any]] = {
        "tasks": [task_body(task, url) for task in _shuffled(run.tasks) if task.parent is None],
        "job_clusters": list(run.settings.get("job_clusters") or []),
        "job_parameters": [{"name": n, "value": v} for n, v in run.parameters.items()],
        "repair_history": [_repair_body(each) for each in run.repairs] if history else [],
    }
    body = listed_body(run, url)
    for name in _PAGED:
        body[name] = lists[name][page * PAGE : (page + 1) * PAGE]
    if any(len(found) > (page + 1) * PAGE for found in lists.values()):
        body["next_page_token"] = str(page + 1)
    for name in ("environments", "git_source"):
        if name in run.settings:
            body[name] = run.settings[name]
    return body


def _shuffled(tasks: list[TaskRun]) -> list[TaskRun]:
    """The API promises no order, so there is one that nobody can take for that of the declaration."""
    return sorted(tasks, key=lambda task: (zlib.crc32(task.key.encode()), task.attempt))


def listed_body(run: Run, url: str) -> dict[str, Any]:
    """Return a run without its lists."""
    ended = run.words.life_cycle in TERMINAL
    body: dict[str, Any] = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "number_in_job": run.run_id,
        "original_attempt_run_id": run.run_id,
        "job_run_id": run.run_id,
        "creator_user_name": run.creator,
        "run_name": run.name,
        "run_page_url": f"{url}/?o=1#job/{run.job_id}/run/{run.run_id}",
        "run_type": run.kind,
        "format": "MULTI_TASK",
        "trigger": run.trigger,
        "state": run.words.state(),
        "status": run.words.of_2_2(),
        "start_time": run.start_ms or run.created_ms,
        "end_time": run.end_ms,
        "queue_duration": run.queue_ms,
        "run_duration": run.end_ms - run.created_ms if ended else 0,
        **_durations(run),
    }
    if any("environment_key" in task.spec for task in run.tasks):
        body["effective_performance_target"] = (
            run.settings.get("performance_target") or "PERFORMANCE_OPTIMIZED"
        )
    if run.overriding:
        body["overriding_parameters"] = run.overriding
    return body


def _durations(run: Run) -> dict[str, int]:
    """Of the only task; runs with several have none."""
    only = run.tasks[0] if len(run.tasks) == 1 else None
    return {
        "setup_duration": only.setup_ms if only else 0,
        "execution_duration": only.work_ms if only else 0,
        "cleanup_duration": 0,
    }


def task_body(task: TaskRun, url: str) -> dict[str, Any]:
    """Return a task run as it is shown among the tasks of a run."""
    body = {
        **task.spec,
        "run_id": task.run_id,
        "attempt_number": task.attempt,
        "run_if": task.spec.get("run_if", "ALL_SUCCESS"),
        "run_page_url": f"{url}/?o=1#job/{task.run.job_id}/run/{task.run_id}",
        "state": task.words.state(),
        "status": task.words.of_2_2(),
        "start_time": task.start_ms,
        "end_time": task.end_ms,
        "setup_duration": task.setup_ms,
        "execution_duration": task.work_ms,
        "cleanup_duration": 0,
        "queue_duration": 0,
    }
    if task.cluster_id:
        body["cluster_instance"] = {"cluster_id": task.cluster_id}
    if task.kind == "condition_task" and task.outcome:
        body["condition_task"] = {**task.settings, "outcome": task.outcome}
    if task.kind == "for_each_task" and task.iterations:
        body["for_each_task"] = {**task.settings, "stats": _stats(task)}
    return body


def task_run_body(task: TaskRun, url: str, *, page: int = 0) -> dict[str, Any]:
    """Return a task run as ``runs/get`` shows it, with a page of its iterations."""
    body = {
        **listed_body(task.run, url),
        **{name: value for name, value in task_body(task, url).items() if name not in task.spec},
        "run_name": task.key,
        "run_type": "SUBMIT_RUN" if task.run.kind == "SUBMIT_RUN" else "JOB_RUN",
        "tasks": [task_body(task, url)] if page == 0 else [],
    }
    if task.iterations:
        iterations = task.iterations[page * PAGE : (page + 1) * PAGE]
        body["iterations"] = [task_body(each, url) for each in iterations]
        if len(task.iterations) > (page + 1) * PAGE:
            body["next_page_token"] = str(page + 1)
        # The client extends these lists with those of the next page.
        body |= {name: [] for name in _PAGED if name != "tasks"}
    return body


def _stats(task: TaskRun) -> dict[str, Any]:
    ended = [each for each in task.iterations if each.words.is_terminal]
    good = sum(each.words.is_success for each in ended)
    return {
        "task_run_stats": {
            "total_iterations": len(task.iterations),
            "scheduled_iterations": sum(each.start_ms > 0 for each in task.iterations),
            "active_iterations": sum(each.start_ms > 0 for each in task.iterations) - len(ended),
            "completed_iterations": len(ended),
            "succeeded_iterations": good,
            "failed_iterations": len(ended) - good,
        }
    }


def _repair_body(repair: Repair) -> dict[str, Any]:
    body: dict[str, Any] = {
        "type": "REPAIR" if repair.repair_id else "ORIGINAL",
        "start_time": repair.start_ms,
        "end_time": repair.end_ms,
        "state": repair.words.state(),
        "status": repair.words.of_2_2(),
        "task_run_ids": [task.run_id for task in repair.tasks],
    }
    return {**body, "id": repair.repair_id} if repair.repair_id else body


def output_body(task: TaskRun, url: str) -> dict[str, Any]:
    """Return what ``get-output`` tells of a task run."""
    body: dict[str, Any] = {"metadata": task_run_body(task, url), **task.output.fields}
    if task.kind == "notebook_task":
        return {**body, "notebook_output": _notebook_output(task)}
    if task.kind == "run_job_task" and task.child is not None:
        return {**body, "run_job_output": {"run_id": task.child.run_id}}
    logs, is_cut = _logs(task)
    return {**body, "logs": logs, "logs_truncated": is_cut} if logs or task.start_ms else body


def _notebook_output(task: TaskRun) -> dict[str, Any]:
    if task.output.result is None:
        return {"truncated": False}
    data = task.output.result.encode()
    is_cut = len(data) > LIMIT_BYTES
    return {"result": data[:LIMIT_BYTES].decode("utf-8", "ignore"), "truncated": is_cut}


def _logs(task: TaskRun) -> tuple[str, bool]:
    """The last part of what a task has printed so far."""
    if not task.output.log:
        data = task.output.text.encode()
        return data[-LIMIT_BYTES:].decode("utf-8", "ignore"), len(data) > LIMIT_BYTES
    path = Path(task.output.log)
    if not path.exists():
        return "", False
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - LIMIT_BYTES))
        return stream.read().decode("utf-8", "replace"), size > LIMIT_BYTES


def job_body(job: Job, *, page: int = 0, whole: bool = True) -> dict[str, Any]:
    """Return a job; listed ones come without their tasks unless ``whole``."""
    settings = dict(job.settings)
    body: dict[str, Any] = {
        "job_id": job.job_id,
        "creator_user_name": job.creator,
        "run_as_user_name": job.creator,
        "created_time": job.created_ms,
        "settings": settings,
    }
    names = ("tasks", "job_clusters", "environments", "parameters")
    if not whole:
        body["settings"] = {name: value for name, value in settings.items() if name not in names}
        return body
    for name in names:
        found = job.settings.get(name) or []
        settings[name] = found[page * PAGE : (page + 1) * PAGE]
        if len(found) > (page + 1) * PAGE:
            body["next_page_token"] = str(page + 1)
    return body


def encoded(body: dict[str, Any]) -> bytes:
    """Return a body as it is sent."""
    return json.dumps(body, separators=(",", ":")).encode()
