"""A team installs the agents it needs: one agent brings its own dependencies and no others."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from flyteidl.admin.agent_pb2 import ListAgentsRequest
from flyteidl.service.agent_pb2_grpc import AgentMetadataServiceStub

from packages import Package, requirement_name

# Which of the modules given as JSON can be imported, without importing them.
IMPORTABLE = """
import importlib.util, json, sys
def there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
print(json.dumps([module for module in json.loads(sys.argv[1]) if there(module)]))
"""
START_S = 60


def importable(environment: Path, modules: set[str]) -> set[str]:
    """Those of the modules that are installed in an environment."""
    python = [str(environment / "bin" / "python"), "-c", IMPORTABLE, json.dumps(sorted(modules))]
    return set(json.loads(subprocess.run(python, check=True, capture_output=True).stdout))


def of_extras(package: Package) -> set[str]:
    """Distributions that an extra of the package brings, and flytekit does not bring to everybody."""
    extras = package.pyproject["project"].get("optional-dependencies", {}).values()
    return {requirement_name(item) for extra in extras for item in extra} - {"packaging"}


@pytest.fixture(scope="module")
def shared_only(environment: Callable[..., Path], packages: list[Package]) -> Path:
    """Core and server without any agent."""
    return environment(*(p for p in packages if p.folder in ("core", "server")))


@pytest.fixture(scope="module")
def with_one(
    environment: Callable[..., Path], packages: list[Package]
) -> Callable[[Package], Path]:
    """Core, server and one agent; made once for each agent."""
    made: dict[str, Path] = {}

    def get(agent: Package) -> Path:
        if agent.name not in made:
            shared = [p for p in packages if p.folder in ("core", "server")]
            made[agent.name] = environment(*shared, agent)
        return made[agent.name]

    return get


def test_core_and_server_bring_no_vendor_sdk(shared_only: Path, packages: list[Package]) -> None:
    vendors = {m for p in packages if p.is_agent for m in p.about["vendor-modules"]}

    assert not importable(shared_only, vendors), "take it out of the dependencies of core or server"


def test_core_and_server_bring_no_kit_and_no_stand_in(
    shared_only: Path, packages: list[Package]
) -> None:
    extra = {name.replace("-", "_") for p in packages for name in of_extras(p)} | {"pytest"}

    assert not importable(shared_only, extra), "it belongs to an extra, not to the dependencies"


def test_one_agent_brings_its_own_sdk_only(
    agent: Package, packages: list[Package], with_one: Callable[[Package], Path]
) -> None:
    others = [p for p in packages if p.is_agent and p != agent]
    wanted = {agent.module, *agent.about["vendor-modules"]}
    unwanted = {module for p in others for module in (p.module, *p.about["vendor-modules"])}
    kit = {"flyte_agent_testing", "pytest"}

    assert importable(with_one(agent), wanted | unwanted | kit) == wanted


@pytest.fixture
def port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_serving(channel: grpc.Channel, process: subprocess.Popen[bytes]) -> None:
    """Return when the service answers; fail when it ends or takes too long."""
    ready = grpc.channel_ready_future(channel)
    for _ in range(START_S):
        try:
            return ready.result(timeout=1)
        except grpc.FutureTimeoutError:
            assert process.poll() is None, f"the service ended with exit code {process.returncode}"
    raise AssertionError(f"the service does not answer within {START_S} s")


@pytest.fixture
def service(
    agent: Package, with_one: Callable[[Package], Path], port: int
) -> Iterator[AgentMetadataServiceStub]:
    """The agent's service as a user starts it, asked as propeller asks."""
    command = [str(with_one(agent) / "bin" / "flyte-agent"), "serve", "--no-metrics"]
    process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)])
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            wait_until_serving(channel, process)
            yield AgentMetadataServiceStub(channel)
        finally:
            process.terminate()
            process.wait(START_S)


def test_service_lists_exactly_the_task_types_of_its_agent(
    agent: Package, service: AgentMetadataServiceStub
) -> None:
    answer = service.ListAgents(ListAgentsRequest(), timeout=START_S)

    listed = {category.name for one in answer.agents for category in one.supported_task_categories}
    assert listed == set(agent.about["task-types"]), (
        f"compare {agent.path}/pyproject.toml [tool.flyte-agent] task-types with the agent's "
        "task_type and aliases"
    )
