"""Calls of the real SDK: bounded in time, signed in, read without its classes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from flyte_agent_core import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError, rpc
from flyte_agent_databricks.account import Account
from flyte_agent_databricks.background import Background
from flyte_agent_databricks.client import DatabricksClient
from flyte_agent_databricks.credentials import settings_of
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.sign_in import SignIn

TASK = {
    "task_key": "a",
    "spark_jar_task": {"main_class_name": "M"},
    "existing_cluster_id": "0101-000000-local000",
}


@pytest.fixture
def client(vendor: Any) -> DatabricksClient:
    vendor.script.add(Scripted(), kind="spark_jar_task")
    return DatabricksClient(settings_of(Account()))


def within(seconds: float, work: Any) -> Any:
    with rpc.serving(seconds):
        return work()


def test_the_sdk_is_not_loaded_whole() -> None:
    program = (
        "import sys, json; from flyte_agent_databricks import sdk; sdk.core(); "
        "loaded = [m for m in sys.modules if m.startswith('databricks.sdk.service')]; "
        "from databricks.sdk import WorkspaceClient; "
        "from databricks.sdk.core import Config; "
        "print(json.dumps([len(loaded), Config is sdk.core().Config]))"
    )
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, check=True, text=True
    )

    services, is_same = json.loads(found.stdout.splitlines()[-1])
    assert services < 10
    assert is_same


def test_requests_say_who_they_are(client: DatabricksClient, vendor: Any) -> None:
    client.submit({"tasks": [TASK]})

    agents = [
        (r.header(b"user-agent") or b"").decode()
        for r in vendor.requests
        if r.route == "runs.submit"
    ]
    assert "flyte-agent-databricks/" in agents[0]
    assert "partner/Flyte" in agents[0]


def test_ids_stay_text_and_whole(client: DatabricksClient) -> None:
    run_id = client.submit({"tasks": [TASK]})

    assert run_id.isdigit()
    assert int(run_id) > 2**53
    assert client.get_run(run_id)["run_id"] == int(run_id)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (
            {"status": 429, "reason": "REQUEST_LIMIT_EXCEEDED"},
            RetryableError,
            "DATABRICKS.REQUEST_LIMIT_EXCEEDED",
        ),
        (
            {"status": 503, "reason": "TEMPORARILY_UNAVAILABLE"},
            RetryableError,
            "DATABRICKS.TEMPORARILY_UNAVAILABLE",
        ),
        ({"status": 500, "reason": "INTERNAL_ERROR"}, RetryableError, "DATABRICKS.INTERNAL_ERROR"),
        (
            {"status": 400, "reason": "INVALID_PARAMETER_VALUE"},
            TaskError,
            "DATABRICKS.INVALID_PARAMETER_VALUE",
        ),
        ({"status": 403, "reason": "PERMISSION_DENIED"}, TaskError, "DATABRICKS.PERMISSION_DENIED"),
        (
            {"status": 403, "reason": "PERMISSION_DENIED", "message": "Invalid access token."},
            TaskError,
            "DATABRICKS.UNAUTHENTICATED",
        ),
        ({"status": 401, "reason": "UNAUTHENTICATED"}, TaskError, "DATABRICKS.UNAUTHENTICATED"),
        ({"status": 404, "reason": "RESOURCE_DOES_NOT_EXIST"}, JobNotFound, "DATABRICKS.NOT_FOUND"),
        (
            {
                "status": 400,
                "reason": "INVALID_PARAMETER_VALUE",
                "message": "Run 7 does not exist.",
            },
            JobNotFound,
            "DATABRICKS.NOT_FOUND",
        ),
        (
            {"status": 400, "reason": "COULD_NOT_ACQUIRE_LOCK"},
            RetryableError,
            "DATABRICKS.COULD_NOT_ACQUIRE_LOCK",
        ),
        ({"status": 400, "reason": "A_NEW_CODE"}, TaskError, "DATABRICKS.A_NEW_CODE"),
        ({"status": 500, "reason": "A_NEW_CODE"}, RetryableError, "DATABRICKS.A_NEW_CODE"),
        (
            {
                "status": 400,
                "reason": "BAD_REQUEST",
                "message": "RPC token bucket limit has been exceeded",
            },
            RetryableError,
            "DATABRICKS.BAD_REQUEST",
        ),
        ({"drop_connection": True}, RetryableError, "DATABRICKS.UNREACHABLE"),
    ],
)
def test_refusals_become_ours(
    client: DatabricksClient, vendor: Any, fault: Any, kind: Any, code: str
) -> None:
    vendor.faults.add("runs.get", times=None, **fault)
    started_s = time.monotonic()

    with pytest.raises(AgentError) as caught:
        within(5.0, lambda: client.get_run("7"))

    assert (type(caught.value), caught.value.code) == (kind, code)
    assert time.monotonic() - started_s < 60.0


def test_a_dropped_connection_is_tried_again_once(client: DatabricksClient, vendor: Any) -> None:
    run_id = client.submit({"tasks": [TASK]})
    vendor.faults.add("runs.get", drop_connection=True, times=1)

    assert client.get_run(run_id)["run_id"] == int(run_id)


def test_a_slow_answer_is_not_waited_for_beyond_the_call(
    client: DatabricksClient, vendor: Any
) -> None:
    run_id = client.submit({"tasks": [TASK]})
    vendor.faults.add("runs.get", delay_s=60.0, times=None)
    started_s = time.monotonic()

    with pytest.raises(RetryableError):
        within(1.0, lambda: client.get_run(run_id))

    assert time.monotonic() - started_s < 30.0


def test_no_time_is_no_request(client: DatabricksClient) -> None:
    with pytest.raises(RetryableError, match="no time left"):
        within(0.0, lambda: client.get_run("7"))


def test_another_run_in_the_answer_is_garbled(client: DatabricksClient, vendor: Any) -> None:
    vendor.faults.add("runs.get", status=200, times=None)

    with pytest.raises(ProtocolError):
        within(5.0, lambda: client.get_run("7"))


def test_a_refused_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "sp-1")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "canary-secret")
    started_s = time.monotonic()

    with pytest.raises(RetryableError) as caught:
        within(8.0, lambda: DatabricksClient(settings_of(Account())).get_run("7"))

    assert caught.value.code == "DATABRICKS.SIGN_IN_UNREACHABLE"
    assert time.monotonic() - started_s < 60.0  # 310 with the SDK's defaults


def test_oauth_tokens_are_fetched_and_fetched_again(
    vendor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "sp-1")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "secret-1")
    client = DatabricksClient(settings_of(Account()))
    assert client.sign_in() == "oauth-m2m"
    assert client.me()["userName"] == "sp-1"
    client._sign_in._opened_s = float("-inf")  # long ago
    vendor.access.expire()

    assert client.me()["userName"] == "sp-1"
    assert vendor.counts()["oidc.token"] == 2


def test_a_wrong_secret_says_what_to_do(vendor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "sp-1")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "canary-wrong")

    with pytest.raises(TaskError, match="renew the secret") as caught:
        DatabricksClient(settings_of(Account())).me()

    assert "canary" not in str(caught.value)


def test_an_expired_token_says_what_to_do(client: DatabricksClient, vendor: Any) -> None:
    client.me()
    vendor.access.expire()

    with pytest.raises(TaskError, match="have expired: renew the secret"):
        client.me()


def test_work_in_the_background_is_done_once_and_waited_for_by_each() -> None:
    import threading

    begun, go = [], threading.Event()

    def work() -> int:
        begun.append(1)
        go.wait(10)
        return 7

    background = Background(work, "the work")
    for _ in range(2):
        with pytest.raises(RetryableError, match="the work did not answer"):
            background.result(0.01)
    go.set()

    assert background.result(10) == 7
    assert len(begun) in (1, 2)


def test_fixed_credentials_are_not_renewed() -> None:
    class Config:
        auth_type = "pat"

        def authenticate(self) -> dict[str, str]:
            return {"Authorization": "Bearer x"}

    sign_in = SignIn(Config)
    headers = sign_in.headers(5.0)

    assert sign_in.renew(headers) is False
    assert sign_in.renew({"Authorization": "Bearer old"}) is True


def test_pages_of_tasks_are_read_to_the_end(client: DatabricksClient) -> None:
    tasks = [{**TASK, "task_key": f"t{n}", "max_retries": 1} for n in range(100)]
    run_id = client.submit({"tasks": tasks})

    assert len(client.get_run(run_id, whole=True)["tasks"]) >= 100
