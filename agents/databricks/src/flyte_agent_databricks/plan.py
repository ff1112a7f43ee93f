"""The run or statement a task asks for, complete, from what Flyte sends."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

from flyte_agent_core.identity import attempt_key, job_id

from . import config_stock, stock_access, templates
from .account import Account
from .body import complete
from .config import DEFAULT_TIMEOUT_S, STOCK_TASK_TYPE, JobRequest, parse_custom
from .tags import cluster_tags, run_name

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

TIMEOUT_GRACE_S = 60
"""Flyte stops a task at its timeout, and may then try again; Databricks stops only what Flyte has lost."""

_MARK_CHARS = 10
_ATTEMPT = re.compile(r"(.*/)(\d+)(/?)")


@dataclasses.dataclass(frozen=True)
class Plan:
    """
    What to run, and as whom.

    Attributes:
        request: The task's own words; of a task of flytekit's plugin nothing but what they mean for the end of it.
        account: Whose rights the run has, and in which workspace.
        body: The request, whole but for the token and, where the job is named, its id.
        tokens: Idempotency tokens, in the order they are used: the next one only if the run of the one before was
            cancelled or deleted.
        mark: What the name of a one-time run ends with: it tells attempt and inputs.
        first_token: The token of the first of Flyte's attempts, whose run a retry repairs; ``""`` if none does.
        first_mark: The mark of that attempt.
        retry: Which of Flyte's attempts this is, from 0.
        stock: How a task of flytekit's own plugin signs in.
    """

    request: JobRequest
    account: Account
    body: dict[str, Any]
    tokens: tuple[str, ...]
    mark: str
    first_token: str = ""
    first_mark: str = ""
    retry: int = 0
    stock: dict[str, str] = dataclasses.field(default_factory=dict)


GENERATIONS = 3
"""Runs one attempt may have, each but the last cancelled by this service itself."""


def plan(attempt: Attempt) -> Plan:
    """
    Return the run of an attempt.

    Raises:
        TaskError: The task is wrong; the message names the field or the input.
    """
    if attempt.template.type == STOCK_TASK_TYPE:
        return _stock(attempt)
    request = parse_custom(attempt.custom)
    owner = attempt.identity
    named = (owner.project, owner.domain) if request.credentials else ("", "")
    account = Account(request.host, request.credentials, *named)
    said = fingerprint(attempt)
    mark = _mark(attempt.key, said)
    body = _body(request, attempt, mark) if request.statement is None else {}
    repairs = request.repair and request.statement is None and request.python is None
    mixed = said if request.run_now is not None else ""
    first = _first(attempt, said, mixed) if repairs and owner.retry_attempt else ("", "")
    return Plan(
        request, account, body, _tokens(attempt, mixed), mark, *first, retry=owner.retry_attempt
    )


def fingerprint(attempt: Attempt) -> str:
    """
    Return what tells two tasks apart, in 40 hex digits.

    It is made of what the task says, not of what this version makes of it: the same create may be repeated by the next
    version during a rollout.
    """
    digest = hashlib.sha256(json.dumps(attempt.custom, sort_keys=True).encode())
    for part in (attempt.sql.encode(), attempt.literals.SerializeToString(deterministic=True)):
        digest.update(b"\x00" + part)
    return digest.hexdigest()[:40]


def _tokens(attempt: Attempt, said: str = "") -> tuple[str, ...]:
    """
    Return the tokens of an attempt.

    A one-time run has its mark in its name, by which other work under the same token is noticed. One of a job has not,
    so what it is asked for goes into its token.
    """
    key = _mixed(attempt.key, said)
    return tuple(job_id(key, attempt.identity, n) for n in range(GENERATIONS))


def _mixed(key: str, said: str) -> str:
    return hashlib.sha256(f"{key} {said}".encode()).hexdigest()[:32] if said else key


def _first(attempt: Attempt, said: str, mixed: str) -> tuple[str, str]:
    """Return token and mark of Flyte's first attempt at the same task; ``""`` where there is none to be found."""
    key = _first_key(attempt)
    if not key:
        return "", ""
    first = dataclasses.replace(attempt.identity, retry_attempt=0)
    return job_id(_mixed(key, mixed), first), _mark(key, said)


def _first_key(attempt: Attempt) -> str:
    """Return the key of Flyte's first attempt at the same task; ``""`` if its output prefix does not tell."""
    found, retry = _ATTEMPT.fullmatch(attempt.output_prefix), attempt.identity.retry_attempt
    if found is None or int(found[2]) < retry:
        return ""
    prefix = f"{found[1]}{int(found[2]) - retry}{found[3]}"
    return attempt_key(prefix, dataclasses.replace(attempt.identity, retry_attempt=0))


def _body(request: JobRequest, attempt: Attempt, mark: str) -> dict[str, Any]:
    inputs = attempt.inputs if request.python is None else {}
    if request.run_now is not None:
        body = templates.fill(copy.deepcopy(request.run_now.params), inputs)
        if request.run_now.job_id:
            body["job_id"] = int(request.run_now.job_id)
        return {**body, **request.extra}
    body = templates.fill(copy.deepcopy(request.submit), inputs) if request.submit else {}
    complete(body, request, attempt)
    return {**_labelled(body, attempt, mark, request.timeout_s), **request.extra}


def _labelled(
    body: dict[str, Any], attempt: Attempt, mark: str, timeout_s: int = 0
) -> dict[str, Any]:
    """Give a run its name, its clusters their tags, and the whole an end."""
    body["run_name"] = f"{body.get('run_name') or run_name(attempt.identity)} {mark}"
    body["timeout_seconds"] = timeout_s or body.get("timeout_seconds") or _timeout_s(attempt)
    for task in body["tasks"]:
        inner = (task.get("for_each_task") or {}).get("task", task)
        for cluster in (task.get("new_cluster"), inner.get("new_cluster")):
            if cluster is not None:
                cluster["custom_tags"] = cluster_tags(
                    cluster.get("custom_tags") or {}, attempt.identity
                )
    return body


def _mark(key: str, said: str) -> str:
    """Return what tells the runs of an attempt from others in a list, which does not show tokens."""
    return f"#{hashlib.sha256(f'{key} {said}'.encode()).hexdigest()[:_MARK_CHARS]}"


def _timeout_s(attempt: Attempt) -> int:
    return round(attempt.timeout_s) + TIMEOUT_GRACE_S if attempt.timeout_s else DEFAULT_TIMEOUT_S


def _stock(attempt: Attempt) -> Plan:
    custom, owner = attempt.custom, attempt.identity
    said = stock_access.said(custom, owner.namespace)
    account = Account(config_stock.instance_of(custom), "", owner.project, owner.domain, said)
    mark = _mark(attempt.key, fingerprint(attempt))
    body = _labelled(config_stock.submit_of(custom, attempt.template.container), attempt, mark)
    request = JobRequest(submit={"tasks": [_ANY]}, repair=False, on_code_failure="fail")
    return Plan(request, account, body, _tokens(attempt), mark, stock=dict(said))


_ANY = {"task_key": "stock", "notebook_task": {"notebook_path": "/"}}
