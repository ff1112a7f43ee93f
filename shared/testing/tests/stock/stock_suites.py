"""
flytekit's own connectors in the kit: BigQuery, OpenAI's batches, Databricks.

Not collected by itself, because it needs their packages: ``nox -s stock`` runs it and writes the page that
shows what comes out. Where a vendor lacks something, or an author's own table is asked for, the suite says so; what is
left holds for any connector.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import stand_ins
from flytekitplugins.bigquery.connector import BigQueryConnector
from flytekitplugins.openai.batch.connector import BatchEndpointConnector
from flytekitplugins.spark.connector import DatabricksConnectorV2

from flyte_agent_core import Phase
from flyte_agent_testing.conformance import AsyncAgentConformance
from flyte_agent_testing.templates import create_request, task_template
from flyte_agent_testing.tls import Certificate

TLS_FOLDER = "STOCK_TLS_FOLDER"


class Stock(AsyncAgentConformance):
    """What the three have in common: they have no clock that the kit could move."""

    uses_clock = False
    # More than the six that Flyte allows; each is waited for in real time.
    poll_errors = 8
    phase_by_state: ClassVar[dict[str, Phase]] = {}

    def phase_of(self, state: str) -> Phase:
        return self.phase_by_state[state]


class TestBigQuery(Stock):
    agent_type = BigQueryConnector
    plugin_module, vendor_modules = "flytekitplugins.bigquery", ("google.cloud.bigquery",)
    phase_by_state = {
        "PENDING": Phase.INITIALIZING,
        "RUNNING": Phase.RUNNING,
        "DONE": Phase.SUCCEEDED,
    }
    vendor_states = frozenset(phase_by_state)

    @pytest.fixture
    def backend(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        with stand_ins.BigQuery() as server:
            monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
            key = server.write_key(tmp_path)
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
            yield stand_ins.BigQueryJobs(server)

    @pytest.fixture
    def canary(self) -> str:
        """There is no secret of Flyte's: the service has a key file, which is exchanged for this."""
        return stand_ins.TOKEN

    @pytest.fixture
    def task(self, carrying: Any) -> Any:
        return carrying("SELECT 1")

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            sql, inputs = (value, {}) if isinstance(value, str) else ("SELECT @n", {"n": int})
            return create_request(_query(sql, inputs), {"n": value} if inputs else None)

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        return {"query": create_request(_query(" ", {}))}


def _query(sql: str, inputs: dict[str, Any]) -> Any:
    custom = {"Location": "US", "ProjectID": "p-1", "Domain": "development"}
    return task_template("bigquery_query_job_task", sql=sql, custom=custom, inputs=inputs)


class TestOpenAIBatch(Stock):
    agent_type = BatchEndpointConnector
    plugin_module, vendor_modules = "flytekitplugins.openai", ("openai",)
    secret_names = ("FLYTE_OPENAI_API_KEY",)
    # Neither an id nor a page of a batch is documented.
    has_request_id = has_links = tells_requests_apart = False
    phase_by_state = {
        "validating": Phase.RUNNING,
        "in_progress": Phase.RUNNING,
        "finalizing": Phase.RUNNING,
        "completed": Phase.SUCCEEDED,
        "failed": Phase.FAILED,
        "expired": Phase.FAILED,
        "cancelling": Phase.RUNNING,  # results are still being gathered, and billed
        "cancelled": Phase.FAILED,
    }
    vendor_states = frozenset(phase_by_state)

    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
        with stand_ins.Batches() as server:
            monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
            yield stand_ins.BatchJobs(server)

    @pytest.fixture
    def task(self, carrying: Any) -> Any:
        return carrying("file-1")

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            if isinstance(value, str):
                return _batch(value)
            # https://platform.openai.com/docs/api-reference/batch/create has this one number
            expiry = {"anchor": "created_at", "seconds": value}
            return _batch("file-1", output_expires_after=expiry)

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        return {"input_file_id": _batch("")}


def _batch(file: str, **config: Any) -> Any:
    custom = {"openai_organization": "org-1", "config": config}
    template = task_template(
        "openai-batch", custom=custom, inputs={"input_file_id": str}, outputs={"result": dict}
    )
    return create_request(template, {"input_file_id": file})


class TestDatabricks(Stock):
    agent_type = DatabricksConnectorV2
    plugin_module, vendor_modules = "flytekitplugins.spark", ("pyspark",)
    secret_names = ("FLYTE_DATABRICKS_ACCESS_TOKEN",)
    phase_by_state = {
        "QUEUED": Phase.INITIALIZING,
        "PENDING": Phase.INITIALIZING,
        "BLOCKED": Phase.INITIALIZING,
        "WAITING_FOR_RETRY": Phase.INITIALIZING,
        "RUNNING": Phase.RUNNING,
        "TERMINATING": Phase.RUNNING,
        "SKIPPED": Phase.FAILED,
        "INTERNAL_ERROR": Phase.RETRYABLE_FAILED,
        "SUCCESS": Phase.SUCCEEDED,
        "SUCCESS_WITH_FAILURES": Phase.SUCCEEDED,
        "FAILED": Phase.FAILED,
        "TIMEDOUT": Phase.FAILED,
        "CANCELED": Phase.FAILED,
        "UPSTREAM_FAILED": Phase.FAILED,
        "UPSTREAM_CANCELED": Phase.FAILED,
        "EXCLUDED": Phase.FAILED,
        "DISABLED": Phase.FAILED,
        "MAXIMUM_CONCURRENT_RUNS_REACHED": Phase.RETRYABLE_FAILED,
    }
    vendor_states = frozenset(phase_by_state)

    @pytest.fixture
    def backend(self) -> Iterator[Any]:
        folder = Path(os.environ[TLS_FOLDER])
        files = [folder / name for name in ("server.pem", "server.key", "authority.pem")]
        with stand_ins.Databricks(tls=Certificate(*files)) as server:
            type(self).instance = server.url.removeprefix("https://")
            yield stand_ins.RunJobs(server)

    @pytest.fixture
    def task(self, carrying: Any) -> Any:
        return carrying("a run")

    @pytest.fixture
    def carrying(self, backend: Any) -> Any:
        def carry(value: Any) -> Any:
            field = "run_name" if isinstance(value, str) else "timeout_seconds"
            return self._run({"existing_cluster_id": "c-1", field: value})

        return carry

    @pytest.fixture
    def broken_tasks(self, backend: Any) -> Any:
        return {"compute": self._run({"run_name": "no cluster"})}

    def _run(self, conf: dict[str, Any]) -> Any:
        custom = {"databricksConf": conf, "databricksInstance": self.instance}
        template = task_template("databricks", custom=custom)
        template.container.image = "image:1"
        template.container.args.extend(["pyflyte-execute"])
        return create_request(template)
