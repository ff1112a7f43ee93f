"""What the simulation costs in real time; the numbers are printed with ``pytest -s``."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

import grpc
import pytest
from flyteidl.admin.agent_pb2 import GetTaskRequest
from flyteidl.service.agent_pb2_grpc import AsyncAgentServiceStub

from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.propeller import Faults, SimulatedPropeller, TaskRun
from flyte_agent_testing.virtual import VirtualClock, run_virtual

pytestmark = pytest.mark.once

DAY_S = 86_400.0


async def _bare_polls_s(target, count):
    """Return the processor's seconds of so many GetTask calls one after the other, without any simulation."""
    async with grpc.aio.insecure_channel(target) as channel:
        stub = AsyncAgentServiceStub(channel)
        await stub.GetTask(GetTaskRequest())
        before_s = time.process_time()
        for _ in range(count):
            await stub.GetTask(GetTaskRequest(resource_meta=b"meta"), timeout=10.0)
        return time.process_time() - before_s


def test_a_day_of_polling_costs_little_more_than_its_rpcs(kit):
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(target, clock=FakeClock()) as propeller,
        ):
            before_s = time.process_time()
            outcome = await propeller.run(kit.template(), abort_after_s=DAY_S)
            took_s = time.process_time() - before_s
            return outcome, took_s, await _bare_polls_s(target, 500) / 500

    outcome, took_s, per_poll_s = asyncio.run(scenario())

    polls = outcome.attempts[0].polls
    print(f"\n{polls} polls took {took_s:.2f} s, {per_poll_s * 1e6:.0f} us of each are the RPC")  # noqa: T201  # `pytest -s` shows it
    assert polls in (2880, 2881)
    assert outcome.phase == "ABORTED"
    assert took_s < 1.0 + 3.0 * polls * per_poll_s


def test_a_day_of_polling_takes_a_second(kit):
    """Over a loopback, and of processor time: how busy the machine is does not matter."""
    agent = kit.ScriptedAgent(gets=(kit.resource("RUNNING"),))

    async def scenario():
        loopback = Loopback()
        kit.add_services(agent, loopback)
        async with SimulatedPropeller(loopback, clock=VirtualClock()) as propeller:
            return await propeller.run(kit.template(), abort_after_s=DAY_S)

    before_s = time.process_time()
    outcome = run_virtual(scenario())
    took_s = time.process_time() - before_s

    assert outcome.attempts[0].polls in (2880, 2881)
    print(f"\n{took_s:.2f} s")  # noqa: T201  # `pytest -s` shows it
    # About 0.6 s on a quiet machine; coverage looks at each line.
    assert took_s < (2.0 if sys.gettrace() is None else 8.0)


def _faultless(kit, jobs):
    """An agent with one job for each prefix, which ends as its task's number says."""

    def create(request):
        run = request.task_execution_metadata.task_execution_id.node_execution_id
        jobs.setdefault(request.output_prefix, int(run.execution_id.name[1:]))
        return request.output_prefix.encode()

    def get(request):
        ends = {0: "FAILED", 1: "RETRYABLE_FAILED"}
        return kit.resource(ends.get(jobs[request.output_prefix] % 10, "SUCCEEDED"))

    return kit.ScriptedAgent(
        creates=(create,), gets=(kit.resource("INITIALIZING"), kit.resource("RUNNING"), get)
    )


def test_a_thousand_tasks_with_every_fault_all_end_as_they_should(kit):
    """Exactly one job per attempt that reached the vendor; nothing hangs; every end is the true one."""
    jobs = {}
    agent = _faultless(kit, jobs)
    faults = Faults(
        crash_after_create=0.2, crash_during_create=0.1, round_lost=0.1, crash_before_round=0.1,
        lost_answer=0.1, lost_poll=0.05, repeated_delete=0.2, late_poll=0.2, abort=0.05, leadership_change=0.05,
    )  # fmt: skip

    async def scenario():
        async with (
            kit.serving(agent) as target,
            SimulatedPropeller(
                target, clock=FakeClock(), faults=faults, seed=1, retry_unavailable=3
            ) as propeller,
        ):
            before_s = time.monotonic()
            tasks = [
                TaskRun(template=kit.template(), execution=f"f{n}", retries=1) for n in range(1000)
            ]
            outcomes = await propeller.run_many(tasks)
            return outcomes, propeller, time.monotonic() - before_s

    outcomes, propeller, took_s = asyncio.run(scenario())

    print(f"\n1000 tasks, {len(agent.calls)} calls: {took_s:.2f} s")  # noqa: T201  # `pytest -s` shows it
    assert not propeller.violations
    ends = [(outcome.phase, outcome.hung) for outcome in outcomes]
    assert set(ends) <= {("SUCCEEDED", False), ("FAILED", False), ("ABORTED", False)}
    for number, (phase, _) in enumerate(ends):
        assert phase in {"ABORTED", "SUCCEEDED" if number % 10 > 1 else "FAILED"}
    prefixes = [attempt.output_prefix for outcome in outcomes for attempt in outcome.attempts]
    assert len(prefixes) == len(set(prefixes))
    assert set(jobs) <= set(prefixes)
    assert Counter(phase for phase, _ in ends)["ABORTED"] > 10
    assert took_s < 60.0
