"""``flyte-agent serve``."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from flyte_agent_server.errors import NothingToServeError
from flyte_agent_server.startup import assemble

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyte_agent_server.service import AgentService
    from flyte_agent_server.settings import Settings
    from flyte_agent_server.startup import Assembly

_log = logging.getLogger("flyte_agent.server")


def run(settings: Settings) -> None:
    """
    Serve until SIGTERM, in one process or in several.

    Raises:
        NothingToServeError: No agent was loaded.
        ConfigFileError: A file or secret that the settings name cannot be used.
    """
    if settings.processes > 1:
        from flyte_agent_server.processes import supervise

        sys.exit(supervise(settings))
    from flyte_agent_server import loop

    loop.run(serve_here(assembled(settings), settings))


def assembled(settings: Settings) -> Assembly:
    """
    Load the agents that the settings name.

    Raises:
        NothingToServeError: No agent was loaded.
        UnknownAgentError: Nothing installed has one of the names.
    """
    assembly = assemble(
        settings.agents,
        settings.no_agents,
        log_format=settings.log_format,
        log_level=settings.log_level,
    )
    must_serve_something(assembly)
    return assembly


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
    left_out = dict.fromkeys(each.name for each in assembly.installed if each.by_default)
    if left_out and not assembly.loaded:
        raise NothingToServeError(
            f"no agent is left: --no-agent leaves out all that are installed ({', '.join(left_out)})"
        )
    raise NothingToServeError(
        "no agent is installed: add one, for example with `pip install flyte-agent-bigquery`; "
        "`flyte-agent list` shows what is there"
    )


async def serve_here(
    assembly: Assembly,
    settings: Settings,
    ready: Callable[[AgentService], None] | None = None,
) -> None:
    """Serve in this process until told to stop; ``ready`` is called when it answers."""
    from flyte_agent_server import allocator
    from flyte_agent_server.lifecycle import serve_until_told
    from flyte_agent_server.service import AgentService

    service = AgentService(assembly.catalogue, settings)
    service.when_ready = allocator.settle

    def announce() -> None:
        for each in assembly.loaded:
            if each.agents:
                _log.info("agent %s %s", each.candidate.name, each.candidate.version)
        if settings.metrics_port is not None:
            _log.info(
                "metrics on http://%s:%d/metrics", settings.metrics_address, service.metrics_port
            )
        types = ", ".join(assembly.catalogue.task_types)
        _log.info("serving %s on %s:%d", types, settings.host, service.port)
        if ready is not None:
            ready(service)

    await serve_until_told(service, announce)
