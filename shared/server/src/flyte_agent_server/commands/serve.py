"""``flyte-agent serve``."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from flyte_agent_server.errors import NothingToServeError
from flyte_agent_server.startup import assemble

if TYPE_CHECKING:
    from flyte_agent_server.logs import Format
    from flyte_agent_server.settings import Settings
    from flyte_agent_server.startup import Assembly

_log = logging.getLogger("flyte_agent.server")


def run(
    settings: Settings,
    *,
    wanted: tuple[str, ...],
    unwanted: tuple[str, ...],
    log_format: Format,
    log_level: str,
) -> None:
    """Serve until SIGTERM; the rest of the options is the command's."""
    assembly = assemble(wanted, unwanted, log_format=log_format, log_level=log_level.upper())
    must_serve_something(assembly)
    asyncio.run(_serve(assembly, settings))


def must_serve_something(assembly: Assembly) -> None:
    """
    Refuse to run a service that every task would be sent to in vain.

    Raises:
        NothingToServeError: No agent was loaded.
    """
    if len(assembly.catalogue):
        return
    broken = "".join(f"\n  {each.candidate.name}: {each.error}" for each in assembly.broken)
    if broken:
        raise NothingToServeError(f"no agent could be loaded:{broken}")
    raise NothingToServeError(
        "no agent is installed: add one, for example with `pip install flyte-agent-bigquery`; "
        "`flyte-agent list` shows what is there"
    )


async def _serve(assembly: Assembly, settings: Settings) -> None:
    from flyte_agent_server.lifecycle import serve_until_told
    from flyte_agent_server.service import AgentService

    service = AgentService(assembly.catalogue, settings)

    def announce() -> None:
        for each in assembly.loaded:
            if each.agents:
                _log.info("agent %s %s", each.candidate.name, each.candidate.version)
        if settings.metrics_port is not None:
            _log.info("metrics on http://%s:%d/metrics", settings.host, service.metrics_port)
        types = ", ".join(assembly.catalogue.task_types)
        _log.info("serving %s on %s:%d", types, settings.host, service.port)

    await serve_until_told(service, announce)
