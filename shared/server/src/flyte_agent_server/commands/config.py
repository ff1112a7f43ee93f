"""``flyte-agent config``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from flyte_agent_server.propeller_config import ENDPOINT, render
from flyte_agent_server.startup import assemble

from .serve import must_serve_something

if TYPE_CHECKING:
    from flyte_agent_server.propeller_config import Target


def run(
    *, wanted: tuple[str, ...], unwanted: tuple[str, ...], target: Target, endpoint: str
) -> int:
    """Print the configuration; the exit code is 1 when a broken agent is missing from it."""
    assembly = assemble(wanted, unwanted, log_level="CRITICAL")
    must_serve_something(assembly)
    click.echo(render(assembly.catalogue.task_types, target, endpoint or ENDPOINT), nl=False)
    for each in assembly.broken:
        click.echo(
            f"not in it, because it is broken: {each.candidate.name}: {each.error}", err=True
        )
    return 1 if assembly.broken else 0
