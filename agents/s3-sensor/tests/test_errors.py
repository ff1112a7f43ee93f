"""S3's errors: each is permanent or passing, and says what to do."""

from __future__ import annotations

import pytest
from botocore import exceptions

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError
from flyte_agent_s3_sensor.errors import ERRORS, code_of, to_agent_error


def answer(code: str, status: int = 400, **headers: str) -> exceptions.ClientError:
    about = {"HTTPStatusCode": status, "HTTPHeaders": headers}
    said = {"Error": {"Code": code, "Message": "its words"}, "ResponseMetadata": about}
    return exceptions.ClientError(said, "ListObjectsV2")


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_its_own_advice(code):
    error = to_agent_error(answer(code))
    assert type(error) is ERRORS[code].error
    assert error.code == code_of(code)
    assert "its words" in str(error)
    assert str(error).endswith(ERRORS[code].text)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (answer("403", 403), TaskError, "S3.HTTP_403"),
        (answer("400", 400), TaskError, "S3.HTTP_400"),
        (answer("503", 503), RetryableError, "S3.HTTP_503"),
        (answer("", 0), RetryableError, "S3.HTTP_0"),
        (answer("BrandNewError", 418), TaskError, "S3.BRAND_NEW_ERROR"),
        (answer("NewOutage", 500), RetryableError, "S3.NEW_OUTAGE"),
        (answer("503", 503, **{"x-minio-error-code": "SlowDown"}), RetryableError, "S3.SLOW_DOWN"),
        (exceptions.NoCredentialsError(), TaskError, "S3.NO_CREDENTIALS_ERROR"),
        (
            exceptions.EndpointConnectionError(endpoint_url="x"),
            RetryableError,
            "S3.ENDPOINT_CONNECTION_ERROR",
        ),
        (
            exceptions.ConnectTimeoutError(endpoint_url="x"),
            RetryableError,
            "S3.CONNECT_TIMEOUT_ERROR",
        ),
        (
            exceptions.ProxyConnectionError(proxy_url="x"),
            RetryableError,
            "S3.PROXY_CONNECTION_ERROR",
        ),
        (exceptions.ReadTimeoutError(endpoint_url="x"), RetryableError, "S3.READ_TIMEOUT_ERROR"),
        (exceptions.ParamValidationError(report="x"), TaskError, "S3.PARAM_VALIDATION_ERROR"),
        (ConnectionResetError("reset"), RetryableError, "S3.CONNECTION"),
        (ValueError("odd"), ProtocolError, "S3.PROTOCOL"),
        (TaskError("ours", code="S3.X"), TaskError, "S3.X"),
    ],
    ids=str,
)
def test_what_becomes_of_an_error(error, kind, code):
    found = to_agent_error(error)
    assert isinstance(found, AgentError)
    assert (type(found), found.code) == (kind, code)


def test_the_time_to_wait_is_kept():
    assert to_agent_error(answer("SlowDown", 503, **{"retry-after": "7"})).retry_after_s == 7.0


def test_a_role_that_was_refused_is_not_an_object_that_was():
    error = answer("AccessDenied", 403)
    error.operation_name = "AssumeRole"
    found = to_agent_error(error)
    assert found.code == "S3.ROLE_ACCESS_DENIED"
    assert "trust policy" in str(found)
