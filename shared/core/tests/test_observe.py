"""What agents tell whoever runs them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from flyte_agent_core import RetryableError, observe
from flyte_agent_core.health import Finding


@pytest.fixture
def events() -> Iterator[list[Any]]:
    """Everything that is told while a test runs."""
    told: list[Any] = []
    stop = observe.listen(told.append)
    yield told
    stop()


class HttpError(Exception):
    code = HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HttpError(), "401"),
        (RetryableError("x", code="ACME.BUSY"), "ACME.BUSY"),
        (KeyError("secret"), "KeyError"),
        (asyncio.CancelledError(), "CancelledError"),
    ],
)
def test_a_vendor_call_that_fails_says_how_and_raises(
    events: list[Any], error: BaseException, code: str
) -> None:
    with pytest.raises(type(error)), observe.vendor_call("acme", "get"):
        raise error
    (call,) = events
    assert (call.vendor, call.method, call.code, call.failed) == ("acme", "get", code, True)
    assert call.took_s >= 0


def test_a_client_may_say_the_code_itself(events: list[Any]) -> None:
    with observe.vendor_call("acme", "get") as call:
        call.code = "200"
    assert (events[0].code, events[0].failed) == ("200", False)


def test_nobody_needs_to_listen() -> None:
    with observe.vendor_call("acme", "get"), observe.span("work"):
        observe.report(observe.Round("t", 1))


def test_who_has_stopped_listening_hears_no_more() -> None:
    told: list[Any] = []
    observe.listen(told.append)()
    observe.report(observe.Round("t", 1))
    assert not told


def test_a_tracer_gets_the_work_in_its_order() -> None:
    seen: list[str] = []

    @contextlib.contextmanager
    def tracer(name: str, attributes: Any) -> Iterator[None]:
        seen.append(f"{name} {dict(attributes)}")
        yield

    observe.trace_with(tracer)
    try:
        with observe.span("outer", a="1"), observe.vendor_call("acme", "get"):
            pass
    finally:
        observe.trace_with(None)
    assert seen == ["outer {'a': '1'}", "acme get {'vendor': 'acme', 'method': 'get'}"]


def test_a_finding_without_a_repair_is_a_mistake() -> None:
    assert Finding("clock", "ok", "fine").repair == ""
    with pytest.raises(ValueError, match="clock"):
        Finding("clock", "warning", "late")
