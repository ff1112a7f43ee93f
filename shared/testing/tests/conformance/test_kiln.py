"""An agent with an HTTP vendor goes through the kit: what the reference shows as the example."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit_reference.http_agent import ERRORS, PHASES, KilnAgent, KilnConfig
from kit_reference.http_stand_in import OVER, FakeKiln

from flyte_agent_testing.conformance import AsyncAgentConformance, HoldingServer, ServerBackend
from flyte_agent_testing.templates import create_request, task_template


class KitKiln(HoldingServer, FakeKiln):
    """The stand-in, able to keep its answers back."""


class KilnBackend(ServerBackend):
    """What the kit asks of the stand-in."""

    routes = {"create": ["fire"], "get": ["look"], "delete": ["quench"]}

    def jobs(self) -> list[str]:
        return list(self.server.firings)

    def running(self) -> list[str]:
        return [name for name, firing in self.server.firings.items() if firing["state"] not in OVER]

    def finish(self, job: str) -> None:
        self.set_state(job, "fired")

    def fail(self, job: str, message: str) -> None:
        self.server.firings[job].update(state="cracked", note=message)

    def set_state(self, job: str, state: str) -> None:
        self.server.firings[job]["state"] = state

    def forget(self, job: str) -> None:
        del self.server.firings[job]

    def results(self, job: str) -> Any:
        return self.server.firings.get(job, {}).get("state")


class TestKilnConformance(AsyncAgentConformance):
    agent_type = KilnAgent
    plugin_module, vendor_modules = "kit_reference.plugin", ("requests_of_the_kiln",)
    phases, vendor_states = PHASES, frozenset({"cold", "firing", "fired", "cracked", "quenched"})
    errors, vendor_errors = ERRORS, (400, 401, 403, 404, 409, 429, 500, 503)
    secret_names = ("kiln-key",)
    recorded_metas = Path(__file__).parent / "agents/kit_reference/metas/kiln"

    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[KilnBackend]:
        with KitKiln() as kiln:
            monkeypatch.setenv("KILN_URL", kiln.url)
            yield KilnBackend(kiln)

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            is_text = isinstance(value, str)
            config = KilnConfig(value) if is_text else KilnConfig("terracotta", degrees=value)
            return request(config.to_custom())

        return carry

    @pytest.fixture
    def task(self) -> Any:
        return request({"clay": "stoneware"})

    @pytest.fixture
    def broken_tasks(self) -> Any:
        melts = {"clay": "porcelain", "degrees": 20_000}
        return {"cly": request({"cly": "stoneware"}), "melts": request(melts)}


def request(custom: dict[str, Any]) -> Any:
    """Return what Flyte sends for a task."""
    return create_request(task_template("kiln", custom=custom))
