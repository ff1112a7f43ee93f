"""What the tasks of one propeller share."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from .cache import PollCache
from .registry import Registry
from .release import RELEASES, Release
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    import grpc

    from .dice import Dice
    from .pace import Pace
    from .settings import Settings
    from .story import Step


@dataclasses.dataclass(eq=False, kw_only=True)
class World:
    """
    One propeller process, and the next one after each crash.

    Attributes:
        settings: How propeller is configured.
        release: Which Flyte it is.
        dice: What goes wrong.
        pace: The clock.
        wire: The client.
        cache: The tasks being polled.
        registry: The task types.
        rounds: Lets so many workflows be looked at at once.
        read_file: Returns the bytes of a URI, ``None`` if there is no such file.
        observer: Called with each step.
    """

    settings: Settings
    release: Release
    dice: Dice
    pace: Pace
    wire: Wire
    cache: PollCache
    registry: Registry
    rounds: asyncio.Semaphore
    read_file: Callable[[str], bytes | None]
    observer: Callable[[Step], None] | None

    @classmethod
    def start(
        cls,
        channel: grpc.aio.Channel | Any,
        pace: Pace,
        settings: Settings,
        dice: Dice,
        *,
        connect: Callable[[], AbstractAsyncContextManager[Any]] | None,
        read_file: Callable[[str], bytes | None],
        observer: Callable[[Step], None] | None,
    ) -> World:
        """Return a propeller that has not asked the service yet."""
        wire = Wire(channel, settings, pace)

        def change_leader() -> None:  # the world is made of the cache that calls this
            world.change_leader()

        world = cls(
            settings=settings,
            release=RELEASES[settings.flyte],
            dice=dice,
            pace=pace,
            wire=wire,
            cache=PollCache(wire, pace, settings, dice, change_leader),
            registry=Registry(wire, connect, pace, settings, dice),
            rounds=asyncio.Semaphore(settings.workflow_workers),
            read_file=read_file,
            observer=observer,
        )
        return world

    def change_leader(self) -> None:
        """Be another propeller: all polling and all calls in flight are lost."""
        self.cache.clear()
        self.wire.drop_all()

    def crashed(self) -> None:
        """Take note that this propeller died."""
        if self.dice.faults.whole:
            self.change_leader()
