"""
The platforms' stand-ins: how a package offers one, and starting those that are installed.

A package that has a stand-in for its platform names a class in its ``pyproject.toml``, under the
name of its agent::

    [project.entry-points."flyte_agent.sandbox"]
    bigquery = "flyte_agent_bigquery.local.sandbox:BigQuerySandbox"

The class has the form of :class:`Sandbox`; it is made without arguments. Nothing of this package
needs to be imported for that, and agents do not depend on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
from typing import TYPE_CHECKING, Protocol

from .errors import StandInError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GROUP = "flyte_agent.sandbox"
"""The entry point group of stand-ins; an entry has the name of its agent."""

_SCHEMES = ("http", "https", "all", "grpc")
_PROXIES = [f"{scheme}_proxy" for scheme in _SCHEMES] + [f"{s.upper()}_PROXY" for s in _SCHEMES]


class StandIn(Protocol):
    """
    A stand-in that runs.

    Attributes:
        url: Where it answers, for people.
    """

    url: str

    def environment(self) -> Mapping[str, str]:
        """Return the variables that make an agent, or an author's local run, use it."""

    def stop(self) -> None:
        """End it: no thread, process or port is left."""


class Sandbox(Protocol):
    """
    What a package offers.

    Attributes:
        title: The platform, as people call it.
        about: What really does the work, in a few words.
        default_port: The port that `flyte-agent sandbox` tries first, so that what people have set
            in a shell is right the next time too.
    """

    title: str
    about: str
    default_port: int

    def start(self, port: int) -> StandIn:
        """
        Start the stand-in on this machine.

        Args:
            port: 0 for any free one.

        Raises:
            OSError: The port is taken.
        """


@dataclasses.dataclass(frozen=True)
class Running:
    """One stand-in that was started."""

    name: str
    sandbox: Sandbox
    stand_in: StandIn


@contextlib.contextmanager
def running(
    names: Iterable[str] | None = None, *, usual_ports: bool = False
) -> Iterator[list[Running]]:
    """
    Run the installed stand-ins, with the environment of this process set to use them.

    Args:
        names: Agents whose stand-ins to run; ``None`` for all.
        usual_ports: Whether to try each one's default port first.

    Raises:
        StandInError: One of them cannot be started.
    """
    wanted = None if names is None else set(names)
    with contextlib.ExitStack() as stack:
        started = []
        for point in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: p.name):
            if wanted is None or point.name in wanted:
                each = _start(point, usual_ports=usual_ports)
                stack.callback(each.stand_in.stop)
                started.append(each)
        stack.enter_context(_set(environment_of(started)))
        yield started


def environment_of(started: Iterable[Running]) -> dict[str, str]:
    """Return the variables of all stand-ins together, and what keeps proxies out of the way."""
    variables = _past_proxies()
    for each in started:
        variables.update(each.stand_in.environment())
    return variables


def _past_proxies() -> dict[str, str]:
    """Return what makes clients reach this machine directly, where a proxy is set for the rest."""
    if not any(os.environ.get(name) for name in _PROXIES):
        return {}
    before = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    hosts = ",".join(filter(None, [before, "127.0.0.1", "localhost"]))
    return {"no_proxy": hosts, "NO_PROXY": hosts}


def _start(point: importlib.metadata.EntryPoint, *, usual_ports: bool) -> Running:
    distribution = point.dist.name if point.dist else point.name
    try:
        sandbox: Sandbox = point.load()()
    except ImportError as error:
        raise StandInError(
            f"the stand-in for {point.name} lacks a library ({error}): "
            f"pip install '{distribution}[local]', or leave it out with --no-agent {point.name}"
        ) from error
    if usual_ports:
        with contextlib.suppress(OSError):  # taken, by another sandbox perhaps: any other will do
            return Running(point.name, sandbox, sandbox.start(sandbox.default_port))
    return Running(point.name, sandbox, sandbox.start(0))


@contextlib.contextmanager
def _set(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
