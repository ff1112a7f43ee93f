"""How a service is set up; loads nothing, so that the command can fill it in quickly."""

from __future__ import annotations

import dataclasses
from typing import Literal

from .errors import ConfigFileError


@dataclasses.dataclass(frozen=True)
class Settings:
    """
    Where a service listens, what it serves to whom, how it polls and how it ends.

    Every field is an option of ``flyte-agent serve`` and a key of ``flyte-agent.toml``.

    Attributes:
        host: Address to bind, ``[::]`` for all of them.
        port: 0 for any free one.
        metrics_port: 0 for any free one, ``None`` for no endpoint.
        grace_s: What calls in flight get to end in when the service stops; CreateTask is the
            longest.
        poll_fresh_s: For how long what a vendor said of many jobs at once answers further polls.
        metrics_host: Address to bind for metrics; empty for that of the service, or for the
            loopback address when callers show certificates and the metrics could not ask for one.
        no_metrics: No metrics over HTTP; ``metrics_port`` is then ``None``.
        processes: How many processes share the port.
        agents: Names of the agents to load; none means all that are installed.
        no_agents: Names of those to leave out.
        log_format: How log lines look.
        log_level: The least important level that is logged.
        tls_cert: File with the certificate chain, PEM; empty for plain text.
        tls_key: File with its private key, PEM.
        tls_client_ca: File with the authorities whose certificates callers must show, PEM.
        tokens: References to the secrets with the tokens of callers; none: no token is asked for.
        max_calls: Calls of all agents, those that wait included; further ones are refused.
        max_calls_per_agent: Calls of one agent at once; further ones wait.
        max_waiting_per_agent: Calls of one agent that wait; further ones are refused.
        max_wait_s: For how long one waits at most.
        max_logs_per_agent: Logs of one agent that are streamed at once; further ones are refused.
        ready_at_start: Agents get ready when the service starts, and not at their first calls.
        threads_per_agent: Blocking vendor calls of one agent at once; 0 for what each agent says.
        config: The file that further settings, and the policy, were read from.
    """

    host: str = "[::]"
    port: int = 8000
    metrics_port: int | None = 9090
    grace_s: float = 60.0
    poll_fresh_s: float = 5.0
    metrics_host: str = ""
    no_metrics: bool = False
    processes: int = 1
    agents: tuple[str, ...] = ()
    no_agents: tuple[str, ...] = ()
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    tls_cert: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    tokens: tuple[str, ...] = ()
    max_calls: int = 50_000
    max_calls_per_agent: int = 1000
    max_waiting_per_agent: int = 10_000
    max_wait_s: float = 60.0
    max_logs_per_agent: int = 100
    ready_at_start: bool = False
    threads_per_agent: int = 0
    config: str = ""

    def __post_init__(self) -> None:
        """
        Bring the two ways to say "no metrics" together, and refuse what makes no sense.

        Raises:
            ConfigFileError: It names the setting.
        """
        if self.no_metrics:
            object.__setattr__(self, "metrics_port", None)
        if self.max_calls < self.max_calls_per_agent:
            raise ConfigFileError(
                f"max_calls: found {self.max_calls}, expected at least max_calls_per_agent "
                f"({self.max_calls_per_agent}): one agent alone could fill the service. Raise "
                "--max-calls, or lower --max-calls-per-agent"
            )

    @property
    def metrics_address(self) -> str:
        """The address that metrics are served on."""
        shut = bool(self.tls_client_ca) and not self.tokens
        return self.metrics_host or ("127.0.0.1" if shut else self.host)
