"""Where stories are played: an agent, a vendor, a propeller, and the loop whose time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

import grpc

from flyte_agent_testing.loopback import Loopback
from flyte_agent_testing.propeller import (
    LoadedDice,
    Outcome,
    Settings,
    SimulatedPropeller,
    Step,
    TaskRun,
    Transcript,
)
from flyte_agent_testing.virtual import VirtualClock, VirtualLoop, run_virtual

from .hosting import Hosting, own_tasks
from .plan import execution
from .truth import Truth
from .works import WorkTruth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from flyteidl.core.tasks_pb2 import TaskTemplate

    from .backend import StoryBackend
    from .plan import Plan, Story

_AFTERMATH_S = 1800.0
_CANCEL_WITHIN_S = 0.25
_HORIZON_S = 3 * 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """
    What stories are played with.

    Attributes:
        backend: Makes a vendor's stand-in, or a context manager around one; called for each story. See
            :class:`~.backend.StoryBackend`.
        agent: Makes an agent as a new process has it, from that stand-in and a clock.
        task: The task to run.
        inputs: Its inputs.
        refused: A task that the vendor refuses because of its user's mistake; ``None`` if there is none.
        evicted: The vendor's word for a job that it gave up; empty if there is none.
        faults: What the vendor may get wrong for a while.
        can_vanish: Whether the vendor may forget a job.
        flytes: Which Flytes there are; tasks for Flyte 2 need a ``custom`` that is not empty.
        settings: What to change in propeller's configuration.
        patience_s: Real seconds without any news after which a call is taken to wait for virtual time: 0 if agent and
            stand-in live in the event loop, 0.1 if there are threads or sockets.
        over_grpc: Whether to send everything through a socket.
        is_sync: Whether the agent is done when it answers. Then ``jobs()`` of the backend names each piece of work that
            was done, faults are those of ``do``, and only ``inject``, ``heal``, ``hold`` and ``release`` are needed
            besides.
        asks_once: Whether a sync agent gives the vendor the attempt's key, so that work is done once however often it
            is asked for, and ``jobs()`` bears the keys.
    """

    backend: Callable[[], Any]
    agent: Callable[[Any, Any], Any]
    task: TaskTemplate
    inputs: Mapping[str, Any] | None = None
    refused: TaskTemplate | None = None
    evicted: str = ""
    faults: tuple[str, ...] = ("unavailable", "throttled", "dropped", "lost")
    can_vanish: bool = True
    flytes: tuple[int, ...] = (1, 2)
    settings: Settings = dataclasses.field(default_factory=Settings)
    patience_s: float = 0.0
    over_grpc: bool = False
    is_sync: bool = False
    asks_once: bool = True

    def template(self, plan: Plan) -> TaskTemplate:
        """Return the task of a plan."""
        refused = plan.is_refused and self.refused is not None
        return self.refused if refused and self.refused is not None else self.task


@dataclasses.dataclass(frozen=True, kw_only=True)
class Played:
    """
    A story that was played.

    Attributes:
        story: What was to happen.
        outcomes: How each task ended, as Flyte saw it.
        truth: What was really the case.
        landed: Mishaps that found an opportunity, as propeller's dice name them.
        transcript: What happened.
    """

    story: Story
    outcomes: tuple[Outcome, ...]
    truth: Truth
    landed: frozenset[tuple[str, str, int]]
    transcript: Transcript


def play(stage: Stage, story: Story) -> Played:
    """Play a story in virtual time; always the same way."""
    made = stage.backend()
    opened = made if hasattr(made, "__enter__") else contextlib.nullcontext(made)
    with opened as backend:
        performance = _Performance(stage, story, backend)
        return run_virtual(performance.run(), patience_s=stage.patience_s)


class _Performance:
    """One run of a story."""

    def __init__(self, stage: Stage, story: Story, backend: StoryBackend) -> None:
        self._stage, self._story, self._backend = stage, story, backend
        self._dice = LoadedDice(
            frozenset(story.hits()), story.luck, cancel_within_s=_CANCEL_WITHIN_S
        )
        kind = WorkTruth if stage.is_sync else Truth
        self._truth = kind(story, self._backend, stage.evicted, self._tell)
        self._truth.asks_once = stage.asks_once
        self._transcript = Transcript()
        self._outcomes: list[Outcome] = []
        self._over = False

    async def run(self) -> Played:
        """Play it, then let what goes on in the background come to its end."""
        own_tasks(asyncio.get_running_loop())
        clock = VirtualClock()
        hosting = self._hosting(clock)
        crew = [asyncio.ensure_future(self._truth.trouble(t)) for t in self._story.troubles]
        try:
            async with (
                self._served(hosting) as target,
                self._propeller(target, clock) as propeller,
            ):
                _be_patient(lambda: hosting.is_busy or propeller.is_calling)
                self._outcomes = await propeller.run_many(self._tasks())
                self._backend.heal()
                self._backend.release()
                await asyncio.sleep(_AFTERMATH_S)
                self._truth.conclude()
        finally:
            self._over = True
            for task in crew:
                task.cancel()
            await asyncio.gather(*crew, return_exceptions=True)
        return Played(
            story=self._story,
            outcomes=tuple(self._outcomes),
            truth=self._truth,
            landed=frozenset(self._dice.landed),
            transcript=self._transcript,
        )

    def _tasks(self) -> list[TaskRun]:
        return [
            TaskRun(
                template=self._stage.template(plan),
                inputs=self._stage.inputs,
                retries=plan.retries,
                timeout_s=plan.timeout_s,
                abort_after_s=plan.abort_after_s,
                execution=execution(number),
            )
            for number, plan in enumerate(self._story.tasks)
        ]

    def _hosting(self, clock: VirtualClock) -> Hosting:
        return Hosting(
            lambda: self._stage.agent(self._backend, clock),
            self._stage,
            self._story.replicas,
            self._dice,
            lambda text: self._tell("", 0, text),
            self._truth,
        )

    @contextlib.asynccontextmanager
    async def _served(self, hosting: Hosting) -> AsyncIterator[Any]:
        if not self._stage.over_grpc:
            loopback = Loopback()
            hosting.add_to(loopback)
            yield loopback
            return
        server = grpc.aio.server()
        hosting.add_to(server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            await server.stop(None)

    def _propeller(self, target: Any, clock: VirtualClock) -> SimulatedPropeller:
        return SimulatedPropeller(
            target,
            clock=clock,
            faults=self._dice,
            seed=self._story.luck,
            observer=self._heard,
            settings=self._stage.settings,
            flyte=self._story.flyte,
            supported_task_types=frozenset({self._stage.task.type}),
            expect_links=self._stage.settings.expect_links and not self._stage.is_sync,
            retry_unavailable=self._story.retry_unavailable,
            horizon_s=_HORIZON_S,
        )

    def _heard(self, step: Step) -> None:
        self._truth.look()
        self._transcript.add(step)

    def _tell(self, task: str, attempt: int, text: str) -> None:
        if self._over:
            return
        now_s = asyncio.get_running_loop().time()
        whom = f"{task}/n0" if task else "-"
        step = Step(at_s=now_s, task=whom, attempt=attempt, kind="vendor", text=text)
        self._transcript.add(step)


def _be_patient(condition: Callable[[], bool]) -> None:
    """Let time wait for threads and sockets only while a call may be waiting for them."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop):
        loop.waits_outside = condition
