"""The simulated propeller; see the package for how it is used."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import secrets
from typing import TYPE_CHECKING, Any

import grpc

from .action import Action
from .dice import Dice
from .errors import RpcError
from .node import Node
from .outputs import read_local_file
from .pace import Pace
from .settings import Faults, Settings
from .story import Transcript
from .task import TaskRun, as_task_run
from .world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flyteidl.core.literals_pb2 import LiteralMap
    from flyteidl.core.tasks_pb2 import TaskTemplate
    from typing_extensions import Self

    from flyte_agent_core.clock import Clock

    from .outcome import Outcome
    from .story import Step, Violation


class SimulatedPropeller:
    """
    Drives an agent service over gRPC as Flyte 1's propeller does, or as Flyte 2's executor with ``flyte=2``.

    Args:
        target: ``host:port``, a channel, or a :class:`~flyte_agent_testing.loopback.Loopback`. A channel is not closed,
            and has its own limit for messages.
        clock: The clock of everything here; by default the machine's.
        faults: What goes wrong; by default nothing. :class:`~.dice.LoadedDice` says it exactly.
        seed: Decides which faults hit whom, and names the executions. One that was not given differs each
            time and is printed in ``repr()``.
        observer: Called with each step as it happens.
        read_file: Returns the bytes of a URI, ``None`` if there is no such file; by default local files.
        settings: Propeller's configuration.
        **changes: Fields of :class:`Settings` that differ from ``settings``.
    """

    def __init__(
        self,
        target: str | grpc.aio.Channel | Any,
        *,
        clock: Clock | None = None,
        faults: Faults | Dice | None = None,
        seed: int | None = None,
        observer: Callable[[Step], None] | None = None,
        read_file: Callable[[str], bytes | None] = read_local_file,
        settings: Settings | None = None,
        **changes: Any,
    ) -> None:
        self.settings = dataclasses.replace(settings or Settings(), **changes)
        self.seed = secrets.randbits(32) if seed is None else seed
        self.dice = faults if isinstance(faults, Dice) else Dice(self.seed, faults or Faults())
        self.outcomes: list[Outcome] = []
        self._target = target
        self._pace = Pace(clock)
        self._observer, self._read_file = observer, read_file
        self._numbers = itertools.count()
        self._channel: grpc.aio.Channel | None = None
        self._world: World | None = None

    def __repr__(self) -> str:
        return f"SimulatedPropeller(seed={self.seed}, faults={self.dice.faults})"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    @property
    def violations(self) -> list[Violation]:
        """What would have hurt a real Flyte, of all tasks that ended."""
        return [violation for outcome in self.outcomes for violation in outcome.violations]

    @property
    def transcript(self) -> Transcript:
        """The steps of all tasks that ended, in order."""
        steps = (step for outcome in self.outcomes for step in outcome.transcript)
        return Transcript(sorted(steps, key=lambda step: step.at_s))

    @property
    def is_calling(self) -> bool:
        """Whether a call of the service is under way."""
        return self._world is not None and self._world.wire.is_calling

    async def start(self) -> None:
        """
        Connect and ask the service for its task types.

        Raises:
            ConnectionError: The service does not answer.
        """
        if self._world is not None:
            return
        if isinstance(self._target, str):
            self._channel = self._connect()
        self._world = World.start(
            self._channel or self._target,
            self._pace,
            self.settings,
            self.dice,
            connect=self._connect if self._channel is not None else None,
            read_file=self._read_file,
            observer=self._observer,
        )
        with self._explained():
            await self._world.registry.start()

    async def refresh_task_types(self) -> Mapping[str, bool]:
        """
        Ask the service again which task types it has, and return each with whether it is synchronous.

        Raises:
            ConnectionError: The service does not answer.
        """
        with self._explained():
            return await self._running().registry.refresh()

    async def close(self) -> None:
        """End all polling and close the channel."""
        if self._world is not None:
            await self._world.registry.close()
            await self._world.cache.close()
            self._world = None
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def run(
        self,
        task: TaskRun | TaskTemplate | Any,
        inputs: Mapping[str, Any] | LiteralMap | None = None,
        **changes: Any,
    ) -> Outcome:
        """
        Run a task to its end.

        Args:
            task: A template, a flytekit model of one, or a :class:`TaskRun`.
            inputs: Python values or literals.
            **changes: Fields of :class:`TaskRun`, such as ``retries``, ``timeout_s``, ``abort_after_s``.
        """
        await self.start()
        run = dataclasses.replace(as_task_run(task), **changes)
        if inputs is not None:
            run = dataclasses.replace(run, inputs=inputs)
        return await self._live(self._named(run))

    async def run_many(self, tasks: Iterable[TaskRun | TaskTemplate | Any]) -> list[Outcome]:
        """Run tasks at once, each as an execution of its own; return how they ended, in their order."""
        await self.start()
        runs = [self._named(as_task_run(task)) for task in tasks]
        lives = [asyncio.ensure_future(self._live(run)) for run in runs]
        try:
            return list(await asyncio.gather(*lives))
        finally:
            for life in lives:  # of others when one found a bug
                life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*lives, return_exceptions=True)

    def change_leader(self) -> None:
        """Let another propeller take over: all polling and all calls in flight are lost."""
        self._running().change_leader()

    async def _live(self, run: TaskRun) -> Outcome:
        life = Action if self.settings.flyte == 2 else Node
        outcome = await life(self._running(), run).live()
        self.outcomes.append(outcome)
        return outcome

    def _named(self, run: TaskRun) -> TaskRun:
        number = next(self._numbers)
        if run.execution:
            return run
        return dataclasses.replace(run, execution=f"f{self.seed:08x}n{number}")

    def _running(self) -> World:
        if self._world is None:
            raise RuntimeError(
                "SimulatedPropeller: found it closed, expected it started; use `async with`"
            )
        return self._world

    def _connect(self) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(
            self._target,
            options=[
                ("grpc.max_receive_message_length", self.settings.max_receive_bytes),
                ("grpc.max_send_message_length", -1),
                # Each is a connection of its own, also to the same address.
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except RpcError as error:
            raise ConnectionError(
                f"agent service at {self._target}: found no answer to ListAgents ({error}), "
                "expected its task types. Start the service first, or correct the address"
            ) from error
