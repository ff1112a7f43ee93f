"""
The call that is being answered: how long it may take and what came with it.

A server says so with :func:`serving`; when nobody does (flytekit's stock service passes no
deadline on), the defaults of :data:`DEFAULT_BUDGET_S` hold. The context follows into the agent's
threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import dataclasses
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

DEFAULT_BUDGET_S: Mapping[str, float] = {
    # Propeller's deadline is 10 s unless configured (flyte v1.16.8
    # plugins/webapi/connector/config.go).
    "get": 8.0,
    "delete": 8.0,
    # Platforms are told to allow 60 s for these two; a shorter deadline cancels the call, which is
    # handled.
    "create": 50.0,
    "do": 50.0,
}

_MARGIN_PART, _MARGIN_MAX_S = 0.1, 0.5


@dataclasses.dataclass(slots=True)
class Call:
    """
    One RPC; nothing but its facts is changed once it has begun.

    Attributes:
        ends_s: What ``now`` gives when the answer must be on its way.
        connection: Secrets and settings the caller sent along (Flyte 2's ``connection``).
        correlation_id: Stands in both the log and the message of an error.
        facts: What was found out about the call while it was answered, for its log lines.
        now: Monotonic seconds.
    """

    ends_s: float
    connection: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    correlation_id: str = ""
    facts: dict[str, str] = dataclasses.field(default_factory=dict)
    now: Callable[[], float] = dataclasses.field(default=time.monotonic, repr=False)


_call: contextvars.ContextVar[Call | None] = contextvars.ContextVar(
    "flyte_agent_call", default=None
)


def current() -> Call | None:
    """Return the call being answered, if any."""
    return _call.get()


@contextlib.contextmanager
def serving(
    deadline_s: float | None,
    *,
    connection: Mapping[str, str] | None = None,
    correlation_id: str = "",
    facts: dict[str, str] | None = None,
    now: Callable[[], float] | None = None,
) -> Iterator[Call]:
    """
    Say that a call is being answered.

    Args:
        deadline_s: Seconds the caller waits from now on; ``None`` when it waits for ever. A margin
            is taken off (10 %, at most half a second), so that the answer arrives before the
            caller hangs up.
        connection: Secrets and settings that came with the call.
        correlation_id: Stands in both the log and the message of an error.
        facts: What is known about the call, for its log lines.
        now: Monotonic seconds, by which the deadline is measured. Unless it is said, the running
            event loop's, which is what timers go by, on a loop in virtual time too.
    """
    token = begin(
        deadline_s, connection=connection, correlation_id=correlation_id, facts=facts, now=now
    )
    try:
        yield _call.get()  # type: ignore[misc]  # begin() has just set it
    finally:
        end(token)


def begin(
    deadline_s: float | None,
    *,
    connection: Mapping[str, str] | None = None,
    correlation_id: str = "",
    facts: dict[str, str] | None = None,
    now: Callable[[], float] | None = None,
) -> contextvars.Token[Call | None]:
    """
    Say that a call is being answered, until :func:`end`; :func:`serving` is the safe form.

    Args:
        deadline_s: As in :func:`serving`.
        connection: As in :func:`serving`.
        correlation_id: As in :func:`serving`.
        facts: As in :func:`serving`.
        now: As in :func:`serving`.
    """
    now = now or _time()
    allowed_s = 3600.0 if deadline_s is None else max(0.0, deadline_s)
    ends_s = now() + allowed_s - min(_MARGIN_MAX_S, allowed_s * _MARGIN_PART)
    known = {} if facts is None else facts
    return _call.set(Call(ends_s, connection or {}, correlation_id, known, now))


def end(token: contextvars.Token[Call | None]) -> None:
    """Say that the call is over."""
    _call.reset(token)


@contextlib.contextmanager
def within(operation: str) -> Iterator[None]:
    """Give ``operation`` its default budget when no server said how long the call may take."""
    if _call.get() is not None:
        yield
        return
    with serving(DEFAULT_BUDGET_S[operation]):
        yield


@contextlib.contextmanager
def aside(budget_s: float) -> Iterator[Call]:
    """
    Give work in the background its own time, with what came with the call that it is done for.

    The secrets that started a job are those that can stop it.
    """
    call = _call.get() or Call(0.0)
    with serving(
        budget_s,
        connection=call.connection,
        correlation_id=call.correlation_id,
        facts=dict(call.facts),
    ) as own:
        yield own


def remaining_s() -> float:
    """Return the seconds left for the current call, never negative, the margin taken off."""
    call = _call.get()
    return DEFAULT_BUDGET_S["get"] if call is None else max(0.0, call.ends_s - call.now())


def _time() -> Callable[[], float]:
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:  # a thread without a loop
        return time.monotonic
