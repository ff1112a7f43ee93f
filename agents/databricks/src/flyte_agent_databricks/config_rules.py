"""
What Databricks asks of a one-time run beyond names and types of its fields.

The rules of ``jobs/runs/submit``, checked when the task is written: Databricks refuses some of these mistakes after
minutes, and takes others for something dearer.
Source: https://docs.databricks.com/api/workspace/jobs/submit
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

from .config_compute import check_clusters, check_compute, check_environments
from .config_names import check_key
from .config_schema import conform, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MAX_TASKS = 100
"""Tasks of one run; https://docs.databricks.com/api/workspace/jobs/submit"""

MAX_CONCURRENCY = 100
"""Iterations of a for_each task at once."""

DURATION_TARGETS = ("NO_FLEXIBILITY", "4h", "12h", "24h", "72h")
"""Windows of a run with ``performance_target`` COST_OPTIMIZED."""

_WEBHOOKS = 3
_FROM_GIT = ("notebook_task", "spark_python_task", "dbt_task")


def kinds() -> tuple[str, ...]:
    """Return the fields of a task of which it has exactly one: ``notebook_task`` and the like."""
    return tuple(name for name in fields_of("SubmitTask") if name.endswith("_task"))


def kind_of(task: Mapping[str, Any]) -> str:
    """Return what a task is; ``""`` for the body of a Python task, which the agent fills in."""
    return next((name for name in kinds() if name in task), "")


def check_submit(submit: Mapping[str, Any], *, body: bool = False) -> dict[str, Any]:
    """
    Return the body of ``jobs/runs/submit`` as Databricks takes it.

    Args:
        submit: The body, as it was written; ``job_clusters`` are taken too, and given to the tasks that name them.
        body: Whether its one task is the body of a Python task, which has no kind yet.

    Raises:
        InvalidConfig: Something is wrong; the message names the field.
    """
    if "idempotency_token" in submit:
        raise invalid(
            "submit.idempotency_token", submit["idempotency_token"], "nothing: the agent sets it"
        )
    request: dict[str, Any] = conform("submit", _with_clusters(submit), "submit")
    tasks = request.get("tasks") or []
    if not 1 <= len(tasks) <= MAX_TASKS:
        raise invalid("submit.tasks", len(tasks), f"1 to {MAX_TASKS} tasks")
    if body and (len(tasks) != 1 or kind_of(tasks[0])):
        raise invalid(
            "submit.tasks", [kind_of(t) for t in tasks], "one task without a kind, for the body"
        )
    for n, task in enumerate(tasks):
        _check_task(f"submit.tasks[{n}]", task, request, body=body)
    _check_graph(tasks)
    check_environments("submit.environments", request)
    _check_run(request)
    return request


def _with_clusters(submit: Mapping[str, Any]) -> dict[str, Any]:
    """Give each task its own cluster of the form it names: one-time runs share none."""
    made = copy.deepcopy(dict(submit))
    shared = {}
    for n, cluster in enumerate(made.pop("job_clusters", None) or ()):
        where = f"submit.job_clusters[{n}]"
        if not isinstance(cluster, dict) or set(cluster) != {"job_cluster_key", "new_cluster"}:
            raise invalid(where, cluster, "a dict with job_cluster_key and new_cluster")
        shared[check_key(f"{where}.job_cluster_key", cluster["job_cluster_key"])] = cluster[
            "new_cluster"
        ]
    for n, task in enumerate(made.get("tasks") or ()):
        name = task.pop("job_cluster_key", None) if isinstance(task, dict) else None
        if name is not None and name not in shared:
            raise invalid(
                f"submit.tasks[{n}].job_cluster_key", name, f"one of {', '.join(shared) or '(no job_clusters)'}",
                did_you_mean(str(name), shared),
            )  # fmt: skip
        if name is not None and "new_cluster" in task:
            raise invalid(
                f"submit.tasks[{n}].job_cluster_key", name, "this or new_cluster, not both"
            )
        if name is not None:
            task["new_cluster"] = copy.deepcopy(shared[name])
    return made


def _check_task(
    where: str, task: dict[str, Any], request: Mapping[str, Any], *, body: bool
) -> None:
    check_key(f"{where}.task_key", task["task_key"])
    found = [name for name in kinds() if name in task]
    if not body and len(found) != 1:
        repair = "Split it into two tasks." if found else f"Give it one of {', '.join(kinds())}."
        raise invalid(f"{where} ({task['task_key']})", found, "exactly one kind of work", repair)
    kind = found[0] if found else ""
    check_compute(where, task, kind, request, body=body)
    check_clusters(f"{where}.new_cluster", task.get("new_cluster"))
    _check_source(where, task, kind, request)
    check = _OF_KIND.get(kind)
    if check is not None:
        check(f"{where}.{kind}", task[kind], request)


def _check_sql(where: str, sql: dict[str, Any], request: Mapping[str, Any]) -> None:
    found = [name for name in ("query", "dashboard", "alert", "file") if name in sql]
    if len(found) != 1:
        raise invalid(where, found, "exactly one of query, dashboard, alert and file")
    if "file" in sql and sql["file"].get("source") == "GIT" and "git_source" not in request:
        raise invalid(f"{where}.file.source", "GIT", "WORKSPACE, or a git_source of the run")


def _check_condition(where: str, condition: dict[str, Any], request: Mapping[str, Any]) -> None:
    for side in ("left", "right"):
        if condition[side] == "":
            raise invalid(
                f"{where}.{side}", "", "a value or a reference such as '{{tasks.a.values.n}}'"
            )


def _check_for_each(where: str, loop: dict[str, Any], request: Mapping[str, Any]) -> None:
    inner = loop["task"]
    concurrency = loop.get("concurrency", 1)
    if not 1 <= concurrency <= MAX_CONCURRENCY:
        raise invalid(f"{where}.concurrency", concurrency, f"1 to {MAX_CONCURRENCY}")
    if "for_each_task" in inner:
        raise invalid(
            f"{where}.task", "for_each_task", "another kind of work", "Loops do not nest."
        )
    if "job_cluster_key" in inner:
        raise invalid(
            f"{where}.task.job_cluster_key",
            inner["job_cluster_key"],
            "new_cluster or existing_cluster_id",
        )
    if not loop["inputs"].lstrip().startswith(("{{", "{inputs.")):
        _check_items(f"{where}.inputs", loop["inputs"])
    _check_task(f"{where}.task", inner, request, body=False)


def _check_items(where: str, text: str) -> None:
    try:
        items = json.loads(text)
    except ValueError:
        items = None
    if not isinstance(items, list):
        raise invalid(
            where,
            text,
            "a JSON list as text, or a reference",
            "Write inputs=json.dumps([1, 2, 3]).",
        )


def _check_dbt(where: str, dbt: dict[str, Any], request: Mapping[str, Any]) -> None:
    wrong = [command for command in dbt["commands"] if not command.startswith("dbt ")]
    if wrong or not dbt["commands"]:
        raise invalid(f"{where}.commands", dbt["commands"], "commands that begin with 'dbt '")


_OF_KIND = {
    "sql_task": _check_sql,
    "condition_task": _check_condition,
    "for_each_task": _check_for_each,
    "dbt_task": _check_dbt,
}


def _check_source(where: str, task: dict[str, Any], kind: str, request: Mapping[str, Any]) -> None:
    """Compare where the code is with what the run says of git."""
    if kind not in _FROM_GIT:
        return
    source, has_git = task[kind].get("source"), "git_source" in request
    if source == "GIT" and not has_git:
        raise invalid(f"{where}.{kind}.source", source, "WORKSPACE, or a git_source of the run")
    path = task[kind].get("notebook_path")
    from_git = source == "GIT" or (source is None and has_git)
    if path is not None and not path.startswith("{inputs."):
        if from_git and path.startswith("/"):
            raise invalid(
                f"{where}.{kind}.notebook_path", path, "a path from the top of the repository"
            )
        if not from_git and not path.startswith("/"):
            raise invalid(
                f"{where}.{kind}.notebook_path",
                path,
                "a whole path such as '/Workspace/Shared/train'",
            )


def _check_graph(tasks: Sequence[Mapping[str, Any]]) -> None:
    by_key = {task["task_key"]: task for task in tasks}
    if len(by_key) != len(tasks):
        keys = [task["task_key"] for task in tasks]
        raise invalid(
            "submit.tasks", next(k for k in keys if keys.count(k) > 1), "each task_key once"
        )
    for key, task in by_key.items():
        for before in task.get("depends_on", ()):
            _check_dependency(f"submit.tasks[{key!r}].depends_on", before, by_key)
    done: set[str] = set()
    while len(done) < len(by_key):
        ready = {
            k for k, t in by_key.items() if {b["task_key"] for b in t.get("depends_on", ())} <= done
        } - done
        if not ready:
            raise invalid(
                "submit.tasks", sorted(set(by_key) - done), "tasks that do not wait for each other"
            )
        done |= ready


def _check_dependency(
    where: str, before: Mapping[str, Any], by_key: Mapping[str, Mapping[str, Any]]
) -> None:
    name, outcome = before["task_key"], before.get("outcome")
    if name not in by_key:
        raise invalid(
            where, name, f"the key of a task: {', '.join(by_key)}", did_you_mean(name, by_key)
        )
    if outcome is not None and (
        outcome not in ("true", "false") or kind_of(by_key[name]) != "condition_task"
    ):
        raise invalid(f"{where}.outcome", outcome, "'true' or 'false' of a condition_task")


def _check_run(request: Mapping[str, Any]) -> None:
    for n, grant in enumerate(request.get("access_control_list", ())):
        _one_of(
            f"submit.access_control_list[{n}]",
            grant,
            ("user_name", "group_name", "service_principal_name"),
        )
        if "permission_level" not in grant:
            raise invalid(
                f"submit.access_control_list[{n}].permission_level", None, "such as CAN_VIEW"
            )
    if "run_as" in request:
        _one_of(
            "submit.run_as",
            request["run_as"],
            ("user_name", "group_name", "service_principal_name"),
        )
    if "git_source" in request:
        _one_of("submit.git_source", request["git_source"], ("git_branch", "git_tag", "git_commit"))
    for event, hooks in request.get("webhook_notifications", {}).items():
        if len(hooks) > _WEBHOOKS:
            raise invalid(
                f"submit.webhook_notifications.{event}", len(hooks), f"at most {_WEBHOOKS}"
            )
    if request.get("timeout_seconds", 0) < 0:
        raise invalid("submit.timeout_seconds", request["timeout_seconds"], "seconds, or 0")
    check_target("submit", request)


def check_target(where: str, request: Mapping[str, Any]) -> None:
    """
    Refuse a performance target without its window, or the other way round.

    Raises:
        InvalidConfig: One of both is missing, or the window is none.
    """
    window, target = request.get("duration_target"), request.get("performance_target")
    if (window is not None) != (target == "COST_OPTIMIZED"):
        raise invalid(
            f"{where}.duration_target",
            window,
            "a window with performance_target COST_OPTIMIZED only",
        )
    if window is not None and window not in DURATION_TARGETS:
        raise invalid(f"{where}.duration_target", window, f"one of {', '.join(DURATION_TARGETS)}")


def _one_of(where: str, value: Mapping[str, Any], names: tuple[str, ...]) -> None:
    found = [name for name in names if name in value]
    if len(found) != 1:
        raise invalid(where, found, f"exactly one of {', '.join(names)}")
