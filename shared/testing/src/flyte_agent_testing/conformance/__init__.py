"""
The conformance kit: every way an agent fails in production, as a test that says what to do about it.

An agent adopts it by a subclass in a test module::

    class TestWeatherConformance(AsyncAgentConformance):
        agent_type = WeatherAgent
        plugin_module, vendor_modules = "flyte_agent_weather.plugin", ("weather_sdk",)
        phases, vendor_states = PHASES, frozenset({"QUEUED", "MEASURING", "DONE", "FAILED"})
        errors, vendor_errors = ERRORS, weather_sdk.ERROR_CODES
        secret_names = ("weather-key",)
        recorded_metas = Path(__file__).parent / "metas"

        @pytest.fixture
        def backend(self):
            with KitWeather() as server:
                yield WeatherBackend(server)

        @pytest.fixture
        def task(self, carrying):
            return carrying("Oslo")

        @pytest.fixture
        def carrying(self):
            return lambda value: create_request(task_template("weather", custom={"city": value}))

        @pytest.fixture
        def broken_tasks(self):
            return {"citty": create_request(task_template("weather", custom={"citty": "Oslo"}))}

Each check is a method whose docstring has the rule, what Flyte does to a user when it is broken, and the repair; a
failure says the same together with what the agent did.
"""

from __future__ import annotations

from .backend import Backend, JobBackend, SensorBackend
from .stand_in import HoldingServer, ServerBackend
from .suites import AsyncAgentConformance, SensorConformance, SyncAgentConformance

__all__ = [
    "AsyncAgentConformance",
    "Backend",
    "HoldingServer",
    "JobBackend",
    "SensorBackend",
    "SensorConformance",
    "ServerBackend",
    "SyncAgentConformance",
]
