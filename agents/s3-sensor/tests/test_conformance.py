"""The conformance kit's suite for sensors: one sensor of a literal key, one of a prefix."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions

from flyte_agent_s3_sensor.agent import S3SensorAgent
from flyte_agent_s3_sensor.errors import ERRORS, to_agent_error
from flyte_agent_s3_sensor.phases import PHASES
from flyte_agent_testing.conformance import SensorConformance, ServerBackend
from flyte_agent_testing.templates import create_request, task_template


class Objects(ServerBackend):
    """A bucket in which an object comes when the kit says so."""

    routes = {"create": ("head", "list"), "get": ("head", "list"), "delete": ("head", "list")}
    faults = {
        "unavailable": {"reason": "InternalError"},
        "throttled": {"reason": "SlowDown", "status": 503},
        "denied": {"reason": "AccessDenied"},
    }

    def occur(self) -> None:
        self.server.put("in/day.csv", etag="e1")

    def jobs(self) -> list[str]:
        return [r.path for r in self.server.requests if r.method not in ("GET", "HEAD")]


def _library_errors() -> list[Any]:
    """Every error that the SDK's library knows, and every code that S3 documents."""
    classes = [
        c
        for c in vars(exceptions).values()
        if inspect.isclass(c) and issubclass(c, exceptions.BotoCoreError)
    ]
    made = [c.__new__(c) for c in classes]
    return made + [_answer(code) for code in ERRORS]


def _answer(code: str) -> exceptions.ClientError:
    return exceptions.ClientError({"Error": {"Code": code, "Message": "said by S3"}}, "HeadObject")


def _sensor(custom: dict[str, Any]) -> Any:
    return create_request(
        task_template("s3_sensor", custom={"bucket": "landing", "timeout_s": 7200.0, **custom})
    )


class _Sensor(SensorConformance):
    agent_type = S3SensorAgent
    plugin_module, vendor_modules = "flyte_agent_s3_sensor.plugin", ("boto3",)
    vendor_errors, error_of = _library_errors(), staticmethod(to_agent_error)
    phases = PHASES
    has_links = True
    timeout_s = 7200.0

    @pytest.fixture
    def backend(self, held_vendor: Any) -> Any:
        return Objects(held_vendor)

    @pytest.fixture
    def broken_tasks(self) -> Any:
        return {
            "wait_fore": _sensor({"keys": ["k"], "wait_fore": "deleted"}),
            "whole bucket": _sensor({"regex": ".*"}),
            "at most 1024 bytes": _sensor({"keys": ["x" * 1025]}),
            "one of key, prefix": _sensor({}),
        }


class TestKeyConformance(_Sensor):
    recorded_metas = Path(__file__).parent / "metas" / "key"

    @pytest.fixture
    def task(self) -> Any:
        return _sensor({"keys": ["in/day.csv"]})


class TestPrefixConformance(_Sensor):
    recorded_metas = Path(__file__).parent / "metas" / "prefix"

    @pytest.fixture
    def task(self) -> Any:
        return _sensor({"wildcard": "in/*.csv"})
