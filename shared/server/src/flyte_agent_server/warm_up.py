"""What agents do before their first task: in the background, and calls wait for it."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, SyncAgent

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from .catalogue import Catalogue

_log = logging.getLogger("flyte_agent.server")


class WarmUp:
    """
    Has each agent get ready when its first call comes, or all of them at once, while it is entered.

    What an agent imports is most of what it costs in memory, and few services call all they have. They get
    ready one after the other, because imports share a lock; calls wait until their agent is ready.
    """

    def __init__(self, catalogue: Catalogue, then: Callable[[], None] | None = None) -> None:
        """
        Have the calls of every agent wait.

        Args:
            catalogue: The agents.
            then: Called whenever no agent is getting ready any more.
        """
        self._catalogue, self._then = catalogue, then
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._turn, self._unready = asyncio.Lock(), 0
        for agent in catalogue.agents:
            catalogue.hold(agent, functools.partial(self.prepare, agent))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let calls go on as they are, and end what is still getting ready."""
        for task in self._tasks.values():
            task.cancel()
        for agent in self._catalogue.agents:
            self._catalogue.release(agent)

    def begin(self, *, with_all: bool) -> None:
        """Say that the service has started; ``with_all`` has every agent get ready now."""
        for agent in self._catalogue.agents if with_all else ():
            self.prepare(agent)
        self._say_if_ready()

    def prepare(self, agent: Any) -> None:
        """Have an agent get ready, once for all of its task types."""
        owner = id(getattr(agent, "runtime", agent))
        if owner not in self._tasks:
            self._unready += 1
            self._tasks[owner] = asyncio.ensure_future(self._prepare(agent))

    async def _prepare(self, agent: Any) -> None:
        async with self._turn:
            if isinstance(agent, (AsyncAgent, SyncAgent)):
                await asyncio.to_thread(_import_threads)
                await _get_ready(agent)
            self._catalogue.release(agent)
        self._unready -= 1
        self._say_if_ready()

    def _say_if_ready(self) -> None:
        if self._then is not None and not self._unready:
            self._then()


async def _get_ready(agent: AsyncAgent[Any] | SyncAgent) -> None:
    started_s = time.perf_counter()
    try:
        await agent.warm_up()
    except Exception:  # noqa: BLE001  # its first task will say what is wrong, to who can repair it
        _log.exception("%s: could not get ready beforehand", agent.name)
    else:
        _log.debug("%s: ready after %.2f s", agent.name, time.perf_counter() - started_s)


def _import_threads() -> None:
    """Import what runs an agent's blocking calls; on the loop it would itself be one."""
    import anyio.to_thread

    anyio.run(anyio.sleep, 0)  # what anyio needs for asyncio it imports at its first use
