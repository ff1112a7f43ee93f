"""Whether a task could run now with the service's own credentials; what ``flyte-agent doctor`` asks."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flyte_agent_core import AgentError
from flyte_agent_core.health import Finding

from .account import Account
from .calls import Calls
from .links import service_host
from .statement_starting import WAREHOUSE

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent

_NETWORK = "See that the workspace can be reached from here: DNS, proxy (HTTPS_PROXY), firewall, its IP access list."
_SLOW_S = 2.0


async def check(agent: AsyncAgent[Any]) -> list[Finding]:
    """Return what was found; a later check is left out when an earlier one rules it out."""
    host = service_host()
    findings = [_host(host)]
    if not host:
        return findings
    calls = Calls(agent, Account())
    try:
        way = await calls.run(lambda client: client.sign_in())
    except AgentError as error:
        return [*findings, Finding("credentials", "error", *_said(error))]
    findings.append(Finding("credentials", "ok", way))
    findings.append(await _identity(calls))
    if findings[-1].level != "error":
        findings += await _warehouse(calls)
    return findings


def _host(host: str) -> Finding:
    if not host:
        return Finding(
            "workspace", "warning", "DATABRICKS_HOST is not set",
            "Set it for the service to https://…, the workspace of tasks that name none; otherwise each must name one.",
        )  # fmt: skip
    if urlsplit(host).scheme == "http":
        return Finding(
            "workspace", "warning", f"{host}: a stand-in, not Databricks",
            "Set DATABRICKS_HOST to https://…, unless this is a test.",
        )  # fmt: skip
    return Finding("workspace", "ok", host)


async def _identity(calls: Calls) -> Finding:
    started_s = time.monotonic()
    try:
        me = await calls.run(lambda client: client.me())
    except AgentError as error:
        return Finding("identity", "error", *_said(error))
    took_s = time.monotonic() - started_s
    said = f"{me.get('userName') or me.get('displayName') or 'unknown'} (answered after {took_s:.1f} s)"
    if took_s < _SLOW_S:
        return Finding("identity", "ok", said)
    return Finding("identity", "warning", f"{said}: slow", _NETWORK)


async def _warehouse(calls: Calls) -> list[Finding]:
    name = os.environ.get(WAREHOUSE, "")
    if not name:
        return []
    try:
        found = await calls.run(lambda client: client.get_warehouse(name))
    except AgentError as error:
        return [Finding("warehouse", "error", *_said(error))]
    return [
        Finding(
            "warehouse",
            "ok",
            f"{found.get('name') or name}: {str(found.get('state') or 'unknown').lower()}",
        )
    ]


def _said(error: AgentError) -> tuple[str, str]:
    """Return message and repair; the repair is the last line where the message has one."""
    first, _, advice = str(error).strip().rpartition("\n")
    return (first, advice) if first else (advice, _NETWORK)
