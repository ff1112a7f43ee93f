"""What agents do before their first task, in the background, so that it does not wait for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, SyncAgent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_log = logging.getLogger("flyte_agent.server")


@contextlib.contextmanager
def warm_up(agents: Iterable[Any]) -> Iterator[None]:
    """Have each agent get ready while this is entered, one after the other: imports share a lock."""
    task = asyncio.ensure_future(_all(agents))
    try:
        yield
    finally:
        task.cancel()


async def _all(agents: Iterable[Any]) -> None:
    # An agent under several types is several instances with one runtime.
    ours = {id(a.runtime): a for a in agents if isinstance(a, (AsyncAgent, SyncAgent))}
    for agent in ours.values():
        started_s = time.perf_counter()
        try:
            await agent.warm_up()
        except Exception:  # noqa: BLE001  # its first task will say what is wrong, to who can repair it
            _log.exception("%s: could not get ready beforehand", agent.name)
        else:
            took_s = time.perf_counter() - started_s
            _log.debug("%s: ready after %.2f s", agent.name, took_s)
