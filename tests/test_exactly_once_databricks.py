"""
One Databricks run for each attempt, whatever goes wrong: real gRPC, the real SDK, propeller and vendor misbehaving.

Time is virtual, runs are the stand-in's: some are notebooks that really run, as processes that must not be left over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from misfortune import ATTEMPTS
from misfortune import play as under_misfortune

from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_databricks.local import LocalDatabricks
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, Outcome, TaskRun
from flyte_agent_testing.templates import task_template

ON = "0101-000000-local000"


def template(key: str, **work: Any) -> Any:
    work = work or {"spark_jar_task": {"main_class_name": "Main"}}
    task = {"task_key": key, "existing_cluster_id": ON, **work}
    return task_template(
        "databricks_job", custom={"submit": {"tasks": [task]}, "on_code_failure": "fail"}
    )


def tasks(number: int) -> list[TaskRun]:
    """Nine tasks that succeed for each whose own code fails."""
    return [
        TaskRun(template=template("bad" if n % 10 == 9 else "good"), retries=3)
        for n in range(number)
    ]


def misbehave(vendor: LocalDatabricks) -> list[Any]:
    """Script everything Databricks and the network do to a client."""
    scripted = []
    for seed, (route, share) in enumerate({"runs.submit": 0.04, "runs.get": 0.03}.items()):
        chance: dict[str, Any] = {"route": route, "probability": share, "times": None, "seed": seed}
        scripted.extend(
            vendor.faults.add(**what, **chance)
            for what in (
                {"status": 429, "reason": "REQUEST_LIMIT_EXCEEDED"},
                {"status": 500, "reason": "INTERNAL_ERROR"},
                {"status": 503, "reason": "TEMPORARILY_UNAVAILABLE"},
                {"status": 503, "reason": "TEMPORARILY_UNAVAILABLE", "work_first": True},
                {"drop_connection": True},
                {"drop_connection": "after"},
                {"delay_s": 0.05},
            )
        )
    return scripted


async def play(
    vendor: LocalDatabricks, wanted: list[TaskRun], faults: Faults, *, held: bool = False
) -> list[Outcome]:
    """Run tasks while propeller does its worst; ``held`` runs never end."""
    clock = FakeClock()
    agent = DatabricksAgent(clock=clock)

    def at_work() -> bool:
        return not held and bool(vendor.store.active())

    return await under_misfortune(agent, clock, wanted, faults, at_work)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A workspace on this machine, and an agent that finds it."""
    with LocalDatabricks() as vendor:
        monkeypatch.setenv("DATABRICKS_HOST", vendor.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", vendor.token)
        vendor.script.add(Scripted(), kind="spark_jar_task")
        vendor.script.add(Scripted.failing("ValueError: bad data"), task_key="bad")
        yield vendor
    assert not vendor.processes.running()


@pytest.mark.once
def test_a_thousand_attempts_are_a_thousand_runs(
    scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_DATABRICKS_CALLS_PER_S", "5000")
    faults_ = misbehave(scripted)
    faults = Faults(crash_after_create=0.2, round_lost=0.1, lost_answer=0.1, repeated_delete=0.1)

    outcomes = asyncio.run(play(scripted, tasks(ATTEMPTS), faults))

    assert not [str(outcome) for outcome in outcomes if outcome.hung]
    expected = ["FAILED" if n % 10 == 9 else "SUCCEEDED" for n in range(ATTEMPTS)]
    wrong = [str(o) for o, phase in zip(outcomes, expected, strict=True) if o.phase != phase]
    assert not wrong, "\n\n".join(wrong[:3])
    again = [str(outcome) for outcome in outcomes if len(outcome.attempts) > 1]
    assert not again, "\n\n".join(again[:3])
    assert len(scripted.store.runs) == ATTEMPTS
    assert all("in task bad: ValueError" in str(o) for o in outcomes if o.phase == "FAILED")
    # It was worth it: everything that was scripted did happen.
    assert all(fault.hits for fault in faults_)
    assert sum(a.creates for o in outcomes for a in o.attempts) > 1.2 * ATTEMPTS


def test_what_nobody_waits_for_is_stopped(scripted: Any) -> None:
    """Creates that are cut short and tasks that are aborted leave no run that goes on, and no process."""
    scripted.put_notebook("/Shared/forever", "import time\nwhile True:\n    time.sleep(0.1)")
    forever = {"notebook_task": {"notebook_path": "/Shared/forever"}}
    scripted.hold_runs("RUNNING")
    wanted = [TaskRun(template=template(f"t{n}"), retries=0) for n in range(20)]
    faults = Faults(
        crash_during_create=0.3, crash_after_create=0.1, abort=1.0, abort_within_s=600.0
    )

    outcomes = asyncio.run(play(scripted, wanted, faults, held=True))
    scripted.release_runs()
    real = [TaskRun(template=template("loop", **forever), retries=0) for _ in range(3)]
    outcomes += asyncio.run(play(scripted, real, Faults(abort=1.0, abort_within_s=60.0), held=True))

    assert not [str(outcome) for outcome in outcomes if outcome.hung]
    known = {a.resource_meta for o in outcomes for a in o.attempts if a.resource_meta}
    running = [
        str(run.run_id) for run in scripted.store.active() if run.words.life_cycle != "TERMINATING"
    ]
    # An abort before propeller has stored the metadata reaches no agent, in Flyte neither.
    assert not [run_id for run_id in running if any(run_id.encode() in meta for meta in known)]
