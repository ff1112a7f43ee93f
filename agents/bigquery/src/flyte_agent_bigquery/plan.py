"""The job a task asks for, complete, from what Flyte sends."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any

from .account import Account
from .checks_report import with_rules
from .config import STOCK_TASK_TYPE, USD_PER_TIB, parse_custom, parse_stock
from .cost import CostLimit
from .job import integer
from .labels import job_labels
from .parameters_job import job_configuration
from .task_sql import check_text

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

    from .config import JobRequest

_TIMEOUT_GRACE_S = 60.0
"""Flyte stops a task at its timeout, and may then try again; BigQuery stops only what Flyte has lost."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """
    What to run, and as whom.

    Attributes:
        request: The task's own words.
        account: Whose rights the job has.
        configuration: REST ``JobConfiguration``, labels and limits included; tables may still lack their project.
        limit: What a query may cost.
    """

    request: JobRequest
    account: Account
    configuration: dict[str, Any]
    limit: CostLimit

    @property
    def result(self) -> str:
        """What the outputs are made of; see :class:`flyte_agent_bigquery.meta.BigQueryJobMeta`."""
        return "check" if self.request.kind == "check" else self.request.result

    def configured_for(self, project: str) -> dict[str, Any]:
        """Return the configuration with ``project`` wherever a table or dataset does not name its own."""
        configuration = copy.deepcopy(self.configuration)
        _name_project(configuration, project)
        return configuration


def plan(attempt: Attempt) -> Plan:
    """
    Return the job of an attempt.

    Raises:
        TaskError: The task is wrong; the message names the field or the input.
    """
    request = _request(attempt)
    sql = check_text(attempt.sql, "sql") if request.is_query else ""
    configuration = job_configuration(request, with_rules(sql, request), attempt.inputs)
    limit = _limit(request)
    _stop_at(configuration, limit)
    if attempt.timeout_s and not configuration.get("jobTimeoutMs"):
        configuration["jobTimeoutMs"] = str(round((attempt.timeout_s + _TIMEOUT_GRACE_S) * 1000))
    own = configuration.get("labels") or {}
    configuration["labels"] = job_labels(own, attempt.identity, fingerprint(attempt))
    return Plan(request, _account(request, attempt), configuration, limit)


def fingerprint(attempt: Attempt) -> str:
    """
    Return what tells apart two tasks under one job id, in 40 hex digits.

    It is made of what the task says, not of what this version makes of it: the same create may be repeated by the next
    version during a rollout.
    """
    digest = hashlib.sha256(json.dumps(attempt.custom, sort_keys=True).encode())
    for part in (attempt.sql.encode(), attempt.literals.SerializeToString(deterministic=True)):
        digest.update(b"\x00" + part)
    return digest.hexdigest()[:40]


def _request(attempt: Attempt) -> JobRequest:
    if attempt.template.type == STOCK_TASK_TYPE:
        return parse_stock(attempt.custom, attempt.template.interface)
    return parse_custom(attempt.custom)


def _account(request: JobRequest, attempt: Attempt) -> Account:
    if not request.credentials:
        return Account(impersonate=tuple(request.impersonate or ()))
    owner = attempt.identity
    return Account(
        request.credentials, tuple(request.impersonate or ()), owner.project, owner.domain
    )


def _limit(request: JobRequest) -> CostLimit:
    cost = request.cost
    if cost is None or not request.is_query:
        return CostLimit(usd_per_tib=USD_PER_TIB)
    return CostLimit(cost.max_bytes, cost.max_usd, cost.usd_per_tib, refuse=cost.action == "fail")


def _stop_at(configuration: dict[str, Any], limit: CostLimit) -> None:
    """Have BigQuery itself stop a query at the limit: an estimate can be too low."""
    query = configuration.get("query")
    if isinstance(query, dict):
        stop = limit.hard_stop(integer(query.get("maximumBytesBilled")))
        if stop is not None:
            query["maximumBytesBilled"] = str(stop)


def _name_project(value: Any, project: str) -> None:
    if isinstance(value, list):
        for item in value:
            _name_project(item, project)
    if isinstance(value, dict):
        if "datasetId" in value and not value.get("projectId"):
            value["projectId"] = project
        for item in value.values():
            _name_project(item, project)
