"""The kinds of tasks that the Jobs API knows, and which of them run on this machine."""

from __future__ import annotations

from typing import Any

from .errors import invalid

PYTHON = frozenset({"notebook_task", "python_wheel_task", "spark_python_task"})
"""Run as processes."""

CONTROL = frozenset({"condition_task", "for_each_task", "run_job_task"})
"""Need no compute."""

OTHERS: dict[str, str] = {
    "ai_runtime_task": "there are no GPUs to run it on",
    "alert_task": "alerts are not evaluated",
    "clean_rooms_notebook_task": "there are no clean rooms",
    "dashboard_task": "there are no dashboards",
    "dbt_cloud_task": "there is no dbt Cloud",
    "dbt_platform_task": "there is no dbt platform",
    "dbt_task": "dbt is not run",
    "gen_ai_compute_task": "there are no GPUs to run it on",
    "pipeline_task": "there are no pipelines",
    "power_bi_task": "there is no Power BI",
    "python_operator_task": "there are no operators",
    "spark_jar_task": "no JAR is run",
    "spark_submit_task": "there is no spark-submit",
}
"""What cannot be run here, and why; a script can say what it does."""

ALL = PYTHON | CONTROL | OTHERS.keys() | {"sql_task"}


def kind_of(task: dict[str, Any]) -> str:
    """
    Return the kind of a task, such as ``notebook_task``.

    Raises:
        ApiError: It has none, or several.
    """
    found = sorted(ALL & task.keys())
    if len(found) != 1:
        key = task.get("task_key", "")
        raise invalid(
            f"Task {key}: exactly one task type must be specified, found {', '.join(found) or 'none'}."
        )
    return found[0]


def why_not(kind: str, task: dict[str, Any]) -> str:
    """Return why a task cannot run on this machine; empty when it can."""
    if kind == "sql_task":
        sort = next((name for name in ("alert", "dashboard") if name in task["sql_task"]), "")
        return f"a SQL {sort} is not evaluated" if sort else ""
    return OTHERS.get(kind, "")
