"""
The ``flyte-agent`` command.

Only click is imported here: a command loads what it needs when it runs, so that ``--help`` and a
mistyped option are answered at once.
"""

from __future__ import annotations

import sys
from typing import Any

import click

from .errors import ServiceError, UnknownAgentError
from .settings import Settings

_CONTEXT = {"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "FLYTE_AGENT"}


class _Command(click.Command):
    """A command whose errors are one line that says what to do, with exit code 1 (2 for usage)."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UnknownAgentError as error:
            raise click.UsageError(str(error), ctx) from error
        except ServiceError as error:
            raise click.ClickException(str(error)) from error


class _Group(click.Group):
    command_class = _Command


@click.group(cls=_Group, context_settings=_CONTEXT)
@click.version_option(package_name="flyte-agent-server", prog_name="flyte-agent")
def main() -> None:
    """
    Flyte agents: serve them, list them, try them on this machine.

    Every option can also be set in the environment, as FLYTE_AGENT_<COMMAND>_<OPTION>.
    """


def _selection(command: Any) -> Any:
    command = click.option(
        "--no-agent",
        "unwanted",
        multiple=True,
        metavar="NAME",
        help="Leave this agent out; may be repeated.",
    )(command)
    return click.option(
        "--agent",
        "wanted",
        multiple=True,
        metavar="NAME",
        help="Load this agent and no other; may be repeated. Default: all that are installed.",
    )(command)


def _logging(command: Any) -> Any:
    command = click.option(
        "--log-level",
        type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
        default="INFO",
        show_default=True,
    )(command)
    return click.option(
        "--log-format",
        type=click.Choice(["console", "json"]),
        default="console",
        show_default=True,
    )(command)


@main.command()
@click.option("--host", default="[::]", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0: any free one.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=9090,
    show_default=True,
    help="Prometheus metrics over HTTP; 0: any free one.",
)
@click.option("--no-metrics", is_flag=True, help="Do not serve metrics over HTTP.")
@click.option(
    "--grace",
    "grace_s",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="What calls in flight get to end in after SIGTERM: at least the longest CreateTask.",
)
@click.option(
    "--poll-fresh",
    "poll_fresh_s",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="For how long what a vendor said of many jobs at once answers further polls; 0: never.",
)
@_selection
@_logging
def serve(
    *,
    host: str,
    port: int,
    metrics_port: int,
    no_metrics: bool,
    grace_s: float,
    poll_fresh_s: float,
    **options: Any,
) -> None:
    """Serve the installed agents to Flyte over gRPC, until SIGTERM."""
    from .commands.serve import run

    metrics = None if no_metrics else metrics_port
    run(Settings(host, port, metrics, grace_s, poll_fresh_s), **options)


@main.command("list")
@_selection
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def list_(**options: Any) -> None:
    """Show the installed agents and the task types each of them serves."""
    from .commands.listing import run

    sys.exit(run(**options))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0: any free one.",
)
@_selection
def sandbox(**options: Any) -> None:
    """
    Start every agent's stand-in for its platform, and the agent service, until Ctrl-C.

    What to set in another shell goes to standard output, everything else to standard error.
    """
    from .commands.sandbox import run

    run(**options)


@main.command()
@_selection
def demo(**options: Any) -> None:
    """Run a real workflow on real data through the agent service, all on this machine."""
    from .commands.demo import run

    sys.exit(run(**options))
