"""``flyte-agent list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from flyte_agent_server.startup import assemble

if TYPE_CHECKING:
    from flyte_agent_server.inventory import Entry

_COLOURS = {"served": "green", "left to another": "yellow", "broken": "red"}
_WIDTH_OF_A_FILE = 160  # a line for each task type, so that it can be searched


def run(*, wanted: tuple[str, ...], unwanted: tuple[str, ...], as_json: bool) -> int:
    """Print what is installed; the exit code is 1 when an agent is broken."""
    assembly = assemble(wanted, unwanted, log_level="CRITICAL")
    from flyte_agent_server.inventory import entries

    found = entries(assembly)
    if as_json:
        click.echo(json.dumps([entry.as_json() for entry in found], indent=2))
    else:
        _draw(found)
    return 1 if any(entry.state == "broken" for entry in found) else 0


def _draw(found: list[Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDTH_OF_A_FILE)
    table = Table(box=None, header_style="bold")
    for column in ("agent", "package", "task type", "kind", "state", ""):
        table.add_column(column, overflow="fold")
    before = ("", "")
    for entry in found:
        first = (entry.agent, entry.package) != before
        before = (entry.agent, entry.package)
        table.add_row(
            entry.agent if first else "",
            f"{entry.package} {entry.version}" if first else "",
            entry.task_type,
            entry.kind,
            f"[{_COLOURS.get(entry.state, 'dim')}]{entry.state}[/]",
            entry.detail,
        )
    console.print(table)
