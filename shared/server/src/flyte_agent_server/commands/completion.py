"""``flyte-agent completion``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

if TYPE_CHECKING:
    from click import Command

PROGRAM = "flyte-agent"
_VARIABLE = "_FLYTE_AGENT_COMPLETE"


def run(command: Command, shell: str) -> None:
    """Print what makes ``shell`` complete the command."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell!r}")
    click.echo(kind(command, {}, PROGRAM, _VARIABLE).source())
