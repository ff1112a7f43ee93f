"""
What agents tell whoever runs them: vendor calls, answers, failures, what a job used.

A service listens and turns it into metrics and traces; when nobody listens it costs next to nothing.
A vendor's client reports its calls::

    with observe.vendor_call("bigquery", "jobs.get") as call:
        answer = send(headers=observe.trace_headers())
        call.code = "200"

Nothing here may hold a secret or a value that grows without bound, such as a job's id.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from .agent import AsyncAgent, SyncAgent
    from .resource import Resource


@dataclasses.dataclass
class VendorCall:
    """
    One request to a vendor, its repetitions included.

    Attributes:
        vendor: ``bigquery``.
        method: The vendor's name of the operation: ``jobs.get``.
        code: What it ended with: ``ok``, the vendor's status, or the name of an error.
        took_s: Seconds it took.
        failed: Whether it raised.
    """

    vendor: str
    method: str
    code: str = "ok"
    took_s: float = 0.0
    failed: bool = False


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    What a poll or a sync call answered.

    Attributes:
        task_type: Flyte's task type.
        phase: Name of Flyte's phase.
    """

    task_type: str
    phase: str


answer = functools.lru_cache(maxsize=1024)(Answer)
"""The same, made once for each type and phase: every poll tells one."""


@dataclasses.dataclass(frozen=True)
class PollFailed:
    """A poll that could not see its job; ``code`` is that of the error."""

    task_type: str
    code: str


@dataclasses.dataclass(frozen=True)
class Round:
    """One call of ``get_many`` for ``jobs`` jobs."""

    task_type: str
    jobs: int


@dataclasses.dataclass(frozen=True)
class Orphan:
    """A job whose create had lost its caller; ``deleted`` tells whether it could be stopped."""

    task_type: str
    deleted: bool


@dataclasses.dataclass(frozen=True)
class GivenUp:
    """A job whose polls had failed for too long; ``stopped`` tells whether it could be stopped."""

    task_type: str
    stopped: bool


@dataclasses.dataclass(frozen=True)
class Throttled:
    """
    A call that was slowed down.

    Attributes:
        vendor: ``bigquery``.
        waited_s: Seconds the call was kept back.
        refused: Whether it was the vendor that refused it for its rate.
    """

    vendor: str
    waited_s: float = 0.0
    refused: bool = False


@dataclasses.dataclass(frozen=True)
class Used:
    """
    What a finished job used, told once by the process that saw it end.

    Attributes:
        task_type: Flyte's task type.
        project: Flyte's project; ``""`` when unknown.
        domain: Flyte's domain.
        figures: By unit: ``bytes``, ``usd``, ``tokens``.
    """

    task_type: str
    project: str
    domain: str
    figures: Mapping[str, float]


class Listener(Protocol):
    """Is called from any thread, must be quick and must not raise."""

    def __call__(self, event: object, /) -> None:
        """Take one of the events above; later versions may have more."""


_listeners: tuple[Listener, ...] = ()
_tracer: Callable[[str, Mapping[str, str]], AbstractContextManager[object]] | None = None
_trace_headers: Callable[[], Mapping[str, str]] | None = None


def listen(listener: Listener) -> Callable[[], None]:
    """Have ``listener`` called with every event of this process; return what ends that."""
    global _listeners  # noqa: PLW0603  # replaced as a whole: readers in other threads need no lock
    _listeners = (*_listeners, listener)

    def stop() -> None:
        global _listeners  # noqa: PLW0603  # as above
        _listeners = tuple(each for each in _listeners if each is not listener)

    return stop


def report(event: object) -> None:
    """Tell the listeners of an event."""
    for listener in _listeners:
        listener(event)


def report_use(agent: AsyncAgent[Any] | SyncAgent, origin: str, resource: Resource) -> None:
    """Tell what a job used, if its agent names such figures and the answer has them."""
    info = resource.custom_info or {}
    found = {unit: info.get(name) for unit, name in agent.usage_figures.items()}
    figures = {u: float(n) for u, n in found.items() if isinstance(n, (int, float)) and n >= 0}
    if figures:
        project, _, rest = origin.partition("/")
        report(Used(agent.served_type, project, rest.partition("/")[0], figures))


def trace_with(
    tracer: Callable[[str, Mapping[str, str]], AbstractContextManager[object]] | None,
    headers: Callable[[], Mapping[str, str]] | None = None,
) -> None:
    """
    Have ``tracer(name, attributes)`` entered around what :func:`span` is put around.

    ``headers()`` gives what :func:`trace_headers` does.
    """
    global _tracer, _trace_headers  # one for the process, as OpenTelemetry's
    _tracer, _trace_headers = tracer, headers


def is_traced() -> bool:
    """Whether spans are made of anything."""
    return _tracer is not None


def span(name: str, **attributes: str) -> AbstractContextManager[object]:
    """Return what to put around a piece of work that a trace should show."""
    tracer = _tracer
    return contextlib.nullcontext() if tracer is None else tracer(name, attributes)


def trace_headers() -> dict[str, str]:
    """
    Return the headers that make a vendor's spans part of the trace; none without a trace.

    ``traceparent``, and ``tracestate`` if there is one (https://www.w3.org/TR/trace-context/). Ask
    for them inside :func:`vendor_call`, in the thread or task that sends the request.
    """
    headers = _trace_headers
    return {} if headers is None else dict(headers())


@contextlib.contextmanager
def vendor_call(vendor: str, method: str) -> Iterator[VendorCall]:
    """Report the call inside, which may set ``code``; an exception's code or class is taken else."""
    call = VendorCall(vendor, method)
    started_s = time.perf_counter()
    try:
        with span(f"{vendor} {method}", vendor=vendor, method=method):
            yield call
    except BaseException as error:
        call.failed = True
        if call.code == "ok":
            call.code = _code_of(error)
        raise
    finally:
        call.took_s = time.perf_counter() - started_s
        report(call)


def _code_of(error: BaseException) -> str:
    code = getattr(error, "code", None)
    if isinstance(code, int):  # HTTP's; an enum before Python 3.11 prints its name
        return str(int(code))
    return code if isinstance(code, str) and code else type(error).__name__
