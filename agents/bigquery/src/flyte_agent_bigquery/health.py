"""Whether a task could run now with the service's own credentials; what ``flyte-agent doctor`` asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError
from flyte_agent_core.health import Finding, Level

from .account import Account
from .calls import Calls
from .cost import size_text
from .links import endpoint, is_stand_in

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent

_PROBE: dict[str, Any] = {"query": {"query": "SELECT 1", "useLegacySql": False}}
_NETWORK = (
    "See that BigQuery's address can be reached from here: DNS, proxy (HTTPS_PROXY), firewall."
)
_CERTIFICATE = (
    "A proxy in between shows a certificate of its own: give the service its authority in "
    "REQUESTS_CA_BUNDLE, and see that the clock is right."
)
_ROLE = "Grant the service's account the role 'BigQuery Job User' on the project."
_SLOW_S = 2.0
_SKEW_S = 60.0
_SKEW_FATAL_S = 300.0
"""Google refuses a signed request for a token whose time is off by more than a few minutes."""


async def check(agent: AsyncAgent[Any]) -> list[Finding]:
    """Return what was found; a later check is left out when an earlier one rules it out."""
    calls, findings = Calls(agent, Account()), [_address()]
    try:
        kind, project = await calls.credentials()
    except AgentError as error:
        return [*findings, _no_credentials(error)]
    findings += [Finding("credentials", "ok", kind), _project(project)]
    connected = await _connection(calls)
    findings += connected
    if project and all(finding.check != "connection" for finding in connected):
        findings.append(await _dry_run(calls, project))
    return findings


def _address() -> Finding:
    address = endpoint()
    if not address:
        return Finding("endpoint", "ok", "https://bigquery.googleapis.com")
    if is_stand_in(address):
        return Finding(
            "endpoint",
            "warning",
            f"{address}, as BIGQUERY_EMULATOR_HOST says: a stand-in, not Google",
            "Unset BIGQUERY_EMULATOR_HOST for the service, unless this is a test.",
        )
    return Finding("endpoint", "ok", f"{address}, as BIGQUERY_EMULATOR_HOST says")


def _no_credentials(error: AgentError) -> Finding:
    return Finding(
        "credentials",
        "error",
        str(error),
        "Give the service's pod a Kubernetes service account with workload identity, or mount a key "
        "file and set GOOGLE_APPLICATION_CREDENTIALS to its path.",
    )


def _project(project: str) -> Finding:
    if project:
        return Finding("project", "ok", project)
    return Finding(
        "project",
        "warning",
        "neither the credentials nor the environment name a project",
        "Set GOOGLE_CLOUD_PROJECT for the service; otherwise every task must name one, and doctor "
        "cannot try a query.",
    )


async def _connection(calls: Calls) -> list[Finding]:
    """Return what is wrong with the way to BigQuery, else whether the clocks agree if it says."""
    try:
        theirs_s = await calls.server_time_s()
    except AgentError as error:
        repair = _CERTIFICATE if "SSL" in str(error) else _NETWORK
        return [Finding("connection", "error", str(error), repair)]
    return [] if theirs_s is None else [clock(time.time(), theirs_s)]


def clock(ours_s: float, theirs_s: float) -> Finding:
    """Return whether two clocks, in seconds since 1970, agree well enough to sign requests."""
    skew_s = ours_s - theirs_s
    if abs(skew_s) < _SKEW_S:
        return Finding("clock", "ok", "agrees with BigQuery's to a minute")
    said = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} BigQuery's"
    level: Level = "error" if abs(skew_s) >= _SKEW_FATAL_S else "warning"
    return Finding("clock", level, said, "Have the node's time synchronised (NTP).")


async def _dry_run(calls: Calls, project: str) -> Finding:
    started_s = time.monotonic()
    try:
        job = await calls.probe(project, _PROBE)
    except AgentError as error:
        return Finding("query", "error", *_said(error))
    took_s = time.monotonic() - started_s
    size = size_text(float(job.statistics.get("totalBytesProcessed") or 0))
    said = f"a dry run of SELECT 1 in {project} passed after {took_s:.1f} s ({size})"
    if took_s < _SLOW_S:
        return Finding("query", "ok", said)
    repair = "Look at the network between here and BigQuery: proxy, DNS, packet loss."
    return Finding("query", "warning", f"{said}: slow", repair)


def _said(error: AgentError) -> tuple[str, str]:
    """Return message and repair; the repair is the last line where the message has one."""
    first, _, advice = str(error).strip().rpartition("\n")
    if first:
        return first, advice
    return advice, _NETWORK if error.code == "BIGQUERY.UNREACHABLE" else _ROLE
