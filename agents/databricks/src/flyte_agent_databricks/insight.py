"""A run in detail, for Flyte's metrics and log views."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError
from flyte_agent_core.secrets import redact

from .failures import failed_tasks
from .progress import figures, message, task_figures

if TYPE_CHECKING:
    from .calls import Calls
    from .job_run import Run

_OUTPUTS = 20
_LINES = 200


async def metrics(calls: Calls, run_id: str) -> dict[str, Any]:
    """Return the run's figures by name, with those of its tasks."""
    run = await calls.get(run_id, whole=True)
    return {**figures(run), "task_runs": task_figures(run)}


async def log_lines(calls: Calls, run_id: str) -> list[str]:
    """Return what happened to the run, in order, and the output of its tasks as far as Databricks keeps it."""
    run = await calls.get(run_id, whole=True)
    lines = [_at(run.start_ms, f"run {run.run_id} created")]
    tasks = sorted(run.tasks, key=lambda task: (task.start_ms, task.task_key))
    lines += [
        _at(task.start_ms, f"task {task.task_key}: {_state(task)}{_seconds(task)}")
        for task in tasks
    ]
    for task in (tasks or [run])[:_OUTPUTS]:
        if task.has_ended and (task.resource.get("run_id") or not tasks):
            lines += await _output(calls, task)
    failed = ", ".join(task.task_key for task in failed_tasks(run)) if run.has_ended else ""
    lines.append(_at(run.end_ms, message(run) + (f" (failed: {failed})" if failed else "")))
    return [redact(line) for line in lines]


async def _output(calls: Calls, task: Run) -> list[str]:
    name = task.task_key or "run"
    try:
        output = await calls.output(task.run_id)
    except AgentError as error:
        return [f"  {name}: no output ({str(error).splitlines()[0][:200]})"]
    logs = str(output.get("logs") or "").splitlines()
    notebook = output.get("notebook_output") or {}
    lines = [f"  {name} | {line}" for line in logs[-_LINES:]]
    if output.get("logs_truncated") or len(logs) > _LINES:
        lines.insert(0, f"  {name}: only the end of its log is shown")
    if notebook.get("result") is not None:
        cut = " (cut by Databricks at 5 MB)" if notebook.get("truncated") else ""
        lines.append(f"  {name}: exit value {str(notebook['result'])[:500]}{cut}")
    if output.get("error"):
        lines.append(f"  {name}: {output['error']}")
    return lines


def _state(task: Run) -> str:
    return (task.result or task.state or "unknown").lower()


def _seconds(task: Run) -> str:
    said = ", ".join(
        f"{name.removesuffix('_s')} {seconds:.0f} s" for name, seconds in task.durations_s.items()
    )
    return f" ({said})" if said else ""


def _at(millis: int, text: str) -> str:
    if not millis:
        return text
    when = dt.datetime.fromtimestamp(millis / 1000, tz=dt.timezone.utc)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{millis % 1000:03d}Z {text}"
