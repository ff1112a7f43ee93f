"""``flyte-agent new``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flyte_agent_server.new import create

if TYPE_CHECKING:
    from flyte_agent_server.new import Made

_REPLACE = {
    "client.py": "the calls of the real API",
    "errors.py": "what its refusals mean",
    "phases.py": "its states, from its documentation",
    "config.py": "what a task may say",
    "task.py": "what authors write",
    "local/server.py": "the stand-in: the routes that client.py calls",
}


def run(name: str, *, where: str, **said: str | None) -> None:
    """Make a package, and say what to do with it."""
    given = {key: value for key, value in said.items() if value}
    asking = not given and sys.stdin.isatty() and sys.stdout.isatty()
    _tell(create(name, given, Path(where), asking=asking))


def _tell(made: Made) -> None:
    folder = _short(made.folder)
    files = sum(path.is_file() for path in made.folder.rglob("*"))
    click.secho(f"made {folder}: {files} files", bold=True)
    for file in made.changed:
        click.echo(f"     {_short(made.repository / file) if made.repository else file}")
    click.echo("\nIt works as it is, with a platform that is made up. Check it:\n")
    if made.repository:
        click.echo("  uv sync --all-groups")
        click.echo(f"  uvx nox -t {made.answers['name']}")
    else:
        click.echo(f"  cd {folder}")
        click.echo("  git init && git add --all && git commit --message 'As it was made'")
        click.echo("  uvx nox")
    source = made.folder / "src" / str(made.answers["module"])
    click.echo(f"\nThen put your platform in its place, in {_short(source)}:\n")
    for file, what in _REPLACE.items():
        if (source / file).exists():
            click.echo(f"  {file:16} {what}")
    click.echo(
        "\nThe conformance kit (tests/test_conformance.py) says what is still wrong, and why."
    )


def _short(path: Path) -> str:
    """Return a path as people would type it here."""
    return os.path.relpath(path)
