"""Whole lives, driven by the simulated propeller over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_testing.propeller import Faults, SimulatedPropeller, TaskRun

from .base import TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from flyte_agent_testing.propeller import Outcome, Step

    from .bench import Bench

_ABORT_AFTER_S = 90.0
_HORIZON_S = 4 * 3600.0
_CRASHES = Faults(crash_after_create=1.0, crash_before_round=1.0, round_lost=1.0, limit=1)


class PropellerChecks(TaskConformance):
    """What comes out when Flyte's own client is at the other end."""

    @check
    async def test_life_under_propeller(self, bench: Bench) -> None:
        """
        A task that works succeeds, though propeller crashes after create and after a poll.

        Flyte: runs it like this every day; whatever the transcript below calls a violation has hurt
        somebody.

        Troubleshooting: read the transcript from its top; the other checks that fail name the
        single defects.
        """
        outcome = await self._live(bench, faults=_CRASHES, ends=True)
        expect(outcome.succeeded, f"did not bring a task to success:\n{outcome}")
        self._expect_clean(outcome)
        self.expect_started_once(bench)

    @check
    async def test_abort_under_propeller(self, bench: Bench) -> None:
        """
        A task that the user aborts stops its job.

        Flyte: deletes once and forgets the job; whatever still runs is paid for and unseen.

        Troubleshooting: read the transcript from its top; the checks of delete name the single
        defects.
        """
        self.needs("can_cancel")
        outcome = await self._live(bench, abort_after_s=_ABORT_AFTER_S)
        expect(outcome.phase == "ABORTED", f"did not let a task be aborted:\n{outcome}")
        self._expect_clean(outcome)
        await self.expect_stopped(bench, f"left a job running after an abort:\n{outcome}")

    async def _live(
        self, bench: Bench, *, faults: Faults | None = None, ends: bool = False, **run: Any
    ) -> Outcome:
        remote = await bench.remote()

        def observe(step: Step) -> None:
            if ends and step.kind == "get":
                self.let_it_end(bench)

        async with SimulatedPropeller(
            remote.address,
            clock=bench.clock,
            faults=faults,
            seed=1,
            observer=observe,
            expect_links=self.has_links,
            horizon_s=_HORIZON_S,
        ) as propeller:
            return await propeller.run(_as_run(bench.task), **run)

    def _expect_clean(self, outcome: Outcome) -> None:
        broken = "; ".join(str(violation) for violation in outcome.violations)
        expect(not outcome.violations, f"did what hurts: {broken}\n{outcome}")


def _as_run(request: CreateTaskRequest) -> TaskRun:
    return TaskRun(template=request.template, inputs=request.inputs)
