"""
The options of ``flyte-agent serve``.

Each is a field of :class:`~flyte_agent_server.settings.Settings`, so a key of ``flyte-agent.toml``
too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .errors import ServiceError


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
        "--max-calls",
        type=click.IntRange(1),
        default=50_000,
        show_default=True,
        help="Calls of all agents at once, those that wait included; further ones are refused.",
    ),
    click.option(
        "--max-calls-per-agent",
        type=click.IntRange(1),
        default=1000,
        show_default=True,
        help="Calls of one agent at once; further ones wait.",
    ),
    click.option(
        "--max-waiting-per-agent",
        type=click.IntRange(0),
        default=10_000,
        show_default=True,
        help="Calls of one agent that wait; further ones are refused.",
    ),
    click.option(
        "--max-wait",
        "max_wait_s",
        type=click.FloatRange(0),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="For how long a call waits at most; its own deadline ends it sooner.",
    ),
    click.option(
        "--max-logs-per-agent",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Logs of one agent's jobs that are streamed at once; further ones are refused.",
    ),
    click.option(
        "--ready-at-start",
        is_flag=True,
        help="Import every agent's vendor library at the start, not when its first call comes: that call is "
        "quicker then, and the memory is used whether one comes or not.",
    ),
    click.option(
        "--threads-per-agent",
        type=click.IntRange(0, 1024),
        default=0,
        show_default=True,
        help="Blocking vendor calls of one agent at once; 0: what each agent says, most say 32.",
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


def serve_options(command: Any) -> Any:
    """Add them to a command."""
    for option in reversed(_SERVE_OPTIONS):
        command = option(command)
    return command
