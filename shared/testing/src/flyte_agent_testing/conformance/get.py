"""get: what a poll may answer in the course of a job's life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import Phase

from .answers import FAILURES, WAITING
from .base import TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from .bench import Bench

_WORDS = "the quota of pool 7 is used up"
_GONE_WITHIN_S = 3600.0


class GetChecks(TaskConformance):
    """From the first poll to those after the end."""

    @check
    async def test_get_before_the_vendor_knows_the_job(self, bench: Bench) -> None:
        """
        A job that the vendor does not know yet is being initialized.

        Flyte: polls within milliseconds of create, and vendors answer reads from a copy that lags
        behind; an error is counted against the task for ever, a failure ends it.

        Troubleshooting: raise JobNotFound when the vendor says so; the core gives it a minute.
        """
        meta = await bench.first.create(bench.task)
        bench.backend.inject("get", "missing", times=2)
        for after_s in (0.0, 5.0):
            answer = await bench.poll(meta, after_s=after_s)
            expect(answer.phase in WAITING, f"answered {answer} {after_s:g} s after create")
        bench.backend.heal()
        answer = await bench.poll(meta)
        expect(answer.phase not in FAILURES, f"answered {answer} for a job that runs")

    @check
    async def test_get_only_looks(self, bench: Bench) -> None:
        """
        Polls change nothing, and the same state gives the same answer.

        Flyte: polls as often as it likes, from several processes, and shows each new phase to the
        user.

        Troubleshooting: neither start, restart nor stop anything in get; leave that to create and
        delete.
        """
        meta, job = await bench.started()
        other = bench.replica()
        first = await bench.poll(meta)
        for replica in (bench.first, other, bench.first, other):
            answer = await bench.poll(meta, replica)
            expect(
                answer.phase is first.phase, f"answered {answer} after {first}, nothing happened"
            )
        bench.job()
        expect(job in bench.backend.running(), "stopped the job by asking for it")

    @check
    async def test_get_after_the_end_repeats_the_end(self, bench: Bench) -> None:
        """
        A job that has ended is answered the same way for ever, its outputs too.

        Flyte: may poll again after the end (RETRYABLE_FAILED stays in its cache, a new propeller
        starts from what was stored); whoever asks must get the same result.

        Troubleshooting: read the outcome from the vendor each time; hand out nothing that can be
        had only once.
        """
        meta, job = await bench.started()
        bench.backend.finish(job)
        before = bench.backend.results(job)
        first = await bench.poll(meta)
        expect(first.phase is Phase.SUCCEEDED, f"answered {first} for a job that succeeded")
        for replica in (bench.first, bench.replica()):
            answer = await bench.poll(meta, replica, after_s=3600.0)
            expect(answer.phase is first.phase, f"answered {answer} after {first}")
            expect(answer.outputs == first.outputs, "gave other outputs the second time")
        expect(bench.backend.results(job) == before, "changed the job's results by asking for them")

    @check
    async def test_terminal_phase_outlives_an_outage(self, bench: Bench) -> None:
        """
        A terminal phase never changes, also when the vendor cannot be asked any more.

        Flyte: takes the last answer it got before its next look; a success that turns back into
        RUNNING is lost.

        Troubleshooting: let errors out of get; the core answers the last phase it has seen.
        """
        meta, job = await bench.started()
        bench.backend.finish(job)
        first = await bench.poll(meta)
        bench.backend.inject("get", self.transient_faults[0], times=None)
        answer = await bench.poll(meta)
        expect(answer.phase is first.phase, f"answered {answer} after {first}")

    @check
    async def test_get_after_delete_ends(self, bench: Bench) -> None:
        """
        A job that was deleted ends.

        Flyte: may poll after delete; an answer that never becomes terminal keeps the poll in its
        queue.

        Troubleshooting: give the vendor's word for a cancelled job a terminal phase in the table of
        phases.
        """
        self.needs("can_cancel")
        meta, _ = await bench.started()
        await bench.poll(meta)
        await bench.first.delete(meta)
        answer = await bench.poll_until_over(meta, within_s=_GONE_WITHIN_S)
        expect(answer.phase in FAILURES, f"answers {answer} an hour after the job was deleted")

    @check
    async def test_vanished_job_ends(self, bench: Bench) -> None:
        """
        A job that the vendor has forgotten ends, after a while, as a failure.

        Flyte: would poll it for ever: a task has no timeout unless somebody gave it one.

        Troubleshooting: raise JobNotFound; the core waits a minute and then answers
        RETRYABLE_FAILED.
        """
        self.needs("uses_clock")
        meta, job = await bench.started()
        await bench.poll(meta)
        bench.backend.forget(job)
        answer = await bench.poll_until_over(meta, within_s=_GONE_WITHIN_S)
        expect(answer.phase in FAILURES, f"answers {answer} an hour after the job vanished")
        expect(answer.message, "gave no reason for the end of a job that vanished")

    @check
    async def test_failed_job_says_why(self, bench: Bench) -> None:
        """
        A job that failed ends with the vendor's words.

        Flyte: shows the message of a failure and nothing else; without it the user has to look for
        the job at the vendor.

        Troubleshooting: put the vendor's error into the resource's `message`, its first line first.
        """
        meta, job = await bench.started()
        bench.backend.fail(job, _WORDS)
        answer = await bench.poll(meta)
        expect(answer.phase in FAILURES, f"answered {answer} for a job that failed")
        expect(_WORDS in answer.message, f"hid why the job failed: {answer.message[:200]!r}")


class LifeChecks(TaskConformance):
    """A life in many processes."""

    @check
    async def test_restart_between_any_two_calls(self, bench: Bench) -> None:
        """
        Each call may be answered by another process.

        Flyte: keeps the metadata and nothing else; rollouts, crashes and several pods put a new
        process behind any call.

        Troubleshooting: put what get and delete need into the metadata, not into attributes of the
        agent.
        """
        meta = await bench.replica().create(bench.task)
        answer = await bench.poll(meta, bench.replica(), after_s=0)
        expect(answer.phase not in FAILURES, f"answered {answer} after a restart")
        self.let_it_end(bench)
        answer = await bench.poll(meta, bench.replica())
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for a job that succeeded")
        await bench.replica().delete(meta)
        answer = await bench.poll(meta, bench.replica())
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} after a success was deleted")
