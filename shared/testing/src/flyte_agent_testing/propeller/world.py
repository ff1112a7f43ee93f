"""What the tasks of one propeller share."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from .cache import PollCache
from .settings import Dice, Settings
from .wire import Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from .pace import Pace
    from .story import Step


@dataclasses.dataclass(eq=False, kw_only=True)
class World:
    """
    One propeller process, and the next one after each crash.

    Attributes:
        settings: How propeller is configured.
        dice: What goes wrong.
        pace: The clock.
        wire: The client.
        cache: The tasks being polled.
        rounds: Lets so many workflows be looked at at once.
        read_file: Returns the bytes of a URI, ``None`` if there is no such file.
        observer: Called with each step.
        task_types: Task types the service lists, and whether each is synchronous.
    """

    settings: Settings
    dice: Dice
    pace: Pace
    wire: Wire
    cache: PollCache
    rounds: asyncio.Semaphore
    read_file: Callable[[str], bytes | None]
    observer: Callable[[Step], None] | None
    task_types: dict[str, bool] = dataclasses.field(default_factory=dict)

    @classmethod
    def start(
        cls,
        channel: grpc.aio.Channel,
        pace: Pace,
        settings: Settings,
        dice: Dice,
        *,
        read_file: Callable[[str], bytes | None],
        observer: Callable[[Step], None] | None,
    ) -> World:
        """Return a propeller that has not asked the service yet."""
        wire = Wire(channel, settings, pace)

        def change_leader() -> None:  # the world is made of the cache that calls this
            world.change_leader()

        cache = PollCache(wire, pace, settings, dice, change_leader)
        world = cls(
            settings=settings,
            dice=dice,
            pace=pace,
            wire=wire,
            cache=cache,
            rounds=asyncio.Semaphore(settings.workflow_workers),
            read_file=read_file,
            observer=observer,
        )
        return world

    def change_leader(self) -> None:
        """Be another propeller: all polling and all calls in flight are lost."""
        self.cache.clear()
        self.wire.drop_all()
