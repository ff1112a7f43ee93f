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
        first_token: The token of the first of Flyte's attempts, whose run a retry repairs; ``""`` if none does.
        retry: Which of Flyte's attempts this is, from 0.
        stock: How a task of flytekit's own plugin signs in.
    """

    request: JobRequest
    account: Account
    body: dict[str, Any]
    tokens: tuple[str, ...]
    first_token: str = ""
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
    body = _body(request, attempt) if request.statement is None else {}
    mark = fingerprint(attempt)
    repairs = request.repair and request.statement is None and request.python is None
    first = _first_key(attempt) if repairs and owner.retry_attempt else ""
    return Plan(
        request,
        account,
        body,
        _tokens(attempt, mark),
        _token(first, attempt, mark) if first else "",
        owner.retry_attempt,
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


def _tokens(attempt: Attempt, mark: str) -> tuple[str, ...]:
    return tuple(_token(attempt.key, attempt, mark, n) for n in range(GENERATIONS))


def _token(key: str, attempt: Attempt, mark: str, generation: int = 0) -> str:
    """Return a token of at most 64 characters; a retry with other inputs does not find the first attempt's run."""
    mixed = hashlib.sha256(f"{key} {mark}".encode()).hexdigest()[:32]
    return job_id(mixed, dataclasses.replace(attempt.identity, retry_attempt=0), generation)


def _first_key(attempt: Attempt) -> str:
    """Return the key of Flyte's first attempt at the same task; ``""`` if its output prefix does not tell."""
    found, retry = _ATTEMPT.fullmatch(attempt.output_prefix), attempt.identity.retry_attempt
    if found is None or int(found[2]) < retry:
        return ""
    prefix = f"{found[1]}{int(found[2]) - retry}{found[3]}"
    return attempt_key(prefix, dataclasses.replace(attempt.identity, retry_attempt=0))


def _body(request: JobRequest, attempt: Attempt) -> dict[str, Any]:
    inputs = attempt.inputs if request.python is None else {}
    if request.run_now is not None:
        body = templates.fill(copy.deepcopy(request.run_now.params), inputs)
        if request.run_now.job_id:
            body["job_id"] = int(request.run_now.job_id)
        return {**body, **request.extra}
    body = templates.fill(copy.deepcopy(request.submit), inputs) if request.submit else {}
    complete(body, request, attempt)
    return {**_labelled(body, attempt, request.timeout_s), **request.extra}


def _labelled(body: dict[str, Any], attempt: Attempt, timeout_s: int = 0) -> dict[str, Any]:
    """Give a run its name, its clusters their tags, and the whole an end."""
    body.setdefault("run_name", run_name(attempt.identity))
    body["timeout_seconds"] = timeout_s or body.get("timeout_seconds") or _timeout_s(attempt)
    for task in body["tasks"]:
        inner = (task.get("for_each_task") or {}).get("task", task)
        for cluster in (task.get("new_cluster"), inner.get("new_cluster")):
            if cluster is not None:
                cluster["custom_tags"] = cluster_tags(
                    cluster.get("custom_tags") or {}, attempt.identity
                )
    return body


def _timeout_s(attempt: Attempt) -> int:
    return round(attempt.timeout_s) + TIMEOUT_GRACE_S if attempt.timeout_s else DEFAULT_TIMEOUT_S


def _stock(attempt: Attempt) -> Plan:
    custom, owner = attempt.custom, attempt.identity
    said = stock_access.said(custom, owner.namespace)
    account = Account(config_stock.instance_of(custom), "", owner.project, owner.domain, said)
    body = _labelled(config_stock.submit_of(custom, attempt.template.container), attempt)
    request = JobRequest(submit={"tasks": [_ANY]}, repair=False, on_code_failure="fail")
    return Plan(request, account, body, _tokens(attempt, fingerprint(attempt)), stock=dict(said))


_ANY = {"task_key": "stock", "notebook_task": {"notebook_path": "/"}}
