"""
What a run touches, for a service's policy.

Taken from the run as it will be sent. What its notebooks and statements do is not among them: the rights of the
account decide there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config_names import normal_host
from .links import service_host
from .plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_agent_core import Attempt

SERVICE_DEFAULT = "(service default)"
"""Stands for a workspace or warehouse that the task leaves to the service."""

_NAMED = {
    "cluster": "existing_cluster_id",
    "policy": "policy_id",
    "pool": "instance_pool_id",
    "node_type": "node_type_id",
    "warehouse": "warehouse_id",
    "notebook": "notebook_path",
    "image": "url",
}


def of(attempt: Attempt) -> dict[str, list[str]]:
    """
    Return the facts of an attempt.

    ``host`` is the workspace; ``job`` the job that is run; ``cluster``, ``policy``, ``pool``, ``node_type`` and
    ``warehouse`` on what; ``secret`` whose rights the run has; ``max_seconds`` when Databricks ends it.

    Raises:
        TaskError: The task is wrong.
    """
    planned = plan(attempt)
    request, body = planned.request, planned.body
    facts: dict[str, list[str]] = {
        "kind": ["stock"] if planned.stock else [request.kind],
        "host": [normal_host(planned.account.host) or service_host() or SERVICE_DEFAULT],
        "secret": [planned.account.credentials] if planned.account.credentials else [],
        "job": [],
        "max_seconds": [str(body["timeout_seconds"])] if "timeout_seconds" in body else [],
        **{kind: sorted(set(_found(body, field))) for kind, field in _NAMED.items()},
    }
    if request.run_now is not None:
        facts["job"] = [request.run_now.job_id or request.run_now.job_name]
    if request.statement is not None:
        facts["warehouse"] = [request.statement.warehouse_id or SERVICE_DEFAULT]
    return facts


def _found(value: Any, field: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _found(item, field)
    if isinstance(value, dict):
        if isinstance(value.get(field), str):
            yield value[field]
        for item in value.values():
            yield from _found(item, field)
