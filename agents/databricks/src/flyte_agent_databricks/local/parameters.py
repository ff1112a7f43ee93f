"""What a run gives to its tasks: parameters of the job and of ``run-now``, and what references stand for."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from .records import Run, TaskRun
from .references import resolve

_LISTS = {
    "spark_python_task": ("parameters", "python_params"),
    "spark_jar_task": ("parameters", "jar_params"),
    "spark_submit_task": ("parameters", "spark_submit_params"),
    "dbt_task": ("commands", "dbt_commands"),
}
_MAPS = {
    "notebook_task": ("base_parameters", "notebook_params"),
    "sql_task": ("parameters", "sql_params"),
    "run_job_task": ("job_parameters", ""),
}

OVERRIDING = ("dbt_commands", "jar_params", "notebook_params", "pipeline_params", "python_named_params",
              "python_params", "spark_submit_params", "sql_params")  # fmt: skip


def resolved(task: TaskRun) -> dict[str, Any]:
    """
    Return a task's settings as it runs with them.

    Raises:
        ApiError: A reference leads to nothing.
    """
    spec = dict(task.spec)
    kind, names = task.kind, names_for(task)
    if kind == "for_each_task":
        loop = dict(spec[kind])
        loop["inputs"] = resolve(loop["inputs"], names)
        return {**spec, kind: loop}
    settings = resolve(spec[kind], names)
    return {**spec, kind: _with_parameters(kind, settings, task.run)}


def _with_parameters(kind: str, settings: dict[str, Any], run: Run) -> dict[str, Any]:
    given = run.overriding
    if kind == "python_wheel_task":
        return _wheel(settings, run)
    if kind in _LISTS:
        field, name = _LISTS[kind]
        return {**settings, field: given[name]} if name in given else settings
    if kind in _MAPS:
        field, name = _MAPS[kind]
        found = {**(settings.get(field) or {}), **run.parameters, **given.get(name, {})}
        return {**settings, field: found} if found else settings
    return settings


def _wheel(settings: dict[str, Any], run: Run) -> dict[str, Any]:
    given, named = run.overriding, settings.get("named_parameters")
    if "python_params" in given:
        return {**settings, "parameters": given["python_params"], "named_parameters": None}
    if settings.get("parameters") is not None and "python_named_params" not in given:
        return settings
    found = {**(named or {}), **run.parameters, **given.get("python_named_params", {})}
    return {**settings, "named_parameters": found, "parameters": None} if found else settings


def arguments(settings: dict[str, Any]) -> list[str]:
    """Return the command line of a Python task."""
    named = settings.get("named_parameters")
    if named:
        return [f"--{name}={value}" for name, value in named.items()]
    return [str(value) for value in settings.get("parameters") or []]


def elements(inputs: str) -> list[Any]:
    """Return what a for-each task goes through. Raises ``ValueError`` for what is no JSON array."""
    found = json.loads(inputs)
    if not isinstance(found, list):
        raise ValueError(  # noqa: TRY004  # as for what is no JSON
            f"for_each_task.inputs: found {inputs[:80]!r}, expected a JSON array"
        )
    return found


def names_for(task: TaskRun) -> dict[str, Any]:
    """Return what references in a task's settings stand for."""
    run = task.run
    start = dt.datetime.fromtimestamp((run.start_ms or run.created_ms) / 1000, dt.timezone.utc)
    job_name = run.job.name if run.job is not None else run.name
    names: dict[str, Any] = {
        "job.id": run.job_id,
        "job_id": run.job_id,
        "job.name": job_name,
        "job.run_id": run.run_id,
        "run.id": run.run_id,
        "parent_run_id": run.run_id,
        "job.repair_count": max(0, len(run.repairs) - 1),
        "job.start_time.iso_date": f"{start:%Y-%m-%d}",
        "job.start_time.iso_datetime": start.isoformat(),
        "job.trigger.type": run.trigger.lower(),
        "start_date": f"{start:%Y-%m-%d}",
        "task.name": task.key,
        "task_key": task.key,
        "task.run_id": task.run_id,
        "run_id": task.run_id,
        "task.execution_count": task.attempt + 1,
    }
    names |= {f"job.parameters.{name}": value for name, value in run.parameters.items()}
    for key, other in run.latest().items():
        names[f"tasks.{key}.run_id"] = other.run_id
        names[f"tasks.{key}.result_state"] = other.words.result.lower()
        names |= {f"tasks.{key}.values.{name}": value for name, value in other.values.items()}
    if task.parent is not None:
        names["input"] = task.item
    return names
