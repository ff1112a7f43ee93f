"""How the reference agents adopt the kit; what is tested on mutants too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flyte_agent_testing.conformance import (
    AsyncAgentConformance,
    SensorConformance,
    SyncAgentConformance,
)
from flyte_agent_testing.conformance.packaging import import_alone
from flyte_agent_testing.templates import create_request, task_template

from . import words
from .core_agent import CoreAgent
from .sensor import TIMEOUT_S, Sensor
from .sync_agent import WorkOutAgent
from .vendor import STATES, Vendor

KEPT_REPORT = "KIT_PLUGIN_REPORT"
METAS = Path(__file__).parent / "metas"


class Quick:
    """Short waits: what is late here is late for ever."""

    errors, vendor_errors = words.ERRORS, words.VENDOR_ERRORS
    secret_names = (words.SECRET,)
    plugin_module = "kit_reference.plugin"
    vendor_modules = ("kit_reference_sdk",)
    deadline_s, slack_s, settle_s, blocked_s = 0.02, 0.5, 0.3, 0.3
    large_chars, poll_errors = 500_000, 12
    seed = 0

    @pytest.fixture
    def plugin_report(self) -> Any:
        """The report of the reference plugin is always the same; each look at one takes seconds."""
        kept = os.environ.get(KEPT_REPORT)
        if kept and self.plugin_module == Quick.plugin_module:
            return json.loads(Path(kept).read_text())
        return import_alone(self.plugin_module) if self.plugin_module else {}

    @pytest.fixture
    def backend(self) -> Any:
        self.agent_type.vendor = Vendor(self.seed)
        return self.agent_type.vendor

    @pytest.fixture
    def make_agent(self, backend: Any, clock: Any, canary: str) -> Any:
        return lambda: self.agent_type(clock=clock)

    @pytest.fixture
    def task(self, carrying: Any) -> Any:
        return carrying("count these lines")

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            field = "text" if isinstance(value, str) else "number"
            custom = words.WorkConfig(**{field: value}).to_custom()
            kind = self.agent_type.task_type
            return create_request(task_template(kind, custom=custom, outputs={"lines": int}))

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        mistakes = {
            "numbr": {"numbr": 1},
            "positive": {"number": -1, "note": "positive"},
            "no-such-secret": {"token": "no-such-secret"},
        }
        kind = self.agent_type.task_type
        return {word: create_request(task_template(kind, custom=c)) for word, c in mistakes.items()}


class Async(Quick, AsyncAgentConformance):
    agent_type = CoreAgent
    phases, vendor_states = words.PHASES, frozenset(STATES)
    recorded_metas = METAS / "core"


class Sync(Quick, SyncAgentConformance):
    agent_type = WorkOutAgent


class Sensing(Quick, SensorConformance):
    agent_type = Sensor
    recorded_metas = METAS / "sensor"
    timeout_s = TIMEOUT_S

    @pytest.fixture
    def carrying(self) -> Any:
        kind = self.agent_type.task_type
        return lambda value: create_request(task_template(kind, custom={"path": value}))

    @pytest.fixture
    def broken_tasks(self) -> Any:
        kind = self.agent_type.task_type
        return {"pth": create_request(task_template(kind, custom={"pth": "s3://bucket/key"}))}
