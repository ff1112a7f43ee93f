"""create: what it makes of a task, good or bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyte_agent_core import Phase

from .answers import FAILURES, is_useful
from .base import TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .bench import Bench

_ENDS_WITHIN_S = 600.0


class AcceptChecks(TaskConformance):
    """Tasks with mistakes, and tasks of which little is known."""

    @check
    async def test_create_needs_no_execution_metadata(self, bench: Bench) -> None:
        """
        A create that says nothing about the execution works.

        Flyte: a local run through flytekit passes no task_execution_metadata; the task could not be
        tried on a laptop.

        Troubleshooting: give everything that is read from it a default (`attempt.identity` has).
        """
        request = bench.attempt()
        request.ClearField("task_execution_metadata")
        meta = await bench.first.create(request)
        answer = await bench.poll(meta)
        expect(answer.phase not in FAILURES, f"answered {answer} for a local run")

    @check
    async def test_mistakes_of_the_user_do_not_use_up_retries(
        self, bench: Bench, broken_tasks: Mapping[str, CreateTaskRequest]
    ) -> None:
        """
        A mistake in the task ends FAILED, with a message that names it.

        Flyte: retries whatever create raises: the same mistake runs as often as the user allowed
        retries, and what is shown in the end is an error of gRPC.

        Troubleshooting: raise TaskError from create (`attempt.config()` does), saying field, found,
        expected, repair.
        """
        expect(broken_tasks, "was not tried: the fixture `broken_tasks` has none")
        for words, broken in broken_tasks.items():
            jobs = len(bench.backend.jobs())
            meta = await bench.first.create(bench.attempt(broken))
            answer = await bench.poll(meta, after_s=0)
            if len(bench.backend.jobs()) > jobs:  # the vendor is the one who finds the mistake
                answer = await bench.poll_until_over(meta, within_s=_ENDS_WITHIN_S)
            about = f"for a task in which the mistake is about {words!r}"
            expect(answer.phase is Phase.FAILED, f"answered {answer} {about}")
            expect(words in answer.message, f"said {answer.message[:300]!r} {about}")
            expect(is_useful(answer.message), f"began its message with an empty line {about}")
