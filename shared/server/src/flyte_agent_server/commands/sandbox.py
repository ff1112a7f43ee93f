"""``flyte-agent sandbox``."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

import click

from flyte_agent_server import sandbox
from flyte_agent_server.settings import Settings
from flyte_agent_server.startup import assemble

from .serve import must_serve_something

if TYPE_CHECKING:
    from flyte_agent_server.startup import Assembly


def run(*, host: str, port: int, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> None:
    """Run stand-ins and service until Ctrl-C; the options are those of the command."""
    assembly = assemble(wanted, unwanted, log_level="WARNING")
    must_serve_something(assembly)
    names = [each.candidate.name for each in assembly.loaded if each.agents]
    # The vendors are on this machine: there is no quota to spare.
    settings = Settings(host, port, metrics_port=None, grace_s=5.0, poll_fresh_s=0.0)
    with sandbox.running(names, usual_ports=True) as started:
        asyncio.run(_serve(assembly, settings, started))
    _note("stopped; nothing is left running")


async def _serve(assembly: Assembly, settings: Settings, started: list[sandbox.Running]) -> None:
    from flyte_agent_server.lifecycle import serve_until_told
    from flyte_agent_server.service import AgentService

    service = AgentService(assembly.catalogue, settings)

    def announce() -> None:
        for each in started:
            _note(f"{each.sandbox.title}: {each.stand_in.url} ({each.sandbox.about})")
        types = ", ".join(assembly.catalogue.task_types)
        _note(f"agent service: {settings.host}:{service.port} ({types})")
        _note("\nIn another shell, set this; local runs then use the stand-ins:\n")
        for name, value in sandbox.environment_of(started).items():
            click.echo(f"export {name}={shlex.quote(value)}")
        _note("\nand run a workflow: pyflyte run FILE.py WORKFLOW. Ctrl-C ends everything here.")

    await serve_until_told(service, announce)


def _note(text: str) -> None:
    """Tell people something; what is for the shell goes to standard output, alone."""
    click.echo(text, err=True)
