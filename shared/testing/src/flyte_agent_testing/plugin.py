"""
Pytest plugin: installed with the package, nothing to switch on.

Fixtures: ``fake_clock`` and ``propeller_factory``. With ``flyte_agent_loopback_only = true`` among pytest's
settings a test that connects to another machine fails and says so.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import grpc

    from .propeller import SimulatedPropeller

_LOOPBACK_ONLY = "flyte_agent_loopback_only"
_TOLD_LINES = 300

# Its failed assertions are a test's result: without this pytest would print them bare.
pytest.register_assert_rewrite("flyte_agent_testing.conformance")


class RemoteConnectionError(RuntimeError):
    """A test wanted to talk to another machine."""


class _LoopbackGuard:
    """An audit hook cannot be taken away again, so it can be switched off."""

    def __init__(self) -> None:
        self._is_on = False
        self._is_installed = False

    def switch(self, *, on: bool) -> None:
        if on and not self._is_installed:
            sys.addaudithook(self._check)
            self._is_installed = True
        self._is_on = on

    def _check(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._is_on or event not in {"socket.connect", "socket.getaddrinfo"}:
            return
        host = args[0] if event == "socket.getaddrinfo" else _host_of(args[1])
        if not _is_loopback(host):
            raise RemoteConnectionError(
                f"{event}: found host {host!r}, expected this machine. Point the test at a stand-in, or set "
                f"{_LOOPBACK_ONLY} = false"
            )


_guard = _LoopbackGuard()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    help_text = "fail tests that connect to another machine"
    parser.addini(_LOOPBACK_ONLY, help_text, type="bool", default=False)


def pytest_configure(config: pytest.Config) -> None:
    """Switch the guard on if wanted."""
    _guard.switch(on=bool(config.getini(_LOOPBACK_ONLY)))


def pytest_unconfigure() -> None:
    """Switch the guard off."""
    _guard.switch(on=False)


@pytest.fixture
def fake_clock() -> FakeClock:
    """A clock on which waiting costs no time."""
    return FakeClock()


@pytest.fixture
def propeller_factory(
    fake_clock: FakeClock,
) -> Iterator[Callable[..., SimulatedPropeller]]:
    """
    Make simulated propellers on ``fake_clock``; takes the arguments of :class:`SimulatedPropeller`.

    Use them with ``async with``. If the test fails, pytest prints what happened to the tasks.
    """
    from .propeller import SimulatedPropeller

    made: list[SimulatedPropeller] = []

    def make(target: str | grpc.aio.Channel, **options: Any) -> SimulatedPropeller:
        propeller = SimulatedPropeller(target, **{"clock": fake_clock, **options})
        made.append(propeller)
        return propeller

    yield make
    for propeller in made:  # pytest shows it only when the test failed
        lines = [repr(propeller), *str(propeller.transcript).splitlines()]
        sys.stdout.write("\n".join([*lines[:_TOLD_LINES], ""]))


def _host_of(address: Any) -> Any:
    return address[0] if isinstance(address, tuple) else None  # a path is a socket of this machine


def _is_loopback(host: Any) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    if name in {None, "", "localhost"}:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
