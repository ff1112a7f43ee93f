"""
The ``flyte-agent`` command.

Only click is imported here: a command loads what it needs when it runs, so that ``--help`` and a
mistyped option are answered at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
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


def _from_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """Have the values of the file hold where neither a flag nor the environment says anything."""
    from . import config_file

    path = value or (config_file.NAME if Path(config_file.NAME).is_file() else "")
    if path:
        try:
            values = config_file.read(path)
        except ServiceError as error:
            raise click.ClickException(str(error)) from error
        ctx.default_map = {**(ctx.default_map or {}), **values}
    return path


_SERVE_OPTIONS = (
    click.option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_from_file,
        help="Settings and policy; by default ./flyte-agent.toml, if it is there.",
    ),
    click.option("--host", default="[::]", show_default=True, help="Address to listen on."),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=8000,
        show_default=True,
        help="0: any free one.",
    ),
    click.option(
        "--processes",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processes that share the port; one that dies is started again.",
    ),
    click.option(
        "--metrics-host",
        default="",
        help="Address for metrics. Default: that of --host; with certificates of callers and no "
        "tokens 127.0.0.1.",
    ),
    click.option(
        "--metrics-port",
        type=click.IntRange(0, 65535),
        default=9090,
        show_default=True,
        help="Prometheus metrics over HTTP; 0: any free one.",
    ),
    click.option("--no-metrics", is_flag=True, help="Do not serve metrics over HTTP."),
    click.option(
        "--grace",
        "grace_s",
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="What calls in flight get to end in after SIGTERM: at least the longest CreateTask.",
    ),
    click.option(
        "--poll-fresh",
        "poll_fresh_s",
        type=click.FloatRange(0),
        default=5.0,
        show_default=True,
        metavar="SECONDS",
        help="For how long what a vendor said of many jobs at once answers further polls; 0: never.",
    ),
    click.option(
        "--tls-cert",
        default="",
        metavar="FILE",
        help="Certificate chain, PEM; read when it changes.",
    ),
    click.option("--tls-key", default="", metavar="FILE", help="Its private key, PEM."),
    click.option(
        "--tls-client-ca",
        default="",
        metavar="FILE",
        help="Authorities, PEM: callers must show a certificate of one of them.",
    ),
    click.option(
        "--token",
        "tokens",
        multiple=True,
        metavar="SECRET",
        help="Name of a secret with the tokens of callers, one per line; may be repeated.",
    ),
    click.option(
        "--agent",
        "agents",
        multiple=True,
        metavar="NAME",
        help="Load this agent and no other; may be repeated. Default: all that are installed.",
    ),
    click.option(
        "--no-agent",
        "no_agents",
        multiple=True,
        metavar="NAME",
        help="Leave this agent out; may be repeated.",
    ),
    click.option(
        "--log-format",
        type=click.Choice(["console", "json"]),
        default="console",
        show_default=True,
        help="How log lines look.",
    ),
    click.option(
        "--log-level",
        type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
        default="INFO",
        show_default=True,
        help="The least important level that is logged.",
    ),
)


def _serve_options(command: Any) -> Any:
    for option in reversed(_SERVE_OPTIONS):
        command = option(command)
    return command


@main.command()
@_serve_options
def serve(**options: Any) -> None:
    """
    Serve the installed agents to Flyte over gRPC, until SIGTERM.

    SIGHUP reads certificates, tokens and the policy again.
    """
    from .commands.serve import run

    options["log_level"] = options["log_level"].upper()
    run(Settings(**options))


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


@main.command()
@_selection
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=20.0,
    show_default=True,
    metavar="SECONDS",
    help="What one agent may take to answer.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(**options: Any) -> None:
    """
    Ask every agent whether a task of it could run now, and say what to repair.

    Looks with the credentials of this process, so run it where the service runs. The exit code is 1
    when something is in the way of a task.
    """
    from .commands.doctor import run

    sys.exit(run(**options))


@main.command()
@_selection
@click.option(
    "--for",
    "target",
    type=click.Choice(["flyte-core", "flyte-binary", "flyte2"]),
    default="flyte-core",
    show_default=True,
    help="The Helm chart whose values it is for; flyte2: Flyte 2's flyte-binary.",
)
@click.option(
    "--endpoint",
    default="",
    metavar="ADDRESS",
    help="Where Flyte finds the service: dns:///HOST:PORT, or k8s://SERVICE.NAMESPACE:PORT.",
)
def config(**options: Any) -> None:
    """Print the configuration of Flyte for exactly the agents that are installed, as YAML."""
    from .commands.config import run

    sys.exit(run(**options))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete this command: eval "$(flyte-agent completion bash)"."""
    from .commands.completion import run

    run(main, shell)
