"""What ``flyte-agent config`` prints, held against what propeller does with it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from flyte_agent_server.propeller_config import EndpointError, render

pytestmark = pytest.mark.once

TYPES = ["bigquery_job", "bigquery_query_job_task", "databricks"]
TARGETS: list[Any] = ["flyte-core", "flyte-binary", "flyte2"]


def read(target: Any, **options: Any) -> dict[str, Any]:
    """Return the block that reaches propeller, through the chart's values."""
    values = yaml.safe_load(render(TYPES, target, **options))
    if target == "flyte-core":
        assert set(values) == {"configmap"}
        return values["configmap"]["enabled_plugins"]
    assert set(values) == {"configuration"}
    return values["configuration"]["inline"]


def lower_cased(value: Any) -> Any:
    """What propeller's configuration reader makes of it: keys of maps lose their case."""
    if isinstance(value, dict):
        return {k.lower(): lower_cased(v) for k, v in value.items()}
    if isinstance(value, list) and all(isinstance(v, dict) and len(v) == 1 for v in value):
        return {k: v for item in value for k, v in item.items()}
    return value


@pytest.mark.parametrize("target", TARGETS)
def test_every_type_is_supported_and_timeouts_survive_the_reader(target: Any) -> None:
    plugin = read(target)["plugins"]["connector-service"]
    assert plugin["supportedTaskTypes"] == TYPES
    connector = plugin["defaultConnector"]
    kept = lower_cased(connector)["timeouts"]
    assert kept["CreateTask"] == "60s"
    assert ("ExecuteTaskSync" in kept) is (target != "flyte2")  # Flyte 2 has no such call
    assert connector["insecure"] is True
    assert connector["endpoint"].startswith("dns:///")


@pytest.mark.parametrize("target", TARGETS)
def test_a_replica_that_restarts_is_waited_for(target: Any) -> None:
    connector = read(target)["plugins"]["connector-service"]["defaultConnector"]
    service = json.loads(connector["defaultServiceConfig"])
    assert service["loadBalancingConfig"] == [{"round_robin": {}}]
    (method,) = service["methodConfig"]
    assert method["waitForReady"] is True
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
    assert method["retryPolicy"]["maxAttempts"] <= 5  # gRPC takes no more


@pytest.mark.parametrize("target", ["flyte-core", "flyte-binary"])
def test_flyte_1_knows_who_has_each_type_before_it_asks(target: Any) -> None:
    plugins = read(target)["tasks"]["task-plugins"]
    defaults = lower_cased(plugins["default-for-task-types"])
    assert {name for name, plugin in defaults.items() if plugin == "connector-service"} == set(
        TYPES
    )
    assert set(defaults.values()) <= set(plugins["enabled-plugins"])


def test_flyte_2_gets_no_k8s_address() -> None:
    assert read("flyte-core", endpoint="k8s://agents.flyte:8000")
    with pytest.raises(EndpointError, match="no resolver for k8s"):
        render(TYPES, "flyte2", "k8s://agents.flyte:8000")


@pytest.mark.parametrize("endpoint", ["http://agents:8000", "agents", "dns:///agents"])
def test_addresses_that_cannot_work_are_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="expected"):
        render(TYPES, "flyte-core", endpoint)


def test_the_command_prints_what_is_installed_and_nothing_else(with_reference: Any) -> None:
    done = with_reference.run("config", "--for", "flyte2", "--agent", "reference")
    assert done.returncode == 0, done.stderr
    inline = yaml.safe_load(done.stdout)["configuration"]["inline"]
    types = inline["plugins"]["connector-service"]["supportedTaskTypes"]
    assert types == ["reference_alias", "reference_echo", "reference_job"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_for_the_shell_and_names_the_command(installed: Any, shell: str) -> None:
    done = installed.run("completion", shell)
    assert done.returncode == 0
    assert "_FLYTE_AGENT_COMPLETE" in done.stdout
