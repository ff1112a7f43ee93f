"""
The ``flyte-agent`` command.

Only click is imported here: a command loads what it needs when it runs, so that ``--help`` and a
mistyped option are answered at once.
"""

from __future__ import annotations

import sys
import traceback
from typing import Any

import click

from .errors import ConfigFileError, ServiceError, UnknownAgentError
from .serve_options import serve_options
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
            _let_go(error)
            raise click.ClickException(str(error)) from error


def _let_go(error: BaseException) -> None:
    """Free what the frames of an error hold: a half-made server must not be there at the exit."""
    found: BaseException | None = error
    while found is not None:
        traceback.clear_frames(found.__traceback__)
        found = found.__cause__ or found.__context__


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


@main.command()
@serve_options
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
@click.option(
    "--config",
    default="",
    metavar="FILE",
    help="Settings of the service to look at; by default ./flyte-agent.toml, if it is there.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def doctor(config: str, **options: Any) -> None:
    """
    Ask the service's settings and every agent whether a task could run now; say what to repair.

    Looks with the credentials of this process, so run it where the service runs. The exit code is 1
    when something is in the way of a task.
    """
    from .commands.doctor import run

    sys.exit(run(**options, settings=lambda: _settings_of_serve(config)))


def _settings_of_serve(config: str) -> Settings:
    """Return what ``serve`` would start with here: the file, and this process's environment."""
    args = ["--config", config] if config else []
    prefix = f"{_CONTEXT['auto_envvar_prefix']}_SERVE"
    try:
        options = serve.make_context("serve", args, auto_envvar_prefix=prefix).params
    except click.ClickException as error:
        raise ConfigFileError(error.format_message()) from error
    return Settings(**{**options, "log_level": options["log_level"].upper()})


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
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(["async", "sync", "sensor"]),
    help="Starts jobs and polls them; has its answer at once; or waits for something. Default: async.",
)
@click.option("--vendor", metavar="TEXT", help="The platform, as it spells itself.")
@click.option("--task-type", metavar="TEXT", help="The task type that Flyte routes by.")
@click.option(
    "--where",
    type=click.Path(exists=True, file_okay=False),
    default=".",
    metavar="FOLDER",
    help="Make it in this folder. Default: here; in the project's repository always agents/NAME.",
)
def new(name: str, **options: Any) -> None:
    """
    Make the package flyte-agent-NAME: agent, task, stand-in, tests, documentation.

    Asks on a terminal, unless an option answers; nothing that is there is overwritten.
    """
    from .commands.new import run

    run(name, **options)


@main.command()
@click.option(
    "--address", default="127.0.0.1:8000", show_default=True, help="HOST:PORT of the service."
)
@click.option(
    "--service", default="", help="One of its gRPC services. Default: the service as a whole."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0.1, 600),
    default=3.0,
    show_default=True,
    metavar="SECONDS",
    help="What it may take to answer.",
)
@click.option("--tls-ca", default="", metavar="FILE", help="Authorities of its certificate, PEM.")
@click.option("--tls-cert", default="", metavar="FILE", help="Certificate to show it, PEM.")
@click.option("--tls-key", default="", metavar="FILE", help="Its private key, PEM.")
def health(**options: Any) -> None:
    """Ask a running service whether it serves; the exit code is 1 when it does not."""
    from .commands.health import run

    sys.exit(run(**options))


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes SHELL complete this command: eval "$(flyte-agent completion bash)"."""
    from .commands.completion import run

    run(main, shell)
