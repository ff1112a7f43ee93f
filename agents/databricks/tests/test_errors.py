"""Every way in which databricks-sdk refuses has a class, a code and a repair."""

from __future__ import annotations

from typing import Any

import pytest
import requests.exceptions
from databricks.sdk.errors import platform
from databricks.sdk.errors.base import DatabricksError

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError
from flyte_agent_databricks.api_errors import of_sign_in, to_agent_error
from flyte_agent_databricks.errors import (
    REFUSALS,
    RunDeleted,
    advise,
    code_of,
    says_deleted,
    says_gone,
)

RETRYABLE = {
    "TooManyRequests", "InternalError", "TemporarilyUnavailable", "DeadlineExceeded", "Cancelled", "Aborted",
    "ResourceExhausted", "RequestLimitExceeded", "Unknown", "DataLoss", "ResourceConflict",
}  # fmt: skip


@pytest.mark.parametrize(
    "cls",
    dict.fromkeys([*platform.STATUS_CODE_MAPPING.values(), *platform.ERROR_CODE_MAPPING.values()]),
    ids=lambda cls: cls.__name__,
)
def test_every_class_of_the_sdk(cls: Any) -> None:
    made = to_agent_error(cls("said"))

    assert isinstance(made, RetryableError if cls.__name__ in RETRYABLE else TaskError)
    assert str(made).startswith("Databricks ")
    assert len(str(made).splitlines()) == 2


@pytest.mark.parametrize("code", sorted(platform.ERROR_CODE_MAPPING))
def test_every_code_of_the_sdk_is_known(code: str) -> None:
    assert code in REFUSALS


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (requests.exceptions.ConnectionError("refused"), RetryableError, "cannot be reached"),
        (requests.exceptions.ReadTimeout("slow"), RetryableError, "cannot be reached"),
        (requests.exceptions.InvalidURL("no host"), TaskError, "address of the workspace is wrong"),
        (requests.exceptions.JSONDecodeError("no", "", 0), ProtocolError, "not JSON"),
        (OSError("broken pipe"), RetryableError, "cannot be reached"),
        (ValueError("no JSON"), ProtocolError, "not JSON"),
    ],
)
def test_what_the_wire_raises(error: Exception, kind: Any, said: str) -> None:
    made = to_agent_error(error)

    assert isinstance(made, kind)
    assert said in str(made)


def test_what_is_nobodys_comes_back() -> None:
    own, mine = KeyError("x"), TaskError("x")

    assert to_agent_error(own) is own
    assert to_agent_error(mine) is mine
    assert of_sign_in(mine) is mine


def test_sign_in_that_fails_is_the_users_or_passes() -> None:
    unreachable = ValueError("default auth: x")
    unreachable.__cause__ = requests.exceptions.ConnectionError("refused")

    assert isinstance(of_sign_in(unreachable), RetryableError)
    assert isinstance(of_sign_in(ValueError("not configured. Config: token=canary")), TaskError)
    assert "canary" not in str(of_sign_in(ValueError("not configured. Config: token=canary")))


@pytest.mark.parametrize(
    ("code", "message", "gone"),
    [
        ("RESOURCE_DOES_NOT_EXIST", "", True),
        ("INVALID_PARAMETER_VALUE", "Run 7 does not exist.", True),
        ("INVALID_PARAMETER_VALUE", "timeout is wrong", False),
        ("PERMISSION_DENIED", "Run 7 does not exist.", False),
    ],
)
def test_how_a_run_is_said_to_be_gone(code: str, message: str, gone: bool) -> None:
    assert says_gone(code, message) is gone


def test_a_deleted_run_of_a_token() -> None:
    assert says_deleted("The run 7 with the idempotency token x was deleted.")
    assert isinstance(
        to_agent_error(DatabricksError("run with idempotency token x was deleted")), RunDeleted
    )


def test_a_missing_job_is_the_users_and_a_missing_run_is_not() -> None:
    error = platform.ResourceDoesNotExist(
        "Job 7 does not exist.", error_code="RESOURCE_DOES_NOT_EXIST"
    )

    assert isinstance(to_agent_error(error), TaskError)
    assert isinstance(to_agent_error(error, of_job=True), JobNotFound)


def test_how_long_to_wait_is_kept() -> None:
    error: Any = to_agent_error(platform.TooManyRequests("slow", retry_after_secs=7))

    assert error.retry_after_s == 7.0


def test_codes_are_stable_names() -> None:
    assert code_of("a code!") == "DATABRICKS.A_CODE"
    assert advise("NOT_IN_THE_LIST", "m").error is TaskError
    assert issubclass(RunDeleted, AgentError)
