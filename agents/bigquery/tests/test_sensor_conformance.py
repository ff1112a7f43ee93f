"""The conformance kit's suite for sensors, on :class:`BigQuerySensor`'s side of the agent."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.api_errors import to_agent_error
from flyte_agent_testing.conformance import SensorConformance, ServerBackend
from flyte_agent_testing.templates import create_request, task_template

ARRIVED = {"type": "TABLE", "numRows": "1", "numBytes": "8", "lastModifiedTime": "1700000000000"}
PARTITION = "travel.flights$20240131"


class Tables(ServerBackend):
    """A vendor with a table that comes when the kit says so."""

    routes = {"create": ("table",), "get": ("table",), "delete": ("table",)}
    faults = {
        "unavailable": {"reason": "backendError"},
        "throttled": {"reason": "rateLimitExceeded"},
        "denied": {"reason": "accessDenied"},
        "missing": {"reason": "notFound"},
    }

    def occur(self) -> None:
        self.server.tables[PARTITION] = ARRIVED

    def jobs(self) -> list[str]:
        return [r.path for r in self.server.requests if r.method != "GET"]


def _library_errors() -> list[Any]:
    """Every exception that the vendor's library maps an HTTP status to."""
    found = vars(exceptions).values()
    kinds = [
        c for c in found if inspect.isclass(c) and issubclass(c, exceptions.GoogleAPICallError)
    ]
    return [kind("said by the vendor") for kind in kinds if kind.code]


def _sensor(custom: dict[str, Any]) -> Any:
    table = {"datasetId": "travel", "tableId": "flights"}
    said = {"kind": "sensor", "project": "p-1", "target": table, "timeout_s": 7200.0, **custom}
    return create_request(task_template("bigquery_job", custom=said))


class TestSensorConformance(SensorConformance):
    agent_type = BigQueryAgent
    plugin_module, vendor_modules = "flyte_agent_bigquery.plugin", ("google.cloud.bigquery",)
    vendor_errors, error_of = _library_errors(), staticmethod(to_agent_error)
    recorded_metas = Path(__file__).parent / "metas" / "sensor"
    has_links = True
    timeout_s = 7200.0

    @pytest.fixture
    def backend(self, held_vendor: Any) -> Any:
        return Tables(held_vendor)

    @pytest.fixture
    def task(self) -> Any:
        return _sensor({"wait_for": "partition", "partition": "20240131"})

    @pytest.fixture
    def broken_tasks(self) -> Any:
        return {
            "wait_fore": _sensor({"wait_fore": "rows"}),
            "min_rows": _sensor({"min_rows": 5}),
            "newer_than": _sensor({"wait_for": "changed"}),
        }
