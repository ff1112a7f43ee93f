"""Every way BigQuery, its library and Google's sign-in say no."""

from __future__ import annotations

import json

import google.api_core.exceptions
import google.auth.exceptions
import pytest
import requests
import urllib3.exceptions

from flyte_agent_bigquery.api_errors import to_agent_error
from flyte_agent_bigquery.errors import ERRORS, DuplicateJob, code_of
from flyte_agent_bigquery.failures import excerpt, of_job, to_error, was_cancelled
from flyte_agent_core import (
    AgentError,
    JobNotFound,
    ProtocolError,
    RetryableError,
    TaskError,
)

# https://cloud.google.com/bigquery/docs/error-messages#errortable, read in November 2026.
DOCUMENTED = [
    "accessDenied",
    "attributeError",
    "backendError",
    "badRequest",
    "billingNotEnabled",
    "billingTierLimitExceeded",
    "blocked",
    "duplicate",
    "internalError",
    "invalid",
    "invalidQuery",
    "invalidUser",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "notFound",
    "notImplemented",
    "proxyAuthenticationRequired",
    "quotaExceeded",
    "rateLimitExceeded",
    "resourceInUse",
    "resourcesExceeded",
    "responseTooLarge",
    "stopped",
    "tableUnavailable",
    "timeout",
]

# What the documentation says may pass on another attempt: "retry", "wait", "slow down".
PASSING = [
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
    "jobRateLimitExceeded",
    "quotaExceeded",
    "rateLimitExceeded",
    "tableUnavailable",
]


def failed(reason, message="it went wrong"):
    """The status of a job that failed."""
    return {"state": "DONE", "errorResult": {"reason": reason, "message": message}}


@pytest.mark.parametrize("reason", DOCUMENTED)
def test_every_documented_reason_is_in_the_table(reason):
    assert reason in ERRORS


@pytest.mark.parametrize("reason", DOCUMENTED)
def test_only_what_may_pass_is_tried_again(reason):
    error = of_job(failed(reason))

    assert isinstance(error, RetryableError if reason in PASSING else TaskError)


@pytest.mark.parametrize("reason", ERRORS)
def test_every_message_has_reason_message_and_advice(reason):
    error = of_job(failed(reason, "the words of the vendor"))
    first, *rest = str(error).splitlines()

    assert first == f"BigQuery {reason}: the words of the vendor"
    assert rest == [ERRORS[reason].text]
    assert error.code.startswith("BIGQUERY.")


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("invalidQuery", "BIGQUERY.INVALID_QUERY"),
        ("timeout", "BIGQUERY.TIMED_OUT"),
        ("bytesBilledLimitExceeded", "BIGQUERY.BYTES_BILLED_LIMIT_EXCEEDED"),
        ("", "BIGQUERY.ERROR"),
        ("what?! a new\nreason", "BIGQUERY.WHAT_A_NEW_REASON"),
        ("x" * 500, "BIGQUERY." + "X" * 60),
    ],
)
def test_codes_are_stable_words(reason, code):
    assert code_of(reason) == code


@pytest.mark.parametrize(
    ("reason", "message", "code"),
    [
        ("invalidQuery", "Transaction is aborted due to concurrent update against table t", "CONCURRENT_UPDATE"),
        ("invalidQuery", "Could not serialize access to table t due to concurrent update", "CONCURRENT_UPDATE"),
        ("quotaExceeded", "Too many DML statements outstanding against table t", "CONCURRENT_UPDATE"),
        ("invalid", "The job encountered an error. Retrying the job may solve the problem.", "TRANSIENT"),
        ("invalid", "Retrying may solve the problem.", "TRANSIENT"),
        ("badRequest", "UPDATE or DELETE statement over table t would affect rows in the streaming buffer",
         "STREAMING_BUFFER"),
    ],
)  # fmt: skip
def test_messages_that_say_so_are_tried_again_whatever_the_reason(reason, message, code):
    error = of_job(failed(reason, message))

    assert isinstance(error, RetryableError)
    assert error.code == f"BIGQUERY.{code}"


def test_a_job_over_its_time_limit_is_told_from_a_cancelled_one():
    """Both are ``stopped``; only the message differs (dbt-labs/dbt-adapters#1974)."""
    late = failed("stopped", "Job execution was cancelled: Job timed out after 2 sec")
    cancelled = failed("stopped", "Job execution was cancelled: User requested cancellation")

    assert of_job(late).code == "BIGQUERY.TIMED_OUT"
    assert not was_cancelled(late)
    assert of_job(cancelled).code == "BIGQUERY.STOPPED"
    assert was_cancelled(cancelled)
    assert not was_cancelled(failed("invalidQuery"))
    assert not was_cancelled({"state": "DONE"})


def test_a_reason_of_tomorrow_fails_the_task_with_its_name():
    error = of_job(failed("quantumDecoherence", "the cat is dead"))

    assert isinstance(error, TaskError)
    assert error.code == "BIGQUERY.QUANTUM_DECOHERENCE"


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"state": "RUNNING", "errors": [{"reason": "invalid", "message": "bad row"}]},
        {"state": "DONE", "errors": [{"reason": "invalid", "message": "bad row"}]},
        {"state": "DONE", "errorResult": None},
        {"state": "DONE", "errorResult": "garbage"},
    ],
)
def test_warnings_do_not_fail_a_job(status):
    """``errors`` may hold problems of a job that succeeded; only ``errorResult`` says that it failed."""
    assert of_job(status) is None


def test_an_error_without_words_still_says_something():
    assert str(of_job({"errorResult": {}})).startswith("BigQuery error: no message")


@pytest.mark.parametrize(
    ("sql", "message", "shown"),
    [
        ("SELECT 1\nFORM t", "Syntax error at [2:1]", "2 | FORM t\n    ^"),
        ("SELECT 1\n\tFORM t", "Syntax error at [2:2]", "2 |  FORM t\n     ^"),
        ("SELECT 1", "Syntax error at [9:1]", ""),
        ("SELECT 1", "Syntax error at [0:1]", ""),
        ("SELECT 1", "No position", ""),
        ("", "Syntax error at [1:1]", "1 | \n    ^"),
    ],
)
def test_the_line_bigquery_points_at_is_shown(sql, message, shown):
    assert excerpt(sql, message) == shown


def test_of_a_long_line_only_the_place_is_shown():
    shown = excerpt("x" * 5000 + "?" + "y" * 5000, "Syntax error at [1:5001]")
    line, mark = shown.splitlines()

    assert len(line) < 120
    assert line[mark.index("^")] == "?"


def test_the_excerpt_stands_between_message_and_advice():
    error = to_error("invalidQuery", "Unexpected end at [1:8]", sql="SELECT ")

    assert str(error).splitlines() == [
        "BigQuery invalidQuery: Unexpected end at [1:8]",
        "1 | SELECT",
        "           ^",
        ERRORS["invalidQuery"].text,
    ]


def everything_under(base):
    """A class and all classes below it."""
    return [base, *(c for sub in base.__subclasses__() for c in everything_under(sub))]


API = sorted(
    set(everything_under(google.api_core.exceptions.GoogleAPIError)), key=lambda c: c.__name__
)
AUTH = sorted(
    set(everything_under(google.auth.exceptions.GoogleAuthError)), key=lambda c: c.__name__
)
HTTP = sorted(set(everything_under(requests.RequestException)), key=lambda c: c.__name__)
POOL = sorted(set(everything_under(urllib3.exceptions.HTTPError)), key=lambda c: c.__name__)


def instance_of(cls):
    """An exception of a class whose constructor may want anything."""
    error = cls.__new__(cls, "words")
    if issubclass(cls, google.api_core.exceptions.GoogleAPICallError):
        cls.__init__(error, "GET https://bigquery.googleapis.com/x: words")
    elif issubclass(cls, google.auth.exceptions.GoogleAuthError):
        google.auth.exceptions.GoogleAuthError.__init__(error, "words")
    return error


@pytest.mark.parametrize(
    "cls", API + AUTH + HTTP + POOL, ids=lambda c: f"{c.__module__}.{c.__name__}"
)
def test_every_exception_of_the_libraries_becomes_one_of_ours(cls):
    error = to_agent_error(instance_of(cls))

    assert isinstance(error, AgentError)
    assert error.code.startswith("BIGQUERY.")
    assert str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *(
            (status, TaskError)
            for status in (301, 304, 400, 401, 403, 404, 405, 407, 411, 412, 413, 416, 501)
        ),
        *((status, RetryableError) for status in (408, 425, 429, 499, 500, 502, 503, 504, 599)),
        (409, DuplicateJob),
    ],
)
def test_a_status_without_a_reason_is_enough(status, kind):
    error = google.api_core.exceptions.from_http_status(status, "words")

    assert type(to_agent_error(error)) is kind


def http(status, reason, message="words"):
    """An error answer as the library raises it."""
    detail = {"reason": reason, "message": message}
    return google.api_core.exceptions.from_http_status(
        status,
        f"POST https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs: {message}",
        errors=[detail],
    )


@pytest.mark.parametrize("reason", sorted(ERRORS))
@pytest.mark.parametrize("status", [400, 403, 500])
def test_the_reason_decides_whatever_the_status(status, reason):
    assert type(to_agent_error(http(status, reason))) is ERRORS[reason].error


def test_a_bytes_limit_with_status_500_is_the_users_to_repair():
    message = "Query exceeded limit for bytes billed: 1000. 10485760 or higher required."

    assert isinstance(to_agent_error(http(500, "bytesBilledLimitExceeded", message)), TaskError)
    assert isinstance(to_agent_error(http(500, "internalError", message)), TaskError)


def test_not_found_means_the_job_or_what_the_job_needs():
    assert isinstance(to_agent_error(http(404, "notFound"), of_job=True), JobNotFound)
    assert isinstance(to_agent_error(http(404, "notFound"), of_job=False), TaskError)


@pytest.mark.parametrize(
    ("message", "location"),
    [
        ("Already Exists: Job my-project:EU.flyte-f1-n0-0-abc", "EU"),
        ("Already Exists: Job my-project:europe-west4.flyte_1", "europe-west4"),
        ("Already Exists: Job example.com:my-project:US.flyte-1", "US"),
        ("Already Exists: Job flyte-1", ""),
        ("Already Exists", ""),
    ],
)
def test_a_duplicate_says_where_it_is(message, location):
    error = to_agent_error(http(409, "duplicate", message))

    assert isinstance(error, DuplicateJob)
    assert error.location == location


def test_method_and_address_are_not_repeated_in_messages():
    assert "https://" not in str(to_agent_error(google.api_core.exceptions.from_http_status(
        400, "POST https://bigquery.googleapis.com/bigquery/v2/projects/p/jobs?x=1: Bad news"
    )))  # fmt: skip


def test_answers_that_are_no_json_are_told_from_refusals():
    with pytest.raises(ValueError, match="Expecting value") as raised:
        json.loads("<html>")

    assert isinstance(to_agent_error(raised.value), ProtocolError)


def test_what_google_calls_retryable_is():
    passing = google.auth.exceptions.RefreshError("words", retryable=True)
    final = google.auth.exceptions.RefreshError("('invalid_grant: Invalid JWT Signature.',)")

    assert isinstance(to_agent_error(passing), RetryableError)
    assert isinstance(to_agent_error(final), TaskError)


def test_errors_that_are_nobodys_stay_what_they_are():
    bug = ZeroDivisionError()

    assert to_agent_error(bug) is bug


def test_our_own_errors_are_not_wrapped():
    ours = TaskError("no")

    assert to_agent_error(ours) is ours
