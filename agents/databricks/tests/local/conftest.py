"""A local workspace and the real SDK's client for it."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.service import jobs

from flyte_agent_databricks.local import LocalDatabricks

END_S = 20


def client_of(server: LocalDatabricks, **credentials: Any) -> WorkspaceClient:
    """The SDK's client, which fails at once where it would try again for minutes."""
    given = credentials or {"token": server.token}
    config = Config(host=server.url, retry_timeout_seconds=1, http_timeout_seconds=60, **given)
    return WorkspaceClient(config=config)


class Desk:
    """The workspace, the client, and what tests do with both."""

    def __init__(self, server: LocalDatabricks) -> None:
        self.server, self.client = server, client_of(server)

    def submit(self, *tasks: dict[str, Any], **settings: Any) -> int:
        """Submit a run, written as JSON; return its id."""
        body = {"run_name": "test", "tasks": list(tasks), **settings}
        made: Any = self.client.api_client.do("POST", "/api/2.2/jobs/runs/submit", body=body)
        return int(made["run_id"])

    def ended(self, run_id: int) -> jobs.Run:
        """Wait for the end of a run without the SDK's polling, which sleeps."""
        assert self.server.run(run_id).done.wait(END_S), self.server.run(run_id).words
        return self.client.jobs.get_run(run_id)

    def run(self, *tasks: dict[str, Any], **settings: Any) -> jobs.Run:
        """Submit a run and wait for its end."""
        return self.ended(self.submit(*tasks, **settings))

    def output(self, run_id: int | None, task_key: str = "") -> jobs.RunOutput:
        """The output of the last attempt at a task."""
        assert run_id is not None
        return self.client.jobs.get_run_output(self.server.task(run_id, task_key).run_id)

    def until(self, run_id: int, word: str, task_key: str = "") -> None:
        """Wait until a task is in a state."""
        while self.server.task(run_id, task_key).words.life_cycle != word:
            assert not self.server.run(run_id).done.wait(0.005)


def task(key: str = "main", after: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
    """A task that waits for others."""
    depends = {"depends_on": [{"task_key": name} for name in after]} if after else {}
    return {"task_key": key, **depends, **settings}


def notebook(
    path: str, key: str = "main", after: tuple[str, ...] = (), **parameters: str
) -> dict[str, Any]:
    """A notebook task."""
    return task(key, after, notebook_task={"notebook_path": path, "base_parameters": parameters})


def file(path: str, *arguments: str, key: str = "main", **settings: Any) -> dict[str, Any]:
    """A Python task on a new cluster."""
    python = {"python_file": path, "parameters": list(arguments)}
    return task(key, spark_python_task=python, **{"new_cluster": {"num_workers": 0}, **settings})


def jar(key: str, after: tuple[str, ...] = (), **settings: Any) -> dict[str, Any]:
    """A task that can only be scripted."""
    given = {
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": "0101-000000-local000",
    }
    return task(key, after, **{**given, **settings})


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/dev/null")
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[LocalDatabricks]:
    with LocalDatabricks(
        clients={"sp-1": "secret-1"}, scopes={"team": {"key": "hidden"}}
    ) as running:
        yield running
        assert not running.errors, "a route broke"
        assert not running.workers.broken, "a task broke"
        assert not running.statements.broken, "a statement broke"
    assert running.processes.running() == []


@pytest.fixture
def desk(server: LocalDatabricks) -> Desk:
    return Desk(server)


@pytest.fixture
def write() -> Any:
    """Builders of tasks."""
    return types.SimpleNamespace(
        task=task, notebook=notebook, file=file, jar=jar, client=client_of, desk=Desk
    )
