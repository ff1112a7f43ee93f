"""create: what goes wrong between the agent and the vendor, and who is to blame for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import Phase

from .answers import FAILURES
from .base import TaskConformance
from .checks import AgentRaised, check, expect

if TYPE_CHECKING:
    from .bench import Bench

_WORDS = "the account needs the permission jobs.create"


class CreateFaultChecks(TaskConformance):
    """Lost answers, cancelled calls, outages."""

    @check
    async def test_lost_answer_leaves_no_second_job(self, bench: Bench) -> None:
        """
        A job whose vendor's answer got lost is found again, or stopped.

        Flyte: takes any error of create for a failed attempt and makes the next one with another
        id; the job that was accepted would run beside it, unseen.

        Troubleshooting: after a broken connection ask the vendor for the job of the attempt's id
        before giving up; what is left when create raises is stopped in `undo`.
        """
        self.needs("has_request_id")
        bench.backend.inject("create", "lost")
        await self._create_or_stop(bench)

    @check
    async def test_failed_create_leaves_no_job(self, bench: Bench) -> None:
        """
        A create that raises leaves no job behind.

        Flyte: does not know the job of a create that failed, so it will never delete it.

        Troubleshooting: implement `undo(attempt)`: stop the job of the attempt's id if there is
        one.
        """
        self.needs("has_request_id")
        self.needs("can_cancel")
        bench.backend.inject("create", "lost", times=None)
        await self._create_or_stop(bench)

    @check
    async def test_cancelled_create_leaves_no_job(self, bench: Bench) -> None:
        """
        A create whose caller hangs up after the vendor has accepted the job stops that job.

        Flyte: hangs up when its deadline passes or propeller stops; it has no metadata then, and
        sends no delete.

        Troubleshooting: let the vendor's call run to its end and delete what it gives (the core
        does, if create is guarded and does not swallow the id).
        """
        self.needs("can_cancel")
        remote = await bench.remote()
        await bench.hold("create")
        call = remote.start(bench.task)
        waiting = await bench.held(_ended(call))
        call.cancel()
        await waiting
        await remote.noticed_hang_up(self.settle_s)
        bench.backend.release()
        await bench.nothing_runs("left a job running after the caller of create had hung up")

    @check
    async def test_create_past_its_deadline_leaves_no_job(self, bench: Bench) -> None:
        """
        A create that cannot answer in time stops the job it has made.

        Flyte: counts a deadline as a failed attempt and starts the next one with another id; both
        jobs would run.

        Troubleshooting: as for a cancelled create: delete the job once it is known.
        """
        self.needs("can_cancel")
        await bench.hold("create")
        try:
            await bench.first.create(bench.task, deadline_s=self.deadline_s)
        except AgentRaised:
            bench.backend.release()
            await bench.nothing_runs("left the job of a create that was too late running")

    @check
    async def test_outage_during_create_is_nobodys_fault(self, bench: Bench) -> None:
        """
        An outage of the vendor during create can be retried.

        Flyte: makes a new attempt only if create raises or the task ends RETRYABLE_FAILED; FAILED
        is final, and a task with retries would fail for a hiccup.

        Troubleshooting: map the vendor's 5xx, 429 and broken connections to RetryableError, never
        to TaskError.
        """
        for fault in self.transient_faults:
            bench.backend.inject("create", fault, times=None)
            try:
                meta = await bench.first.create(bench.attempt(), deadline_s=self.deadline_s)
            except AgentRaised:
                meta = None
            bench.backend.heal()
            if meta is not None:
                answer = await bench.poll(meta)
                expect(
                    answer.phase is not Phase.FAILED, f"answered {answer} after a fault {fault!r}"
                )

    @check
    async def test_missing_permission_does_not_use_up_retries(self, bench: Bench) -> None:
        """
        A create without the vendor's permission ends FAILED, with the vendor's words.

        Flyte: retries whatever create raises; a permission that is missing is missing the next time
        too, and the user reads only of the last attempt's gRPC error.

        Troubleshooting: map 401 and 403 to TaskError and let it out of create; the core makes the
        first get answer it.
        """
        bench.backend.inject("create", "denied", times=None, message=_WORDS)
        meta = await bench.first.create(bench.task)
        answer = await bench.poll(meta, after_s=0)
        expect(answer.phase is Phase.FAILED, f"answered {answer} for a permission that is missing")
        expect(_WORDS in answer.message, f"hid what the vendor said: {answer.message[:200]!r}")

    async def _create_or_stop(self, bench: Bench) -> None:
        try:
            meta = await bench.first.create(bench.task, deadline_s=2.0)
        except AgentRaised:
            await bench.nothing_runs("raised from create and left the job running")
            return
        bench.backend.heal()
        running = list(bench.backend.running())
        expect(len(running) == 1, f"has {len(running)} jobs running after a lost answer: {running}")
        answer = await bench.poll(meta)
        expect(answer.phase not in FAILURES, f"answered {answer} for a job that runs")


async def _ended(call: Any) -> None:
    await call.code()
