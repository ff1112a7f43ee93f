"""get: polls that fail, which Flyte counts and never forgives."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from flyte_agent_core import Phase

from .answers import FAILURES
from .base import TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from .bench import Bench

_WORDS = "the control plane of region 9 is down"


class PollChecks(TaskConformance):
    """Vendors that cannot be asked for a while."""

    def between_faults_s(self) -> float:
        """Return the virtual seconds from a poll that fails to the next that works."""
        return 6000.0

    @check
    async def test_poll_errors_far_apart_do_not_add_up(self, bench: Bench) -> None:
        """
        Sixty failed polls in a job's life do not matter as long as others work in between.

        Flyte: counts failed polls for the whole life of a task and never sets the count back: after
        the sixth it never asks again, and the task hangs in its last phase.

        Troubleshooting: let no error out of get unguarded (derive from AsyncAgent), and do not
        count them up either.
        """
        meta = await bench.first.create(bench.task)
        await bench.poll(meta)
        apart_s = self.between_faults_s()
        faults = itertools.cycle([*self.transient_faults, "denied"])
        for n in range(1, self.poll_errors + 1):
            bench.backend.inject("get", fault := next(faults))
            answer = await bench.poll(meta, after_s=apart_s)
            expect(not answer.is_over, f"answered {answer} to the {n}. fault, {fault!r}")
            bench.backend.heal()
            answer = await bench.poll(meta, after_s=apart_s)
            expect(not answer.is_over, f"answered {answer} after the {n}. fault, {fault!r}")
        self.let_it_end(bench)
        answer = await bench.poll(meta)
        expect(
            answer.phase is Phase.SUCCEEDED, f"answered {answer} after {self.poll_errors} faults"
        )

    @check
    async def test_failed_poll_answers_the_last_phase(self, bench: Bench) -> None:
        """
        A poll that cannot see the job answers what is known of it.

        Flyte: shows the user whatever a poll says; a task that jumps back to INITIALIZING, or loses
        its links, looks broken although nothing has happened.

        Troubleshooting: let errors out of get; the core answers with the last phase and links.
        """
        meta = await bench.first.create(bench.task)
        known = await bench.poll(meta)
        for fault in self.transient_faults:
            bench.backend.inject("get", fault)
            answer = await bench.poll(meta)
            bench.backend.heal()
            expect(answer.phase is known.phase, f"answered {answer} to {fault!r} after {known}")
            expect(answer.links == known.links, f"answered {fault!r} with other links than before")

    @check
    async def test_first_poll_of_a_new_process_may_fail(self, bench: Bench) -> None:
        """
        A process that has never seen the job answers a failed poll as well.

        Flyte: counts the error whoever made it; a rollout during an outage would hit every task
        that runs.

        Troubleshooting: answer RUNNING when nothing is known (the core does).
        """
        meta = await bench.first.create(bench.task)
        for fault in self.transient_faults:
            bench.backend.inject("get", fault)
            answer = await bench.poll(meta, bench.replica())
            bench.backend.heal()
            expect(not answer.is_over, f"answered {answer} to {fault!r} after a restart")

    @check
    async def test_lasting_outage_ends_the_task(self, bench: Bench) -> None:
        """
        Polls that fail without a break end the task, late and for a reason.

        Flyte: would poll for ever while each answer says RUNNING; but a task that gives up at the
        first hiccup throws the work away.

        Troubleshooting: count the time of consecutive failures, 15 minutes by default
        (`poll_patience_s` of the core), then answer RETRYABLE_FAILED with the last error.
        """
        self.needs("uses_clock")
        meta = await bench.first.create(bench.task)
        await bench.poll(meta)
        fault = self.transient_faults[0]
        bench.backend.inject("get", fault, times=None, message=_WORDS)
        early = await bench.poll_until_over(meta, within_s=self.patience_s / 3)
        expect(not early.is_over, f"answered {early} within {self.patience_s / 3:g} s of an outage")
        answer = await bench.poll_until_over(meta, within_s=self.patience_s * 2)
        expect(answer.phase in FAILURES, f"answers {answer} after {self.patience_s * 2:g} s")
        expect(
            answer.phase is not Phase.FAILED,
            "answered FAILED, which is final, for a vendor's outage",
        )
        expect(_WORDS in answer.message, f"hid what was wrong: {answer.message[:200]!r}")
