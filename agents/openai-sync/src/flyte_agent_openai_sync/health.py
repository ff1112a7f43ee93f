"""Whether a task could run now with the service's own credentials; what ``flyte-agent doctor`` asks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flyte_agent_core import AgentError, secrets
from flyte_agent_core.health import Finding

from . import prices, settings
from .account import OPENAI, Account, default_address, service_key
from .credentials import client_for

if TYPE_CHECKING:
    from .agent import OpenAIAgent

_ALLOWED_S, _SLOW_S = 8.0, 2.0
_NETWORK = "See that the address can be reached from here: DNS, proxy (HTTPS_PROXY), firewall."


async def check(agent: OpenAIAgent) -> list[Finding]:
    """Return what was found; a later check is left out when an earlier one rules it out."""
    findings = [_address(), *_settings()]
    try:
        key = service_key(secrets.resolve)
    except AgentError as error:
        repair = "Give the service the secret openai-api-key; tasks that name their own secret run without it."
        return [*findings, Finding("credentials", "warning", str(error), repair)]
    account = Account("openai", default_address(), key, digest="health")
    return [
        *findings,
        Finding("credentials", "ok", "a key is there"),
        await _models(agent, account),
    ]


def _address() -> Finding:
    address = default_address()
    if address == OPENAI:
        return Finding("endpoint", "ok", OPENAI)
    host = urlsplit(address).hostname or ""
    if host in ("localhost", "127.0.0.1"):
        said = f"{address}, as OPENAI_BASE_URL says: something on this machine, not OpenAI"
        return Finding(
            "endpoint",
            "warning",
            said,
            "Unset OPENAI_BASE_URL for the service, unless this is meant.",
        )
    return Finding("endpoint", "ok", f"{address}, as OPENAI_BASE_URL says")


def _settings() -> list[Finding]:
    try:
        for name in (
            "KEEP_S",
            "KEEP_MIB",
            "LINGER_S",
            "BREAKER_S",
            "MAX_USD_PER_EXECUTION",
            "MAX_TOKENS_PER_EXECUTION",
        ):
            settings.number(name)
        prices.price_of("any")
    except AgentError as error:
        return [Finding("settings", "error", str(error), "Correct the environment of the service.")]
    return [Finding("settings", "ok", "can be read")]


async def _models(agent: OpenAIAgent, account: Account) -> Finding:
    started_s = time.monotonic()
    try:
        client = await client_for(agent, account)
        reply = await client.models(_ALLOWED_S)
    except AgentError as error:
        first, _, advice = str(error).strip().partition("\n")
        return Finding("models", "error", first, advice or _NETWORK)
    took_s = time.monotonic() - started_s
    said = f"{len(reply.body.get('data') or [])} models listed after {took_s:.1f} s"
    if took_s < _SLOW_S:
        return Finding("models", "ok", said)
    return Finding("models", "warning", f"{said}: slow", _NETWORK)
