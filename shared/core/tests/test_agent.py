"""The bases: registration, flytekit's forms of calling, and what importing costs."""

from __future__ import annotations

import asyncio
import pathlib
import subprocess
import sys
import types

import pytest
from flyteidl.admin.agent_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse
from flytekit.models.task import TaskExecutionMetadata, TaskTemplate

import flyte_agent_core
from flyte_agent_core import AsyncAgent, JobMeta, Phase, Resource, SyncAgent, register
from flyte_agent_core._flyte import ConnectorRegistry
from flyte_agent_core.registration import REPORT


@pytest.fixture(autouse=True)
def registry():
    """Leave flytekit's registry as it was."""
    before, metadata = dict(ConnectorRegistry._REGISTRY), dict(ConnectorRegistry._METADATA)
    notes = list(REPORT)
    yield
    ConnectorRegistry._REGISTRY.clear()
    ConnectorRegistry._REGISTRY.update(before)
    ConnectorRegistry._METADATA.clear()
    ConnectorRegistry._METADATA.update(metadata)
    REPORT[:] = notes


class Minimal(AsyncAgent[JobMeta]):
    """Has the three methods and nothing else."""

    name, task_type, meta_type = "Minimal Agent", "minimal", JobMeta

    async def create(self, attempt):
        return JobMeta()

    async def get(self, resource_meta):
        return Resource(phase=Phase.RUNNING)

    async def delete(self, resource_meta):
        return None


def test_the_public_names_are_these():
    assert flyte_agent_core.__all__ == [
        "AgentError", "AgentTask", "AsyncAgent", "Attempt", "Config", "JobMeta", "JobNotFound", "Phase",
        "PhaseTable", "ProtocolError", "Resource", "RetryableError", "SyncAgent", "TaskError", "register",
    ], "more than 15 names is more than an author learns in an afternoon: put it into a module"  # fmt: skip


def test_an_unfinished_agent_cannot_be_made():
    class NoDelete(AsyncAgent[JobMeta]):
        name, task_type, meta_type = "No Delete", "no_delete", JobMeta

        async def create(self, attempt):
            return JobMeta()

    with pytest.raises(TypeError, match="abstract"):
        NoDelete()


def test_flytekits_models_are_taken_too(agent, vendor, call):
    asked = call()
    asked["task_template"].interface.SetInParent()
    metadata = TaskExecutionMetadata.from_flyte_idl(asked["task_execution_metadata"])
    asked["task_execution_metadata"].task_execution_id.task_id.SetInParent()
    meta = asyncio.run(agent.create(**{**call(), "inputs": None}))
    again = asyncio.run(
        agent.create(**{
            **asked,
            "task_template": TaskTemplate.from_flyte_idl(asked["task_template"]),
        })
    )
    assert meta.job_id == again.job_id
    assert metadata.namespace == "flytesnacks-development"


def test_registered_agents_are_found_by_flytekit():
    register(Minimal)
    assert isinstance(ConnectorRegistry.get_connector("minimal"), Minimal)
    assert [(r.agent, r.state) for r in REPORT if r.task_type == "minimal"] == [
        ("Minimal Agent", "served")
    ]


def test_registering_twice_changes_nothing():
    register(Minimal)
    first, notes = ConnectorRegistry.get_connector("minimal"), len(REPORT)
    register(Minimal)
    assert ConnectorRegistry.get_connector("minimal") is first
    assert len(REPORT) == notes


def test_aliases_share_threads_and_clients():
    class Aliased(Minimal):
        name, task_type, aliases = "Aliased", "aliased", ("aliased_old",)

    register(Aliased)
    new, old = (ConnectorRegistry.get_connector(t) for t in ("aliased", "aliased_old"))
    assert new.runtime is old.runtime


def test_the_stock_plugin_keeps_its_types_if_it_is_installed():
    class Polite(Minimal):
        name, task_type, aliases, stock_module = "Polite", "polite", ("polite_old",), "json"

    register(Polite)
    assert ("polite_old", "left to", "json") in {(r.task_type, r.state, r.detail) for r in REPORT}
    with pytest.raises(Exception, match="polite_old"):
        ConnectorRegistry.get_connector("polite_old")


def test_a_missing_stock_plugin_leaves_its_types_to_us():
    class Heir(Minimal):
        name, task_type, aliases, stock_module = (
            "Heir",
            "heir",
            ("heir_old",),
            "no_such_package.sub",
        )

    register(Heir)
    assert isinstance(ConnectorRegistry.get_connector("heir_old"), Heir)


def test_a_type_somebody_else_serves_is_left_to_them():
    class Other(Minimal):
        name = "Other"

    register(Minimal)
    register(Other)
    assert type(ConnectorRegistry.get_connector("minimal")) is Minimal
    assert any(r.agent == "Other" and r.state == "left to" for r in REPORT)


def test_a_broken_agent_does_not_break_the_import():
    class Broken(Minimal):
        name, task_type = "Broken", "broken"

        def __init__(self, *args, **kwargs):
            raise RuntimeError("no config")

    register(Broken)
    assert any(
        r.agent == "Broken" and r.state == "failed" and "no config" in r.detail for r in REPORT
    )


def test_metrics_and_logs_have_flytekits_form():
    class Talkative(Minimal):
        name, task_type = "Talkative", "talkative"

        async def get_metrics(self, resource_meta):
            return {"slot_ms": 5, "stages": [{"name": "S00"}]}

        async def get_logs(self, resource_meta):
            return ["one", "two"]

    agent = Talkative()
    metrics = asyncio.run(agent.get_metrics(resource_meta=JobMeta()))
    assert isinstance(metrics, GetTaskMetricsResponse)
    assert metrics.results[0].metric == "slot_ms"
    logs = asyncio.run(agent.get_logs(resource_meta=JobMeta()))
    assert isinstance(logs, GetTaskLogsResponse)
    assert list(logs.body.results) == ["one", "two"]
    unreadable = agent.metadata_type.decode(b"garbage")
    assert not asyncio.run(agent.get_metrics(resource_meta=unreadable)).results
    assert not asyncio.run(agent.get_logs(resource_meta=unreadable)).body.results


def test_a_method_may_call_the_one_it_overrides(call):
    class Careful(Minimal):
        name, task_type = "Careful", "careful"

        async def create(self, attempt):
            return await super().create(attempt)

        async def get(self, resource_meta):
            return await super().get(resource_meta)

        async def delete(self, resource_meta):
            return await super().delete(resource_meta)

    agent = Careful()
    meta = asyncio.run(agent.create(**call()))
    assert asyncio.run(agent.get(resource_meta=meta)).phase is Phase.RUNNING
    asyncio.run(agent.delete(resource_meta=meta))


def test_a_sync_method_may_call_the_one_it_overrides(call):
    class Base(SyncAgent):
        name, task_type = "Base", "base"

        async def do(self, attempt):
            return Resource(phase=Phase.SUCCEEDED, message=attempt.key)

    class Derived(Base):
        async def do(self, attempt):
            return await super().do(attempt)

    assert asyncio.run(Derived().do(**call())).phase is Phase.SUCCEEDED


def test_importing_the_core_loads_nothing_heavy():
    """It is part of ``import flytekit`` wherever an agent is installed."""
    code = (
        "import flytekit, sys; before = set(sys.modules); import flyte_agent_core;"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}; print(*new - {'flyte_agent_core'})"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == ""


@pytest.mark.once
@pytest.mark.parametrize(
    "first",
    [
        "flytekit",
        "flyte_agent_core",
        "flyte_agent_core.agent",
        "flyte_agent_core.errors",
        "demo_plugin",
    ],
)
def test_any_import_may_come_first(tmp_path, first):
    """flytekit imports agents while it is imported, so core and flytekit import each other."""
    (tmp_path / "demo_plugin.py").write_text(
        "from flyte_agent_core import AsyncAgent, JobMeta, register\n"
        "class Demo(AsyncAgent):\n"
        "    name, task_type, meta_type = 'Demo', 'demo_first', JobMeta\n"
        "    async def create(self, attempt): ...\n"
        "    async def get(self, resource_meta): ...\n"
        "    async def delete(self, resource_meta): ...\n"
        "register(Demo)\n"
    )
    about = tmp_path / "demo_plugin-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: demo-plugin\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[flytekit.plugins]\ndemo = demo_plugin\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import {first}, flytekit\n"
        "from flyte_agent_core.registration import REPORT\n"
        "print([r.state for r in REPORT if r.task_type == 'demo_first'])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.stdout.strip() == "['served']", out.stderr


def test_every_public_name_is_found():
    for name in flyte_agent_core.__all__:
        assert getattr(flyte_agent_core, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = flyte_agent_core.nothing


@pytest.mark.parametrize("path", ["no_such_module:Agent", "json:NoSuchName", "json"])
def test_a_module_that_cannot_be_imported_does_not_break_the_import(path):
    register(path)
    assert any(r.agent == path and r.state == "failed" for r in REPORT)


def test_an_agent_may_be_named_by_its_path():
    register(f"{__name__}:Minimal" if __name__ in sys.modules else Minimal)
    assert ConnectorRegistry.get_connector("minimal").name == "Minimal Agent"


def test_the_readmes_example_works(call):
    """It is what people copy."""
    readme = pathlib.Path(__file__).parent.parent / "README.md"
    code = readme.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    module = types.ModuleType("readme_example")
    sys.modules["readme_example"] = module
    exec(compile(code, "README.md", "exec"), module.__dict__)
    agent = ConnectorRegistry.get_connector("example_job")
    meta = asyncio.run(agent.create(**call()))
    assert asyncio.run(agent.get(resource_meta=meta)).phase is Phase.INITIALIZING
    asyncio.run(agent.delete(resource_meta=meta))


class Follower(Minimal):
    """Streams its log."""

    lines = ("a", ["b", "c"])

    async def get_logs(self, resource_meta):
        for piece in self.lines:
            yield piece


def test_a_log_may_be_a_stream():
    """flytekit's own service takes an answer and no stream, so it gets the beginning."""

    async def scenario():
        agent = Follower()
        assert [piece async for piece in agent.log_lines(JobMeta())] == [["a"], ["b", "c"]]
        whole = await agent.get_logs(resource_meta=JobMeta())
        assert list(whole.body.results) == ["a", "b", "c"]
        agent.lines = ["x" * 1000] * 5000
        some = await agent.get_logs(resource_meta=JobMeta())
        assert 1_000_000 < some.ByteSize() < 1_100_000

    asyncio.run(scenario())


def test_a_log_that_would_block_the_loop_is_refused():
    with pytest.raises(TypeError, match="make it `async def` with `yield`"):

        class Blocks(Minimal):
            def get_logs(self, resource_meta):
                yield "a"
