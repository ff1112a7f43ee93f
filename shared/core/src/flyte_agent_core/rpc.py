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
    One RPC; once its request is read, nothing but its execution is changed.

    Attributes:
        ends_s: What ``now`` gives when the answer must be on its way: :func:`end_s`.
        connection: Secrets and settings the caller sent along (Flyte 2's ``connection``).
        execution: Flyte's name of the execution the job belongs to, as soon as it is known.
        known: What else log lines say of the call.
        now: Monotonic seconds.
    """

    ends_s: float
    connection: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    execution: str = ""
    known: Mapping[str, str] = dataclasses.field(default_factory=dict)
    now: Callable[[], float] = dataclasses.field(default=time.monotonic, repr=False)

    def facts(self) -> dict[str, str]:
        """Return what log lines say of the call."""
        return {**self.known, "execution": self.execution} if self.execution else dict(self.known)


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
    facts: Mapping[str, str] | None = None,
    now: Callable[[], float] | None = None,
) -> Iterator[Call]:
    """
    Say that a call is being answered.

    Args:
        deadline_s: Seconds the caller waits from now on; ``None`` when it waits for ever. A margin
            is taken off (10 %, at most half a second), so that the answer arrives before the
            caller hangs up.
        connection: Secrets and settings that came with the call.
        facts: What is known about the call, for its log lines.
        now: Monotonic seconds, by which the deadline is measured. Unless it is said, the running
            event loop's, which is what timers go by, on a loop in virtual time too.
    """
    now = now or _time()
    call = Call(end_s(deadline_s, now()), connection or {}, "", facts or {}, now)
    token = begin(call)
    try:
        yield call
    finally:
        end(token)


def end_s(deadline_s: float | None, now_s: float) -> float:
    """
    Return when a call must be answered that begins ``now_s``.

    Args:
        deadline_s: As in :func:`serving`.
        now_s: Monotonic seconds.
    """
    allowed_s = 3600.0 if deadline_s is None else max(0.0, deadline_s)
    return now_s + allowed_s - min(_MARGIN_MAX_S, allowed_s * _MARGIN_PART)


def begin(call: Call) -> contextvars.Token[Call | None]:
    """Say that ``call`` is being answered, until :func:`end`; :func:`serving` is the safe form."""
    return _call.set(call)


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
    with serving(budget_s, connection=call.connection, facts=call.facts()) as own:
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
