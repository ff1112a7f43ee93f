"""An agent behind the real service, in virtual time, and a propeller that does its worst to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.service import AgentService
from flyte_agent_server.settings import Settings
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, Outcome, SimulatedPropeller, TaskRun

ATTEMPTS = 1000
TIMEOUTS = {"CreateTask": 60.0}  # as the documentation tells platform teams
QUIET = Settings(host="127.0.0.1", port=0, metrics_port=None, grace_s=30.0, ready_at_start=True)


@contextlib.asynccontextmanager
async def service(agent: Any) -> AsyncIterator[str]:
    """Serve an agent; give its address once it is ready: what it imports takes real time."""
    made, ready = AgentService(Catalogue([agent]), QUIET), asyncio.Event()
    made.when_ready = ready.set
    async with made as running:
        await ready.wait()
        yield f"127.0.0.1:{running.port}"


async def play(
    agent: Any, clock: FakeClock, wanted: list[TaskRun], faults: Faults, at_work: Callable[[], bool]
) -> list[Outcome]:
    """Run tasks through the service; the clock stands still while the vendor is ``at_work``."""

    def is_busy() -> bool:
        return agent.runtime.threads.in_flight > 0 or at_work()

    with clock.hold_while(is_busy):
        async with (
            service(agent) as target,
            SimulatedPropeller(
                target,
                clock=clock,
                faults=faults,
                seed=7,
                retry_unavailable=3,
                workers=8,
                timeouts=TIMEOUTS,
            ) as propeller,
        ):
            return await propeller.run_many(wanted)
