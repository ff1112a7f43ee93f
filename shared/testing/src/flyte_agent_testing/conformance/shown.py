"""What a user gets to see: links, messages, outputs, figures."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flyte_agent_core import Phase

from .answers import FAILURES, WAITING, Answer, is_useful
from .base import TaskConformance
from .checks import AgentRaised, check, expect
from .literal_types import misfits

if TYPE_CHECKING:
    from .bench import Bench

MESSAGE_LIMIT_BYTES = 2048
_TRACEBACK = "Traceback (most recent call last)"
_EXACT = 2**53
_ROOM = "no room left on device"


class ShownChecks(TaskConformance):
    """Answers as Flyte shows them."""

    @check
    async def test_links_from_the_first_answer(self, bench: Bench) -> None:
        """
        The first answer that is not QUEUED has the links, and later ones have the same.

        Flyte: shows one event per phase: while the task stays RUNNING, no later link reaches the
        user.

        Troubleshooting: implement `links(resource_meta)` from what the metadata has; the core puts
        them on every answer.
        """
        self.needs("has_links")
        meta = await bench.first.create(bench.task)
        first = await bench.poll(meta, after_s=0)
        if first.phase is Phase.QUEUED:
            first = await bench.poll(meta)
        expect(first.links, f"answered {first} without a link")
        bench.backend.inject("get", self.transient_faults[0])
        await self._expect_links(bench, meta, first)
        bench.backend.heal()
        self.let_it_end(bench)
        await self._expect_links(bench, meta, first)

    @check
    async def test_links_can_be_followed(self, bench: Bench) -> None:
        """
        Links are absolute http(s) URLs with a name each.

        Flyte: shows a link as its name; one without a name, or relative, cannot be clicked.

        Troubleshooting: build links with `https://`, quote what comes from a user, and name what is
        behind them.
        """
        meta = await bench.first.create(bench.task)
        answer = await bench.poll(meta)
        self.let_it_end(bench)
        answers = [answer, await bench.poll(meta)]
        for link in [link for answer in answers for link in answer.resource.log_links]:
            expect_link(link.name, link.uri)
        for answer in answers:
            expect(len(answer.links) == len(answer.resource.log_links), "gave two links one name")

    @check
    async def test_outputs_are_of_the_declared_types(self, bench: Bench) -> None:
        """
        Outputs have the names and types that the task declares.

        Flyte: hands them to the next task as they are; a text where a number was declared fails
        there, far from its cause.

        Troubleshooting: make them with `attempt.output_spec`, kept in the metadata, and its
        `literal_map()`.
        """
        meta = await bench.first.create(bench.task)
        await bench.poll(meta)
        self.let_it_end(bench)
        answer = await bench.poll(meta)
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for what had succeeded")
        if answer.outputs is not None:
            wrong = list(misfits(answer.outputs, bench.task.template.interface))
            expect(not wrong, f"gave outputs that are not what was declared: {'; '.join(wrong)}")

    @check
    async def test_figures_keep_their_digits(self, bench: Bench) -> None:
        """
        Whole numbers beyond 2^53 in custom_info are text.

        Flyte: sends custom_info as a Struct, in which every number is a double; the last digits
        would be made up.

        Troubleshooting: use the core's Resource, which writes such numbers as text.
        """
        meta = await bench.first.create(bench.task)
        answers = [await bench.poll(meta)]
        self.let_it_end(bench)
        answers.append(await bench.poll(meta))
        for answer in answers:
            vague = [f"{k}={v!r}" for k, v in _numbers(answer.custom_info) if abs(v) >= _EXACT]
            expect(not vague, f"gave numbers in custom_info that a double cannot hold: {vague}")

    async def _expect_links(self, bench: Bench, meta: bytes, first: Answer) -> None:
        answer = await bench.poll(meta)
        lost = set(first.links) - set(answer.links)
        expect(not lost, f"answered {answer} without the links {sorted(lost)} it gave before")


class JobShownChecks(TaskConformance):
    """The same of jobs that can fail."""

    @check
    async def test_outputs_come_with_success_only(self, bench: Bench) -> None:
        """
        Outputs are unset until the job has succeeded.

        Flyte: takes outputs that are set for the task's own, also when they are empty, and does not
        look for the file.

        Troubleshooting: leave `outputs` None unless there are some (`{}` is not None).
        """
        meta, job = await bench.started()
        for after_s in (0.0, 30.0):
            answer = await bench.poll(meta, after_s=after_s)
            expect(answer.outputs is None, f"set outputs while it answered {answer}")
        bench.backend.fail(job, _ROOM)
        answer = await bench.poll(meta)
        expect(answer.outputs is None, f"set outputs while it answered {answer}")

    @check
    async def test_messages_are_short_and_plain(self, bench: Bench) -> None:
        """
        Messages are at most 2 KB, begin with something useful, and hold no traceback.

        Flyte: puts messages into etcd and into every event, and shows the first line; 20 kB of them
        break the call.

        Troubleshooting: take the vendor's message, not the exception's traceback; the core cuts it.
        """
        meta, job = await bench.started()
        await bench.poll(meta)
        bench.backend.inject("get", self.transient_faults[0], message=f"{_ROOM} {'ü🦋' * 50_000}")
        expect_message(await bench.poll(meta), useful=False)
        bench.backend.heal()
        bench.backend.fail(job, f"{_ROOM} \x00 {'ü🦋' * 50_000}\nsecond line")
        expect_message(await bench.poll(meta), useful=True)
        bench.backend.inject("create", self.transient_faults[0], times=None, message="ü🦋" * 50_000)
        try:
            await bench.first.create(bench.attempt(), deadline_s=self.deadline_s)
        except AgentRaised as raised:
            expect(_TRACEBACK not in raised.text, "put a traceback into the error of create")

    @check
    async def test_waiting_at_the_vendor_is_not_queued(self, bench: Bench) -> None:
        """
        A job that has been started is not QUEUED.

        Flyte: shows neither message nor links of QUEUED; the user sees nothing at all.

        Troubleshooting: map the vendor's "queued" to INITIALIZING, or to WAITING_FOR_RESOURCES.
        """
        meta = await bench.first.create(bench.task)
        answer = await bench.poll(meta)
        allowed = {*WAITING, Phase.RUNNING} - {Phase.QUEUED}
        expect(answer.phase in allowed, f"answered {answer} for a job that the vendor has")


def expect_link(name: str, url: str) -> None:
    """Go on if a link can be shown and followed."""
    parts = urlsplit(url)
    expect(name.strip(), f"gave a link without a name: {url}")
    is_absolute = parts.scheme in {"http", "https"} and parts.hostname
    expect(is_absolute and not set(url) & set(' \n\t<>"'), f"gave {url!r} for a link")


def expect_message(answer: Answer, *, useful: bool) -> None:
    """Go on if a message can be shown."""
    size = len(answer.message.encode())
    expect(size <= MESSAGE_LIMIT_BYTES, f"gave a message of {size} bytes with {answer.phase.name}")
    expect(_TRACEBACK not in answer.message, f"put a traceback into the message: {answer}")
    if useful and answer.phase in FAILURES:
        expect(is_useful(answer.message), f"gave a message that says nothing: {answer}")


def _numbers(value: object, path: str = "") -> list[tuple[str, float]]:
    if isinstance(value, dict):
        return [found for k, v in value.items() for found in _numbers(v, f"{path}.{k}".strip("."))]
    if isinstance(value, list):
        return [found for n, v in enumerate(value) for found in _numbers(v, f"{path}[{n}]")]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return [(path, value)] if is_number else []  # type: ignore[list-item]  # it is one
