"""Asking every agent whether a task of it could run now."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, SyncAgent, rpc
from flyte_agent_core.health import Finding
from flyte_agent_core.secrets import redact
from flyte_agent_core.text import describe

from .errors import ServiceError
from .tls_expiry import SOON_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings
    from .startup import Assembly

_log = logging.getLogger("flyte_agent.server")


@dataclasses.dataclass(frozen=True)
class Examined:
    """One agent and what was found; no findings when there is nothing it can look at."""

    agent: str
    findings: list[Finding]

    @property
    def is_well(self) -> bool:
        """Whether nothing is in the way of a task."""
        return all(finding.level != "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return it for ``--json``."""
        findings = [dataclasses.asdict(finding) for finding in self.findings]
        return {"agent": self.agent, "well": self.is_well, "findings": findings}


def examine_service(read: Callable[[], Settings]) -> Examined:
    """Return what is found of the service itself: can it start with the settings it would have?"""
    from .security import Security  # needs gRPC

    try:
        settings = read()
        security = Security(settings)
    except ServiceError as error:
        repair = "Repair what the message names; `flyte-agent serve` would not start."
        return Examined("the service", [Finding("settings", "error", redact(str(error)), repair)])
    findings = [Finding("settings", "ok", settings.config or "defaults, flags and environment")]
    certificates = security.certificates
    if certificates is not None:
        findings.append(_certificate(certificates.expires_s))
    elif settings.tokens:
        repair = "Set tls_cert and tls_key."
        findings.append(Finding("tls", "warning", "tokens travel in plain text", repair))
    if settings.tokens:
        findings.append(Finding("tokens", "ok", ", ".join(settings.tokens)))
    if security.policy:
        findings.append(Finding("policy", "ok", f"{len(security.policy.rules)} rules"))
    return Examined("the service", findings)


def _certificate(expires_s: float) -> Finding:
    if not expires_s:
        return Finding("tls", "ok", "a certificate whose end cannot be told")
    ends = time.strftime("%Y-%m-%d", time.gmtime(expires_s))
    if expires_s - time.time() < SOON_S:
        return Finding("tls", "warning", f"a certificate that ends on {ends}", "Renew it.")
    return Finding("tls", "ok", f"a certificate until {ends}")


async def examine(
    assembly: Assembly, timeout_s: float, told: Callable[[str], None] = lambda _: None
) -> list[Examined]:
    """
    Return what all agents find, asked at the same time; ``told`` gets the name of each that is done.

    Args:
        assembly: What is installed; agents that could not be loaded are findings, too.
        timeout_s: What one agent may take.
        told: For a progress display.
    """
    broken = [
        Examined(each.candidate.name, [_not_loaded(str(each.error))]) for each in assembly.broken
    ]
    asked = [_examine(agent, timeout_s, told) for agent in _of_ours(assembly.catalogue.agents)]
    return broken + list(await asyncio.gather(*asked))


def _of_ours(agents: list[Any]) -> list[Any]:
    """Return one instance of each agent that is built on the core: its aliases share a health."""
    found: dict[type, Any] = {}
    for agent in agents:
        if isinstance(agent, (AsyncAgent, SyncAgent)):
            found.setdefault(type(agent), agent)
    return list(found.values())


async def _examine(agent: Any, timeout_s: float, told: Callable[[str], None]) -> Examined:
    try:
        with rpc.serving(timeout_s):
            findings = await asyncio.wait_for(agent.check_health(), timeout_s)
    except (TimeoutError, asyncio.TimeoutError):
        findings = [_silent(timeout_s)]
    except Exception as error:  # noqa: BLE001  # a check that breaks is a finding
        _log.debug("check_health of %s", agent.name, exc_info=error)
        findings = [_raised(error)]
    told(agent.name)
    return Examined(agent.name, [_clean(finding) for finding in findings])


def _clean(finding: Finding) -> Finding:
    return dataclasses.replace(finding, message=redact(finding.message))


def _not_loaded(error: str) -> Finding:
    repair = "Repair what the message names, or leave the agent out with --no-agent."
    return Finding("loading", "error", error, repair)


def _silent(timeout_s: float) -> Finding:
    said = f"no answer within {timeout_s:g} s"
    repair = "See that the vendor can be reached from here (DNS, proxy, firewall); --timeout waits longer."
    return Finding("vendor", "error", said, repair)


def _raised(error: Exception) -> Finding:
    said = f"the check itself failed: {type(error).__name__}: {describe(error)}"
    return Finding("check", "error", said, "Report it to the agent's author, with --json's output.")
