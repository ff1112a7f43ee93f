"""Sensors: agents that start nothing and wait for something."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from flyte_agent_core import Phase

from .answers import FAILURES
from .base import TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from .bench import Bench

_WORDS = "the role needs the permission objects.list"


class SensorChecks(TaskConformance):
    """
    Waiting, firing, and not waiting for ever.

    Attributes:
        timeout_s: For how many virtual seconds ``task`` says that it may be waited.
    """

    timeout_s: ClassVar[float] = 0.0

    @check
    async def test_create_starts_nothing(self, bench: Bench) -> None:
        """
        Create changes nothing at the vendor, however often it is called.

        Flyte: calls create at least once, and delete perhaps never.

        Troubleshooting: keep what is waited for in the metadata, and look in get.
        """
        for replica in (bench.first, bench.first, bench.replica()):
            await replica.create(bench.task)
        expect(not bench.backend.jobs(), f"made {list(bench.backend.jobs())} in create")

    @check
    async def test_fires_when_it_occurs_and_not_before(self, bench: Bench) -> None:
        """
        A sensor is RUNNING until what it waits for occurs, and SUCCEEDED at the next poll.

        Flyte: starts the tasks downstream at the first SUCCEEDED; they would find nothing.

        Troubleshooting: answer SUCCEEDED for what was seen, not for the absence of an error.
        """
        meta = await bench.first.create(bench.task)
        for _ in range(3):
            answer = await bench.poll(meta)
            expect(not answer.is_over, f"answered {answer} before anything had occurred")
        bench.backend.occur()
        answer = await bench.poll(meta)
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} though it had occurred")

    @check
    async def test_fires_for_what_has_occurred_already(self, bench: Bench) -> None:
        """
        What occurred before create counts.

        Flyte: may start the sensor minutes after the event; it would wait for one that has been.

        Troubleshooting: look at the state, do not listen for changes only.
        """
        bench.backend.occur()
        meta = await bench.first.create(bench.task)
        answer = await bench.poll(meta, after_s=0)
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} though it had occurred")

    @check
    async def test_fires_once(self, bench: Bench) -> None:
        """
        However often it is asked afterwards, and by whom, a sensor answers the same.

        Flyte: repeats create and polls, also after the end; a sensor that uses the event up would
        wait for the next.

        Troubleshooting: look without consuming; leave queues and marks as they are.
        """
        meta = await bench.first.create(bench.task)
        bench.backend.occur()
        first = await bench.poll(meta)
        again = await bench.replica().create(bench.task)
        for asked, replica in (
            (meta, bench.first),
            (meta, bench.replica()),
            (again, bench.replica()),
        ):
            answer = await bench.poll(asked, replica)
            expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} after {first}")
            expect(answer.outputs == first.outputs, "gave other outputs the second time")
        expect(not bench.backend.jobs(), f"changed {list(bench.backend.jobs())} at the vendor")

    @check
    async def test_timeout_ends_the_wait(self, bench: Bench) -> None:
        """
        A sensor gives up when its task's time is over, also after a restart, and says so.

        Flyte: has no timeout of its own unless the platform sets one; a file that never comes keeps
        the workflow for ever.

        Troubleshooting: keep the time of create in the metadata (`created_s`), compare it with
        `self.clock.time()`.
        """
        self.needs("uses_clock")
        expect(self.timeout_s, "was not tried: say in `timeout_s` how long `task` may wait")
        meta = await bench.first.create(bench.task)
        answer = await bench.poll(meta, after_s=self.timeout_s * 0.8)
        expect(not answer.is_over, f"answered {answer} after 80 % of its time")
        answer = await bench.poll(meta, bench.replica(), after_s=self.timeout_s * 0.4)
        expect(answer.phase in FAILURES, f"answered {answer} after 120 % of its time")
        expect("time" in answer.message.lower(), f"did not say that time was up: {answer}")

    @check
    async def test_missing_permission_is_explained(self, bench: Bench) -> None:
        """
        A sensor that may not look fails, with the vendor's words.

        Flyte: shows a sensor that waits as RUNNING, without a message; nobody would know that it
        waits in vain.

        Troubleshooting: raise TaskError for 401 and 403; the core ends the task when that lasts.
        """
        self.needs("uses_clock")
        meta = await bench.first.create(bench.task)
        bench.backend.inject("get", "denied", times=None, message=_WORDS)
        answer = await bench.poll_until_over(meta, within_s=self.patience_s * 2)
        expect(answer.phase is Phase.FAILED, f"answered {answer} for a permission that is missing")
        expect(_WORDS in answer.message, f"hid what the vendor said: {answer.message[:200]!r}")

    @check
    async def test_delete_changes_nothing(self, bench: Bench) -> None:
        """
        Delete succeeds before, after and without an event, and changes nothing.

        Flyte: deletes on abort, on a sibling's failure, after retryable failures, and in Flyte 2
        after every success.

        Troubleshooting: return from delete.
        """
        meta = await bench.first.create(bench.task)
        await bench.first.delete(meta)
        bench.backend.occur()
        answer = await bench.poll(meta)
        for replica in (bench.first, bench.replica()):
            await replica.delete(meta)
        again = await bench.poll(meta)
        expect(again.phase is answer.phase, f"answered {again} after delete, {answer} before")
        expect(not bench.backend.jobs(), f"changed {list(bench.backend.jobs())} in delete")
