"""A local run: the agent in this process, polled as on a cluster."""

from __future__ import annotations

import datetime as dt
import pathlib
import sys

import pytest
from flytekit import kwtypes, task, workflow
from flytekit.core.base_task import TaskMetadata
from flytekit.core.interface import Interface

from flyte_agent_core import AgentTask, AsyncAgent, JobMeta, Phase, Resource, SyncAgent, TaskError
from flyte_agent_core._flyte import ConnectorRegistry, FlyteUserException
from flyte_agent_core.outputs import OutputSpec

_HERE = pathlib.Path(__file__).parent


class LocalAgent(AsyncAgent[JobMeta]):
    """Goes through the phases it was given, and doubles its input."""

    name, task_type, meta_type = "Local Agent", "local_demo", JobMeta
    phases: list[Phase] = []
    deleted: list[str] = []
    doubled = 0

    async def create(self, attempt):
        if attempt.inputs.get("n", 0) < 0:
            raise TaskError("n: found a negative number, expected 0 or more")
        self.doubled = attempt.inputs.get("n", 0) * 2
        return JobMeta()

    async def get(self, resource_meta):
        phase = self.phases.pop(0) if len(self.phases) > 1 else self.phases[0]
        outputs = (
            OutputSpec({"o0": "int"}).literal_map({"o0": self.doubled})
            if phase is Phase.SUCCEEDED
            else None
        )
        return Resource(
            phase=phase,
            message=phase.name.lower(),
            outputs=outputs,
            links={"Page": "https://p.example"},
        )

    async def delete(self, resource_meta):
        self.deleted.append(resource_meta.key)


class LocalDoer(SyncAgent):
    name, task_type = "Local Doer", "local_doer"

    async def do(self, attempt):
        return Resource(phase=Phase.SUCCEEDED, outputs={"o0": attempt.inputs["n"] + 1})


class TickingClock:
    """Time passes by sleeping only."""

    def __init__(self):
        self.now_s = 0.0

    def time(self):
        return self.now_s

    def monotonic(self):
        return self.now_s

    async def sleep(self, delay_s):
        self.now_s += delay_s


@pytest.fixture
def agent():
    made = LocalAgent(clock=TickingClock())
    made.phases, made.deleted = [Phase.INITIALIZING, Phase.RUNNING, Phase.SUCCEEDED], []
    before = dict(ConnectorRegistry._REGISTRY)
    ConnectorRegistry._REGISTRY[made.task_category] = made
    doer = LocalDoer()
    ConnectorRegistry._REGISTRY[doer.task_category] = doer
    yield made
    ConnectorRegistry._REGISTRY.clear()
    ConnectorRegistry._REGISTRY.update(before)


def demo_task(task_type: str = "local_demo", **metadata: object) -> AgentTask[None]:
    return AgentTask(
        task_type,
        "double",
        interface=Interface(kwtypes(n=int), kwtypes(o0=int)),
        metadata=TaskMetadata(**metadata),
    )


def test_a_workflow_runs_it_with_typed_values(agent, capsys):
    double = demo_task()

    @task
    def inc(n: int) -> int:
        return n + 1

    @workflow
    def wf(n: int) -> int:
        return inc(n=double(n=n))

    assert wf(n=5) == 11
    shown = capsys.readouterr().err
    assert "[double] INITIALIZING: initializing\n[double] Page: https://p.example\n" in shown
    assert "[double] SUCCEEDED" in shown


def test_a_sync_agent_runs_too(agent):
    assert demo_task("local_doer")(n=1) == 2


def test_a_failure_says_why(agent):
    agent.phases = [Phase.FAILED]
    with pytest.raises(FlyteUserException, match="task 'double' FAILED: failed"):
        demo_task()(n=1)


def test_a_retryable_failure_ends_the_run(agent):
    """flytekit's own loop once polled on for ever."""
    agent.phases = [Phase.RETRYABLE_FAILED]
    with pytest.raises(FlyteUserException, match="RETRYABLE_FAILED"):
        demo_task()(n=1)


def test_a_mistake_in_create_is_shown(agent):
    with pytest.raises(FlyteUserException, match="n: found a negative number"):
        demo_task()(n=-1)


def test_the_timeout_stops_the_job(agent):
    agent.phases = [Phase.RUNNING]
    with pytest.raises(TimeoutError, match="not done after its timeout of 60 s"):
        demo_task(timeout=dt.timedelta(minutes=1))(n=1)
    assert len(agent.deleted) == 1


def test_execute_takes_python_values(agent):
    assert demo_task().execute(n=4).literals["o0"].scalar.primitive.integer == 8


def test_ctrl_c_stops_the_job(tmp_path):
    """In a process of its own: the signal goes to the main thread."""
    import signal
    import subprocess

    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(_HERE)!r})\n"
        "import test_task as t\n"
        "from flyte_agent_core._flyte import ConnectorRegistry\n"
        "from flyte_agent_core import Phase\n"
        "agent = t.LocalAgent(); agent.phases = [Phase.RUNNING]\n"
        "ConnectorRegistry._REGISTRY[agent.task_category] = agent\n"
        "try:\n    t.demo_task()(n=1)\n"
        "finally:\n    print('deleted', len(agent.deleted), flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "RUNNING" in line:
            break
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert "deleted 1" in out
    assert process.returncode != 0
