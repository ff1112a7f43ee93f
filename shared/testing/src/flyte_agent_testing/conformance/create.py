"""create: one attempt is one job, whoever asks and however often."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_testing.templates import output_prefix

from .answers import FAILURES
from .base import TaskConformance
from .checks import AgentRaised, check, expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .bench import Bench


class CreateChecks(TaskConformance):
    """Repetitions of create, and attempts that look alike."""

    @pytest.fixture
    def other_task(self, request: pytest.FixtureRequest) -> CreateTaskRequest:
        """A request that works and does something else than ``task``."""
        self.needs("carries_values")
        carrying: Callable[[Any], CreateTaskRequest] = request.getfixturevalue("carrying")
        return carrying("something else")

    @check
    async def test_create_twice_makes_one_job(self, bench: Bench) -> None:
        """
        One attempt is one job, however often create is called.

        Flyte: repeats create whenever it could not write the answer down (another node's error, a
        conflict, a crash); of two jobs one is polled, and the other runs on, paid for and unseen.

        Troubleshooting: derive the vendor's job id or idempotency token from the attempt
        (`attempt.job_id()`); when the vendor says that it exists already, return the metadata of
        that job.
        """
        self.needs("has_request_id")
        metas = [await bench.first.create(bench.task) for _ in range(3)]
        bench.backend.finish(bench.job())
        for meta in metas:
            answer = await bench.poll(meta)
            expect(answer.phase is Phase.SUCCEEDED, f"lost the job of a repeated create: {answer}")

    @check
    async def test_two_replicas_make_one_job(self, bench: Bench) -> None:
        """
        One attempt is one job, also when the second create reaches another process.

        Flyte: spreads calls over all pods of the service, and a rollout replaces every one of them;
        what one process remembers is not there in the next.

        Troubleshooting: let the vendor know the job by the attempt's id; do not keep a table of
        attempts in the agent.
        """
        self.needs("has_request_id")
        one, other = await bench.remote(), await bench.remote()
        first, second = await one.create(bench.task), await other.create(bench.task)
        bench.backend.finish(bench.job())
        for meta, replica in ((first, other), (second, one)):
            answer = await bench.poll(meta, replica)
            expect(answer.phase is Phase.SUCCEEDED, f"lost the other replica's job: {answer}")

    @check
    async def test_parallel_creates_make_one_job(self, bench: Bench) -> None:
        """
        One attempt is one job, also when creates overlap.

        Flyte: a propeller that takes over asks again while the first call is still under way.

        Troubleshooting: do not look whether the job exists and then make it; make it with a fixed
        id, and take "exists already" for an answer.
        """
        self.needs("has_request_id")
        other = bench.replica()
        await bench.hold("create")
        calls = [await bench.held(bench.first.create(bench.task))]
        calls += [asyncio.ensure_future(r.create(bench.task)) for r in (bench.first, other, other)]
        await asyncio.sleep(0.01)  # they get as far as they can
        bench.backend.release()
        metas = await asyncio.gather(*calls)
        bench.backend.finish(bench.job())
        for meta in metas:
            answer = await bench.poll(meta)
            expect(answer.phase is Phase.SUCCEEDED, f"lost the job of a parallel create: {answer}")

    @check
    async def test_create_adopts_a_finished_job(self, bench: Bench) -> None:
        """
        A job that has ended before create is repeated is the attempt's job all the same.

        Flyte: repeats create minutes later when propeller was down; the work has been done and paid
        for.

        Troubleshooting: on "exists already" return the metadata whatever the job's state; the next
        get tells how it ended.
        """
        self.needs("has_request_id")
        await bench.first.create(bench.task)
        bench.backend.finish(bench.job())
        later = bench.replica()
        meta = await later.create(bench.task)
        bench.job()
        answer = await bench.poll(meta, later)
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for a job that had succeeded")

    @check
    async def test_next_attempt_gets_its_own_job(self, bench: Bench) -> None:
        """
        A retry is a new job.

        Flyte: a retry has the next number and the next output folder; with the job of the attempt
        before it would fail at once, as that did.

        Troubleshooting: use all of the attempt's key (`attempt.key`, `attempt.job_id()`), not only
        the names of execution and node.
        """
        retry = bench.attempt()
        first = bench.attempt(retry)
        metadata = retry.task_execution_metadata
        first.task_execution_metadata.CopyFrom(metadata)
        first.output_prefix = retry.output_prefix
        metadata.task_execution_id.retry_attempt = 1
        retry.output_prefix = f"{first.output_prefix.rpartition('/')[0]}/1"
        await self._make_two(bench, first, retry)

    @check
    async def test_equal_node_ids_get_their_own_jobs(self, bench: Bench) -> None:
        """
        Two nodes with equal ids are two jobs.

        Flyte: the task execution id lacks the path of sub-workflows, so the nodes `n0` of two of
        them have equal ids; only the output folder tells them apart. One would get the other's
        results.

        Troubleshooting: take the output folder into the job's id (`attempt.key` does), never the
        task execution id alone.
        """
        one, other = bench.attempt(), bench.attempt()
        other.task_execution_metadata.CopyFrom(one.task_execution_metadata)
        one.output_prefix = output_prefix(node_path="n0/data/0/n0")
        other.output_prefix = output_prefix(node_path="n1/data/0/n0")
        await self._make_two(bench, one, other)

    @check
    async def test_other_work_of_the_same_id_is_noticed(
        self, bench: Bench, other_task: CreateTaskRequest
    ) -> None:
        """
        A job of the attempt's id that does something else is not taken for the attempt's.

        Flyte: two installations that write to the same folder give equal ids to different work; the
        user would get a result that belongs to somebody else, as a success.

        Troubleshooting: write a fingerprint of the request on the job (a label, a tag), compare it
        when the vendor says "exists already", and raise a TaskError that says so if it differs.
        """
        self.needs("has_request_id")
        self.needs("tells_requests_apart")
        await bench.first.create(bench.task)
        other = bench.attempt(other_task)
        other.output_prefix = bench.task.output_prefix
        other.task_execution_metadata.CopyFrom(bench.task.task_execution_metadata)
        later = bench.replica()
        try:
            meta = await later.create(other)
        except AgentRaised:
            return
        if len(bench.backend.jobs()) == 1:  # more than one: each has its own
            answer = await bench.poll(meta, later)
            expect(
                answer.phase in FAILURES,
                f"answered {answer} for the job of a request with other inputs",
            )

    async def _make_two(
        self, bench: Bench, one: CreateTaskRequest, other: CreateTaskRequest
    ) -> None:
        first = await bench.first.create(one)
        second = await bench.first.create(other)
        jobs = list(bench.backend.jobs())
        expect(len(jobs) == 2, f"made {len(jobs)} job(s) of two attempts: {jobs}")
        bench.backend.finish(jobs[0])
        done, running = await bench.poll(first), await bench.poll(second)
        expect(done.phase is Phase.SUCCEEDED, f"answered {done} for the attempt whose job is done")
        expect(not running.is_over, f"answered {running} for the attempt whose job still runs")
