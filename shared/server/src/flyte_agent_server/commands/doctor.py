"""``flyte-agent doctor``."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import click

from flyte_agent_server.startup import assemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flyte_agent_server.examination import Examined
    from flyte_agent_server.settings import Settings
    from flyte_agent_server.startup import Assembly

_MARKS = {"ok": ("ok", "green"), "warning": ("warn", "yellow"), "error": ("FAIL", "red")}


def run(
    *,
    wanted: tuple[str, ...],
    unwanted: tuple[str, ...],
    timeout_s: float,
    as_json: bool,
    settings: Callable[[], Settings],
) -> int:
    """
    Ask the service and every agent how they are.

    ``settings`` gives what ``flyte-agent serve`` would start with. The exit code is 1 when something
    is in the way of a task.
    """
    assembly = assemble(wanted, unwanted, log_level="CRITICAL")
    from flyte_agent_server.examination import examine, examine_service

    with _progress(assembly, shown=not as_json) as told:
        agents = asyncio.run(examine(assembly, timeout_s, told))
    found = [examine_service(settings), *agents]
    if as_json:
        click.echo(json.dumps([each.as_json() for each in found], indent=2))
    else:
        _tell(found)
    return 0 if all(each.is_well for each in found) else 1


@contextlib.contextmanager
def _progress(assembly: Assembly, *, shown: bool) -> Iterator[Callable[[str], None]]:
    """Show on a terminal who has not answered yet; standard output stays clean."""
    from rich.console import Console

    console = Console(stderr=True)
    waiting = sorted({agent.name for agent in assembly.catalogue.agents})
    if not (shown and console.is_terminal):
        yield lambda _name: None
        return
    with console.status(f"asking {', '.join(waiting)}") as status:

        def told(name: str) -> None:
            waiting.remove(name)
            status.update(f"asking {', '.join(waiting)}")

        yield told


def _tell(found: list[Examined]) -> None:
    for each in found:
        click.secho(each.agent, bold=True)
        for finding in each.findings:
            mark, colour = _MARKS[finding.level]
            _line(click.style(f"{mark:>5}", fg=colour), f"{finding.check}: {finding.message}")
            if finding.repair and finding.level != "ok":
                _line("     ", f"-> {finding.repair}")
        if not each.findings:
            click.echo("        it has nothing to look at")
    if len(found) == 1:
        click.echo("no agent is installed, so there is nothing more to look at")


def _line(mark: str, text: Any) -> None:
    first, *more = str(text).splitlines()
    click.echo(f"{mark}   {first}")
    for line in more:
        click.echo(f"        {line}")
