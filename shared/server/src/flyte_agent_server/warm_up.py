"""What agents do before their first task, in the background, so that it does not wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from flyte_agent_core import AsyncAgent, SyncAgent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .catalogue import Catalogue

_log = logging.getLogger("flyte_agent.server")


@contextlib.contextmanager
def warm_up(catalogue: Catalogue, then: Callable[[], None] | None = None) -> Iterator[None]:
    """
    Have each agent get ready while this is entered, one after the other: imports share a lock.

    Calls of an agent that the catalogue holds wait until it is ready. ``then`` is called when all
    are.
    """
    task = asyncio.ensure_future(_all(catalogue, then))
    try:
        yield
    finally:
        task.cancel()
        for agent in catalogue.agents:
            catalogue.release(agent)


async def _all(catalogue: Catalogue, then: Callable[[], None] | None) -> None:
    agents = catalogue.agents
    # An agent under several types is several instances with one runtime.
    ours = {id(a.runtime): a for a in agents if isinstance(a, (AsyncAgent, SyncAgent))}
    for agent in agents:
        if not isinstance(agent, (AsyncAgent, SyncAgent)):
            catalogue.release(agent)
    if ours:
        await asyncio.to_thread(_import_threads)
    for agent in ours.values():
        started_s = time.perf_counter()
        try:
            await agent.warm_up()
        except Exception:  # noqa: BLE001  # its first task will say what is wrong, to who can repair it
            _log.exception("%s: could not get ready beforehand", agent.name)
        else:
            took_s = time.perf_counter() - started_s
            _log.debug("%s: ready after %.2f s", agent.name, took_s)
        catalogue.release(agent)
    if then is not None:
        then()


def _import_threads() -> None:
    """Import what runs an agent's blocking calls; on the loop it would itself be one."""
    import anyio.to_thread

    anyio.run(anyio.sleep, 0)  # what anyio needs for asyncio it imports at its first use
