"""The tables of errors: complete, and read in the right order."""

from __future__ import annotations

import asyncio
import email.utils
import inspect
import time
from typing import Any

import aiohttp
import openai
import pytest
from openai.lib.azure import MutuallyExclusiveAuthError

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError
from flyte_agent_openai_sync.errors import (
    CODES,
    EXCEPTIONS,
    STATUSES,
    QuotaExhausted,
    RateLimited,
    of_status,
    retry_after_s,
    to_agent_error,
)


@pytest.mark.parametrize("code", CODES)
def test_every_code_has_an_advice(code: str) -> None:
    error = of_status(400, {"error": {"code": code, "message": "said"}}, {}, "")
    assert type(error) is CODES[code].error
    assert CODES[code].text in str(error)
    assert error.code.startswith("OPENAI.")


@pytest.mark.parametrize("status", [*STATUSES, 402, 418, 500, 502, 504, 529])
def test_every_status_is_final_or_not(status: int) -> None:
    error = of_status(status, None, {}, "")
    retried = status in (408, 409, 429) or status >= 500
    assert isinstance(error, RetryableError if retried else TaskError)


def test_the_code_decides_before_the_status() -> None:
    body = {"code": "insufficient_quota", "type": "insufficient_quota", "message": "no money"}
    assert isinstance(of_status(429, body, {}, ""), QuotaExhausted)
    assert isinstance(of_status(429, {"type": "insufficient_quota"}, {}, ""), QuotaExhausted)
    assert isinstance(
        of_status(429, {"type": "rate_limit_error", "code": None}, {}, ""), RateLimited
    )
    assert isinstance(of_status(429, {"message": "too many"}, {}, ""), RateLimited)


def test_field_request_and_repair_are_said() -> None:
    body = {"message": "Invalid schema", "code": "invalid_json_schema", "param": "response_format"}
    error = of_status(400, body, {"x-request-id": "req_1"}, "")
    assert str(error).splitlines() == [
        "Invalid schema (field 'response_format') [HTTP 400, request req_1]",
        "Simplify the task's output type.",
    ]


def test_azures_filter_is_a_filter() -> None:
    body = {
        "code": "BadRequest",
        "message": "filtered",
        "innererror": {"code": "ResponsibleAIPolicyViolation"},
    }
    assert of_status(400, body, {}, "").code == "OPENAI.CONTENT_FILTER"


def test_a_body_of_another_form_is_shown() -> None:
    assert "gateway" in str(of_status(400, {"error": "gateway says no"}, {}, ""))
    assert "Bad Gateway" in str(of_status(502, "<html>", {}, "Bad Gateway"))


def library_errors() -> list[type[Exception]]:
    found = [*vars(openai._exceptions).values(), MutuallyExclusiveAuthError]
    return sorted(
        {c for c in found if isinstance(c, type) and issubclass(c, Exception)},
        key=lambda c: c.__name__,
    )


@pytest.mark.parametrize("cls", library_errors(), ids=lambda c: c.__name__)
def test_every_exception_of_the_library_is_known(cls: type[Exception]) -> None:
    error = to_agent_error(cls)
    assert isinstance(error, AgentError)
    assert type(error) not in (AgentError, ProtocolError)


def test_the_table_names_the_libraries_exceptions() -> None:
    """Of all major versions; the installed one lacks some."""
    known = {cls.__name__ for cls in library_errors()}
    assert {"APITimeoutError", "APIConnectionError", "OpenAIError"} <= known & set(EXCEPTIONS)


def test_what_is_no_error_of_the_library_is_news() -> None:
    assert type(to_agent_error(KeyError("x"))) is ProtocolError
    assert type(to_agent_error(KeyError)) is ProtocolError


def test_a_cause_is_shown() -> None:
    error = openai.OpenAIError("no")
    error.__cause__ = OSError("refused")
    assert "no (refused)" in str(to_agent_error(error))


def of_aiohttp() -> list[type[Exception]]:
    """Return every way in which a connection of the library's fails, where it uses aiohttp."""
    kinds = [kind for _, kind in inspect.getmembers(aiohttp, inspect.isclass)]
    return [kind for kind in kinds if issubclass(kind, aiohttp.ClientConnectionError)]


@pytest.mark.parametrize("kind", of_aiohttp(), ids=lambda kind: kind.__name__)
def test_a_lost_connection_is_not_called_a_timeout(kind: type[Exception]) -> None:
    """The library does."""
    error = openai.APITimeoutError(request=None)  # type: ignore[arg-type]  # nobody looks at it
    error.__cause__ = TimeoutError("as the library's transport says")
    error.__cause__.__cause__ = kind.__new__(kind)
    is_late = issubclass(kind, asyncio.TimeoutError)
    assert to_agent_error(error).code == ("OPENAI.TIMEOUT" if is_late else "OPENAI.UNREACHABLE")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5), ({"retry-after": "2"}, 2.0), ({}, None),
        ({"retry-after": "soon"}, None), ({"retry-after-ms": "x"}, None),
    ],
)  # fmt: skip
def test_the_wait_is_read(headers: dict[str, str], expected: Any) -> None:
    assert retry_after_s(headers) == expected


def test_a_date_to_wait_for_is_read() -> None:
    at = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert retry_after_s({"retry-after": at}) == pytest.approx(100, abs=3)
