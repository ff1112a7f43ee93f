"""Deadlines, and the event loop that every task of the service shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .answers import Answer
from .base import TaskConformance
from .checks import AgentRaised, check, expect

if TYPE_CHECKING:
    from .bench import Bench


class DeadlineChecks(TaskConformance):
    """A vendor that does not answer."""

    @check
    async def test_create_keeps_its_deadline(self, bench: Bench) -> None:
        """
        Create comes back before its caller gives up.

        Flyte: cancels the call at its deadline (10 s unless configured) and knows no metadata then;
        the agent's own error would say at least what was slow.

        Troubleshooting: pass `remaining_s()` of `flyte_agent_core.rpc` to each vendor call as its
        timeout.
        """
        await bench.hold("create")
        try:
            await bench.first.create(bench.task, deadline_s=self.deadline_s)
        except AgentRaised:
            return

    @check
    async def test_get_keeps_its_deadline(self, bench: Bench) -> None:
        """
        Get answers before its caller gives up, though the vendor does not.

        Flyte: counts a deadline as a failed poll; the sixth in a task's life hangs or kills it.

        Troubleshooting: derive from AsyncAgent, whose guard answers the last phase in time; in
        plain functions pass `remaining_s()` to each vendor call, or their threads are used up.
        """
        meta = await bench.first.create(bench.task)
        await bench.poll(meta)
        await bench.hold("get")
        bench.clock.advance(30.0)
        answer = Answer.of(await bench.first.get(meta, deadline_s=self.deadline_s))
        expect(not answer.is_over, f"answered {answer} to a vendor that is slow")

    @check
    async def test_delete_keeps_its_deadline(self, bench: Bench) -> None:
        """
        Delete comes back before its caller gives up.

        Flyte: repeats a delete that was too late; one that waits on blocks a worker of propeller's
        meanwhile.

        Troubleshooting: as for create.
        """
        meta = await bench.first.create(bench.task)
        await bench.hold("delete")
        try:
            await bench.first.delete(meta, deadline_s=self.deadline_s)
        except AgentRaised:
            return


class LoopChecks(TaskConformance):
    """The event loop goes on while the vendor is waited for."""

    @check
    async def test_create_does_not_block_the_loop(self, bench: Bench) -> None:
        """
        While create waits for the vendor, other calls are answered.

        Flyte: all tasks of all agents in the service share one event loop; a create that blocks it
        makes the polls of every other task miss their deadlines.

        Troubleshooting: await an async client, or write create as a plain function: it runs in a
        thread.
        """
        await bench.first.create(bench.attempt())  # what is imported on first use is imported now
        await bench.stays_free("create", bench.first.create(bench.task))

    @check
    async def test_get_does_not_block_the_loop(self, bench: Bench) -> None:
        """
        While get waits for the vendor, other calls are answered.

        Flyte: as with create, and there is a get for every task every 30 s.

        Troubleshooting: await an async client, or write get as a plain function: it runs in a
        thread.
        """
        meta = await bench.first.create(bench.task)
        await bench.poll(meta)
        bench.clock.advance(30.0)
        await bench.stays_free("get", bench.first.get(meta))

    @check
    async def test_delete_does_not_block_the_loop(self, bench: Bench) -> None:
        """
        While delete waits for the vendor, other calls are answered.

        Flyte: as with create.

        Troubleshooting: await an async client, or write delete as a plain function: it runs in a
        thread.
        """
        meta = await bench.first.create(bench.task)
        await bench.first.delete(await bench.first.create(bench.attempt()))
        await bench.stays_free("delete", bench.first.delete(meta))
