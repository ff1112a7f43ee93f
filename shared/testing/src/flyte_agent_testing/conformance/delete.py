"""delete: idempotent, confirmed and harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import Phase

from .base import TaskConformance
from .checks import AgentRaised, check, expect

if TYPE_CHECKING:
    from .bench import Bench

_WORDS = "the account needs the permission jobs.cancel"


class DeleteChecks(TaskConformance):
    """Before, after and long after the end."""

    @check
    async def test_delete_stops_the_job(self, bench: Bench) -> None:
        """
        When delete has answered, the job has stopped.

        Flyte: forgets the job once delete has answered; one that still runs is paid for by nobody's
        leave.

        Troubleshooting: ask the vendor to cancel, then look until the job has ended; within the
        call's deadline.
        """
        self.needs("can_cancel")
        meta, job = await bench.started()
        await bench.first.delete(meta)
        expect(job not in bench.backend.running(), "answered delete while the job was running")

    @check
    async def test_delete_may_be_repeated(self, bench: Bench) -> None:
        """
        Delete of a job that was deleted succeeds.

        Flyte: repeats delete when it could not write its answer down; after ten errors it fails the
        whole workflow.

        Troubleshooting: take the vendor's "has ended already" for success.
        """
        meta, _ = await bench.started()
        for replica in (bench.first, bench.first, bench.replica()):
            await replica.delete(meta)

    @check
    async def test_delete_of_an_unknown_job_succeeds(self, bench: Bench) -> None:
        """
        Delete of a job that the vendor does not know succeeds.

        Flyte: repeats a delete that fails, and after ten times fails the whole workflow; Flyte 2
        repeats it for ever.

        Troubleshooting: raise JobNotFound in delete, or return; both are success.
        """
        meta, job = await bench.started()
        bench.backend.forget(job)
        for replica in (bench.first, bench.replica()):
            await replica.delete(meta)

    @check
    async def test_delete_keeps_results(self, bench: Bench) -> None:
        """
        Delete of a job that succeeded changes nothing.

        Flyte: Flyte 2 deletes every task an hour after its success; what downstream tasks read must
        still be there.

        Troubleshooting: cancel, never remove; leave tables, files and the job's record alone.
        """
        meta, job = await bench.started()
        bench.backend.finish(job)
        before = bench.backend.results(job)
        first = await bench.poll(meta)
        await bench.first.delete(meta)
        expect(bench.backend.results(job) == before, "destroyed the results of a finished job")
        answer = await bench.poll(meta)
        expect(answer.phase is first.phase, f"answered {answer} after delete, {first} before")
        expect(answer.outputs == first.outputs, "gave other outputs after delete than before")

    @check
    async def test_delete_after_a_failure_succeeds(self, bench: Bench) -> None:
        """
        Delete of a job that failed succeeds.

        Flyte: deletes after RETRYABLE_FAILED, before it makes the next attempt; an error would hold
        that up.

        Troubleshooting: take the vendor's "has ended already" for success.
        """
        meta, job = await bench.started()
        bench.backend.fail(job, "out of memory")
        await bench.poll(meta)
        await bench.first.delete(meta)

    @check
    async def test_delete_survives_an_outage(self, bench: Bench) -> None:
        """
        A delete that the vendor could not take is repeated until the job has stopped.

        Flyte: repeats a delete that raises, and forgets the job after one that does not.

        Troubleshooting: let errors out of delete; the core tries again while there is time, then
        raises.
        """
        self.needs("can_cancel")
        # A strange answer to a cancel is none: only that the vendor took it counts.
        for fault in (fault for fault in self.transient_faults if fault != "garbled"):
            meta, job = await bench.started(bench.attempt())
            bench.backend.inject("delete", fault)
            try:
                await bench.first.delete(meta)
            except AgentRaised:
                await bench.first.delete(meta)
            bench.backend.heal()
            expect(job not in bench.backend.running(), f"left the job running after {fault!r}")

    @check
    async def test_delete_does_not_claim_what_it_has_not_done(self, bench: Bench) -> None:
        """
        A delete that could not stop the job raises.

        Flyte: forgets the job after a delete that succeeds; it would run to its end, paid for and
        unseen.

        Troubleshooting: do not swallow errors of the cancel call, except "unknown" and "has ended
        already".
        """
        self.needs("can_cancel")
        meta, job = await bench.started()
        bench.backend.inject("delete", self.transient_faults[0], times=None)
        try:
            await bench.first.delete(meta, deadline_s=self.deadline_s)
        except AgentRaised:
            return
        stopped = job not in bench.backend.running()
        expect(stopped, "answered delete with success while the job was running")

    @check
    async def test_delete_that_is_refused_is_not_repeated_for_ever(self, bench: Bench) -> None:
        """
        A delete that can never work is given up, and logged.

        Flyte: fails the whole workflow after ten rounds with a delete that raises; no permission
        will come of it.

        Troubleshooting: raise TaskError when the vendor refuses to cancel; the core logs it and
        lets Flyte go on.
        """
        meta, _ = await bench.started()
        bench.backend.inject("delete", "denied", times=None, message=_WORDS)
        await bench.first.delete(meta)

    @check
    async def test_delete_of_a_refused_create_succeeds(self, bench: Bench) -> None:
        """
        Delete of a task whose create was refused succeeds.

        Flyte: knows no difference between the metadata of a job and that of a refusal.

        Troubleshooting: derive from AsyncAgent, whose guard knows the metadata of a refused create.
        """
        bench.backend.inject("create", "denied", times=None, message=_WORDS)
        meta = await bench.first.create(bench.task)
        bench.backend.heal()
        for replica in (bench.first, bench.replica()):
            await replica.delete(meta)
        answer = await bench.poll(meta)
        expect(answer.phase is not Phase.SUCCEEDED, f"answered {answer} for a refused create")
