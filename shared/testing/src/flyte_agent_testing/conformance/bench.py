"""What one check works with: a stand-in, a clock, a task, and as many replicas of the agent as it wants."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import CreateTaskRequest

from flyte_agent_testing.templates import attempt_metadata, output_prefix

from .answers import Answer
from .checks import AgentRaised, Broken, expect
from .heartbeat import Heartbeat
from .replica import DEADLINE_S, Replica
from .service import Remote, served

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from typing_extensions import Self

    from flyte_agent_testing.clock import FakeClock

_POLL_S = 30.0
_LOOK_S = 0.002


@dataclasses.dataclass(frozen=True, kw_only=True)
class Patience:
    """
    Real seconds the kit waits.

    Attributes:
        deadline_s: What calls that are to meet their deadline are given.
        slack_s: How much later than that is too late; a busy machine needs some.
        settle_s: For what goes on in the background.
        blocked_s: How long the event loop may stand still.
    """

    deadline_s: float
    slack_s: float
    settle_s: float
    blocked_s: float


class Bench:
    """
    The surroundings of one check.

    Attributes:
        backend: The vendor.
        clock: What the agents go by.
        task: A request that works.
        first: A replica; :meth:`replica` makes further ones.
    """

    def __init__(
        self,
        backend: Any,
        clock: FakeClock,
        task: CreateTaskRequest,
        make_agent: Callable[[], Any],
        patience: Patience,
    ) -> None:
        self.backend = backend
        self.clock = clock
        self.task = task
        self.patience = patience
        self._make_agent = make_agent
        self._replicas: list[Replica] = []
        self._attempts = 0
        self._open = contextlib.AsyncExitStack()
        self.first = self.replica()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.backend.heal()
        self.backend.release()
        await self.settle()
        await self._open.aclose()

    def replica(self) -> Replica:
        """Return another process of the service: what a restart gives, or a second pod."""
        made = Replica(self._make_agent(), self.patience.slack_s)
        self._replicas.append(made)
        return made

    async def remote(self) -> Remote:
        """Return another replica, at the other end of a gRPC connection."""
        return await self._open.enter_async_context(served(self.replica()))

    def attempt(self, request: CreateTaskRequest | None = None) -> CreateTaskRequest:
        """Return the request of an attempt of which nobody has heard yet."""
        self._attempts += 1
        made = CreateTaskRequest()
        made.CopyFrom(self.task if request is None else request)
        name = f"f{self._attempts:019x}"
        metadata = attempt_metadata(made.template, execution=name)
        made.task_execution_metadata.CopyFrom(metadata)
        made.output_prefix = output_prefix(f"flytesnacks-development-{name}")
        return made

    async def poll(
        self, meta: bytes, replica: Replica | Remote | None = None, *, after_s: float = _POLL_S
    ) -> Answer:
        """Ask for a job, ``after_s`` virtual seconds later."""
        if after_s:
            self.clock.advance(after_s)
        return Answer.of(await (replica or self.first).get(meta))

    async def poll_until_over(
        self, meta: bytes, *, within_s: float, every_s: float = _POLL_S
    ) -> Answer:
        """Poll for at most so many virtual seconds; return the first terminal answer, or the last one."""
        ends_s = self.clock.monotonic() + within_s
        answer = await self.poll(meta, after_s=every_s)
        while not answer.is_over and self.clock.monotonic() < ends_s:
            await asyncio.sleep(0)  # a stand-in in this loop may have to do something
            answer = await self.poll(meta, after_s=every_s)
        return answer

    def job(self) -> str:
        """Return the id of the only job there is."""
        jobs = list(self.backend.jobs())
        expect(len(jobs) == 1, f"made {len(jobs)} jobs of one attempt: {jobs}")
        return str(jobs[0])

    async def started(self, request: CreateTaskRequest | None = None) -> tuple[bytes, str]:
        """Create a job; return its metadata and the vendor's id."""
        before = set(self.backend.jobs())
        meta = await self.first.create(request or self.task)
        made = [job for job in self.backend.jobs() if job not in before]
        expect(len(made) == 1, f"made {len(made)} jobs in one create")
        return meta, str(made[0])

    async def hold(self, operation: str) -> Heartbeat:
        """
        Have the vendor keep back its answers to ``operation``.

        An agent that blocks the loop meanwhile gets them after a while, or nothing would go on.
        """
        heart = Heartbeat(self.patience.blocked_s, self.backend.release)
        await self._open.enter_async_context(heart)
        self.backend.hold(operation)
        return heart

    async def stays_free(self, operation: str, call: Awaitable[Any]) -> None:
        """
        Make ``call`` while the vendor keeps its answer to ``operation`` back.

        Raises:
            Broken: The event loop stood still meanwhile.
        """
        heart = await self.hold(operation)
        waiting = await self.held(call)
        self.backend.release()
        with contextlib.suppress(AgentRaised):  # another check's business
            await waiting
        expect(not heart.stood_at, f"stopped the event loop in {operation}, at {heart.stood_at}")

    async def held(self, call: Awaitable[Any]) -> asyncio.Future[Any]:
        """Start a call whose answer is kept back; return once it waits for that, or has ended."""
        task = asyncio.ensure_future(call)
        ends_s = time.monotonic() + DEADLINE_S
        while not self.backend.held() and not task.done():
            if time.monotonic() > ends_s:
                task.cancel()
                raise Broken(f"had not called the vendor after {DEADLINE_S:g} s")
            await asyncio.sleep(_LOOK_S)
        return task

    async def eventually(self, holds: Callable[[], object], otherwise: str) -> None:
        """Wait until ``holds()``, for what the agent does in the background."""
        await self.settle()
        ends_s = time.monotonic() + self.patience.settle_s
        while not holds():
            expect(time.monotonic() < ends_s, otherwise)
            await asyncio.sleep(_LOOK_S)

    async def nothing_runs(self, otherwise: str) -> None:
        """Wait until no job runs at the vendor."""
        await self.eventually(lambda: not self.backend.running(), otherwise)

    async def settle(self) -> None:
        """Wait for what the replicas are doing."""
        for replica in self._replicas:
            await replica.settle(self.patience.settle_s)
