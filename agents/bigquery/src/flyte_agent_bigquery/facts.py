"""
What a job touches, for a service's policy.

Taken from the job as it will be sent. The tables that an SQL text names are not among them: which
ones those are, only BigQuery knows, and the rights of the account decide there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config_sensor import SensorRequest
from .plan import plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyte_agent_core import Attempt

SERVICE_DEFAULT = "(service default)"
"""Stands for a project that the task leaves to the credentials or the service."""

_FREE = "0"  # what a load, an extract or a copy reads is not billed by the byte


def of(attempt: Attempt) -> dict[str, list[str]]:
    """
    Return the facts of an attempt.

    ``project`` runs and pays for the job; ``dataset`` is written as ``project.dataset``;
    ``bucket`` is what load and extract name; ``secret`` and ``service_account`` are whose rights
    the job has; ``max_bytes`` is where BigQuery stops it.

    Raises:
        TaskError: The task is wrong.
    """
    planned = plan(attempt)
    project = planned.request.project or SERVICE_DEFAULT
    part = planned.configuration[planned.request.part]
    account = planned.account
    return {
        "kind": [planned.request.kind],
        "project": [project],
        "location": [planned.request.location] if planned.request.location else [],
        "dataset": sorted(set(_datasets(planned.configured_for(project)))),
        "bucket": sorted(set(_buckets(part))),
        "secret": [account.credentials] if account.credentials else [],
        "service_account": list(account.impersonate),
        "max_bytes": _limit(part) if planned.request.is_query else [_FREE],
    }


def of_sensor(attempt: Attempt) -> dict[str, list[str]]:
    """
    Return the facts of a sensor, which runs no job: the project is that of the table.

    Raises:
        TaskError: The task is wrong.
    """
    request = attempt.config(SensorRequest)
    reference, _ = request.filled(attempt.inputs)
    project = reference.get("projectId", SERVICE_DEFAULT)
    return {
        "kind": [request.kind],
        "project": [project],
        "location": [],
        "dataset": [f"{project}.{reference['datasetId']}"],
        "bucket": [],
        "secret": [request.credentials] if request.credentials else [],
        "service_account": list(request.impersonate or ()),
        "max_bytes": [_FREE],
    }


def _limit(query: dict[str, Any]) -> list[str]:
    limit = query.get("maximumBytesBilled")
    return [] if limit is None else [str(limit)]


def _datasets(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _datasets(item)
    if isinstance(value, dict):
        if isinstance(value.get("datasetId"), str):
            yield f"{value.get('projectId')}.{value['datasetId']}"
        for item in value.values():
            yield from _datasets(item)


def _buckets(value: Any) -> Iterator[str]:
    if isinstance(value, str) and value.startswith("gs://"):
        yield value.removeprefix("gs://").partition("/")[0]
    if isinstance(value, list):
        for item in value:
            yield from _buckets(item)
    if isinstance(value, dict):
        for item in value.values():
            yield from _buckets(item)
