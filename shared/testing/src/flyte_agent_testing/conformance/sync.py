"""Sync agents: done when they answer."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, ClassVar

from flyte_agent_core import Phase
from flyte_agent_testing.propeller import SimulatedPropeller, TaskRun

from .answers import Answer, is_useful
from .base import Conformance
from .checks import AgentRaised, check, expect
from .literal_types import misfits
from .shown import expect_link, expect_message

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .bench import Bench
    from .replica import Replica
    from .service import Remote

_WORDS = "the project may not use model large-2"


class SyncChecks(Conformance):
    """
    One call, one answer.

    Attributes:
        asks_once: The vendor does the work of an attempt once, though Flyte repeats the call. If it cannot tell, say so
            in the docstring of the agent's class, with the word "again".
    """

    asks_once: ClassVar[bool] = True

    @check
    async def test_result_is_in_the_first_message(self, bench: Bench) -> None:
        """
        A task that works answers SUCCEEDED, with its outputs, in the first message.

        Flyte: reads one message and hangs up; a phase that is not terminal kills one of the workers
        that poll all tasks.

        Troubleshooting: return a Resource with a terminal phase and all outputs from do.
        """
        answer = Answer.of(await (await bench.remote()).do(bench.task))
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} to a task that works")
        declared = bench.task.template.interface
        expect(
            answer.outputs or not declared.outputs.variables, "gave none of the declared outputs"
        )
        if answer.outputs is not None:
            wrong = list(misfits(answer.outputs, declared))
            expect(not wrong, f"gave outputs that are not what was declared: {'; '.join(wrong)}")

    @check
    async def test_life_under_propeller(self, bench: Bench) -> None:
        """
        A task that works succeeds under Flyte's own client.

        Flyte: runs it like this every day; whatever the transcript below calls a violation has hurt
        somebody.

        Troubleshooting: read the transcript; the other checks that fail name the single defects.
        """
        remote = await bench.remote()
        async with SimulatedPropeller(remote.address, clock=bench.clock, seed=1) as propeller:
            run = TaskRun(template=bench.task.template, inputs=bench.task.inputs)
            outcome = await propeller.run(run)
        expect(outcome.succeeded, f"did not bring a task to success:\n{outcome}")
        expect(not outcome.violations, f"did what hurts:\n{outcome}")

    @check
    async def test_mistakes_of_the_user_do_not_use_up_retries(
        self, bench: Bench, broken_tasks: Mapping[str, CreateTaskRequest]
    ) -> None:
        """
        A mistake in the task is answered FAILED, with a message that names it.

        Flyte: retries whatever do raises: the same mistake runs, and is paid for, as often as the
        user allowed retries.

        Troubleshooting: raise TaskError (`attempt.config()` does), saying field, found, expected,
        repair.
        """
        expect(broken_tasks, "was not tried: the fixture `broken_tasks` has none")
        for words, broken in broken_tasks.items():
            answer = Answer.of(await bench.first.do(bench.attempt(broken)))
            about = f"for a task in which the mistake is about {words!r}"
            expect(answer.phase is Phase.FAILED, f"answered {answer} {about}")
            expect(words in answer.message, f"said {answer.message[:300]!r} {about}")
            expect(is_useful(answer.message), f"began its message with an empty line {about}")

    @check
    async def test_outage_is_nobodys_fault(self, bench: Bench) -> None:
        """
        An outage of the vendor is answered RETRYABLE_FAILED, with the vendor's words.

        Flyte: takes FAILED for final, and what do raises for an error whose code and message the
        user does not see.

        Troubleshooting: map the vendor's 5xx, 429 and broken connections to RetryableError.
        """
        for fault in self.transient_faults:
            bench.backend.inject("do", fault, times=None, message=_WORDS)
            answer = Answer.of(await bench.first.do(bench.attempt(), deadline_s=self.deadline_s))
            bench.backend.heal()
            expect(answer.phase is Phase.RETRYABLE_FAILED, f"answered {answer} to {fault!r}")
            expect(answer.message, f"gave no reason after {fault!r}")

    @check
    async def test_missing_permission_is_final(self, bench: Bench) -> None:
        """
        A permission that is missing is answered FAILED, with the vendor's words.

        Flyte: retries what is not FAILED; the permission will be missing the next time too.

        Troubleshooting: map 401 and 403 to TaskError, with the vendor's message.
        """
        bench.backend.inject("do", "denied", times=None, message=_WORDS)
        answer = Answer.of(await bench.first.do(bench.task))
        expect(answer.phase is Phase.FAILED, f"answered {answer} for a permission that is missing")
        expect(_WORDS in answer.message, f"hid what the vendor said: {answer.message[:200]!r}")

    @check
    async def test_answer_comes_before_the_deadline(self, bench: Bench) -> None:
        """
        A vendor that is too slow is answered RETRYABLE_FAILED, before the caller gives up.

        Flyte: the user reads "deadline exceeded", not what was slow; a worker of propeller's is
        blocked meanwhile.

        Troubleshooting: pass `remaining_s()` of `flyte_agent_core.rpc` to the vendor call as its
        timeout.
        """
        await bench.hold("do")
        answer = Answer.of(await bench.first.do(bench.task, deadline_s=self.deadline_s))
        expect(answer.phase is Phase.RETRYABLE_FAILED, f"answered {answer} when time was up")

    @check
    async def test_do_does_not_block_the_loop(self, bench: Bench) -> None:
        """
        While do waits for the vendor, other calls are answered.

        Flyte: all tasks of all agents in the service share one event loop; sync calls are the
        longest there are.

        Troubleshooting: await an async client, or write do as a plain function: it runs in a
        thread.
        """
        await bench.first.do(bench.attempt())  # what is imported on first use is imported now
        await bench.stays_free("do", bench.first.do(bench.task))

    @check
    async def test_repeated_attempt(self, bench: Bench) -> None:
        """
        The vendor is asked once per attempt, or the agent says that it is asked again.

        Flyte: repeats the call of an attempt when propeller could not write the answer down; the
        user pays twice.

        Troubleshooting: send `attempt.key` as the vendor's idempotency key; if it has none, say
        `asks_once = False`, and in the docstring of the agent's class that repeated calls ask
        again.
        """
        for replica in (bench.first, bench.replica()):
            answer = Answer.of(await replica.do(bench.task))
            expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} to a repeated call")
        if self.asks_once:
            done = len(bench.backend.received())
            expect(done == 1, f"had the work of one attempt done {done} times")
        else:
            said = (self.agent_type.__doc__ or "").lower()
            expect("again" in said, "asks again, and its docstring does not say so")

    @check
    async def test_answer_can_be_shown(self, bench: Bench) -> None:
        """
        Links can be followed, and messages are at most 2 KB without a traceback.

        Flyte: puts both into etcd and into the user's page.

        Troubleshooting: absolute http(s) URLs with a name each; the vendor's message, not the
        exception's traceback.
        """
        answer = Answer.of(await bench.first.do(bench.task))
        for link in answer.resource.log_links:
            expect_link(link.name, link.uri)
        expect_message(answer, useful=False)
        bench.backend.inject("do", "denied", times=None, message=f"{_WORDS} \x00 {'ü🦋' * 50_000}")
        expect_message(Answer.of(await bench.first.do(bench.attempt())), useful=True)

    @check
    async def test_do_needs_no_execution_metadata(self, bench: Bench) -> None:
        """
        A call that says nothing about the execution works.

        Flyte: flytekit's own service and local runs pass no task_execution_metadata.

        Troubleshooting: give everything that is read from it a default (`attempt.identity` has).
        """
        request = bench.attempt()
        request.ClearField("task_execution_metadata")
        answer = Answer.of(await bench.first.do(request))
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for a local run")

    @check
    async def test_caller_that_hangs_up_harms_nobody(self, bench: Bench) -> None:
        """
        A call after one whose caller has hung up works.

        Flyte: cancels the call as soon as it has read the answer, and when propeller stops.

        Troubleshooting: release clients and places in `finally`, or through `async with`.
        """
        await bench.hold("do")
        waiting = await bench.held(bench.first.do(bench.attempt()))
        waiting.cancel()
        with contextlib.suppress(BaseException):  # however it ends
            await waiting
        bench.backend.release()
        answer = Answer.of(await bench.first.do(bench.task))
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} after a caller had hung up")

    async def submit(
        self, bench: Bench, request: CreateTaskRequest, replica: Replica | Remote
    ) -> Answer:
        """Do a task."""
        return Answer.of(await replica.do(bench.attempt(request)))

    async def eventful_life(self, bench: Bench, canary: str) -> list[tuple[str, str]]:
        """Let what can go wrong go wrong, in words with the credential; return what was said where."""
        said: list[tuple[str, str]] = []
        for fault in (None, *self.transient_faults, "denied"):
            if fault:
                bench.backend.inject("do", fault, times=None, message=f"bad token {canary}")
            try:
                found = await bench.first.do(bench.attempt(), deadline_s=self.deadline_s)
            except AgentRaised as raised:
                said.append(("an error of do", raised.text))
            else:
                said += Answer.of(found).shown()
            bench.backend.heal()
        return said
