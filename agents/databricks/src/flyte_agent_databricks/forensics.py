"""What a failed run's message says: which tasks failed, with what error, on which cluster, and where to look."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, RetryableError, TaskError
from flyte_agent_core.secrets import redact
from flyte_agent_core.text import bounded

from .failures import failed_tasks, verdict, with_retries

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .calls import Calls
    from .failures import Verdict
    from .job_run import Run
    from .meta import DatabricksJobMeta

MOST_TASKS = 5
"""Failed tasks whose error is asked for; the others are named."""

_ERROR_CHARS, _TRACE_LINES, _TRACE_CHARS = 500, 8, 700
_AGAIN = re.compile(r"\s*(?:[\w.]+\.)?TryAgain\b")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


async def failure_of(calls: Calls, meta: DatabricksJobMeta, run: Run) -> AgentError | None:
    """
    Return why a run failed, with all that Databricks says about it; ``None`` if it has not failed.

    Raises:
        AgentError: The body of a Python task failed, and its error, which says whether to try
            again, cannot be read now.
    """
    found = verdict(run, strict=meta.strict)
    if found is None:
        return None
    if len(run.tasks) >= 100 or run.resource.get("next_page_token"):
        run = await _whole(calls, run)
    tasks = failed_tasks(run)
    outputs = await asyncio.gather(*(_output(calls, run, task) for task in tasks[:MOST_TASKS]))
    found = with_retries(found, code_retries=meta.code_retries, adopted=meta.adopted)
    if meta.body and found.is_of_code:
        found = found._replace(error=_of_body(outputs))
    message = "\n".join(_lines(run, found, tasks, outputs))
    return found.error(redact(bounded(message)), code=found.code, retry_after_s=found.retry_after_s)


def task_links(run: Run) -> dict[str, str]:
    """Return the pages of the tasks that failed."""
    tasks = failed_tasks(run)[:MOST_TASKS] if run.has_ended else []
    return {f"Task {task.task_key}": task.page for task in tasks if task.page.startswith("http")}


async def _whole(calls: Calls, run: Run) -> Run:
    try:
        return await calls.get(run.run_id, whole=True)
    except AgentError:
        return run


async def _output(calls: Calls, run: Run, task: Run) -> Mapping[str, Any] | AgentError:
    """Return what Databricks kept of a task's run; the error if it cannot be had."""
    run_id = task.run_id or run.run_id
    try:
        return await calls.output(run_id)
    except AgentError as error:
        return error


def _of_body(outputs: Sequence[Mapping[str, Any] | AgentError]) -> type[AgentError]:
    """Return whether Flyte may run the body of a Python task again: its entry point says so by an error's name."""
    output = outputs[0] if outputs else None
    if isinstance(output, AgentError):
        raise output
    return RetryableError if _AGAIN.match(str((output or {}).get("error") or "")) else TaskError


def _lines(
    run: Run, found: Verdict, tasks: list[Run], outputs: Sequence[Mapping[str, Any] | AgentError]
) -> list[str]:
    names = ", ".join(task.task_key for task in tasks[:10]) + (
        f" and {len(tasks) - 10} more" if len(tasks) > 10 else ""
    )
    plural = "s" if len(tasks) > 1 else ""
    first = _first_error(outputs) or run.message or "no message"
    of = f" in task{plural} {names}" if names else ""
    lines = [f"Databricks {found.word}{of}: {first[:_ERROR_CHARS]}", found.advice]
    for task, output in zip(tasks, outputs, strict=False):
        lines += _about(task, output, alone=len(tasks) == 1)
    return [line for line in lines if line]


def _first_error(outputs: Sequence[Mapping[str, Any] | AgentError]) -> str:
    for output in outputs:
        if not isinstance(output, AgentError) and output.get("error"):
            return _clean(str(output["error"])).strip().splitlines()[0]
    return ""


def _about(task: Run, output: Mapping[str, Any] | AgentError, *, alone: bool) -> list[str]:
    """Return what there is to say of a task that failed."""
    said = "" if isinstance(output, AgentError) else _clean(str(output.get("error") or ""))
    details = str(task.details.get("message") or "") or task.message
    lines = [f"task {task.task_key}: {task.code or task.result or task.state}"]
    if task.cluster_id:
        lines[0] += f", cluster {task.cluster_id}"
    if said and not (alone and "\n" not in said.strip()):
        lines.append(f"  {said.strip()[:_ERROR_CHARS]}")
    if details and details not in said:
        lines.append(f"  {details[:_ERROR_CHARS]}")
    if isinstance(output, AgentError):
        lines.append(f"  its output cannot be read: {str(output).splitlines()[0][:200]}")
    else:
        lines += _tail(str(output.get("error_trace") or ""))
    return lines


def _tail(trace: str) -> list[str]:
    """Return the last lines of a trace, where the error is."""
    lines = [line.rstrip() for line in _clean(trace).splitlines() if line.strip()][-_TRACE_LINES:]
    return [f"  | {line}" for line in "\n".join(lines)[-_TRACE_CHARS:].splitlines()]


def _clean(text: str) -> str:
    return _ANSI.sub("", text)
