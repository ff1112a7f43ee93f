"""Whether a sensor could look now with the service's own identity; what ``flyte-agent doctor`` asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flyte_agent_core import AgentError
from flyte_agent_core.health import Finding, Level

from .account import Account
from .calls import Calls

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent

    from .meta import S3SensorMeta

_IDENTITY = (
    "Give the service's pod a role (IRSA or Pod Identity), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. "
    "Tasks that name a secret in 'credentials', or are anonymous, do without."
)
_NETWORK = "See that S3's address can be reached from here: DNS, proxy (HTTPS_PROXY), firewall, VPC endpoint."
_SKEW_S = 60.0
_SKEW_FATAL_S = 900.0
"""S3 refuses requests whose time is off by more: RequestTimeTooSkewed."""


async def check(agent: AsyncAgent[S3SensorMeta]) -> list[Finding]:
    """Return what was found; a later check is left out when an earlier one rules it out."""
    calls = Calls(agent, Account())
    try:
        kind, region, endpoint = await calls.credentials()
    except AgentError as error:
        return [Finding("credentials", "error", str(error).partition("\n")[0], _IDENTITY)]
    findings = [_credentials(kind), Finding("region", "ok", region), _address(endpoint)]
    try:
        theirs_s = await calls.server_time_s()
    except AgentError as error:
        return [*findings, Finding("connection", "error", str(error).partition("\n")[0], _NETWORK)]
    findings.append(Finding("connection", "ok", f"{urlsplit(endpoint).hostname} answers"))
    return findings if theirs_s is None else [*findings, clock(time.time(), theirs_s)]


def _credentials(kind: str) -> Finding:
    if kind:
        return Finding("credentials", "ok", kind)
    return Finding("credentials", "warning", "the service has no AWS identity", _IDENTITY)


def _address(endpoint: str) -> Finding:
    parts = urlsplit(endpoint)
    if (parts.hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
        return Finding("endpoint", "ok", endpoint)
    if parts.scheme == "https":
        return Finding(
            "endpoint", "ok", f"{endpoint}, as AWS_ENDPOINT_URL or the configuration says"
        )
    said = f"{endpoint}, as AWS_ENDPOINT_URL or the configuration says: not encrypted"
    return Finding("endpoint", "warning", said, "Unset it for the service, unless this is a test.")


def clock(ours_s: float, theirs_s: float) -> Finding:
    """Return whether two clocks, in seconds since 1970, agree well enough to sign and to judge ages."""
    skew_s = ours_s - theirs_s
    if abs(skew_s) < _SKEW_S:
        return Finding("clock", "ok", "agrees with S3's to a minute")
    said = f"{abs(skew_s):.0f} s {'ahead of' if skew_s > 0 else 'behind'} S3's"
    level: Level = "error" if abs(skew_s) >= _SKEW_FATAL_S else "warning"
    return Finding("clock", level, said, "Have the node's time synchronised (NTP).")
