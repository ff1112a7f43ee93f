"""
What the tests of this package share.

``flyte_agent_databricks.local`` is a workspace that really runs Python, and whose states and faults can be
scripted; the real databricks-sdk talks to it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flyte_agent_core import Attempt, rpc
from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.templates import (
    attempt_metadata,
    encode_inputs,
    output_prefix,
    task_template,
)

# What the SDK and the agent look at; a developer's own must not reach a test.
ENVIRONMENT = (
    "DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET", "DATABRICKS_AUTH_TYPE",
    "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_WAREHOUSE_ID", "DATABRICKS_CLUSTER_ID", "DATABRICKS_RUNTIME_VERSION",
    "FLYTE_DATABRICKS_INSTANCE", "FLYTE_DATABRICKS_ACCESS_TOKEN", "FLYTE_AGENT_DATABRICKS_HOSTS",
    "ARM_USE_MSI", "ARM_CLIENT_ID", "ARM_CLIENT_SECRET", "ARM_TENANT_ID",
    "GOOGLE_CREDENTIALS",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No workspace and no credentials but those of a test."""
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", "/dev/null")


@pytest.fixture(scope="session")
def workspace() -> Iterator[Any]:
    """A workspace of the whole session; tests take paths and names of their own."""
    from flyte_agent_databricks.local import LocalDatabricks

    with LocalDatabricks(scopes={"vault": {"word": "sesame"}}) as server:
        yield server


@pytest.fixture
def shell(workspace: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The same, as the workspace that the shell names."""
    monkeypatch.setenv("DATABRICKS_HOST", workspace.url)
    monkeypatch.setenv("DATABRICKS_TOKEN", workspace.token)
    monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", workspace.warehouse_id)
    return workspace


class Bench:
    """The agent beside its vendor, called as Flyte calls it."""

    def __init__(self, vendor: Any, clock: Any) -> None:
        self.vendor, self.clock = vendor, clock
        self.agent = DatabricksAgent(clock=clock)

    def run(self, work: Callable[[], Any], deadline_s: float = 30.0) -> Any:
        """Return what a coroutine function returns, within an RPC of this deadline."""

        async def call() -> Any:
            with rpc.serving(deadline_s):
                return await work()

        return asyncio.run(call())

    def create(self, custom: dict[str, Any], **said: Any) -> Any:
        """Start an attempt; ``said`` are the arguments of :meth:`call_of`."""
        return self.run(lambda: self.agent.create(**self.call_of(custom, **said)))

    def call_of(
        self,
        custom: dict[str, Any],
        *,
        sql: str | None = None,
        values: dict[str, Any] | None = None,
        prefix: str | None = None,
        task_type: str = "databricks_job",
        retry: int = 0,
        container: Any = None,
        **said: Any,
    ) -> dict[str, Any]:
        """Return the keywords flytekit calls ``create`` with."""
        task = task_template(task_type, sql=sql, custom=custom, **said)
        if container is not None:
            task.container.CopyFrom(container)
        return {
            "task_template": task,
            "output_prefix": output_prefix() if prefix is None else prefix,
            "inputs": encode_inputs(task, values or {}),
            "task_execution_metadata": attempt_metadata(task, retry_attempt=retry),
        }

    def attempt(self, custom: dict[str, Any], **said: Any) -> Attempt:
        """Return the attempt of a create; ``said`` as for :meth:`call_of`."""
        return Attempt.of(**self.call_of(custom, **said))

    def get(self, meta: Any) -> Any:
        """Poll, after the metadata's way through Flyte."""
        kept = self.agent.metadata_type.decode(meta.encode())
        return self.run(lambda: self.agent.get(resource_meta=kept), 9.0)

    def settle(self, meta: Any) -> Any:
        """Poll until the run is over."""
        for _ in range(5000):
            resource = self.get(meta)
            if resource.phase.is_terminal:
                return resource
        raise AssertionError(f"still {resource.phase.name}: {resource.message}")

    def delete(self, meta: Any) -> None:
        """Stop a run."""
        self.run(lambda: self.agent.delete(resource_meta=meta), 9.0)

    def body(self, route: str = "runs.submit") -> Any:
        """Return the JSON of the last request to a route."""
        return [r.json for r in self.vendor.requests if r.route == route][-1]

    def calls(self, route: str) -> int:
        """Return how many requests a route got."""
        return sum(r.route == route for r in self.vendor.requests)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A workspace of the test's own, at the address the service is configured with."""
    from flyte_agent_databricks.local import LocalDatabricks

    with LocalDatabricks(clients={"sp-1": "secret-1"}) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", server.token)
        monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", server.warehouse_id)
        yield server
        assert not server.errors


@pytest.fixture
def bench_of() -> Callable[[Any, Any], Bench]:
    """The agent beside any vendor, with any clock."""
    return Bench


@pytest.fixture
def bench(vendor: Any) -> Bench:
    """The agent and its vendor."""
    return Bench(vendor, FakeClock())
